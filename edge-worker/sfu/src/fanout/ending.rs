//! How a stream ends for its subscriber: sound in silence, a picture in a black one. Else a
//! player stretches the last sound, and shows the last picture for as long as it has no
//! other one.
//!
//! A few small frames follow those of the publisher, each when it is due. Their numbers are
//! left to [`rewrite`](crate::rewrite), when a stream ends to the [`Fanout`](super::Fanout).

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::Codec;

use super::forwarder::Forwarder;
use crate::Outlet;

/// What follows the frames of the publisher.
#[derive(Debug, Default)]
pub(crate) enum Ending {
    /// They came last.
    #[default]
    None,
    /// Frames like this one, the next at this time.
    Sending {
        frame: Frame,
        sent: u32,
        left: u32,
        next_at: Instant,
    },
    /// All was sent.
    Over,
}

/// One frame, sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) codec: Codec,
    /// What follows the payload descriptor.
    pub(crate) payload: Bytes,
    /// How long it is heard or seen.
    pub(crate) length: Duration,
}

impl Frame {
    /// What ends a stream of `codec`. Where participants encrypt, they know by `trailer`
    /// that it comes from here.
    /// `None` where the picture shown last has to do.
    pub(crate) fn new(codec: Codec, trailer: &Bytes) -> Option<Self> {
        let (payload, length) = match codec {
            Codec::Opus | Codec::Red => (&SILENCE[..], SOUND),
            Codec::Vp8 => (&VP8_BLACK[..], PICTURE),
            Codec::H264 => (&H264_BLACK[..], PICTURE),
            Codec::Vp9 | Codec::Av1 => return None,
        };
        let payload = if trailer.is_empty() {
            Bytes::from_static(payload)
        } else {
            [payload, trailer].concat().into()
        };
        Some(Self {
            codec,
            payload,
            length,
        })
    }

    /// How many make an ending.
    fn count(&self) -> u32 {
        match self.codec {
            Codec::Opus | Codec::Red => SOUNDS,
            Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => PICTURES,
        }
    }
}

impl Ending {
    /// Ends what was heard or seen until `last_at`, unless it has ended so already.
    pub(crate) fn start(&mut self, last_at: Instant, frame: Frame) {
        match self {
            Self::None => {
                *self = Self::Sending {
                    sent: 0,
                    left: frame.count(),
                    next_at: last_at + frame.length,
                    frame,
                }
            }
            Self::Sending { .. } | Self::Over => {}
        }
    }

    /// Comes to an end soon, for there will be nothing else.
    fn hurry(&mut self) {
        match self {
            Self::Sending { frame, left, .. } => {
                let most = GOODBYE.as_millis() / frame.length.as_millis();
                *left = (*left).min(most as u32);
            }
            Self::None | Self::Over => {}
        }
    }

    /// The next frame that is due, and when it is taken.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Instant, &Frame)> {
        if self.deadline()? > now {
            return None;
        }
        if matches!(self, Self::Sending { left: 0, .. }) {
            *self = Self::Over;
        }
        match self {
            Self::Sending {
                frame,
                sent,
                left,
                next_at,
            } => {
                let late = now.saturating_duration_since(*next_at).as_nanos();
                let late = u32::try_from(late / frame.length.as_nanos()).unwrap_or(u32::MAX);
                // What was heard or seen last may be long ago.
                let first = *sent == 0;
                let skipped = if first || late > MADE_UP_FOR { late } else { 0 };
                if !first {
                    *left = left.saturating_sub(skipped).max(1);
                }
                let at = *next_at + frame.length * skipped;
                *next_at = at + frame.length;
                *sent += 1;
                *left -= 1;
                Some((at, frame))
            }
            Self::None | Self::Over => None,
        }
    }

    /// When to [`poll`](Self::poll). The last time nothing is sent: what was sent before
    /// has been heard or seen.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Sending { next_at, .. } => Some(*next_at),
            Self::None | Self::Over => None,
        }
    }
}

