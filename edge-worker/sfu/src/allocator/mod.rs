//! Divides what a subscriber's link carries between the videos it wants: sound is not
//! asked, screens come first, then the least of every picture, then better pictures in
//! turn.
//!
//! A parent: a [`Ladder`] says what a video can be sent as, [`share`] divides a link as if
//! nothing had been before, a [`Line`] keeps pictures from changing too often. How wide the
//! link is, others find out; what is played until a decoder can follow is left to
//! [`select`](crate::select).

mod ladder;
mod line;
mod share;
#[cfg(test)]
mod tests;

use std::time::Instant;

use media::{Bitrate, Layer};
use rustc_hash::FxHashMap;

use crate::SubscriptionKey;
use crate::fanout::Wish;
pub(crate) use ladder::Ladder;
use line::Line;
use share::{Shares, share};

/// Divides one subscriber's link.
#[derive(Debug)]
pub(crate) struct Allocator {
    pausing: Pausing,
    estimate: Option<Bitrate>,
    /// Set in place of the estimate.
    imposed: Option<Bitrate>,
    lines: FxHashMap<SubscriptionKey, Line>,
}

/// Whether a picture may stop where even the least of it does not fit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pausing {
    /// It may; its viewer is told.
    #[default]
    Allowed,
    /// The least of it is sent whatever comes.
    Never,
}

/// A video that is wanted, and what it could be sent as.
#[derive(Clone, Debug)]
pub(crate) struct Video {
    pub(crate) subscription: SubscriptionKey,
    /// Served before all others, and as well as wished.
    pub(crate) first: bool,
    pub(crate) wished: Wished,
    pub(crate) ladder: Ladder,
}

/// What a subscriber wants of a video.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wished {
    /// Not more than this.
    pub(crate) layer: Layer,
    /// Not more than this.
    pub(crate) temporal: u8,
    /// The higher the sooner served.
    pub(crate) priority: u8,
}

/// What a video is to be sent as from now on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) subscription: SubscriptionKey,
    pub(crate) wish: Wish,
}

/// What of a link is for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The whole of it.
    pub(crate) limit: Bitrate,
    /// Taken by sound.
    pub(crate) audio: Bitrate,
    /// What pictures may take at most, if there is more.
    pub(crate) pictures: Option<Bitrate>,
}

/// What a link carries, and what it would have to carry for more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// All that is sent, sound included.
    pub allocated: Bitrate,
    /// What it takes to send the next better picture; `None` if all is as wished.
    pub next: Option<Bitrate>,
    /// What it takes to send everything as wished.
    pub wished: Bitrate,
}

/// Of what a link carries, better pictures than the least take no more than this: what
/// encoders send varies.
const COMFORT_PERCENT: u64 = 90;

/// Only when this much is exceeded is anything taken back: estimates vary.
const STRAIN_PERCENT: u64 = 105;

impl Allocator {
    /// No subscriber's link is wider. Clients may claim more than can be reckoned with.
    pub(crate) const WIDEST: Bitrate = Bitrate::kilobits(10_000_000);

    pub(crate) fn new(pausing: Pausing) -> Self {
        Self {
            pausing,
            estimate: None,
            imposed: None,
            lines: FxHashMap::default(),
        }
    }

