//! A camera in VP9 with VP8 behind it, and people who cannot decode one of them.

use std::time::Duration;

use media::{Codec, MediaKind};
use sfu::{
    Command, Encryption, Muted, Publication, SimulcastCodec, SubscriptionKey, TrackInfo, TrackKey,
    Wanted,
};

use crate::nodes::Nodes;
use crate::stage::{Stage, camera, id, track_id};

const SECOND: Duration = Duration::from_secs(1);

/// LiveKit's numbers of what a publisher means a backup for.
const PREFER_REGRESSION: i32 = 0;
const SIMULCAST: i32 = 1;
const REGRESSION: i32 = 2;

const VP9: [u8; 5] = [0x0c, 0x82, 0x49, 0x83, 0x42];
const VP8: [u8; 7] = [0x10, 0, 0, 0, 0x9d, 1, 0x2a];

fn codecs(list: &[(Codec, &str)]) -> Vec<SimulcastCodec> {
    let codec = |(codec, cid): &(Codec, &str)| SimulcastCodec {
        codec: Some(*codec),
        cid: (*cid).to_owned(),
    };
    list.iter().map(codec).collect()
}

fn in_vp9(policy: i32) -> TrackInfo {
    TrackInfo {
        codecs: codecs(&[(Codec::Vp9, "cam"), (Codec::Vp8, "")]),
        backup_codec_policy: policy,
        ..camera("cam")
    }
}

/// Alice films; Bob and Carol may both have it.
fn meeting(camera: TrackInfo) -> (Stage, TrackKey) {
    let mut stage = Stage::new();
    for who in ["alice", "bob", "carol"] {
        stage.join(who);
        stage.room.activated(stage.now, id(who));
    }
    let cam = stage.publish("alice", camera);
    (stage, cam)
}

fn announce_backup(stage: &mut Stage, of: &str) {
    let publication = Publication {
        cid: "cam-vp8".into(),
        track: TrackInfo {
            codecs: codecs(&[(Codec::Vp8, "cam-vp8")]),
            ..camera("spare")
        },
        backup_of: Some(track_id(of)),
    };
    stage.command("alice", Command::Publish(Box::new(publication)));
}

/// Alice sends it in VP8 too; what the room says.
fn back_up(stage: &mut Stage) -> (TrackKey, Vec<String>) {
    announce_backup(stage, "cam");
    let mid = stage.add_section("alice", "cam-vp8", MediaKind::Video, "");
    stage.offer("alice");
    let log = stage.log();
    stage.bind_opened();
    stage.log();
    (stage.received[&mid].track, log)
}

fn reject(stage: &mut Stage, who: &str) -> Vec<String> {
    let subscription: SubscriptionKey = stage.subscription(who, "cam");
    stage.room.reject(stage.now, subscription);
    stage.log()
}

fn to_send(log: &[String]) -> Vec<&str> {
    let told = log.iter().map(String::as_str);
    told.filter(|line| line.contains("is to send")).collect()
}

#[test]
fn pb_8_dy_5_who_cannot_decode_the_first_codec_gets_the_other() {
    let (mut stage, cam) = meeting(in_vp9(SIMULCAST));
    assert_eq!(
        reject(&mut stage, "bob"),
        [
            "bob closes TR_cam",
            "alice is to send TR_cam as Vp9 Some(High), Vp8 Some(High)",
        ]
    );
    let (spare, log) = back_up(&mut stage);
    assert_eq!(log[0], "alice announced cam-vp8 as TR_cam");
    assert!(
        log.contains(&"bob opens TR_cam Vp8 in PA_alice|TR_cam".into()),
        "{log:?}"
    );
    assert!(!log.iter().any(|line| line.contains("TR_spare")), "{log:?}");
    // Both are sent, to whom each is for, ...
    assert_eq!(stage.packet(cam, Codec::Vp9, &VP9), ["carol"]);
    assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), ["bob"]);
    assert_eq!(stage.log(), [] as [&str; 0]);
    // ... and only as long as each is for anybody.
    stage.leave("bob");
    stage.log();
    stage.pass(11 * SECOND);
    let log = stage.log();
    assert_eq!(
        to_send(&log).last(),
        Some(&"alice is to send TR_cam as Vp9 Some(High), Vp8 None")
    );
    stage.join_as("bob-again", |_| {}).unwrap();
    let log = stage.log();
    assert!(
        log.contains(&"bob-again opens TR_cam Vp9 in PA_alice|TR_cam".into()),
        "{log:?}"
    );
    let log = reject(&mut stage, "bob-again");
    assert_eq!(
        log,
        [
            "bob-again closes TR_cam",
            "bob-again opens TR_cam Vp8 in PA_alice|TR_cam",
            "alice is to send TR_cam as Vp9 Some(High), Vp8 Some(High)",
        ]
    );
}

