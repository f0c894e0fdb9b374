//! What must reach other nodes in order, whatever becomes of the ways between them: it is numbered
//! where it is said and kept for a while, and asked for again where a number is missing.
//!
//! The relay keeps the order along one way; here is mended what a change of the way loses.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit::spanning::Telling;
use sfu::{LinkNews, Reliability};

use super::{Action, Rooms};

impl Rooms {
    /// An instance on another node says what must be told in order.
    pub(in super::super) fn said_in_order(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        node: &str,
        number: u64,
        news: LinkNews,
    ) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let heard = room.heard.entry(node.to_owned());
        let heard = heard.or_insert_with(|| Heard::from(number));
        let told = heard.hear(now, number, news);
        let due_at = heard.deadline();
        self.look_at_orders_by(due_at);
        for news in told {
            self.said_elsewhere(name, node, news);
        }
    }

    /// Another node said that many; whoever heard nothing of it yet needs nothing of it.
    pub(in super::super) fn latest(&mut self, now: Instant, name: &str, node: &str, number: u64) {
        if let Some(room) = self.rooms.get_mut(name) {
            let heard = room.heard.entry(node.to_owned());
            let heard = heard.or_insert_with(|| Heard::from(number.saturating_add(1)));
            heard.latest(now, number);
            let due_at = heard.deadline();
            self.look_at_orders_by(due_at);
        }
    }

    /// Another node misses these.
    pub(in super::super) fn missed(
        &mut self,
        name: &Arc<str>,
        node: &str,
        numbers: RangeInclusive<u64>,
    ) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        for (number, news) in room.spoken.again(numbers) {
            let telling = Telling::Numbered {
                number: *number,
                news: news.clone(),
            };
            self.actions
                .push(Action::SayTo(Arc::clone(name), node.to_owned(), telling));
        }
    }

    /// Looks at the rooms only when one of them misses something: packets come here, too.
    pub(super) fn tick_orders(&mut self, now: Instant) {
        if self.orders_at.is_none_or(|at| at > now) {
            return;
        }
        let mut due = Vec::new();
        for (name, room) in &mut self.rooms {
            for (node, heard) in &mut room.heard {
                if heard.deadline().is_some_and(|at| at <= now) {
                    due.push((Arc::clone(name), node.clone(), heard.tick(now)));
                }
            }
        }
        for (name, node, due) in due {
            if due.given_up > 0 {
                self.actions.push(Action::CountLost(due.given_up));
            }
            for news in due.news {
                self.said_elsewhere(&name, &node, news);
            }
            if let Some(missing) = due.missing {
                let telling = Telling::Missing(missing);
                self.actions.push(Action::SayTo(name, node, telling));
            }
        }
        let heard = self.rooms.values().flat_map(|room| room.heard.values());
        self.orders_at = heard.filter_map(Heard::deadline).min();
    }

    fn look_at_orders_by(&mut self, due_at: Option<Instant>) {
        self.orders_at = self.orders_at.into_iter().chain(due_at).min();
    }
}

/// What this node said in a room.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    last: u64,
    kept: VecDeque<(u64, LinkNews)>,
    bytes: usize,
}

/// What was heard from another node in a room.
#[derive(Debug)]
pub(super) struct Heard {
    /// To come next.
    next: u64,
    /// Known to have been said.
    latest: u64,
    /// What came too early.
    early: BTreeMap<u64, LinkNews>,
    bytes: usize,
    gap: Option<Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    since: Instant,
    asked_at: Option<Instant>,
}

/// What comes of time that passed.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// To be asked for.
    pub(super) missing: Option<RangeInclusive<u64>>,
    /// How many will never come.
    pub(super) given_up: u64,
    /// May go on without them.
    pub(super) news: Vec<LinkNews>,
}

/// What waits on either side, at most: some tenths of a second of a fast file.
const MOST: usize = 1_024;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// Numbers of one life of a node; lives are told apart by what is above.
const LIFE_BITS: u32 = 22;

/// Whether it must arrive, and in order.
pub(super) fn is_ordered(news: &LinkNews) -> bool {
    matches!(news, LinkNews::Data { message, .. } if message.reliability == Reliability::Reliable)
}

impl Spoken {
    /// The number of what is said next, in this life of the node.
    pub(super) fn number(&mut self, epoch: u64, news: &LinkNews) -> u64 {
        self.last = self.last.max(epoch << LIFE_BITS) + 1;
        self.bytes += size(news);
        self.kept.push_back((self.last, news.clone()));
        while self.kept.len() > MOST || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= size(&oldest);
        }
        self.last
    }

    /// The last one; none if nothing was said.
    pub(super) fn latest(&self) -> Option<u64> {
        (self.last > 0).then_some(self.last)
    }

    /// Those of these that are kept still.
    pub(super) fn again(
        &self,
        numbers: RangeInclusive<u64>,
    ) -> impl Iterator<Item = &(u64, LinkNews)> {
        let asked = move |(number, _): &&(u64, LinkNews)| numbers.contains(number);
        self.kept.iter().filter(asked)
    }
}

