//! Receives datagrams many at a time, into memory it keeps, and hands them out one by one
//! to be opened where they lie.
//!
//! The kernel puts several datagrams from one origin into one message (GRO): all of the
//! same length, the last perhaps shorter. They are told apart here.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::slice::{ChunksExactMut, ChunksMut, Iter};
use std::time::Duration;

use crate::kernel::{Fit, Incoming};
use crate::{Calls, Socket, Support};

/// The memory that datagrams arrive in.
#[derive(Debug)]
pub struct Receiver {
    memory: Vec<u8>,
    buffers: Buffers,
    incoming: Incoming,
    /// What the buffers hold, first to last.
    messages: Vec<Message>,
    longest_datagram: usize,
    counts: ReceiveCounts,
}

/// How the memory is laid out.
#[derive(Clone, Copy, Debug)]
struct Buffers {
    count: usize,
    /// From the start of one to that of the next.
    stride: usize,
    len: usize,
}

/// One message in its buffer.
#[derive(Clone, Copy, Debug)]
struct Message {
    from: SocketAddr,
    len: usize,
    segment: usize,
    arrived_at: Option<Duration>,
}

/// How a receive ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// Nothing was there.
    Nothing,
    /// All that was there is here now.
    Drained,
    /// All memory is used; more may be there.
    Full,
}

/// Totals of a receiver.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceiveCounts {
    /// System calls made.
    pub calls: u64,
    /// Messages, each of one or more datagrams.
    pub messages: u64,
    /// Datagrams handed out.
    pub datagrams: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
    /// Datagrams left out because they were longer than the longest allowed.
    pub cut: u64,
}

impl Receiver {
    /// Takes memory for this socket: 2 MiB if messages can be coalesced, 130 KiB if not (at
    /// the default longest datagram). The system provides a page when it is first used.
    pub fn new(socket: &Socket) -> Self {
        let longest_datagram = socket.options().longest_datagram;
        let buffers = match socket.capabilities().coalescing {
            Support::Present => Buffers::for_coalesced(),
            Support::Absent => Buffers::for_single(longest_datagram),
        };
        Self {
            memory: vec![0; buffers.count * buffers.stride],
            buffers,
            incoming: Incoming::default(),
            messages: Vec::with_capacity(buffers.count),
            longest_datagram,
            counts: ReceiveCounts::default(),
        }
    }

    /// Receives what is there, as much as fits, in one system call where that is possible.
    /// What was received before is gone.
    ///
    /// An error can be that of a datagram sent earlier (a closed port); the next call goes on.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<Received> {
        self.messages.clear();
        let result = match socket.options().calls {
            Calls::Many => self.receive_many(socket),
            Calls::OneByOne => self.receive_one_by_one(socket),
        };
        match result {
            Ok(received) if received == self.buffers.count => Ok(Received::Full),
            Ok(_) => Ok(Received::Drained),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// What was received last, in the order of arrival. Empty datagrams are left out.
    pub fn datagrams(&mut self) -> Datagrams<'_> {
        Datagrams {
            messages: self.messages.iter(),
            buffers: self.memory.chunks_exact_mut(self.buffers.stride),
            current: None,
            arrived_at: None,
            longest: self.longest_datagram,
        }
    }

    /// Totals since it was made.
    pub fn counts(&self) -> ReceiveCounts {
        self.counts
    }

    fn receive_many(&mut self, socket: &Socket) -> io::Result<usize> {
        self.counts.calls += 1;
        let Buffers { stride, len, .. } = self.buffers;
        let received = self
            .incoming
            .receive(socket.as_fd(), &mut self.memory, stride, len)?;
        for index in 0..received {
            let arrival = self.incoming.arrival(index);
            self.note(match (arrival.from, arrival.fit) {
                (Some(from), Fit::Whole) => {
                    let segment = arrival.segment.unwrap_or(arrival.len);
                    Some(Message {
                        from,
                        len: arrival.len,
                        segment,
                        arrived_at: arrival.at,
                    })
                }
                (Some(_) | None, Fit::Cut) | (None, Fit::Whole) => None,
            });
        }
        Ok(received)
    }

