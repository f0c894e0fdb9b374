//! A light client that joined and now does nothing by itself: its owner has it send, and
//! somebody else reads its socket. A task of its own keeps its signalling alive.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use livekit_protocol::{
    AddTrackRequest, Ping, SessionDescription, SimulcastCodec, TrackSource, TrackType, VideoLayer,
};
use rustix::net::connect_unspec;
use tokio::time::interval;

use crate::{
    load::{
        client::{
            handshake::{Connected, Dtls},
            inbox::{self, Coalescing},
            srtp::{Keys, RTCP_OVERHEAD},
            stun::Checks,
        },
        sdp::{Answer, Credentials, Offer, Repetition, Section, candidate},
    },
    signal::{Packing, Request, Response, Signal, join_request, v1},
    tokens,
};

/// What all seats of a benchmark share.
#[derive(Debug, Clone)]
pub struct House {
    /// The node.
    pub url: String,
    /// Shakes hands.
    pub dtls: Dtls,
    /// How datagrams are received.
    pub coalescing: Coalescing,
}

/// What a client joins for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To send one picture in one layer, and to see nobody.
    Publisher,
    /// To see so many.
    Subscriber {
        /// How many.
        tracks: usize,
    },
}

/// A client that is in.
#[derive(Debug)]
pub struct Seat {
    /// Where the node sees it.
    pub address: SocketAddr,
    socket: UdpSocket,
    server: SocketAddr,
    keys: Keys,
    checks: Checks,
    signal: Option<Signal>,
}

const LIMIT: Duration = Duration::from_secs(60);
/// As the browsers' clients do.
const PING: Duration = Duration::from_secs(5);

impl Seat {
    /// Joins `room`; also hands out the socket to receive on.
    pub async fn join(
        house: &House,
        room: &str,
        identity: &str,
        role: Role,
    ) -> Result<(Self, batch::Socket)> {
        let mut claims = tokens::claims(room, identity);
        // Else a thousand are told of a thousand, which is not what is measured.
        claims["video"]["hidden"] = (role != Role::Publisher).into();
        let token = tokens::sign(&claims, tokens::SECRET)?;
        let (inlet, socket) = open(house.coalescing)?;
        let address = socket.local_addr()?;
        let mut request = join_request();
        if let Some(settings) = &mut request.connection_settings {
            settings.auto_subscribe = role != Role::Publisher;
        }
        let path = v1(&request, Packing::Gzip)?;
        let (mut signal, _) = Signal::join_by(&house.url, &path, &token).await?;
        let mut offer = Offer {
            credentials: Credentials::draw(),
            fingerprint: house.dtls.fingerprint.clone(),
            address,
            sections: Vec::new(),
            version: 1,
            repetition: Repetition::None,
        };
        match role {
            Role::Publisher => {
                offer.sections.push(Section::SendVideo);
                let cid = offer.cid(Section::SendVideo);
                signal.send(Request::AddTrack(track(cid))).await?;
            }
            Role::Subscriber { tracks } => offer.grow(0, tracks),
        }
        let description = SessionDescription {
            r#type: "offer".to_owned(),
            sdp: one_layer(&offer.text()),
            id: offer.version,
            ..SessionDescription::default()
        };
        signal.send(Request::Offer(description)).await?;
        let answer = answered(&mut signal).await?;
        let checks = Checks {
            local: offer.credentials,
            remote: answer.credentials,
            crypto: house.dtls.crypto.clone(),
        };
        let connected = house.dtls.connect(socket, &answer.candidates, &checks);
        let Connected { socket, local, .. } = connected.await?;
        let server = socket.peer_addr()?;
        // The limit is measured against the same sockets and comes from another address.
        connect_unspec(&socket)?;
        let seat = Self {
            address,
            socket,
            server,
            keys: local,
            checks,
            signal: Some(signal),
        };
        Ok((seat, inlet))
    }

    /// Keeps the signalling alive until the node ends it.
    pub async fn attend(signal: Option<Signal>) {
        let Some(mut signal) = signal else { return };
        let mut pings = interval(PING);
        loop {
            tokio::select! {
                _ = pings.tick() => {
                    let ping = Ping { timestamp: 0, rtt: 0 };
                    // What fails here shows as the end of what is heard.
                    let _ = signal.send(Request::PingReq(ping)).await;
                }
                heard = signal.next() => if heard.is_end() { return },
            }
        }
    }

    /// What [`attend`](Self::attend) takes, once.
    pub fn take_signal(&mut self) -> Option<Signal> {
        self.signal.take()
    }

