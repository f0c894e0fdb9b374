//! Negotiation where the client makes the offers: its m-lines are read into places,
//! senders are placed where it would receive, and all is answered (RFC 9429 section 5.3).

use media::{Codec, MediaKind, Rid, Ssrc};

use super::codecs::{self, Carried, SoundRate};
use super::error::NegotiationError;
use super::extensions::{self, ExtensionIds};
use super::remote::{DtlsRole, Remote, is_bundled, is_data};
use super::slot::{Load, Received, Receptive, Slot, media_kind};
use super::{
    Exchange, Local, Negotiator, Progress, Sections, Sender, SenderId, Sending, check_mids,
};
use crate::sdp::{
    CodecLine, Description, Direction, Extension, Msid, RidDirection, RidLine, SdpKind, Section,
    SetupRole, Simulcast, SsrcGroup, SsrcGroupKind, SsrcLine,
};

impl Sections {
    /// Takes the client's offer; [`answer`](Self::answer) answers it.
    pub(crate) fn apply_offer(&mut self, offer: &Description) -> Result<(), NegotiationError> {
        if self.negotiator != Negotiator::Remote || offer.kind != SdpKind::Offer {
            return Err(NegotiationError::WrongSide);
        }
        check_mids(offer)?;
        self.check_continuity(offer)?;
        let remote = Remote::read(offer, self.remote.as_ref())?;
        let mut extensions = ExtensionIds::default();
        for section in bundled(offer) {
            extensions.merge(section)?;
        }
        if self.playout.is_none() {
            extensions.leave_playout_out();
        }
        // Nothing below can fail.
        self.set_remote(remote);
        self.extensions = extensions;
        self.extmap_allow_mixed = offer.extmap_allow_mixed;
        self.exchange = Exchange::ToAnswer;
        self.take_sections(offer);
        Ok(())
    }

    /// Places keep their name and kind, unless they were refused and are refilled.
    fn check_continuity(&self, offer: &Description) -> Result<(), NegotiationError> {
        if offer.sections.len() < self.slots.len() {
            return Err(NegotiationError::SectionCount {
                expected: self.slots.len(),
                found: offer.sections.len(),
            });
        }
        for (index, (slot, section)) in self.slots.iter().zip(&offer.sections).enumerate() {
            let same = slot.mid == section.mid && slot.kind == section.kind;
            if !same && slot.load != Load::Rejected {
                return Err(NegotiationError::SectionChanged(index));
            }
        }
        Ok(())
    }

    fn take_sections(&mut self, offer: &Description) {
        let before = std::mem::take(&mut self.slots);
        let mut has_data = false;
        for (index, section) in offer.sections.iter().enumerate() {
            let same = |slot: &&Slot| slot.mid == section.mid && slot.load != Load::Rejected;
            let old = before.get(index).filter(same);
            let mut slot = slot(section, old, is_bundled(offer, section));
            if slot.load == Load::Data && std::mem::replace(&mut has_data, true) {
                slot.load = Load::Rejected;
            }
            self.slots.push(slot);
        }
        for (at, old) in before.iter().enumerate() {
            if let Some(id) = old.sender() {
                self.keep_sender(id, at);
            }
        }
        self.open_streams(offer);
    }

    /// Leaves a sender where it is, if the client still receives it there.
    fn keep_sender(&mut self, id: SenderId, at: usize) {
        let Some(entry) = self.senders.get_mut(&id) else {
            return;
        };
        let slot = &mut self.slots[at];
        let codec = entry.sender.codec;
        if slot.is_free(codec.kind()) && codecs::can_play(&slot.carried, codec) {
            slot.load = Load::Sending(id);
        } else {
            entry.progress = Progress::Waiting;
            self.withdraw(id);
        }
    }

    fn open_streams(&mut self, offer: &Description) {
        for (index, slot) in self.slots.iter().enumerate() {
            if !matches!(slot.load, Load::Receiving(_)) {
                self.streams.close(index);
            }
        }
        for (index, (slot, section)) in self.slots.iter().zip(&offer.sections).enumerate() {
            if let (Load::Receiving(received), Some(mid)) = (&slot.load, slot.mid) {
                let rids = &received.rids;
                self.streams.open(index, mid, section, &slot.carried, rids);
            }
        }
    }

