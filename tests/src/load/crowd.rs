//! Lessons on thin lines: in each room one speaks and the others listen, everybody from an
//! address, and so behind a link, of its own. How many get in, how soon, and what they hear.

use std::{fmt, net::Ipv4Addr, time::Duration};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    client::{Streams, handshake::Dtls, inbox::Coalescing},
    clock::Clock,
    hearing::Heard,
    media::{ClientId, Media},
    part::{Device, Manner, Part, Watch},
    participant::{Participant, Stage},
    sdp::Repetition,
    speech::{opinion, rating},
    statistics::Group,
};
use crate::tokens;

/// Who comes, and for how long.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// The server.
    #[arg(long)]
    pub url: String,
    /// The address of the first; the next one has the next.
    #[arg(long)]
    pub first: Ipv4Addr,
    /// Everybody.
    #[arg(long)]
    pub people: usize,
    /// Seconds in which they come, one after the other.
    #[arg(long)]
    pub arriving: f64,
    /// Seconds in which it is measured what they hear.
    #[arg(long)]
    pub seconds: f64,
}

/// What became of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attendance {
    /// Who wanted in.
    pub people: usize,
    /// How long each of those took who got in: seconds, from opening the WebSocket to the end of
    /// the handshake, in order.
    pub joined_s: Vec<f64>,
    /// Why the others did not, and who was thrown out.
    pub failures: Vec<String>,
    /// The share of the sound that each listener missed, in order.
    pub missed: Vec<f64>,
    /// What the E-model foretells that each says of listening alone, in order.
    pub listening: Vec<f64>,
    /// The same of talking to each other.
    pub talking: Vec<f64>,
}

/// One speaks to so many others.
const LESSON: usize = 24;
/// For who comes last, and first sounds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many speak, the first of all.
fn rooms(people: usize) -> usize {
    people.div_ceil(LESSON + 1)
}

/// Has them come, listen and go.
pub async fn attend(plan: &Plan) -> Result<Attendance> {
    let stage = Stage {
        url: plan.url.clone(),
        key: tokens::KEY.to_owned(),
        secret: tokens::SECRET.to_owned(),
        media: Media::start(Clock::start())?,
        dtls: Dtls::new()?,
        coalescing: Coalescing::Allowed,
        first: Some(plan.first),
    };
    let mut class = Class::default();
    class.arrive(plan, &stage).await;
    class.settle(&stage).await?;
    // What was heard before all were settled does not count.
    stage.media.heard().await?;
    sleep(Duration::from_secs_f64(plan.seconds)).await;
    let mut heard = stage.media.heard().await?;
    heard.retain(|(client, _)| class.listeners.contains(client));
    class.end().await;
    let heard: Vec<Heard> = heard.into_iter().map(|(_, heard)| heard).collect();
    Ok(Attendance::of(plan.people, class, &heard))
}

/// Those who came.
#[derive(Debug, Default)]
struct Class {
    /// Ends with each participation; says who was thrown out.
    stays: JoinSet<Result<()>>,
    leave: watch::Sender<bool>,
    listeners: Vec<ClientId>,
    joined: Vec<Duration>,
    failures: Vec<String>,
}

impl Class {
    async fn arrive(&mut self, plan: &Plan, stage: &Stage) {
        let start = Instant::now();
        let apart = Duration::from_secs_f64(plan.arriving / plan.people.max(1) as f64);
        let mut joining = JoinSet::new();
        for number in 0..plan.people {
            let (stage, part) = (stage.clone(), part(number, rooms(plan.people)));
            let at = start + apart * number as u32;
            joining.spawn(async move {
                sleep_until(at).await;
                Participant::join(&stage, part).await
            });
        }
        while let Some(joined) = joining.join_next().await {
            match joined.map_err(anyhow::Error::from).flatten() {
                Ok(participant) => {
                    self.joined.push(participant.joined_in);
                    if !participant.publishes() {
                        self.listeners.push(participant.client());
                    }
                    self.stays.spawn(participant.stay(self.leave.subscribe()));
                }
                Err(error) => self.failures.push(format!("{error:#}")),
            }
        }
    }

