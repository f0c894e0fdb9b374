//! The relay as it is used here: the one place that knows its interface.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use media::{Bitrate, Layer};
use prometheus::Registry;
use relay::{Command, Credentials, Event, Identity, Metrics, Neighbour, Relay, Settings, pki};
use relay_proto::{
    End, Handle, Keyframe, LayerId, LayerKey, Limits, Place, Reference, TrackKey, Transit, Wanted,
    control,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::{
    order::{LayerName, LinkSeen, Part, Role},
    packet::Alone,
    sources::Kind,
};

/// One node's part.
#[derive(Debug)]
pub struct Fabric {
    relay: Relay,
    counts: Registry,
}

/// What a node is told.
#[derive(Debug)]
pub enum Notice {
    /// A link to this node is up, or not any more.
    Neighbour(String, Is),
    /// A track can be had, or not any more.
    Track(String, String, Is),
    /// Somebody wants a layer that is published here, or nobody does any more.
    Feed(LayerName, Feed, Is),
    /// It needs a keyframe.
    Keyframe(LayerName),
    /// Packets of wanted layers, by the numbers they were wanted by.
    Media(Vec<(usize, Bytes)>),
    /// Another node says something about a room: which, who, and what.
    Said(String, String, Bytes),
}

/// Whether something is, or is not any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Is {
    /// It is.
    Yes,
    /// It was.
    NoMore,
}

/// By what the relay wants to be told which layer packets are of.
#[derive(Clone, Copy, Debug)]
pub struct Feed(LayerId);

/// Where a packet stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Of sound or of pictures.
    pub kind: Kind,
    /// Whether its picture stands alone.
    pub alone: Alone,
    /// Whether more of its picture follow.
    pub last: bool,
}

/// What [`Fabric::start`] returns besides: translates what the relay tells.
#[derive(Debug)]
pub struct Notices {
    events: mpsc::Receiver<Event>,
}