#[test]
fn pb_8_everybody_is_sent_the_backup_once_it_flows_unless_both_are_meant() {
    for policy in [PREFER_REGRESSION, REGRESSION] {
        let (mut stage, cam) = meeting(in_vp9(policy));
        stage.packet(cam, Codec::Vp9, &VP9);
        reject(&mut stage, "bob");
        let (spare, log) = back_up(&mut stage);
        // Nobody is taken off a picture that moves for one that may never come.
        assert!(!log.iter().any(|line| line.contains("carol closes")));
        assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), ["bob"]);
        assert_eq!(
            stage.log(),
            [
                "carol closes TR_cam",
                "carol opens TR_cam Vp8 in PA_alice|TR_cam"
            ],
            "{policy}"
        );
        stage.settle();
        assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), ["bob", "carol"]);
        stage.pass(11 * SECOND);
        let log = stage.log();
        assert_eq!(
            to_send(&log).last(),
            Some(&"alice is to send TR_cam as Vp9 None, Vp8 Some(High)")
        );
        // Whoever comes is sent it right away.
        stage.join_as("dora", |_| {}).unwrap();
        let log = stage.log();
        assert!(
            log.contains(&"dora opens TR_cam Vp8 in PA_alice|TR_cam".into()),
            "{log:?}"
        );
    }
}

#[test]
fn pb_8_who_cannot_decode_the_backup_keeps_the_first_codec() {
    let (mut stage, _) = meeting(in_vp9(REGRESSION));
    reject(&mut stage, "bob");
    let (spare, _) = back_up(&mut stage);
    stage.packet(spare, Codec::Vp8, &VP8);
    stage.log();
    assert_eq!(
        reject(&mut stage, "carol"),
        [
            "carol closes TR_cam",
            "carol opens TR_cam Vp9 in PA_alice|TR_cam"
        ]
    );
}

#[test]
fn sb_10_who_cannot_have_a_track_in_any_codec_is_told() {
    const TOLD: &str = "bob cannot have TR_cam: CodecUnsupported";
    // There is no other, or none can be had.
    let alone = TrackInfo {
        codecs: codecs(&[(Codec::Vp9, "cam")]),
        ..in_vp9(SIMULCAST)
    };
    let encrypted = TrackInfo {
        encryption: Encryption::Gcm,
        ..in_vp9(SIMULCAST)
    };
    for camera in [alone, encrypted] {
        let (mut stage, _) = meeting(camera);
        let expected = ["bob closes TR_cam", TOLD];
        assert_eq!(reject(&mut stage, "bob"), expected);
    }
    // It was asked for and does not come, and is not waited for again.
    let (mut stage, _) = meeting(in_vp9(SIMULCAST));
    reject(&mut stage, "bob");
    stage.pass(9 * SECOND);
    assert!(!stage.log().contains(&TOLD.into()));
    stage.pass(2 * SECOND);
    let log = stage.log();
    assert_eq!(log.iter().filter(|line| *line == TOLD).count(), 1);
    let carol = reject(&mut stage, "carol");
    assert_eq!(
        carol,
        [
            "carol closes TR_cam",
            "carol cannot have TR_cam: CodecUnsupported"
        ]
    );
    // Late, it is welcome.
    let (_, log) = back_up(&mut stage);
    let opened = log.iter().filter(|line| line.contains("opens TR_cam Vp8"));
    assert_eq!(opened.count(), 2);
    // It is of no use either.
    assert_eq!(reject(&mut stage, "bob"), ["bob closes TR_cam", TOLD]);
    // Who does not want it is told nothing.
    stage.subscribe("bob", "cam", Wanted::No);
    stage.pass(20 * SECOND);
    assert!(!stage.log().contains(&TOLD.into()));
}

