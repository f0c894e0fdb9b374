//! One peer connection of the `webrtc` crate, and what it tells.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use anyhow::Result;
use async_trait::async_trait;
use rtc::{
    interceptor::{Attribute, Interceptor, Packet, Slot, StreamInfo, TaggedPacket},
    peer_connection::{
        configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8},
        transport::RTCDtlsRole,
    },
    rtcp::payload_feedbacks::{
        full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
    },
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
    },
    sansio::Protocol,
    shared::error::Error,
};
use tokio::sync::mpsc::UnboundedSender;
use webrtc::{
    data_channel::DataChannel,
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCIceCandidateInit, RTCPeerConnectionIceEvent, RTCPeerConnectionState, Registry,
        SettingEngineBuilder, register_default_interceptors,
    },
};

use crate::synthetic::{OPUS, VP8};

/// Which of a participant's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one it publishes on.
    Publisher,
    /// The one it receives on.
    Subscriber,
}

/// What a connection tells its owner.
pub enum Event {
    /// We can be reached there.
    Candidate(RTCIceCandidateInit),
    /// It came up or went down.
    State(RTCPeerConnectionState),
    /// A track arrives.
    Track(Arc<dyn TrackRemote>),
    /// The other side opened a channel.
    Channel(Arc<dyn DataChannel>),
}

impl std::fmt::Debug for Event {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Candidate(candidate) => write!(formatter, "Candidate({candidate:?})"),
            Self::State(state) => write!(formatter, "State({state:?})"),
            Self::Track(_) => formatter.write_str("Track"),
            Self::Channel(_) => formatter.write_str("Channel"),
        }
    }
}

/// Makes a connection on loopback that speaks Opus and VP8. Its owner reads the events as
/// fast as the connection makes them, so their queue needs no bound.
pub async fn connect(
    side: Side,
    events: UnboundedSender<(Side, Event)>,
) -> Result<Arc<dyn PeerConnection>> {
    let mut engine = media_engine()?;
    let registry = register_default_interceptors(Registry::new(), &mut engine)?;
    // The crate begins an SCTP association only where it began DTLS, and a node only accepts.
    let settings = SettingEngineBuilder::new().with_answering_dtls_role(RTCDtlsRole::Client);
    let connection = PeerConnectionBuilder::new()
        .with_setting_engine(settings.build())
        .with_media_engine(engine)
        .with_interceptor_registry(registry.with(Slot::from(LAST), KeyframeRequests::default()))
        .with_handler(Arc::new(Handler { side, events }))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

/// Behind all others, which read what it holds back.
const LAST: usize = 14_000;

/// Opus as our media engine offers it.
pub fn opus() -> RTCRtpCodec {
    codec(MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1")
}

/// VP8 as our media engine offers it.
pub fn vp8() -> RTCRtpCodec {
    codec(MIME_TYPE_VP8, 90_000, 0, "")
}

fn codec(mime_type: &str, clock_rate: u32, channels: u16, parameters: &str) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: parameters.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let rtx = codec(MIME_TYPE_RTX, 90_000, 0, &format!("apt={VP8}"));
    for (rtp_codec, payload_type, kind) in [
        (opus(), OPUS, RtpCodecKind::Audio),
        (vp8(), VP8, RtpCodecKind::Video),
        (rtx, VP8 + 1, RtpCodecKind::Video),
    ] {
        engine.register_codec(
            RTCRtpCodecParameters {
                rtp_codec,
                payload_type,
            },
            kind,
        )?;
    }
    let uri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level".to_owned();
    let level = RTCRtpHeaderExtensionCapability { uri };
    engine.register_header_extension(level, RtpCodecKind::Audio, None)?;
    Ok(engine)
}

struct Handler {
    side: Side,
    events: UnboundedSender<(Side, Event)>,
}

impl Handler {
    fn tell(&self, event: Event) {
        // Without an owner nobody needs to know.
        let _ = self.events.send((self.side, event));
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(candidate) = event.candidate.to_json() {
            self.tell(Event::Candidate(candidate));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.tell(Event::State(state));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.tell(Event::Channel(channel));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.tell(Event::Track(track));
    }
}

/// Lets keyframe requests through to the track they are about: only what makes the
/// pictures can answer them. All other RTCP ends in the crate.
#[derive(Default)]
struct KeyframeRequests {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(reports) = &mut packet.message.packet {
            reports.retain(|report| {
                let report = report.as_any();
                report.is::<PictureLossIndication>() || report.is::<FullIntraRequest>()
            });
            if reports.is_empty() {
                return Ok(());
            }
            packet.message.add(Attribute::DeliverToApplication);
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for KeyframeRequests {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
