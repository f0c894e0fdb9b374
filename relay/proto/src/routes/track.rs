//! One track as a node knows it: who offers it, whose offer is taken, and who was told of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Cost, LinkId, Source};
use crate::control::Kind;

/// A track, the offers of it, and what neighbours were told.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) epoch: u64,
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) offers: HashMap<LinkId, Offer>,
    pub(super) told: HashMap<LinkId, Told>,
    /// A cheaper offer, and since when it is.
    better: Option<(LinkId, Instant)>,
    moved_at: Option<Instant>,
}

/// A way to a track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Offer {
    pub(super) path: Vec<String>,
    pub(super) cost: Cost,
}

/// What a neighbour was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) epoch: u64,
    pub(super) path: Vec<String>,
    pub(super) cost: Cost,
}

/// Whether the offer that is taken may stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Held {
    /// Unless another is much better.
    Stays,
    /// It is void: the publisher came anew.
    Goes,
}

impl Track {
    /// A better way must stay better for so long.
    const STEADY: Duration = Duration::from_secs(10);
    /// A track moves no more often than this, as long as it comes at all.
    const REST: Duration = Duration::from_secs(30);

    pub(super) fn new(kind: Kind, epoch: u64) -> Self {
        Self {
            epoch,
            kind,
            source: Source::Nowhere,
            offers: HashMap::new(),
            told: HashMap::new(),
            better: None,
            moved_at: None,
        }
    }

    /// Where it should come from now; `whole` says what an offer costs in all.
    pub(super) fn choose(
        &mut self,
        now: Instant,
        held: Held,
        whole: impl Fn(LinkId, &Offer) -> Cost,
    ) -> Source {
        if self.source == Source::Here && held == Held::Stays {
            return Source::Here;
        }
        let offers = self.offers.iter();
        let best = offers
            .map(|(link, offer)| (whole(*link, offer), *link))
            .min();
        let Some((best_cost, best)) = best else {
            self.better = None;
            return Source::Nowhere;
        };
        let held = match (self.source, held) {
            (Source::Link(link), Held::Stays) => self
                .offers
                .get(&link)
                .map(|offer| (whole(link, offer), link)),
            (Source::Link(_), Held::Goes) | (Source::Here | Source::Nowhere, _) => None,
        };
        if let Some((held_cost, held)) = held
            && (!held_cost.is_last_resort() || best_cost.is_last_resort())
        {
            if best == held || !best_cost.is_worth_leaving(held_cost) {
                self.better = None;
                return Source::Link(held);
            }
            if self.better.is_none_or(|(link, _)| link != best) {
                self.better = Some((best, now));
            }
            if self.moves_at().is_some_and(|at| now < at) {
                return Source::Link(held);
            }
        }
        self.better = None;
        self.moved_at = Some(now);
        Source::Link(best)
    }

    /// When it may move to the better way there is.
    pub(super) fn moves_at(&self) -> Option<Instant> {
        let (_, since) = self.better?;
        let rested_at = self.moved_at.map_or(since, |at| at + Self::REST);
        Some(rested_at.max(since + Self::STEADY))
    }
}

impl Told {
    /// The same, but for a cost that hardly changed.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.path == other.path && other.cost.is_about(self.cost)
    }
}
