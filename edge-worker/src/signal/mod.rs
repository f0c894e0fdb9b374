//! One client's WebSocket: LiveKit's messages in and out. SDP is read and printed
//! here, off the shard; what a message means is left to `livekit`, what to do about
//! it to the shard.

mod moving;
mod rate;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use livekit::signal::{
    self as wire, Frame, FrameFormat, JoinSettings, Recipient, Request, Response,
};
use media::ParticipantId;
use sfu::{LeaveReason, Notice};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, interval_at, timeout};
use tracing::{Instrument, debug, info, info_span};
use transport::sdp::{Description, SdpKind};

use crate::http::Guest;
use crate::ids;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::shard::{Arrival, OUTBOX_LEN, ShardInbox, ToShard, ToSignal, Wish};
use rate::Rate;

/// So that middle boxes keep the connection, and we notice that it is gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Two pings unanswered and nothing else heard.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// A client that takes no bytes for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// A token for coming back is never older than this.
const REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// Serves one client until it leaves or has to go.
pub(crate) async fn serve(socket: WebSocket, node: Arc<Node>, guest: Guest) {
    let _open = OpenConnection::count(&node.metrics);
    let participant = ids::participant_id();
    let span = info_span!("signal", %participant);
    Connection::new(socket, node, guest, participant)
        .run()
        .instrument(span)
        .await;
}

/// One client's WebSocket and what is known of the client.
#[derive(Debug)]
struct Connection {
    socket: WebSocket,
    node: Arc<Node>,
    guest: Guest,
    participant: ParticipantId,
    shard: Option<ShardInbox>,
    format: FrameFormat,
    rate: Rate,
    heard_at: Instant,
}

/// Why a connection ends.
#[derive(Debug)]
enum Ending {
    /// The client said so.
    Left(LeaveReason),
    /// The socket closed or broke.
    Lost,
    /// The client was told to go: nothing more to say to anybody.
    Dismissed,
    /// The client broke the rules; it hears why.
    Expelled {
        code: u16,
        why: &'static str,
        reason: LeaveReason,
    },
}

impl Connection {
    fn new(socket: WebSocket, node: Arc<Node>, guest: Guest, participant: ParticipantId) -> Self {
        let now = Instant::now();
        Self {
            socket,
            node,
            guest,
            participant,
            shard: None,
            format: FrameFormat::default(),
            rate: Rate::new(now),
            heard_at: now,
        }
    }

    async fn run(mut self) {
        if self.guest.request.reconnect.is_some() {
            // Nothing is kept of earlier connections: the client joins afresh.
            self.dismiss(LeaveReason::StateMismatch).await;
            return;
        }
        let (outbox, inbox) = mpsc::channel(OUTBOX_LEN);
        let arrival = match self.arrival(outbox) {
            Ok(arrival) => arrival,
            Err(why) => {
                info!(why, "the join's offer cannot be read");
                self.node
                    .metrics
                    .signal_errors
                    .with_label_values(&["sdp"])
                    .inc();
                self.dismiss(LeaveReason::JoinFailure).await;
                return;
            }
        };
        let (arrival, shard) = arrival;
        if shard.send(ToShard::Join(Box::new(arrival))).is_err() {
            self.dismiss(LeaveReason::JoinFailure).await;
            return;
        }
        self.shard = Some(shard);
        let ending = self.talk(inbox).await;
        self.end(ending).await;
    }

