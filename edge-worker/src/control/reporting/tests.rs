//! What the control plane hears of what shards tell.

use livekit::join::{JoinRequest, authorize};
use livekit::{Claims, VideoGrants};
use sfu::Playing;

use super::*;
use crate::config::JoinTokens;
use crate::control::policy::Draining;
use crate::control::wire::{AppointedRoom, Desired};

const NOW: u64 = 1_795_000_000_000;

fn policy() -> Policy {
    let room = AppointedRoom {
        room: "physics".into(),
        generation: 3,
        meeting_id: Some("placed".into()),
        ..AppointedRoom::default()
    };
    let desired = Desired {
        rooms: vec![room],
        ..Desired::default()
    };
    Policy::new(&desired, JoinTokens::Any, ("lagos-1", ""), Draining::No)
}

fn room() -> Arc<RoomInfo> {
    Arc::new(RoomInfo {
        id: "RM_x".parse().unwrap(),
        name: "physics".into(),
        metadata: String::new(),
        created_at_ms: 0,
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 0,
        playing: Playing::default(),
        participants: 1,
        publishers: 0,
        active_recording: false,
    })
}

fn ada() -> ParticipantInfo {
    let claims = Claims {
        sub: "ada#a1".into(),
        name: "Ada".into(),
        video: VideoGrants {
            room_join: true,
            room: "physics".into(),
            ..VideoGrants::default()
        },
        attributes: [
            ("role".to_owned(), "host".to_owned()),
            ("p".to_owned(), "x".repeat(999)),
        ]
        .into(),
        ..Claims::default()
    };
    let request = JoinRequest::default();
    let admission = authorize(Some(&claims), &request).unwrap();
    let id = "PA_ada".parse().unwrap();
    admission.membership(&request, id, 0, "lagos").participant
}

fn reporter() -> Reporter {
    let mut reporter = Reporter::new("lagos".into());
    reporter.coming(Coming::In(Arrival {
        id: "PA_ada".parse().unwrap(),
        asked_at_ms: NOW - 700,
        tof: Some(Tof {
            meeting: Some("m1".into()),
            user: Some("ada".into()),
            ..Tof::default()
        }),
        client: livekit::Client {
            os: "Android".into(),
            ..livekit::Client::default()
        },
    }));
    reporter
}

fn told(reporter: &mut Reporter, happened: sfu::Happened) -> Option<Happened> {
    let fact = Fact {
        room: room(),
        happened,
    };
    let news = News::Fact(fact);
    let event = reporter.event(Report { at_ms: NOW, news }, &policy())?;
    assert_eq!((event.at, event.room.as_str()), (NOW, "physics"));
    Some(event.happened)
}

fn said(reporter: &mut Reporter, said: Said, to: &[&str]) -> Option<Happened> {
    let news = News::Said {
        room: room(),
        by: Arc::new(ada()),
        said,
        to: to.iter().map(|name| (*name).to_owned()).collect(),
    };
    let event = reporter.event(Report { at_ms: NOW, news }, &policy())?;
    Some(event.happened)
}

#[test]
fn who_joins_is_told_with_what_only_its_token_says() {
    let mut reporter = reporter();
    let joined = told(
        &mut reporter,
        sfu::Happened::ParticipantJoined(Arc::new(ada())),
    );
    let Some(Happened::Joined {
        user_id,
        meeting_id,
        join_ms,
        client,
        attributes,
        region,
        ..
    }) = joined
    else {
        panic!("{joined:?}");
    };
    assert_eq!(
        (user_id.as_deref(), meeting_id.as_deref()),
        (Some("ada"), Some("m1"))
    );
    assert_eq!(
        (join_ms, client.os.as_str(), region.as_str()),
        (Some(700), "Android", "lagos")
    );
    assert_eq!(attributes.len(), 1, "what is long is no role");

    let mut left = ada();
    left.state = State::Disconnected(LeaveReason::Moved);
    told(
        &mut reporter,
        sfu::Happened::ParticipantLeft(Arc::new(left.clone())),
    );
    assert_eq!(reporter.arrivals.len(), 1, "it goes on in another room");
    left.state = State::Disconnected(LeaveReason::ConnectionTimeout);
    let gone = told(
        &mut reporter,
        sfu::Happened::ParticipantLeft(Arc::new(left)),
    );
    let Some(Happened::Left { reason, .. }) = gone else {
        panic!("{gone:?}");
    };
    assert_eq!(reason, "CONNECTION_TIMEOUT");
    assert!(reporter.arrivals.is_empty());
}

