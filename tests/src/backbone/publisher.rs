//! Sends what a node publishes, when it is due: a thread of its own, so that its timing is nobody
//! else's business. A layer is sent while somebody wants it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use tokio::sync::oneshot;

use super::{
    fabric::{Fabric, Feed, Position},
    order::{LayerName, Nanos, Sent, Span, now},
    packet::{Alone, Stamp},
    sources::{Kind, Pace, Source},
};

/// What it is told.
#[derive(Debug)]
pub enum Wish {
    /// Here is a track.
    Publish(String, Source),
    /// Somebody wants this layer.
    Begin(LayerName, Feed),
    /// Nobody wants it any more.
    End(LayerName),
    /// The next picture is to stand alone.
    Keyframe(LayerName),
    /// Count only what is sent in this time.
    Count(Span),
    /// What was sent, and how many packets the relay had no room for?
    Report(oneshot::Sender<(Vec<Sent>, u64)>),
}

/// Starts the thread; it ends when nobody can tell it anything any more.
pub fn start(fabric: Arc<Fabric>) -> Result<Sender<Wish>> {
    let (wishes, inbox) = mpsc::channel();
    let publisher = Publisher {
        fabric,
        layers: HashMap::new(),
        due: BinaryHeap::new(),
        span: Span {
            from: 0,
            until: Nanos::MAX,
            in_time: Nanos::MAX,
        },
        refused: 0,
    };
    thread::Builder::new()
        .name("publisher".to_owned())
        .spawn(move || publisher.run(&inbox))?;
    Ok(wishes)
}

struct Publisher {
    fabric: Arc<Fabric>,
    layers: HashMap<LayerName, Layer>,
    due: BinaryHeap<Reverse<(Nanos, LayerName)>>,
    span: Span,
    refused: u64,
}

struct Layer {
    kind: Kind,
    pace: Pace,
    /// How to name it to the relay, while it is wanted.
    feed: Option<Feed>,
    packets: u32,
    pictures: u32,
    next: Alone,
    sent: Sent,
}

impl Publisher {
    fn run(mut self, inbox: &Receiver<Wish>) {
        loop {
            let now = now();
            let wait = self
                .due
                .peek()
                .map(|Reverse((at, _))| at.saturating_sub(now));
            // A day is as good as for ever.
            let wait = wait.map_or(Duration::from_secs(86_400), Duration::from_nanos);
            match inbox.recv_timeout(wait) {
                Ok(wish) => self.obey(wish),
                Err(RecvTimeoutError::Timeout) => self.send_due(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, wish: Wish) {
        match wish {
            Wish::Publish(room, source) => self.publish(&room, &source),
            Wish::Begin(name, feed) => self.begin(name, feed),
            Wish::End(name) => {
                if let Some(layer) = self.layers.get_mut(&name) {
                    layer.feed = None;
                }
            }
            Wish::Keyframe(name) => {
                if let Some(layer) = self.layers.get_mut(&name) {
                    layer.next = Alone::Yes;
                }
            }
            Wish::Count(span) => {
                self.span = span;
                self.refused = 0;
                for layer in self.layers.values_mut() {
                    let sent = &mut layer.sent;
                    (sent.packets, sent.bytes, sent.pictures, sent.keyframes) = (0, 0, 0, 0);
                }
            }
            Wish::Report(answer) => {
                let sent = self.layers.values().map(|layer| layer.sent.clone());
                // Who asked may have gone.
                let _ = answer.send((sent.collect(), self.refused));
            }
        }
    }

    fn publish(&mut self, room: &str, source: &Source) {
        for (number, pace) in source.layers.iter().enumerate() {
            let name = LayerName {
                room: room.to_owned(),
                track: source.track.clone(),
                layer: number as u8,
            };
            let layer = Layer {
                kind: source.kind,
                pace: *pace,
                feed: None,
                packets: 0,
                pictures: 0,
                next: Alone::Yes,
                sent: Sent {
                    layer: name.clone(),
                    packets: 0,
                    bytes: 0,
                    pictures: 0,
                    keyframes: 0,
                },
            };
            self.layers.insert(name, layer);
        }
    }

    fn begin(&mut self, name: LayerName, feed: Feed) {
        let Some(layer) = self.layers.get_mut(&name) else {
            return;
        };
        if layer.feed.replace(feed).is_some() {
            return;
        }
        layer.next = Alone::Yes;
        if !self.due.iter().any(|Reverse((_, due))| *due == name) {
            let first = layer.pace.first.as_nanos() as Nanos;
            self.due.push(Reverse((now() + first, name)));
        }
    }

    fn send_due(&mut self) {
        let now = now();
        while let Some(Reverse((at, name))) = self.due.pop() {
            if at > now {
                self.due.push(Reverse((at, name)));
                return;
            }
            let Some(layer) = self.layers.get_mut(&name) else {
                continue;
            };
            let Some(feed) = layer.feed else {
                continue;
            };
            let counts = (self.span.from..self.span.until).contains(&at);
            // Stamped with the time it was due: what this thread is late with is late.
            let packets = layer.picture(at, counts);
            let count = packets.len() as u64;
            if !self.fabric.feed(feed, packets) && counts {
                self.refused += count;
            }
            let every = layer.pace.every.as_nanos() as Nanos;
            self.due.push(Reverse((at + every, name)));
        }
    }
}

impl Layer {
    fn picture(&mut self, at: Nanos, counts: bool) -> Vec<(Position, bytes::Bytes)> {
        let alone = match self.kind {
            Kind::Voice => Alone::No,
            Kind::Camera => std::mem::replace(&mut self.next, Alone::No),
        };
        let count = match alone {
            Alone::Yes => self.pace.keyframe_packets,
            Alone::No => self.pace.packets,
        };
        if counts {
            self.sent.packets += u64::from(count);
            self.sent.bytes += u64::from(count) * self.pace.bytes as u64;
            self.sent.pictures += 1;
            self.sent.keyframes += u64::from(alone == Alone::Yes);
        }
        let first = self.packets;
        let packet = |index: u16| {
            let stamp = Stamp {
                sent_at: at,
                number: first + u32::from(index),
                picture: self.pictures,
                index,
                count,
                alone,
            };
            let position = Position {
                kind: self.kind,
                alone,
                last: index + 1 == count,
            };
            (position, stamp.write(self.pace.bytes))
        };
        let packets = (0..count).map(packet).collect();
        self.packets += u32::from(count);
        self.pictures += 1;
        packets
    }
}
