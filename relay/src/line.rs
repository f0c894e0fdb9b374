//! A link to one neighbour as the node keeps it: what decides ([`Link`]), what carries (two
//! [`Wire`]s), and when it has to be looked after.

use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use media::Bitrate;
use relay_proto::control::Message;
use relay_proto::heartbeat::Health;
use relay_proto::{Cost, FlowId, Lane, Limits, Link, Looked, Media, Shed, Use};
use tracing::info;

use crate::allowance::Allowance;
use crate::close::Close;
use crate::identity::Identity;
use crate::lane::{Dialled, Greeted, Standing};
use crate::outbox::{Full, Outbox};
use crate::refused::{Reason, Refused};
use crate::status::{LinkState, LinkStatus};
use crate::wire::Wire;

/// One neighbour's.
pub(crate) struct Line {
    pub(crate) identity: Identity,
    pub(crate) instance: u64,
    pub(crate) dialled: Dialled,
    pub(crate) standing: Standing,
    minor: u32,
    pub(crate) link: Link,
    control: Wire,
    video: Wire,
    outbox: Outbox,
    health: Health,
    staying: Staying,
    up_at: Instant,
    /// When the certificate of the other end expires.
    expires_at: Instant,
    look_at: Instant,
    /// When something has to be done.
    due_at: Instant,
    pub(crate) datagrams: Allowance,
    pub(crate) refused: Refused,
    datagram: BytesMut,
    /// A layer waits for the link to carry more.
    wanting: bool,
}

/// Whether the node at the other end goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Staying {
    Yes,
    No,
}

/// What a look at a link tells.
pub(crate) enum Look {
    /// It must be closed.
    Close(Close),
    /// It is as good as this.
    Good {
        /// Whether to use it, if that changed.
        use_it: Option<Use>,
        cost: Cost,
        /// What pictures may take in a second, for longer than a moment.
        carries: Bitrate,
    },
}

impl Line {
    /// Sound gives way to nobody: some hundred voices.
    const SOUND: Bitrate = Bitrate::kilobits(5_000);
    const LOOK: Duration = Duration::from_millis(100);
    /// When QUIC has no room, how soon to try again.
    const AGAIN: Duration = Duration::from_millis(1);
    /// More datagrams in a second than any line carries.
    const DATAGRAMS: f64 = 250_000.0;

    /// Both connections are up. `None` if they are not ours.
    pub(crate) fn new(
        now: Instant,
        limits: Limits,
        control: &Greeted,
        video: &Greeted,
        outbox: Outbox,
    ) -> Option<Self> {
        let until_expired = control
            .expires
            .min(video.expires)
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        // A century of validity is no moment that a clock has.
        let until_expired = until_expired.min(Duration::from_secs(10 * 365 * 86_400));
        let line = Self {
            identity: control.identity.clone(),
            instance: control.instance,
            dialled: control.dialled,
            standing: control.standing,
            minor: control.minor,
            link: Link::new(now, limits.start),
            control: Wire::new(control.connection.clone())?,
            video: Wire::new(video.connection.clone())?,
            outbox,
            health: Health::Up,
            staying: Staying::Yes,
            up_at: now,
            expires_at: now + until_expired,
            look_at: now + Self::LOOK,
            due_at: now,
            datagrams: Allowance::new(now, Self::DATAGRAMS),
            refused: Refused::default(),
            datagram: BytesMut::new(),
            wanting: false,
        };
        line.control.set_least(Self::SOUND);
        Some(line)
    }

    /// What the way to the other end costs before it was measured.
    pub(crate) fn first_cost(&self) -> Cost {
        Cost::of_link(self.round_trip(), 0.0)
    }

    fn round_trip(&self) -> Duration {
        self.control.connection().rtt()
    }

    /// The other end has this node in: whether that is news.
    pub(crate) fn is_let_in(&mut self) -> bool {
        let news = self.standing == Standing::Asking;
        self.standing = Standing::In;
        news
    }

    /// Tells the log that the link is there.
    pub(crate) fn log_up(&self) {
        info!(
            node = self.identity.node(),
            region = self.identity.region(),
            minor = self.minor,
            round_trip = ?self.round_trip(),
            "link up"
        );
    }