    /// The same link, with nothing on it yet.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            lines: FxHashMap::default(),
            ..*self
        }
    }

    /// Whether pictures may stop where the link is too narrow.
    pub(crate) fn pausing(&self) -> Pausing {
        self.pausing
    }

    /// What the link is believed to carry.
    pub(crate) fn set_estimate(&mut self, estimate: Option<Bitrate>) {
        self.estimate = estimate;
    }

    /// Has the link taken for this wide, whatever it is believed to carry.
    pub(crate) fn impose(&mut self, limit: Option<Bitrate>) {
        self.imposed = limit;
    }

    /// What is to be divided; `None` if everything may be sent as wished.
    pub(crate) fn limit(&self) -> Option<Bitrate> {
        self.imposed.or(self.estimate)
    }

    /// A subscription has ended.
    pub(crate) fn forget(&mut self, subscription: SubscriptionKey) {
        self.lines.remove(&subscription);
    }

    /// Forgets everything about videos: no limit holds any more.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    /// Divides what is for pictures between `videos`. What is to be sent differently is
    /// appended to `targets`.
    pub(crate) fn allocate(
        &mut self,
        now: Instant,
        link: Share,
        videos: &mut [Video],
        targets: &mut Vec<Target>,
    ) -> Load {
        let Share {
            limit,
            audio,
            pictures,
        } = link;
        if pictures == Some(Bitrate::ZERO) {
            return self.stop(now, audio, videos, targets);
        }
        videos.sort_by_key(|video| {
            let wished = &video.wished;
            (
                !video.first,
                u8::MAX - wished.priority,
                video.subscription.0,
            )
        });
        let budget = Bitrate(limit.min(Self::WIDEST).0.saturating_sub(audio.0));
        let budget = pictures.map_or(budget, |most| most.min(budget));
        let comfort = Bitrate(budget.0 * COMFORT_PERCENT / 100);
        let wanted = share(videos, (budget, comfort), self.pausing);
        let mut shares = self.present(now, videos, &wanted);
        if self.strained(now, videos, &shares, &wanted, budget) {
            let most = share(videos, (budget, budget), self.pausing);
            self.lower(now, videos, &mut shares, &most);
        }
        self.raise(now, videos, &mut shares, &wanted, budget);
        self.settle(now, videos, &shares, budget, targets);
        load(videos, &shares, link)
    }

    /// No picture may be sent at all, nor anything to find out whether it could be.
    fn stop(
        &mut self,
        now: Instant,
        audio: Bitrate,
        videos: &[Video],
        targets: &mut Vec<Target>,
    ) -> Load {
        let nothing = vec![None; videos.len()];
        self.present(now, videos, &nothing);
        self.settle(now, videos, &nothing, Bitrate::ZERO, targets);
        Load {
            allocated: audio,
            next: None,
            wished: audio,
        }
    }

    /// As what videos are sent now. What is new, or wished anew, is sent as it should be.
    fn present(&mut self, now: Instant, videos: &[Video], wanted: &Shares) -> Shares {
        let present = |(video, wanted): (&Video, &Option<usize>)| {
            let known = self.lines.contains_key(&video.subscription);
            let line = self
                .lines
                .entry(video.subscription)
                .or_insert_with(|| Line::new(now, video.wished));
            if wanted.is_some() {
                line.feed();
            }
            if !known {
                return *wanted;
            }
            if line.wished != video.wished {
                line.wish(now, video.wished);
                return *wanted;
            }
            line.sent().map(|sent| video.ladder.nearest(sent))
        };
        videos.iter().zip(wanted).map(present).collect()
    }

    /// Whether something has to be taken back: the link is too narrow, or somebody could
    /// be shown at all if others took less.
    fn strained(
        &self,
        now: Instant,
        videos: &[Video],
        shares: &Shares,
        wanted: &Shares,
        budget: Bitrate,
    ) -> bool {
        let used = used(videos, shares);
        let mut newcomers = false;
        let mut waiting = 0;
        for ((video, share), wanted) in videos.iter().zip(shares).zip(wanted) {
            let line = &self.lines[&video.subscription];
            newcomers |= line.is_new(now);
            if share.is_none() && wanted.is_some() && line.may_rise(now, budget) {
                waiting += video.ladder.rate(Some(0)).0;
            }
        }
        let strain = if newcomers || waiting > 0 {
            budget.0
        } else {
            budget.0 * STRAIN_PERCENT / 100
        };
        used.0 + waiting > strain
    }

    /// Takes back what is more than `most`.
    fn lower(&mut self, now: Instant, videos: &[Video], shares: &mut Shares, most: &Shares) {
        for ((video, share), most) in videos.iter().zip(shares).zip(most) {
            let line = self
                .lines
                .get_mut(&video.subscription)
                .expect("every video present has a line");
            match (*share, *most) {
                (Some(now), Some(most)) => *share = Some(now.min(most)),
                (Some(_), None) if line.sent().is_some() && !line.starve(now) => *share = Some(0),
                (Some(_) | None, None) => *share = None,
                (None, Some(_)) => {}
            }
        }
    }

    /// Makes pictures better in turn, as far as they may change.
    fn raise(
        &mut self,
        now: Instant,
        videos: &[Video],
        shares: &mut Shares,
        wanted: &Shares,
        budget: Bitrate,
    ) {
        let comfort = budget.0 * COMFORT_PERCENT / 100;
        let may: Vec<bool> = videos
            .iter()
            .map(|video| self.lines[&video.subscription].may_rise(now, budget))
            .collect();
        // Who is about to be shown again must find its place free.
        let reserved: u64 = videos
            .iter()
            .zip(shares.iter().zip(wanted))
            .filter(|(_, (share, wanted))| share.is_none() && wanted.is_some())
            .map(|(video, _)| video.ladder.rate(Some(0)).0)
            .sum();
        let mut used = used(videos, shares).0 + reserved;
        loop {
            let mut raised = false;
            for (index, video) in videos.iter().enumerate() {
                if !may[index] || shares[index] >= wanted[index] {
                    continue;
                }
                let Some(share) = shares[index] else {
                    shares[index] = Some(0);
                    raised = true;
                    continue;
                };
                let more = video.ladder.rate(Some(share + 1)).0 - video.ladder.rate(Some(share)).0;
                if used + more <= comfort {
                    used += more;
                    shares[index] = Some(share + 1);
                    raised = true;
                }
            }
            if !raised {
                return;
            }
        }
    }

    /// Notes what has changed.
    fn settle(
        &mut self,
        now: Instant,
        videos: &[Video],
        shares: &Shares,
        budget: Bitrate,
        targets: &mut Vec<Target>,
    ) {
        for (video, share) in videos.iter().zip(shares) {
            let line = self
                .lines
                .get_mut(&video.subscription)
                .expect("every video present has a line");
            let rung = share.map(|share| video.ladder.rungs()[share]);
            let send = rung.map(|rung| (rung.layer, rung.temporal));
            if line.send(now, send, budget).is_some() {
                targets.push(Target {
                    subscription: video.subscription,
                    wish: wish_of(send),
                });
            }
        }
    }
}

