//! A thread that reads all subscribers' sockets and counts what comes: unread sockets
//! would fill, and a datagram dropped by the kernel costs another price.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::load::client::{inbox::Inbox, stun::Kind};

/// The thread; it ends with this.
#[derive(Debug)]
pub struct Readers {
    counts: Arc<Counts>,
    thread: Option<JoinHandle<Ended>>,
}

#[derive(Debug, Default)]
struct Counts {
    packets: AtomicU64,
    bytes: AtomicU64,
    /// Pairs of a subscriber and a stream.
    streams: AtomicU64,
    stop: AtomicBool,
}

/// The sockets, and the streams that came on each.
type Ended = (Vec<batch::Socket>, Vec<Vec<u32>>);

/// Long enough not to compete for the cores, short enough that no socket fills.
const REST: Duration = Duration::from_micros(200);

impl Readers {
    /// Reads `sockets` from now on.
    pub fn start(sockets: Vec<batch::Socket>) -> Self {
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = thread::spawn(move || read(sockets, &shared));
        Self {
            counts,
            thread: Some(thread),
        }
    }

    /// Packets of media so far, and their bytes.
    pub fn received(&self) -> (u64, u64) {
        (
            self.counts.packets.load(Relaxed),
            self.counts.bytes.load(Relaxed),
        )
    }

    /// Over all subscribers, how many streams came so far.
    pub fn streams(&self) -> u64 {
        self.counts.streams.load(Relaxed)
    }

    /// Waits until `packets` came in all, and tells how many of them did not in time.
    pub fn wait_for(&self, packets: u64) -> u64 {
        let until = Instant::now() + Duration::from_secs(1);
        loop {
            let missing = packets.saturating_sub(self.received().0);
            if missing == 0 || Instant::now() > until {
                return missing;
            }
            thread::sleep(REST / 2);
        }
    }

    /// Stops reading; answers the sockets and the streams that came on each.
    pub fn stop(mut self) -> (Vec<batch::Socket>, Vec<Vec<u32>>) {
        self.counts.stop.store(true, Relaxed);
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        ended.unwrap_or_default()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.counts.stop.store(true, Relaxed);
    }
}

fn read(sockets: Vec<batch::Socket>, counts: &Counts) -> Ended {
    let mut inbox = Inbox::default();
    let mut seen: Vec<Vec<u32>> = vec![Vec::new(); sockets.len()];
    while !counts.stop.load(Relaxed) {
        let (mut packets, mut bytes) = (0, 0);
        for (socket, seen) in sockets.iter().zip(&mut seen) {
            inbox.drain(socket, |datagram, _| {
                if Kind::of(datagram) != Kind::Rtp || datagram.len() < 12 {
                    return;
                }
                packets += 1;
                bytes += datagram.len() as u64;
                let ssrc = [datagram[8], datagram[9], datagram[10], datagram[11]];
                let ssrc = u32::from_be_bytes(ssrc);
                if !seen.contains(&ssrc) {
                    seen.push(ssrc);
                    counts.streams.fetch_add(1, Relaxed);
                }
            });
        }
        if packets == 0 {
            thread::sleep(REST);
        }
        counts.bytes.fetch_add(bytes, Relaxed);
        counts.packets.fetch_add(packets, Relaxed);
    }
    (sockets, seen)
}
