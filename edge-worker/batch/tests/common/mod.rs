//! What the tests of whole sockets share: sockets of all kinds, and the packets they are
//! to carry.

#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test file is a crate of its own and uses its part"
)]

use std::net::SocketAddr;
use std::ops::Range;

use batch::{Calls, Offload, Options, Received, Receiver, Socket, Trains};

/// Any port of this machine's own.
pub const LOOPBACK: &str = "127.0.0.1:0";

/// Every way a socket can be made, each under a name.
pub fn kinds() -> Vec<(String, Options)> {
    let mut kinds = Vec::new();
    for calls in [Calls::Many, Calls::OneByOne] {
        for segmentation in [Offload::WhereSupported, Offload::Never] {
            for coalescing in [Offload::WhereSupported, Offload::Never] {
                let name =
                    format!("{calls:?}, segmentation {segmentation:?}, coalescing {coalescing:?}");
                let options = Options {
                    calls,
                    segmentation,
                    coalescing,
                    ..Options::default()
                };
                kinds.push((name, options));
            }
        }
    }
    kinds
}

/// A socket on a loopback address.
pub fn bind(address: &str, options: Options) -> Socket {
    let address = address.parse().expect("written out in the test");
    Socket::bind(address, options).expect("loopback has ports left")
}

/// Where a socket is.
pub fn address(socket: &Socket) -> SocketAddr {
    socket.local_address().expect("it is bound")
}

/// A socket that receives, with its memory.
pub struct Inbox {
    pub socket: Socket,
    pub receiver: Receiver,
}

impl Inbox {
    pub fn new(address: &str, options: Options) -> Self {
        let socket = bind(address, options);
        let receiver = Receiver::new(&socket);
        Self { socket, receiver }
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.socket)
    }

    /// All that has arrived, in order. Loopback delivers before a send returns.
    pub fn take_all(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let received = self
                .receiver
                .receive(&self.socket)
                .expect("nothing was refused");
            all.extend(
                self.receiver
                    .datagrams()
                    .map(|(from, bytes)| (from, bytes.to_vec())),
            );
            if received != Received::Full {
                return all;
            }
        }
    }
}

/// Packets in a slab, as a caller has them.
#[derive(Default)]
pub struct Slab {
    pub bytes: Vec<u8>,
    pub packets: Vec<(SocketAddr, Range<usize>)>,
}

impl Slab {
    /// Adds a packet with bytes of its own.
    pub fn add(&mut self, to: SocketAddr, len: usize) {
        let start = self.bytes.len();
        let nth = self.packets.len();
        self.bytes
            .extend((start..start + len).map(|at| (at * 31 + nth * 7) as u8));
        self.packets.push((to, start..start + len));
    }

    /// Leaves some bytes unused, as between packets that don't touch.
    pub fn skip(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0xee);
    }

    pub fn push_to(&self, trains: &mut Trains) {
        for (to, packet) in &self.packets {
            trains.push(*to, packet.clone());
        }
    }

    /// What one destination is to receive.
    pub fn expected(&self, at: SocketAddr) -> Vec<&[u8]> {
        let own = self.packets.iter().filter(|(to, _)| *to == at);
        own.map(|(_, packet)| &self.bytes[packet.clone()]).collect()
    }
}