    /// Shows the node that it is still there.
    pub fn check(&self) -> Result<()> {
        self.send(&self.checks.request()?)
    }

    /// Says of the streams `ssrcs` that they arrive; the node then knows that they are
    /// known, and leaves out what names them.
    pub fn report(&mut self, ssrcs: &[u32]) -> Result<()> {
        for ssrcs in ssrcs.chunks(31) {
            let mut report = vec![0x80 | ssrcs.len() as u8, 201];
            report.extend_from_slice(&(1 + 6 * ssrcs.len() as u16).to_be_bytes());
            report.extend_from_slice(&7_u32.to_be_bytes());
            for ssrc in ssrcs {
                report.extend_from_slice(&ssrc.to_be_bytes());
                report.extend_from_slice(&[0; 20]);
            }
            self.send_rtcp(report)?;
        }
        Ok(())
    }

    /// Seals and sends a compound.
    pub fn send_rtcp(&mut self, mut compound: Vec<u8>) -> Result<()> {
        let length = compound.len();
        compound.resize(length + RTCP_OVERHEAD, 0);
        let sealed = self.keys.seal_rtcp(&mut compound, length);
        let sealed = sealed.context("a compound can't be sealed")?;
        self.send(&compound[..sealed])
    }

    /// Seals and sends a packet whose last bytes are room for the tag.
    pub fn send_rtp(&self, packet: &mut [u8], header: usize, index: u64) -> Result<()> {
        let sealed = self.keys.seal_rtp(packet, header, index);
        sealed.context("a packet can't be sealed")?;
        self.send(packet)
    }

    fn send(&self, datagram: &[u8]) -> Result<()> {
        self.socket.send_to(datagram, self.server)?;
        Ok(())
    }
}

/// A socket on a port that was asked for: it keeps it when its connection is dissolved.
fn open(coalescing: Coalescing) -> Result<(batch::Socket, UdpSocket)> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    /// Below those that the kernel gives away by itself.
    const PORTS: std::ops::Range<u16> = 12_000..32_000;
    let first = std::process::id() as u16;
    for _ in PORTS {
        let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + offset % (PORTS.end - PORTS.start);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Ok(sockets) = inbox::open(address, coalescing) {
            return Ok(sockets);
        }
    }
    bail!("no free UDP port")
}

/// The offer without what speaks of several layers.
fn one_layer(offer: &str) -> String {
    let speaks = |line: &&str| {
        !(line.starts_with("a=rid:")
            || line.starts_with("a=simulcast:")
            || line.ends_with(":rtp-stream-id"))
    };
    offer
        .split_inclusive("\r\n")
        .filter(|line| speaks(&line.trim_end()))
        .collect()
}

fn track(cid: String) -> AddTrackRequest {
    let layers = vec![VideoLayer {
        quality: 2,
        width: 1280,
        height: 720,
        bitrate: 1_700_000,
        ..VideoLayer::default()
    }];
    AddTrackRequest {
        cid: cid.clone(),
        name: "camera".to_owned(),
        r#type: TrackType::Video as i32,
        source: TrackSource::Camera as i32,
        width: 1280,
        height: 720,
        layers: layers.clone(),
        simulcast_codecs: vec![SimulcastCodec {
            codec: "vp8".to_owned(),
            cid,
            layers,
            ..SimulcastCodec::default()
        }],
        ..AddTrackRequest::default()
    }
}

/// Waits for the answer, and for an address if it names none.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a client passes over what it does not use"
)]
async fn answered(signal: &mut Signal) -> Result<Answer> {
    let mut trickled = Vec::new();
    let mut answer: Option<Answer> = None;
    signal
        .hear_until("an answer with an address", LIMIT, |heard| {
            match heard.response()? {
                Response::Answer(description) => answer = Answer::read(&description.sdp),
                Response::Trickle(trickle) => {
                    let init: serde_json::Value =
                        serde_json::from_str(&trickle.candidate_init).ok()?;
                    trickled.extend(init["candidate"].as_str().and_then(candidate));
                }
                _ => {}
            }
            let answer = answer.as_mut()?;
            answer.candidates.append(&mut trickled);
            (!answer.candidates.is_empty()).then(|| answer.clone())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_of_one_layer_names_none() {
        let offer = "v=0\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
                     a=rid:q send\r\na=simulcast:send q;h;f\r\na=mid:0\r\n";
        assert_eq!(one_layer(offer), "v=0\r\na=mid:0\r\n");
    }
}
