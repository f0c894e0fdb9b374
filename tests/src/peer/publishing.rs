//! Publishes synthetic media on a connection: the track, its announcement, and the task
//! that plays it at the pace of a device.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use livekit_protocol::{AddTrackRequest, TrackSource, TrackType, VideoLayer};
use rtc::{
    media_stream::MediaStreamTrack,
    rtp::extension::{HeaderExtension, audio_level_extension::AudioLevelExtension},
    rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use webrtc::{
    media_stream::track_local::{TrackLocal, TrackLocalEvent, static_rtp::TrackLocalStaticRTP},
    peer_connection::PeerConnection,
};

use super::Source;
use crate::{
    connection::{opus, vp8},
    seen::{Link, Seen},
    synthetic::{Camera, HEIGHT, Microphone, PICTURE, Picture, SOUND, WIDTH},
};

/// Plays until it is dropped.
pub(super) type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Adds a track to the connection, and answers with what announces and what plays it.
pub(super) async fn publish(
    source: Source,
    connection: &dyn PeerConnection,
    seen: watch::Sender<Seen>,
) -> Result<(AddTrackRequest, Playing)> {
    let ssrc = rand::random();
    let cid = format!("cid-{ssrc:08x}");
    let (kind, codec) = match source {
        Source::Microphone => (RtpCodecKind::Audio, opus()),
        Source::Camera => (RtpCodecKind::Video, vp8()),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        },
        codec,
        ..Default::default()
    };
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        format!("stream-{ssrc:08x}"),
        cid.clone(),
        cid.clone(),
        kind,
        vec![encoding],
    )));
    let sender: Arc<dyn TrackLocal> = Arc::<TrackLocalStaticRTP>::clone(&track);
    connection.add_track(sender).await?;
    Ok(match source {
        Source::Microphone => (microphone(cid), Box::pin(speak(track, ssrc, seen))),
        Source::Camera => (camera(cid), Box::pin(film(track, ssrc, seen))),
    })
}

fn microphone(cid: String) -> AddTrackRequest {
    AddTrackRequest {
        cid,
        name: "microphone".to_owned(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        ..AddTrackRequest::default()
    }
}

fn camera(cid: String) -> AddTrackRequest {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    AddTrackRequest {
        cid,
        name: "camera".to_owned(),
        r#type: TrackType::Video as i32,
        source: TrackSource::Camera as i32,
        width,
        height,
        layers: vec![VideoLayer {
            width,
            height,
            ..VideoLayer::default()
        }],
        ..AddTrackRequest::default()
    }
}

async fn speak(track: Arc<TrackLocalStaticRTP>, ssrc: u32, seen: watch::Sender<Seen>) {
    connected(&seen).await;
    let mut microphone = Microphone::new(ssrc);
    let mut clock = interval(SOUND);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let level = AudioLevelExtension {
            level: 30,
            voice: true,
        };
        let extensions = [HeaderExtension::AudioLevel(level)];
        let sent = track.write_rtp_with_extensions(microphone.speak(), &extensions);
        note(sent.await, &seen);
    }
}

async fn film(track: Arc<TrackLocalStaticRTP>, ssrc: u32, seen: watch::Sender<Seen>) {
    connected(&seen).await;
    let wanted = Arc::new(AtomicBool::new(true));
    // Reads feedback beside the playing, and ends with it.
    tokio::join!(
        play(&track, Camera::new(ssrc), &wanted, &seen),
        answer_requests(&track, &wanted, &seen)
    );
}

async fn play(
    track: &TrackLocalStaticRTP,
    mut camera: Camera,
    wanted: &AtomicBool,
    seen: &watch::Sender<Seen>,
) {
    let mut clock = interval(PICTURE);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let keyframe = wanted.swap(false, Ordering::Relaxed);
        let picture = if keyframe {
            Picture::Key
        } else {
            Picture::Inter
        };
        for packet in camera.film(picture) {
            note(track.write_rtp(packet).await, seen);
        }
    }
}

