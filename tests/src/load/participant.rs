//! One participant of a run: joins by version 1 with a single connection, publishes and
//! subscribes as its part wants it, and leaves when told. Signalling is its own; media is
//! carried by [`Media`].

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use livekit_protocol::{
    JoinRequest, LeaveRequest, ParticipantInfo, Ping, SessionDescription, TrackType,
    UpdateTrackSettings,
};
use tokio::{sync::watch, time::interval};

use super::{
    client::{
        Client,
        handshake::Dtls,
        inbox::{self, Coalescing},
        stun::Checks,
    },
    media::{ClientId, Media},
    part::{Part, Watch},
    sdp::{Answer, Credentials, Offer, candidate},
};
use crate::{
    signal::{Heard, Packing, Request, Response, Signal, join_request, v1},
    tokens,
};

/// What all participants of a run share.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The server.
    pub url: String,
    /// Its key and secret.
    pub key: String,
    /// Of that key.
    pub secret: String,
    /// Carries the media.
    pub media: Media,
    /// Shakes hands.
    pub dtls: Dtls,
    /// How datagrams are received.
    pub coalescing: Coalescing,
    /// The address of the first participant, if each has one of its own; the next has the next.
    pub first: Option<Ipv4Addr>,
}

impl Stage {
    /// Where a participant sends from, if that is not all the same.
    fn own_address(&self, number: usize) -> Option<Ipv4Addr> {
        let first = u32::from(self.first?);
        Some(Ipv4Addr::from(first + u32::try_from(number).ok()?))
    }
}

/// A participant that is in.
#[derive(Debug)]
pub struct Participant {
    signal: Signal,
    stage: Stage,
    part: Part,
    offer: Offer,
    client: ClientId,
    settled: HashSet<String>,
    /// From opening the WebSocket to the end of the handshake.
    pub joined_in: Duration,
}

const LIMIT: Duration = Duration::from_secs(15);
/// As the browsers' clients do.
const PING: Duration = Duration::from_secs(5);

impl Participant {
    /// Joins, and answers when the connection is up.
    pub async fn join(stage: &Stage, part: Part) -> Result<Self> {
        let started = Instant::now();
        let mut claims = tokens::claims(&part.room, &part.identity);
        claims["iss"] = stage.key.clone().into();
        claims["video"]["canPublish"] = part.publishes().into();
        let token = tokens::sign(&claims, &stage.secret)?;
        let own = stage.own_address(part.number);
        let bind_to = own.map_or_else(|| bind_to(&stage.url), |own| (own, 0).into());
        let (inlet, socket) = inbox::open(bind_to, stage.coalescing)?;
        let mut offer = Offer {
            credentials: Credentials::draw(),
            fingerprint: stage.dtls.fingerprint.clone(),
            address: socket.local_addr()?,
            sections: part.own_sections(),
            version: 1,
            repetition: part.repetition,
        };
        let (audio, video) = part.sections;
        let empty = offer.sections.is_empty() && audio + video == 0;
        offer.grow(audio + usize::from(empty), video);
        let (mut signal, join) = match own {
            Some(own) => {
                // On a line of its own it spares round trips, as the newest clients do.
                let request = JoinRequest {
                    add_track_requests: part.tracks(&offer),
                    publisher_offer: Some(description(&offer)),
                    ..join_request()
                };
                let path = v1(&request, Packing::Gzip)?;
                Signal::join_from(own, &stage.url, &path, &token).await?
            }
            None => {
                let path = v1(&join_request(), Packing::Gzip)?;
                let (mut signal, join) = Signal::join_by(&stage.url, &path, &token).await?;
                for track in part.tracks(&offer) {
                    signal.send(Request::AddTrack(track)).await?;
                }
                signal.send(Request::Offer(description(&offer))).await?;
                (signal, join)
            }
        };
        let mut others = join.other_participants;
        let answer = answered(&mut signal, &mut others).await?;
        let checks = Checks {
            local: offer.credentials.clone(),
            remote: answer.credentials,
            crypto: stage.dtls.crypto.clone(),
        };
        let connected = stage
            .dtls
            .connect(socket, &answer.candidates, &checks)
            .await?;
        let devices = part.devices(&offer);
        let client = Client::new(connected, inlet, checks, part.group);
        let client = stage.media.add(client, devices).await?;
        let mut participant = Self {
            signal,
            stage: stage.clone(),
            part,
            offer,
            client,
            settled: HashSet::new(),
            joined_in: started.elapsed(),
        };
        participant.settle(&others).await?;
        Ok(participant)
    }

    /// Its client.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// Whether it sends anything.
    pub fn publishes(&self) -> bool {
        self.part.publishes()
    }

    /// Takes part until `leave` says so or its sender is gone; an error if the server ends
    /// it before.
    pub async fn stay(mut self, mut leave: watch::Receiver<bool>) -> Result<()> {
        let ended = self.follow(&mut leave).await;
        if ended.is_ok() {
            // The server may have closed at the same moment.
            let _ = self
                .signal
                .send(Request::Leave(LeaveRequest::default()))
                .await;
        }
        self.stage.media.remove(self.client);
        ended.with_context(|| self.part.identity.clone())
    }

