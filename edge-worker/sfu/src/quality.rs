//! How good a participant's connection is, from what is lost and how late the rest is,
//! both ways. Simplified from the E-model (ITU-T G.107): what troubles a call is taken
//! off a hundred.
//!
//! Counting is left to those who receive and send, telling to the room.

use std::time::Duration;

use media::{Layer, MediaKind, ParticipantId};

use crate::fanout::Wish;
use crate::select::LayerSet;

/// A participant's connection, in steps as clients show them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Quality {
    /// Nothing is heard of it.
    Lost,
    /// Hardly a call.
    Poor,
    /// Noticeable.
    Good,
    /// Nothing to wish for.
    Excellent,
}

/// What is told of a participant's connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnectionQuality {
    /// Whose.
    pub participant: ParticipantId,
    /// How good.
    pub quality: Quality,
    /// The same, from 0 to 100.
    pub score: f32,
}

/// One stream during one window, at its receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    pub(crate) kind: MediaKind,
    /// Packets that should have come ...
    pub(crate) expected: u64,
    /// ... and those that did not, at first.
    pub(crate) lost: u64,
    pub(crate) jitter: Duration,
    /// Layers it is below what is wished and could be: its bitrate in steps.
    pub(crate) missing_layers: u8,
    /// What was carried.
    pub(crate) bytes: u64,
}

/// All streams of a participant during one window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Findings {
    /// Of the worst stream.
    trouble: f32,
    jitter: Duration,
    round_trip: Option<Duration>,
    signs: Signs,
    /// Packets of all streams that should have come, and those that did not.
    expected: u64,
    lost: u64,
    /// Bytes it sent, and bytes it was sent.
    sent: u64,
    received: u64,
    /// The best of what it shows.
    shown: Option<Shown>,
}

/// A picture that somebody sent during one window. By rank: who shows a face and a page is
/// judged by the face, as a page stands still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) of: Subject,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frames: u64,
}

/// What a picture is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Subject {
    Screen,
    Person,
}

/// Which way a stream goes, seen from the participant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Sent,
    Received,
}

/// Whether anything came of a participant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Signs {
    #[default]
    None,
    Seen,
}

impl Findings {
    /// One of its streams, either way.
    pub(crate) fn add(&mut self, leg: &Leg) {
        if leg.expected > leg.lost {
            self.signs = Signs::Seen;
        }
        self.trouble = self.trouble.max(leg.trouble());
        self.jitter = self.jitter.max(leg.jitter);
        self.expected += leg.expected;
        self.lost += leg.lost;
    }

    /// What one of its streams carried, muted or not.
    pub(crate) fn carried(&mut self, way: Way, leg: &Leg) {
        match way {
            Way::Sent => self.sent += leg.bytes,
            Way::Received => self.received += leg.bytes,
        }
    }

    /// A picture it sends.
    pub(crate) fn show(&mut self, picture: Shown) {
        let rank = |it: &Shown| (it.of, u64::from(it.width) * u64::from(it.height), it.frames);
        if self.shown.is_none_or(|best| rank(&best) < rank(&picture)) {
            self.shown = Some(picture);
        }
    }

    /// How far away it is, told on one of its streams; the others wait for themselves.
    pub(crate) fn add_round_trip(&mut self, time: Duration) {
        let least = self.round_trip.map_or(time, |before| before.min(time));
        self.round_trip = Some(least);
    }

    fn score(&self) -> f32 {
        let way = self.round_trip.unwrap_or_default() / 2;
        (BEST - self.trouble - lateness(way + 2 * self.jitter)).max(ALIVE)
    }
}

impl Leg {
    fn trouble(&self) -> f32 {
        // Of few packets the loss of one says little: encoders rest in silence.
        let base = self.expected.max(FEW);
        let lost = 100.0 * self.lost as f32 / base as f32;
        let weight = match self.kind {
            // Half of it is concealed or comes in the next packet.
            MediaKind::Audio => 3.0,
            // Resent, but pictures wait for it.
            MediaKind::Video => 4.0,
        };
        lost * weight + f32::from(self.missing_layers) * LAYER
    }
}

/// How many of the layers that live and are `wanted` are kept back; all of them where
/// nothing is sent.
pub(crate) fn missing_layers(live: LayerSet, wanted: Wish, aim: Option<Layer>) -> u8 {
    let Wish::Layer { spatial, .. } = wanted else {
        return 0;
    };
    if live.iter().next().is_none() {
        return 0;
    }
    match aim {
        Some(aim) => live.nearest(spatial).0.saturating_sub(live.nearest(aim).0),
        None => Layer::COUNT as u8,
    }
}

/// A participant's connection over time.
#[derive(Debug)]
pub(crate) struct Assessor {
    score: f32,
    hearing: Hearing,
}