#[test]
fn who_goes_over_to_another_room_is_told_there_with_what_its_token_for_it_says() {
    for (to, expected) in [("physics", "m2"), ("chemistry", "m1")] {
        let mut reporter = reporter();
        let mut left = ada();
        left.state = State::Disconnected(LeaveReason::Moved);
        reporter.coming(Coming::Over {
            id: left.id,
            room: to.into(),
            tof: Some(Tof {
                meeting: Some("m2".into()),
                user: Some("ada".into()),
                ..Tof::default()
            }),
        });
        told(
            &mut reporter,
            sfu::Happened::ParticipantLeft(Arc::new(left)),
        );
        let joined = told(
            &mut reporter,
            sfu::Happened::ParticipantJoined(Arc::new(ada())),
        );
        let Some(Happened::Joined {
            meeting_id,
            join_ms,
            client,
            ..
        }) = joined
        else {
            panic!("{joined:?}");
        };
        assert_eq!(meeting_id.as_deref(), Some(expected), "{to}");
        // The way over counts, not the time in the first room.
        assert_eq!((join_ms, client.os.as_str()), (Some(0), "Android"));
    }
}

#[test]
fn a_room_is_told_with_the_version_of_its_placement() {
    let started = told(&mut reporter(), sfu::Happened::RoomStarted);
    let expected = Happened::RoomStarted {
        room_sid: "RM_x".into(),
        generation: 3,
    };
    assert_eq!(started, Some(expected));
}

#[test]
fn a_hand_is_told_when_it_moves() {
    let mut reporter = reporter();
    let hand = |value: Option<&str>| {
        let mut info = ada();
        if let Some(value) = value {
            info.attributes.insert(HAND.into(), value.into());
        }
        Arc::new(info)
    };
    for (before, after, expected) in [
        (None, Some("1"), Some(true)),
        (Some("1"), Some("2026-01-01T10:00:00Z"), None),
        (Some("1"), Some("0"), Some(false)),
        (Some("true"), None, Some(false)),
        (Some("false"), None, None),
        (None, None, None),
    ] {
        let (before, after) = (hand(before), hand(after));
        let changed = sfu::Happened::ParticipantChanged { before, after };
        let raised = told(&mut reporter, changed).map(|happened| {
            let Happened::Hand { raised, .. } = happened else {
                panic!("{happened:?}");
            };
            raised
        });
        assert_eq!(raised, expected);
    }
}

#[test]
fn what_is_said_is_told_to_whom_and_sealed_messages_are_counted() {
    let mut reporter = reporter();
    let wrote = Said::Wrote {
        id: "m".into(),
        text: Text::Cut("long".into()),
        sent_at_ms: 0,
        reply_to: Some("before".into()),
    };
    let chat = said(&mut reporter, wrote, &["bayo"]);
    let Some(Happened::Chat {
        text,
        truncated,
        sent_at,
        to,
        user_id,
        meeting_id,
        ..
    }) = chat
    else {
        panic!("{chat:?}");
    };
    assert_eq!((text.as_str(), truncated, sent_at), ("long", true, NOW));
    assert_eq!(
        (to, user_id.as_deref(), meeting_id.as_deref()),
        (vec!["bayo".into()], Some("ada"), Some("m1"))
    );
    for _ in 0..3 {
        assert_eq!(said(&mut reporter, Said::Sealed, &[]), None);
    }
    let sealed = reporter.sealed(NOW);
    assert_eq!(sealed[0].happened, Happened::ChatSealed { count: 3 });
    assert!(reporter.sealed(NOW).is_empty());
}

#[test]
fn a_minute_is_told_in_figures_people_know() {
    let summary = Summary {
        lasted: Duration::from_secs(60),
        score: 75.0,
        loss_percent: 1.26,
        jitter: Duration::from_micros(12_340),
        round_trip: Some(Duration::from_millis(88)),
        sent: 3_000_000,
        received: 6_000_000,
        silences: 2,
        picture: None,
    };
    let figures = |picture| {
        let assessed = sfu::Happened::ParticipantAssessed {
            participant: Arc::new(ada()),
            summary: Summary { picture, ..summary },
        };
        let told = told(&mut reporter(), assessed);
        let Some(Happened::Quality { figures, .. }) = told else {
            panic!("{told:?}");
        };
        figures
    };
    let picture = |width, height| Picture {
        width,
        height,
        frames_per_second: 24.96,
    };
    for (picture, expected) in [
        (None, (None, None, None)),
        (Some(picture(640, 360)), (Some(640), Some(360), Some(25.0))),
        (Some(picture(0, 0)), (None, None, Some(25.0))),
    ] {
        let told = figures(picture);
        let told = (told.width, told.height, told.frames_per_second);
        assert_eq!(told, expected, "{picture:?}");
    }
    let figures = figures(None);
    assert_eq!((figures.from_ms, figures.to_ms), (NOW - 60_000, NOW));
    assert_eq!(
        (figures.score, figures.loss_percent, figures.jitter_ms),
        (4.0, 1.3, 12.3)
    );
    assert_eq!(
        (
            figures.round_trip_ms,
            figures.sent_kbps,
            figures.received_kbps
        ),
        (88.0, 400.0, 800.0)
    );
    assert_eq!(figures.drops, 2);
}