    async fn follow(&mut self, leave: &mut watch::Receiver<bool>) -> Result<()> {
        let mut pings = interval(PING);
        loop {
            // The end comes first: what else is said then concerns nobody.
            tokio::select! {
                biased;
                () = told(leave) => return Ok(()),
                _ = pings.tick() => {
                    let ping = Ping { timestamp: 0, rtt: 0 };
                    self.signal.send(Request::PingReq(ping)).await?;
                }
                heard = self.signal.next() => self.hear(heard).await?,
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a client passes over what it does not use"
    )]
    async fn hear(&mut self, heard: Heard) -> Result<()> {
        let response = match heard {
            Heard::Response(response) => response,
            Heard::Unknown => return Ok(()),
            Heard::Closed(_) | Heard::Broken(_) => bail!("the server ended it: {heard:?}"),
        };
        match *response {
            Response::MediaSectionsRequirement(more) => {
                self.offer
                    .grow(more.num_audios as usize, more.num_videos as usize);
                self.offer.version += 1;
                self.signal
                    .send(Request::Offer(description(&self.offer)))
                    .await
            }
            Response::Update(update) => self.settle(&update.participants).await,
            Response::Leave(leave) => bail!("the server says leave, reason {}", leave.reason),
            _ => Ok(()),
        }
    }

    /// Says of each new picture whether, and how large, it is wanted.
    async fn settle(&mut self, others: &[ParticipantInfo]) -> Result<()> {
        let Watch::Next { count, of } = self.part.watch else {
            return Ok(());
        };
        for other in others {
            let Some(number) = number_of(&other.identity) else {
                continue;
            };
            let video =
                |track: &&livekit_protocol::TrackInfo| track.r#type == TrackType::Video as i32;
            for track in other.tracks.iter().filter(video) {
                if !self.settled.insert(track.sid.clone()) {
                    continue;
                }
                let settings = settings(&track.sid, self.part.number, number, count, of);
                self.signal.send(Request::TrackSetting(settings)).await?;
            }
        }
        Ok(())
    }
}

/// Whether somebody watches `number`, and how large.
pub fn settings(
    sid: &str,
    own: usize,
    number: usize,
    count: usize,
    of: usize,
) -> UpdateTrackSettings {
    let distance = (number + of - own % of) % of;
    let watched = (1..=count).contains(&distance);
    let (width, height) = if distance % 2 == 1 {
        (320, 180)
    } else {
        (640, 360)
    };
    UpdateTrackSettings {
        track_sids: vec![sid.to_owned()],
        disabled: !watched,
        width: if watched { width } else { 0 },
        height: if watched { height } else { 0 },
        ..UpdateTrackSettings::default()
    }
}

/// The number that a publisher's name ends in.
pub fn number_of(identity: &str) -> Option<usize> {
    identity.rsplit_once('-')?.1.parse().ok()
}

fn description(offer: &Offer) -> SessionDescription {
    SessionDescription {
        r#type: "offer".to_owned(),
        sdp: offer.text(),
        id: offer.version,
        ..SessionDescription::default()
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a client passes over what it does not use"
)]
/// Waits for the first answer, and for an address if it names none.
async fn answered(signal: &mut Signal, others: &mut Vec<ParticipantInfo>) -> Result<Answer> {
    let mut trickled = Vec::new();
    let mut answer: Option<Answer> = None;
    let choose = |heard: &Heard| {
        match heard.response()? {
            Response::Answer(description) => answer = Answer::read(&description.sdp),
            Response::Trickle(trickle) => {
                let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).ok()?;
                trickled.extend(init["candidate"].as_str().and_then(candidate));
            }
            Response::Update(update) => others.extend(update.participants.iter().cloned()),
            _ => {}
        }
        let answer = answer.as_mut()?;
        answer.candidates.append(&mut trickled);
        (!answer.candidates.is_empty()).then(|| answer.clone())
    };
    signal
        .hear_until("an answer with an address", LIMIT, choose)
        .await
}

/// Waits until `leave` says so, or its sender is gone.
pub async fn told(leave: &mut watch::Receiver<bool>) {
    // An error is the sender gone.
    let _ = leave.wait_for(|leave| *leave).await;
}

/// Loopback for a server on loopback: then nobody else can disturb the run.
fn bind_to(url: &str) -> SocketAddr {
    let local = url.contains("//127.") || url.contains("//localhost");
    let ip = if local {
        Ipv4Addr::LOCALHOST
    } else {
        outward()
    };
    (ip, 0).into()
}

/// The address this machine sends from. Connecting a UDP socket sends nothing.
fn outward() -> Ipv4Addr {
    let found = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    match found.map(|address| address.ip()) {
        Ok(IpAddr::V4(ip)) => ip,
        Ok(IpAddr::V6(_)) | Err(_) => Ipv4Addr::UNSPECIFIED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_watches_the_next_ones_at_two_sizes() {
        for own in [0, 7, 29] {
            let all = (0..30).filter(|number| *number != own);
            let settings: Vec<_> = all
                .map(|number| settings("TR_x", own, number, 9, 30))
                .collect();
            let watched = |height| {
                settings
                    .iter()
                    .filter(|s| !s.disabled && s.height == height)
                    .count()
            };
            assert_eq!((watched(180), watched(360)), (5, 4));
            assert_eq!(settings.iter().filter(|s| s.disabled).count(), 20);
        }
        assert_eq!(number_of("speaker-12"), Some(12));
        assert_eq!(number_of("confirm"), None);
    }
}
