//! Two rooms and a link between them: who is in one appears in the other.

use std::time::Duration;

use media::{Codec, Layer, NtpTime, Packet, Rtcp, SenderReport, Ssrc, Timestamp};
use sfu::{
    LeaveReason, LinkKey, LinkNews, Linked, Muted, Notice, Output, ParticipantChange,
    TrackSettings, TransportKey, VideoQuality,
};

use crate::film::{Film, layered, roll};
use crate::stage::{Stage, describe, id, identity, membership, microphone, name};

const LINK: LinkKey = LinkKey(77);
const SECOND: Duration = Duration::from_secs(1);

/// Alice's room, and one where she appears as `alice-there`.
struct Rooms {
    near: Stage,
    far: Stage,
}

impl Rooms {
    /// Both with an audience: bob near, carol far.
    fn new() -> Self {
        let (mut near, mut far) = (Stage::new(), Stage::new());
        for (stage, names) in [(&mut near, ["alice", "bob"]), (&mut far, ["carol", "dan"])] {
            for who in names {
                stage.join(who);
                stage.room.activated(stage.now, id(who));
                stage.log();
            }
        }
        Self { near, far }
    }

    fn link(&mut self) {
        let linked = self.near.room.extend(id("alice"), LINK).unwrap();
        let mut there = membership("alice-there");
        there.auto_subscribe = sfu::Wanted::No;
        self.far.room.join(self.far.now, there).unwrap();
        let now = self.far.now;
        self.far.room.activated(now, id("alice-there"));
        self.follow(&linked);
        self.far.settle();
    }

    fn follow(&mut self, linked: &Linked) {
        let Stage {
            room, now, wire, ..
        } = &mut self.far;
        room.follow(*now, id("alice-there"), LINK, linked, wire);
    }

    /// Says to each room what the other one said; answers what the far one told there.
    fn exchange(&mut self) -> Vec<String> {
        self.near.log();
        for (link, news) in std::mem::take(&mut self.near.news) {
            assert_eq!(link, LINK);
            match news {
                LinkNews::Changed(linked) => self.follow(&linked),
                LinkNews::Gone(_, reason) => {
                    let now = self.far.now;
                    self.far.room.leave(now, id("alice-there"), reason);
                }
                LinkNews::Supply(_)
                | LinkNews::Quality(_)
                | LinkNews::Received(_)
                | LinkNews::Undecodable(_)
                | LinkNews::Demand { .. }
                | LinkNews::Data { .. }
                | LinkNews::Frame { .. }
                | LinkNews::Room(_)
                | LinkNews::Kept
                | LinkNews::Closed(_) => panic!("said only where a whole room appears"),
            }
        }
        let mut told = Vec::new();
        let mut demands = Vec::new();
        while let Some(output) = self.far.room.poll() {
            if let Output::Notice {
                to,
                notice: Notice::Demand { track, codecs },
            } = &output
                && *to == id("alice-there")
            {
                demands.push((*track, codecs[0].highest));
            }
            told.extend(self.far.take(output));
        }
        for (track, highest) in demands {
            let room = &self.far.room;
            let track = room.came_as(id("alice-there"), track).unwrap();
            self.near.room.link_wants(LINK, track, highest);
        }
        let now = self.near.now;
        for (track, layer) in std::mem::take(&mut self.far.wire.asked) {
            let Stage { room, wire, .. } = &mut self.near;
            room.link_asks(now, track, layer, wire);
        }
        let now = self.far.now;
        for carried in std::mem::take(&mut self.near.wire.carried) {
            let Stage { room, wire, .. } = &mut self.far;
            let own = room.arrived_as(id("alice-there"), carried.track).unwrap();
            let packet = Packet {
                payload: &carried.payload,
                ..carried.head
            };
            room.handle_packet(now, own, &packet, wire);
        }
        told
    }

    /// Who receives packets in the far room, by name.
    fn receivers(&mut self) -> Vec<String> {
        let packets = std::mem::take(&mut self.far.wire.packets);
        let receiver = |sink: &sfu::Sink| self.far.openings[&sink.sender.0].participant;
        let mut names: Vec<_> = packets.iter().map(|sink| name(receiver(sink))).collect();
        names.sort();
        names
    }

    fn shown(&self) -> String {
        describe(self.far.room.find_identity(&identity("alice")).unwrap())
    }
}

