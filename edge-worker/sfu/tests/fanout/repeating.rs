//! Sound that is sent alone, to those who lose some of it.

use std::time::Duration;

use bytes::Bytes;
use media::{Codec, Layer, ReceptionReport, Rtcp};
use sfu::SubscriptionKey;

use crate::link::Network;
use crate::stage::{Stage, binding, up_to};
use crate::subscriber::Got;

const BOTH: [Codec; 2] = [Codec::Red, Codec::Opus];

/// A microphone, and those who are sent it: the first knows RED, the second does not.
struct Talk {
    stage: Stage,
    /// Payloads of the publisher, the newest last.
    said: Vec<Vec<u8>>,
}

impl Talk {
    fn new(trailer: Bytes) -> Self {
        let mut stage = Stage::audio(Network::PERFECT, 3);
        stage.fanout.set_trailer(trailer);
        for (key, codecs) in [(0, &BOTH[..]), (1, &BOTH[1..])] {
            let binding = binding(key, codecs);
            let (fanout, wire) = (&mut stage.fanout, &mut stage.wire);
            let wish = up_to(Layer::LOW);
            fanout.add(stage.now, SubscriptionKey(key), binding, wish, wire);
        }
        let said = Vec::new();
        Self { stage, said }
    }

    /// Both report so much loss, often enough to be believed.
    fn lose(&mut self, fraction_lost: u8) {
        let Stage {
            fanout, wire, now, ..
        } = &mut self.stage;
        let report = Rtcp::ReceptionReport(ReceptionReport {
            fraction_lost,
            ..ReceptionReport::default()
        });
        for _ in 0..10 {
            for key in 0..2 {
                fanout.handle_feedback(*now, SubscriptionKey(key), &report, wire);
            }
        }
    }

    /// The next frame of the publisher, `after` the last one; what either is sent.
    fn say(&mut self, after: Duration) -> [Got; 2] {
        self.stage.now += after;
        let mut sent = Vec::new();
        self.stage.publisher.send(self.stage.now, &mut sent);
        let newest = sent.pop().expect("a frame is due");
        self.said.push(newest.payload.clone());
        let Stage {
            fanout, wire, now, ..
        } = &mut self.stage;
        wire.packets.clear();
        fanout.handle_packet(*now, &newest.packet(), wire);
        let got: Vec<Got> = wire.packets.drain(..).map(|(_, got)| got).collect();
        got.try_into().expect("a packet for each")
    }

    /// As it comes where it is sent alone.
    fn is_alone(&self, got: &Got) -> bool {
        got.codec == Codec::Opus && Some(&got.payload) == self.said.last()
    }

    /// As it comes together with the one before, `ticks` older.
    fn is_repeating(&self, got: &Got, ticks: u32) -> bool {
        let [.., before, newest] = self.said.as_slice() else {
            return false;
        };
        let header = 0x80 << 24 | ticks << 10 | before.len() as u32;
        let whole = [&header.to_be_bytes()[..], &[0], before, newest].concat();
        got.codec == Codec::Red && got.repeats == 1 && got.payload == whole
    }
}

const FRAME: Duration = Duration::from_millis(20);

#[test]
fn sb_4_who_loses_sound_and_knows_redundancy_is_sent_each_frame_twice() {
    let mut talk = Talk::new(Bytes::new());
    for _ in 0..3 {
        let got = talk.say(FRAME);
        assert!(got.iter().all(|got| talk.is_alone(got)));
    }
    // 12 %.
    talk.lose(30);
    for _ in 0..3 {
        let [knows, does_not] = talk.say(FRAME);
        assert!(talk.is_repeating(&knows, 960), "{knows:?}");
        assert!(talk.is_alone(&does_not));
    }
    talk.lose(0);
    let got = talk.say(FRAME);
    assert!(got.iter().all(|got| talk.is_alone(got)));
}

#[test]
fn what_did_not_come_or_is_long_past_is_not_repeated() {
    let mut talk = Talk::new(Bytes::new());
    talk.say(FRAME);
    talk.lose(30);
    // The publisher's own loss.
    let mut lost = Vec::new();
    talk.stage.now += FRAME;
    talk.stage.publisher.send(talk.stage.now, &mut lost);
    let [knows, _] = talk.say(FRAME);
    assert!(talk.is_alone(&knows), "{knows:?}");
    let [knows, _] = talk.say(FRAME);
    assert!(talk.is_repeating(&knows, 960));
    // Whoever is silent sends a frame now and then.
    let [knows, _] = talk.say(Duration::from_millis(400));
    assert!(talk.is_alone(&knows), "{knows:?}");
}

#[test]
fn e2_1_encrypted_sound_is_one_frame_a_packet_whatever_is_lost() {
    let mut talk = Talk::new(Bytes::from_static(b"trailer"));
    talk.say(FRAME);
    talk.lose(60);
    for _ in 0..3 {
        let got = talk.say(FRAME);
        assert!(got.iter().all(|got| talk.is_alone(got)));
    }
}