/// Whether the participant's network answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hearing {
    Yes,
    Silence,
}

impl Default for Assessor {
    fn default() -> Self {
        Self {
            score: BEST,
            hearing: Hearing::Yes,
        }
    }
}

impl Assessor {
    /// Its network fell silent. That is more than to send nothing: who is muted still
    /// answers.
    pub(crate) fn fell_silent(&mut self) {
        self.hearing = Hearing::Silence;
        self.score = 0.0;
    }

    /// Its network answers again.
    pub(crate) fn is_back(&mut self) {
        self.hearing = Hearing::Yes;
        self.score = self.score.max(ALIVE);
    }

    /// Ends a window. It gets worse at once, and better halfway each time: nobody
    /// trusts a connection after one good window.
    pub(crate) fn assess(&mut self, findings: &Findings) {
        match (self.hearing, findings.signs) {
            (Hearing::Silence, Signs::None) => return,
            (Hearing::Silence, Signs::Seen) => self.is_back(),
            (Hearing::Yes, Signs::None | Signs::Seen) => {}
        }
        let score = findings.score();
        self.score = if score < self.score {
            score
        } else {
            self.score + (score - self.score) / 2.0
        };
    }

    /// From 0 to 100.
    pub(crate) fn score(&self) -> f32 {
        self.score
    }

    pub(crate) fn quality(&self) -> Quality {
        match self.score {
            score if score > 80.0 => Quality::Excellent,
            score if score > 40.0 => Quality::Good,
            score if score > 20.0 => Quality::Poor,
            _ => Quality::Lost,
        }
    }
}

/// What a participant's connection was like for about a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// For so long.
    pub lasted: Duration,
    /// From 0 to 100, on average.
    pub score: f32,
    /// Of its packets, both ways.
    pub loss_percent: f32,
    /// On average, of the worst stream each time.
    pub jitter: Duration,
    /// On average; `None` if it was never known.
    pub round_trip: Option<Duration>,
    /// Bytes it sent.
    pub sent: u64,
    /// Bytes it was sent.
    pub received: u64,
    /// Times that its network fell silent.
    pub silences: u64,
    /// What it sent of its camera, or else of its screen; `None` if it showed nothing.
    pub picture: Option<Picture>,
}

/// What somebody's picture was like, on average over the time it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    /// Pixels; 0 if it was never told.
    pub width: u32,
    /// Pixels; 0 if it was never told.
    pub height: u32,
    /// As they came.
    pub frames_per_second: f32,
}

/// Gathers what becomes a [`Summary`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gathering {
    windows: u32,
    score: f32,
    expected: u64,
    lost: u64,
    jitter: Duration,
    round_trip: Duration,
    round_trips: u32,
    sent: u64,
    received: u64,
    silences: u64,
    gallery: Gallery,
}

/// Sums over the windows in which there was a picture.
#[derive(Clone, Copy, Debug, Default)]
struct Gallery {
    windows: u32,
    width: u64,
    height: u64,
    frames: u64,
}

impl Gallery {
    fn add(&mut self, picture: &Shown) {
        self.windows += 1;
        self.width += u64::from(picture.width);
        self.height += u64::from(picture.height);
        self.frames += picture.frames;
    }

    fn average(&self) -> Option<Picture> {
        let side = |sum: u64| u32::try_from(sum.checked_div(self.windows.into())?).ok();
        Some(Picture {
            width: side(self.width)?,
            height: side(self.height)?,
            frames_per_second: self.frames as f32 / (WINDOW * self.windows).as_secs_f32(),
        })
    }
}

impl Gathering {
    /// One window has ended; the summary, if that was a minute.
    pub(crate) fn add(&mut self, findings: &Findings, score: f32) -> Option<Summary> {
        self.windows += 1;
        self.score += score;
        self.expected += findings.expected;
        self.lost += findings.lost;
        self.jitter += findings.jitter;
        if let Some(round_trip) = findings.round_trip {
            self.round_trip += round_trip;
            self.round_trips += 1;
        }
        self.sent += findings.sent;
        self.received += findings.received;
        if let Some(picture) = &findings.shown {
            self.gallery.add(picture);
        }
        (self.windows >= SUMMED).then(|| self.take())
    }

    /// Its network fell silent.
    pub(crate) fn fell_silent(&mut self) {
        self.silences += 1;
    }

    fn take(&mut self) -> Summary {
        let it = std::mem::take(self);
        Summary {
            lasted: WINDOW * it.windows,
            score: it.score / it.windows as f32,
            loss_percent: 100.0 * it.lost as f32 / it.expected.max(1) as f32,
            jitter: it.jitter / it.windows,
            round_trip: (it.round_trips > 0).then(|| it.round_trip / it.round_trips),
            sent: it.sent,
            received: it.received,
            silences: it.silences,
            picture: it.gallery.average(),
        }
    }
}

