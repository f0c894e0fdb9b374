//! Where a published packet stands in its picture, as links between nodes have to know it: what
//! belongs together is sent or left out together.

use media::{
    Codec, Packet, Timestamp, Vp8Descriptor, Vp9Descriptor, av1_starts_keyframe,
    h264_starts_keyframe,
};
use relay_proto::{End, Keyframe, Place, Reference};

/// What is known of the picture that is being sent on one layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    current: Option<(Timestamp, Keyframe)>,
}

impl Places {
    /// The place of the next packet.
    pub(crate) fn place(&mut self, packet: &Packet<'_>) -> Place {
        let (begins, reference) = match packet.codec {
            Codec::Opus | Codec::Red => {
                return Place {
                    keyframe: Keyframe::No,
                    end: End::Yes,
                    reference: Reference::No,
                };
            }
            Codec::Vp8 => vp8(packet.payload),
            Codec::H264 => (h264_starts_keyframe(packet.payload), Reference::Yes),
            Codec::Vp9 => {
                let descriptor = Vp9Descriptor::parse(packet.payload);
                let begins = descriptor.is_some_and(|read| read.is_keyframe());
                (begins, Reference::Yes)
            }
            Codec::Av1 => (av1(packet), Reference::Yes),
        };
        let keyframe = match self.current {
            // Parameter sets stand before the picture they are of.
            Some((timestamp, known)) if timestamp == packet.timestamp && !begins => known,
            Some(_) | None if begins => Keyframe::Yes,
            Some(_) | None => Keyframe::No,
        };
        self.current = Some((packet.timestamp, keyframe));
        Place {
            keyframe,
            end: if packet.marker { End::Yes } else { End::No },
            reference,
        }
    }
}

fn av1(packet: &Packet<'_>) -> bool {
    let split = packet
        .payload
        .split_at_checked(usize::from(packet.dependencies));
    split.is_some_and(|(descriptor, rest)| av1_starts_keyframe(descriptor, rest))
}

fn vp8(payload: &[u8]) -> (bool, Reference) {
    let Some(descriptor) = Vp8Descriptor::parse(payload) else {
        return (false, Reference::Yes);
    };
    // RFC 7741 section 4.2, the N bit.
    let discardable = payload[0] & 0x20 != 0;
    let reference = if discardable || descriptor.temporal_layer.is_some_and(|layer| layer >= TOP) {
        Reference::No
    } else {
        Reference::Yes
    };
    (descriptor.keyframe, reference)
}

/// Browsers publish three temporal layers at most; nothing is drawn with the help of the third.
const TOP: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Delivery, SeqNo, Ssrc};

    fn packet(codec: Codec, timestamp: u32, marker: bool, payload: &[u8]) -> Packet<'_> {
        Packet {
            ssrc: Ssrc(1),
            rid: None,
            seq: SeqNo(0),
            timestamp: Timestamp(timestamp),
            marker,
            delivery: Delivery::Original,
            codec,
            audio_level: None,
            payload,
            dependencies: 0,
        }
    }

    #[test]
    fn all_packets_of_a_keyframe_are_marked_and_the_last_ends_it() {
        let (vp8_key, vp8_more, vp8_inter) = (&[0x10, 0x10][..], &[0x00, 9][..], &[0x10, 0x11][..]);
        let (sps, idr, slice) = (&[7_u8, 1][..], &[5_u8, 1][..], &[1_u8, 1][..]);
        for (codec, parts) in [
            (
                Codec::Vp8,
                [
                    (1, vp8_key, false, Keyframe::Yes),
                    (1, vp8_more, true, Keyframe::Yes),
                    (2, vp8_inter, true, Keyframe::No),
                    (3, vp8_more, true, Keyframe::No),
                ],
            ),
            (
                Codec::H264,
                [
                    (1, sps, false, Keyframe::Yes),
                    (1, idr, true, Keyframe::Yes),
                    (2, slice, false, Keyframe::No),
                    (2, slice, true, Keyframe::No),
                ],
            ),
        ] {
            let mut places = Places::default();
            for (index, (timestamp, payload, marker, keyframe)) in parts.into_iter().enumerate() {
                let place = places.place(&packet(codec, timestamp, marker, payload));
                assert_eq!(place.keyframe, keyframe, "{codec:?} {index}");
                assert_eq!(place.end == End::Yes, marker, "{codec:?} {index}");
            }
        }
    }

    #[test]
    fn pictures_that_nothing_depends_on_may_be_left_out() {
        let temporal = |layer: u8| [0x90, 0x20, layer << 6, 0x11];
        let discardable = [0x30, 0x11];
        for (payload, reference) in [
            (&temporal(0)[..], Reference::Yes),
            (&temporal(1), Reference::Yes),
            (&temporal(2), Reference::No),
            (&discardable, Reference::No),
            (&[0x10], Reference::Yes),
        ] {
            let place = Places::default().place(&packet(Codec::Vp8, 1, true, payload));
            assert_eq!(place.reference, reference, "{payload:x?}");
        }
        let sound = Places::default().place(&packet(Codec::Opus, 1, false, b"x"));
        assert_eq!(sound.end, End::Yes);
    }
}
