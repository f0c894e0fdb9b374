//! When a node speaks to the control plane, what it says, and what follows from the answer.
//!
//! Told what happened and what time it is, it answers with what to do; the network, the disk
//! and the rooms are the shell's ([`mod`](super)). One request is under way at a time, so that
//! events arrive in order; until an answer is heard the same numbers are said again, so that
//! they arrive once.

mod clock;
mod hearing;
mod pace;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::ledger::{Disagreement, Dropped, Ledger, Line, Note};
use super::wire::{
    Ack, Command, Desired, Event, Load, Refused, Register, Registered, Sync, Synced,
};
use clock::Clock;
use pace::Pace;

/// A moment, by the clock that never jumps and by the one on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    /// Milliseconds since 1970, by this machine.
    pub(super) ms: u64,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Input {
    /// Something in a room, at a time of this machine's clock.
    Event(Box<Event>),
    /// How much there is to do.
    Load(Load),
    /// The control plane asks to be asked.
    Poked,
    /// What became of a request, named by its number.
    Answer(u64, Answer),
    /// A command was carried out.
    Obeyed(Ack),
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Registered(Box<Registered>),
    Synced(Box<Synced>),
    Refused(Refused),
    /// None came, or none that can be read.
    Lost(Loss),
}

/// Why no answer came; each is one metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    Connection,
    Timeout,
    /// Not from the control plane, or from a broken one.
    Unreadable,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Output {
    /// Add to the log.
    Write(Vec<Line>),
    /// Put this in the log's place.
    Rewrite(Vec<Line>),
    /// Send, once all that was written is on the disk; the number comes back with the answer.
    Send(u64, Request),
    /// Carry out, one after the other.
    Obey(Command),
    /// Count a command that waits over there, as too many wait here.
    PutOff,
    /// Be like this from now on.
    Become(Box<Desired>),
    /// Count what was given up.
    Dropped(Dropped, u64),
    /// Tell the operator.
    Tell(News),
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Register(Register),
    Sync(Sync),
}

/// What an operator wants to hear of.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// The node may speak.
    Registered { epoch: u64, waiting: usize },
    /// It is not heard: for the first time since it was.
    Away(Loss),
    /// It is heard again.
    Back { after: Duration },
    /// It is not let in; the word and the advice are the control plane's.
    Refused { word: String, advice: String },
    /// This machine's clock was wrong by so much.
    ClockOff { by_ms: i64 },
    /// The two ends do not agree on what is known.
    Disagreed(Disagreement),
}

/// One node's side of the conversation.
#[derive(Debug)]
pub(super) struct Core {
    ledger: Ledger,
    register: Register,
    epoch: Option<u64>,
    /// Of what it is like now.
    desired_hash: String,
    load: Load,
    clock: Clock,
    pace: Pace,
    under_way: Option<UnderWay>,
    requests: u64,
    /// Commands that are being carried out.
    obeying: HashSet<String>,
    /// Not confirmed yet.
    acks: Vec<Ack>,
    /// Events in one request, at most; fewer after one that was too much.
    most_events: usize,
    /// About the first event that waits.
    doubt: Doubt,
    /// Since when nobody has answered.
    away_since: Option<Instant>,
    /// The last refusal that was told of.
    refused: Option<String>,
    /// For the log, unless all of it is to be written anew.
    lines: Vec<Line>,
    rewrite: bool,
    random: StdRng,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    sent: Moment,
    events: usize,
    acks: Vec<String>,
}

/// Whether it is one event that cannot be read over there, or all that is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doubt {
    None,
    /// A message without events was understood, after one with a single event was not.
    Event,
}

/// What one mutation over there takes at most.
const MOST_EVENTS: usize = 200;

/// A request may have 256 KiB; what is not events has to fit, too.
const MOST_BYTES: u64 = 224 * 1024;

/// Acknowledgements in one request.
const MOST_ACKS: usize = 200;

/// Acknowledgements that wait: a few requests full.
const MOST_UNCONFIRMED: usize = 2_000;

