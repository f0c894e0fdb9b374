//! One client's WebSocket: LiveKit's messages in and out. SDP is read and printed
//! here, off the shard; what a message means is left to `livekit`, what to do about
//! it to the shard.

mod arriving;
mod hearing;
mod moving;
mod rate;
mod socket;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{Message, WebSocket, close_code};
use livekit::Claims;
use livekit::signal::{self as wire, FrameFormat, IceServer, JoinSettings, Recipient, Response};
use media::ParticipantId;
use sfu::{LeaveReason, Notice, ParticipantInfo};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, interval_at};
use tracing::{Instrument, Span, debug, field, info, info_span};

use crate::http::Guest;
use crate::ids;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::shard::{OUTBOX_LEN, ShardInbox, Signal, SignalKey, ToShard, ToSignal, Wish};
use arriving::Unreadable;
use rate::{DESCRIPTIONS, MESSAGES, Rate};

/// So that middle boxes keep the connection, and we notice that it is gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How often to look whether a client may think that we are gone.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// A token for coming back is never older than this.
const REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// Serves one client until it leaves or has to go.
pub(crate) async fn serve(socket: WebSocket, node: Arc<Node>, guest: Guest) {
    let _open = OpenConnection::count(&node.metrics);
    let span = info_span!("signal", participant = field::Empty);
    Connection::new(socket, node, guest)
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
    /// Tells this WebSocket from earlier and later ones of the same participant.
    key: SignalKey,
    shard: Option<ShardInbox>,
    /// Who it is; of somebody who comes back nothing is heard before that is known.
    participant: Option<ParticipantId>,
    /// As its token has it.
    shown: Option<Arc<ParticipantInfo>>,
    format: FrameFormat,
    rate: Rate,
    /// Of `rate`'s messages, the descriptions.
    descriptions: Rate,
    heard_at: Instant,
    /// When it was told something that a client notices.
    said_at: Instant,
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
    /// The shard has no more to say here: the client uses another WebSocket by now, or is to
    /// find this one closed.
    Replaced,
    /// The client broke the rules; it hears why.
    Expelled {
        code: u16,
        why: &'static str,
        reason: LeaveReason,
    },
}

impl Connection {
    fn new(socket: WebSocket, node: Arc<Node>, guest: Guest) -> Self {
        let now = Instant::now();
        Self {
            socket,
            node,
            guest,
            key: SignalKey::new(),
            shard: None,
            participant: None,
            shown: None,
            format: FrameFormat::default(),
            rate: Rate::new(now, MESSAGES),
            descriptions: Rate::new(now, DESCRIPTIONS),
            heard_at: now,
            said_at: now,
        }
    }

    async fn run(mut self) {
        let (outbox, inbox) = mpsc::channel(OUTBOX_LEN);
        let signal = Signal {
            key: self.key,
            outbox,
        };
        match self.ring(signal).await {
            Ok(shard) => self.shard = Some(shard),
            Err(reason) => return self.dismiss(reason).await,
        }
        let ending = self.talk(inbox).await;
        self.end(ending).await;
    }

    /// Asks the shard of its room to let it in, or back in.
    async fn ring(&mut self, signal: Signal) -> Result<ShardInbox, LeaveReason> {
        let (message, shard, otherwise) = match &self.guest.request.reconnect.clone() {
            None => {
                let otherwise = LeaveReason::JoinFailure;
                let participant = ids::participant_id();
                let admission = &self.guest.admission;
                let room = admission.room.as_str().into();
                let opening = self.node.seat(&room, &admission.room_settings).await;
                let region = &self.node.config.node.region;
                let arrival = self.guest.arrival(region, opening, participant, signal);
                let arrival = arrival.map_err(|why| {
                    unreadable(&self.node.metrics, why);
                    otherwise
                })?;
                self.participant = Some(participant);
                self.guest.announce(&self.node, participant);
                (ToShard::Join(Box::new(arrival.0)), arrival.1, otherwise)
            }
            Some(reconnect) => {
                // It has a better chance from the start.
                let otherwise = LeaveReason::StateMismatch;
                let node = Arc::clone(&self.node);
                let admission = &self.guest.admission;
                let (room, identity) = (admission.room.as_str().into(), admission.identity.clone());
                let home = node.home_of(&room, &identity).await.unwrap_or_else(|| {
                    // There nobody will know it.
                    let found = node.directory.find_or_open(&room);
                    (found.shard, found.place)
                });
                let coming_back = self.coming_back(home, reconnect, signal).map_err(|why| {
                    unreadable(&self.node.metrics, why);
                    otherwise
                })?;
                let message = ToShard::Resume(Box::new(coming_back.0));
                (message, coming_back.1, otherwise)
            }
        };
        shard.send(message).map_err(|_| otherwise)?;
        Ok(shard)
    }