/// A stream of which nothing is left but its ending.
#[derive(Debug)]
pub(crate) struct Outro(Forwarder);

impl Outro {
    /// Ends a stream for good; `None` if its subscriber has nothing that had to end.
    pub(super) fn new(mut forwarder: Forwarder, trailer: &Bytes) -> Option<Self> {
        forwarder.end(trailer);
        forwarder.ending.hurry();
        forwarder.ending.deadline()?;
        Some(Self(forwarder))
    }

    /// Sends what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut impl Outlet) {
        self.0.play_ending(now, out);
    }

    /// When something is due; `None` once it is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.ending.deadline()
    }
}

/// Of silence, as most encoders cut sound.
const SOUND: Duration = Duration::from_millis(20);

/// A second: what a decoder makes up by itself when nothing follows is made of silence then.
const SOUNDS: u32 = 50;

/// Of a black picture.
const PICTURE: Duration = Duration::from_millis(40);

/// A fifth of a second: one of them arrives.
const PICTURES: u32 = 5;

/// An m-line is not kept longer from what it could carry next.
const GOODBYE: Duration = Duration::from_millis(200);

/// So many frames that were held up follow at once, as a player expects them; those that
/// would come in a burst are left out.
const MADE_UP_FOR: u32 = 5;

/// 20 ms of CELT at full bandwidth (RFC 6716 section 3.1), of which the flag for silence
/// (section 4.3) is set; what follows is of no meaning. To be let through by clients that
/// encrypt, this and [`VP8_BLACK`] have to be the bytes they expect, down to the length.
const SILENCE: [u8; 80] = {
    let mut frame = [0; 80];
    (frame[0], frame[1], frame[2]) = (0xf8, 0xff, 0xfe);
    frame
};

/// One black macroblock, a keyframe (RFC 6386 section 9.1) of 8 by 8: the publisher's next
/// keyframe brings back its size.
#[rustfmt::skip]
const VP8_BLACK: [u8; 31] = [
    // A keyframe to be shown, with a first partition of 16 bytes; the start code; the size.
    0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 8, 0, 8, 0,
    // Headers, with nothing out of the ordinary, and the modes of the macroblock.
    0x00, 0x47, 0x08, 0x85, 0x85, 0x88, 0x85, 0x84,
    0x88, 0x02, 0x02, 0x00, 0x0c, 0x0d, 0x60, 0x00,
    // What makes black of the grey it is predicted to be.
    0xfe, 0xff, 0xab, 0x50, 0x80,
];

/// The same for H.264, 16 by 16: a STAP-A (RFC 6184 section 5.7.1) of all a decoder needs.
#[rustfmt::skip]
const H264_BLACK: [u8; 25] = [
    0x78,
    // Sequence parameters: constrained baseline, level 1, one macroblock, shown as decoded.
    0, 6, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x79,
    // Picture parameters: CAVLC, quantizer 51.
    0, 5, 0x68, 0xce, 0x01, 0x96, 0x20,
    // An IDR slice: luma is predicted to be 128, and one coefficient of -8 makes it 16.
    0, 7, 0x65, 0x88, 0x84, 0x93, 0x14, 0x00, 0x1c,
];

#[cfg(test)]
mod tests {
    use media::{Vp8Descriptor, h264_starts_keyframe};

    use super::*;
    use crate::testing::start;

    fn due(ending: &mut Ending, start: Instant, millis: u64) -> Vec<u128> {
        let now = start + Duration::from_millis(millis);
        std::iter::from_fn(|| Some(ending.poll(now)?.0))
            .map(|at| (at - start).as_millis())
            .collect()
    }

