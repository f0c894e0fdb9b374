//! Anything at all may happen in any order: what must hold then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, MediaKind, ParticipantId, TrackId};
use sfu::{
    Allowance, Command, Grantee, LeaveReason, Muted, Opening, ParticipantChange, Permission,
    Publication, Share, SimulcastCodec, Source, SubscriptionKey, TrackInfo, TrackKey,
    TrackSettings, Visibility, Wanted,
};

use crate::stage::{Stage, camera, hidden, id, identity, microphone, track_id};

/// A small generator, so that a seed always tells the same story (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(sides)) as u32
    }
}

/// One thing that can happen. Numbers may name somebody or something long gone.
#[derive(Debug)]
enum Op {
    Join(u32),
    Activate(u32),
    Leave(u32),
    Announce(u32),
    Offer(u32),
    Unoffer(u32, u32),
    Mute(u32, u32, Muted),
    Subscribe(u32, u32, Wanted),
    Settings(u32, u32, bool),
    Bind(u32),
    Unbind(u32),
    Reject(u32),
    Speak(u32),
    Data(u32),
    Permit(u32, u32),
    Allow(u32, u32, u32),
    Silence(u32),
    BackUp(u32),
    Pass(u32),
    Close,
}

fn op(dice: &mut Dice) -> Op {
    let muted = |dice: &mut Dice| [Muted::No, Muted::Yes][dice.roll(2) as usize];
    let wanted = |dice: &mut Dice| [Wanted::No, Wanted::Yes][dice.roll(2) as usize];
    match dice.roll(44) {
        0..2 => Op::Join(dice.roll(6)),
        2..4 => Op::Speak(dice.roll(3)),
        4 => Op::Activate(dice.roll(6)),
        5..7 => Op::Leave(dice.roll(30)),
        7..11 => Op::Announce(dice.roll(6)),
        11..15 => Op::Offer(dice.roll(6)),
        15 => Op::Unoffer(dice.roll(12), dice.roll(12)),
        16..18 => Op::Mute(dice.roll(12), dice.roll(12), muted(dice)),
        18..22 => Op::Subscribe(dice.roll(12), dice.roll(12), wanted(dice)),
        22..24 => Op::Settings(dice.roll(12), dice.roll(12), dice.roll(2) == 0),
        24..29 => Op::Bind(dice.roll(5)),
        29 => Op::Unbind(dice.roll(20)),
        30 => Op::Reject(dice.roll(40)),
        31..36 => Op::Speak(dice.roll(6)),
        36..38 => Op::Data(dice.roll(12)),
        38 => Op::Pass(dice.roll(20_000)),
        39 => Op::Permit(dice.roll(12), dice.roll(32)),
        40 => Op::Allow(dice.roll(12), dice.roll(12), dice.roll(12)),
        42 => Op::BackUp(dice.roll(12)),
        41 if dice.roll(4) == 0 => Op::Silence(dice.roll(12)),
        _ if dice.roll(100) == 0 => Op::Close,
        _ => Op::Pass(10),
    }
}

/// Everything ever named, so that later steps can name it again.
#[derive(Default)]
struct Names {
    participants: Vec<String>,
    tracks: Vec<(String, String)>,
}

impl Names {
    /// Counts from the newest, so that small numbers are mostly alive.
    fn participant(&self, back: u32) -> String {
        let names = &self.participants;
        match names.len().checked_sub(1 + back as usize) {
            Some(index) => names[index].clone(),
            None => "nobody".to_owned(),
        }
    }

    fn track(&self, back: u32) -> (String, String) {
        match self.tracks.len().checked_sub(1 + back as usize) {
            Some(index) => self.tracks[index].clone(),
            None => ("nobody".to_owned(), "nothing".to_owned()),
        }
    }
}

