//! Three nodes would need a network: here one node's part is played through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use media::ParticipantId;
use sfu::{
    Allowance, Encryption, LeaveReason, LinkedTrack, Muted, ParticipantInfo, Permission, Source,
    State, TrackInfo, Visibility,
};

use super::*;

const HERE: Instance = at(0);
const BESIDE: Instance = at(1);

pub(super) const fn at(shard: usize) -> Instance {
    Instance {
        shard,
        room: RoomKey::test(shard as u64 + 1),
    }
}

pub(super) fn name() -> Arc<str> {
    "maths".into()
}

pub(super) fn person(name: &str) -> ParticipantId {
    format!("PA_{name}").parse().expect("an id")
}

fn track(name: &str) -> TrackId {
    format!("TR_{name}").parse().expect("an id")
}

/// Somebody who publishes these tracks.
pub(super) fn changed(who: &str, tracks: &[&str]) -> LinkNews {
    let described = |name: &&str| LinkedTrack {
        key: sfu::TrackKey(1),
        info: Arc::new(TrackInfo {
            id: track(name),
            kind: if name.contains("mic") {
                MediaKind::Audio
            } else {
                MediaKind::Video
            },
            name: String::new(),
            source: Source::Unknown,
            muted: Muted::No,
            width: 0,
            height: 0,
            layers: Vec::new(),
            simulcast: false,
            codec: None,
            stream: String::new(),
            encryption: Encryption::None,
            stereo: false,
            disable_red: false,
            disable_dtx: false,
            audio_features: Vec::new(),
            backup_codec_policy: 0,
            codecs: Vec::new(),
        }),
        rids: Vec::new(),
        backup: None,
    };
    let participant = ParticipantInfo {
        id: person(who),
        identity: Identity(who.into()),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        state: State::Active,
        joined_at_ms: 1,
        version: 1,
        permission: Permission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_publish_sources: Vec::new(),
            can_update_metadata: false,
            can_subscribe_metrics: false,
            visibility: Visibility::Visible,
            recorder: false,
        },
        kind: 0,
        kind_details: Vec::new(),
        region: String::new(),
        client_protocol: 0,
        capabilities: Vec::new(),
        tracks: Vec::new(),
        data_tracks: Vec::new(),
    };
    LinkNews::Changed(Linked {
        participant: Arc::new(participant),
        tracks: tracks.iter().map(described).collect(),
        allowance: Arc::new(Allowance::Everybody),
    })
}

fn gone(who: &str) -> LinkNews {
    LinkNews::Gone(person(who), LeaveReason::ClientInitiated)
}

fn layers(list: &[Layer]) -> LayerSet {
    list.iter().copied().collect()
}

fn rooms() -> Rooms {
    let mut rooms = Rooms::new("lagos-1".into(), 7);
    rooms.opened(HERE, &name());
    let opened = Action::Publish(host_key("maths", "lagos-1"), Kind::Host, 7);
    assert_eq!(rooms.take_actions(), [opened]);
    rooms
}

/// With another node that has the room.
fn rooms_with(node: &str) -> Rooms {
    let mut rooms = rooms();
    rooms.host(Instant::now(), "maths", node, Wanted::Yes);
    assert_eq!(rooms.take_actions(), [Action::Retell(HERE)]);
    rooms
}

#[test]
fn what_one_instance_says_every_other_one_hears_and_nobody_twice() {
    let mut rooms = rooms_with("kano-1");
    rooms.opened(BESIDE, &name());
    let expected = [Action::Retell(HERE), Action::Say(name(), Telling::Retell)];
    assert_eq!(rooms.take_actions(), expected);

    let news = changed("ada", &[]);
    rooms.said_here(HERE, news.clone());
    let expected = [
        Action::Tell(BESIDE, news.clone()),
        Action::Say(name(), Telling::News(news)),
    ];
    assert_eq!(rooms.take_actions(), expected);

    let news = changed("bayo", &[]);
    rooms.said_elsewhere(&name(), "kano-1", news.clone());
    let expected = [Action::Tell(HERE, news.clone()), Action::Tell(BESIDE, news)];
    assert_eq!(rooms.take_actions(), expected);
}

#[test]
fn alone_it_says_nothing_to_other_nodes() {
    let mut rooms = rooms();
    rooms.said_here(HERE, changed("ada", &[]));
    assert_eq!(rooms.take_actions(), []);
}

