//! STUN (RFC 8489) as it lies in a datagram, read in place and believed by nobody yet: what a
//! message means is left to [`ice`](crate::ice) and [`turn`](crate::turn).

/// What every message has after its length.
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// RFC 8489 section 15: below this an attribute must be understood.
pub(crate) const COMPREHENSION_OPTIONAL: u16 = 0x8000;

/// The attributes of one STUN message, in place.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

/// An attribute longer than what is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

impl<'a> Attributes<'a> {
    const HEADER: usize = 20;

    /// `None` unless the header is STUN's and its length is the datagram's.
    pub(crate) fn of(datagram: &'a [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_at_checked(Self::HEADER)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let fits = len == rest.len() && len.is_multiple_of(4) && header[4..8] == MAGIC_COOKIE;
        fits.then_some(Self { rest })
    }

    /// Those in a part of a message that begins and ends between two of them.
    pub(crate) fn within(part: &'a [u8]) -> Self {
        Self { rest: part }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = |rest: &'a [u8]| {
            let (header, rest) = rest.split_first_chunk::<4>()?;
            let kind = u16::from_be_bytes([header[0], header[1]]);
            let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let (value, rest) = rest.split_at_checked(len.next_multiple_of(4))?;
            Some((kind, &value[..len], rest))
        };
        match read(self.rest) {
            Some((kind, value, rest)) => {
                self.rest = rest;
                Some(Ok((kind, value)))
            }
            None => {
                self.rest = &[];
                Some(Err(Malformed))
            }
        }
    }
}

/// Whether a message ends with a FINGERPRINT, as its last attribute, that is true of it.
pub(crate) fn fingerprint_holds(datagram: &[u8]) -> bool {
    let Some((covered, attribute)) = datagram.split_last_chunk::<8>() else {
        return false;
    };
    attribute[4..] == rtc_stun::fingerprint::fingerprint_value(covered).to_be_bytes()
}