async fn answer_requests(
    track: &TrackLocalStaticRTP,
    wanted: &AtomicBool,
    seen: &watch::Sender<Seen>,
) {
    while let Some(event) = track.poll().await {
        if let TrackLocalEvent::OnRtcpPacket(_) = event {
            wanted.store(true, Ordering::Relaxed);
            seen.send_modify(|seen| seen.keyframe_requests += 1);
        }
    }
}

async fn connected(seen: &watch::Sender<Seen>) {
    // It can't fail: the sender of what is awaited is in our hands.
    let _ = seen
        .subscribe()
        .wait_for(|seen| seen.publisher == Link::Up)
        .await;
}

fn note(sent: webrtc::error::Result<()>, seen: &watch::Sender<Seen>) {
    seen.send_modify(|seen| match sent {
        Ok(()) => seen.sent += 1,
        // The same error fifty times a second says no more than once.
        Err(error) if seen.errors.len() < 20 => seen.errors.push(format!("sending: {error}")),
        Err(_) => {}
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::mpsc, time::timeout};
    use webrtc::{
        media_stream::track_remote::TrackRemoteEvent,
        peer_connection::{RTCPeerConnectionState, RTCSessionDescription},
    };

    use super::*;
    use crate::{
        connection::{Event, Side, connect},
        tally::Tally,
    };

    /// The crate by itself: should this fail, no server is to blame.
    #[tokio::test]
    async fn what_is_played_arrives_at_another_connection_of_the_crate() {
        let (tell, mut events) = mpsc::unbounded_channel();
        let sending = connect(Side::Publisher, tell.clone()).await.unwrap();
        let receiving = connect(Side::Subscriber, tell).await.unwrap();
        let seen = watch::Sender::new(Seen::default());
        for source in [Source::Microphone, Source::Camera] {
            let (_, playing) = publish(source, sending.as_ref(), seen.clone())
                .await
                .unwrap();
            tokio::spawn(playing);
        }

        let offer = sending.create_offer(None).await.unwrap();
        sending.set_local_description(offer.clone()).await.unwrap();
        let offer = RTCSessionDescription::offer(offer.sdp).unwrap();
        receiving.set_remote_description(offer).await.unwrap();
        let answer = receiving.create_answer(None).await.unwrap();
        receiving
            .set_local_description(answer.clone())
            .await
            .unwrap();
        let answer = RTCSessionDescription::answer(answer.sdp).unwrap();
        sending.set_remote_description(answer).await.unwrap();

        let mut counting = Vec::new();
        let call = async {
            while counting.len() < 2 {
                match events.recv().await.unwrap() {
                    (Side::Publisher, Event::Candidate(candidate)) => {
                        receiving.add_ice_candidate(candidate).await.unwrap();
                    }
                    (Side::Subscriber, Event::Candidate(candidate)) => {
                        sending.add_ice_candidate(candidate).await.unwrap();
                    }
                    (Side::Publisher, Event::State(RTCPeerConnectionState::Connected)) => {
                        seen.send_modify(|seen| seen.publisher = Link::Up);
                    }
                    (_, Event::Track(track)) => counting.push(tokio::spawn(async move {
                        let mut tally = Tally::default();
                        while tally.packets < 50 {
                            if let Some(TrackRemoteEvent::OnRtpPacket(packet)) = track.poll().await
                            {
                                tally.count(packet.header.sequence_number);
                            }
                        }
                        tally
                    })),
                    (_, Event::State(_) | Event::Channel(_)) => {}
                }
            }
            for count in counting {
                assert!(count.await.unwrap().is_continuous());
            }
        };
        let arrived = timeout(Duration::from_secs(20), call).await;
        arrived.unwrap_or_else(|_| panic!("{:?}", seen.borrow().errors));
    }
}
