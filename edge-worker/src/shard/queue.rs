//! What a shard sends next: datagrams written into one slab, grouped by destination
//! into trains that the kernel takes as one (UDP GSO).
//!
//! The kernel's price is per train, not per datagram, so the queue is flushed on a
//! tick: the longer packets wait for company, the cheaper they travel. Sending is
//! left to [`batch`].

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use batch::Trains;
use rustc_hash::FxHashMap;

/// Flushed at once beyond this: a keyframe for two hundred subscribers.
const SLAB_LEN: usize = 8 << 20;

/// The shortest wait. Audio rides along; it is part of the delay budget.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// The longest wait, while many packets leave in short trains ...
const LONGEST_TICK: Duration = Duration::from_millis(2);

/// ... and while they are mostly sound, of which a listener gets few at a time.
const LONGEST_TICK_OF_SOUND: Duration = Duration::from_millis(4);

/// Sound is shorter than this on average, pictures are longer.
const SOUND_LEN: usize = 400;

/// Fewer datagrams than this in a flush cost nothing worth waiting for.
const BUSY: usize = 64;

/// Trains shorter than this are worth a longer wait; twice as long ones are not.
const GOOD_TRAIN: usize = 6;

/// No packet in the list.
const NONE: u32 = u32::MAX;

/// Datagrams on their way out.
#[derive(Debug)]
pub(super) struct SendQueue {
    slab: Vec<u8>,
    datagrams: Vec<Datagram>,
    destinations: Vec<Destination>,
    by_address: FxHashMap<SocketAddr, u32>,
    since: Option<Instant>,
    /// Counts flushes: what was remembered of an earlier one is void.
    flush: u64,
    tick: Duration,
    /// Kept for its allocations.
    trains: Trains,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    at: u32,
    len: u32,
    /// The next one for the same destination.
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Destination {
    to: SocketAddr,
    first: u32,
    last: u32,
}

/// Where a writer's datagrams of this flush are lined up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    flush: u64,
    index: u32,
}

impl SendQueue {
    /// Nothing to send.
    pub(super) fn new() -> Self {
        Self {
            slab: Vec::with_capacity(SLAB_LEN / 8),
            datagrams: Vec::new(),
            destinations: Vec::new(),
            by_address: FxHashMap::default(),
            since: None,
            flush: 1,
            tick: SHORTEST_TICK,
            trains: Trains::new(),
        }
    }

    /// Queues what `write` appends, for the destination it answers. What it appends
    /// before it fails is taken back. `place` is the writer's, and spares it the search
    /// for its destination.
    pub(super) fn write<E>(
        &mut self,
        now: Instant,
        place: &mut Place,
        write: impl FnOnce(&mut Vec<u8>) -> Result<SocketAddr, E>,
    ) -> Result<(), E> {
        let at = self.slab.len();
        match write(&mut self.slab) {
            Ok(to) => {
                let known =
                    place.flush == self.flush && self.destinations[place.index as usize].to == to;
                if !known {
                    *place = Place {
                        flush: self.flush,
                        index: self.destination(to),
                    };
                }
                self.append(now, at, place.index);
                Ok(())
            }
            Err(error) => {
                self.slab.truncate(at);
                Err(error)
            }
        }
    }

    /// Queues one datagram.
    pub(super) fn push(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) {
        let at = self.slab.len();
        self.slab.extend_from_slice(datagram);
        let destination = self.destination(to);
        self.append(now, at, destination);
    }

    /// The index of a destination, which from now on has datagrams waiting.
    fn destination(&mut self, to: SocketAddr) -> u32 {
        *self.by_address.entry(to).or_insert_with(|| {
            self.destinations.push(Destination {
                to,
                first: NONE,
                last: NONE,
            });
            self.destinations.len() as u32 - 1
        })
    }

    fn append(&mut self, now: Instant, at: usize, destination: u32) {
        let index = self.datagrams.len() as u32;
        self.datagrams.push(Datagram {
            at: at as u32,
            len: (self.slab.len() - at) as u32,
            next: NONE,
        });
        self.since.get_or_insert(now);
        let destination = &mut self.destinations[destination as usize];
        match self.datagrams.get_mut(destination.last as usize) {
            Some(last) => last.next = index,
            None => destination.first = index,
        }
        destination.last = index;
    }

