//! A UDP socket, and what can be done with it here: probed once, when it is made.
//!
//! Receiving is left to [`Receiver`](crate::Receiver), sending to [`Trains`](crate::Trains).

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, Protocol, SockRef, Type};

use crate::{ArrivalTimes, Buffers, Calls, Capabilities, Offload, Options, Support, kernel};

/// A bound UDP socket that never waits. One thread owns it.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    options: Options,
    coalescing: Support,
    segmentation: Segmentation,
}

impl Socket {
    /// Binds an address, with as much of the options as the kernel grants.
    pub fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // The kernel grants what it allows (net.core.rmem_max, wmem_max); less still works.
        let _ = socket.set_recv_buffer_size(options.receive_buffer);
        let _ = socket.set_send_buffer_size(options.send_buffer);
        let segmentation = offload(options.calls, options.segmentation, || {
            kernel::probe_segmentation(socket.as_fd())
        });
        // Before the first datagram can arrive, so that none comes in another shape.
        let coalescing = offload(options.calls, options.coalescing, || {
            kernel::enable_coalescing(socket.as_fd())
        });
        match options.arrival_times {
            // Without them everything else still works.
            ArrivalTimes::Wanted => drop(kernel::enable_arrival_times(socket.as_fd())),
            ArrivalTimes::Unwanted => {}
        }
        socket.bind(&address.into())?;
        Ok(Self {
            socket: socket.into(),
            options,
            coalescing,
            segmentation: Segmentation::new(segmentation),
        })
    }

    /// Where it is bound.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What it uses of what the kernel has.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            calls: self.options.calls,
            segmentation: self.segmentation.support(),
            coalescing: self.coalescing,
        }
    }

    /// The kernel's buffers.
    pub fn buffers(&self) -> io::Result<Buffers> {
        let socket = SockRef::from(&self.socket);
        Ok(Buffers {
            send: socket.send_buffer_size()?,
            receive: socket.recv_buffer_size()?,
        })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn segmentation(&self) -> &Segmentation {
        &self.segmentation
    }

    pub(crate) fn send_one(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, to).map(drop)
    }

    pub(crate) fn receive_one(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn offload(calls: Calls, wish: Offload, enable: impl FnOnce() -> io::Result<()>) -> Support {
    match (calls, wish) {
        (Calls::OneByOne, Offload::WhereSupported | Offload::Never)
        | (Calls::Many, Offload::Never) => Support::Absent,
        (Calls::Many, Offload::WhereSupported) => match enable() {
            Ok(()) => Support::Present,
            // Linux before 4.18 (GSO) and 5.0 (GRO) does not know the option.
            Err(_) => Support::Absent,
        },
    }
}

/// Whether the kernel segments for this socket. That it knows the option is not enough:
/// up to Linux 6.10 a card that computes no checksums refuses every train.
#[derive(Debug)]
pub(crate) struct Segmentation {
    support: Cell<Support>,
    /// Trains refused for want of checksums since one was taken.
    refused: Cell<u32>,
}

impl Segmentation {
    /// One odd route (a tunnel) refuses its own trains only, between others that go; a card
    /// refuses all, and then each would be tried in vain for ever.
    const MOST_REFUSED: u32 = 16;

    pub(crate) fn new(support: Support) -> Self {
        Self {
            support: Cell::new(support),
            refused: Cell::new(0),
        }
    }

    pub(crate) fn support(&self) -> Support {
        self.support.get()
    }

    pub(crate) fn taken(&self) {
        self.refused.set(0);
    }

    pub(crate) fn refused(&self) {
        self.refused.set(self.refused.get() + 1);
        if self.refused.get() >= Self::MOST_REFUSED {
            self.support.set(Support::Absent);
        }
    }
}
