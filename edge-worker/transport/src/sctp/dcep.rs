//! The messages that open data channels (RFC 8832 section 5).

/// How messages of a channel travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Delivery {
    pub(super) order: Order,
    pub(super) persistence: Persistence,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Ordered,
    Unordered,
}

/// How long the sender tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Persistence {
    /// Until it arrives.
    Forever,
    /// This many retransmissions.
    Retransmissions(u32),
    /// This many milliseconds.
    Milliseconds(u32),
}

/// DATA_CHANNEL_OPEN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Open<'a> {
    pub(super) delivery: Delivery,
    pub(super) label: &'a str,
}

/// One message of the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Message<'a> {
    Open(Open<'a>),
    Ack,
}

const OPEN: u8 = 3;
const ACK: u8 = 2;
const UNORDERED: u8 = 0x80;

impl<'a> Message<'a> {
    /// Reads one message; `None` if it is malformed or of no known kind.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        match *bytes.first()? {
            ACK => Some(Self::Ack),
            OPEN => Open::read(bytes).map(Self::Open),
            _ => None,
        }
    }
}

impl<'a> Open<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<12>()?;
        let value = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let persistence = match header[1] & !UNORDERED {
            0 => Persistence::Forever,
            1 => Persistence::Retransmissions(value),
            2 => Persistence::Milliseconds(value),
            _ => return None,
        };
        let order = if header[1] & UNORDERED != 0 {
            Order::Unordered
        } else {
            Order::Ordered
        };
        let label_len = usize::from(u16::from_be_bytes([header[8], header[9]]));
        let protocol_len = usize::from(u16::from_be_bytes([header[10], header[11]]));
        if rest.len() != label_len + protocol_len {
            return None;
        }
        Some(Self {
            delivery: Delivery { order, persistence },
            label: std::str::from_utf8(&rest[..label_len]).ok()?,
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let unordered = match self.delivery.order {
            Order::Ordered => 0,
            Order::Unordered => UNORDERED,
        };
        let (kind, value) = match self.delivery.persistence {
            Persistence::Forever => (0, 0),
            Persistence::Retransmissions(count) => (1, count),
            Persistence::Milliseconds(ms) => (2, ms),
        };
        let mut out = vec![OPEN, kind | unordered, 0, 0];
        out.extend_from_slice(&value.to_be_bytes());
        out.extend_from_slice(&(self.label.len() as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.label.as_bytes());
        out
    }
}

/// DATA_CHANNEL_ACK.
pub(super) const ACKNOWLEDGEMENT: [u8; 1] = [ACK];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_survives_writing() {
        for order in [Order::Ordered, Order::Unordered] {
            for persistence in [
                Persistence::Forever,
                Persistence::Retransmissions(0),
                Persistence::Milliseconds(500),
            ] {
                let open = Open {
                    delivery: Delivery { order, persistence },
                    label: "_lossy",
                };
                assert_eq!(Message::read(&open.write()), Some(Message::Open(open)));
            }
        }
        assert_eq!(Message::read(&ACKNOWLEDGEMENT), Some(Message::Ack));
    }

    #[test]
    fn bad_c1_what_lies_is_refused() {
        let open = Open {
            delivery: Delivery {
                order: Order::Ordered,
                persistence: Persistence::Forever,
            },
            label: "label",
        };
        let whole = open.write();
        for len in 0..whole.len() {
            assert_eq!(Message::read(&whole[..len]), None, "{len}");
        }
        for (at, value) in [(0, 9), (1, 3), (8, 0xff), (11, 1), (13, 0xff)] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            assert_eq!(Message::read(&damaged), None, "{at}");
        }
        assert_eq!(Message::read(&[]), None);
    }
}
