//! Packets for many destinations, sent with as few system calls as the kernel allows:
//! those that follow each other to one destination become a train, one message that the
//! kernel or the card cuts into datagrams; many trains go in one call.
//!
//! What the kernel does not take is dropped and counted; only the order of pushing decides
//! who comes first. How it goes on after an error is in `departure`.

mod departure;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::kernel::{MOST_MESSAGES, Message, Outgoing, Prepared};
use crate::{Calls, Sent, Socket, Support};
use departure::{Departure, Wire};

/// The packets of the next batch. They themselves lie in the caller's slab.
#[derive(Debug, Default)]
pub struct Trains {
    trains: Vec<Train>,
    /// What the trains are made of: whole packets, those that touch in one piece.
    pieces: Vec<Range<usize>>,
    /// The same packets, each a train of its own: what is sent where nothing segments.
    single: Vec<Train>,
    single_pieces: Vec<Range<usize>>,
    outgoing: Outgoing,
}

/// Packets for one destination: equally long, but for the last that may be shorter.
#[derive(Clone, Debug)]
struct Train {
    to: SocketAddr,
    pieces: Range<usize>,
    /// The length of its first packet.
    segment: usize,
    /// The length of all.
    len: usize,
    packets: usize,
}

/// As many as every kernel with GSO cuts a message into (`UDP_MAX_SEGMENTS`).
const MOST_PACKETS: usize = 64;

/// What one UDP message can hold over IPv4.
const LONGEST_TRAIN: usize = 65_507;

impl Trains {
    /// No packets yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a packet: a range of the slab that [`send`](Self::send) will be given. It joins the
    /// last train if that goes to the same destination and has room, so packets are best
    /// pushed destination by destination. An empty packet is left out.
    pub fn push(&mut self, to: SocketAddr, packet: Range<usize>) {
        if packet.is_empty() {
            return;
        }
        match self.trains.last_mut() {
            Some(train) if train.to == to && train.takes(packet.len()) => {
                train.add(packet, &mut self.pieces);
            }
            Some(_) | None => self
                .trains
                .push(Train::starting(to, packet, &mut self.pieces)),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// How many packets each train has, in order. Without segmentation they go one by one
    /// all the same.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.trains.iter().map(|train| train.packets)
    }

    /// Sends all packets now or never, and forgets them.
    ///
    /// A destination that fails does not stop the others. When the socket's send buffer is
    /// full, though, that ends the batch: what is left is dropped.
    ///
    /// # Panics
    ///
    /// If a packet's range lies outside of the slab.
    pub fn send(&mut self, socket: &Socket, slab: &[u8]) -> Sent {
        let (trains, pieces) = match socket.capabilities().segmentation {
            Support::Present => (&self.trains, &self.pieces),
            Support::Absent => {
                self.single.clear();
                self.single_pieces.clear();
                for (to, packet) in packets(&self.trains, &self.pieces) {
                    self.single
                        .push(Train::starting(to, packet, &mut self.single_pieces));
                }
                (&self.single, &self.single_pieces)
            }
        };
        let mut departure = Departure::new(pieces, slab, socket.segmentation());
        for window in trains.chunks(MOST_MESSAGES) {
            match socket.capabilities().calls {
                Calls::Many => {
                    let messages = window.iter().map(Train::message);
                    let prepared = self.outgoing.prepare(messages, pieces, slab);
                    departure.send_many(
                        window,
                        &mut Live {
                            socket,
                            prepared: Some(prepared),
                        },
                    );
                }
                Calls::OneByOne => {
                    departure.send_one_by_one(
                        window,
                        &mut Live {
                            socket,
                            prepared: None,
                        },
                    );
                }
            }
        }
        let sent = departure.finish();
        self.clear();
        sent
    }

    /// Forgets all packets.
    pub fn clear(&mut self) {
        self.trains.clear();
        self.pieces.clear();
    }
}

impl Train {
    fn starting(to: SocketAddr, packet: Range<usize>, pieces: &mut Vec<Range<usize>>) -> Self {
        let (segment, first) = (packet.len(), pieces.len());
        pieces.push(packet);
        Self {
            to,
            pieces: first..first + 1,
            segment,
            len: segment,
            packets: 1,
        }
    }

    /// Whether a packet this long can follow.
    fn takes(&self, len: usize) -> bool {
        let all_equal = self.len == self.segment * self.packets;
        all_equal
            && len <= self.segment
            && self.packets < MOST_PACKETS
            && self.len + len <= LONGEST_TRAIN
    }

    fn add(&mut self, packet: Range<usize>, pieces: &mut Vec<Range<usize>>) {
        self.len += packet.len();
        self.packets += 1;
        match pieces.last_mut() {
            Some(last) if last.end == packet.start => last.end = packet.end,
            Some(_) | None => {
                pieces.push(packet);
                self.pieces.end = pieces.len();
            }
        }
    }

    /// Its packets: pieces break only between packets.
    fn packets<'a>(
        &'a self,
        pieces: &'a [Range<usize>],
    ) -> impl Iterator<Item = Range<usize>> + 'a {
        pieces[self.pieces.clone()].iter().flat_map(|piece| {
            let starts = piece.clone().step_by(self.segment);
            starts.map(|start| start..piece.end.min(start + self.segment))
        })
    }

    fn message(&self) -> Message {
        Message {
            to: self.to,
            pieces: self.pieces.clone(),
            // A train of more than one is shorter than 65,508, so its packets are too.
            segment: (self.packets > 1).then_some(self.segment as u16),
        }
    }
}

fn packets<'a>(
    trains: &'a [Train],
    pieces: &'a [Range<usize>],
) -> impl Iterator<Item = (SocketAddr, Range<usize>)> + 'a {
    trains
        .iter()
        .flat_map(|train| train.packets(pieces).map(|packet| (train.to, packet)))
}

/// The kernel, for one call's worth of trains.
#[derive(Debug)]
struct Live<'a> {
    socket: &'a Socket,
    /// `None` where packets go one by one.
    prepared: Option<Prepared<'a>>,
}

impl Wire for Live<'_> {
    fn send_from(&mut self, first: usize) -> io::Result<usize> {
        match &mut self.prepared {
            Some(prepared) => prepared.send(self.socket.as_fd(), first),
            None => Ok(0),
        }
    }

    fn send_one(&mut self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.socket.send_one(to, packet)
    }
}
