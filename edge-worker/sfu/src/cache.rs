//! The newest packets of one layer, kept in the clear for whoever misses one: one
//! buffer per layer, whatever the number of subscribers (memory follows publishers).
//!
//! Numbering and sealing a packet once more are left to [`rewrite`](crate::rewrite)
//! and to `transport`.

use std::fmt;

use media::MediaKind;

use crate::fanout::{Arrival, Marks};

/// A ring of packets over a ring of bytes, both allocated once.
pub(crate) struct Cache {
    entries: Box<[Option<Entry>]>,
    bytes: Box<[u8]>,
    /// Bytes ever written: where the next payload goes, before wrapping.
    written: u64,
}

/// Where one packet lies.
#[derive(Clone, Copy)]
struct Entry {
    number: u64,
    marks: Marks,
    start: u64,
    len: usize,
}

impl Cache {
    /// The largest payload kept: what an Ethernet frame carries over UDP.
    pub(crate) const MAX_PAYLOAD: usize = 1472;

    pub(crate) fn new(kind: MediaKind) -> Self {
        let (packets, bytes) = match kind {
            // Five seconds of speech, at sizes up to stereo with redundancy.
            MediaKind::Audio => (256, 128 << 10),
            // Four to five seconds of 720p, and more than 700 full-sized packets.
            MediaKind::Video => (1024, 1 << 20),
        };
        Self {
            entries: vec![None; packets].into(),
            bytes: vec![0; bytes].into(),
            written: 0,
        }
    }

    /// Keeps a packet in place of the oldest ones. One so late that its place is
    /// taken by a newer one is not kept.
    pub(crate) fn insert(&mut self, arrival: &Arrival<'_>) {
        let slot = self.slot(arrival.number);
        if self.entries[slot].is_some_and(|entry| entry.number > arrival.number) {
            return;
        }
        let capacity = self.bytes.len() as u64;
        let len = arrival.payload.len();
        let mut at = (self.written % capacity) as usize;
        if at + len > self.bytes.len() {
            // Payloads lie in one piece: the rest up to the end stays unused.
            self.written += (self.bytes.len() - at) as u64;
            at = 0;
        }
        self.bytes[at..at + len].copy_from_slice(arrival.payload);
        self.entries[slot] = Some(Entry {
            number: arrival.number,
            marks: arrival.marks,
            start: self.written,
            len,
        });
        self.written += len as u64;
    }

    /// The packet, if it is still here.
    pub(crate) fn get(&self, number: u64) -> Option<Arrival<'_>> {
        let entry = self.entries[self.slot(number)].filter(|entry| entry.number == number)?;
        let capacity = self.bytes.len() as u64;
        if self.written > entry.start + capacity {
            return None;
        }
        let at = (entry.start % capacity) as usize;
        Some(Arrival {
            number,
            marks: entry.marks,
            payload: &self.bytes[at..at + entry.len],
        })
    }

    /// Whether the packet came, even if its bytes have been overwritten since.
    pub(crate) fn has_seen(&self, number: u64) -> bool {
        self.entries[self.slot(number)].is_some_and(|entry| entry.number >= number)
    }

    fn slot(&self, number: u64) -> usize {
        (number % self.entries.len() as u64) as usize
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} packets)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Codec, Timestamp};

    #[test]
    fn the_newest_packets_are_here_and_the_oldest_are_not() {
        let mut cache = Cache::new(MediaKind::Audio);
        for number in 1000..1500 {
            cache.insert(&arrival(number, &[number as u8; 80]));
        }
        for (number, expected) in [
            (1499, Some(1499_u64 as u8)),
            (1244, Some(1244_u64 as u8)),
            (1243, None),
            (1500, None),
        ] {
            let found = cache.get(number).map(|found| found.payload[0]);
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn a_packet_is_whole_or_gone_however_long_payloads_are() {
        let mut cache = Cache::new(MediaKind::Audio);
        let mut seed = 7_u64;
        for number in 0..5000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let len = (seed >> 33) as usize % (Cache::MAX_PAYLOAD + 1);
            cache.insert(&arrival(number, &vec![number as u8; len]));
            for back in 0..300.min(number) {
                let Some(found) = cache.get(number - back) else {
                    continue;
                };
                assert!(found.payload.iter().all(|b| *b == (number - back) as u8));
            }
        }
    }

    #[test]
    fn a_late_packet_finds_its_place_unless_a_newer_one_has_it() {
        let mut cache = Cache::new(MediaKind::Audio);
        cache.insert(&arrival(600, b"new"));
        cache.insert(&arrival(590, b"late"));
        cache.insert(&arrival(600 - 256, b"too late"));
        assert_eq!(cache.get(590).unwrap().payload, b"late");
        assert_eq!(cache.get(600).unwrap().payload, b"new");
        assert!(cache.get(600 - 256).is_none() && cache.has_seen(600 - 256));
    }

    fn arrival(number: u64, payload: &[u8]) -> Arrival<'_> {
        Arrival {
            number,
            marks: Marks {
                timestamp: Timestamp(0),
                codec: Codec::Opus,
                marker: true,
                entry: true,
                vp8: None,
                layered: None,
                dependencies: 0,
            },
            payload,
        }
    }
}
