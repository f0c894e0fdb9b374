//! How a batch leaves, whatever the kernel answers: who failed is left behind, the others
//! go on, and everything is counted once.
//!
//! The system calls themselves are behind [`Wire`].

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use super::Train;
use crate::socket::Segmentation;
use crate::{SendFailure, Sent};

/// What takes packets: the kernel, or a test's idea of it.
pub(super) trait Wire {
    /// Sends the prepared trains from `first` on. Returns how many were taken; an error is
    /// that of train `first`.
    fn send_from(&mut self, first: usize) -> io::Result<usize>;

    /// Sends one packet.
    fn send_one(&mut self, to: SocketAddr, packet: &[u8]) -> io::Result<()>;
}

/// One batch on its way.
#[derive(Debug)]
pub(super) struct Departure<'a> {
    pieces: &'a [Range<usize>],
    slab: &'a [u8],
    segmentation: &'a Segmentation,
    room: Room,
    sent: Sent,
}

/// Whether the socket's send buffer takes more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Room {
    Left,
    Full,
}

/// Which try of the same train or packet this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Try {
    First,
    Second,
}

/// What to do about a train that was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reaction {
    TryAgain,
    SendPackets,
    Drop(SendFailure),
}

impl<'a> Departure<'a> {
    pub(super) fn new(
        pieces: &'a [Range<usize>],
        slab: &'a [u8],
        segmentation: &'a Segmentation,
    ) -> Self {
        Self {
            pieces,
            slab,
            segmentation,
            room: Room::Left,
            sent: Sent::default(),
        }
    }

    /// Sends trains that the wire has been prepared with.
    pub(super) fn send_many(&mut self, trains: &[Train], wire: &mut impl Wire) {
        let mut first = 0;
        let mut attempt = Try::First;
        while let Some(train) = trains.get(first) {
            if self.room == Room::Full {
                self.drop_packets(train.packets, SendFailure::WouldBlock);
                first += 1;
                continue;
            }
            self.sent.calls += 1;
            let reaction = match wire.send_from(first) {
                Ok(taken) if taken > 0 => {
                    let taken = &trains[first..trains.len().min(first + taken)];
                    first += taken.len();
                    self.took(taken, attempt);
                    // If it stopped early, it was tried in vain, and not told why.
                    attempt = Try::Second;
                    continue;
                }
                Ok(_) => Reaction::Drop(SendFailure::Other),
                Err(error) => self.reaction(&error, train.packets, attempt),
            };
            match reaction {
                Reaction::TryAgain => {
                    attempt = Try::Second;
                    continue;
                }
                Reaction::SendPackets => {
                    self.sent.unsegmented += 1;
                    self.send_packets(train, wire);
                }
                Reaction::Drop(reason) => self.drop_packets(train.packets, reason),
            }
            attempt = Try::First;
            first += 1;
        }
    }

    /// Sends trains packet by packet.
    pub(super) fn send_one_by_one(&mut self, trains: &[Train], wire: &mut impl Wire) {
        for train in trains {
            self.send_packets(train, wire);
        }
    }

    /// What became of it.
    pub(super) fn finish(self) -> Sent {
        self.sent
    }

    fn send_packets(&mut self, train: &Train, wire: &mut impl Wire) {
        for packet in train.packets(self.pieces) {
            let reason = match self.room {
                Room::Left => self.send_packet(train.to, &self.slab[packet], wire),
                Room::Full => Err(SendFailure::WouldBlock),
            };
            if let Err(reason) = reason {
                self.drop_packets(1, reason);
            }
        }
    }

    fn send_packet(
        &mut self,
        to: SocketAddr,
        packet: &[u8],
        wire: &mut impl Wire,
    ) -> Result<(), SendFailure> {
        let mut attempt = Try::First;
        loop {
            self.sent.calls += 1;
            match wire.send_one(to, packet) {
                Ok(()) => {
                    self.count(1, packet.len(), attempt);
                    return Ok(());
                }
                Err(error) => match self.reaction(&error, 1, attempt) {
                    Reaction::TryAgain => attempt = Try::Second,
                    // One packet is never segmented.
                    Reaction::SendPackets => return Err(SendFailure::of(&error)),
                    Reaction::Drop(reason) => return Err(reason),
                },
            }
        }
    }

    fn reaction(&mut self, error: &io::Error, packets: usize, attempt: Try) -> Reaction {
        let reason = SendFailure::of(error);
        if packets > 1 {
            match error.raw_os_error() {
                Some(libc::EIO) => {
                    self.segmentation.refused();
                    return Reaction::SendPackets;
                }
                // The packets are longer than this path's frames, which the kernel takes
                // one by one, in fragments.
                Some(libc::EINVAL | libc::EMSGSIZE) => return Reaction::SendPackets,
                Some(_) | None => {}
            }
        }
        if reason.may_be_late() && attempt == Try::First {
            return Reaction::TryAgain;
        }
        if reason == SendFailure::WouldBlock {
            self.room = Room::Full;
        }
        Reaction::Drop(reason)
    }

    fn took(&mut self, trains: &[Train], attempt: Try) {
        let mut attempt = attempt;
        for train in trains {
            self.count(train.packets, train.len, attempt);
            attempt = Try::First;
        }
        if trains.iter().any(|train| train.packets > 1) {
            self.segmentation.taken();
        }
    }

    /// Counts what was taken as one message.
    fn count(&mut self, packets: usize, bytes: usize, attempt: Try) {
        self.sent.trains += 1;
        self.sent.datagrams += packets as u64;
        self.sent.bytes += bytes as u64;
        match attempt {
            Try::First => {}
            Try::Second => self.sent.late += 1,
        }
    }

    fn drop_packets(&mut self, packets: usize, reason: SendFailure) {
        self.sent.failed.add(reason, packets as u64);
    }
}