    fn receive_one_by_one(&mut self, socket: &Socket) -> io::Result<usize> {
        let Buffers { count, stride, len } = self.buffers;
        for received in 0..count {
            self.counts.calls += 1;
            let buffer = &mut self.memory[received * stride..][..len];
            match socket.receive_one(buffer) {
                Ok((len, from)) => self.note(Some(Message {
                    from,
                    len,
                    segment: len,
                    arrived_at: None,
                })),
                Err(error) if received == 0 => return Err(error),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(received),
                // An error of an earlier datagram: more may wait behind it.
                Err(_) => return Ok(count),
            }
        }
        Ok(count)
    }

    /// Notes what the next buffer holds; `None` if nothing of use.
    fn note(&mut self, message: Option<Message>) {
        self.counts.messages += 1;
        let Some(message) = message else {
            self.counts.cut += 1;
            self.messages.push(Message::UNUSED);
            return;
        };
        self.messages.push(message);
        for (len, count) in message.datagrams() {
            if len > self.longest_datagram {
                self.counts.cut += count;
            } else {
                self.counts.datagrams += count;
                self.counts.bytes += count * len as u64;
            }
        }
    }
}

impl Buffers {
    /// For messages of up to 64 datagrams each; few arrive full, so their number counts too.
    fn for_coalesced() -> Self {
        // The longest message there is. Most are short and use the start of a buffer only;
        // an Ethernet frame's worth of cache lines beyond a power of two keeps the starts
        // from competing for the same places in the cache.
        Self {
            count: 32,
            stride: 65_536 + 21 * 64,
            len: 65_535,
        }
    }

    fn for_single(longest_datagram: usize) -> Self {
        // One byte more than allowed shows that a datagram is longer.
        let len = longest_datagram + 1;
        Self {
            count: 64,
            stride: len.next_multiple_of(64),
            len,
        }
    }
}

impl Message {
    /// In place of one that cannot be handed out.
    const UNUSED: Self = Self {
        from: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        len: 0,
        segment: 0,
        arrived_at: None,
    };

    /// The lengths of its datagrams and how many have each: the equal ones, and the last.
    fn datagrams(&self) -> impl Iterator<Item = (usize, u64)> {
        let segment = self.segment.max(1);
        let last = self.len % segment;
        let equal = (self.segment, (self.len / segment) as u64);
        [equal, (last, u64::from(last > 0))]
            .into_iter()
            .filter(|(_, count)| *count > 0)
    }
}

/// Datagrams that arrived, with where they came from.
#[derive(Debug)]
pub struct Datagrams<'a> {
    messages: Iter<'a, Message>,
    buffers: ChunksExactMut<'a, u8>,
    /// What is left of the message being handed out.
    current: Option<(SocketAddr, ChunksMut<'a, u8>)>,
    arrived_at: Option<Duration>,
    longest: usize,
}

impl Datagrams<'_> {
    /// When the kernel had the datagram that was handed out last, since 1970, where the
    /// socket's options ask for it and the kernel told.
    pub fn arrived_at(&self) -> Option<Duration> {
        self.arrived_at
    }
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = (SocketAddr, &'a mut [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((from, rest)) = &mut self.current
                && let Some(datagram) = rest.next()
            {
                if datagram.len() > self.longest {
                    continue;
                }
                return Some((*from, datagram));
            }
            let (message, buffer) = self.messages.next().zip(self.buffers.next())?;
            let message_bytes = &mut buffer[..message.len];
            self.arrived_at = message.arrived_at;
            self.current = Some((
                message.from,
                message_bytes.chunks_mut(message.segment.max(1)),
            ));
        }
    }
}