    /// Answers the newest offer, senders placed as far as there are m-lines for them.
    pub(crate) fn answer(&mut self, local: &Local<'_>) -> Result<Description, NegotiationError> {
        if self.exchange != Exchange::ToAnswer {
            return Err(NegotiationError::NoOffer);
        }
        let role = self.remote.as_ref().map(|remote| remote.role);
        let role = role.ok_or(NegotiationError::NoOffer)?;
        self.place_waiting();
        let mut answer = self.describe(SdpKind::Answer, local);
        answer.extmap_allow_mixed = self.extmap_allow_mixed;
        let setup = match role {
            DtlsRole::Client => SetupRole::Active,
            DtlsRole::Server => SetupRole::Passive,
        };
        for index in 0..self.slots.len() {
            let section = self.answered(index);
            answer.sections.push(section);
        }
        local.finish(&mut answer, setup);
        self.exchange = Exchange::Settled;
        self.outdated = false;
        Ok(answer)
    }

    /// Fresh m-lines before those that carried a sender once.
    fn place_waiting(&mut self) {
        for id in self.waiting() {
            let codec = self.senders[&id].sender.codec;
            let free = || {
                let slots = self.slots.iter().enumerate();
                slots.filter(|(_, slot)| slot.is_free(codec.kind()))
            };
            let place = free()
                .filter(|(_, slot)| codecs::can_play(&slot.carried, codec))
                .min_by_key(|(_, slot)| slot.worn)
                .map(|(at, _)| at);
            let any_free = free().next().is_some();
            match place {
                Some(at) => self.place(id, at),
                None if any_free => self.refuse(id),
                None => {}
            }
        }
    }

    fn answered(&mut self, index: usize) -> Section {
        let slot = &self.slots[index];
        match &slot.load {
            Load::Rejected => rejected(slot),
            Load::Data => data_section(slot),
            Load::Idle(_) => idle(slot, self.extensions.echo(&slot.extensions)),
            Load::Receiving(received) => {
                let extensions = self.extensions.echo(&slot.extensions);
                receiving(slot, received, extensions)
            }
            Load::Sending(id) => self.sending_section(*id, index),
        }
    }

    fn sending_section(&mut self, id: SenderId, index: usize) -> Section {
        let slot = &self.slots[index];
        let sender = &self.senders[&id].sender;
        let mut section = media_section(slot, Direction::SendOnly);
        section.extensions = self.extensions.echo(&slot.extensions);
        let chosen = codecs::for_sender(&slot.carried, sender.codec);
        for carried in &chosen {
            let feedback = codecs::sending_feedback(sender.codec);
            let lines = codecs::lines(carried, carried.line.fmtp.clone(), feedback);
            add_codecs(&mut section, lines);
        }
        let sending = Sending {
            mid: slot.mid.expect("senders are placed in m-lines with a name"),
            ssrc: sender.ssrc,
            rtx_ssrc: rtx_ssrc(sender, &chosen),
            codecs: chosen.iter().map(Carried::sending).collect(),
            mid_extension: extensions::mid_id(&section.extensions),
            twcc_extension: extensions::twcc_id(&section),
            playout: self.playout_in(&section),
            dependencies: extensions::dependencies_id(&section.extensions),
        };
        name_sources(&mut section, sender, sending.rtx_ssrc);
        self.ready(id, sending);
        section
    }
}

fn bundled(offer: &Description) -> impl Iterator<Item = &Section> {
    let sections = offer.sections.iter();
    sections.filter(|section| is_bundled(offer, section))
}

/// The place of an offered section; `old` is the same section as offered before.
fn slot(section: &Section, old: Option<&Slot>, bundled: bool) -> Slot {
    let mut slot = Slot::like(section, Load::Rejected);
    if let Some(old) = old {
        slot.worn = old.worn;
        slot.wish = old.wish;
    }
    if !bundled {
        return slot;
    }
    if is_data(section) {
        slot.load = Load::Data;
        return slot;
    }
    let Some(kind) = media_kind(&section.kind).filter(|_| speaks_our_rtp(section)) else {
        return slot;
    };
    slot.carried = codecs::carried(section, kind);
    slot.extensions.clone_from(&section.extensions);
    if slot.carried.is_empty() {
        return slot;
    }
    slot.load = match section.direction {
        Direction::SendRecv | Direction::SendOnly => Load::Receiving(received(section)),
        Direction::RecvOnly => Load::Idle(Receptive::Yes),
        Direction::Inactive => Load::Idle(Receptive::No),
    };
    slot
}

/// RTP over DTLS-SRTP with feedback (RFC 5764, RFC 4585), RTCP on the same transport.
fn speaks_our_rtp(section: &Section) -> bool {
    section.protocol.ends_with("TLS/RTP/SAVPF") && section.rtcp_mux
}

