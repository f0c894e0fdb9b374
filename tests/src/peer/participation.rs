//! The actor behind a [`Peer`](super::Peer): it owns the signalling connection and both
//! peer connections, negotiates, and writes down what it sees.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a client passes over what it does not use"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bytes::BytesMut;
use livekit_protocol::{
    DataPacket, LeaveRequest, Ping, SessionDescription, SignalTarget, TrickleRequest, data_packet,
    leave_request,
};
use prost::Message as _;
use rtc::{
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp_transceiver::rtp_sender::RtpCodecKind,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval, timeout_at},
};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit},
    media_stream::track_remote::{TrackRemote, TrackRemoteEvent},
    peer_connection::{
        PeerConnection, RTCIceCandidateInit, RTCPeerConnectionState, RTCSessionDescription,
    },
};

use super::{LOSSY, PeerOptions, RELIABLE, publishing};
use crate::{
    connection::{Event, Side, connect},
    seen::{DataMessage, Link, Received, Seen},
    signal::{Heard, Request, Response, Signal},
    synthetic::{self, OPUS, Picture, VP8},
    tally::Tally,
};

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Wish {
    Request(Box<Request>),
    Data { channel: String, bytes: Vec<u8> },
    Leave,
}

/// The actor.
pub(super) struct Participation {
    signal: Signal,
    asked: mpsc::UnboundedReceiver<Wish>,
    events: mpsc::UnboundedReceiver<(Side, Event)>,
    publisher: Connection,
    subscriber: Connection,
    channels: BTreeMap<String, Arc<dyn DataChannel>>,
    options: PeerOptions,
    seen: watch::Sender<Seen>,
    /// Ends with us: media, channels and tracks are read and written by tasks of their own.
    tasks: JoinSet<()>,
}

/// One of the two connections, and the candidates that came before their description.
struct Connection {
    link: Arc<dyn PeerConnection>,
    described: bool,
    early: Vec<RTCIceCandidateInit>,
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    On,
    Over,
}

/// As the browsers' clients do.
const PING: Duration = Duration::from_secs(5);
/// How long a server may take to close after a farewell.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

impl Participation {
    /// Makes both connections, asks for the tracks and sends the first offer.
    pub(super) async fn begin(
        signal: Signal,
        asked: mpsc::UnboundedReceiver<Wish>,
        seen: watch::Sender<Seen>,
        options: PeerOptions,
    ) -> Result<Self> {
        let (tell, events) = mpsc::unbounded_channel();
        let publisher = Connection::new(connect(Side::Publisher, tell.clone()).await?);
        let subscriber = Connection::new(connect(Side::Subscriber, tell).await?);
        let mut participation = Self {
            signal,
            asked,
            events,
            publisher,
            subscriber,
            channels: BTreeMap::new(),
            options,
            seen,
            tasks: JoinSet::new(),
        };
        participation.open_channels().await?;
        for source in participation.options.publish.clone() {
            let (request, task) = publishing::publish(
                source,
                participation.publisher.link.as_ref(),
                participation.seen.clone(),
            )
            .await?;
            participation
                .signal
                .send(Request::AddTrack(request))
                .await?;
            participation.tasks.spawn(task);
        }
        participation.offer().await?;
        Ok(participation)
    }