    /// Something was done to the link: it has to be served.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.due_at = self.due_at.min(now);
    }

    /// When to serve it.
    pub(crate) fn due_at(&self) -> Instant {
        self.due_at
    }

    /// The node at the other end goes.
    pub(crate) fn leaves(&mut self) -> Use {
        self.staying = Staying::No;
        Use::Leaving
    }

    /// Lets a message wait to be written.
    pub(crate) fn say(&self, message: Message) -> Result<(), Full> {
        self.outbox.push(message)
    }

    /// Looks how the other end is, if it is time to.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Look> {
        if now < self.look_at {
            return None;
        }
        if now >= self.expires_at {
            return Some(Look::Close(Close::Expired));
        }
        let health = self.link.health(now);
        let was = std::mem::replace(&mut self.health, health);
        self.look_at = (now + Self::LOOK).min(self.link.health_until(now).max(now + Self::AGAIN));
        let use_it = match (was, health) {
            (_, Health::Dead) => return Some(Look::Close(Close::Dead)),
            (Health::Up, Health::Silent) => Some(Use::Avoid),
            (Health::Silent | Health::Dead, Health::Up) => Some(match self.staying {
                Staying::Yes => Use::Yes,
                Staying::No => Use::Leaving,
            }),
            (Health::Up, Health::Up) | (Health::Silent | Health::Dead, Health::Silent) => None,
        };
        Some(Look::Good {
            use_it,
            cost: Cost::of_link(self.link.round_trip().unwrap_or_default(), self.loss()),
            carries: self.video.carries(),
        })
    }

    /// What the look led to.
    pub(crate) fn looked(&mut self, looked: Looked) {
        self.wanting = looked.wanting;
        self.refused.count_many(Reason::UnknownFlow, looked.unmet);
    }

    /// Gives QUIC what may leave. The flows that cannot go on without a keyframe.
    pub(crate) fn pump(&mut self, now: Instant) -> Vec<FlowId> {
        let mut full = false;
        for lane in [Lane::Control, Lane::Video] {
            let held_back = self.link.take_held_back(lane);
            // A layer that is not sent for lack of room waits as much as a packet does.
            let (wire, held_back) = match lane {
                Lane::Control => (&mut self.control, held_back),
                Lane::Video => (&mut self.video, held_back || self.wanting),
            };
            let rate = wire.rate(held_back);
            self.link.set_rate(now, lane, rate);
            let mut room = wire.room(rate);
            if room == 0 {
                full = true;
                wire.try_again(now);
            }
            while room > 0 && self.link.transmit(now, lane, &mut self.datagram) {
                room = room.saturating_sub(self.datagram.len());
                wire.send(self.datagram.split().freeze());
                full |= room == 0;
            }
            if self.datagram.capacity() < Media::OVERHEAD + 2_048 {
                self.datagram.reserve(64 << 10);
            }
        }
        let due_at = self.link.deadline().min(self.look_at);
        self.due_at = if full {
            due_at.max(now + Self::AGAIN)
        } else {
            due_at
        };
        self.link.take_broken()
    }

    pub(crate) fn close(&self, why: Close) {
        self.control.close(why);
        self.video.close(why);
    }

    /// The share of our packets that gets lost, with pictures and with sound.
    pub(crate) fn loss(&self) -> f64 {
        let of = |lane| self.link.loss(lane);
        of(Lane::Video).max(of(Lane::Control))
    }

    /// What pictures may take in a second.
    pub(crate) fn rate(&self) -> Bitrate {
        self.video.rate(false)
    }

    /// Datagrams that QUIC did not take.
    pub(crate) fn untaken(&self) -> u64 {
        self.control.refused() + self.video.refused()
    }

    /// As an operator sees it.
    pub(crate) fn status(&self, now: Instant, layers: (usize, usize), rooms: usize) -> LinkStatus {
        let counts = self.link.counts();
        let round_trip = self.link.round_trip();
        LinkStatus {
            node: self.identity.node().to_owned(),
            region: self.identity.region().to_owned(),
            address: self.control.connection().remote_address().to_string(),
            state: match (self.health, self.staying) {
                (Health::Silent | Health::Dead, _) => LinkState::Silent,
                (Health::Up, Staying::No) => LinkState::Leaving,
                (Health::Up, Staying::Yes) => LinkState::Up,
            },
            up_s: now.saturating_duration_since(self.up_at).as_secs(),
            round_trip_ms: round_trip.map(|time| time.as_secs_f64() * 1_000.0),
            loss: self.loss(),
            rate_bps: self.rate().0,
            rooms,
            layers_out: layers.0,
            layers_in: layers.1,
            packets_sent: counts.left.iter().map(|left| left.packets).sum(),
            bytes_sent: counts.left.iter().map(|left| left.bytes).sum(),
            packets_received: counts.came.packets,
            bytes_received: counts.came.bytes,
            repairs: counts.repairs,
            given_up: self.link.given_up(),
            shed: Shed::ALL.iter().map(|why| self.link.shed(*why)).sum(),
        }
    }
}
