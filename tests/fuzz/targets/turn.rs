//! TURN: whatever a client says, with credentials and without, over datagrams and connections, it
//! speaks to nobody but the node, has no more than its share, and is answered by nothing that
//! cannot be read. And what is cut out of a connection fits what was put in.
//!
//! The input is cut into messages by its own length bytes. A first byte of each says how much of
//! it is made good before it is sent: as it is, or as a request that is sealed.

#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use media::ParticipantId;
use transport::framing::Unframer;
use transport::turn::{
    Carriage, Client, Frames, Greeting, Heard, Secret, Turn, begins_request, is_turn,
};

fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let node = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 7882));
    let participant: ParticipantId = "PA_fuzz".parse().expect("an id");
    let secret = Secret::new(&[7; 32], now);
    let mut turn = Turn::new(secret.clone(), 0, vec![node]);
    turn.admit(participant);
    let mut rest = input;
    while let Some((&[how, len], after)) = rest.split_first_chunk::<2>() {
        let (message, after) = after.split_at(after.len().min(usize::from(len) * 4));
        rest = after;
        now += Duration::from_secs(u64::from(how >> 3));
        let client = Client {
            address: SocketAddr::from((Ipv4Addr::new(203, 0, 113, how & 1), 4_000)),
            carriage: if how & 2 == 0 {
                Carriage::Datagrams
            } else {
                Carriage::Bytes(1)
            },
        };
        is_turn(message);
        if let Greeting::Answer(bytes) = secret.greet(now, client.address, message) {
            assert!(begins_request([message[0], message[1]]));
            assert!(bytes.len() <= 72);
        }
        match how & 4 {
            0 => say(&mut turn, now, client, message),
            // As a well-formed request of somebody who is known.
            _ => {
                let request = turn.request_of(now, client, participant, message);
                say(&mut turn, now, client, &request);
            }
        }
        assert!(turn.allocations() <= 12);
    }
    let mut frames = Frames::default();
    frames.push(input);
    while let Ok(Some(frame)) = frames.next_frame() {
        assert!(frame.len() >= 4 && frame.len().is_multiple_of(4));
    }
    cut(input);
    turn.dismiss(participant);
    assert_eq!(turn.allocations(), 0);
});

fn say(turn: &mut Turn, now: Instant, client: Client, message: &[u8]) {
    match turn.handle(now, client, message) {
        Heard::Answer { bytes, .. } => {
            let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            assert_eq!(len + 20, bytes.len());
        }
        Heard::Relay { relayed, datagram } => {
            assert_eq!(turn.client(relayed), Some(client));
            let datagram = &message[datagram];
            let mut out = Vec::new();
            let back = turn.wrap(now, relayed, datagram, &mut out);
            assert_eq!(back, Ok(client), "who is heard is answered");
            assert!(out.len() >= datagram.len() + 4);
        }
        Heard::Drop(_) => {}
    }
}

const LONGEST: usize = 300;

/// The frames of ICE over TCP, in pieces as a connection may bring them.
fn cut(input: &[u8]) {
    let mut unframer = Unframer::new(LONGEST);
    let mut rest = input;
    let mut taken = 0;
    while let [first, ..] = rest {
        let space = unframer.space();
        let count = (1 + usize::from(*first)).min(rest.len()).min(space.len());
        assert!(count > 0, "there is room for more once all was taken");
        let (piece, after) = rest.split_at(count);
        space[..count].copy_from_slice(piece);
        unframer.filled(count);
        rest = after;
        while let Ok(Some(datagram)) = unframer.take() {
            assert!((1..=LONGEST).contains(&datagram.len()));
            taken += datagram.len();
        }
        if unframer.take().is_err() {
            break;
        }
    }
    assert!(taken <= input.len());
}
