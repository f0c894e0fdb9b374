//! Data channels (RFC 8831): one SCTP association in the DTLS connection, and the
//! channels in it, opened by the client or by us.
//!
//! The association is `sctp-proto`, which only ever answers: browsers begin it in both
//! DTLS roles. It sees only packets [`guard`] admitted. What messages mean is left to
//! `livekit`.

mod dcep;
mod guard;
mod patience;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, TransportConfig,
};

use crate::drops::{DropReason, Drops};
use crate::sections::DtlsRole;
use dcep::{Delivery, Message, Open, Order, Persistence};
use guard::Guard;
use patience::Patience;

/// A data channel, by its label.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Channel {
    /// `_reliable`: in order, resent until received.
    Reliable,
    /// `_lossy`: once, in any order.
    Lossy,
    /// `_data_track`: as lossy.
    DataTrack,
    /// One that the client opened under another label.
    Other(Arc<str>),
}

impl Channel {
    /// The channels we know, which are the ones we can send on.
    pub const KNOWN: [Self; 3] = [Self::Reliable, Self::Lossy, Self::DataTrack];

    /// The label.
    pub fn label(&self) -> &str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
            Self::DataTrack => "_data_track",
            Self::Other(label) => label,
        }
    }

    fn of(label: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.label() == label);
        known.unwrap_or_else(|| Self::Other(label.into()))
    }

    fn delivery(&self) -> Delivery {
        match self {
            Self::Reliable | Self::Other(_) => Delivery {
                order: Order::Ordered,
                persistence: Persistence::Forever,
            },
            Self::Lossy | Self::DataTrack => Delivery {
                order: Order::Unordered,
                persistence: Persistence::Retransmissions(0),
            },
        }
    }

    /// How much may wait to be sent: what must arrive is worth more patience.
    fn buffer(&self, patience: &Patience) -> usize {
        match self {
            Self::Reliable | Self::Other(_) => patience.limit(),
            Self::Lossy | Self::DataTrack => 128 << 10,
        }
    }
}

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DataRefused {
    /// The client does not keep up.
    #[error("too much is waiting on the channel")]
    Full,
    /// Longer than messages may be.
    #[error("the message is too long")]
    TooLarge,
    /// The association is over, or the channel is not one we send on.
    #[error("there is no such channel")]
    NoChannel,
}

/// Who opens the channels we know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opens {
    /// We, once the association is up.
    Us,
    /// The client.
    Client,
}

/// What came out of the association.
#[derive(Debug)]
pub(crate) enum DataEvent {
    Opened(Channel),
    Message(Channel, Bytes),
}

/// The association and its channels.
pub(crate) struct DataChannels {
    endpoint: Endpoint,
    association: State,
    guard: Guard,
    opens: Opens,
    /// The parity of our stream numbers (RFC 8832 section 6).
    next_stream: u16,
    streams: Vec<OpenStream>,
    early: Vec<Early>,
    /// With the client, on [`Channel::Reliable`].
    patience: Patience,
    /// Longest message the client takes.
    max_send: usize,
    events: VecDeque<DataEvent>,
    /// Something may be waiting to be sent.
    dirty: bool,
}

enum State {
    Waiting,
    Up(AssociationHandle, Box<Association>),
    Over,
}

#[derive(Debug)]
struct OpenStream {
    id: u16,
    channel: Channel,
    acknowledged: Acknowledged,
}

/// Whether both ends know a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Acknowledged {
    Yes,
    /// We asked for it.
    Awaited,
}

/// Messages for a channel that is not open yet.
#[derive(Debug)]
struct Early {
    channel: Channel,
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl fmt::Debug for DataChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataChannels({:?})", self.streams)
    }
}

/// `sctp-proto` tells associations apart by address. There is one here.
const REMOTE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