/// A minute.
const SUMMED: u32 = 12;

/// How often connections are assessed.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);

const BEST: f32 = 100.0;

/// Whoever is heard is not lost, however bad it is.
const ALIVE: f32 = 21.0;

/// A second of sound.
const FEW: u64 = 50;

/// For each layer missing: a picture of a quarter of the size is noticed.
const LAYER: f32 = 25.0;

/// Nobody notices up to 160 ms one way; from there people begin to talk over each other.
fn lateness(way: Duration) -> f32 {
    let millis = way.as_secs_f32() * 1_000.0;
    if millis < 160.0 {
        millis / 40.0
    } else {
        (millis - 120.0) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaKind::{Audio, Video};
    use Quality::{Excellent, Good, Lost, Poor};

    fn leg(kind: MediaKind, expected: u64, lost: u64) -> Leg {
        Leg {
            kind,
            expected,
            lost,
            jitter: Duration::ZERO,
            missing_layers: 0,
            bytes: 0,
        }
    }

    fn findings(leg: &Leg, round_trip_ms: u64) -> Findings {
        let mut findings = Findings::default();
        findings.add(leg);
        findings.add_round_trip(Duration::from_millis(round_trip_ms));
        findings
    }

    #[test]
    fn cq_2_loss_delay_jitter_and_missing_layers_make_it_worse() {
        for (leg, jitter_ms, layers, round_trip_ms, expected, what) in [
            (leg(Audio, 250, 0), 5, 0, 40, Excellent, "a good line"),
            (leg(Audio, 250, 10), 5, 0, 40, Excellent, "4 % of sound"),
            (leg(Audio, 250, 25), 5, 0, 40, Good, "10 % of sound"),
            (leg(Audio, 250, 60), 5, 0, 40, Poor, "24 % of sound"),
            (leg(Video, 500, 10), 5, 0, 40, Excellent, "2 % of pictures"),
            (leg(Video, 500, 40), 5, 0, 40, Good, "8 % of pictures"),
            (leg(Video, 500, 80), 5, 0, 40, Poor, "16 % of pictures"),
            (
                leg(Video, 500, 500),
                5,
                0,
                40,
                Poor,
                "everything, but it answers",
            ),
            (leg(Audio, 250, 0), 5, 0, 400, Excellent, "far away"),
            (leg(Audio, 250, 0), 60, 0, 650, Good, "EDGE"),
            (leg(Audio, 250, 0), 300, 0, 650, Poor, "a queue that fills"),
            (leg(Video, 500, 0), 5, 1, 40, Good, "a layer less"),
            (leg(Video, 500, 0), 5, 2, 40, Good, "two layers less"),
            (leg(Audio, 4, 1), 5, 0, 40, Excellent, "one of few"),
        ] {
            let leg = Leg {
                jitter: Duration::from_millis(jitter_ms),
                missing_layers: layers,
                ..leg
            };
            let mut assessor = Assessor::default();
            assessor.assess(&findings(&leg, round_trip_ms));
            assert_eq!(assessor.quality(), expected, "{what}: {}", assessor.score());
        }
    }

    #[test]
    fn cq_2_the_worst_stream_counts_and_the_nearest_round_trip() {
        let mut both = findings(&leg(Audio, 250, 60), 40);
        both.add(&leg(Video, 500, 0));
        both.add_round_trip(Duration::from_millis(2_000));
        let mut assessor = Assessor::default();
        assessor.assess(&both);
        assert_eq!(assessor.quality(), Poor);
        assert_eq!(both.score(), findings(&leg(Audio, 250, 60), 40).score());
    }

    #[test]
    fn cq_3_only_a_silent_network_is_lost_not_a_muted_publisher() {
        let mut assessor = Assessor::default();
        for _ in 0..10 {
            assessor.assess(&Findings::default());
            assert_eq!(assessor.quality(), Excellent, "muted or idle");
        }
        assessor.assess(&findings(&leg(Audio, 250, 250), 40));
        assert_eq!(
            assessor.quality(),
            Poor,
            "all is lost, but somebody told so"
        );

        assessor.fell_silent();
        assert_eq!(assessor.quality(), Lost);
        assessor.assess(&Findings::default());
        assert_eq!(assessor.quality(), Lost, "still");
        assessor.assess(&findings(&leg(Audio, 250, 0), 40));
        assert!(assessor.quality() > Lost, "back");
    }

    #[test]
    fn it_gets_worse_at_once_and_better_step_by_step() {
        let good = findings(&leg(Audio, 250, 0), 40);
        let bad = findings(&leg(Audio, 250, 80), 40);
        let mut assessor = Assessor::default();
        let mut seen = Vec::new();
        for window in [&good, &bad, &good, &good, &good, &good] {
            assessor.assess(window);
            seen.push(assessor.quality());
        }
        assert_eq!(seen, [Excellent, Poor, Good, Good, Excellent, Excellent]);
    }

    #[test]
    fn cq_2_layers_that_are_wanted_and_kept_back_are_missing() {
        let wish = |spatial| Wish::Layer {
            spatial: Layer(spatial),
            temporal: 2,
        };
        for (live, wanted, aim, expected, what) in [
            (&[0, 1, 2][..], wish(2), Some(2), 0, "as wanted"),
            (&[0, 1, 2], wish(2), Some(0), 2, "two less"),
            (
                &[0, 1, 2],
                wish(0),
                Some(0),
                0,
                "a small picture was wanted",
            ),
            (&[0, 1], wish(2), Some(1), 0, "the best there is"),
            (&[0], wish(2), Some(2), 0, "the only one there is"),
            (&[0, 1, 2], wish(2), None, 3, "paused for want of bandwidth"),
            (&[0, 1, 2], Wish::Paused, None, 0, "paused as wanted"),
            (&[], wish(2), None, 0, "nothing is sent"),
        ] {
            let live = live.iter().map(|layer| Layer(*layer)).collect();
            let missing = missing_layers(live, wanted, aim.map(Layer));
            assert_eq!(missing, expected, "{what}");
        }
    }

    #[test]
    fn the_score_stays_within_its_bounds() {
        for lost in [0, 1, 1_000, u64::MAX] {
            for millis in [0, 100, 1_000_000] {
                let mut assessor = Assessor::default();
                assessor.assess(&findings(&leg(Video, lost, lost), millis));
                assert!((ALIVE..=BEST).contains(&assessor.score()));
            }
        }
    }

    #[test]
    fn a_minute_is_summed_up_from_its_windows() {
        let mut gathering = Gathering::default();
        gathering.fell_silent();
        for window in 1..=SUMMED {
            let mut findings = findings(&leg(Video, 100, u64::from(window % 2) * 10), 200);
            let carried = Leg {
                bytes: 1_000,
                ..leg(Video, 0, 0)
            };
            findings.carried(Way::Sent, &carried);
            findings.carried(Way::Received, &carried);
            findings.carried(Way::Received, &carried);
            let summary = gathering.add(&findings, 90.0);
            if window < SUMMED {
                assert_eq!(summary, None, "{window}");
                continue;
            }
            let summary = summary.unwrap();
            assert_eq!(summary.lasted, Duration::from_secs(60));
            assert_eq!((summary.score, summary.loss_percent), (90.0, 5.0));
            assert_eq!(summary.round_trip, Some(Duration::from_millis(200)));
            assert_eq!((summary.sent, summary.received), (12_000, 24_000));
            assert_eq!((summary.silences, summary.picture), (1, None));
        }
        let first = gathering.add(&Findings::default(), 0.0);
        assert_eq!(first, None, "the next minute begins");
    }

    #[test]
    fn a_minute_tells_of_the_face_while_there_was_one_and_else_of_the_page() {
        let shown = |of, width, height, frames| Shown {
            of,
            width,
            height,
            frames,
        };
        let face = |frames| shown(Subject::Person, 640, 360, frames);
        let small = shown(Subject::Person, 320, 180, 100);
        let page = shown(Subject::Screen, 1_920, 1_080, 10);
        let told = |width, height, frames_per_second| {
            Some(Picture {
                width,
                height,
                frames_per_second,
            })
        };
        for (first_half, second_half, expected, what) in [
            (vec![], vec![], None, "nothing"),
            (
                vec![face(150)],
                vec![face(75)],
                told(640, 360, 22.5),
                "slower",
            ),
            (
                vec![face(150)],
                vec![],
                told(640, 360, 30.0),
                "muted for a half",
            ),
            (
                vec![face(100)],
                vec![small],
                told(480, 270, 20.0),
                "smaller",
            ),
            (
                vec![page, face(100)],
                vec![face(100), page],
                told(640, 360, 20.0),
                "both",
            ),
            (vec![page], vec![page], told(1_920, 1_080, 2.0), "a page"),
            (
                vec![small, face(50)],
                vec![face(50)],
                told(640, 360, 10.0),
                "two cameras",
            ),
        ] {
            let mut gathering = Gathering::default();
            let mut summary = None;
            for window in 0..SUMMED {
                let mut findings = Findings::default();
                let half = if window < SUMMED / 2 {
                    &first_half
                } else {
                    &second_half
                };
                for picture in half {
                    findings.show(*picture);
                }
                summary = gathering.add(&findings, 90.0);
            }
            assert_eq!(summary.unwrap().picture, expected, "{what}");
        }
    }
}
