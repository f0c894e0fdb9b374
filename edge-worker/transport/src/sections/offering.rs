//! Negotiation where we make the offers: one m-line for data channels, one per sender,
//! and what a removed sender leaves is used again (RFC 9429 section 5.2).

use media::{MediaKind, Mid};

use super::answering::{data_section, media_section, name_sources, rejected};
use super::codecs;
use super::error::NegotiationError;
use super::extensions;
use super::remote::{Remote, is_bundled};
use super::slot::{Load, Receptive, Slot};
use super::{Channels, Exchange, Local, Negotiator, Sections, SenderId, Sending, check_mids};
use crate::sdp::{Description, Direction, SdpKind, Section, SectionKind, SetupRole};

impl Sections {
    /// Offers what is wanted now. An offer that still waits for its answer is taken back.
    pub(crate) fn offer(&mut self, local: &Local<'_>) -> Result<Description, NegotiationError> {
        if self.negotiator != Negotiator::Local {
            return Err(NegotiationError::WrongSide);
        }
        if self.slots.is_empty() {
            let slot = self.new_slot(SectionKind::Application, Load::Data);
            self.slots.push(slot);
        }
        for id in self.waiting() {
            self.place_in_offer(id);
        }
        let mut offer = self.describe(SdpKind::Offer, local);
        offer.extmap_allow_mixed = true;
        let sections = self.slots.iter().map(|slot| self.proposed(slot));
        offer.sections = sections.collect();
        local.finish(&mut offer, SetupRole::ActPass);
        let carried = |slot: &Slot| (slot.mid, slot.load.clone());
        self.exchange = Exchange::Offered(self.slots.iter().map(carried).collect());
        self.outdated = false;
        Ok(offer)
    }

    /// An idle m-line of the kind, else a refused one under a new name, else a new one; for a
    /// sender that shares its stream's name an idle one last.
    fn place_in_offer(&mut self, id: SenderId) {
        let sender = &self.senders[&id].sender;
        let (kind, shares) = (sender.kind(), sender.shared.is_some());
        let position = |test: &dyn Fn(&Slot) -> bool| self.slots.iter().position(test);
        let idle = position(&|slot| slot.is_free(kind));
        let refused = position(&|slot| slot.load == Load::Rejected);
        let full = refused.is_none() && self.slots.len() == Description::MAX_SECTIONS;
        match idle {
            Some(at) if full || !shares => return self.place(id, at),
            None if full => return self.refuse(id),
            Some(_) | None => {}
        }
        let word = match kind {
            MediaKind::Audio => SectionKind::Audio,
            MediaKind::Video => SectionKind::Video,
        };
        let fresh = self.new_slot(word, Load::Idle(Receptive::Yes));
        let at = match refused {
            Some(at) => {
                self.slots[at] = fresh;
                at
            }
            None => {
                self.slots.push(fresh);
                self.slots.len() - 1
            }
        };
        self.place(id, at);
    }

    fn new_slot(&mut self, kind: SectionKind, load: Load) -> Slot {
        let protocol = match kind {
            SectionKind::Application => "UDP/DTLS/SCTP",
            SectionKind::Audio | SectionKind::Video | SectionKind::Other(_) => "UDP/TLS/RTP/SAVPF",
        };
        let mut section = Section::new(kind, protocol.into());
        section.mid = Mid::new(self.next_mid.to_string().as_bytes());
        section.rtcp_rsize = true;
        self.next_mid += 1;
        Slot::like(&section, load)
    }

    fn proposed(&self, slot: &Slot) -> Section {
        let kind = slot.media_kind();
        match (&slot.load, kind) {
            (Load::Data, _) => data_section(slot),
            (Load::Sending(id), _) => self.proposed_sender(slot, *id),
            (Load::Idle(_), Some(kind)) => {
                let mut section = media_section(slot, Direction::Inactive);
                section.extensions = extensions::our_extensions(kind, None, self.playout);
                let codec = match kind {
                    MediaKind::Audio => media::Codec::Opus,
                    MediaKind::Video => media::Codec::Vp8,
                };
                section.codecs = codecs::our_lines(codec, Channels::Mono);
                section
            }
            (Load::Idle(_), None) | (Load::Receiving(_) | Load::Rejected, _) => rejected(slot),
        }
    }

