//! What came of one layer: each packet once, how late, and which pictures are whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    order::{LayerName, Nanos, Span},
    packet::{Alone, Stamp},
};

/// Counts the packets of one layer.
#[derive(Debug)]
pub struct Tally {
    layer: LayerName,
    span: Span,
    /// Bit by packet number.
    seen: Vec<u64>,
    doubles: u64,
    delays: Vec<Nanos>,
    pictures: BTreeMap<u32, Picture>,
    /// When the last one came; before that, when the span began.
    came_at: Nanos,
    longest_silence: Nanos,
    /// Of each packet, where that is asked for.
    arrivals: Vec<(u32, Nanos)>,
    first_picture: Option<Nanos>,
    screen: Screen,
}

/// What a subscriber sees: one whose picture stands still asks for a keyframe.
#[derive(Debug, Default)]
struct Screen {
    /// The last picture that was shown.
    shows: Option<u32>,
    /// When it was shown, or a keyframe asked for.
    since: Option<Nanos>,
}

#[derive(Clone, Copy, Debug)]
struct Picture {
    sent_at: Nanos,
    missing: u16,
    last_at: Nanos,
    alone: Alone,
    counts: Counts,
}

/// Whether a picture is of the span that is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counts {
    Yes,
    No,
}

/// What came of a layer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Came {
    /// Which.
    pub layer: LayerName,
    /// Packets, each once.
    pub packets: u64,
    /// Of them, those in time.
    pub in_time: u64,
    /// Packets that came again.
    pub doubles: u64,
    /// How long each took, in microseconds.
    pub delays_us: Vec<u32>,
    /// Pictures of which all came in time.
    pub whole: u64,
    /// Of them, those that can be decoded: a keyframe, or all before it are whole back to one.
    pub decodable: u64,
    /// The longest time without a new packet, from the span's beginning to its end.
    pub longest_silence: Nanos,
    /// The same of pictures that can be decoded.
    pub longest_freeze: Nanos,
}

/// So many packets of a layer are told apart; more is a mistake of the trial.
const MOST: u32 = 1 << 26;

impl Tally {
    /// Of `layer`; looks at everything until it is told otherwise.
    pub fn new(layer: LayerName) -> Self {
        Self {
            layer,
            span: Span {
                from: 0,
                until: Nanos::MAX,
                in_time: Nanos::MAX,
            },
            seen: Vec::new(),
            doubles: 0,
            delays: Vec::new(),
            pictures: BTreeMap::new(),
            came_at: 0,
            longest_silence: 0,
            arrivals: Vec::new(),
            first_picture: None,
            screen: Screen::default(),
        }
    }

    /// Forgets all counts, and looks at `span` from now on.
    pub fn count(&mut self, span: Span) {
        self.span = span;
        self.doubles = 0;
        self.delays.clear();
        self.arrivals.clear();
        // Pictures of the next span need those before; which are not many when a span begins.
        for picture in self.pictures.values_mut() {
            picture.counts = Counts::No;
        }
        self.came_at = span.from;
        self.longest_silence = 0;
    }

    /// A packet came.
    pub fn came(&mut self, now: Nanos, stamp: Stamp) {
        if stamp.number >= MOST || self.is_double(stamp.number) {
            self.doubles += 1;
            return;
        }
        let in_span = (self.span.from..self.span.until).contains(&stamp.sent_at);
        let picture = self.pictures.entry(stamp.picture).or_insert(Picture {
            sent_at: stamp.sent_at,
            missing: stamp.count,
            last_at: now,
            alone: stamp.alone,
            counts: if in_span { Counts::Yes } else { Counts::No },
        });
        picture.missing = picture.missing.saturating_sub(1);
        picture.last_at = now;
        if picture.missing == 0 && stamp.alone == Alone::Yes {
            self.first_picture.get_or_insert(now);
        }
        if picture.missing == 0 {
            self.screen.show(now, &stamp, &self.pictures);
        }
        if !in_span {
            return;
        }
        self.delays.push(now.saturating_sub(stamp.sent_at));
        self.arrivals.push((stamp.number, now));
        self.longest_silence = self.longest_silence.max(self.silence(now));
        self.came_at = now;
    }

    /// Whether a keyframe is to be asked for now, something having come.
    pub fn misses_keyframe(&mut self, now: Nanos) -> bool {
        self.screen.stands_still(now)
    }

    /// Whether anything came at all.
    pub fn is_coming(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Which layer.
    pub fn name(&self) -> &LayerName {
        &self.layer
    }

    /// When the first keyframe was whole.
    pub fn first_picture(&self) -> Option<Nanos> {
        self.first_picture
    }

    /// Number and time of each packet.
    pub fn arrivals(&self) -> &[(u32, Nanos)] {
        &self.arrivals
    }

    /// What came.
    pub fn report(&self) -> Came {
        let in_time = |delay: &&Nanos| **delay <= self.span.in_time;
        let (mut whole, mut decodable) = (0, 0);
        let mut shown = vec![self.span.from, self.span.until];
        let mut last_good: Option<u32> = None;
        for (number, picture) in &self.pictures {
            if picture.missing > 0 {
                continue;
            }
            let follows = number
                .checked_sub(1)
                .is_some_and(|before| last_good == Some(before));
            let can_be_shown = picture.alone == Alone::Yes || follows;
            if can_be_shown {
                last_good = Some(*number);
            }
            let late = picture.last_at.saturating_sub(picture.sent_at) > self.span.in_time;
            if picture.counts == Counts::No || late {
                continue;
            }
            whole += 1;
            decodable += u64::from(can_be_shown);
            if can_be_shown {
                shown.push(picture.last_at);
            }
        }
        shown.sort_unstable();
        let freezes = shown.windows(2).map(|pair| pair[1] - pair[0]);
        Came {
            layer: self.layer.clone(),
            packets: self.delays.len() as u64,
            in_time: self.delays.iter().filter(in_time).count() as u64,
            doubles: self.doubles,
            delays_us: self
                .delays
                .iter()
                .map(|delay| u32::try_from(delay / 1_000).unwrap_or(u32::MAX))
                .collect(),
            whole,
            decodable,
            longest_silence: self.longest_silence.max(self.silence(self.span.until)),
            longest_freeze: freezes.max().unwrap_or(0),
        }
    }

    fn silence(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.came_at)
    }