fn received(section: &Section) -> Received {
    let named = section.msids.first();
    let named = named.or_else(|| section.ssrcs.iter().find_map(|line| line.msid.as_ref()));
    let sent = |rid: &Rid| {
        let is = |line: &&RidLine| line.rid == *rid && line.direction == RidDirection::Send;
        section.rids.iter().any(|line| is(&line))
    };
    let rids = section
        .simulcast
        .iter()
        .flat_map(|simulcast| &simulcast.send);
    Received {
        cid: named.map(|msid| msid.track.clone()).unwrap_or_default(),
        rids: rids.filter(|rid| sent(rid)).copied().collect(),
    }
}

/// An m-line that carries nothing. It is described as if the client sent in it: a
/// browser offers later only what was agreed before.
fn idle(slot: &Slot, extensions: Vec<Extension>) -> Section {
    let mut section = receiving(slot, &Received::default(), extensions);
    section.direction = Direction::Inactive;
    section
}

fn receiving(slot: &Slot, received: &Received, extensions: Vec<Extension>) -> Section {
    let mut section = media_section(slot, Direction::RecvOnly);
    section.extensions = extensions;
    let kind = slot.media_kind().unwrap_or(MediaKind::Video);
    section.bandwidth = match slot.wish.rate {
        SoundRate::Thin => Some(codecs::THIN),
        SoundRate::Free => None,
    };
    let mut carried = slot.carried.clone();
    if let Some(codec) = slot.wish.codec {
        codecs::put_first(&mut carried, codec);
    }
    for each in &carried {
        let fmtp = match each.codec {
            Codec::Opus => codecs::opus_wish(slot.wish.channels, slot.wish.dtx, slot.wish.rate),
            Codec::Red | Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => {
                each.line.fmtp.clone()
            }
        };
        let feedback = codecs::receiving_feedback(kind);
        add_codecs(&mut section, codecs::lines(each, fmtp, feedback));
    }
    if !received.rids.is_empty() {
        let line = |rid: &Rid| RidLine {
            rid: *rid,
            direction: RidDirection::Recv,
            restrictions: String::new(),
        };
        section.rids = received.rids.iter().map(line).collect();
        section.simulcast = Some(Simulcast {
            send: Vec::new(),
            recv: received.rids.clone(),
        });
    }
    section
}

/// Adds lines that are not there yet: one repair format can serve two profiles.
fn add_codecs(section: &mut Section, lines: Vec<CodecLine>) {
    for line in lines {
        let there = |other: &CodecLine| other.payload_type == line.payload_type;
        if !section.codecs.iter().any(there) {
            section.codecs.push(line);
        }
    }
}

/// A refused m-line.
pub(super) fn rejected(slot: &Slot) -> Section {
    let mut section = Section::new(slot.kind.clone(), slot.protocol.clone());
    section.mid = slot.mid;
    section.port = 0;
    section.direction = Direction::Inactive;
    section
}

/// The m-line of the data channels.
pub(super) fn data_section(slot: &Slot) -> Section {
    let mut section = Section::new(slot.kind.clone(), slot.protocol.clone());
    section.mid = slot.mid;
    section.sctp_port = Some(5_000);
    section.max_message_size = Some(MAX_MESSAGE_SIZE);
    section
}

/// Room for the longest message of a client and its envelope.
const MAX_MESSAGE_SIZE: u64 = 65_536;

/// An m-line of sound or picture without codecs.
pub(super) fn media_section(slot: &Slot, direction: Direction) -> Section {
    let mut section = Section::new(slot.kind.clone(), slot.protocol.clone());
    section.mid = slot.mid;
    section.direction = direction;
    section.rtcp_mux = true;
    section.rtcp_rsize = slot.rtcp_rsize;
    section
}

/// Names the stream of a sender and its repairs (RFC 8830, RFC 5576).
pub(super) fn name_sources(section: &mut Section, sender: &Sender, rtx: Option<Ssrc>) {
    let msid = Msid {
        stream: sender.stream().to_owned(),
        track: sender.track.clone(),
    };
    let line = |ssrc| SsrcLine {
        ssrc,
        cname: Some(sender.cname.clone()),
        msid: Some(msid.clone()),
    };
    section.ssrcs.push(line(sender.ssrc));
    if let Some(rtx) = rtx {
        section.ssrc_groups.push(SsrcGroup {
            kind: SsrcGroupKind::Fid,
            ssrcs: vec![sender.ssrc, rtx],
        });
        section.ssrcs.push(line(rtx));
    }
    section.msids.push(msid);
}

/// Repairs have a stream only where a codec has a repair format.
pub(super) fn rtx_ssrc(sender: &Sender, chosen: &[Carried]) -> Option<Ssrc> {
    let repaired = chosen.iter().any(|carried| carried.rtx.is_some());
    repaired.then_some(sender.rtx)
}
