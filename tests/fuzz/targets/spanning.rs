//! What another node says about a room that is on both: an input is what it says, each after its
//! length. A room with somebody in it heeds all of it, and stays sane.

#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use livekit::spanning::{self, Telling};
use media::{Outgoing, Rtcp};
use sfu::{
    Beginning, Identity, LinkKey, Membership, Outlet, ParticipantInfo, Pausing, Permission, Playing,
    Room, RoomInfo, Sink, State, Streams, TransportKey, Visibility, Wanted,
};

/// Nobody listens.
struct Nowhere;

impl Outlet for Nowhere {
    fn packet(&mut self, _: Sink, _: &Outgoing<'_>) {}
    fn rtcp(&mut self, _: TransportKey, _: Rtcp) {}
}

const LINK: LinkKey = LinkKey(1);

fuzz_target!(|input: &[u8]| {
    let start = Instant::now();
    let mut room = Room::new(start, room(), Beginning::Joined);
    room.span(start, LINK);
    let joined = room.join(start, ada()).map(|joined| joined.participant.id);
    let ada = joined.expect("the room is empty");
    let mut replaced = false;
    let mut now = start;
    let mut rest = input;
    while let Some((len, after)) = rest.split_first_chunk() {
        let Some((said, after)) = after.split_at_checked(u16::from_be_bytes(*len).into()) else {
            break;
        };
        rest = after;
        let Ok(telling) = spanning::read(&Bytes::copy_from_slice(said)) else {
            continue;
        };
        // What was understood can be passed on.
        let written = Bytes::from(spanning::write(&telling));
        let again = spanning::read(&written).map(|again| spanning::write(&again));
        assert_eq!(again.as_deref(), Ok(&written[..]));
        if let Telling::News(news) | Telling::Numbered { news, .. } = telling {
            room.heed(now, LINK, news, &mut Nowhere);
        }
        let named = room.find_identity(&Identity("ada".into()));
        replaced |= named.is_some_and(|named| named.id != ada);
        now += Duration::from_millis(100);
        room.handle_timeout(now, &mut Nowhere);
        while room.poll().is_some() {}
    }
    // Who is connected here goes only if the room ends or somebody newer has, or had, the same name.
    let gone = room.participant(ada).is_none();
    assert!(!gone || replaced || room.is_over(now));
});

fn room() -> RoomInfo {
    RoomInfo {
        id: "RM_maths".parse().expect("an id"),
        name: "maths".into(),
        metadata: String::new(),
        created_at_ms: 0,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 0,
        playing: Playing::default(),
        participants: 0,
        publishers: 0,
        active_recording: false,
    }
}

fn ada() -> Membership {
    Membership {
        participant: ParticipantInfo {
            id: "PA_here".parse().expect("an id"),
            identity: Identity("ada".into()),
            name: String::new(),
            metadata: String::new(),
            attributes: Default::default(),
            state: State::Joining,
            joined_at_ms: 1_000,
            version: 0,
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
        },
        auto_subscribe: Wanted::Yes,
        auto_subscribe_data: Wanted::Yes,
        adaptive_stream: false,
        pausing: Pausing::Allowed,
        protocol: 16,
        streams: Streams::Apart,
    }
}
