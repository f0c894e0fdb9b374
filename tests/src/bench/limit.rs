//! What no packet path gets below: the same AEAD over the same bytes, the same datagrams
//! by the same system calls, and nothing else.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use batch::{Options, Socket, Trains};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::camera::{FIXED, Frame};
use crate::load::client::srtp::TAG;

/// A sender of its own, to the same destinations.
#[derive(Debug)]
pub struct Limit {
    socket: Socket,
    trains: Trains,
    slab: Vec<u8>,
    destinations: Vec<Destination>,
    frame: Frame,
    index: u64,
}

#[derive(Debug)]
struct Destination {
    to: SocketAddr,
    key: LessSafeKey,
}

impl Limit {
    /// Frames like `frame` to `addresses`.
    pub fn new(addresses: &[SocketAddr], frame: Frame) -> Result<Self> {
        let destination = |to: &SocketAddr| {
            let key = UnboundKey::new(&AES_128_GCM, &rand::random::<[u8; 16]>());
            let key = key.map_err(|_| anyhow!("a key of another length"))?;
            let key = LessSafeKey::new(key);
            Ok(Destination { to: *to, key })
        };
        let mut slab = vec![0x80; addresses.len() * frame.packets * frame.bytes];
        for packet in slab.chunks_exact_mut(frame.bytes) {
            packet[1] = 96;
        }
        Ok(Self {
            socket: Socket::bind("127.0.0.1:0".parse()?, Options::default())?,
            trains: Trains::new(),
            slab,
            destinations: addresses.iter().map(destination).collect::<Result<_>>()?,
            frame,
            index: 0,
        })
    }

    /// Seals and sends a frame to everybody; tells how many datagrams the kernel took.
    pub fn forward(&mut self) -> u64 {
        let Frame { packets, bytes } = self.frame;
        let mut at = 0;
        for Destination { to, key } in &self.destinations {
            for number in 0..packets {
                let packet = &mut self.slab[at..at + bytes];
                let (header, body) = packet.split_at_mut(FIXED);
                let (payload, room) = body.split_at_mut(bytes - FIXED - TAG);
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&(self.index + number as u64).to_be_bytes());
                let nonce = Nonce::assume_unique_for_key(nonce);
                if let Ok(tag) = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
                {
                    room.copy_from_slice(tag.as_ref());
                }
                self.trains.push(*to, at..at + bytes);
                at += bytes;
            }
        }
        self.index += packets as u64;
        self.trains.send(&self.socket, &self.slab).datagrams
    }
}