#[test]
fn pb_8_a_backup_ends_without_what_it_backs_and_not_the_other_way_round() {
    let (mut stage, cam) = meeting(in_vp9(REGRESSION));
    reject(&mut stage, "bob");
    let (spare, _) = back_up(&mut stage);
    stage.packet(spare, Codec::Vp8, &VP8);
    stage.settle();
    stage.remove_section("alice", "cam-vp8");
    stage.offer("alice");
    let log = stage.log();
    assert!(
        log.contains(&"carol opens TR_cam Vp9 in PA_alice|TR_cam".into()),
        "{log:?}"
    );
    assert!(
        log.contains(&"bob cannot have TR_cam: CodecUnsupported".into()),
        "{log:?}"
    );
    stage.bind_opened();
    assert_eq!(stage.packet(cam, Codec::Vp9, &VP9), ["carol"]);

    let (spare, log) = back_up(&mut stage);
    assert!(
        log.contains(&"bob opens TR_cam Vp8 in PA_alice|TR_cam".into()),
        "{log:?}"
    );
    stage.remove_section("alice", "cam");
    stage.offer("alice");
    let log = stage.log();
    assert!(log.contains(&"bob closes TR_cam".into()), "{log:?}");
    assert!(log.contains(&"carol sees alice active".into()), "{log:?}");
    assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), [] as [&str; 0]);
    announce_backup(&mut stage, "cam");
    assert_eq!(stage.log(), ["alice may not publish cam-vp8: NotFound"]);
}

#[test]
fn pb_8_a_mute_silences_both_codecs() {
    let (mut stage, cam) = meeting(in_vp9(SIMULCAST));
    reject(&mut stage, "bob");
    let (spare, _) = back_up(&mut stage);
    stage.mute("alice", "cam", Muted::Yes);
    stage.settle();
    assert_eq!(stage.packet(cam, Codec::Vp9, &VP9), [] as [&str; 0]);
    assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), [] as [&str; 0]);
    stage.mute("alice", "cam", Muted::No);
    stage.settle();
    assert_eq!(stage.packet(cam, Codec::Vp9, &VP9), ["carol"]);
    assert_eq!(stage.packet(spare, Codec::Vp8, &VP8), ["bob"]);
}

#[test]
fn pb_8_a_backup_is_of_a_track_of_ones_own_and_there_is_one() {
    let (mut stage, _) = meeting(in_vp9(SIMULCAST));
    stage.publish("carol", camera("hers"));
    announce_backup(&mut stage, "hers");
    assert_eq!(stage.log(), ["alice may not publish cam-vp8: NotFound"]);
    back_up(&mut stage);
    announce_backup(&mut stage, "cam");
    assert_eq!(stage.log(), ["alice may not publish cam-vp8: Unsupported"]);
}

#[test]
fn dy_5_who_comes_back_is_asked_again() {
    let (mut stage, _) = meeting(in_vp9(SIMULCAST));
    reject(&mut stage, "bob");
    stage.room.repeat_demands(id("alice"));
    let log = stage.log();
    assert_eq!(
        to_send(&log),
        ["alice is to send TR_cam as Vp9 Some(High), Vp8 Some(High)"]
    );
}

#[test]
fn pb_8_a_backup_goes_where_it_is_needed_on_any_node() {
    for policy in [SIMULCAST, PREFER_REGRESSION] {
        let mut nodes = Nodes::new(2);
        nodes.join(0, "alice");
        nodes.join(1, "bob");
        nodes.join(1, "carol");
        let cam = nodes.publish(0, "alice", in_vp9(policy));
        let stage = &mut nodes.stages[1];
        let subscription = stage.subscription("bob", "cam");
        stage.room.reject(stage.now, subscription);
        nodes.settle();
        let log = nodes.log(0);
        assert_eq!(
            to_send(&log),
            ["alice is to send TR_cam as Vp9 Some(High), Vp8 Some(High)"]
        );
        let (spare, _) = back_up(&mut nodes.stages[0]);
        nodes.settle();
        let shown = ["alice active [TR_cam]", "bob active", "carol active"];
        assert_eq!(nodes.shown(1), shown);
        assert_eq!(nodes.packet(0, cam, Codec::Vp9, &VP9), ["carol"]);
        assert_eq!(nodes.packet(0, spare, Codec::Vp8, &VP8), ["bob"]);
        nodes.settle();
        nodes.packet(0, cam, Codec::Vp9, &VP9);
        let seen = nodes.packet(0, spare, Codec::Vp8, &VP8);
        if policy == SIMULCAST {
            assert_eq!(seen, ["bob"]);
        } else {
            assert_eq!(seen, ["bob", "carol"]);
            assert_eq!(nodes.wanted(1, "cam"), [] as [u8; 0]);
        }
        nodes.leave(0, "alice");
        assert_eq!(nodes.shown(1), ["bob active", "carol active"]);
    }
}