    /// Waits until all listeners hear somebody; who does not after a while misses everything.
    async fn settle(&self, stage: &Stage) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let streams = stage.media.streams().await?;
            let deaf = |(client, streams): &(ClientId, Streams)| {
                streams.audio == 0 && self.listeners.contains(client)
            };
            if !streams.iter().any(deaf) || Instant::now() >= end {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn end(&mut self) {
        // Nobody listening means that all have left already.
        let _ = self.leave.send(true);
        let end = Instant::now() + PATIENCE;
        while let Ok(Some(stay)) = timeout_at(end, self.stays.join_next()).await {
            if let Err(error) = stay.map_err(anyhow::Error::from).flatten() {
                self.failures.push(format!("thrown out: {error:#}"));
            }
        }
    }
}

/// Who somebody is: the first of all speak, each in a room of its own, the others go to one after
/// the other.
fn part(number: usize, rooms: usize) -> Part {
    let speaks = number < rooms;
    Part {
        room: format!("lesson-{}", number % rooms),
        number,
        identity: format!("{}-{number}", if speaks { "teacher" } else { "pupil" }),
        group: Group::Call,
        microphone: if speaks { Device::Live } else { Device::None },
        camera: Device::None,
        manner: Manner::Lecture,
        repetition: Repetition::Once,
        sections: (usize::from(!speaks), 0),
        watch: Watch::All,
    }
}

impl Attendance {
    fn of(people: usize, class: Class, heard: &[Heard]) -> Self {
        let sorted = |mut figures: Vec<f64>| {
            figures.sort_by(f64::total_cmp);
            figures
        };
        let each = |of: &dyn Fn(&Heard) -> f64| sorted(heard.iter().map(of).collect());
        let delay = |heard: &Heard| Duration::from_nanos(heard.delay);
        Self {
            people,
            joined_s: sorted(class.joined.iter().map(Duration::as_secs_f64).collect()),
            failures: class.failures,
            missed: each(&Heard::missed),
            listening: each(&|heard| opinion(rating(heard.missed(), Duration::ZERO))),
            talking: each(&|heard| opinion(rating(heard.missed(), delay(heard)))),
        }
    }

    /// What of the goals does not hold, in words.
    pub fn shortcomings(&self) -> Vec<String> {
        let mut all = Vec::new();
        let share = 1.0 - self.failures.len() as f64 / self.people.max(1) as f64;
        if share < JOINED {
            all.push(format!("{:.2} % were in to the end", share * 100.0));
        }
        let late = self.joined_s.iter().filter(|took| **took > SOON).count();
        if late as f64 > self.people as f64 * FEW {
            all.push(format!("{late} took more than {SOON} s"));
        }
        let bad = self
            .missed
            .iter()
            .filter(|missed| **missed >= MISSED)
            .count();
        if bad as f64 > self.missed.len() as f64 * FEW || self.missed.is_empty() {
            all.push(format!("{bad} of {} missed too much", self.missed.len()));
        }
        all
    }
}

/// The share that gets in, and stays.
const JOINED: f64 = 0.995;
/// All but few are in after so many seconds ...
const SOON: f64 = 8.0;
/// ... and miss less than this share of the sound.
const MISSED: f64 = 0.03;
const FEW: f64 = 0.05;

/// The figure that so large a share of all are not above.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

impl fmt::Display for Attendance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |figures: &[f64], share: f64| quantile(figures, share);
        writeln!(
            f,
            "  joined    {} of {}; after {:.1} s (half), {:.1} s (95 %), {:.1} s (all)",
            self.joined_s.len(),
            self.people,
            of(&self.joined_s, 0.5),
            of(&self.joined_s, 0.95),
            of(&self.joined_s, 1.0),
        )?;
        for failure in self.failures.iter().take(3) {
            writeln!(f, "            {failure}")?;
        }
        writeln!(
            f,
            "  missed    {:.2} % (half), {:.2} % (95 %), {:.2} % (all) of the sound, of {} listeners",
            of(&self.missed, 0.5) * 100.0,
            of(&self.missed, 0.95) * 100.0,
            of(&self.missed, 1.0) * 100.0,
            self.missed.len(),
        )?;
        writeln!(
            f,
            "  E-model   listening {:.2} (half), {:.2} (all but 5 %); talking {:.2}, {:.2}",
            of(&self.listening, 0.5),
            of(&self.listening, 0.05),
            of(&self.talking, 0.5),
            of(&self.talking, 0.05),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_each_room_one_speaks() {
        let parts: Vec<_> = (0..51).map(|number| part(number, rooms(51))).collect();
        assert_eq!(rooms(51), 3);
        for room in ["lesson-0", "lesson-1", "lesson-2"] {
            let there = parts.iter().filter(|part| part.room == room);
            let speak = there.clone().filter(|part| part.publishes()).count();
            assert_eq!((there.count(), speak), (17, 1), "{room}");
        }
        assert_eq!(rooms(20), 1);
    }

    #[test]
    fn goals_are_for_nearly_all() {
        let good = Attendance {
            people: 200,
            joined_s: [vec![4.0; 190], vec![9.0; 9]].concat(),
            failures: vec!["lost".to_owned()],
            missed: [vec![0.01; 185], vec![0.2; 5]].concat(),
            listening: Vec::new(),
            talking: Vec::new(),
        };
        assert_eq!(good.shortcomings(), [""; 0]);
        let bad = Attendance {
            joined_s: vec![9.0; 11],
            failures: vec![String::new(); 2],
            missed: [vec![0.01; 89], vec![0.03; 11]].concat(),
            ..good.clone()
        };
        let expected = [
            "99.00 % were in to the end",
            "11 took more than 8 s",
            "11 of 100 missed too much",
        ];
        assert_eq!(bad.shortcomings(), expected);
        let nobody = Attendance {
            missed: Vec::new(),
            ..good
        };
        assert_eq!(nobody.shortcomings(), ["0 of 0 missed too much"]);
    }
}
