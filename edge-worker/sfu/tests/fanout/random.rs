//! Anything in any order: numbers never skip or repeat, and nobody gets what it did
//! not want.

use media::{Codec, Delivery, Layer, Nack, Rtcp, SeqNo, Ssrc};
use sfu::{Muted, SubscriptionKey, Wish};

use crate::dice::Dice;
use crate::link::Network;
use crate::publisher::Sent;
use crate::stage::{Stage, binding, up_to};

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Op {
    Run(u64),
    Wish(u32, Wish),
    Rebind(u32),
    Remove(u32),
    Mute(Muted),
    Switch(usize, bool),
    Restart(usize),
    NewSsrc(usize),
    Garbage(Sent),
    Feedback(u32, Rtcp),
}

const SEATS: u32 = 4;

#[test]
fn output_numbers_never_skip_or_repeat() {
    for seed in 0..24 {
        let mut dice = Dice(1_000 + seed);
        let ops: Vec<_> = (0..150).map(|_| draw(&mut dice)).collect();
        let mut stage = Stage::video(Network::PERFECT, seed);
        for _ in 0..SEATS {
            let key = stage.add(up_to(Layer::HIGH));
            stage.seats[key as usize].answers = false;
        }
        for op in ops {
            apply(&mut stage, op);
        }
        for key in 0..SEATS {
            let subscriber = stage.subscriber(key);
            let (Some(first), Some(last)) = (
                subscriber.got.first_key_value(),
                subscriber.got.last_key_value(),
            ) else {
                continue;
            };
            let expected = (last.0 - first.0 + 1) as usize;
            assert_eq!(subscriber.got.len(), expected, "seed {seed} seat {key}");
        }
    }
}

fn apply(stage: &mut Stage, op: Op) {
    let now = stage.now;
    match op {
        Op::Run(millis) => stage.run(millis),
        Op::Wish(key, wish) => {
            stage.wish(key, wish);
            if wish == Wish::Paused {
                stage.run(1);
                // What was muted before may still end.
                let pictures = |stage: &Stage| {
                    let got = stage.subscriber(key).got.values();
                    got.filter(|got| !got.is_black()).count()
                };
                let before = pictures(stage);
                stage.run(200);
                assert_eq!(pictures(stage), before, "paused");
            }
        }
        Op::Rebind(key) => {
            // A new m-line begins a new stream.
            stage.seats[key as usize].subscriber = Default::default();
            stage.wire.packets.clear();
            let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
            let binding = binding(key, &[Codec::Vp8]);
            fanout.add(now, SubscriptionKey(key), binding, up_to(Layer::HIGH), wire);
        }
        Op::Remove(key) => stage.fanout.remove(SubscriptionKey(key)),
        Op::Mute(muted) => stage.fanout.set_muted(muted),
        Op::Switch(layer, on) => stage.publisher.encoders[layer].on = on,
        Op::Restart(layer) => {
            let encoder = &mut stage.publisher.encoders[layer];
            encoder.seq = encoder.seq.wrapping_add(30_000);
            encoder.clock = encoder.clock.wrapping_mul(7);
            encoder.picture = encoder.picture.wrapping_mul(31) & 0x7fff;
        }
        Op::NewSsrc(layer) => stage.publisher.encoders[layer].ssrc.0 += 0x100,
        Op::Garbage(sent) => {
            stage
                .fanout
                .handle_packet(now, &sent.packet(), &mut stage.wire);
        }
        Op::Feedback(key, rtcp) => {
            let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
            fanout.handle_feedback(now, SubscriptionKey(key), &rtcp, wire);
        }
    }
}

fn draw(dice: &mut Dice) -> Op {
    let key = dice.roll(u64::from(SEATS) + 1) as u32 % SEATS;
    let layer = dice.roll(3) as usize;
    match dice.roll(20) {
        0..=6 => Op::Run(dice.roll(400)),
        7 => Op::Wish(key, Wish::Paused),
        8..=11 => {
            let temporal = dice.roll(4) as u8;
            let spatial = Layer(layer as u8);
            Op::Wish(key, Wish::Layer { spatial, temporal })
        }
        12 => Op::Rebind(key),
        13 => Op::Remove(key),
        14 => Op::Mute(if dice.roll(3) == 0 {
            Muted::Yes
        } else {
            Muted::No
        }),
        15 => Op::Switch(layer, dice.roll(3) > 0),
        16 if dice.roll(3) == 0 => Op::Restart(layer),
        16 => Op::NewSsrc(layer),
        17 => Op::Garbage(garbage(dice)),
        18 => {
            let from = SeqNo(dice.roll(1 << 16) as u16);
            let lost = (0..dice.roll(2_000) as u16)
                .map(|by| from.plus(by))
                .collect();
            Op::Feedback(
                key,
                Rtcp::Nack(Nack {
                    ssrc: Ssrc(key),
                    lost,
                }),
            )
        }
        _ => Op::Feedback(key, Rtcp::KeyframeRequest { ssrc: Ssrc(key) }),
    }
}

/// A packet no encoder made: of an unknown layer, cut, too long, or from nowhere.
fn garbage(dice: &mut Dice) -> Sent {
    let long = dice.roll(4) == 0;
    let len = dice.roll(if long { 3_000 } else { 4 }) as usize;
    let first = [0x90, 0xff, 0x80][dice.roll(3) as usize];
    let mut payload = vec![0xff; len];
    if let Some(byte) = payload.first_mut() {
        *byte = first;
    }
    Sent {
        ssrc: Ssrc(0xdead),
        rid: media::Rid::new(b"x"),
        seq: dice.roll(1 << 16) as u16,
        timestamp: dice.roll(1 << 32) as u32,
        marker: dice.roll(2) == 0,
        delivery: Delivery::Original,
        codec: Codec::Vp8,
        payload,
        dependencies: 0,
    }
}
