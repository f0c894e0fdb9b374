//! A participant built on the `webrtc` crate, with two connections and signalling
//! version 0: the independent other end of our tests.
//!
//! A [`Peer`] is the handle; `participation` does the work.

mod participation;
mod publishing;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use livekit_protocol::{DataPacket, UserPacket, data_packet};
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    seen::{Link, Seen},
    signal::{Request, Signal, V0},
    tap::Tap,
    until::PATIENCE,
};
use participation::{Participation, Wish};

/// The label of the channel that loses nothing.
pub const RELIABLE: &str = "_reliable";
/// The label of the channel that resends nothing.
pub const LOSSY: &str = "_lossy";

/// A participant of a call.
#[derive(Debug)]
pub struct Peer {
    wishes: mpsc::UnboundedSender<Wish>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

/// What it brings along.
#[derive(Debug, Clone, Default)]
pub struct PeerOptions {
    /// What it publishes from the start.
    pub publish: Vec<Source>,
    /// A wire to put between the server and its publishing connection.
    pub publisher_tap: Option<Arc<Tap>>,
}

/// What a peer can publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Opus.
    Microphone,
    /// VP8, one layer.
    Camera,
}

impl PeerOptions {
    /// Publishes sound and picture.
    pub fn both() -> Self {
        Self {
            publish: vec![Source::Microphone, Source::Camera],
            ..Self::default()
        }
    }
}

impl Peer {
    /// Joins, and answers as soon as the server has let it in.
    pub async fn join(url: &str, token: &str, options: PeerOptions) -> Result<Self> {
        let (signal, join) = Signal::join_by(url, V0, token).await?;
        let own = join
            .participant
            .clone()
            .context("the join names no participant")?;
        let mut first = Seen {
            own,
            ..Seen::default()
        };
        first.update(join.other_participants);
        let (seen, watched) = watch::channel(first);
        let (wishes, asked) = mpsc::unbounded_channel();
        let participation = Participation::begin(signal, asked, seen, options).await?;
        let task = tokio::spawn(participation.run());
        Ok(Self {
            wishes,
            seen: watched,
            task,
        })
    }

    /// Joins with sound and picture, and answers when both directions are up.
    pub async fn join_call(url: &str, token: &str) -> Result<Self> {
        let peer = Self::join(url, token, PeerOptions::both()).await?;
        peer.connected().await?;
        Ok(peer)
    }

    /// Waits until both connections and both channels are up.
    pub async fn connected(&self) -> Result<()> {
        self.until("both connections and channels to come up", |seen| {
            let up = [seen.publisher, seen.subscriber] == [Link::Up; 2];
            up && seen.open_channels.len() == 2
        })
        .await
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until it has seen something.
    pub async fn until(&self, what: &str, wanted: impl FnMut(&Seen) -> bool) -> Result<()> {
        self.until_within(PATIENCE, what, wanted).await
    }

    /// Waits until it has seen something, not longer than `limit`.
    pub async fn until_within(
        &self,
        limit: Duration,
        what: &str,
        wanted: impl FnMut(&Seen) -> bool,
    ) -> Result<()> {
        let mut seen = self.seen.clone();
        let waited = match timeout(limit, seen.wait_for(wanted)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => anyhow!("it had left before {what}"),
            Err(_) => anyhow!("waited {limit:?} in vain for {what}"),
        };
        let seen = self.seen();
        Err(waited.context(format!("{} saw {seen:#?}", seen.own.identity)))
    }

    /// Waits for `count` more packets of each kind from somebody.
    pub async fn receives_more(&self, identity: &str, count: u64) -> Result<()> {
        let before = |kind: &str| -> u64 {
            let seen = self.seen.borrow();
            let of_kind = seen.tracks_of(identity).filter(|track| track.kind == kind);
            of_kind
                .map(|track| track.tally.packets)
                .max()
                .unwrap_or_default()
        };
        let wanted = before("audio").min(before("video")) + count;
        let wanted = wanted.max(before("audio").max(before("video")) / 4 + count);
        let what = format!("{wanted} packets of each kind from {identity}");
        self.until(&what, |seen| seen.sees_and_hears(identity, wanted))
            .await
    }

    /// Sends any signal message.
    pub fn request(&self, request: Request) -> Result<()> {
        self.wish(Wish::Request(Box::new(request)))
    }

    /// Sends a message to everybody, or to the named.
    pub fn send_data(&self, channel: &str, payload: &[u8], to: &[&str]) -> Result<()> {
        let user = UserPacket {
            payload: payload.to_vec(),
            ..UserPacket::default()
        };
        let packet = DataPacket {
            destination_identities: to.iter().map(|to| (*to).to_owned()).collect(),
            value: Some(data_packet::Value::User(user)),
            ..DataPacket::default()
        };
        self.send_raw_data(channel, packet.encode_to_vec())
    }

    /// Sends any bytes on a channel. A label that is neither of the two opens one.
    pub fn send_raw_data(&self, channel: &str, bytes: Vec<u8>) -> Result<()> {
        self.wish(Wish::Data {
            channel: channel.to_owned(),
            bytes,
        })
    }

    fn wish(&self, wish: Wish) -> Result<()> {
        self.wishes.send(wish).map_err(|_| anyhow!("it has left"))
    }

    /// Leaves in order and waits until everything is closed.
    pub async fn leave(self) -> Result<Seen> {
        self.wish(Wish::Leave)?;
        self.ended().await
    }

    /// Waits until it is out of the call, whoever ended it.
    pub async fn ended(self) -> Result<Seen> {
        let mut task = self.task;
        if timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
            bail!("it can't leave");
        }
        Ok(self.seen.borrow().clone())
    }

    /// Breaks off as a crashed client does: nothing is said, nothing is closed in order.
    pub fn crash(self) {
        self.task.abort();
    }
}