    async fn talk(&mut self, mut inbox: mpsc::Receiver<ToSignal>) -> Ending {
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signs = interval(SIGN_INTERVAL);
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first_refresh = tokio::time::Instant::now() + REFRESH_INTERVAL;
        let mut refreshes = interval_at(first_refresh, REFRESH_INTERVAL);
        loop {
            // News of the room first: a client that talks a lot still hears that it has
            // to go.
            let going_on = tokio::select! {
                biased;
                news = inbox.recv() => match news {
                    Some(news) => self.tell(news).await,
                    None => Err(Ending::Replaced),
                },
                _ = pings.tick() => self.ping().await,
                _ = signs.tick() => self.give_sign().await,
                _ = refreshes.tick() => self.refresh().await,
                frame = self.socket.recv(), if self.participant.is_some() => match frame {
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
                self.enter(&joined.participant);
                info!(room = %joined.room.id, "joined");
                let response = self.join_response(&joined);
                self.say(&response).await?;
                self.refresh().await
            }
            ToSignal::Resumed(resumed) => {
                self.enter(&resumed.participant);
                info!(room = %resumed.room.id, "came back");
                for response in self.resume_responses(&resumed) {
                    self.say(&response).await?;
                }
                self.refresh().await
            }
            ToSignal::Unknown => {
                info!("wants to come back and is not known");
                self.dismiss(LeaveReason::StateMismatch).await;
                Err(Ending::Dismissed)
            }
            ToSignal::ComeBack(reason) => {
                info!(?reason, "told to come back");
                self.part_with(&Response::resume(reason)).await;
                Err(Ending::Dismissed)
            }
            ToSignal::LeaveForGood(reason) => {
                info!(?reason, "told to leave for good");
                self.part_with(&Response::leave_for_good(reason)).await;
                Err(Ending::Dismissed)
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
                if let Notice::Participants(participants) = &notice {
                    self.follow(participants).await?;
                }
                for response in wire::notice(&notice, self.recipient()) {
                    self.say(&response).await?;
                }
                Ok(())
            }
            ToSignal::SentOver(room, pass) => self.send_over(&room, pass.as_deref()).await,
            ToSignal::Moved(joined, pass) => self.moved(&joined, pass.as_deref()).await,
            ToSignal::Broadcast(broadcast) => {
                self.follow(broadcast.participants()).await?;
                match self.format {
                    FrameFormat::Binary => {
                        for frame in broadcast.frames() {
                            self.send(Message::Binary(frame.clone())).await?;
                        }
                    }
                    FrameFormat::Text => {
                        for response in wire::notice(&broadcast.notice(), self.recipient()) {
                            self.say(&response).await?;
                        }
                    }
                }
                Ok(())
            }
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

    /// It is in: its token follows what it becomes.
    fn enter(&mut self, own: &Arc<ParticipantInfo>) {
        Span::current().record("participant", field::display(own.id));
        self.participant = Some(own.id);
        self.guest.claims.update(own);
        self.shown = Some(Arc::clone(own));
    }

    /// Gives the client a token that says what it has become, if that changed.
    async fn follow(&mut self, changed: &[Arc<ParticipantInfo>]) -> Result<(), Ending> {
        let Some(own) = changed
            .iter()
            .rfind(|info| Some(info.id) == self.participant)
        else {
            return Ok(());
        };
        let before = self.shown.replace(Arc::clone(own));
        let claims = |info: &ParticipantInfo| {
            (
                info.name.clone(),
                info.metadata.clone(),
                info.attributes.clone(),
                info.permission.clone(),
            )
        };
        if before.is_some_and(|before| claims(&before) == claims(own)) {
            return Ok(());
        }
        self.guest.claims.update(own);
        self.refresh().await
    }

    fn join_response(&self, joined: &sfu::Joined) -> Response {
        Response::join(&wire::Joined {
            room: &joined.room,
            participant: &joined.participant,
            others: &joined.others,
            request: &self.guest.request,
            settings: &self.settings(&joined.room),
        })
    }

    /// What somebody who comes back is told, in this order: that it is back, who left, who
    /// is there, the room, and what became of its last wishes.
    fn resume_responses(&self, resumed: &sfu::Resumed) -> Vec<Response> {
        let settings = self.settings(&resumed.room);
        let client = &self.guest.request.client;
        let back = Response::reconnect(client, &settings, resumed.last_sequence);
        let departed = resumed.departed.iter().map(AsRef::as_ref);
        let present = resumed.present.iter().map(AsRef::as_ref);
        let announced = resumed.announced.iter();
        let mut responses = vec![back];
        responses.extend(Response::participants(departed));
        responses.extend(Response::participants(present));
        responses.push(Response::room_update(&resumed.room));
        responses.extend(announced.map(|(cid, track)| Response::track_published(cid, track)));
        responses
    }

    fn settings(&self, room: &sfu::RoomInfo) -> JoinSettings {
        JoinSettings {
            region: self.node.config.node.region.clone(),
            node_id: self.node.id.clone(),
            ice_servers: self.ice_servers(),
            sif_trailer: room.id.as_str().to_owned().into(),
        }
    }

    fn ice_servers(&self) -> Vec<IceServer> {
        let place = self.shard.as_ref().zip(self.participant);
        let (Some(relays), Some((shard, participant))) = (&self.node.relays, place) else {
            return Vec::new();
        };
        let number = self.node.directory.number_of(shard);
        number.map_or_else(Vec::new, |number| {
            relays.ice_servers(Instant::now(), number, participant)
        })
    }

    fn recipient(&self) -> Recipient {
        let client = &self.guest.request.client;
        Recipient {
            protocol: client.protocol,
            sdk: client.sdk,
        }
    }

    /// Gives the client a token for coming back.
    async fn refresh(&mut self) -> Result<(), Ending> {
        match self.token(&self.guest.claims) {
            Some(token) => self.say(&Response::refresh_token(token)).await,
            None => Ok(()),
        }
    }

    fn token(&self, claims: &Claims) -> Option<String> {
        let now = unix_now().as_secs();
        match &self.node.control {
            Some(control) if !claims.of.is_empty() => control.refresh(claims, now),
            Some(_) | None => self.node.keys.refresh(claims, now),
        }
    }

    async fn end(mut self, ending: Ending) {
        debug!(?ending, "signal connection ends");
        let wish = match ending {
            Ending::Left(reason) => {
                self.close(close_code::NORMAL, "").await;
                Wish::Leave(reason)
            }
            Ending::Lost => Wish::LoseSignal,
            Ending::Dismissed => return,
            // Without a word: one that is normal would freeze some clients.
            Ending::Replaced => return self.close(close_code::AWAY, "").await,
            Ending::Expelled { code, why, reason } => {
                info!(why, "expelled");
                // The others need not wait; a shard that takes nothing notices by ICE.
                let _ = self.wish(Wish::Leave(reason));
                if self.say(&Response::leave(reason)).await.is_ok() {
                    self.close(code, why).await;
                    self.linger().await;
                }
                return;
            }
        };
        // A shard that takes nothing now notices by ICE that the client is gone.
        let _ = self.wish(wish);
    }
}

fn unreadable(metrics: &Metrics, why: Unreadable) {
    info!(%why, "the request to join cannot be used");
    metrics.signal_errors.with_label_values(&["sdp"]).inc();
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
