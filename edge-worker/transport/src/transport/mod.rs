//! One client connection put together: which datagram goes to which protocol, in which
//! order they come up, and what is due when.
//!
//! First ICE tells which addresses are the client's, then DTLS agrees on keys, then
//! media and data flow. Nothing gets to a protocol before the one in front of it passed.

mod allowance;
mod follow;
mod negotiate;
mod numbering;
mod receive;
mod send;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{Bitrate, Codec, Mid, Packet, PlayoutDelay, Rtcp, Ssrc, Timestamp};
use rustc_hash::FxHashMap;

use crate::bandwidth::{Bandwidth, SentLog, Wanted};
use crate::drops::{DropReason, Drops};
use crate::dtls::{Dtls, DtlsFailure};
use crate::ice::{Ice, IceCredentials};
use crate::identity::Identity;
use crate::rtcp::Compounds;
use crate::rtx::Repairs;
use crate::sctp::{Channel, DataChannels, DataRefused, Opens};
use crate::sections::{
    Candidates, Negotiator, Sections, SectionsEvent, SenderId, Sending, SendingCodec,
};
use crate::srtp::{Opener, Place, Sealer};
use crate::twcc::ArrivalLog;
use crate::way::Way;
use allowance::Allowance;
use numbering::Numbering;

/// What a transport is made of.
#[derive(Debug)]
pub struct Setup {
    /// The node's certificate.
    pub identity: Arc<Identity>,
    /// Ours, random, for this transport alone.
    pub ice: IceCredentials,
    /// Where we are reached.
    pub candidates: Candidates,
    /// Who makes the offers.
    pub negotiator: Negotiator,
    /// How long the client shall keep our pictures before it shows them; `None` leaves it to
    /// the client.
    pub playout: Option<PlayoutDelay>,
}

/// What a transport asks for or tells.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send a datagram.
    Transmit {
        /// Where to.
        to: Way,
        /// What.
        bytes: Cow<'a, [u8]>,
    },
    /// Something happened.
    Event(Event),
}

/// What happens on a transport.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Media and data can flow.
    Connected,
    /// It is over.
    Failed(FailReason),
    /// The client moved to another address; packets follow it.
    AddressChanged,
    /// The client has not been heard of for 15 s. 5 s later the transport fails, unless
    /// the client comes back.
    Silent,
    /// The client takes a sender's packets. Told again when the codecs change.
    SenderReady {
        /// Whose.
        sender: SenderId,
        /// In these, best first; at least one.
        codecs: Vec<Codec>,
    },
    /// The client cannot play a sender.
    SenderRejected {
        /// Which.
        sender: SenderId,
    },
    /// Messages can flow on a channel.
    ChannelOpen(Channel),
    /// A message arrived.
    Data {
        /// On which channel.
        channel: Channel,
        /// The message.
        payload: Bytes,
    },
    /// What the client says of what it receives.
    Feedback {
        /// Of which sender; `None` of the transport as a whole.
        sender: Option<SenderId>,
        /// What.
        rtcp: Rtcp,
    },
    /// How much the client can be sent, told when that changes, some times a second at most.
    /// Never told where nobody can know.
    Estimate(Bitrate),
    /// What the client says of what it sends.
    Report {
        /// In which m-line.
        mid: Mid,
        /// What.
        rtcp: Rtcp,
    },
}

/// Why a transport is over.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailReason {
    /// The client has not checked the path for 20 s (RFC 7675 allows for up to 30 s).
    ConsentExpired,
    /// DTLS did not come up in time.
    HandshakeTimeout,
    /// The client ended DTLS with an alert.
    HandshakeRefused,
    /// The client's certificate is not the one its description names.
    WrongCertificate,
    /// The client said goodbye.
    ClosedByClient,
    /// The crypto beneath failed us.
    Crypto,
}

impl From<DtlsFailure> for FailReason {
    fn from(failure: DtlsFailure) -> Self {
        match failure {
            DtlsFailure::Fingerprint => Self::WrongCertificate,
            DtlsFailure::Alert => Self::HandshakeRefused,
            DtlsFailure::Timeout => Self::HandshakeTimeout,
            DtlsFailure::Setup => Self::Crypto,
        }
    }
}

/// One packet of a track, and the m-line it came in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The m-line.
    pub mid: Mid,
    /// The packet.
    pub packet: Packet<'a>,
}