impl DataChannels {
    /// Longest message in either direction.
    pub(crate) const MAX_MESSAGE: usize = 65_536;
    /// What may wait for a channel that is not open yet.
    const EARLY: usize = 128 << 10;
    const MAX_LABEL: usize = 64;
    /// The association refuses what is longer by ending; between the two, messages are
    /// dropped one by one.
    const MAX_REASSEMBLED: u32 = 256 << 10;
    const RECEIVE_BUFFER: u32 = 384 << 10;

    pub(crate) fn new(opens: Opens) -> Self {
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(Self::RECEIVE_BUFFER)
            .with_max_receive_message_size(Self::MAX_REASSEMBLED)
            .with_max_send_message_size(Self::MAX_MESSAGE as u32)
            // Browsers' own: the defaults are those of 1980s networks.
            .with_rto_initial_ms(500)
            .with_rto_min_ms(400)
            // Browsers wait up to ten times as long; whoever was without network for a
            // while should not wait for its chat, too.
            .with_rto_max_ms(3_000);
        let mut server = ServerConfig::new();
        server.transport = Arc::new(transport);
        Self {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server))),
            association: State::Waiting,
            guard: Guard::default(),
            opens,
            next_stream: 0,
            streams: Vec::new(),
            early: Vec::new(),
            patience: Patience::default(),
            max_send: Self::MAX_MESSAGE,
            events: VecDeque::new(),
            dirty: false,
        }
    }

    /// The DTLS connection is up, and who opened it is known.
    pub(crate) fn start(&mut self, role: DtlsRole) {
        self.next_stream = match role {
            DtlsRole::Client => 0,
            DtlsRole::Server => 1,
        };
    }

    /// The client says how long messages may be; 0 is any length.
    pub(crate) fn limit(&mut self, max_message_size: u64) {
        self.max_send = match usize::try_from(max_message_size) {
            Ok(0) | Err(_) => Self::MAX_MESSAGE,
            Ok(size) => size.min(Self::MAX_MESSAGE),
        };
    }

    /// Takes one packet from the DTLS connection.
    pub(crate) fn handle(&mut self, now: Instant, packet: Bytes, drops: &mut Drops) {
        if let Err(reason) = self.guard.admit(&packet) {
            drops.count(reason);
            return;
        }
        if matches!(self.association, State::Over) {
            drops.count(DropReason::Closed);
            return;
        }
        match self.endpoint.handle(now, REMOTE, None, None, packet) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.endpoint.reject_new_associations();
                self.association = State::Up(handle, Box::new(association));
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let State::Up(_, association) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => drops.count(DropReason::SctpMalformed),
        }
        self.advance(drops);
    }

    fn advance(&mut self, drops: &mut Drops) {
        self.dirty = true;
        while let State::Up(_, association) = &mut self.association {
            let Some(event) = association.poll() else {
                break;
            };
            match event {
                Event::Connected => self.connected(),
                Event::Stream(StreamEvent::Readable { id } | StreamEvent::Opened { id }) => {
                    self.read(id, drops);
                }
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.streams.retain(|stream| stream.id != id);
                    self.guard.forget(id);
                }
                Event::AssociationLost { .. } | Event::HandshakeFailed { .. } => {
                    self.end();
                }
                Event::Stream(_)
                | Event::DataChannelStatsFinal(_)
                | Event::DatagramReceived
                | _ => {}
            }
        }
        if let State::Up(handle, association) = &mut self.association {
            while let Some(event) = association.poll_endpoint_event() {
                let _ = self.endpoint.handle_event(*handle, event);
            }
        }
    }

    fn end(&mut self) {
        self.association = State::Over;
        self.streams.clear();
        self.early.clear();
    }

    fn connected(&mut self) {
        if self.opens == Opens::Client {
            return;
        }
        let State::Up(_, association) = &mut self.association else {
            return;
        };
        for channel in Channel::KNOWN {
            let id = self.next_stream;
            self.next_stream += 2;
            let open = Open {
                delivery: channel.delivery(),
                label: channel.label(),
            };
            let Ok(mut stream) = association.open_stream(id, PayloadProtocolIdentifier::Binary)
            else {
                continue;
            };
            let opened = set_delivery(&mut stream, open.delivery).and_then(|()| {
                stream.write_with_ppi(&open.write(), PayloadProtocolIdentifier::Dcep)
            });
            if opened.is_ok() {
                self.streams.push(OpenStream {
                    id,
                    channel,
                    acknowledged: Acknowledged::Awaited,
                });
            }
        }
    }

    fn read(&mut self, id: u16, drops: &mut Drops) {
        loop {
            let State::Up(_, association) = &mut self.association else {
                return;
            };
            let Ok(mut stream) = association.stream(id) else {
                return;
            };
            let Ok(Some(chunks)) = stream.read() else {
                return;
            };
            let (ppi, len) = (chunks.ppi, chunks.len());
            if len > Self::MAX_MESSAGE {
                drops.count(DropReason::DataTooLarge);
                continue;
            }
            let mut message = vec![0; len];
            if chunks.read(&mut message).is_err() {
                drops.count(DropReason::SctpMalformed);
                continue;
            }
            match ppi {
                PayloadProtocolIdentifier::Dcep => self.control(id, &message, drops),
                PayloadProtocolIdentifier::String | PayloadProtocolIdentifier::Binary => {
                    self.deliver(id, message.into(), drops);
                }
                PayloadProtocolIdentifier::StringEmpty | PayloadProtocolIdentifier::BinaryEmpty => {
                    self.deliver(id, Bytes::new(), drops);
                }
                PayloadProtocolIdentifier::Unknown => drops.count(DropReason::DataUnopened),
            }
        }
    }

    fn deliver(&mut self, id: u16, message: Bytes, drops: &mut Drops) {
        match self.streams.iter().find(|stream| stream.id == id) {
            Some(stream) => {
                let channel = stream.channel.clone();
                self.events.push_back(DataEvent::Message(channel, message));
            }
            None => drops.count(DropReason::DataUnopened),
        }
    }

    fn control(&mut self, id: u16, message: &[u8], drops: &mut Drops) {
        let known = self.streams.iter_mut().find(|stream| stream.id == id);
        match (Message::read(message), known) {
            (Some(Message::Open(open)), None) if open.label.len() <= Self::MAX_LABEL => {
                self.accept(id, &open);
            }
            (Some(Message::Ack), Some(stream)) if stream.acknowledged == Acknowledged::Awaited => {
                stream.acknowledged = Acknowledged::Yes;
                let channel = stream.channel.clone();
                self.opened(channel);
            }
            (Some(Message::Ack | Message::Open(_)) | None, _) => {
                drops.count(DropReason::DataUnopened);
            }
        }
    }

    fn accept(&mut self, id: u16, open: &Open<'_>) {
        let State::Up(_, association) = &mut self.association else {
            return;
        };
        let Ok(mut stream) = association.stream(id) else {
            return;
        };
        let acknowledged = set_delivery(&mut stream, open.delivery).and_then(|()| {
            stream.write_with_ppi(&dcep::ACKNOWLEDGEMENT, PayloadProtocolIdentifier::Dcep)
        });
        if acknowledged.is_err() {
            return;
        }
        let channel = Channel::of(open.label);
        self.streams.push(OpenStream {
            id,
            channel: channel.clone(),
            acknowledged: Acknowledged::Yes,
        });
        self.opened(channel);
    }

    fn opened(&mut self, channel: Channel) {
        self.events.push_back(DataEvent::Opened(channel.clone()));
        let at = self.early.iter().position(|early| early.channel == channel);
        let Some(at) = at else {
            return;
        };
        for message in self.early.swap_remove(at).messages {
            // It fitted the early queue, which is the smaller one.
            let _ = self.send(&channel, message);
        }
    }

    /// Takes a message for sending.
    pub(crate) fn send(&mut self, channel: &Channel, message: Bytes) -> Result<(), DataRefused> {
        if message.len() > self.max_send {
            return Err(DataRefused::TooLarge);
        }
        if matches!(channel, Channel::Other(_)) || matches!(self.association, State::Over) {
            return Err(DataRefused::NoChannel);
        }
        let open = self
            .streams
            .iter()
            .find(|stream| stream.channel == *channel && stream.acknowledged == Acknowledged::Yes);
        match (open.map(|stream| stream.id), &mut self.association) {
            (Some(id), State::Up(_, association)) => {
                self.dirty = true;
                let len = message.len();
                write(association, (id, channel.buffer(&self.patience)), message)?;
                if *channel == Channel::Reliable {
                    self.patience.added(len);
                }
                Ok(())
            }
            (Some(_), State::Waiting | State::Over) | (None, _) => self.keep(channel, message),
        }
    }

    fn keep(&mut self, channel: &Channel, message: Bytes) -> Result<(), DataRefused> {
        let at = self
            .early
            .iter()
            .position(|early| early.channel == *channel);
        let at = at.unwrap_or_else(|| {
            self.early.push(Early {
                channel: channel.clone(),
                messages: VecDeque::new(),
                bytes: 0,
            });
            self.early.len() - 1
        });
        let early = &mut self.early[at];
        // What a message costs besides its bytes counts too: empty ones are not free.
        let cost = message.len() + 64;
        if early.bytes + cost > Self::EARLY {
            return Err(DataRefused::Full);
        }
        early.bytes += cost;
        early.messages.push_back(message);
        Ok(())
    }

    pub(crate) fn poll_event(&mut self) -> Option<DataEvent> {
        self.events.pop_front()
    }

    /// Packets to send through the DTLS connection.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        if !self.dirty {
            return None;
        }
        self.look(now);
        if let State::Up(_, association) = &mut self.association
            && let Some(transmit) = association.poll_transmit(now)
            && let Payload::RawEncode(packets) = transmit.payload
        {
            packets.iter().for_each(|packet| self.guard.sent(packet));
            return Some(packets);
        }
        self.dirty = false;
        None
    }

    /// Whether the client takes what waits for it.
    fn look(&mut self, now: Instant) {
        let mut open = self.streams.iter();
        let reliable = open.find(|stream| stream.channel == Channel::Reliable);
        if let (State::Up(_, association), Some(reliable)) = (&mut self.association, reliable)
            && let Ok(stream) = association.stream(reliable.id)
            && let Ok(waiting) = stream.buffered_amount()
        {
            self.patience.look(now, waiting);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.association {
            State::Up(_, association) => association.poll_timeout(),
            State::Waiting | State::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, drops: &mut Drops) {
        if let State::Up(_, association) = &mut self.association {
            association.handle_timeout(now);
            self.advance(drops);
        }
    }
}

fn set_delivery(
    stream: &mut sctp_proto::Stream<'_>,
    delivery: Delivery,
) -> Result<(), sctp_proto::Error> {
    let (kind, value) = match delivery.persistence {
        Persistence::Forever => (ReliabilityType::Reliable, 0),
        Persistence::Retransmissions(count) => (ReliabilityType::Rexmit, count),
        Persistence::Milliseconds(ms) => (ReliabilityType::Timed, ms),
    };
    stream.set_reliability_params(delivery.order == Order::Unordered, kind, value)
}

fn write(
    association: &mut Association,
    (id, buffer): (u16, usize),
    message: Bytes,
) -> Result<(), DataRefused> {
    let mut stream = association.stream(id).map_err(|_| DataRefused::NoChannel)?;
    let waiting = stream
        .buffered_amount()
        .map_err(|_| DataRefused::NoChannel)?;
    if waiting + message.len() > buffer {
        return Err(DataRefused::Full);
    }
    let written = if message.is_empty() {
        // RFC 8831 section 6.6: SCTP cannot carry nothing.
        stream.write_with_ppi(&[0], PayloadProtocolIdentifier::BinaryEmpty)
    } else {
        stream.write_sctp(&message, PayloadProtocolIdentifier::Binary)
    };
    written.map(|_| ()).map_err(|_| DataRefused::NoChannel)
}
