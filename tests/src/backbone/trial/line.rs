//! One line between two nodes, as good or bad as one likes, and a room that crosses it.

use std::time::Duration;

use anyhow::Result;

use super::{FAR, NEAR, pair};
use crate::backbone::{
    figures::{percent, quantile},
    order::{LinkSeen, Order},
    row::{Goal, Row, Unit},
    stage::{Act, Show, Stage, Watched},
};

/// What is tried.
#[derive(Debug)]
pub struct Line<'a> {
    /// How it is called in the verdict.
    pub case: &'a str,
    /// What the line is like, in the words of the lab.
    pub conditions: &'a str,
    /// What crosses it.
    pub show: Show,
    /// For how long it is watched.
    pub length: Duration,
    /// What comes later is of no use.
    pub in_time: Duration,
    /// What happens meanwhile: so long after the beginning, in the words of the lab.
    pub changes: &'a [(Duration, &'a str)],
    /// What should be.
    pub goals: &'a [(Figure, Goal)],
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// Of all packets, those in time.
    InTime,
    /// The time that one packet of a hundred took longer than.
    P99,
    /// Of packets of sound, those in time.
    SoundInTime,
    /// The time that one packet of sound of a hundred took longer than.
    SoundP99,
    /// Of all pictures, those whole and in time.
    Whole,
    /// Of all pictures, those that could be shown.
    Decodable,
    /// The longest time that a voice was not heard.
    Silence,
    /// The longest time that a picture stood still.
    Freeze,
    /// Bytes of pictures sent again, of those sent.
    Resent,
    /// Bytes of sound sent again, asked for or not, of those sent.
    Repeated,
    /// The time that one ping of a hundred took longer than.
    Ping,
}

/// What a line takes before one looks at it: it learns its rate.
const WARM: Duration = Duration::from_secs(4);
/// How often the other end is asked something.
const PING_MS: u64 = 50;

impl Line<'_> {
    /// Tries it.
    pub fn run(&self) -> Result<Vec<Row>> {
        let (mut stage, _) = pair(1, self.conditions)?;
        stage.begin(&self.show)?;
        stage.node(NEAR)?.tell(&Order::Ping {
            room: self.show.room.to_owned(),
            every_ms: PING_MS,
        })?;
        std::thread::sleep(WARM);
        let watched = self.watch(&mut stage)?;
        Ok(self.judge(&watched))
    }

    fn watch(&self, stage: &mut Stage) -> Result<Seen> {
        let before = link(stage)?;
        let mut changes: Vec<_> = self
            .changes
            .iter()
            .map(|(after, change)| (*after, |stage: &mut Stage| stage.change(change)))
            .collect();
        let mut acts: Vec<(Duration, Act<'_>)> = changes
            .iter_mut()
            .map(|(after, act)| (*after, act as Act<'_>))
            .collect();
        let shows = [self.show.clone()];
        let mut watched = stage.watch(&shows, self.length, self.in_time, &mut acts)?;
        Ok(Seen {
            show: watched.remove(0),
            before,
            after: link(stage)?,
        })
    }

    fn judge(&self, seen: &Seen) -> Vec<Row> {
        let row = |(figure, goal): &(Figure, Goal)| {
            let (value, remark) = seen.figure(*figure);
            goal.row_with(self.case, value, &remark)
        };
        self.goals.iter().map(row).collect()
    }
}

/// What was seen of a line.
#[derive(Debug)]
struct Seen {
    show: Watched,
    before: Option<LinkSeen>,
    after: Option<LinkSeen>,
}

/// The link as who publishes sees it; none while it is down.
fn link(stage: &mut Stage) -> Result<Option<LinkSeen>> {
    let links = stage.node(NEAR)?.look()?.links;
    Ok(links.into_iter().find(|link| link.node == FAR))
}

impl Seen {
    fn figure(&self, figure: Figure) -> (f64, String) {
        let figures = &self.show.figures;
        let (sound, pictures) = (&figures.sound, &figures.pictures);
        let plain = |value: f64| (value, String::new());
        match figure {
            Figure::InTime => {
                let sent = sound.sent + pictures.sent;
                let came = sound.came + pictures.came;
                let remark = match self.show.from.refused {
                    0 => format!("{sent} sent, {} never came", sent.saturating_sub(came)),
                    refused => format!("{sent} sent, {refused} found the sender's queue full"),
                };
                (figures.in_time(), remark)
            }
            Figure::P99 => (
                pictures.delay_ms(0.99),
                format!(
                    "p50 {:.1} ms, p99.9 {:.0} ms",
                    pictures.delay_ms(0.5),
                    pictures.delay_ms(0.999)
                ),
            ),
            Figure::SoundInTime => plain(sound.share_in_time()),
            Figure::SoundP99 => (
                sound.delay_ms(0.99),
                format!(
                    "p50 {:.1} ms, p99.9 {:.0} ms",
                    sound.delay_ms(0.5),
                    sound.delay_ms(0.999)
                ),
            ),
            Figure::Whole => (
                pictures.share_whole(),
                format!(
                    "{:.1} % can be decoded, {:.1} % of packets came",
                    pictures.share_decodable(),
                    percent(pictures.came, pictures.sent)
                ),
            ),
            Figure::Decodable => plain(pictures.share_decodable()),
            Figure::Silence => plain(sound.longest_silence as f64 / 1e6),
            Figure::Freeze => plain(pictures.longest_freeze as f64 / 1e6),
            Figure::Resent => self.again(|link| link.pictures_again),
            Figure::Repeated => self.again(|link| link.sound_again),
            Figure::Ping => self.ping(),
        }
    }

    /// Of all bytes that left, a part.
    fn again(&self, part: impl Fn(&LinkSeen) -> u64) -> (f64, String) {
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return (f64::NAN, "the link is down".to_owned());
        };
        let all = |link: &LinkSeen| link.first + link.pictures_again + link.sound_again;
        let share = percent(part(after) - part(before), all(after) - all(before));
        (share, String::new())
    }

    fn ping(&self) -> (f64, String) {
        let mut pings = self.show.from.pings_us.clone();
        pings.sort_unstable();
        let lost = u64::from(self.show.from.pinged).saturating_sub(pings.len() as u64);
        let remark = format!(
            "p50 {:.0} ms, {lost} of {} not answered yet",
            quantile(&pings, 0.5) / 1e3,
            self.show.from.pinged
        );
        (quantile(&pings, 0.99) / 1e3, remark)
    }
}

/// The goals of a line that loses packets.
pub fn repaired(in_time: Duration, p99: f64, sound_p99: f64) -> Vec<(Figure, Goal)> {
    let share = match in_time.as_millis() {
        250 => "packets within 250 ms",
        _ => "packets within 400 ms",
    };
    vec![
        (Figure::InTime, Goal::at_least(share, 99.9, Unit::Percent)),
        (Figure::P99, Goal::at_most("video p99", p99, Unit::Ms)),
        (
            Figure::SoundP99,
            Goal::at_most("audio p99", sound_p99, Unit::Ms),
        ),
    ]
}

/// The goals of a link that carries little more than half.
pub fn narrow() -> [(Figure, Goal); 4] {
    [
        (
            Figure::SoundInTime,
            Goal::at_least("audio delivered", 99.5, Unit::Percent),
        ),
        (
            Figure::SoundP99,
            Goal::at_most("audio p99", 100.0, Unit::Ms),
        ),
        (
            Figure::Whole,
            Goal::at_least("whole video frames", 50.0, Unit::Percent),
        ),
        (
            Figure::Ping,
            Goal::at_most("control ping p99", 150.0, Unit::Ms),
        ),
    ]
}
