//! The half of a transport that descriptions are about; `sections` does the work.

use std::time::Instant;

use media::{Codec, Mid, Timestamp};

use super::{Hearing, Outbound, Placed, Transport};
use crate::ice::IceCredentials;
use crate::rtx::Repairs;
use crate::sdp::Description;
use crate::sections::{
    Channels, Dtx, Local, NegotiationError, Offered, Sender, SenderId, SoundRate, Unplaced,
};
use crate::srtp::Place;

impl Transport {
    /// Takes the client's offer, to be answered.
    pub fn apply_offer(
        &mut self,
        _now: Instant,
        offer: &Description,
    ) -> Result<(), NegotiationError> {
        self.sections.apply_offer(offer)?;
        self.limit_data();
        Ok(())
    }

    /// The m-lines in which the client sends, in order.
    pub fn offered(&self) -> Vec<Offered> {
        self.sections.offered()
    }

    /// Asks for `codec` first in the next answer, where the client sends in `mid`.
    pub fn prefer(&mut self, mid: Mid, codec: Codec) {
        self.sections.prefer(mid, codec);
    }

    /// Says in the next answer in how many channels Opus is wanted, and whether it may pause,
    /// where the client sends in `mid`.
    pub fn set_sound(&mut self, mid: Mid, channels: Channels, dtx: Dtx) {
        self.sections.set_sound(mid, channels, dtx);
    }

    /// Says in the next answer how much sound may take that the client sends in `mid`.
    pub fn set_sound_rate(&mut self, mid: Mid, rate: SoundRate) {
        self.sections.set_sound_rate(mid, rate);
    }

    /// Answers the offer taken last.
    pub fn answer(&mut self) -> Result<Description, NegotiationError> {
        let credentials = self.ice.local();
        self.sections.answer(&Local {
            ufrag: &credentials.ufrag,
            pwd: &credentials.pwd,
            fingerprint: self.identity.fingerprint(),
            candidates: &self.candidates,
        })
    }

    /// Whether the client's newest offer restarted ICE: [`restart`](Self::restart) has to
    /// be called before [`answer`](Self::answer), for the answer to restart our end too.
    pub fn is_restarted(&self) -> bool {
        self.sections.is_restarted()
    }

    /// Restarts ICE at our end, under new credentials (RFC 8445 section 9). DTLS and the
    /// keys of media stay, and the old credentials hold until the client has changed over.
    /// Where we make the offers, the next one says so.
    pub fn restart(&mut self, now: Instant, ice: IceCredentials) {
        let before = self.sections.ufrag_before();
        self.ice.restart(now, ice, before);
        self.hearing = Hearing::Yes;
        self.sections.restart();
    }

    /// The names in checks that are answered: ours, and before the restart that is under
    /// way.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.ufrags()
    }

    /// The client says elsewhere that it is coming back: its silence counts from now.
    pub fn expect(&mut self, now: Instant) {
        self.ice.expect(now);
        self.hearing = Hearing::Yes;
    }

    /// Whether the newest description no longer says what is wanted.
    pub fn needs_offer(&self) -> bool {
        self.sections.needs_offer()
    }

    /// Makes an offer, to be answered by the client.
    pub fn offer(&mut self) -> Result<Description, NegotiationError> {
        let credentials = self.ice.local();
        self.sections.offer(&Local {
            ufrag: &credentials.ufrag,
            pwd: &credentials.pwd,
            fingerprint: self.identity.fingerprint(),
            candidates: &self.candidates,
        })
    }

    /// Takes the client's answer to our offer.
    pub fn apply_answer(
        &mut self,
        _now: Instant,
        answer: &Description,
    ) -> Result<(), NegotiationError> {
        self.sections.apply_answer(answer)?;
        self.limit_data();
        Ok(())
    }

    fn limit_data(&mut self) {
        if let Some(data) = self.sections.remote().and_then(|remote| remote.data) {
            self.data.limit(data.max_message_size);
        }
    }

    /// Wants a stream of ours negotiated; events tell how it went.
    pub fn add_sender(&mut self, sender: Sender) -> SenderId {
        let outbound = Outbound {
            sending: None,
            seen: 0,
            codec: None,
            placed: Placed::Unknown,
            repairs: Repairs::default(),
            place: Place::default(),
            repair_place: Place::default(),
            ssrc: sender.ssrc,
            rtx: sender.rtx,
            timestamp: Timestamp::default(),
            cname: sender.cname.clone(),
        };
        let id = self.sections.add_sender(sender);
        self.senders.insert(outbound.ssrc, id);
        self.senders.insert(outbound.rtx, id);
        let at = id.0 as usize;
        self.outbound
            .resize_with(self.outbound.len().max(at + 1), || None);
        self.outbound[at] = Some(outbound);
        id
    }

    /// Wants it no more.
    pub fn remove_sender(&mut self, id: SenderId) {
        self.sections.remove_sender(id);
        let outbound = self.outbound.get_mut(id.0 as usize);
        if let Some(outbound) = outbound.and_then(Option::take) {
            self.senders.remove(&outbound.ssrc);
            self.senders.remove(&outbound.rtx);
        }
    }

    /// Senders without an m-line.
    pub fn unplaced(&self) -> Unplaced {
        self.sections.unplaced()
    }

    /// M-lines the client would receive on that carry nothing.
    pub fn free(&self) -> Unplaced {
        self.sections.free()
    }

    /// M-lines the client is ready to receive on, filled or not.
    pub fn receiving(&self) -> Unplaced {
        self.sections.receiving()
    }

    /// Senders and the m-lines that carry them in the newest description.
    pub fn placements(&self) -> Vec<(Mid, SenderId)> {
        self.sections.placements()
    }
}