fn wish_of(sent: Option<(Layer, u8)>) -> Wish {
    sent.map_or(Wish::Paused, |(spatial, temporal)| Wish::Layer {
        spatial,
        temporal,
    })
}

fn used(videos: &[Video], shares: &Shares) -> Bitrate {
    let rates = videos.iter().zip(shares);
    Bitrate(
        rates
            .map(|(video, share)| video.ladder.rate(*share).0)
            .sum(),
    )
}

/// What it takes to send all of `videos` as wished beside sound, if they take no more than
/// `pictures`.
pub(crate) fn everything(videos: &[Video], audio: Bitrate, pictures: Option<Bitrate>) -> Bitrate {
    let best: u64 = videos
        .iter()
        .map(|video| video.ladder.rate(Some(video.ladder.top())).0)
        .sum();
    takes(pictures.map_or(best, |most| most.0.min(best)), audio)
}

fn takes(rate: u64, audio: Bitrate) -> Bitrate {
    Bitrate(rate * 100 / COMFORT_PERCENT + audio.0)
}

fn load(videos: &[Video], shares: &Shares, link: Share) -> Load {
    let used = used(videos, shares).0;
    // What may not be sent anyway needs no wider link.
    let most = link.pictures.unwrap_or(Allocator::WIDEST).0 * COMFORT_PERCENT / 100;
    let next = videos
        .iter()
        .zip(shares)
        .filter_map(|(video, share)| {
            let next = share.map_or(0, |share| share + 1);
            let more = video
                .ladder
                .rate(Some(next))
                .0
                .checked_sub(video.ladder.rate(*share).0)?;
            (next <= video.ladder.top() && used + more <= most).then_some(more)
        })
        .min();
    Load {
        allocated: Bitrate(used + link.audio.0),
        next: next.map(|more| takes(used + more, link.audio)),
        wished: everything(videos, link.audio, link.pictures),
    }
}