/// One client connection. After each call that changes something,
/// [`poll`](Self::poll) until there is nothing more.
#[derive(Debug)]
pub struct Transport {
    identity: Arc<Identity>,
    candidates: Candidates,
    sections: Sections,
    ice: Ice,
    dtls: Option<Dtls>,
    keys: Option<Box<Keys>>,
    data: DataChannels,
    arrivals: ArrivalLog,
    sent: SentLog,
    numbering: Numbering,
    bandwidth: Box<Bandwidth>,
    /// A stream of the client's, for feedback about all of them has to name one.
    heard: Ssrc,
    /// The m-lines of the client's streams, for its reports.
    heard_in: FxHashMap<Ssrc, Mid>,
    /// By sender, as they are numbered.
    outbound: Vec<Option<Outbound>>,
    /// Whom feedback about a stream of ours is for.
    senders: FxHashMap<Ssrc, SenderId>,
    /// What is to be said with the next poll, and as it was written.
    rtcp: Vec<Rtcp>,
    compounds: Compounds,
    /// The compound that leaves; kept, like `said`, for its allocation.
    sealed: Vec<u8>,
    said: Vec<Rtcp>,
    transmits: VecDeque<(Way, Vec<u8>)>,
    events: VecDeque<Event>,
    drops: Drops,
    life: Life,
    hearing: Hearing,
    allowance: Allowance,
}

/// Whether the client is heard of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hearing {
    Yes,
    /// Not for a while, and that was told.
    Silence,
}

/// Media in both directions.
#[derive(Debug)]
struct Keys {
    sealer: Sealer,
    opener: Opener,
}

/// All that sealing a sender's packets needs, together: with hundreds of listeners the
/// time goes into fetching memory.
#[derive(Debug)]
struct Outbound {
    /// As negotiated, at [`Sections::agreed`] `seen`.
    sending: Option<Sending>,
    seen: u64,
    /// Of `sending`, the codec of the last packet.
    codec: Option<SendingCodec>,
    /// Whether the client has reported on the stream, so that it knows its m-line.
    placed: Placed,
    repairs: Repairs,
    place: Place,
    repair_place: Place,
    ssrc: Ssrc,
    rtx: Ssrc,
    /// Of the packet sent last.
    timestamp: Timestamp,
    cname: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Placed {
    Known,
    Unknown,
}

/// How far the transport has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Connecting,
    Connected,
    Over,
}

impl Transport {
    /// How much RTCP may wait for the next poll.
    const MAX_RTCP: usize = 1024;
    /// Our name in RTCP where no sender of ours is meant.
    const REPORTER: Ssrc = Ssrc(1);

    /// A transport nobody has been told of yet.
    pub fn new(now: Instant, setup: Setup) -> Self {
        let Setup {
            identity,
            ice,
            candidates,
            negotiator,
            playout,
        } = setup;
        let opens = match negotiator {
            Negotiator::Local => Opens::Us,
            Negotiator::Remote => Opens::Client,
        };
        Self {
            ice: Ice::new(ice, Arc::clone(identity.crypto())),
            identity,
            candidates,
            sections: Sections::new(negotiator, playout),
            dtls: None,
            keys: None,
            data: DataChannels::new(opens),
            arrivals: ArrivalLog::new(now),
            sent: SentLog::new(now),
            numbering: Numbering::default(),
            bandwidth: Box::default(),
            heard: Ssrc(0),
            heard_in: FxHashMap::default(),
            outbound: Vec::new(),
            senders: FxHashMap::default(),
            rtcp: Vec::new(),
            compounds: Compounds::default(),
            sealed: Vec::new(),
            said: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            drops: Drops::default(),
            life: Life::Connecting,
            hearing: Hearing::Yes,
            allowance: Allowance::new(now),
        }
    }

    /// Queues one report or request; everything queued goes into the next poll's
    /// compounds.
    pub fn send_rtcp(&mut self, rtcp: Rtcp) {
        if self.rtcp.len() < Self::MAX_RTCP {
            self.rtcp.push(rtcp);
        } else {
            self.drops.count(DropReason::RtcpFull);
        }
    }

    /// Takes a message for sending; it waits, within bounds, for its channel to open.
    pub fn send_data(&mut self, channel: &Channel, payload: Bytes) -> Result<(), DataRefused> {
        if self.life == Life::Over {
            return Err(DataRefused::NoChannel);
        }
        self.data.send(channel, payload)
    }

