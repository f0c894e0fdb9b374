//! Receives what waits at a client's socket, into memory that all clients share, with the
//! times at which the kernel had it: how late we are to read is not the server's delay.

use std::{io, net::SocketAddr, os::fd::AsFd, time::Duration};

use batch::{ArrivalTimes, Offload, Options, Received, Receiver, Socket};

/// Whether the kernel may hand over several datagrams as one (GRO): it spares the sender
/// half of what a datagram costs on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coalescing {
    /// It may.
    Allowed,
    /// It must not.
    Off,
}

/// The shared memory.
#[derive(Debug, Default)]
pub struct Inbox {
    receiver: Option<Receiver>,
}

impl Inbox {
    /// Hands every datagram that waits at `socket` to `take`, with the time since 1970 at
    /// which it arrived.
    pub fn drain(&mut self, socket: &Socket, mut take: impl FnMut(&mut [u8], Option<Duration>)) {
        // All sockets of a run are alike, so the first one's memory serves all.
        let receiver = self.receiver.get_or_insert_with(|| Receiver::new(socket));
        for _ in 0..TRIES {
            // An error says that the server's port was closed when we sent: that passes, or
            // shows as loss.
            let Ok(received) = receiver.receive(socket) else {
                continue;
            };
            let mut datagrams = receiver.datagrams();
            while let Some((_, datagram)) = datagrams.next() {
                take(datagram, datagrams.arrived_at());
            }
            if received != Received::Full {
                return;
            }
        }
    }
}

/// No socket may keep the others waiting for ever.
const TRIES: usize = 64;

/// A client's socket twice: to receive on, and to do everything else with.
pub fn open(
    address: SocketAddr,
    coalescing: Coalescing,
) -> io::Result<(Socket, std::net::UdpSocket)> {
    let coalescing = match coalescing {
        Coalescing::Allowed => Offload::WhereSupported,
        Coalescing::Off => Offload::Never,
    };
    let options = Options {
        coalescing,
        segmentation: Offload::Never,
        arrival_times: ArrivalTimes::Wanted,
        ..Options::default()
    };
    let socket = Socket::bind(address, options)?;
    let same = socket.as_fd().try_clone_to_owned()?;
    Ok((socket, same.into()))
}
