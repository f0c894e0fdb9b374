//! One shard's UDP socket: datagrams in until there are none, datagrams out as the
//! room produces them. Nothing waits: what the kernel does not take is dropped and counted.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::UdpSocket;

use crate::metrics::{Metrics, SendFailure};

/// No datagram on the internet is larger than an Ethernet frame; larger ones are cut
/// and then fail their checks.
pub(super) const DATAGRAM_LEN: usize = 2_048;

/// Kernel buffers: 50 ms at 400 Mbit/s, so that a burst of keyframes survives a busy moment.
const KERNEL_BUFFER_LEN: usize = 4 << 20;

/// A bound UDP socket.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    /// One packet being written, kept for its allocation.
    pub(super) scratch: Vec<u8>,
    metrics: Metrics,
}

impl Socket {
    /// Binds `address`.
    pub(super) fn bind(address: SocketAddr, metrics: Metrics) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        // The kernel grants what it allows (net.core.rmem_max); less still works.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER_LEN);
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER_LEN);
        socket.bind(&address.into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into()),
            scratch: Vec::with_capacity(DATAGRAM_LEN),
            metrics,
        })
    }

    /// For registering with a poll.
    pub(super) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// The next datagram, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        loop {
            match self.socket.recv_from(buffer) {
                Ok(received) => return Some(received),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // Linux reports a client's closed port (ICMP) on the next call.
                Err(_) => self.metrics.receive_failed(),
            }
        }
    }

    /// Sends one datagram now or never.
    pub(super) fn send(&self, to: SocketAddr, datagram: &[u8]) {
        match self.socket.send_to(datagram, to) {
            Ok(_) => self.metrics.sent(datagram.len()),
            Err(error) => self.metrics.send_failed(SendFailure::of(&error)),
        }
    }

    /// Sends what was written to the scratch space.
    pub(super) fn send_scratch(&mut self, to: SocketAddr) {
        let datagram = std::mem::take(&mut self.scratch);
        self.send(to, &datagram);
        self.scratch = datagram;
        self.scratch.clear();
    }
}
