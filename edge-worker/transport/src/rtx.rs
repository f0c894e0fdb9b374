//! Retransmission payloads (RFC 4588): the packet that was lost, on a stream of its own
//! with its own numbers, and the original number in front.

use media::SeqNo;

/// The original number and payload of one repair; `None` for padding alone, which is
/// sent on repair streams to probe for bandwidth.
pub(crate) fn decapsulate(payload: &[u8]) -> Option<(SeqNo, &[u8])> {
    let (original, rest) = payload.split_first_chunk::<2>()?;
    Some((SeqNo(u16::from_be_bytes(*original)), rest))
}

/// What stands before the payload of the packet `original` when it is sent again.
pub(crate) fn prefix(original: SeqNo) -> [u8; 2] {
    original.0.to_be_bytes()
}

/// Numbers the repairs of one sender.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    next: u16,
}

impl Repairs {
    /// The number of the next repair.
    pub(crate) fn number(&mut self) -> SeqNo {
        let number = SeqNo(self.next);
        self.next = self.next.wrapping_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_holds_the_original_number_and_payload() {
        let mut payload = prefix(SeqNo(0xabcd)).to_vec();
        payload.extend_from_slice(b"vp8");
        assert_eq!(decapsulate(&payload), Some((SeqNo(0xabcd), &b"vp8"[..])));
        assert_eq!(decapsulate(&[1, 2]), Some((SeqNo(0x0102), &[][..])));
        assert_eq!(decapsulate(&[1]), None);
        assert_eq!(decapsulate(&[]), None);
    }

    #[test]
    fn repairs_have_numbers_of_their_own() {
        let mut repairs = Repairs { next: 65_535 };
        let numbers = [(); 3].map(|()| repairs.number().0);
        assert_eq!(numbers, [65_535, 0, 1]);
    }
}
