//! Follows a client whose media comes from an address that nobody has checked: NATs of mobile
//! networks give a flow another port, or address, in mid-call. The client does not notice and
//! checks its way every 2.5 s only; until then what it is sent would go where nobody is.
//!
//! Media that only the client can have sealed, and newer than any of its stream that came,
//! says as much as a check does (RFC 9000 section 9.3 has it so). Which transports may be meant
//! at all is left to the shell.

use super::receive::Kind;
use super::{Event, Life, Transport};
use crate::rtp::RtpHeader;
use crate::way::Way;

/// More than any packet of media has.
const LONGEST: usize = 2_048;

impl Transport {
    /// Whether a datagram that came by `from`, of which nobody knows anything, is the client's:
    /// then packets go there from now on, and it is to be given to
    /// [`handle_datagram`](Self::handle_datagram).
    pub fn follow(&mut self, from: Way, bytes: &[u8]) -> bool {
        let follows = self.life == Life::Connected && self.is_next(bytes);
        if follows {
            self.ice.follow(from);
            self.events.push_back(Event::AddressChanged);
        }
        follows
    }

    /// Whether it continues one of the client's streams.
    fn is_next(&mut self, bytes: &[u8]) -> bool {
        let Some(keys) = &mut self.keys else {
            return false;
        };
        // Opening spoils what is somebody else's.
        let mut copy = [0; LONGEST];
        let Some(copy) = copy.get_mut(..bytes.len()) else {
            return false;
        };
        match Kind::of(bytes) {
            Some(Kind::Rtp) => {
                let Ok(header) = RtpHeader::parse(bytes) else {
                    return false;
                };
                copy.copy_from_slice(bytes);
                keys.opener
                    .is_next_rtp(copy, header.len, header.ssrc.0, header.seq.0)
            }
            Some(Kind::Rtcp) => {
                copy.copy_from_slice(bytes);
                keys.opener.is_next_rtcp(copy)
            }
            Some(Kind::Stun | Kind::Dtls) | None => false,
        }
    }
}