    async fn open_channels(&mut self) -> Result<()> {
        let lossy = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            ..Default::default()
        };
        let reliable = RTCDataChannelInit {
            ordered: true,
            ..Default::default()
        };
        for (label, init) in [(LOSSY, lossy), (RELIABLE, reliable)] {
            self.open_channel(label, init).await?;
        }
        Ok(())
    }

    async fn open_channel(&mut self, label: &str, init: RTCDataChannelInit) -> Result<()> {
        let channel = self
            .publisher
            .link
            .create_data_channel(label, Some(init))
            .await?;
        self.channels.insert(label.to_owned(), Arc::clone(&channel));
        self.tasks
            .spawn(read_channel(Side::Publisher, channel, self.seen.clone()));
        Ok(())
    }

    async fn offer(&mut self) -> Result<()> {
        let offer = self.publisher.link.create_offer(None).await?;
        self.publisher
            .link
            .set_local_description(offer.clone())
            .await?;
        self.send_description(Request::Offer, "offer", offer.sdp, 1)
            .await
    }

    /// Goes on until somebody ends it, and then closes everything.
    pub(super) async fn run(mut self) {
        let mut ping = interval(PING);
        loop {
            // Any order does: nobody here can starve another for long.
            let step = tokio::select! {
                heard = self.signal.next() => self.heard(heard).await,
                Some((side, event)) = self.events.recv() => self.event(side, event).await,
                wish = self.asked.recv() => self.wish(wish.unwrap_or(Wish::Leave)).await,
                _ = ping.tick() => self.ping().await,
            };
            match step {
                Ok(Step::On) => {}
                Ok(Step::Over) => break,
                Err(error) => self.note_error(&error),
            }
        }
        self.tasks.shutdown().await;
        for connection in [&self.publisher, &self.subscriber] {
            // A connection that can't be closed is gone already.
            let _ = connection.link.close().await;
        }
    }

    fn note_error(&self, error: &anyhow::Error) {
        self.seen
            .send_modify(|seen| seen.errors.push(format!("{error:#}")));
    }

    async fn ping(&mut self) -> Result<Step> {
        self.signal.send(Request::PingReq(Ping::default())).await?;
        Ok(Step::On)
    }

    async fn wish(&mut self, wish: Wish) -> Result<Step> {
        match wish {
            Wish::Request(request) => self.signal.send(*request).await?,
            Wish::Data {
                channel: label,
                bytes,
            } => {
                if !self.channels.contains_key(&label) {
                    self.open_channel(&label, RTCDataChannelInit::default())
                        .await?;
                }
                let channel = self.channels.get(&label).context("no such channel")?;
                channel.send(BytesMut::from(bytes.as_slice())).await?;
            }
            Wish::Leave => return self.leave().await,
        }
        Ok(Step::On)
    }

    /// Says goodbye and waits for the server to close.
    async fn leave(&mut self) -> Result<Step> {
        let leave = LeaveRequest {
            reason: livekit_protocol::DisconnectReason::ClientInitiated as i32,
            action: leave_request::Action::Disconnect as i32,
            ..LeaveRequest::default()
        };
        let end = Instant::now() + CLOSE_LIMIT;
        if self.signal.send(Request::Leave(leave)).await.is_ok() {
            while let Ok(heard) = timeout_at(end, self.signal.next()).await {
                if let Heard::Closed(_) | Heard::Broken(_) = heard {
                    self.seen.send_modify(|seen| seen.end = Some(heard));
                    break;
                }
            }
        }
        Ok(Step::Over)
    }

    async fn heard(&mut self, heard: Heard) -> Result<Step> {
        match heard {
            Heard::Response(response) => self.response(*response).await?,
            Heard::Unknown => {}
            Heard::Closed(_) | Heard::Broken(_) => {
                self.seen.send_modify(|seen| seen.end = Some(heard));
                return Ok(Step::Over);
            }
        }
        Ok(Step::On)
    }

    async fn response(&mut self, response: Response) -> Result<()> {
        match response {
            Response::Answer(answer) => self.answered(answer).await?,
            Response::Offer(offer) => self.answer(offer).await?,
            Response::Trickle(trickle) => self.trickled(trickle).await?,
            Response::Update(update) => {
                self.seen
                    .send_modify(|seen| seen.update(update.participants));
            }
            Response::TrackPublished(published) => self.seen.send_modify(|seen| {
                seen.published
                    .insert(published.cid, published.track.unwrap_or_default());
            }),
            Response::RefreshToken(token) => self.seen.send_modify(|seen| seen.token = token),
            Response::RoomMoved(moved) => self.seen.send_modify(|seen| {
                seen.token = moved.token;
                seen.moved_to = moved.room.map(|room| room.name);
                seen.own = moved.participant.unwrap_or_default();
                seen.others.clear();
                seen.update(moved.other_participants);
            }),
            Response::Leave(leave) => self.seen.send_modify(|seen| seen.leave = Some(leave)),
            _ => {}
        }
        Ok(())
    }

    async fn answered(&mut self, answer: SessionDescription) -> Result<()> {
        let sdp = self.tapped(&answer.sdp);
        let answer = RTCSessionDescription::answer(sdp)?;
        self.publisher.link.set_remote_description(answer).await?;
        self.publisher.described().await
    }

    async fn answer(&mut self, offer: SessionDescription) -> Result<()> {
        let connection = &mut self.subscriber;
        let description = RTCSessionDescription::offer(offer.sdp)?;
        connection
            .link
            .set_remote_description(description)
            .await
            .context("the server's offer")?;
        let answer = connection
            .link
            .create_answer(None)
            .await
            .context("our answer")?;
        connection
            .link
            .set_local_description(answer.clone())
            .await?;
        connection.described().await?;
        self.send_description(Request::Answer, "answer", answer.sdp, offer.id)
            .await
    }

    async fn send_description(
        &mut self,
        request: impl FnOnce(SessionDescription) -> Request,
        kind: &str,
        sdp: String,
        id: u32,
    ) -> Result<()> {
        let description = SessionDescription {
            r#type: kind.to_owned(),
            sdp,
            id,
            ..Default::default()
        };
        self.signal.send(request(description)).await
    }

    async fn trickled(&mut self, trickle: TrickleRequest) -> Result<()> {
        if trickle.candidate_init.is_empty() {
            return Ok(());
        }
        let mut candidate: RTCIceCandidateInit = serde_json::from_str(&trickle.candidate_init)?;
        if trickle.target == SignalTarget::Publisher as i32 {
            candidate.candidate = self.tapped(&candidate.candidate);
            self.publisher.candidate(candidate).await
        } else {
            self.subscriber.candidate(candidate).await
        }
    }

    fn tapped(&self, text: &str) -> String {
        match &self.options.publisher_tap {
            Some(tap) => tap.rewrite(text),
            None => text.to_owned(),
        }
    }

    async fn event(&mut self, side: Side, event: Event) -> Result<Step> {
        match event {
            Event::Candidate(candidate) => self.trickle(side, &candidate).await?,
            Event::State(state) => self.state(side, state),
            Event::Track(track) => {
                self.tasks.spawn(read_track(track, self.seen.clone()));
            }
            Event::Channel(channel) => {
                self.tasks
                    .spawn(read_channel(side, channel, self.seen.clone()));
            }
        }
        Ok(Step::On)
    }

    async fn trickle(&mut self, side: Side, candidate: &RTCIceCandidateInit) -> Result<()> {
        let target = match side {
            Side::Publisher => SignalTarget::Publisher,
            Side::Subscriber => SignalTarget::Subscriber,
        };
        let trickle = TrickleRequest {
            candidate_init: serde_json::to_string(candidate)?,
            target: target as i32,
            r#final: false,
        };
        self.signal.send(Request::Trickle(trickle)).await
    }

    fn state(&self, side: Side, state: RTCPeerConnectionState) {
        let link = match state {
            RTCPeerConnectionState::Connected => Link::Up,
            RTCPeerConnectionState::Disconnected
            | RTCPeerConnectionState::Failed
            | RTCPeerConnectionState::Closed => Link::Down,
            // On the way, or one that the crate will have learned of.
            _ => return,
        };
        self.seen.send_modify(|seen| match side {
            Side::Publisher => seen.publisher = link,
            Side::Subscriber => seen.subscriber = link,
        });
    }
}

