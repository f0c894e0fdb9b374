//! What tests over real QUIC share: nodes on the loopback, cables between them that can be cut, a
//! microphone, and a stranger who speaks QUIC by hand.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod cable;
pub(crate) mod stranger;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use media::Layer;
use prometheus::{Registry, TextEncoder};
use relay::{
    Command, Credentials, Event, Identity, Metrics, Neighbour, Relay, Settings, Status, pki,
};
use relay_proto::control::Kind;
use relay_proto::{
    End, Handle, Keyframe, LayerId, LayerKey, Place, Reference, TrackKey, Transit, Wanted,
};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than anything takes on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) const PLACE: Place = Place {
    keyframe: Keyframe::No,
    end: End::Yes,
    reference: Reference::Yes,
};

/// A node, what it said, and what it counted.
pub(crate) struct Node {
    pub(crate) relay: Relay,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) registry: Registry,
}

/// How a test has a node.
pub(crate) struct Wanting<'a> {
    pub(crate) authority: &'a pki::Pair,
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
    pub(crate) valid: Duration,
    pub(crate) change: fn(&mut Settings),
    pub(crate) neighbours: Vec<Neighbour>,
}

impl<'a> Wanting<'a> {
    pub(crate) fn new(authority: &'a pki::Pair, name: &'a str) -> Self {
        Self {
            authority,
            name,
            region: "lagos",
            valid: HOUR,
            change: |_| {},
            neighbours: Vec::new(),
        }
    }

    pub(crate) fn hub(mut self) -> Self {
        self.change = |settings| settings.transit = Transit::Yes;
        self
    }

    pub(crate) fn linked_to(mut self, node: &str, address: SocketAddr) -> Self {
        self.neighbours.push(Neighbour {
            node: node.to_owned(),
            address,
            region: None,
        });
        self
    }

    pub(crate) fn start(self) -> Node {
        let registry = Registry::new();
        let credentials = credentials(self.authority, self.name, self.region, self.valid);
        let mut settings = Settings::new(credentials, "127.0.0.1:0".parse().expect("an address"));
        settings.metrics = Metrics::new(&registry).expect("nothing is registered yet");
        (self.change)(&mut settings);
        settings.neighbours = self.neighbours;
        let (relay, events) = Relay::start(settings, rand::random()).expect("it starts");
        Node {
            relay,
            events,
            registry,
        }
    }
}

impl Node {
    pub(crate) async fn tell(&self, command: Command) {
        self.relay.tell(command).await.expect("it has not stopped");
    }

