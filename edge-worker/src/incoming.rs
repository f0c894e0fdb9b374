//! What was read of a client's connection and not taken yet, cut into datagrams in the way the
//! client began with.

use std::io::{self, Read};

use transport::framing::Unframer;
use transport::turn::Frames;

/// Bytes of one connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Each datagram after its length, as ICE over TCP has them (RFC 6544).
    Ice(Unframer),
    /// Messages of TURN (RFC 8656).
    Turn(Frames),
}

/// What came is nothing of the kind, and nothing after it can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

impl Default for Incoming {
    fn default() -> Self {
        Self::Ice(Unframer::default())
    }
}

impl Incoming {
    /// Reads some bytes, all that came before having been taken.
    pub(crate) fn read(&mut self, connection: &mut impl Read) -> io::Result<usize> {
        match self {
            Self::Ice(unframer) => {
                let count = connection.read(unframer.space())?;
                unframer.filled(count);
                Ok(count)
            }
            Self::Turn(frames) => {
                let mut piece = [0; 4 << 10];
                let count = connection.read(&mut piece)?;
                frames.push(&piece[..count]);
                Ok(count)
            }
        }
    }

    /// Takes the next datagram or message that is whole; `None` until more is read.
    pub(crate) fn take(&mut self) -> Result<Option<&mut [u8]>, Malformed> {
        match self {
            Self::Ice(unframer) => unframer.take().map_err(|_| Malformed),
            Self::Turn(frames) => frames.next_frame().map_err(|_| Malformed),
        }
    }
}