#[test]
fn somebody_appears_in_another_room_with_all_it_publishes_then_and_later() {
    let mut rooms = Rooms::new();
    let early = rooms.near.publish("alice", microphone("mic"));
    rooms.link();
    assert_eq!(rooms.shown(), "alice-there active [TR_mic]");
    assert_eq!(rooms.near.speak(early), ["bob"]);
    rooms.exchange();
    assert_eq!(rooms.receivers(), ["carol", "dan"]);

    let late = rooms.near.publish("alice", microphone("song"));
    let told = rooms.exchange();
    assert!(
        told.contains(&"carol sees alice-there active [TR_mic TR_song]".to_owned()),
        "{told:?}"
    );
    rooms.far.settle();
    rooms.near.speak(late);
    rooms.exchange();
    assert_eq!(rooms.receivers(), ["carol", "dan"]);
    assert!(
        rooms.near.room.participants().count() == 2,
        "nobody came here"
    );
}

#[test]
fn what_becomes_of_somebody_is_seen_at_the_far_end() {
    let mut rooms = Rooms::new();
    let mic = rooms.near.publish("alice", microphone("mic"));
    rooms.link();

    rooms.near.mute("alice", "mic", Muted::Yes);
    rooms.exchange();
    assert_eq!(rooms.shown(), "alice-there active [TR_mic(muted)]");
    rooms.near.speak(mic);
    rooms.exchange();
    assert!(rooms.receivers().is_empty());
    rooms.near.mute("alice", "mic", Muted::No);
    rooms.exchange();
    rooms.near.speak(mic);
    rooms.exchange();
    assert_eq!(rooms.receivers(), ["carol", "dan"]);

    let change = ParticipantChange {
        metadata: Some("in the chair".into()),
        attributes: [("hand".to_owned(), "up".to_owned())].into(),
        ..ParticipantChange::default()
    };
    let now = rooms.near.now;
    let changed = rooms.near.room.update_participant(now, id("alice"), change);
    assert!(changed.is_ok());
    rooms.exchange();
    let there = rooms.far.room.find_identity(&identity("alice")).unwrap();
    assert_eq!(there.metadata, "in the chair");
    assert_eq!(there.attributes["hand"], "up");

    rooms.near.remove_section("alice", "mic");
    rooms.near.offer("alice");
    rooms.exchange();
    assert_eq!(rooms.shown(), "alice-there active");
}

#[test]
fn what_the_far_room_mutes_stays_muted_there_until_its_publisher_changes_its_mind() {
    let mut rooms = Rooms::new();
    let mic = rooms.near.publish("alice", microphone("mic"));
    rooms.link();
    let Stage {
        room, now, wire, ..
    } = &mut rooms.far;
    let track = "TR_mic".parse().unwrap();
    room.mute_published(*now, id("alice-there"), track, Muted::Yes, wire);
    rooms.near.publish("alice", microphone("song"));
    rooms.exchange();
    rooms.far.settle();
    assert_eq!(rooms.shown(), "alice-there active [TR_mic(muted) TR_song]");
    assert_eq!(rooms.near.speak(mic), ["bob"], "not muted here");
    rooms.exchange();
    assert!(rooms.receivers().is_empty());
    for muted in [Muted::Yes, Muted::No] {
        rooms.near.mute("alice", "mic", muted);
        rooms.exchange();
    }
    assert_eq!(rooms.shown(), "alice-there active [TR_mic TR_song]");
}

#[test]
fn a_link_ends_with_whoever_it_shows_at_either_end() {
    let mut rooms = Rooms::new();
    let mic = rooms.near.publish("alice", microphone("mic"));
    rooms.link();
    rooms.near.leave("alice");
    let told = rooms.exchange();
    let left = "carol sees alice-there left(ClientInitiated)".to_owned();
    rooms.far.pass(SECOND);
    assert!([told, rooms.far.log()].concat().contains(&left));

    let mut rooms = Rooms::new();
    rooms.near.publish("alice", microphone("mic"));
    rooms.link();
    let now = rooms.near.now;
    rooms.near.room.cut(now, LINK);
    rooms.near.speak(mic);
    rooms.near.log();
    assert!(rooms.near.wire.carried.is_empty() && rooms.near.news.is_empty());

    let mut rooms = Rooms::new();
    rooms.link();
    let now = rooms.near.now;
    rooms.near.room.close(now, LeaveReason::RoomDeleted);
    rooms.near.log();
    assert!(
        matches!(
            rooms.near.news.as_slice(),
            [(LINK, LinkNews::Gone(_, LeaveReason::RoomDeleted))]
        ),
        "{:?}",
        rooms.near.news
    );
}