impl Core {
    /// Goes on from what is in the ledger.
    pub(super) fn new(
        now: Moment,
        ledger: Ledger,
        register: Register,
        desired_hash: String,
        seed: [u8; 32],
    ) -> Self {
        Self {
            ledger,
            register,
            epoch: None,
            desired_hash,
            load: Load::default(),
            clock: Clock::default(),
            pace: Pace::new(now.at),
            under_way: None,
            requests: 0,
            obeying: HashSet::new(),
            acks: Vec::new(),
            most_events: MOST_EVENTS,
            doubt: Doubt::None,
            away_since: None,
            refused: None,
            lines: Vec::new(),
            rewrite: false,
            random: StdRng::from_seed(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened, and does what is due.
    pub(super) fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Event(event) => self.note(now, *event),
            Input::Load(load) => {
                if load.draining != self.load.draining {
                    self.pace.hurry(now.at);
                }
                self.load = load;
            }
            Input::Poked => self.pace.poke(now.at),
            Input::Answer(number, answer) => self.hear(now, number, answer),
            Input::Obeyed(ack) => self.obeyed(now, ack),
        }
    }

    /// Sends what is due.
    pub(super) fn tick(&mut self, now: Moment) {
        if self.under_way.is_none() && now.at >= self.pace.due_at() {
            self.send(now);
        }
    }

    /// What to do next.
    pub(super) fn poll(&mut self) -> Option<Output> {
        if std::mem::take(&mut self.rewrite) {
            // As it is now: what was to be added is in it.
            self.lines.clear();
            return Some(Output::Rewrite(self.ledger.lines()));
        }
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            return Some(Output::Write(lines));
        }
        self.outputs.pop_front()
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.is_none().then(|| self.pace.due_at())
    }

    /// How far this machine's clock is behind the control plane's.
    pub(super) fn clock_offset_ms(&self) -> i64 {
        self.clock.offset_ms()
    }

    /// The time there, by the best of our knowledge.
    pub(super) fn time_there(&self, now: Moment) -> u64 {
        self.clock.there(now.ms)
    }

    /// What waits.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether it may speak.
    pub(super) fn is_registered(&self) -> bool {
        self.epoch.is_some()
    }

    fn note(&mut self, now: Moment, mut event: Event) {
        event.at = self.clock.there(event.at);
        let urgent = event.is_urgent();
        let (note, given) = self.ledger.note(event.clone());
        for (reason, count) in &given {
            self.outputs.push_back(Output::Dropped(*reason, *count));
        }
        match note {
            Note::Given(reason) => self.outputs.push_back(Output::Dropped(reason, 1)),
            Note::Kept if given.is_empty() => self.lines.push(Line::Event(Box::new(event))),
            Note::Kept => self.rewrite = true,
        }
        if urgent {
            self.pace.hurry(now.at);
        } else if self.ledger.len() >= MOST_EVENTS {
            self.pace.at_once(now.at);
        }
    }

    fn obeyed(&mut self, now: Moment, ack: Ack) {
        self.obeying.remove(&ack.id);
        self.lines.push(Line::Done(ack.clone()));
        self.ledger.finish(ack.clone());
        self.acknowledge(ack);
        self.pace.hurry(now.at);
    }

    /// Those that find no place are told again, and remembered.
    fn acknowledge(&mut self, ack: Ack) {
        if self.acks.len() < MOST_UNCONFIRMED && self.acks.iter().all(|it| it.id != ack.id) {
            self.acks.push(ack);
        }
    }

    fn send(&mut self, now: Moment) {
        let (request, events, acks) = match self.epoch {
            None => (Request::Register(self.register()), 0, Vec::new()),
            Some(epoch) => {
                let sync = self.sync(epoch);
                let acks = sync.acks.iter().map(|ack| ack.id.clone()).collect();
                let events = sync.events.len();
                (Request::Sync(sync), events, acks)
            }
        };
        self.pace.sent(now.at);
        self.requests += 1;
        self.under_way = Some(UnderWay {
            number: self.requests,
            sent: now,
            events,
            acks,
        });
        let number = self.requests;
        self.outputs.push_back(Output::Send(number, request));
    }

    fn register(&self) -> Register {
        Register {
            stream: self.ledger.stream().to_owned(),
            ..self.register.clone()
        }
    }

    fn sync(&mut self, epoch: u64) -> Sync {
        Sync {
            node: self.register.node.clone(),
            epoch,
            stream: self.ledger.stream().to_owned(),
            first_seq: self.ledger.first(),
            events: self.ledger.tell(self.most_events, MOST_BYTES),
            load: self.load,
            acks: self.acks.iter().take(MOST_ACKS).cloned().collect(),
            desired_hash: self.desired_hash.clone(),
        }
    }

    fn new_stream(&mut self) -> String {
        stream_name(self.random.random())
    }

    fn tell(&mut self, news: News) {
        self.outputs.push_back(Output::Tell(news));
    }
}

/// A name nobody else draws, in the form of a UUID (RFC 9562, version 4).
pub(super) fn stream_name(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests;