#[test]
fn a_track_from_another_node_comes_once_however_many_shards_want_it() {
    let mut rooms = rooms_with("kano-1");
    rooms.opened(BESIDE, &name());
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &["cam"]));
    rooms.take_actions();

    let key = layer_key("maths", track("cam"), Layer::HIGH);
    rooms.wanted_here(HERE, track("cam"), layers(&[Layer::HIGH]));
    let [Action::Want(wanted, handle, Wanted::Yes)] = &rooms.take_actions()[..] else {
        panic!("it is asked for");
    };
    let handle = *handle;
    assert_eq!(*wanted, key);
    rooms.wanted_here(BESIDE, track("cam"), layers(&[Layer::HIGH]));
    assert_eq!(rooms.take_actions(), []);
    let incoming = rooms.incoming(handle).expect("it comes");
    assert_eq!(
        (incoming.track, incoming.layer),
        (track("cam"), Layer::HIGH)
    );
    assert_eq!(incoming.to, [HERE, BESIDE]);

    rooms.wanted_here(HERE, track("cam"), LayerSet::default());
    assert_eq!(rooms.take_actions(), []);
    rooms.wanted_here(BESIDE, track("cam"), layers(&[Layer::LOW]));
    let ended = Action::Want(key, handle, Wanted::No);
    assert!(rooms.take_actions().contains(&ended));
    assert!(rooms.incoming(handle).is_none());
}

#[test]
fn a_track_from_here_is_fed_while_anybody_elsewhere_wants_it() {
    let mut rooms = rooms_with("kano-1");
    rooms.opened(BESIDE, &name());
    rooms.take_actions();
    rooms.said_here(HERE, changed("ada", &["mic"]));
    let published = Action::Publish(track_key("maths", track("mic")), Kind::Audio, 7);
    assert!(rooms.take_actions().contains(&published));

    let key = layer_key("maths", track("mic"), Layer::LOW);
    rooms.wanted_elsewhere(&key, LayerId(3), Wanted::Yes);
    let [Action::Feed(HERE, _, Layer::LOW, Some(feed))] = rooms.take_actions()[..] else {
        panic!("it is fed");
    };
    rooms.wanted_here(BESIDE, track("mic"), layers(&[Layer::LOW]));
    assert_eq!(rooms.take_actions(), []);
    let targets = [Target::Here(BESIDE), Target::Elsewhere(LayerId(3))];
    assert_eq!(rooms.feed(feed).expect("it is fed").targets, targets);

    rooms.wanted_elsewhere(&key, LayerId(3), Wanted::No);
    assert_eq!(rooms.take_actions(), []);
    rooms.closed(BESIDE);
    let ended = Action::Feed(HERE, track("mic"), Layer::LOW, None);
    assert_eq!(rooms.take_actions(), [ended]);
    assert!(rooms.feed(feed).is_none());
}

#[test]
fn keyframes_are_asked_for_where_the_track_is_published() {
    let mut rooms = rooms_with("kano-1");
    rooms.said_here(HERE, changed("ada", &["cam"]));
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &["far"]));
    rooms.take_actions();
    rooms.asked_here(HERE, track("far"), Layer::HIGH);
    let far = layer_key("maths", track("far"), Layer::HIGH);
    assert_eq!(rooms.take_actions(), [Action::WantKeyframe(far)]);
    rooms.asked_elsewhere(&layer_key("maths", track("cam"), Layer::LOW));
    let asked = Action::Ask(HERE, track("cam"), Layer::LOW);
    assert_eq!(rooms.take_actions(), [asked]);
    rooms.asked_elsewhere(&layer_key("maths", track("unknown"), Layer::LOW));
    rooms.asked_here(HERE, track("unknown"), Layer::LOW);
    assert_eq!(rooms.take_actions(), []);
}