fn perform(stage: &mut Stage, names: &mut Names, op: &Op) {
    match *op {
        Op::Join(number) => {
            let name = format!("p{number}-{}", names.participants.len());
            let joined = stage.join_as(&name, |m| {
                if number == 5 {
                    hidden(m);
                }
                m.protocol = 9 + number as i32;
                m.auto_subscribe = [Wanted::Yes, Wanted::No][usize::from(number == 4)];
            });
            if joined.is_ok() {
                names.participants.push(name);
            }
        }
        Op::Activate(who) => stage.room.activated(stage.now, id(&names.participant(who))),
        Op::Leave(who) => {
            let who = id(&names.participant(who));
            stage.room.leave(stage.now, who, LeaveReason::SignalClosed);
        }
        Op::Announce(who) => {
            let who = names.participant(who);
            let name = format!("t{}", names.tracks.len());
            let (kind, info) = if names.tracks.len().is_multiple_of(3) {
                let codec = |codec| SimulcastCodec {
                    codec: Some(codec),
                    cid: String::new(),
                };
                let camera = TrackInfo {
                    codecs: vec![codec(Codec::Vp9), codec(Codec::Vp8)],
                    backup_codec_policy: names.tracks.len() as i32 % 2,
                    ..camera(&name)
                };
                (MediaKind::Video, camera)
            } else {
                (MediaKind::Audio, microphone(&name))
            };
            if !names.tracks.len().is_multiple_of(5) {
                stage.add_section(&who, &name, kind, "");
            }
            stage.announce(&who, info);
            names.tracks.push((who, name));
        }
        Op::Offer(who) => {
            stage.offer(&names.participant(who));
        }
        Op::Unoffer(who, track) => {
            let (publisher, name) = names.track(track);
            stage.remove_section(&publisher, &name);
            stage.offer(&names.participant(who));
            stage.offer(&publisher);
        }
        Op::Mute(who, track, muted) => {
            stage.mute(&names.participant(who), &names.track(track).1, muted);
        }
        Op::Subscribe(who, track, wanted) => {
            stage.subscribe(&names.participant(who), &names.track(track).1, wanted);
        }
        Op::Settings(who, track, disabled) => {
            let settings = TrackSettings {
                disabled,
                ..TrackSettings::default()
            };
            stage.settings(&names.participant(who), &names.track(track).1, settings);
        }
        Op::Bind(back) => {
            let open = stage.openings.keys().rev().nth(back as usize);
            let open = open.copied().map(SubscriptionKey);
            stage.bind(open.unwrap_or_else(|| newest(stage, back)));
        }
        Op::Unbind(back) => stage.room.unbind(newest(stage, back)),
        Op::Reject(back) => stage.room.reject(stage.now, newest(stage, back)),
        Op::Speak(back) => {
            let newest = stage.received.values().map(|r| r.track.0).max();
            let track = TrackKey(newest.unwrap_or(0).saturating_sub(back));
            stage.speak(track);
        }
        Op::Data(who) => stage.data(&names.participant(who), &[], &[]),
        Op::Permit(who, bits) => {
            let who = id(&names.participant(who));
            let permission = |bit: u32| bits & (1_u32 << bit) != 0;
            let Some(before) = stage.room.participant(who) else {
                return;
            };
            let permission = Permission {
                can_publish: permission(0) || permission(1),
                can_publish_sources: match permission(2) {
                    true => vec![Source::Microphone],
                    false => Vec::new(),
                },
                can_subscribe: permission(3) || permission(1),
                visibility: match bits {
                    0 => Visibility::Hidden,
                    _ => Visibility::Visible,
                },
                recorder: permission(4),
                ..before.permission.clone()
            };
            let change = ParticipantChange {
                permission: Some(permission),
                ..ParticipantChange::default()
            };
            stage
                .room
                .update_participant(stage.now, who, change)
                .unwrap();
        }
        Op::Allow(who, to, track) => {
            let allowance = match track {
                0..6 => Allowance::Everybody,
                _ => Allowance::Only(vec![
                    (Grantee::Id(id(&names.participant(to))), Share::All),
                    (
                        Grantee::Identity(identity(&names.participant(to / 2))),
                        Share::Tracks(vec![track_id(&names.track(track).1)]),
                    ),
                ]),
            };
            stage.command(&names.participant(who), Command::Allow(allowance));
        }
        Op::Silence(who) => {
            let who = id(&names.participant(who));
            stage.room.fell_silent(stage.now, who);
        }
        Op::BackUp(track) => {
            let (publisher, name) = names.track(track);
            let cid = format!("{name}-b{}", names.participants.len());
            let publication = Publication {
                cid: cid.clone(),
                track: camera(&cid),
                backup_of: Some(track_id(&name)),
            };
            stage.add_section(&publisher, &cid, MediaKind::Video, "");
            stage.command(&publisher, Command::Publish(Box::new(publication)));
            stage.offer(&publisher);
            names.tracks.push((publisher, cid));
        }
        Op::Pass(ms) => stage.pass(Duration::from_millis(ms.into())),
        Op::Close => stage.room.close(stage.now, LeaveReason::RoomDeleted),
    }
}