    /// Waits for an event.
    pub(crate) async fn until(&mut self, what: &str, mut is_it: impl FnMut(&Event) -> bool) {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if is_it(&event) {
                    return;
                }
            }
            panic!("the node stopped before {what}");
        };
        timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("it never was that {what}"));
    }

    pub(crate) async fn until_linked(&mut self, name: &str, wanted: Wanted) {
        self.until(&format!("{name} linked: {wanted:?}"), |event| {
            matches!(event, Event::Neighbour(who, is) if who.node() == name && *is == wanted)
        })
        .await;
    }

    pub(crate) async fn until_track(&mut self, wanted: Wanted) {
        self.until(
            &format!("the track is there: {wanted:?}"),
            |event| matches!(event, Event::Track(key, _, is) if *key == track() && *is == wanted),
        )
        .await;
    }

    pub(crate) async fn status(&self) -> Status {
        let status = self.relay.observer().status().await;
        status.expect("it has not stopped")
    }

    /// Waits until what it is like is as it should be.
    pub(crate) async fn until_status(&self, what: &str, is_it: impl Fn(&Status) -> bool) -> Status {
        let began_at = Instant::now();
        loop {
            let status = self.status().await;
            if is_it(&status) {
                return status;
            }
            assert!(
                began_at.elapsed() < PATIENCE,
                "it never was that {what}: {status:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A counter by its name and one label's value.
    pub(crate) fn counted(&self, name: &str, label: &str) -> u64 {
        let text = TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("metrics are text");
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(&format!("\"{label}\"")))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>() as u64
    }

    pub(crate) async fn until_counted(&self, name: &str, label: &str, least: u64) {
        let began_at = Instant::now();
        while self.counted(name, label) < least {
            assert!(
                began_at.elapsed() < PATIENCE,
                "{name} {label} is {}, not {least}",
                self.counted(name, label)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A publisher's sound: a packet every 20 ms, by the clock.
pub(crate) struct Microphone {
    _task: JoinSet<()>,
}

/// Publishes the track at `node`, and speaks as soon as somebody listens.
pub(crate) async fn speak(node: Node) -> Microphone {
    node.tell(Command::Publish(track(), Kind::Audio, 1)).await;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let Node {
            relay, mut events, ..
        } = node;
        let mut fed: Option<LayerId> = None;
        let mut sequence = 0;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Feed(_, id, Wanted::Yes)) => fed = Some(id),
                    Some(Event::Feed(_, id, Wanted::No)) if fed == Some(id) => fed = None,
                    Some(_) => {}
                    None => return,
                },
                _ = tick.tick() => {
                    // It goes on counting when nobody listens, as a microphone does.
                    sequence += 1;
                    if let Some(id) = fed {
                        let packet = (id, PLACE, rtp(sequence));
                        if relay.tell(Command::Feed(vec![packet])).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    });
    Microphone { _task: task }
}

/// What came of the sound, and when.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) packets: Vec<(Instant, u16)>,
}

impl Heard {
    /// The longest time without sound since `from`.
    pub(crate) fn longest_gap(&self, from: Instant) -> Duration {
        let at: Vec<_> = self.packets.iter().map(|(at, _)| *at).collect();
        at.windows(2)
            .filter(|pair| pair[1] >= from)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or(PATIENCE)
    }

    /// Packets that never came, of those between the first and the last.
    pub(crate) fn lost(&self) -> usize {
        let mut numbers: Vec<_> = self.packets.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return 0;
        };
        usize::from(last - first) + 1 - numbers.len()
    }

    pub(crate) fn doubles(&self) -> usize {
        let mut numbers: Vec<_> = self.packets.iter().map(|(_, number)| *number).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        all - numbers.len()
    }
}

/// Wants the sound at `node`.
pub(crate) async fn listen(node: &Node) {
    node.tell(Command::Want(layer(), Handle(7), Wanted::Yes))
        .await;
}

/// Listens until `count` more packets came.
pub(crate) async fn hear(node: &mut Node, heard: &mut Heard, count: usize) {
    let until = heard.packets.len() + count;
    node.until("sound comes", |event| {
        if let Event::Media(packets) = event {
            let now = Instant::now();
            for (_, _, rtp) in packets {
                let number = u16::from_be_bytes([rtp[2], rtp[3]]);
                heard.packets.push((now, number));
            }
        }
        heard.packets.len() >= until
    })
    .await;
}

pub(crate) fn authority() -> pki::Pair {
    pki::authority(OffsetDateTime::now_utc()).expect("a CA is made")
}

pub(crate) fn pair(authority: &pki::Pair, name: &str, region: &str, valid: Duration) -> pki::Pair {
    let identity = Identity::new(region, name).expect("a name");
    let now = OffsetDateTime::now_utc();
    // No time at all is an hour ago: certificates count seconds.
    let made_at = if valid.is_zero() { now - HOUR } else { now };
    pki::node(authority, &identity, made_at, valid).expect("a certificate")
}

pub(crate) fn credentials(
    authority: &pki::Pair,
    name: &str,
    region: &str,
    valid: Duration,
) -> Credentials {
    let pair = pair(authority, name, region, valid);
    Credentials::from_pem(
        authority.certificate.as_bytes(),
        pair.certificate.as_bytes(),
        pair.key.as_bytes(),
    )
    .expect("what was made is read")
}

pub(crate) fn rtp(sequence: u16) -> Bytes {
    let mut rtp = BytesMut::new();
    rtp.put_u16(0x8000);
    rtp.put_u16(sequence);
    rtp.resize(100, 0);
    rtp.freeze()
}

pub(crate) fn track() -> TrackKey {
    TrackKey {
        room: "maths".into(),
        track: "TR_mic".into(),
    }
}

pub(crate) fn layer() -> LayerKey {
    LayerKey {
        track: track(),
        layer: Layer::LOW,
    }
}