    /// What is to be done next; `None` until something happens again.
    pub fn poll(&mut self, now: Instant) -> Option<Output<'_>> {
        self.pump(now);
        if let Some(to) = self.seal_compound() {
            let bytes = Cow::Borrowed(&self.sealed[..]);
            return Some(Output::Transmit { to, bytes });
        }
        if let Some((to, bytes)) = self.transmits.pop_front() {
            let bytes = Cow::Owned(bytes);
            return Some(Output::Transmit { to, bytes });
        }
        self.next_event(now).map(Output::Event)
    }

    fn next_event(&mut self, now: Instant) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.life != Life::Connected {
            // A sender is ready when packets can flow.
            return None;
        }
        match self.sections.poll_event() {
            Some(SectionsEvent::SenderReady { sender, codecs }) => {
                self.expect_feedback(now, sender);
                Some(Event::SenderReady { sender, codecs })
            }
            Some(SectionsEvent::SenderRejected { sender }) => {
                Some(Event::SenderRejected { sender })
            }
            None => self.bandwidth.news(now).map(Event::Estimate),
        }
    }

    /// Notes whether the client tells what arrives of a sender's packets, and whether probes
    /// can be sent beside them.
    fn expect_feedback(&mut self, now: Instant, sender: SenderId) {
        let Some(sending) = self.sections.sending(sender) else {
            return;
        };
        if sending.twcc_extension.is_some() {
            self.bandwidth.expect_feedback(now);
            if sending.rtx_ssrc.is_some() {
                self.bandwidth.can_pad();
            }
        }
    }

    /// What is to be sent, and what would be sent next if it fitted: the transport finds out
    /// whether it does.
    pub fn want(&mut self, now: Instant, wanted: Wanted) {
        self.bandwidth.want(now, wanted, &self.sent);
    }

    /// How much the client can be sent; `None` where nobody knows. Changes are told by
    /// [`Event::Estimate`].
    pub fn estimate(&self) -> Option<Bitrate> {
        self.bandwidth.estimate()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        if self.life == Life::Over {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(Dtls::deadline);
        let connected = self.keys.is_some();
        let feedback = self.arrivals.deadline().filter(|_| connected);
        let bandwidth = self.bandwidth.deadline().filter(|_| connected);
        [
            dtls,
            feedback,
            bandwidth,
            self.data.deadline(),
            self.silence_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.life == Life::Over {
            return;
        }
        if self.silence_due().is_some_and(|at| at <= now) && self.listen(now) {
            return;
        }
        if let Some(dtls) = &mut self.dtls
            && dtls.deadline().is_some_and(|at| at <= now)
            && let Err(failure) = dtls.handle_timeout(now)
        {
            self.fail(failure.into());
            return;
        }
        if self.data.deadline().is_some_and(|at| at <= now) {
            self.data.handle_timeout(now, &mut self.drops);
        }
        if self.bandwidth.deadline().is_some_and(|at| at <= now) {
            self.bandwidth.handle_timeout(now, &self.sent);
            self.pad(now);
        }
    }

    /// When the client's silence means something next.
    fn silence_due(&self) -> Option<Instant> {
        match self.hearing {
            Hearing::Yes => self.ice.silent_at(),
            Hearing::Silence => self.ice.lost_at(),
        }
    }

    /// Looks how long the client has been silent; says whether it is given up.
    fn listen(&mut self, now: Instant) -> bool {
        if self.ice.lost_at().is_some_and(|at| at <= now) {
            self.fail(FailReason::ConsentExpired);
            return true;
        }
        self.hearing = Hearing::Silence;
        self.events.push_back(Event::Silent);
        false
    }

    fn fail(&mut self, reason: FailReason) {
        if self.life != Life::Over {
            self.life = Life::Over;
            self.events.push_back(Event::Failed(reason));
        }
    }

    /// Whether the client has proven that `way` leads to it.
    pub fn is_validated(&self, way: Way) -> bool {
        self.ice.is_validated(way)
    }

    /// Whether the client checked that it is reached by `way`, not long ago.
    pub fn is_alive(&self, now: Instant, way: Way) -> bool {
        self.life != Life::Over && self.ice.is_alive(now, way)
    }

    /// Hears that `way` is gone for good: packets go by another one as soon as the client
    /// nominates any.
    pub fn lose(&mut self, way: Way) {
        self.ice.lose(way);
    }

    /// Whether media and data flow.
    pub fn is_connected(&self) -> bool {
        self.life == Life::Connected
    }

    /// What was refused so far.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    /// Says goodbye to the client; nothing is received or sent afterwards.
    pub fn close(&mut self, now: Instant) {
        if self.life == Life::Over {
            return;
        }
        self.pump(now);
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.life = Life::Over;
    }
}
