//! What follows from an answer: what is known there now, what time it is, what to do and to be;
//! and from a refusal, or none.

use std::time::Duration;

use super::clock;
use super::{Answer, Core, Doubt, MOST_EVENTS, Moment, News, Output, UnderWay};
use crate::control::ledger::{Dropped, Line};
use crate::control::wire::{Ack, Command, Desired, Refused, Registered, Synced};

/// A request with so many events leaves others waiting, it may be assumed.
const BACKLOG: usize = 50;

/// Commands under way: more are told again.
const MOST_OBEYED: usize = 1_000;

impl Core {
    /// What became of the request that is under way.
    pub(super) fn hear(&mut self, now: Moment, number: u64, answer: Answer) {
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
                self.rewrite = true;
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
                    self.rewrite = true;
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
        if self.obeying.contains(&command.id) {
            return;
        }
        if self.obeying.len() >= MOST_OBEYED {
            self.outputs.push_back(Output::PutOff);
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
}

fn failed(id: String, error: String) -> Ack {
    Ack {
        id,
        ok: false,
        error: Some(error),
    }
}
