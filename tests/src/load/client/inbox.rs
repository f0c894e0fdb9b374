//! Receives what waits at a client's socket, into memory that all clients share.

use std::{io, net::SocketAddr, os::fd::AsFd};

use batch::{Offload, Options, Received, Receiver, Socket};

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
    /// Hands every datagram that waits at `socket` to `take`.
    pub fn drain(&mut self, socket: &Socket, mut take: impl FnMut(&mut [u8])) {
        // All sockets of a run are alike, so the first one's memory serves all.
        let receiver = self.receiver.get_or_insert_with(|| Receiver::new(socket));
        for _ in 0..TRIES {
            // An error says that the server's port was closed when we sent: that passes, or
            // shows as loss.
            let Ok(received) = receiver.receive(socket) else {
                continue;
            };
            receiver
                .datagrams()
                .for_each(|(_, datagram)| take(datagram));
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
        ..Options::default()
    };
    let socket = Socket::bind(address, options)?;
    let same = socket.as_fd().try_clone_to_owned()?;
    Ok((socket, same.into()))
}