impl Fabric {
    /// Takes part as `part` says.
    pub fn start(part: &Part) -> Result<(Self, Notices)> {
        let papers = &part.papers;
        let credentials = Credentials::from_pem(
            papers.authority.as_bytes(),
            papers.certificate.as_bytes(),
            papers.key.as_bytes(),
        )?;
        let counts = Registry::new();
        let mut settings = Settings::new(credentials, part.bind);
        let neighbour = |(node, address): &(String, SocketAddr)| Neighbour {
            node: node.clone(),
            address: *address,
            region: None,
        };
        settings.neighbours = part.neighbours.iter().map(neighbour).collect();
        settings.transit = match part.role {
            Role::Host => Transit::No,
            Role::Hub => Transit::Yes,
        };
        settings.limits = Limits {
            start: Bitrate::kilobits(part.start),
            ..Limits::default()
        };
        settings.metrics = Metrics::new(&counts)?;
        let instance = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let (relay, events) = Relay::start(settings, instance.as_micros() as u64)?;
        Ok((Self { relay, counts }, Notices { events }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// A track is published here.
    pub async fn publish(&self, room: &str, track: &str, kind: Kind) {
        let kind = match kind {
            Kind::Voice => control::Kind::Audio,
            Kind::Camera => control::Kind::Video,
        };
        self.tell(Command::Publish(track_key(room, track), kind, EPOCH))
            .await;
    }

    /// The node named `own` hosts the room.
    pub async fn host(&self, room: &str, own: &str) {
        self.tell(Command::Publish(
            track_key(room, own),
            control::Kind::Host,
            EPOCH,
        ))
        .await;
    }

    /// A layer is wanted here, its packets as those of `number`.
    pub async fn want(&self, layer: &LayerName, number: usize) {
        let handle = Handle(number as u64);
        self.tell(Command::Want(layer_key(layer), handle, Wanted::Yes))
            .await;
    }

    /// A keyframe of a wanted layer is needed.
    pub async fn want_keyframe(&self, layer: &LayerName) {
        self.tell(Command::WantKeyframe(layer_key(layer))).await;
    }

    /// Packets of a layer that is published here. Whether the relay's queue had room for them.
    pub fn feed(&self, feed: Feed, packets: Vec<(Position, Bytes)>) -> bool {
        let place = |(position, packet): (Position, Bytes)| (feed.0, position.place(), packet);
        let packets = packets.into_iter().map(place).collect();
        self.relay.try_tell(Command::Feed(packets)).is_ok()
    }

    /// Says something to one node of the room, or to all.
    pub async fn say(&self, room: &str, to: Option<&str>, said: Bytes) {
        let to = to.map(str::to_owned).into_iter().collect();
        self.tell(Command::Say(room.to_owned(), to, said)).await;
    }

    /// What the links are like.
    pub async fn links(&self) -> Vec<LinkSeen> {
        let status = self.relay.observer().status().await;
        let links = status.map_or_else(Vec::new, |status| status.links);
        let seen = |link: relay::LinkStatus| LinkSeen {
            first: self.bytes(&link.node, &["audio", "base_layer", "enhancement"]),
            pictures_again: self.bytes(&link.node, &["video_repair"]),
            sound_again: self.bytes(&link.node, &["audio_repair"]),
            unasked: self.count(
                "relay_link_datagrams_refused_total",
                &link.node,
                &["unknown_flow"],
            ),
            rate: link.rate_bps,
            node: link.node,
        };
        links.into_iter().map(seen).collect()
    }

    /// Bytes of RTP that left over all links to a node there were, of these classes.
    fn bytes(&self, node: &str, classes: &[&str]) -> u64 {
        self.count("relay_link_bytes_sent_total", node, classes)
    }

    /// What a metric counts of the links to a node, under these labels.
    fn count(&self, metric: &str, node: &str, labels: &[&str]) -> u64 {
        let families = self.counts.gather();
        let family = families.iter().find(|family| family.name() == metric);
        let metrics = family.into_iter().flat_map(|family| family.get_metric());
        let counted = metrics.filter(|metric| {
            let mut values = metric.get_label().iter().map(|label| label.value());
            values.clone().any(|value| value == node) && values.any(|value| labels.contains(&value))
        });
        counted
            .map(|metric| metric.get_counter().get_value() as u64)
            .sum()
    }

    /// A relay that stopped is told nothing any more.
    async fn tell(&self, command: Command) {
        let _ = self.relay.tell(command).await;
    }
}

impl Notices {
    /// The next one; none when the relay has stopped.
    pub async fn next(&mut self) -> Option<Notice> {
        let is = |wanted| match wanted {
            Wanted::Yes => Is::Yes,
            Wanted::No => Is::NoMore,
        };
        Some(match self.events.recv().await? {
            // That shows by what comes.
            Event::Paused(..) => Notice::Media(Vec::new()),
            Event::Neighbour(who, wanted) => Notice::Neighbour(who.node().to_owned(), is(wanted)),
            Event::Track(track, _, wanted) => {
                Notice::Track(track.room.to_string(), track.track.to_string(), is(wanted))
            }
            Event::Feed(layer, id, wanted) => {
                Notice::Feed(layer_name(&layer), Feed(id), is(wanted))
            }
            Event::Keyframe(layer) => Notice::Keyframe(layer_name(&layer)),
            Event::Media(packets) => {
                let packets = packets.into_iter();
                let numbered = packets.map(|(handle, _, packet)| (handle.0 as usize, packet));
                Notice::Media(numbered.collect())
            }
            Event::Said(message) => Notice::Said(message.room, message.from, message.said),
        })
    }
}

impl Position {
    fn place(self) -> Place {
        Place {
            keyframe: match self.alone {
                Alone::Yes => Keyframe::Yes,
                Alone::No => Keyframe::No,
            },
            end: if self.last { End::Yes } else { End::No },
            // No sound needs the one before.
            reference: match self.kind {
                Kind::Voice => Reference::No,
                Kind::Camera => Reference::Yes,
            },
        }
    }
}

/// Nobody publishes a track twice here.
const EPOCH: u64 = 1;

fn track_key(room: &str, track: &str) -> TrackKey {
    TrackKey {
        room: room.into(),
        track: track.into(),
    }
}

fn layer_key(layer: &LayerName) -> LayerKey {
    LayerKey {
        track: track_key(&layer.room, &layer.track),
        layer: Layer(layer.layer),
    }
}

fn layer_name(layer: &LayerKey) -> LayerName {
    LayerName {
        room: layer.track.room.to_string(),
        track: layer.track.track.to_string(),
        layer: layer.layer.0,
    }
}

/// A CA for one trial.
#[derive(Debug)]
pub struct Authority(pki::Pair);

/// What a node proves itself with; all PEM.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Papers {
    authority: String,
    certificate: String,
    key: String,
    /// The name in the certificate.
    pub node: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        Ok(Self(pki::authority(OffsetDateTime::now_utc())?))
    }

    /// Papers for the node `name`, for a day.
    pub fn papers(&self, name: &str) -> Result<Papers> {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        let identity = Identity::new("lab", name).context("a node's name")?;
        let pair = pki::node(&self.0, &identity, OffsetDateTime::now_utc(), DAY)?;
        Ok(Papers {
            authority: self.0.certificate.clone(),
            certificate: pair.certificate,
            key: pair.key,
            node: name.to_owned(),
        })
    }
}