#[test]
fn only_layers_wanted_at_the_far_end_are_carried_and_asked_of_the_publisher() {
    let mut rooms = Rooms::new();
    // Nobody near watches it.
    rooms.near.leave("bob");
    let mut film = Film::publish(&mut rooms.near, "alice", layered("cam"));
    rooms.link();
    let wish = |rooms: &mut Rooms, who, quality| {
        let settings = TrackSettings {
            quality,
            disabled: quality.is_none(),
            ..TrackSettings::default()
        };
        rooms.far.settings(who, "cam", settings);
    };
    let layers = |rooms: &mut Rooms, film: &mut Film| {
        // Both rooms are patient with viewers who turn pages.
        let log = run(rooms, film, 20 * SECOND);
        let carried = film_second(rooms, film);
        (log, carried)
    };
    wish(&mut rooms, "carol", Some(VideoQuality::Low));
    wish(&mut rooms, "dan", Some(VideoQuality::Medium));
    let (log, carried) = layers(&mut rooms, &mut film);
    let medium = "alice is to send TR_cam as Vp8 Some(Medium)".to_owned();
    assert!(log.contains(&medium), "{log:?}");
    assert_eq!(carried, [Layer::LOW, Layer::MEDIUM]);

    wish(&mut rooms, "carol", None);
    wish(&mut rooms, "dan", None);
    let (log, carried) = layers(&mut rooms, &mut film);
    assert!(log.contains(&"alice is to send TR_cam as Vp8 None".to_owned()));
    assert!(carried.is_empty());

    // More is carried at once, from a keyframe that the far end asked for.
    wish(&mut rooms, "carol", Some(VideoQuality::High));
    let log = run(&mut rooms, &mut film, SECOND);
    assert!(log.contains(&"alice is to send TR_cam as Vp8 Some(High)".to_owned()));
    rooms.receivers();
    run(&mut rooms, &mut film, SECOND);
    let receivers = rooms.receivers();
    assert!(receivers.contains(&"carol".to_owned()), "{receivers:?}");
    assert!(!receivers.contains(&"dan".to_owned()), "{receivers:?}");
    let asked = rooms.near.wire.rtcp.iter();
    let mut asked = asked.filter(|(_, rtcp)| matches!(rtcp, Rtcp::KeyframeRequest { .. }));
    assert!(asked.all(|(transport, _)| *transport == TransportKey(1001)));
}

#[test]
fn the_publishers_clock_goes_over_the_link() {
    let mut rooms = Rooms::new();
    let mic = rooms.near.publish("alice", microphone("mic"));
    rooms.link();
    rooms.near.speak(mic);
    let report = Rtcp::SenderReport(SenderReport {
        ssrc: Ssrc(7),
        ntp: NtpTime(1 << 32),
        timestamp: Timestamp(960),
        packets: 1,
        octets: 3,
    });
    let Stage {
        room, now, wire, ..
    } = &mut rooms.near;
    room.handle_report(*now, mic, &report, wire);
    assert_eq!(rooms.near.wire.carried_reports.len(), 1);
}

#[test]
fn a_codec_seen_in_packets_is_right_at_both_ends() {
    let mut rooms = Rooms::new();
    let camera = rooms.near.publish("alice", crate::stage::camera("cam"));
    rooms.link();
    let sps = [0x67, 0x42, 0, 0x1f];
    rooms.near.packet(camera, Codec::H264, &sps);
    rooms.near.settle();
    rooms.exchange();
    for stage in [&rooms.near, &rooms.far] {
        let alice = stage.room.find_identity(&identity("alice")).unwrap();
        assert_eq!(alice.tracks[0].codec, Some(Codec::H264));
    }
}

/// Films, with both rooms in step; answers what the near one told.
fn run(rooms: &mut Rooms, film: &mut Film, time: Duration) -> Vec<String> {
    let end = rooms.near.now + time;
    let mut log = Vec::new();
    while rooms.near.now < end {
        let frame = Duration::from_millis(33);
        log.extend(roll(&mut rooms.near, &mut [film], frame));
        let passed = rooms.near.now.saturating_duration_since(rooms.far.now);
        rooms.far.pass(passed);
        rooms.exchange();
    }
    log
}

/// The layers that go over the link within a second.
fn film_second(rooms: &mut Rooms, film: &mut Film) -> Vec<Layer> {
    roll(&mut rooms.near, &mut [film], SECOND);
    let carried = std::mem::take(&mut rooms.near.wire.carried);
    let carries = |layer: &Layer| carried.iter().any(|it| it.layer == *layer);
    Layer::ALL.into_iter().filter(carries).collect()
}