fn newest(stage: &Stage, back: u32) -> SubscriptionKey {
    let newest = stage.openings.keys().next_back().copied().unwrap_or(0);
    SubscriptionKey(newest.saturating_sub(back))
}

/// The stage itself checks that nothing is told to who is gone, that keys are never
/// used again, that what is closed was open, that versions rise and that deadlines
/// do not repeat.
fn check(stage: &Stage, ending: &mut BTreeMap<u32, Instant>) {
    let mut open: Vec<_> = stage.openings.values().collect();
    open.sort_by_key(|opening| (opening.participant, opening.track));
    let twice = |pair: &[&Opening]| {
        (pair[0].participant, pair[0].track) == (pair[1].participant, pair[1].track)
    };
    assert!(!open.windows(2).any(twice), "a track is on two m-lines");
    let present: BTreeSet<ParticipantId> = stage.room.participants().map(|info| info.id).collect();
    for opening in stage.openings.values() {
        assert!(
            present.contains(&opening.participant),
            "dangling subscriber"
        );
        assert_ne!(opening.participant, opening.publisher, "hears itself");
        let subscription = opening.subscription.0;
        if is_meant(stage, opening) {
            ending.remove(&subscription);
        } else {
            ending.entry(subscription).or_insert(stage.now);
        }
    }
    ending.retain(|subscription, _| stage.openings.contains_key(subscription));
    for info in stage.room.participants() {
        let may = |track: &Arc<TrackInfo>| info.permission.may_publish(track.source);
        assert!(info.tracks.iter().all(may), "publishes what it may not");
    }
    let visible = stage
        .room
        .participants()
        .filter(|info| info.permission.visibility == Visibility::Visible);
    assert_eq!(stage.room.info().participants as usize, visible.count());
}

/// Whether somebody may receive a track, and there is one.
fn is_meant(stage: &Stage, opening: &Opening) -> bool {
    let subscriber = stage.room.participant(opening.participant).unwrap();
    let publisher = stage.room.participant(opening.publisher);
    let mut tracks = publisher.iter().flat_map(|publisher| &publisher.tracks);
    subscriber.permission.can_subscribe && tracks.any(|track| track.id == opening.track)
}

/// What one step sent goes to subscriptions that were open before, and perhaps no longer;
/// one packet of a publisher leaves as one track.
fn check_packets(stage: &Stage, open: &BTreeMap<u32, Opening>, op: &Op) {
    let sinks = stage.wire.packets.iter().map(|sink| sink.sender.0);
    let tracks: BTreeSet<TrackId> = sinks
        .map(|subscription| open.get(&subscription))
        .map(|opening| opening.expect("the subscription was open").track)
        .collect();
    let of_one = tracks.len() <= 1 || !matches!(op, Op::Speak(_));
    assert!(of_one, "one packet left as several tracks");
}

/// Long enough for what nobody is to receive any longer to end.
const A_WHILE: Duration = Duration::from_secs(1);

#[test]
#[expect(clippy::print_stdout, reason = "shown when it fails")]
fn whatever_happens_nothing_dangles() {
    let mut sent = 0;
    for seed in 0..80 {
        let mut dice = Dice(seed);
        let mut stage = Stage::new();
        let mut names = Names::default();
        let mut ending = BTreeMap::new();
        for step in 0..800 {
            let op = op(&mut dice);
            println!("seed {seed} step {step}: {op:?}");
            stage.wire.packets.clear();
            let open = stage.openings.clone();
            perform(&mut stage, &mut names, &op);
            stage.log();
            check(&stage, &mut ending);
            let overdue = |since: &Instant| stage.now - *since > A_WHILE;
            if matches!(op, Op::Pass(_)) {
                assert!(!ending.values().any(overdue), "never ends");
            }
            check_packets(&stage, &open, &op);
            sent += stage.wire.packets.len();
        }
    }
    assert!(sent > 1000, "only {sent} packets were sent at all");
}