    /// When to flush; `None` while there is nothing.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let since = self.since?;
        Some(if self.slab.len() >= SLAB_LEN {
            since
        } else {
            since + self.tick
        })
    }

    /// When the first datagram was queued.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether it holds as much as it should.
    pub(super) fn is_full(&self) -> bool {
        self.slab.len() >= SLAB_LEN
    }

    /// Hands everything to `send`: the slab and the trains in it. Then it is empty.
    pub(super) fn flush<T>(&mut self, send: impl FnOnce(&[u8], &mut Trains) -> T) -> T {
        self.line_up();
        self.adjust_tick();
        let sent = send(&self.slab, &mut self.trains);
        self.slab.clear();
        self.datagrams.clear();
        self.destinations.clear();
        self.by_address.clear();
        self.since = None;
        self.flush += 1;
        sent
    }

    /// Brings the datagrams for one destination together, in the order they came.
    fn line_up(&mut self) {
        for destination in &self.destinations {
            let mut next = destination.first;
            while let Some(datagram) = self.datagrams.get(next as usize) {
                let at = datagram.at as usize;
                self.trains
                    .push(destination.to, at..at + datagram.len as usize);
                next = datagram.next;
            }
        }
    }

    /// Waits longer while many leave in short trains, and no longer than needed.
    fn adjust_tick(&mut self) {
        let (datagrams, trains) = (self.datagrams.len(), self.trains.lengths().count());
        if datagrams >= BUSY && datagrams < trains * GOOD_TRAIN {
            let sound = self.slab.len() < datagrams * SOUND_LEN;
            let longest = if sound {
                LONGEST_TICK_OF_SOUND
            } else {
                LONGEST_TICK
            };
            self.tick = (self.tick + SHORTEST_TICK).min(longest);
        } else if datagrams < BUSY || datagrams > trains * GOOD_TRAIN * 2 {
            self.tick = (self.tick - SHORTEST_TICK).max(SHORTEST_TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Pushes `(port, length)` and answers how many datagrams each train has.
    fn trains(queue: &mut SendQueue, datagrams: &[(u16, usize)]) -> Vec<usize> {
        let now = Instant::now();
        for (port, len) in datagrams {
            queue.push(now, address(*port), &vec![0; *len]);
        }
        queue.flush(|slab, trains| {
            assert_eq!(
                slab.len(),
                datagrams.iter().map(|(_, len)| len).sum::<usize>()
            );
            let lengths = trains.lengths().collect();
            *trains = Trains::new();
            lengths
        })
    }

    #[test]
    fn datagrams_for_one_destination_travel_together_whatever_comes_between() {
        let mut queue = SendQueue::new();
        for (pushed, expected) in [
            (&[(1, 9), (1, 9), (1, 9)][..], vec![3]),
            (&[(1, 9), (2, 9), (1, 9)], vec![2, 1]),
            (&[(1, 9), (2, 7), (1, 5), (2, 7), (1, 9)], vec![2, 1, 2]),
            (&[], vec![]),
        ] {
            assert_eq!(trains(&mut queue, pushed), expected, "{pushed:?}");
            assert_eq!(queue.due_at(), None);
        }
    }

    #[test]
    fn the_tick_grows_only_while_much_leaves_in_short_trains() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        let short: Vec<_> = (0..100).map(|port| (port, 100)).collect();
        let pictures: Vec<_> = (0..100).map(|port| (port, 1_000)).collect();
        let mut tick_after = |datagrams: &[(u16, usize)]| {
            trains(&mut queue, datagrams);
            queue.tick.as_millis()
        };
        assert_eq!(tick_after(&[(1, 100)]), 1, "little to send");
        assert_eq!(tick_after(&short), 2, "a hundred, each alone");
        assert_eq!(tick_after(&short), 3);
        assert_eq!(tick_after(&short), 4);
        assert_eq!(tick_after(&short), 4, "no longer than that");
        assert_eq!(
            tick_after(&pictures),
            2,
            "pictures come with others soon enough"
        );
        assert_eq!(tick_after(&short), 3);
        queue.push(now, address(1), b"x");
        assert_eq!(queue.due_at(), Some(now + Duration::from_millis(3)));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let mut queue = SendQueue::new();
        let now = Instant::now();
        let failed = queue.write(now, &mut Place::default(), |slab| {
            slab.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(queue.due_at(), None);
        assert_eq!(trains(&mut queue, &[(1, 3)]), [1]);
    }
}
