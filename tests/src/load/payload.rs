//! What our publishers write into the media: who sent it, in which lane, when, and the how
//! manieth it is. SRTP hides it from nobody who may read the media, so it comes through
//! any server that forwards unchanged payloads.

/// A stream of a publisher: the sound, or one layer of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The sound.
    Audio,
    /// The picture, a quarter as wide as it is captured.
    Low,
    /// Half as wide.
    Medium,
    /// As captured.
    High,
}

impl Lane {
    /// The layers of the picture, small to large.
    pub const LAYERS: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Whether it is the sound.
    pub fn is_audio(self) -> bool {
        self == Self::Audio
    }

    /// Its place among the layers; the sound's is 0 too.
    pub fn layer(self) -> usize {
        match self {
            Self::Audio | Self::Low => 0,
            Self::Medium => 1,
            Self::High => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Audio, Self::Low, Self::Medium, Self::High]
            .get(usize::from(byte))
            .copied()
    }
}

/// What stands in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's number in this run.
    pub publisher: u16,
    /// Which of its streams.
    pub lane: Lane,
    /// Counts the packets of the lane.
    pub counter: u32,
    /// When it was sent, in nanoseconds of the generator's clock.
    pub sent_at: u64,
}

const MAGIC: u16 = 0x7e4c;

impl Stamp {
    /// Bytes that it takes.
    pub const LEN: usize = 18;

    /// Writes it at the front of `payload`, which must have room for it.
    pub fn write(self, payload: &mut [u8]) {
        payload[..2].copy_from_slice(&MAGIC.to_be_bytes());
        payload[2..4].copy_from_slice(&self.publisher.to_be_bytes());
        payload[4] = self.lane as u8;
        payload[5] = 0;
        payload[6..10].copy_from_slice(&self.counter.to_be_bytes());
        payload[10..18].copy_from_slice(&self.sent_at.to_be_bytes());
        payload[5] = check(&payload[..Self::LEN]);
    }

    /// Reads it from the front of `payload`, if it stands there.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (bytes, _) = payload.split_first_chunk::<{ Self::LEN }>()?;
        let magic = u16::from_be_bytes([bytes[0], bytes[1]]) == MAGIC;
        // The check byte makes the sum of all zero.
        if !magic || check(bytes) != 0 {
            return None;
        }
        let (_, rest) = bytes.split_at(6);
        Some(Self {
            publisher: u16::from_be_bytes([bytes[2], bytes[3]]),
            lane: Lane::from_byte(bytes[4])?,
            counter: u32::from_be_bytes(rest[..4].try_into().ok()?),
            sent_at: u64::from_be_bytes(rest[4..].try_into().ok()?),
        })
    }
}

fn check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_was_changed_is_not() {
        for lane in [Lane::Audio, Lane::Low, Lane::Medium, Lane::High] {
            let stamp = Stamp {
                publisher: 513,
                lane,
                counter: 0xdead_beef,
                sent_at: 123_456_789_012,
            };
            let mut payload = [0xff; 40];
            stamp.write(&mut payload);
            assert_eq!(Stamp::read(&payload), Some(stamp));
            for at in 0..Stamp::LEN {
                let mut changed = payload;
                changed[at] ^= 1;
                assert_eq!(Stamp::read(&changed), None, "byte {at}");
                assert_eq!(Stamp::read(&payload[..at]), None, "cut at {at}");
            }
        }
    }
}
