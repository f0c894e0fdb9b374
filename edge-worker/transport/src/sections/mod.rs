//! The m-lines of one transport: what each carries, in both halves of a negotiation
//! (RFC 9429), and which of them an RTP packet belongs to (RFC 9143 section 9.2).
//!
//! Either the client makes all offers or we do, so offers never collide. When to
//! negotiate, and the ids and timeouts around it, are left to the shell; ICE, DTLS
//! and SCTP take what they need from [`Sections::remote`].

mod answering;
mod codecs;
mod describing;
mod error;
mod extensions;
mod offering;
mod remote;
mod sender;
mod slot;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use media::{Codec, MediaKind, Mid, PlayoutDelay, Rid};
use rustc_hash::FxHashMap;

use crate::sdp::{Description, Fingerprint, Section};
use slot::{Load, Receptive, Slot};
use streams::Streams;

pub use codecs::{Dtx, SoundRate};
pub use error::NegotiationError;
pub(crate) use extensions::ExtensionIds;
pub(crate) use remote::{DtlsRole, Remote};
pub use sender::{Channels, Sender, SenderId, Unplaced};
pub(crate) use sender::{Sending, SendingCodec};
pub(crate) use streams::{RtpIdentity, Stream};

/// The m-lines of one transport.
#[derive(Debug)]
pub(crate) struct Sections {
    negotiator: Negotiator,
    /// How long the client shall keep our pictures, if anybody says.
    playout: Option<PlayoutDelay>,
    slots: Vec<Slot>,
    senders: BTreeMap<SenderId, Entry>,
    sending: FxHashMap<SenderId, Sending>,
    /// Counts changes of `sending`.
    agreed: u64,
    streams: Streams,
    extensions: ExtensionIds,
    remote: Option<Remote>,
    events: VecDeque<SectionsEvent>,
    exchange: Exchange,
    /// The client said that extensions of one and two bytes may be mixed.
    extmap_allow_mixed: bool,
    /// The newest description no longer says what is wanted.
    outdated: bool,
    next_sender: u32,
    next_mid: u32,
    version: u64,
    /// The number of our descriptions; the same all along.
    origin: Option<u64>,
    /// The client's name before it restarted ICE, until we have followed.
    restarted: Option<String>,
}

/// Who makes the offers on a transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Negotiator {
    /// The client.
    Remote,
    /// We.
    Local,
}

/// What Sections needs of the transport to write a description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    /// Our name in connectivity checks.
    pub(crate) ufrag: &'a str,
    /// Our proof.
    pub(crate) pwd: &'a str,
    /// Of our certificate.
    pub(crate) fingerprint: &'a Fingerprint,
    /// All of them, so there is no trickle.
    pub(crate) candidates: &'a Candidates,
}

/// Where clients reach us, best first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Candidates {
    /// Over UDP.
    pub udp: Vec<SocketAddr>,
    /// Where they open connections to, should UDP not get through (RFC 6544).
    pub tcp: Vec<SocketAddr>,
}

/// What a negotiation led to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SectionsEvent {
    /// The client takes a sender's packets, in these codecs, best first. Told again when
    /// the codecs change.
    SenderReady {
        /// See [`Sections::sending`].
        sender: SenderId,
        /// At least one.
        codecs: Vec<Codec>,
    },
    /// The client cannot play a sender; it is out of the negotiation, still to be removed.
    SenderRejected {
        /// Whom.
        sender: SenderId,
    },
}

/// An m-line in which the client sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offered {
    /// Its name.
    pub mid: Mid,
    /// Sound or picture.
    pub kind: MediaKind,
    /// The client's name for the track, empty if it gave none.
    pub cid: String,
    /// Its simulcast encodings, in its order; none if there is only one, without a name.
    pub rids: Vec<Rid>,
    /// What it can encode that we carry, its favourite first, each once.
    pub codecs: Vec<Codec>,
}

/// A sender and how far it has come.
#[derive(Debug)]
struct Entry {
    sender: Sender,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    /// Has no m-line.
    Waiting,
    /// Has the m-line at this index.
    Placed(usize),
    /// The client cannot play it.
    Refused,
}

/// Where the newest exchange stands.
#[derive(Debug, Eq, PartialEq)]
enum Exchange {
    /// Between two.
    Settled,
    /// The client's offer waits for our answer.
    ToAnswer,
    /// Our offer waits for the client's answer; what it carried, in order.
    Offered(Vec<(Option<Mid>, Load)>),
}