    fn is_double(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let seen = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        seen
    }
}

impl Screen {
    /// Browsers ask about so soon, and so often.
    const PATIENCE: Nanos = 300_000_000;

    /// A picture is whole, and with it perhaps others are that came before.
    fn show(&mut self, now: Nanos, stamp: &Stamp, pictures: &BTreeMap<u32, Picture>) {
        let follows = self.shows.is_some_and(|last| last + 1 == stamp.picture);
        if !follows && stamp.alone == Alone::No {
            return;
        }
        let after = pictures.range(stamp.picture..);
        let whole = after.take_while(|(_, picture)| picture.missing == 0);
        let in_a_row = (stamp.picture..)
            .zip(whole)
            .take_while(|(number, it)| number == it.0);
        self.shows = in_a_row.last().map(|(number, _)| number);
        self.since = Some(now);
    }

    fn stands_still(&mut self, now: Nanos) -> bool {
        let since = *self.since.get_or_insert(now);
        let asks = now.saturating_sub(since) > Self::PATIENCE;
        if asks {
            self.since = Some(now);
        }
        asks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn tally() -> Tally {
        let layer = LayerName {
            room: "maths".to_owned(),
            track: "camera".to_owned(),
            layer: 0,
        };
        let mut tally = Tally::new(layer);
        tally.count(Span {
            from: 100 * MS,
            until: 200 * MS,
            in_time: 50 * MS,
        });
        tally
    }

    /// A packet of a picture of two.
    fn packet(number: u32, sent_ms: Nanos, alone: Alone) -> Stamp {
        Stamp {
            sent_at: sent_ms * MS,
            number,
            picture: number / 2,
            index: (number % 2) as u16,
            count: 2,
            alone,
        }
    }

    #[test]
    fn only_what_was_sent_in_the_span_counts_and_each_packet_once() {
        let mut tally = tally();
        for (number, sent, came) in [
            (0, 99, 120),
            (1, 100, 120),
            (1, 100, 121),
            (2, 150, 201),
            (3, 199, 210),
            (4, 200, 210),
        ] {
            tally.came(came * MS, packet(number, sent, Alone::No));
        }
        let came = tally.report();
        assert_eq!((came.packets, came.in_time, came.doubles), (3, 2, 1));
        assert_eq!(came.delays_us, [20_000, 51_000, 11_000]);
        assert_eq!(came.longest_silence, 81 * MS);
    }

    #[test]
    fn a_picture_can_be_decoded_if_all_since_a_keyframe_are_whole() {
        let mut tally = tally();
        // Picture 2 is not whole; 3 is, but needs it; 4 stands alone.
        for number in [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11] {
            let alone = match number / 2 {
                0 | 4 => Alone::Yes,
                _ => Alone::No,
            };
            let sent = 100 + u64::from(number / 2) * 10;
            tally.came((sent + 5) * MS, packet(number, sent, alone));
        }
        let came = tally.report();
        assert_eq!((came.whole, came.decodable), (5, 4));
        // After the last one, until the span ends.
        assert_eq!(came.longest_freeze, 45 * MS);
        assert_eq!(tally.first_picture(), Some(105 * MS));
    }

    #[test]
    fn who_sees_nothing_new_asks_for_a_keyframe() {
        let mut tally = tally();
        let mut asks = |at: Nanos, number, alone| {
            tally.came(at * MS, packet(number, at, alone));
            tally.misses_keyframe(at * MS)
        };
        for (at, number, alone, expected, what) in [
            (0, 0, Alone::Yes, false, "it begins"),
            (10, 1, Alone::Yes, false, "a keyframe"),
            (40, 4, Alone::No, false, "one is missing"),
            (41, 5, Alone::No, false, "one is missing"),
            (50, 2, Alone::No, false, "it comes again"),
            (51, 3, Alone::No, false, "and both are shown"),
            (80, 6, Alone::No, false, "the next"),
            (81, 7, Alone::No, false, "the next"),
            (120, 10, Alone::No, false, "one is lost"),
            (381, 12, Alone::No, false, "not yet"),
            (382, 13, Alone::No, true, "for 301 ms"),
            (400, 14, Alone::No, false, "it was asked for"),
            (700, 20, Alone::Yes, true, "it did not come"),
            (701, 21, Alone::Yes, false, "now it did"),
        ] {
            assert_eq!(asks(at, number, alone), expected, "{at}: {what}");
        }
    }
}
