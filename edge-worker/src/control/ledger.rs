//! What a node has to tell and has not been heard of yet, numbered without gaps; and which
//! commands are done. Kept on disk as [`Line`]s, which make the same ledger again.
//!
//! An event's number never changes once it may be known elsewhere: up to there nothing is
//! given up. When to tell is left to [`core`](super::core), the disk to [`file`](super::file).

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::wire::{Ack, Event, Happened, Weight};

/// What waits to be heard of, and what is done.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The name of this numbering.
    stream: String,
    /// Numbers up to this one are known there.
    acked: u64,
    /// Numbers up to this one may be.
    told: u64,
    /// The events after `acked`, in order.
    waiting: VecDeque<Waiting>,
    bytes: u64,
    most_bytes: u64,
    /// Below this there is nothing to be gained by looking for what can be given up.
    sweep_from: u64,
    done: Done,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    bytes: u64,
    /// By the clock of this run, which may have been wrong.
    noted: Noted,
}

/// Which run of the program noted an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Noted {
    Now,
    Before,
}

/// One line on disk.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A numbering begins, or goes on: the next event has the number after `acked`.
    Stream {
        /// Its name.
        id: String,
        /// Known there.
        acked: u64,
    },
    /// Something happened.
    Event(Box<Event>),
    /// Numbers up to this one are known there.
    Acked(u64),
    /// A command is done.
    Done(Ack),
}

/// Why an event is not told; each is one metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Dropped {
    /// Figures, when too much waits.
    Figures,
    /// A state that a later one corrects.
    Overtaken,
    /// Somebody's words, when nothing else can be given up.
    Full,
    /// Facts came faster than they could be noted.
    QueueFull,
    /// The control plane reads it and does not take it.
    Refused,
}

impl Dropped {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Figures => "figures",
            Self::Overtaken => "overtaken",
            Self::Full => "log_full",
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
        }
    }
}

/// What became of an event that was to be noted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Note {
    /// It waits.
    Kept,
    /// It does not.
    Given(Dropped),
}

/// How two ends disagree on what is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Disagreement {
    /// The other end has forgotten what it had confirmed.
    Behind,
    /// It knows of events that this disk has lost.
    Ahead,
}

impl Ledger {
    /// As the lines say; a new one, named `stream`, if they say nothing.
    pub(super) fn read(
        lines: impl IntoIterator<Item = Line>,
        most_bytes: u64,
        stream: impl FnOnce() -> String,
    ) -> Self {
        let mut ledger = Self {
            stream: String::new(),
            acked: 0,
            told: 0,
            waiting: VecDeque::new(),
            bytes: 0,
            most_bytes,
            sweep_from: most_bytes,
            done: Done::default(),
        };
        for line in lines {
            match line {
                Line::Stream { id, acked } => ledger.begin(id, acked),
                Line::Event(event) => ledger.keep(*event, Noted::Before),
                Line::Acked(seq) => ledger.forget_up_to(seq),
                Line::Done(ack) => ledger.done.remember(ack),
            }
        }
        if ledger.stream.is_empty() {
            ledger.stream = stream();
        }
        // Whether it was told before the end of the last run nobody knows.
        ledger.told = ledger.last();
        ledger
    }

    /// Everything, as lines that make the same ledger.
    pub(super) fn lines(&self) -> Vec<Line> {
        let first = Line::Stream {
            id: self.stream.clone(),
            acked: self.acked,
        };
        let done = self.done.in_order().cloned().map(Line::Done);
        let waiting = self.waiting.iter();
        let events = waiting.map(|waiting| Line::Event(Box::new(waiting.event.clone())));
        std::iter::once(first).chain(done).chain(events).collect()
    }

