//! Offers and answers as clients see them: when they may come, and what they name.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use std::time::Duration;

use e2e::{
    call::{Call, ROOM},
    signal::{Heard, Packing, Request, Response, Signal, V0, join_request, v1},
    tokens,
    until::PATIENCE,
};
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, JoinRequest, SessionDescription, TrackSource,
};

/// What a client with one connection offers that sends nothing yet: data alone.
const DATA: &str = "v=0\r\n\
o=- 1 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
a=ice-ufrag:abcd\r\n\
a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
a=setup:actpass\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
c=IN IP4 0.0.0.0\r\n\
a=mid:0\r\n\
a=sctp-port:5000\r\n";

fn offer(id: u32) -> SessionDescription {
    SessionDescription {
        r#type: "offer".to_owned(),
        id,
        sdp: DATA.replace("o=- 1 2", &format!("o=- 1 {}", id + 1)),
        ..SessionDescription::default()
    }
}

/// As one that sends sound, which newer clients always offer in stereo.
fn offer_of_sound() -> SessionDescription {
    const SOUND: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
c=IN IP4 0.0.0.0\r\n\
a=mid:1\r\n\
a=sendonly\r\n\
a=rtcp-mux\r\n\
a=msid:- mic\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n";
    let offer = offer(1);
    SessionDescription {
        sdp: offer.sdp.replace("BUNDLE 0", "BUNDLE 0 1") + SOUND,
        ..offer
    }
}

async fn answer(signal: &mut Signal) -> SessionDescription {
    let answer = |heard: &Heard| {
        let Response::Answer(answer) = heard.response()? else {
            return None;
        };
        Some(answer.clone())
    };
    signal
        .hear_until("an answer", PATIENCE, answer)
        .await
        .unwrap()
}

async fn join(call: &Call, request: &JoinRequest) -> Signal {
    let path = v1(request, Packing::Gzip).unwrap();
    let token = tokens::token(ROOM, "stranger").unwrap();
    let joined = Signal::join_by(&call.node.url(), &path, &token).await;
    joined.unwrap().0
}

#[tokio::test]
#[expect(deprecated, reason = "older clients tell it only there")]
async fn pb_3_sound_is_answered_as_it_was_announced() {
    const STEREO: i32 = AudioTrackFeature::TfStereo as i32;
    const NO_DTX: i32 = AudioTrackFeature::TfNoDtx as i32;
    let call = Call::start().await.unwrap();
    let two = ";stereo=1;maxaveragebitrate=510000";
    for (stereo, disable_dtx, features, expected) in [
        (false, false, vec![], ";usedtx=1".to_owned()),
        (true, false, vec![], format!(";usedtx=1{two}")),
        (false, true, vec![], String::new()),
        (false, false, vec![STEREO, NO_DTX], two.to_owned()),
    ] {
        let request = JoinRequest {
            add_track_requests: vec![AddTrackRequest {
                cid: "mic".to_owned(),
                source: TrackSource::Microphone.into(),
                stereo,
                disable_dtx,
                audio_features: features,
                ..AddTrackRequest::default()
            }],
            publisher_offer: Some(offer_of_sound()),
            ..join_request()
        };
        let mut signal = join(&call, &request).await;
        let sdp = answer(&mut signal).await.sdp;
        let expected = format!("a=fmtp:111 minptime=10;useinbandfec=1{expected}\r\n");
        assert!(sdp.contains(&expected), "{expected} in {sdp}");
    }
}

#[tokio::test]
async fn sp_7_the_first_offer_is_answered_whether_it_comes_with_the_join_or_after_it() {
    let call = Call::start().await.unwrap();
    let embedded = JoinRequest {
        publisher_offer: Some(offer(1)),
        ..join_request()
    };
    let mut signal = join(&call, &embedded).await;
    let with_it = answer(&mut signal).await;
    drop(signal);
    let mut signal = join(&call, &join_request()).await;
    signal.send(Request::Offer(offer(1))).await.unwrap();
    let after_it = answer(&mut signal).await;
    for answer in [with_it, after_it] {
        assert_eq!((&*answer.r#type, answer.id), ("answer", 1));
        assert!(answer.sdp.contains("webrtc-datachannel"), "{}", answer.sdp);
    }
}

#[tokio::test]
async fn jn_7_an_offer_of_ours_names_the_track_of_every_section_that_sends() {
    let call = Call::start().await.unwrap();
    let token = tokens::token(ROOM, "stranger").unwrap();
    let (mut signal, join) = Signal::join_by(&call.node.url(), V0, &token).await.unwrap();
    let published: usize = join
        .other_participants
        .iter()
        .map(|each| each.tracks.len())
        .sum();
    assert!(published > 0, "somebody publishes");
    let offer = |heard: &Heard| {
        let Response::Offer(offer) = heard.response()? else {
            return None;
        };
        Some(offer.clone())
    };
    let offer = signal
        .hear_until("an offer", PATIENCE, offer)
        .await
        .unwrap();
    let mut named = 0;
    for section in offer.sdp.split("\r\nm=").skip(1) {
        let value = |name: &str| {
            let mut lines = section.lines();
            lines.find_map(|line| line.strip_prefix(name))
        };
        let mid = value("a=mid:").unwrap();
        let track = section.contains("a=sendonly").then(|| {
            let msid = value("a=msid:").unwrap();
            msid.split(' ').nth(1).unwrap().to_owned()
        });
        assert_eq!(offer.mid_to_track_id.get(mid), track.as_ref(), "{section}");
        named += usize::from(track.is_some());
    }
    assert_eq!(named, published);
    // Nobody answers what was offered, and the call goes on.
    tokio::time::timeout(Duration::from_secs(60), call.goes_on())
        .await
        .unwrap()
        .unwrap();
}