impl Connection {
    fn new(link: Arc<dyn PeerConnection>) -> Self {
        Self {
            link,
            described: false,
            early: Vec::new(),
        }
    }

    /// Takes a candidate of the server in, now or as soon as it can.
    async fn candidate(&mut self, candidate: RTCIceCandidateInit) -> Result<()> {
        if !self.described {
            self.early.push(candidate);
            return Ok(());
        }
        Ok(self.link.add_ice_candidate(candidate).await?)
    }

    /// The server's description is in.
    async fn described(&mut self) -> Result<()> {
        self.described = true;
        for candidate in std::mem::take(&mut self.early) {
            self.link.add_ice_candidate(candidate).await?;
        }
        Ok(())
    }
}

async fn read_channel(side: Side, channel: Arc<dyn DataChannel>, seen: watch::Sender<Seen>) {
    let label = channel.label().await.unwrap_or_default();
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen if side == Side::Publisher => {
                seen.send_modify(|seen| seen.open_channels.push(label.clone()));
            }
            DataChannelEvent::OnMessage(message) => {
                let message = read_message(side, &label, &message.data);
                seen.send_modify(|seen| seen.messages.push(message));
            }
            DataChannelEvent::OnClose => return,
            _ => {}
        }
    }
}

/// What is no packet of LiveKit's is kept as it is, without a sender.
fn read_message(by: Side, channel: &str, bytes: &[u8]) -> DataMessage {
    let packet = DataPacket::decode(bytes).unwrap_or_default();
    let (payload, topic) = match packet.value {
        Some(data_packet::Value::User(user)) => (user.payload, user.topic.unwrap_or_default()),
        _ => (bytes.to_vec(), String::new()),
    };
    DataMessage {
        by,
        channel: channel.to_owned(),
        identity: packet.participant_identity,
        sid: packet.participant_sid,
        payload,
        topic,
    }
}

