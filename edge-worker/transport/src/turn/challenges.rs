//! How often those are answered who have proven nothing: seldom enough that nobody gains by
//! having us answer somebody else, often enough for a school behind one address.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

/// So many addresses share this much memory, however many there are: those that fall together
/// are counted as one.
#[derive(Debug)]
pub(super) struct Challenges {
    buckets: Box<[Bucket]>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When it will be empty.
    empty_at: Option<Instant>,
}

const BUCKETS: usize = 1_024;

/// Of one address, in the long run.
const INTERVAL: Duration = Duration::from_millis(20);

/// At once: a class that joins together, over all of its interfaces.
const BURST: u32 = 512;

impl Challenges {
    pub(super) fn new() -> Self {
        Self {
            buckets: vec![Bucket { empty_at: None }; BUCKETS].into(),
        }
    }

    /// Counts one more answer to `source`, if it may have that.
    pub(super) fn admit(&mut self, now: Instant, source: IpAddr) -> Verdict {
        let bucket = &mut self.buckets[place(source)];
        let from = bucket.empty_at.filter(|at| *at > now).unwrap_or(now);
        if from.saturating_duration_since(now) >= INTERVAL * BURST {
            return Verdict::TooMany;
        }
        bucket.empty_at = Some(from + INTERVAL);
        Verdict::Answer
    }
}

/// Whether one more is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Answer,
    TooMany,
}

fn place(source: IpAddr) -> usize {
    let mut hasher = FxBuildHasher.build_hasher();
    match source {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        // Who has one address of version 6 has a network of them.
        IpAddr::V6(ip) => hasher.write(&ip.octets()[..8]),
    }
    (hasher.finish() as usize) % BUCKETS
}
