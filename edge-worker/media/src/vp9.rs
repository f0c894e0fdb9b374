//! The VP9 payload descriptor (RFC 9628 section 4.2), read. What several layers tell in
//! common is left to [`LayerFrame`].

use crate::LayerFrame;
use crate::layer_frame::Numbers;

/// What stands before the VP9 payload proper.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags as they are on the wire"
)]
pub struct Vp9Descriptor {
    /// Bytes it takes in the payload.
    pub len: usize,
    /// 7- or 15-bit number of the picture.
    pub picture_id: Option<u16>,
    /// Drawn with the help of earlier pictures (P).
    pub inter_picture: bool,
    /// Spatial layer, 0 is the smallest picture.
    pub spatial: u8,
    /// Temporal layer, 0 is the base.
    pub temporal: u8,
    /// Later pictures of higher temporal layers need none of those before this one (U).
    pub switching_up: bool,
    /// Drawn with the help of the next smaller picture of the same time (D).
    pub inter_layer: bool,
    /// Counts the pictures of the lowest temporal layer; not in flexible mode.
    pub tl0_picture_index: Option<u8>,
    /// First packet of the frame of its layer (B).
    pub start: bool,
    /// Last packet of the frame of its layer (E).
    pub end: bool,
    /// No larger picture is drawn with the help of this one (Z).
    pub unused_above: bool,
    /// Spatial layers there are, as its scalability structure has it.
    pub layers: Option<u8>,
    wide: bool,
}

impl Vp9Descriptor {
    /// Reads the descriptor at the start of `payload`; `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut bytes = Bytes {
            all: payload,
            at: 0,
        };
        let first = bytes.next()?;
        let flag = |bit: u8| first & bit != 0;
        let mut read = Self {
            len: 1,
            picture_id: None,
            inter_picture: flag(0x40),
            spatial: 0,
            temporal: 0,
            switching_up: false,
            inter_layer: false,
            tl0_picture_index: None,
            start: flag(0x08),
            end: flag(0x04),
            unused_above: flag(0x01),
            layers: None,
            wide: false,
        };
        let flexible = flag(0x10);
        if flag(0x80) {
            let high = bytes.next()?;
            read.wide = high & 0x80 != 0;
            let mut id = u16::from(high & 0x7f);
            if read.wide {
                id = id << 8 | u16::from(bytes.next()?);
            }
            read.picture_id = Some(id);
        }
        if flag(0x20) {
            let layers = bytes.next()?;
            read.temporal = layers >> 5;
            read.switching_up = layers & 0x10 != 0;
            read.spatial = layers >> 1 & 0x07;
            read.inter_layer = layers & 0x01 != 0;
            if !flexible {
                read.tl0_picture_index = Some(bytes.next()?);
            }
        }
        if flexible && read.inter_picture {
            references(&mut bytes)?;
        }
        if flag(0x02) {
            read.layers = Some(structure(&mut bytes)?);
        }
        read.len = bytes.at;
        (payload.len() > read.len).then_some(read)
    }

    /// A decoder can start with this packet.
    pub fn is_keyframe(&self) -> bool {
        self.start && self.spatial == 0 && !self.inter_picture
    }

    /// What it tells of its frame.
    pub fn layer_frame(&self) -> LayerFrame {
        LayerFrame {
            spatial: self.spatial,
            temporal: self.temporal,
            start: self.start,
            end: self.end,
            keyframe: self.is_keyframe(),
            stands_alone: self.spatial == 0 && !self.inter_picture,
            switching_up: self.switching_up,
            number: self.picture_id,
            base_index: self.tl0_picture_index,
            numbers: if self.wide {
                Numbers::Wide
            } else {
                Numbers::Narrow
            },
        }
    }
}

struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.all.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.all.len()).then_some(())
    }
}

/// Which pictures it is drawn with: three at most, the last bit tells if another follows.
fn references(bytes: &mut Bytes<'_>) -> Option<()> {
    const MOST: usize = 3;
    for _ in 0..MOST {
        if bytes.next()? & 0x01 == 0 {
            return Some(());
        }
    }
    None
}