#[test]
fn who_leaves_takes_tracks_along() {
    let mut rooms = rooms_with("kano-1");
    rooms.said_here(HERE, changed("ada", &["mic", "cam"]));
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &["far"]));
    rooms.wanted_here(HERE, track("far"), layers(&[Layer::LOW]));
    rooms.take_actions();

    rooms.said_here(HERE, changed("ada", &["mic"]));
    let unpublished = Action::Unpublish(track_key("maths", track("cam")));
    assert!(rooms.take_actions().contains(&unpublished));
    rooms.said_here(HERE, gone("ada"));
    let unpublished = Action::Unpublish(track_key("maths", track("mic")));
    assert!(rooms.take_actions().contains(&unpublished));
    rooms.said_elsewhere(&name(), "kano-1", gone("bayo"));
    let unwanted = |action: &Action| matches!(action, Action::Want(_, _, Wanted::No));
    assert!(rooms.take_actions().iter().any(unwanted));
}

#[test]
fn nobody_speaks_for_who_is_connected_elsewhere() {
    let mut rooms = rooms_with("kano-1");
    rooms.said_here(HERE, changed("ada", &["cam"]));
    rooms.take_actions();
    rooms.said_elsewhere(&name(), "kano-1", changed("ada", &[]));
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &["cam"]));
    rooms.said_elsewhere(&name(), "kano-1", gone("bayo"));
    rooms.said_elsewhere(&name(), "kano-1", gone("ada"));
    let told = |action: &Action| matches!(action, Action::Tell(..));
    assert!(
        rooms.take_actions().iter().all(told),
        "rooms judge by themselves"
    );
    rooms.asked_elsewhere(&layer_key("maths", track("cam"), Layer::LOW));
    let asked = Action::Ask(HERE, track("cam"), Layer::LOW);
    assert_eq!(rooms.take_actions(), [asked]);
}

#[test]
fn a_node_that_comes_back_soon_was_never_gone() {
    let now = Instant::now();
    let mut rooms = rooms_with("kano-1");
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &[]));
    rooms.take_actions();
    rooms.host(now, "maths", "kano-1", Wanted::No);
    rooms.tick(now + Rooms::GRACE - Duration::from_millis(1));
    assert_eq!(rooms.take_actions(), []);
    rooms.host(now, "maths", "kano-1", Wanted::Yes);
    assert_eq!(rooms.take_actions(), [Action::Retell(HERE)]);
    assert_eq!(rooms.deadline(), None);

    rooms.host(now, "maths", "kano-1", Wanted::No);
    assert_eq!(rooms.deadline(), Some(now + Rooms::GRACE));
    rooms.tick(now + Rooms::GRACE);
    let lost = Action::Lose(HERE, person("bayo"));
    assert_eq!(rooms.take_actions(), [lost]);
    rooms.said_here(HERE, changed("ada", &[]));
    assert_eq!(rooms.take_actions(), [], "there is nobody to tell");
}

#[test]
fn the_place_of_a_room_is_here_if_it_can_be() {
    let bayo = Identity("bayo".into());
    let mut rooms = Rooms::new("lagos-1".into(), 7);
    assert_eq!(rooms.place_of("maths", None), None);
    rooms.host(Instant::now(), "maths", "kano-1", Wanted::Yes);
    rooms.host(Instant::now(), "maths", "abuja-1", Wanted::Yes);
    assert_eq!(rooms.elsewhere(), [(name(), "abuja-1".to_owned())]);
    for who in [None, Some(&bayo)] {
        assert_eq!(rooms.place_of("maths", who), Some("abuja-1".into()));
    }
    rooms.opened(HERE, &name());
    rooms.said_elsewhere(&name(), "kano-1", changed("bayo", &[]));
    rooms.said_here(HERE, changed("ada", &[]));
    assert_eq!(rooms.elsewhere(), []);
    assert_eq!(rooms.place_of("maths", None), None);
    assert_eq!(rooms.place_of("maths", Some(&bayo)), Some("kano-1".into()));
    let ada = Identity("ada".into());
    assert_eq!(rooms.place_of("maths", Some(&ada)), None);
}

#[test]
fn a_room_that_closes_here_is_announced_no_more_and_forgotten() {
    let mut rooms = rooms_with("kano-1");
    rooms.closed(HERE);
    let unpublished = Action::Unpublish(host_key("maths", "lagos-1"));
    assert_eq!(rooms.take_actions(), [unpublished]);
    assert_eq!(rooms.elsewhere().len(), 1);
    let now = Instant::now();
    rooms.host(now, "maths", "kano-1", Wanted::No);
    rooms.tick(now + Rooms::GRACE);
    assert!(rooms.rooms.is_empty() && rooms.names.is_empty());
}
