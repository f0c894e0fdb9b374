//! When a node speaks to the control plane, what it says, and what follows from the answer.
//!
//! Told what happened and what time it is, it answers with what to do; the network, the disk
//! and the rooms are the shell's ([`mod`](super)). One request is under way at a time, so that
//! events arrive in order; until an answer is heard the same numbers are said again, so that
//! they arrive once.

mod clock;
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
    lines: Vec<Line>,
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

/// A request with so many events leaves others waiting, it may be assumed.
const BACKLOG: usize = 50;

/// Acknowledgements in one request.
const MOST_ACKS: usize = 200;

/// Commands under way: more are told again.
const MOST_OBEYED: usize = 1_000;

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
            Note::Kept => self.rewrite(),
        }
        if urgent {
            self.pace.hurry(now.at);
        } else if self.ledger.len() >= MOST_EVENTS {
            self.pace.at_once(now.at);
        }
    }

    fn rewrite(&mut self) {
        self.lines.clear();
        self.outputs.push_back(Output::Rewrite(self.ledger.lines()));
    }

    fn obeyed(&mut self, now: Moment, ack: Ack) {
        self.obeying.remove(&ack.id);
        self.lines.push(Line::Done(ack.clone()));
        self.ledger.finish(ack.clone());
        self.acknowledge(ack);
        self.pace.hurry(now.at);
    }

    fn acknowledge(&mut self, ack: Ack) {
        if self.acks.iter().all(|it| it.id != ack.id) {
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

    fn hear(&mut self, now: Moment, number: u64, answer: Answer) {
        if self.under_way.as_ref().is_none_or(|it| it.number != number) {
            return;
        }
        let Some(asked) = self.under_way.take() else {
            return;
        };
        match answer {
            Answer::Registered(registered) => self.registered(now, &asked, *registered),
            Answer::Synced(synced) => self.synced(now, &asked, *synced),
            Answer::Refused(refused) => self.refused(now, &asked, refused),
            Answer::Lost(loss) => {
                if self.away_since.is_none() {
                    self.away_since = Some(now.at);
                    self.tell(News::Away(loss));
                }
                self.pace.failed(now.at, None, &mut self.random);
            }
        }
    }

    fn registered(&mut self, now: Moment, asked: &UnderWay, registered: Registered) {
        self.heard(now, asked, registered.server_time_ms);
        if !self.known_there(registered.ack_seq) {
            // By another name, at once.
            self.pace.at_once(now.at);
            return;
        }
        self.epoch = Some(registered.epoch);
        self.refused = None;
        self.tell(News::Registered {
            epoch: registered.epoch,
            waiting: self.ledger.len(),
        });
        self.become_desired(registered.desired);
        // With it, what waits is told and how much there is to do.
        self.pace.at_once(now.at);
    }

    fn synced(&mut self, now: Moment, asked: &UnderWay, synced: Synced) {
        self.heard(now, asked, synced.server_time_ms);
        self.refused = None;
        self.acks.retain(|ack| !asked.acks.contains(&ack.id));
        let before = self.ledger.first();
        if !self.known_there(synced.ack_seq) {
            self.epoch = None;
            self.pace.at_once(now.at);
            return;
        }
        let moved = self.ledger.first() > before;
        if self.most_events == 0 {
            self.doubt = Doubt::Event;
            self.most_events = 1;
            self.pace.at_once(now.at);
        } else if moved {
            self.doubt = Doubt::None;
            self.most_events = (self.most_events * 2).min(MOST_EVENTS);
        }
        self.become_desired(synced.desired);
        for command in &synced.commands {
            self.consider(now, command);
        }
        self.pace.answered(now.at, synced.next_sync_ms);
        if self.ledger.len() == 0 || asked.events == 0 {
            if !self.acks.is_empty() {
                self.pace.hurry(now.at);
            }
        } else if !moved {
            // Heard and not taken: again, but not in a tight circle.
            self.pace.failed(now.at, None, &mut self.random);
        } else if asked.events >= self.most_events.min(BACKLOG) {
            self.pace.at_once(now.at);
        }
    }

    /// The other end knows of all up to `seq`; if that cannot be, a new numbering begins.
    fn known_there(&mut self, seq: u64) -> bool {
        match self.ledger.acknowledge(seq) {
            Ok(false) => true,
            Ok(true) => {
                self.lines.push(Line::Acked(seq));
                true
            }
            Err(disagreement) => {
                let stream = self.new_stream();
                self.ledger.start_over(stream, disagreement);
                self.tell(News::Disagreed(disagreement));
                self.rewrite();
                false
            }
        }
    }

    fn refused(&mut self, now: Moment, asked: &UnderWay, refused: Refused) {
        let after = refused.retry_after_ms.map(Duration::from_millis);
        match refused.error.as_str() {
            "clock" => {
                let right = refused
                    .server_time_ms
                    .is_some_and(|there| self.set_clock(now, asked, there, clock::Trust::Must));
                if right {
                    self.pace.at_once(now.at);
                    return;
                }
            }
            "stale_epoch" => {
                self.epoch = None;
                // Another start of this node, or a lease that lapsed: once at once, and then not
                // in a tight circle with a second one of the same name.
                if self.refused.as_deref() != Some("stale_epoch") {
                    self.refused = Some(refused.error);
                    self.pace.at_once(now.at);
                    return;
                }
            }
            // Half as much may be taken.
            "too_large" => self.most_events = (self.most_events / 2).max(1),
            "malformed" => self.malformed(asked),
            // The nonce was seen: the first try arrived after all. The next has another one.
            "replayed" | "busy" => {}
            _ => {}
        }
        let quiet = matches!(refused.error.as_str(), "busy" | "replayed" | "too_large");
        if !quiet && self.refused.as_ref() != Some(&refused.error) {
            self.refused = Some(refused.error.clone());
            self.tell(News::Refused {
                word: refused.error,
                advice: refused.message,
            });
        }
        self.pace.failed(now.at, after, &mut self.random);
    }

    /// Narrows down to the event that cannot be read. It is given up only if a message without
    /// any was understood in between: those after it have waited for it.
    fn malformed(&mut self, asked: &UnderWay) {
        match (asked.events, self.doubt) {
            (1, Doubt::Event) => {
                self.doubt = Doubt::None;
                if self.ledger.give_up_first().is_some() {
                    self.outputs.push_back(Output::Dropped(Dropped::Refused, 1));
                    self.rewrite();
                }
            }
            (events, _) => {
                self.doubt = Doubt::None;
                self.most_events = events / 2;
            }
        }
    }

    /// An answer came that says what time it is there.
    fn heard(&mut self, now: Moment, asked: &UnderWay, there: u64) {
        self.pace.succeeded();
        self.set_clock(now, asked, there, clock::Trust::May);
        if let Some(since) = self.away_since.take() {
            let after = now.at.saturating_duration_since(since);
            self.tell(News::Back { after });
        }
    }

    fn set_clock(
        &mut self,
        now: Moment,
        asked: &UnderWay,
        there: u64,
        trust: clock::Trust,
    ) -> bool {
        let took = now.at.saturating_duration_since(asked.sent.at);
        let Some(by_ms) = self.clock.hear(asked.sent.ms, took, there, trust) else {
            return false;
        };
        self.ledger.set_clock_right(by_ms);
        if by_ms.unsigned_abs() >= clock::WORTH_TELLING_MS {
            self.tell(News::ClockOff { by_ms });
        }
        true
    }

    fn become_desired(&mut self, desired: Option<Desired>) {
        if let Some(desired) = desired {
            self.desired_hash.clone_from(&desired.hash);
            self.outputs.push_back(Output::Become(Box::new(desired)));
        }
    }

    /// Has a command carried out, unless it is done, or under way, or too late.
    fn consider(&mut self, now: Moment, command: &serde_json::Value) {
        let command = match Command::read(command) {
            Ok(command) => command,
            Err(Some((id, error))) => {
                let error = format!("unknown: {error}");
                return self.acknowledge(failed(id, error));
            }
            Err(None) => return,
        };
        if let Some(ack) = self.ledger.finished(&command.id) {
            let ack = ack.clone();
            return self.acknowledge(ack);
        }
        if self.obeying.len() >= MOST_OBEYED || self.obeying.contains(&command.id) {
            return;
        }
        if command
            .deadline_at
            .is_some_and(|at| at < self.time_there(now))
        {
            let ack = failed(command.id, "late".to_owned());
            self.lines.push(Line::Done(ack.clone()));
            self.ledger.finish(ack.clone());
            return self.acknowledge(ack);
        }
        self.obeying.insert(command.id.clone());
        self.outputs.push_back(Output::Obey(command));
    }

    fn new_stream(&mut self) -> String {
        stream_name(self.random.random())
    }

    fn tell(&mut self, news: News) {
        self.outputs.push_back(Output::Tell(news));
    }
}

fn failed(id: String, error: String) -> Ack {
    Ack {
        id,
        ok: false,
        error: Some(error),
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