/// How many spatial layers there are; sizes and the pattern of pictures are passed over.
fn structure(bytes: &mut Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    let layers = (first >> 5) + 1;
    if first & 0x10 != 0 {
        bytes.skip(4 * usize::from(layers))?;
    }
    if first & 0x08 != 0 {
        for _ in 0..bytes.next()? {
            let picture = bytes.next()?;
            bytes.skip(usize::from(picture >> 2 & 0x03))?;
        }
    }
    Some(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_r8_every_form_of_the_descriptor_is_read_and_none_that_is_cut() {
        // First byte; then picture id, layers, index, references, structure; a payload byte.
        for (payload, expected) in [
            // len, picture id, (spatial, temporal), index, key, layers
            (&[0x0c, 9][..], Some((1, None, (0, 0), None, true, None))),
            (&[0x4c, 9], Some((1, None, (0, 0), None, false, None))),
            (
                &[0x88, 0x05, 9],
                Some((2, Some(5), (0, 0), None, true, None)),
            ),
            (
                &[0xa8, 0x81, 0x02, 0x53, 7, 9],
                Some((5, Some(258), (1, 2), Some(7), false, None)),
            ),
            // Flexible: no index, two references.
            (
                &[0xf8, 0x81, 0x02, 0x40, 0x03, 0x04, 9],
                Some((6, Some(258), (0, 2), None, false, None)),
            ),
            // A structure of three sizes and two pictures, the second with one reference.
            (
                &[
                    0x8a, 0x05, 0x58, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208, 2, 0, 0x44, 1, 9,
                ],
                Some((19, Some(5), (0, 0), None, true, Some(3))),
            ),
            (&[], None),
            (&[0x0c], None),
            (&[0x88, 0x81], None),
            (&[0x88, 0x81, 2], None),
            (&[0xa8, 0x81, 2, 0x53], None),
            (&[0xf8, 0x81, 2, 0x40, 0x03], None),
            // More references than there can be.
            (&[0xf8, 0x81, 2, 0x40, 0x03, 0x03, 0x03, 0x02, 9], None),
            (&[0x0a, 0x58, 1, 64, 0, 180, 2, 128], None),
            (&[0x0a, 0x08, 0xff, 0x0c], None),
        ] {
            let read = Vp9Descriptor::parse(payload).map(|d| {
                (
                    d.len,
                    d.picture_id,
                    (d.spatial, d.temporal),
                    d.tl0_picture_index,
                    d.is_keyframe(),
                    d.layers,
                )
            });
            assert_eq!(read, expected, "{payload:02x?}");
        }
    }

    #[test]
    fn flags_of_a_layer_are_told_apart() {
        // Temporal layer 1, switching up, spatial layer 2, with the help of the one below.
        let read = Vp9Descriptor::parse(&[0xe5, 0x05, 0x35, 7, 9]).unwrap();
        assert_eq!((read.temporal, read.spatial), (1, 2));
        assert!(read.switching_up && read.inter_layer && read.inter_picture);
        assert!(read.end && !read.start && read.unused_above);
        let frame = read.layer_frame();
        assert!(frame.switching_up && frame.end && !frame.keyframe);
        assert_eq!((frame.number, frame.base_index), (Some(5), Some(7)));
    }

    #[test]
    fn renumbering_changes_the_numbers_and_nothing_else() {
        for (payload, ahead, expected) in [
            (&[0x4c, 9][..], 3, &[0x4c][..]),
            (&[0x88, 0x7f, 9], 1, &[0x88, 0x00]),
            (&[0x88, 0xff, 0xff, 9], 1, &[0x88, 0x80, 0x00]),
            (
                &[0xa8, 0x81, 0x02, 0x53, 7, 9],
                0x100,
                &[0xa8, 0x82, 0x02, 0x53, 200],
            ),
            (&[0x28, 0x53, 7, 9], 5, &[0x28, 0x53, 200]),
        ] {
            let frame = Vp9Descriptor::parse(payload).unwrap().layer_frame();
            let head = frame.renumbered(payload, ahead, 200);
            assert_eq!(head.as_bytes(), expected, "{payload:02x?}");
            let whole = [head.as_bytes(), &payload[head.as_bytes().len()..]].concat();
            let again = Vp9Descriptor::parse(&whole).unwrap().layer_frame();
            assert_eq!(
                (again.spatial, again.temporal),
                (frame.spatial, frame.temporal)
            );
        }
    }
}