/// Packets without a keyframe after which a client asks for one: what leaves before its handshake is
/// over may be in vain.
const PATIENCE: u64 = 30;

async fn read_track(track: Arc<dyn TrackRemote>, seen: watch::Sender<Seen>) {
    let id = track.track_id().await;
    let stream = track.stream_id().await;
    let (kind, wanted) = match track.kind().await {
        RtpCodecKind::Audio => ("audio", OPUS),
        RtpCodecKind::Video => ("video", VP8),
        // The crate may learn of more kinds.
        _ => return,
    };
    let participant = stream.split('|').next().unwrap_or_default().to_owned();
    seen.send_modify(|seen| {
        let tally = Tally::default();
        let kind = kind.to_owned();
        seen.tracks.entry(id.clone()).or_insert(Received {
            kind,
            participant,
            tally,
        });
    });
    while let Some(event) = track.poll().await {
        match event {
            // Resends have a payload type of their own; the crate counts them in by itself.
            TrackRemoteEvent::OnRtpPacket(packet) if packet.header.payload_type == wanted => {
                let mut asks = false;
                seen.send_modify(|seen| {
                    let Some(track) = seen.tracks.get_mut(&id) else {
                        return;
                    };
                    let tally = &mut track.tally;
                    tally.count(packet.header.sequence_number);
                    let video = wanted == VP8;
                    tally.frames += u64::from(!video || packet.header.marker);
                    let begins = synthetic::begins(&packet.payload);
                    tally.keyframes += u64::from(video && begins == Some(Picture::Key));
                    asks = video && tally.keyframes == 0 && tally.packets % PATIENCE == 0;
                });
                if asks {
                    let loss = PictureLossIndication {
                        sender_ssrc: 0,
                        media_ssrc: packet.header.ssrc,
                    };
                    // Whoever has gone needs no keyframe.
                    let _ = track.write_rtcp(vec![Box::new(loss)]).await;
                }
            }
            TrackRemoteEvent::OnEnded => break,
            _ => {}
        }
    }
    seen.send_modify(|seen| {
        seen.tracks.remove(&id);
    });
}
