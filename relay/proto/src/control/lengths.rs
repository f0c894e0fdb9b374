//! Cuts a stream of bytes into messages: each stands behind its length, a protobuf varint.

use bytes::{Buf, Bytes, BytesMut};

use super::MOST;

/// What came of a stream and is not cut yet: at most one message and what rode along with it.
#[derive(Debug, Default)]
pub struct Lengths {
    held: BytesMut,
}

/// Why a stream cannot be cut: it must be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LengthsError {
    /// A message longer than [`MOST`].
    #[error("a message of more than {MOST} bytes")]
    TooLong,
    /// More came than was taken.
    #[error("more than {} bytes wait", Lengths::MOST_HELD)]
    TooMuch,
}

impl Lengths {
    /// A reader takes messages before it reads on.
    const MOST_HELD: usize = 4 * MOST;

    /// More bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), LengthsError> {
        if self.held.len() + bytes.len() > Self::MOST_HELD {
            return Err(LengthsError::TooMuch);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, without its length.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, LengthsError> {
        let Some((length, prefix)) = self.length()? else {
            return Ok(None);
        };
        if self.held.len() < prefix + length {
            return Ok(None);
        }
        self.held.advance(prefix);
        Ok(Some(self.held.split_to(length).freeze()))
    }

    /// The length that stands first, and how many bytes it takes itself.
    fn length(&self) -> Result<Option<(usize, usize)>, LengthsError> {
        /// `MOST` takes three; a fourth can only say more.
        const LONGEST: usize = 3;
        let mut length = 0;
        for (index, byte) in self.held.iter().enumerate() {
            if index == LONGEST {
                return Err(LengthsError::TooLong);
            }
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return if length > MOST {
                    Err(LengthsError::TooLong)
                } else {
                    Ok(Some((length, index + 1)))
                };
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_the_stream_was() {
        let stream = [&[3, 1, 2, 3][..], &[0], &[0x80, 0x01], &[7; 128]].concat();
        for step in [1, 2, 5, stream.len()] {
            let mut lengths = Lengths::default();
            let mut cut = Vec::new();
            for part in stream.chunks(step) {
                lengths.push(part).unwrap();
                while let Some(message) = lengths.next_message().unwrap() {
                    cut.push(message.len());
                }
            }
            assert_eq!(cut, [3, 0, 128], "in steps of {step}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for (bytes, expected) in [
            (&[0x80, 0x80, 0x05][..], Ok(None)),
            (&[0x81, 0x80, 0x05], Err(LengthsError::TooLong)),
            (&[0xff, 0xff, 0xff], Ok(None)),
            (&[0xff, 0xff, 0xff, 0x01], Err(LengthsError::TooLong)),
        ] {
            let mut lengths = Lengths::default();
            lengths.push(bytes).unwrap();
            assert_eq!(lengths.next_message(), expected, "{bytes:x?}");
        }
        let mut lengths = Lengths::default();
        assert_eq!(lengths.push(&vec![0; 5 * MOST]), Err(LengthsError::TooMuch));
    }
}