    /// What the shard needs to let it in, and which shard.
    fn arrival(
        &self,
        outbox: mpsc::Sender<ToSignal>,
    ) -> Result<(Arrival, ShardInbox), &'static str> {
        let Guest {
            request, admission, ..
        } = &self.guest;
        let name: Arc<str> = admission.room.as_str().into();
        let now_ms = unix_now().as_millis() as i64;
        let settings = &admission.room_settings;
        let room = self.node.new_room(name.clone(), settings);
        let region = &self.node.config.node.region;
        let membership = admission.membership(request, self.participant, now_ms, region);
        let offer = match &request.offer {
            Some(offer) => {
                let description = Description::parse(SdpKind::Offer, &offer.sdp)
                    .map_err(|_| "the offer is not SDP")?;
                Some((offer.id, description))
            }
            None => None,
        };
        let commands = request
            .add_tracks
            .iter()
            .filter_map(|track| track.publication(&ids::random_suffix()).ok())
            .map(|publication| sfu::Command::Publish(Box::new(publication)))
            .collect();
        let (shard, place) = self.node.directory.place(&name);
        let primary = request.primary(&admission.permission);
        let mode = request.mode;
        let arrival = Arrival {
            room,
            place,
            membership,
            mode,
            primary,
            commands,
            offer,
            outbox,
        };
        Ok((arrival, shard))
    }

    async fn talk(&mut self, mut inbox: mpsc::Receiver<ToSignal>) -> Ending {
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first_refresh = tokio::time::Instant::now() + REFRESH_INTERVAL;
        let mut refreshes = interval_at(first_refresh, REFRESH_INTERVAL);
        loop {
            // News of the room first: a client that talks a lot still hears that it has
            // to go.
            let going_on = tokio::select! {
                biased;
                news = inbox.recv() => match news {
                    Some(news) => self.tell(news).await,
                    None => Err(Ending::Dismissed),
                },
                _ = pings.tick() => self.ping().await,
                _ = refreshes.tick() => self.refresh().await,
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => self.hear(frame).await,
                    Some(Err(error)) => Err(self.unreadable(&error)),
                    None => Err(Ending::Lost),
                },
            };
            if let Err(ending) = going_on {
                return ending;
            }
        }
    }

    /// Passes on what the shard says.
    async fn tell(&mut self, news: ToSignal) -> Result<(), Ending> {
        match news {
            ToSignal::Joined(joined) => {
                info!(room = %joined.room.id, "joined");
                let response = self.join_response(&joined);
                self.say(&response).await?;
                self.refresh().await
            }
            ToSignal::Refused(refusal) => {
                info!(?refusal, "join refused");
                self.dismiss(LeaveReason::JoinFailure).await;
                Err(Ending::Dismissed)
            }
            ToSignal::Notice(Notice::Leave(reason)) => {
                info!(?reason, "told to leave");
                self.dismiss(reason).await;
                Err(Ending::Dismissed)
            }
            ToSignal::Notice(notice) => {
                for response in wire::notice(&notice, self.recipient()) {
                    self.say(&response).await?;
                }
                Ok(())
            }
            ToSignal::Moved(room) => self.move_to(&room).await,
            ToSignal::Broadcast(broadcast) => match self.format {
                FrameFormat::Binary => {
                    for frame in broadcast.frames() {
                        self.send(Message::Binary(frame.clone())).await?;
                    }
                    Ok(())
                }
                FrameFormat::Text => {
                    for response in wire::notice(&broadcast.notice(), self.recipient()) {
                        self.say(&response).await?;
                    }
                    Ok(())
                }
            },
            ToSignal::Answer {
                id,
                description,
                tracks,
            } => {
                self.say(&Response::answer(id, description.to_string(), tracks))
                    .await
            }
            ToSignal::Offer {
                id,
                description,
                tracks,
            } => {
                self.say(&Response::offer(id, description.to_string(), tracks))
                    .await
            }
            ToSignal::Sections { audio, video } => {
                self.say(&Response::media_sections_requirement(audio, video))
                    .await
            }
        }
    }

    fn join_response(&self, joined: &sfu::Joined) -> Response {
        let settings = JoinSettings {
            region: self.node.config.node.region.clone(),
            node_id: self.node.id.clone(),
            ice_servers: Vec::new(),
            sif_trailer: joined.room.id.as_str().to_owned().into(),
        };
        Response::join(&wire::Joined {
            room: &joined.room,
            participant: &joined.participant,
            others: &joined.others,
            request: &self.guest.request,
            settings: &settings,
        })
    }

    fn recipient(&self) -> Recipient {
        let client = &self.guest.request.client;
        Recipient {
            protocol: client.protocol,
            sdk: client.sdk,
        }
    }

    /// Does what the client says.
    async fn hear(&mut self, frame: Message) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        let raw = match &frame {
            Message::Binary(bytes) => wire::RawFrame::Binary(bytes),
            Message::Text(text) => wire::RawFrame::Text(text.as_str()),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Ending::Lost),
        };
        if !self.rate.allows(self.heard_at) {
            return Err(self.expel("too_many", close_code::POLICY, "too many messages"));
        }
        self.format = raw.format();
        let request = wire::decode(raw).map_err(|error| {
            debug!(%error, "unreadable message");
            self.expel(
                "unreadable",
                close_code::UNSUPPORTED,
                "not a signal request",
            )
        })?;
        self.grant(request).await
    }

    async fn grant(&mut self, request: Request) -> Result<(), Ending> {
        match request {
            Request::Offer(offer) => {
                let description = self.read_sdp(SdpKind::Offer, &offer.sdp)?;
                self.wish(Wish::Offer {
                    id: offer.id,
                    description,
                })
            }
            Request::Answer(answer) => {
                let description = self.read_sdp(SdpKind::Answer, &answer.sdp)?;
                self.wish(Wish::Answer {
                    id: answer.id,
                    description,
                })
            }
            Request::AddTrack(track) => match track.publication(&ids::random_suffix()) {
                Ok(publication) => {
                    self.wish(Wish::Command(sfu::Command::Publish(Box::new(publication))))
                }
                Err(refusal) => {
                    self.refuse(&Response::refused_publish(track.cid(), refusal))
                        .await
                }
            },
            Request::Command(command) => self.wish(Wish::Command(command)),
            Request::Refused(response) => self.refuse(&response).await,
            Request::Leave(reason) => Err(Ending::Left(reason)),
            Request::Ping => {
                self.say(&Response::pong(unix_now().as_millis() as i64))
                    .await
            }
            Request::PingReq { timestamp, .. } => {
                let now = unix_now().as_millis() as i64;
                self.say(&Response::pong_resp(timestamp, now)).await
            }
            // An ICE-lite side sends to no candidate: the client's checks tell its address.
            Request::Trickle(_) => Ok(()),
            // Belongs to coming back, which starts afresh here.
            Request::SyncState(_) => Ok(()),
            Request::Unsupported(unsupported) => {
                debug!(what = unsupported.what(), "not served");
                match unsupported.answer() {
                    Some(answer) => self.refuse(&answer).await,
                    None => Ok(()),
                }
            }
            Request::Unknown => Ok(()),
        }
    }

    fn read_sdp(&self, kind: SdpKind, text: &str) -> Result<Description, Ending> {
        Description::parse(kind, text).map_err(|error| {
            info!(%error, "the client's SDP cannot be read");
            self.expel("sdp", close_code::INVALID, "the description is not SDP")
        })
    }

    fn wish(&self, wish: Wish) -> Result<(), Ending> {
        let Some(shard) = &self.shard else {
            return Ok(());
        };
        let participant = self.participant;
        shard
            .send(ToShard::Wish {
                participant,
                wish: Box::new(wish),
            })
            .map_err(|_| {
                self.expel(
                    "shard_full",
                    close_code::AGAIN,
                    "this node has too much to do",
                )
            })
    }

    async fn ping(&mut self) -> Result<(), Ending> {
        if self.heard_at.elapsed() > SILENCE_LIMIT {
            return Err(Ending::Lost);
        }
        self.send(Message::Ping(Vec::new().into())).await
    }

    /// Gives the client a token for coming back.
    async fn refresh(&mut self) -> Result<(), Ending> {
        let token = self
            .node
            .keys
            .refresh(&self.guest.claims, unix_now().as_secs());
        match token {
            Some(token) => self.say(&Response::refresh_token(token)).await,
            None => Ok(()),
        }
    }

    /// Says what cannot be had, to clients that understand such answers.
    async fn refuse(&mut self, response: &Response) -> Result<(), Ending> {
        if self.recipient().understands(response) {
            self.say(response).await
        } else {
            Ok(())
        }
    }

    async fn say(&mut self, response: &Response) -> Result<(), Ending> {
        let message = match response.frame(self.format) {
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Text(text) => Message::Text(text.into()),
        };
        self.send(message).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(WRITE_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ending::Lost),
        }
    }

    /// Says goodbye in LiveKit's words. The close that follows would freeze some
    /// clients without them.
    async fn dismiss(&mut self, reason: LeaveReason) {
        let leave = Response::leave(reason);
        if self.say(&leave).await.is_ok() {
            self.close(close_code::NORMAL, "").await;
        }
    }

    async fn close(&mut self, code: u16, why: &'static str) {
        let frame = CloseFrame {
            code,
            reason: why.into(),
        };
        // Whether it arrives makes no difference any more.
        let _ = self.send(Message::Close(Some(frame))).await;
    }

    fn unreadable(&self, error: &axum::Error) -> Ending {
        use std::error::Error as _;
        let too_large = error
            .source()
            .is_some_and(|cause| cause.to_string().contains("too long"));
        debug!(%error, "the WebSocket broke");
        if too_large {
            self.expel(
                "too_large",
                close_code::SIZE,
                "a message is larger than 2 MiB",
            )
        } else {
            Ending::Lost
        }
    }

    fn expel(&self, label: &str, code: u16, why: &'static str) -> Ending {
        self.node
            .metrics
            .signal_errors
            .with_label_values(&[label])
            .inc();
        Ending::Expelled {
            code,
            why,
            reason: LeaveReason::StateMismatch,
        }
    }

    async fn end(mut self, ending: Ending) {
        debug!(?ending, "signal connection ends");
        let reason = match ending {
            Ending::Left(reason) => {
                self.close(close_code::NORMAL, "").await;
                reason
            }
            Ending::Lost => LeaveReason::SignalClosed,
            Ending::Dismissed => return,
            Ending::Expelled { code, why, reason } => {
                info!(why, "expelled");
                if self.say(&Response::leave(reason)).await.is_ok() {
                    self.close(code, why).await;
                }
                reason
            }
        };
        if let Some(shard) = &self.shard {
            let participant = self.participant;
            // A shard that takes nothing now notices by ICE that the client is gone.
            let _ = shard.send(ToShard::Wish {
                participant,
                wish: Box::new(Wish::Leave(reason)),
            });
        }
    }
}

/// Counts one open connection for as long as it lives.
#[derive(Debug)]
struct OpenConnection(Metrics);

impl OpenConnection {
    fn count(metrics: &Metrics) -> Self {
        metrics.signal_connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.signal_connections.dec();
    }
}

fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