impl Sections {
    pub(crate) fn new(negotiator: Negotiator, playout: Option<PlayoutDelay>) -> Self {
        Self {
            negotiator,
            playout,
            slots: Vec::new(),
            senders: BTreeMap::new(),
            sending: FxHashMap::default(),
            agreed: 1,
            streams: Streams::default(),
            extensions: ExtensionIds::default(),
            remote: None,
            events: VecDeque::new(),
            exchange: Exchange::Settled,
            extmap_allow_mixed: false,
            outdated: negotiator == Negotiator::Local,
            next_sender: 0,
            next_mid: 0,
            version: 0,
            origin: None,
            restarted: None,
        }
    }

    /// Wants a sender negotiated; [`SectionsEvent`] tells how it went.
    pub(crate) fn add_sender(&mut self, sender: Sender) -> SenderId {
        let id = SenderId(self.next_sender);
        self.next_sender += 1;
        let progress = Progress::Waiting;
        self.senders.insert(id, Entry { sender, progress });
        self.outdated = true;
        id
    }

    /// Wants a sender no more: nothing can be sent for it from now on.
    pub(crate) fn remove_sender(&mut self, id: SenderId) {
        self.withdraw(id);
        let told = |event: &SectionsEvent| match event {
            SectionsEvent::SenderReady { sender, .. }
            | SectionsEvent::SenderRejected { sender } => *sender == id,
        };
        self.events.retain(|event| !told(event));
        let Some(entry) = self.senders.remove(&id) else {
            return;
        };
        if let Progress::Placed(at) = entry.progress {
            self.slots[at].load = Load::Idle(Receptive::Yes);
            self.outdated = true;
        }
    }

    /// Asks for `codec` first in the next answer, where the client sends in `mid`.
    pub(crate) fn prefer(&mut self, mid: Mid, codec: Codec) {
        if let Some(slot) = self.slot_mut(mid) {
            slot.wish.codec = Some(codec);
        }
    }

    /// Says in the next answer in how many channels Opus is wanted, and whether it may pause,
    /// where the client sends in `mid`.
    pub(crate) fn set_sound(&mut self, mid: Mid, channels: Channels, dtx: Dtx) {
        if let Some(slot) = self.slot_mut(mid) {
            (slot.wish.channels, slot.wish.dtx) = (channels, dtx);
        }
    }

    /// Says in the next answer how much sound may take that the client sends in `mid`.
    pub(crate) fn set_sound_rate(&mut self, mid: Mid, rate: SoundRate) {
        if let Some(slot) = self.slot_mut(mid) {
            slot.wish.rate = rate;
        }
    }

    /// The next thing a negotiation led to.
    pub(crate) fn poll_event(&mut self) -> Option<SectionsEvent> {
        self.events.pop_front()
    }

    /// The m-line a packet belongs to, learned as packets come; `None` if it belongs to
    /// none, or cannot be told yet.
    pub(crate) fn identify(&mut self, packet: &RtpIdentity) -> Option<Stream> {
        self.streams.identify(packet)
    }

    /// The client's end of the transport, once it was described.
    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Numbers of the header extensions the client sends.
    pub(crate) fn extension_ids(&self) -> ExtensionIds {
        self.extensions
    }

    /// A number that changes whenever [`sending`](Self::sending) may answer otherwise.
    pub(crate) fn agreed(&self) -> u64 {
        self.agreed
    }

    /// How packets of a sender are written, once it is negotiated.
    pub(crate) fn sending(&self, id: SenderId) -> Option<&Sending> {
        self.sending.get(&id)
    }

    /// The m-lines in which the client sends, in order.
    pub(crate) fn offered(&self) -> Vec<Offered> {
        self.slots.iter().filter_map(offered).collect()
    }

    /// Whether the newest description no longer says what is wanted: a sender was
    /// removed, or one was added that was not tried yet.
    pub(crate) fn needs_offer(&self) -> bool {
        self.outdated
    }

    /// Senders without an m-line.
    pub(crate) fn unplaced(&self) -> Unplaced {
        let waiting = |kind| {
            let waits =
                |entry: &&Entry| entry.progress == Progress::Waiting && entry.sender.kind() == kind;
            self.senders.values().filter(waits).count()
        };
        Unplaced {
            audio: waiting(MediaKind::Audio),
            video: waiting(MediaKind::Video),
        }
    }

    /// M-lines the client would receive on that carry nothing.
    pub(crate) fn free(&self) -> Unplaced {
        self.count(Slot::is_free)
    }

    /// M-lines the client is ready to receive on, filled or not.
    pub(crate) fn receiving(&self) -> Unplaced {
        self.count(|slot, kind| {
            let filled = slot.sender().is_some() && slot.media_kind() == Some(kind);
            filled || slot.is_free(kind)
        })
    }

