//! The VP8 payload descriptor (RFC 7741 section 4.2): read, and rewritten so that
//! picture numbers run on when layers are switched or pictures left out.

use crate::Head;

/// What stands before the VP8 payload proper.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Vp8Descriptor {
    /// Bytes it takes in the payload.
    pub len: usize,
    /// First packet of a frame's first partition.
    pub frame_start: bool,
    /// A decoder can start with this packet: the start of a key frame.
    pub keyframe: bool,
    /// 7- or 15-bit number of the picture.
    pub picture_id: Option<u16>,
    /// Counts the frames of the lowest temporal layer.
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer, 0 is the base.
    pub temporal_layer: Option<u8>,
    /// The frame depends on the base layer only: temporal layers may be raised here.
    pub layer_sync: bool,
    picture_id_at: usize,
    picture_id_wide: bool,
    tl0_at: usize,
}

impl Vp8Descriptor {
    /// No descriptor is longer.
    pub const MAX_LEN: usize = Head::MAX_LEN;

    /// Reads the descriptor at the start of `payload`; `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut read = Self {
            len: 1,
            frame_start: first & 0x10 != 0 && first & 0x0f == 0,
            keyframe: false,
            picture_id: None,
            tl0_picture_index: None,
            temporal_layer: None,
            layer_sync: false,
            picture_id_at: 0,
            picture_id_wide: false,
            tl0_at: 0,
        };
        if first & 0x80 != 0 {
            read.extensions(payload)?;
        }
        let body = *payload.get(read.len)?;
        // RFC 7741 section 4.3: the P bit of the frame tag is 0 for key frames.
        read.keyframe = read.frame_start && body & 1 == 0;
        Some(read)
    }

    fn extensions(&mut self, payload: &[u8]) -> Option<()> {
        let present = *payload.get(1)?;
        self.len = 2;
        if present & 0x80 != 0 {
            self.picture_id_at = self.len;
            let high = *payload.get(self.len)?;
            self.picture_id_wide = high & 0x80 != 0;
            let mut id = u16::from(high & 0x7f);
            self.len += 1;
            if self.picture_id_wide {
                id = id << 8 | u16::from(*payload.get(self.len)?);
                self.len += 1;
            }
            self.picture_id = Some(id);
        }
        if present & 0x40 != 0 {
            self.tl0_at = self.len;
            self.tl0_picture_index = Some(*payload.get(self.len)?);
            self.len += 1;
        }
        if present & 0x30 != 0 {
            let byte = *payload.get(self.len)?;
            self.len += 1;
            if present & 0x20 != 0 {
                self.temporal_layer = Some(byte >> 6);
                self.layer_sync = byte & 0x20 != 0;
            }
        }
        Some(())
    }

    /// The descriptor's bytes in `payload` with other numbers. The width of the
    /// picture id stays what the publisher chose, so that lengths never change.
    pub fn rewritten(&self, payload: &[u8], picture_id: u16, tl0_picture_index: u8) -> Head {
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..self.len].copy_from_slice(&payload[..self.len]);
        if self.picture_id.is_some() {
            if self.picture_id_wide {
                bytes[self.picture_id_at] = 0x80 | (picture_id >> 8) as u8 & 0x7f;
                bytes[self.picture_id_at + 1] = picture_id as u8;
            } else {
                bytes[self.picture_id_at] = picture_id as u8 & 0x7f;
            }
        }
        if self.tl0_picture_index.is_some() {
            bytes[self.tl0_at] = tl0_picture_index;
        }
        Head::new(bytes, self.len)
    }

    /// The descriptor of a whole keyframe in one packet, which tells as much as this one.
    pub fn of_keyframe(&self, picture_id: u16, tl0_picture_index: u8) -> Head {
        let mut bytes = [0; Self::MAX_LEN];
        let mut present = 0;
        let mut len = 2;
        if self.picture_id.is_some() {
            present |= 0x80;
            if self.picture_id_wide {
                bytes[len] = 0x80 | (picture_id >> 8) as u8 & 0x7f;
                bytes[len + 1] = picture_id as u8;
                len += 2;
            } else {
                bytes[len] = picture_id as u8 & 0x7f;
                len += 1;
            }
        }
        if self.tl0_picture_index.is_some() {
            present |= 0x40;
            bytes[len] = tl0_picture_index;
            len += 1;
        }
        if self.temporal_layer.is_some() {
            // The base layer, as zero says.
            present |= 0x20;
            len += 1;
        }
        let extended = present != 0;
        bytes[0] = 0x10 | u8::from(extended) << 7;
        bytes[1] = present;
        Head::new(bytes, if extended { len } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u8 = 0x10;
    const INTER: u8 = 0x11;

    #[test]
    fn bad_r8_every_form_of_the_descriptor_is_read_and_none_that_is_cut() {
        for (payload, expected) in [
            // descriptor and first payload byte; len, start, key, picture id, tl0, temporal layer
            (&[0x10, KEY][..], Some((1, true, true, None, None, None))),
            (&[0x10, INTER], Some((1, true, false, None, None, None))),
            (&[0x00, KEY], Some((1, false, false, None, None, None))),
            (&[0x11, KEY], Some((1, false, false, None, None, None))),
            (
                &[0x90, 0x80, 0x05, KEY],
                Some((3, true, true, Some(5), None, None)),
            ),
            (
                &[0x90, 0x80, 0x81, 0x02, KEY],
                Some((4, true, true, Some(258), None, None)),
            ),
            (
                &[0x90, 0xe0, 0x81, 0x02, 9, 0x60, INTER],
                Some((6, true, false, Some(258), Some(9), Some(1))),
            ),
            (
                &[0x90, 0x10, 0x00, KEY],
                Some((3, true, true, None, None, None)),
            ),
            (&[], None),
            (&[0x10], None),
            (&[0x90], None),
            (&[0x90, 0x80], None),
            (&[0x90, 0x80, 0x81], None),
            (&[0x90, 0xe0, 0x81, 0x02, 9], None),
        ] {
            let read = Vp8Descriptor::parse(payload).map(|d| {
                (
                    d.len,
                    d.frame_start,
                    d.keyframe,
                    d.picture_id,
                    d.tl0_picture_index,
                    d.temporal_layer,
                )
            });
            assert_eq!(read, expected, "{payload:02x?}");
        }
    }

    #[test]
    fn rewriting_changes_the_numbers_and_nothing_else() {
        let wide = [0x90, 0xe0, 0x81, 0x02, 9, 0x60, INTER];
        let read = Vp8Descriptor::parse(&wide).unwrap();
        let written = read.rewritten(&wide, 0x7fff, 200);
        assert_eq!(written.as_bytes(), [0x90, 0xe0, 0xff, 0xff, 200, 0x60]);

        let narrow = [0x90, 0x80, 0x05, KEY];
        let read = Vp8Descriptor::parse(&narrow).unwrap();
        assert_eq!(
            read.rewritten(&narrow, 0x1ff, 0).as_bytes(),
            [0x90, 0x80, 0x7f]
        );
    }

    #[test]
    fn a_keyframe_of_our_own_tells_as_much_as_the_publishers() {
        for (like, expected) in [
            (&[0x00, INTER][..], &[0x10][..]),
            (&[0x90, 0x80, 0x05, INTER], &[0x90, 0x80, 0x02]),
            (&[0x90, 0x80, 0x81, 0x02, KEY], &[0x90, 0x80, 0x81, 0x02]),
            (&[0x90, 0x40, 9, KEY], &[0x90, 0x40, 200]),
            (&[0x90, 0x10, 0x1f, KEY], &[0x10]),
            (
                &[0x80, 0xf0, 0x81, 0x02, 9, 0xff, INTER],
                &[0x90, 0xe0, 0x81, 0x02, 200, 0x00],
            ),
        ] {
            let written = Vp8Descriptor::parse(like).unwrap().of_keyframe(0x102, 200);
            assert_eq!(written.as_bytes(), expected, "{like:02x?}");
            let read = [written.as_bytes(), &[KEY]].concat();
            assert!(Vp8Descriptor::parse(&read).unwrap().keyframe);
        }
    }
}