    /// Notes that something happened. What had to be given up for it is counted by reason.
    pub(super) fn note(&mut self, event: Event) -> (Note, HashMap<Dropped, u64>) {
        let bytes = size(&event);
        let mut given = HashMap::new();
        if self.bytes + bytes > self.sweep_from.max(self.most_bytes) {
            given = self.sweep();
        }
        let full = self.bytes + bytes > self.most_bytes;
        let reason = match event.weight() {
            Weight::Figures if full => Some(Dropped::Figures),
            Weight::Words if full => Some(Dropped::Full),
            // The last state of each is all that the next sweep leaves.
            Weight::Figures | Weight::Words | Weight::State | Weight::Presence => None,
        };
        if let Some(reason) = reason {
            return (Note::Given(reason), given);
        }
        self.keep(event, Noted::Now);
        (Note::Kept, given)
    }

    /// The name of the numbering.
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    /// The number of the first event that waits, or will.
    pub(super) fn first(&self) -> u64 {
        self.acked + 1
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.done.bytes
    }

    /// When the oldest that waits happened.
    pub(super) fn oldest_at(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.event.at)
    }

    /// The first events that wait, as many as one message takes; from now on they may be
    /// known there.
    pub(super) fn tell(&mut self, most: usize, most_bytes: u64) -> Vec<Event> {
        let mut bytes = 0;
        let fitting = self.waiting.iter().take(most).take_while(|waiting| {
            // One goes in any case: those after it would wait for ever.
            let first = bytes == 0;
            bytes += waiting.bytes + 1;
            first || bytes <= most_bytes
        });
        let events: Vec<_> = fitting.map(|waiting| waiting.event.clone()).collect();
        self.told = self.told.max(self.acked + events.len() as u64);
        events
    }

    /// The other end knows of everything up to `seq`. Whether that changes anything.
    pub(super) fn acknowledge(&mut self, seq: u64) -> Result<bool, Disagreement> {
        if seq < self.acked {
            return Err(Disagreement::Behind);
        }
        if seq > self.told {
            return Err(Disagreement::Ahead);
        }
        let news = seq > self.acked;
        self.forget_up_to(seq);
        Ok(news)
    }

    /// What waits begins a numbering of its own.
    pub(super) fn start_over(&mut self, stream: String, disagreement: Disagreement) {
        if disagreement == Disagreement::Ahead {
            // What may have been told was: the other end knows more than that.
            self.forget_up_to(self.told);
        }
        self.stream = stream;
        self.acked = 0;
        self.told = 0;
    }

    /// Gives up the first event that waits.
    pub(super) fn give_up_first(&mut self) -> Option<Event> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.bytes;
        // Those after it move up.
        self.told = self.told.saturating_sub(1).max(self.acked);
        Some(first.event)
    }

    /// The clock was `by` milliseconds slow: what was noted with it and nobody has heard of
    /// yet is put right.
    pub(super) fn set_clock_right(&mut self, by: i64) {
        let told = (self.told - self.acked) as usize;
        for waiting in self.waiting.iter_mut().skip(told) {
            if waiting.noted == Noted::Now {
                waiting.event.at = waiting.event.at.saturating_add_signed(by);
            }
        }
    }

    /// A command is done.
    pub(super) fn finish(&mut self, ack: Ack) {
        self.done.remember(ack);
    }

    /// What became of a command that was done before.
    pub(super) fn finished(&self, id: &str) -> Option<&Ack> {
        self.done.by_id.get(id)
    }

    fn begin(&mut self, stream: String, acked: u64) {
        self.stream = stream;
        self.acked = acked;
    }

    fn keep(&mut self, event: Event, noted: Noted) {
        let bytes = size(&event);
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            event,
            bytes,
            noted,
        });
    }

    fn last(&self) -> u64 {
        self.acked + self.waiting.len() as u64
    }

    fn forget_up_to(&mut self, seq: u64) {
        while self.acked < seq
            && let Some(first) = self.waiting.pop_front()
        {
            self.bytes -= first.bytes;
            self.acked += 1;
        }
        if self.bytes < self.most_bytes / 2 {
            self.sweep_from = self.most_bytes;
        }
    }

    /// Gives up what matters least among what nobody can have heard of: figures, then states
    /// that later ones correct.
    fn sweep(&mut self) -> HashMap<Dropped, u64> {
        let told = (self.told - self.acked) as usize;
        let mut given = HashMap::new();
        // Room for a while: who sweeps for each event does nothing else.
        let aim = self.most_bytes - self.most_bytes / 8;
        self.give_up(told, aim, Dropped::Figures, &mut given, |event| {
            event.weight() == Weight::Figures
        });
        if self.bytes > aim {
            let overtaken = self.overtaken(told);
            let mut at = 0;
            self.give_up(told, 0, Dropped::Overtaken, &mut given, |_| {
                at += 1;
                overtaken.contains(&(at - 1))
            });
        }
        self.sweep_from = self.bytes.max(self.most_bytes) + self.most_bytes / 64;
        given
    }

    /// Takes out events after the first `told` until `aim` is reached.
    fn give_up(
        &mut self,
        told: usize,
        aim: u64,
        reason: Dropped,
        given: &mut HashMap<Dropped, u64>,
        mut is_one: impl FnMut(&Event) -> bool,
    ) {
        let mut bytes = self.bytes;
        let mut at = 0;
        self.waiting.retain(|waiting| {
            at += 1;
            let goes = at > told && is_one(&waiting.event) && bytes > aim;
            if goes {
                bytes -= waiting.bytes;
                *given.entry(reason).or_insert(0) += 1;
            }
            !goes
        });
        self.bytes = bytes;
    }

    /// Places, counted after the first `told`, of hands that were moved again later, and of
    /// tracks that came and went.
    fn overtaken(&self, told: usize) -> HashSet<usize> {
        let mut last_hand: HashMap<&str, usize> = HashMap::new();
        let mut begun: HashMap<&str, usize> = HashMap::new();
        let mut overtaken = HashSet::new();
        for (at, waiting) in self.waiting.iter().skip(told).enumerate() {
            match &waiting.event.happened {
                Happened::Hand { sid, .. } => overtaken.extend(last_hand.insert(sid, at)),
                Happened::TrackPublished { track, .. } => {
                    begun.insert(track, at);
                }
                Happened::TrackUnpublished { track, .. } => {
                    if let Some(start) = begun.remove(track.as_str()) {
                        overtaken.extend([start, at]);
                    }
                }
                Happened::RoomStarted { .. }
                | Happened::RoomEnded { .. }
                | Happened::Joined { .. }
                | Happened::Left { .. }
                | Happened::Quality { .. }
                | Happened::Chat { .. }
                | Happened::ChatEdited { .. }
                | Happened::ChatDeleted { .. }
                | Happened::ChatSealed { .. } => {}
            }
        }
        overtaken
    }
}