    #[test]
    fn sb_8_sound_ends_in_a_second_of_silence_and_a_picture_in_a_fifth_of_black() {
        for (codec, length, count) in [
            (Codec::Opus, 20, 50),
            (Codec::Red, 20, 50),
            (Codec::Vp8, 40, 5),
            (Codec::H264, 40, 5),
        ] {
            let start = start();
            let mut ending = Ending::default();
            ending.start(start, Frame::new(codec, &Bytes::new()).unwrap());
            let mut taken = Vec::new();
            for millis in 0..2_000 {
                let now = start + Duration::from_millis(millis);
                let is_due = ending.deadline().is_some_and(|at| at <= now);
                let frames = due(&mut ending, start, millis);
                assert!(is_due || frames.is_empty(), "nothing before its time");
                taken.extend(frames);
            }
            let expected: Vec<_> = (1..=count).map(|frame| frame * length).collect();
            assert_eq!(taken, expected, "{codec:?}");
            assert_eq!(ending.deadline(), None);
        }
    }

    #[test]
    fn sb_8_what_was_held_up_does_not_come_in_a_burst() {
        let start = start();
        let mut ending = Ending::default();
        ending.start(start, Frame::new(Codec::Opus, &Bytes::new()).unwrap());
        for (millis, expected) in [
            (19, vec![]),
            // The last sound was a while ago.
            (390, vec![380]),
            (400, vec![400]),
            (505, vec![420, 440, 460, 480, 500]),
            (700, vec![700]),
        ] {
            assert_eq!(due(&mut ending, start, millis), expected, "at {millis}");
        }
        // Nor does it come later for that.
        let rest: Vec<_> = (701..5_000)
            .flat_map(|millis| due(&mut ending, start, millis))
            .collect();
        assert_eq!(rest.last(), Some(&1_360));
    }

    #[test]
    fn sb_8_a_stream_ends_once_and_for_good_it_ends_sooner() {
        let start = start();
        let frame = Frame::new(Codec::Opus, &Bytes::new()).unwrap();
        let mut ending = Ending::default();
        ending.start(start, frame.clone());
        assert_eq!(due(&mut ending, start, 20), [20]);
        ending.start(start + Duration::from_millis(30), frame.clone());
        assert_eq!(due(&mut ending, start, 40), [40]);
        ending.hurry();
        let rest: Vec<_> = (41..2_000)
            .flat_map(|millis| due(&mut ending, start, millis))
            .collect();
        assert_eq!((rest.len(), rest.last()), (10, Some(&240)));
        ending.start(start + Duration::from_secs(2), frame);
        assert_eq!(ending.deadline(), None);
    }

    #[test]
    fn sb_8_black_pictures_are_whole_keyframes() {
        let descriptor = [0x90, 0x80, 0x81, 0x02];
        let read = Vp8Descriptor::parse(&[&descriptor[..], &VP8_BLACK].concat()).unwrap();
        assert!(read.keyframe);
        let tag = u32::from_le_bytes([VP8_BLACK[0], VP8_BLACK[1], VP8_BLACK[2], 0]);
        assert!(
            (tag >> 5) as usize + 10 < VP8_BLACK.len(),
            "a cut partition"
        );
        assert_eq!(VP8_BLACK[3..10], [0x9d, 0x01, 0x2a, 8, 0, 8, 0]);

        assert!(h264_starts_keyframe(&H264_BLACK));
        let mut rest = &H264_BLACK[1..];
        let mut units = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (unit, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            units.push(unit[0] & 0x1f);
            rest = after;
        }
        assert_eq!((units, rest.len()), (vec![7, 8, 5], 0));
    }

    #[test]
    fn e2_2_what_ends_an_encrypted_stream_says_where_it_comes_from() {
        let trailer = Bytes::from_static(b"RM_trailer");
        for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::H264] {
            let open = Frame::new(codec, &Bytes::new()).unwrap().payload;
            let sealed = Frame::new(codec, &trailer).unwrap().payload;
            assert_eq!(sealed, [&open[..], b"RM_trailer"].concat());
        }
    }
}