    fn proposed_sender(&self, slot: &Slot, id: SenderId) -> Section {
        let sender = &self.senders[&id].sender;
        let mut section = media_section(slot, Direction::SendOnly);
        section.extensions =
            extensions::our_extensions(sender.kind(), Some(sender.codec), self.playout);
        section.codecs = codecs::our_lines(sender.codec, sender.channels);
        let repaired = sender.kind() == MediaKind::Video;
        name_sources(&mut section, sender, repaired.then_some(sender.rtx));
        section
    }

    /// Takes the client's answer to the newest offer.
    pub(crate) fn apply_answer(&mut self, answer: &Description) -> Result<(), NegotiationError> {
        if self.negotiator != Negotiator::Local || answer.kind != SdpKind::Answer {
            return Err(NegotiationError::WrongSide);
        }
        let Exchange::Offered(carried) = &self.exchange else {
            return Err(NegotiationError::NoOffer);
        };
        check_mids(answer)?;
        check_match(carried, answer)?;
        let remote = Remote::read(answer, self.remote.as_ref())?;
        // Nothing below can fail.
        self.set_remote(remote);
        let Exchange::Offered(carried) = std::mem::replace(&mut self.exchange, Exchange::Settled)
        else {
            return Ok(());
        };
        for (index, ((_, load), section)) in carried.iter().zip(&answer.sections).enumerate() {
            self.take_answer(index, load, section, is_bundled(answer, section));
        }
        Ok(())
    }

    fn take_answer(&mut self, index: usize, load: &Load, section: &Section, accepted: bool) {
        let slot = &mut self.slots[index];
        let Load::Sending(id) = *load else {
            if !accepted && *load != Load::Data && *load == slot.load {
                slot.load = Load::Rejected;
            }
            return;
        };
        // The sender may have gone, and another one waits for the next offer.
        let is_current = slot.sender() == Some(id);
        let Some(kind) = slot.media_kind() else {
            return;
        };
        slot.carried = codecs::carried(section, kind);
        slot.extensions.clone_from(&section.extensions);
        if !accepted {
            slot.load = Load::Rejected;
        } else if is_current && !section.direction.receives() {
            slot.load = Load::Idle(Receptive::Yes);
        }
        if is_current {
            self.settle_sender(id, index, section, accepted);
        }
    }

    fn settle_sender(&mut self, id: SenderId, index: usize, section: &Section, accepted: bool) {
        let slot = &mut self.slots[index];
        let Some(entry) = self.senders.get(&id) else {
            return;
        };
        let sender = &entry.sender;
        let chosen = codecs::for_sender(&slot.carried, sender.codec);
        let (true, true, Some(mid), false) = (
            accepted,
            section.direction.receives(),
            slot.mid,
            chosen.is_empty(),
        ) else {
            if accepted {
                slot.load = Load::Idle(Receptive::Yes);
            }
            return self.refuse(id);
        };
        let sending = Sending {
            mid,
            ssrc: sender.ssrc,
            rtx_ssrc: super::answering::rtx_ssrc(sender, &chosen),
            codecs: chosen.iter().map(codecs::Carried::sending).collect(),
            mid_extension: extensions::mid_id(&section.extensions),
            twcc_extension: extensions::twcc_id(section),
            playout: self.playout_in(section),
            dependencies: extensions::dependencies_id(&section.extensions),
        };
        self.ready(id, sending);
    }
}

/// An answer has the m-lines of its offer, by name and in order (RFC 9429 section 5.3.1).
fn check_match(
    offered: &[(Option<Mid>, Load)],
    answer: &Description,
) -> Result<(), NegotiationError> {
    if offered.len() != answer.sections.len() {
        return Err(NegotiationError::SectionCount {
            expected: offered.len(),
            found: answer.sections.len(),
        });
    }
    let pairs = offered.iter().zip(&answer.sections);
    for (index, ((mid, _), section)) in pairs.enumerate() {
        let unnamed_refusal = section.mid.is_none() && section.is_rejected();
        if section.mid != *mid && !unnamed_refusal {
            return Err(NegotiationError::SectionChanged(index));
        }
    }
    Ok(())
}
