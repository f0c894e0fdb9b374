//! One packet of a layer as it arrived, with what every forwarder asks of it read once.

use media::{
    Codec, LayerFrame, MediaKind, Packet, Timestamp, Vp8Descriptor, Vp9Descriptor,
    av1_starts_keyframe, h264_starts_keyframe,
};

/// A packet in its layer's order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// Its sequence number, unwrapped.
    pub(crate) number: u64,
    pub(crate) marks: Marks,
    /// Empty if it was padding alone.
    pub(crate) payload: &'a [u8],
}

/// What header and payload tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) timestamp: Timestamp,
    pub(crate) codec: Codec,
    /// As on [`Packet`].
    pub(crate) marker: bool,
    /// A decoder can start here.
    pub(crate) entry: bool,
    pub(crate) vp8: Option<Vp8Marks>,
    /// The frame it is part of, where one stream has several layers.
    pub(crate) layered: Option<LayerFrame>,
    /// As on [`Packet`].
    pub(crate) dependencies: u8,
}

/// What a VP8 descriptor tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vp8Marks {
    pub(crate) descriptor: Vp8Descriptor,
    /// The picture id, unwrapped.
    pub(crate) picture: Option<u64>,
}

impl Marks {
    /// Reads `packet`; `None` if its payload contradicts itself. Picture ids are left
    /// to [`Pictures`](super::sequence::Pictures), layers of AV1 to the
    /// [`Intake`](super::intake::Intake), which knows what came before.
    pub(crate) fn read(packet: &Packet<'_>) -> Option<Self> {
        let mut marks = Self {
            timestamp: packet.timestamp,
            codec: packet.codec,
            marker: packet.marker,
            entry: false,
            vp8: None,
            layered: None,
            dependencies: packet.dependencies,
        };
        if packet.payload.is_empty() {
            return Some(marks);
        }
        match packet.codec {
            Codec::Opus | Codec::Red => marks.entry = true,
            Codec::Vp8 => {
                let descriptor = Vp8Descriptor::parse(packet.payload)?;
                marks.entry = descriptor.keyframe;
                marks.vp8 = Some(Vp8Marks {
                    descriptor,
                    picture: None,
                });
            }
            Codec::H264 => marks.entry = h264_starts_keyframe(packet.payload),
            Codec::Vp9 => {
                let frame = Vp9Descriptor::parse(packet.payload)?.layer_frame();
                marks.entry = frame.keyframe;
                marks.layered = Some(frame);
            }
            Codec::Av1 => {
                let (descriptor, rest) = split(packet)?;
                if rest.is_empty() {
                    return None;
                }
                marks.entry = av1_starts_keyframe(descriptor, rest);
            }
        }
        Some(marks)
    }

    /// Nothing newer is part of what is shown together with it.
    pub(crate) fn ends_frame(&self) -> bool {
        match self.codec.kind() {
            // The marker begins a talk spurt here; every packet is a frame.
            MediaKind::Audio => true,
            MediaKind::Video => self.marker,
        }
    }
}

/// The dependency descriptor of a packet, and what follows it.
fn split<'a>(packet: &Packet<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let len = usize::from(packet.dependencies);
    packet.payload.split_at_checked(len)
}