impl Heard {
    /// Longer than a way to another node takes to be found.
    const GIVE_UP: Duration = Duration::from_secs(3);
    /// More than a round trip.
    const ASK_AGAIN: Duration = Duration::from_millis(300);

    /// Nothing is missed that was said before `next`.
    pub(super) fn from(next: u64) -> Self {
        Self {
            next,
            latest: next.saturating_sub(1),
            early: BTreeMap::new(),
            bytes: 0,
            gap: None,
        }
    }

    /// Something came: what may be told now, in order.
    pub(super) fn hear(&mut self, now: Instant, number: u64, news: LinkNews) -> Vec<LinkNews> {
        if number >> LIFE_BITS > self.next >> LIFE_BITS {
            // The node was started anew. What it had said before will not be said again.
            let early = std::mem::replace(self, Self::from(number)).early;
            let mut told: Vec<_> = early.into_values().collect();
            told.extend(self.hear(now, number, news));
            return told;
        }
        if number < self.next || self.early.contains_key(&number) {
            return Vec::new();
        }
        self.bytes += size(&news);
        self.early.insert(number, news);
        self.latest(now, number);
        if self.early.len() > MOST || self.bytes > MOST_BYTES {
            self.skip();
        }
        self.take(now)
    }

    /// The node said that many.
    pub(super) fn latest(&mut self, now: Instant, number: u64) {
        if number >> LIFE_BITS > self.next >> LIFE_BITS {
            return;
        }
        self.latest = self.latest.max(number);
        self.look(now);
    }

    /// What is due by now.
    pub(super) fn tick(&mut self, now: Instant) -> Due {
        let Some(gap) = &mut self.gap else {
            return Due::default();
        };
        if now >= gap.since + Self::GIVE_UP {
            let given_up = self.skip();
            let news = self.take(now);
            return Due {
                given_up,
                news,
                missing: None,
            };
        }
        let due = gap.asked_at.is_none_or(|at| now >= at + Self::ASK_AGAIN);
        if due {
            gap.asked_at = Some(now);
        }
        Due {
            missing: due.then(|| self.next..=self.before_early()),
            ..Due::default()
        }
    }

    /// When to [`tick`](Self::tick).
    pub(super) fn deadline(&self) -> Option<Instant> {
        let gap = self.gap?;
        let ask = gap.asked_at.map_or(gap.since, |at| at + Self::ASK_AGAIN);
        Some(ask.min(gap.since + Self::GIVE_UP))
    }

    /// The last one that is missing before something that came.
    fn before_early(&self) -> u64 {
        let first = self.early.first_key_value();
        first.map_or(self.latest, |(number, _)| number.saturating_sub(1))
    }

    /// Goes on without what is missing; says how many that are.
    fn skip(&mut self) -> u64 {
        let next = self.before_early().saturating_add(1);
        let missing = next.saturating_sub(self.next);
        self.next = next;
        self.gap = None;
        missing
    }

    fn take(&mut self, now: Instant) -> Vec<LinkNews> {
        let before = self.next;
        let mut told = Vec::new();
        while let Some(news) = self.early.remove(&self.next) {
            self.bytes -= size(&news);
            self.next = self.next.saturating_add(1);
            told.push(news);
        }
        if self.next != before {
            // Whatever is missing now is missing since now.
            self.gap = None;
        }
        self.look(now);
        told
    }

    fn look(&mut self, now: Instant) {
        if self.next > self.latest {
            self.gap = None;
        } else if self.gap.is_none() {
            self.gap = Some(Gap {
                since: now,
                asked_at: None,
            });
        }
    }
}

fn size(news: &LinkNews) -> usize {
    /// What an entry takes beside its payload.
    const ENTRY: usize = 256;
    match news {
        LinkNews::Data { message, .. } => ENTRY + message.payload.len(),
        LinkNews::Changed(_)
        | LinkNews::Gone(..)
        | LinkNews::Supply(_)
        | LinkNews::Quality(_)
        | LinkNews::Demand { .. }
        | LinkNews::Received(_)
        | LinkNews::Undecodable(_)
        | LinkNews::Frame { .. }
        | LinkNews::Room(_)
        | LinkNews::Kept
        | LinkNews::Closed(_) => ENTRY,
    }
}