    fn count(&self, counts: impl Fn(&Slot, MediaKind) -> bool) -> Unplaced {
        let of = |kind| self.slots.iter().filter(|slot| counts(slot, kind)).count();
        Unplaced {
            audio: of(MediaKind::Audio),
            video: of(MediaKind::Video),
        }
    }

    /// Senders and the m-lines that carry them.
    pub(crate) fn placements(&self) -> Vec<(Mid, SenderId)> {
        let placed = |slot: &Slot| Some((slot.mid?, slot.sender()?));
        self.slots.iter().filter_map(placed).collect()
    }

    /// What is said of waiting in an m-line as negotiated.
    fn playout_in(&self, section: &Section) -> Option<(u8, PlayoutDelay)> {
        let id = extensions::playout_id(section)?;
        self.playout.map(|delay| (id, delay))
    }

    fn slot_mut(&mut self, mid: Mid) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.mid == Some(mid))
    }

    fn waiting(&self) -> Vec<SenderId> {
        let waits = |entry: &Entry| entry.progress == Progress::Waiting;
        let waiting = self.senders.iter().filter(|(_, entry)| waits(entry));
        waiting.map(|(id, _)| *id).collect()
    }

    fn place(&mut self, id: SenderId, at: usize) {
        let entry = self.senders.get_mut(&id).expect("placed senders are kept");
        entry.progress = Progress::Placed(at);
        let slot = &mut self.slots[at];
        if slot.worn {
            entry.sender.shared = None;
        }
        slot.load = Load::Sending(id);
        slot.worn = true;
    }

    fn refuse(&mut self, id: SenderId) {
        self.withdraw(id);
        if let Some(entry) = self.senders.get_mut(&id) {
            entry.progress = Progress::Refused;
            self.events
                .push_back(SectionsEvent::SenderRejected { sender: id });
        }
    }

    /// Lets no more packets of a sender flow.
    fn withdraw(&mut self, id: SenderId) {
        self.agreed += 1;
        self.sending.remove(&id);
    }

    /// Lets packets of a sender flow as `sending` says, and tells if that is news.
    fn ready(&mut self, id: SenderId, sending: Sending) {
        let codecs = |sending: &Sending| -> Vec<Codec> {
            sending.codecs.iter().map(|each| each.codec).collect()
        };
        let now = codecs(&sending);
        self.agreed += 1;
        let before = self.sending.insert(id, sending);
        if before.is_none_or(|before| codecs(&before) != now) {
            self.events.push_back(SectionsEvent::SenderReady {
                sender: id,
                codecs: now,
            });
        }
    }

    fn set_remote(&mut self, remote: Remote) {
        let restarted = self
            .remote
            .as_ref()
            .is_some_and(|before| before.ufrag != remote.ufrag || before.pwd != remote.pwd);
        let before = self.remote.replace(remote);
        match self.negotiator {
            Negotiator::Remote if restarted && self.restarted.is_none() => {
                self.restarted = before.map(|before| before.ufrag);
            }
            // An answer restarts only what our offer restarted.
            Negotiator::Remote | Negotiator::Local => {}
        }
    }

    /// Whether the client's offer restarted ICE and our end has not followed.
    pub(crate) fn is_restarted(&self) -> bool {
        self.restarted.is_some()
    }

    /// The client's name until the restart that is under way.
    pub(crate) fn ufrag_before(&self) -> Option<&str> {
        let now = self.remote.as_ref().map(|remote| remote.ufrag.as_str());
        self.restarted.as_deref().or(now)
    }

    /// Our end has new credentials.
    pub(crate) fn restart(&mut self) {
        self.restarted = None;
        match self.negotiator {
            Negotiator::Local => self.outdated = true,
            Negotiator::Remote => {}
        }
    }
}

fn offered(slot: &Slot) -> Option<Offered> {
    let Load::Receiving(received) = &slot.load else {
        return None;
    };
    let mut codecs = Vec::new();
    for carried in &slot.carried {
        if !codecs.contains(&carried.codec) {
            codecs.push(carried.codec);
        }
    }
    Some(Offered {
        mid: slot.mid?,
        kind: slot.media_kind()?,
        cid: received.cid.clone(),
        rids: received.rids.clone(),
        codecs,
    })
}

/// Refuses names that stand twice.
fn check_mids(description: &Description) -> Result<(), NegotiationError> {
    let mut seen = rustc_hash::FxHashSet::default();
    for mid in description
        .sections
        .iter()
        .filter_map(|section| section.mid)
    {
        if !seen.insert(mid) {
            return Err(NegotiationError::DuplicateMid(mid));
        }
    }
    Ok(())
}