/// Bytes of an event, in a message and on disk alike.
fn size(event: &Event) -> u64 {
    serde_json::to_vec(event).map_or(0, |text| text.len() as u64)
}

/// The last commands that were done: they may be sent again until the other end has heard.
#[derive(Debug, Default)]
struct Done {
    by_id: HashMap<String, Ack>,
    oldest_first: VecDeque<String>,
    bytes: u64,
}

impl Done {
    /// Weeks of a busy node.
    const MOST: usize = 10_000;

    fn remember(&mut self, ack: Ack) {
        let id = ack.id.clone();
        let bytes = |ack: &Ack| (ack.id.len() + ack.error.as_deref().unwrap_or("").len()) as u64;
        self.bytes += bytes(&ack);
        match self.by_id.insert(id.clone(), ack) {
            Some(before) => self.bytes -= bytes(&before),
            None => self.oldest_first.push_back(id),
        }
        if self.oldest_first.len() > Self::MOST
            && let Some(oldest) = self.oldest_first.pop_front()
            && let Some(ack) = self.by_id.remove(&oldest)
        {
            self.bytes -= bytes(&ack);
        }
    }

    fn in_order(&self) -> impl Iterator<Item = &Ack> {
        self.oldest_first.iter().filter_map(|id| self.by_id.get(id))
    }
}

#[cfg(test)]
mod tests;
