//! The codecs of an m-line that we carry, and how we describe them.
//!
//! H.264 is carried with packetization-mode 1 and up to Main profile: what every
//! browser can decode (RFC 7742 section 6.2 asks for Constrained Baseline only).

use media::{Bitrate, Codec, MediaKind, PayloadType};

use super::sender::{Channels, SendingCodec};
use crate::sdp::{CodecLine, Section};

/// A codec of an m-line that we carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Carried {
    pub(super) codec: Codec,
    pub(super) line: CodecLine,
    /// Its repairs (RFC 4588).
    pub(super) rtx: Option<CodecLine>,
}

impl Carried {
    pub(super) fn sending(&self) -> SendingCodec {
        SendingCodec {
            codec: self.codec,
            payload_type: PayloadType(self.line.payload_type),
            rtx: self.rtx.as_ref().map(|rtx| PayloadType(rtx.payload_type)),
        }
    }
}

/// What we carry of a section, in its order; of H.264 the most decodable profile first.
pub(super) fn carried(section: &Section, kind: MediaKind) -> Vec<Carried> {
    let lines = || section.codecs.iter().filter(|line| is_usable(line));
    let mut carried: Vec<Carried> = lines()
        .filter_map(|line| {
            let codec = codec_of(line).filter(|codec| codec.kind() == kind)?;
            let rtx = lines().find(|other| repairs(other) == Some(line.payload_type));
            Some(Carried {
                codec,
                line: line.clone(),
                rtx: rtx.cloned(),
            })
        })
        .collect();
    let opus = carried.iter().find(|each| each.codec == Codec::Opus);
    let opus = opus.map(|each| each.line.payload_type);
    carried.retain(|each| each.codec != Codec::Red || wraps(&each.line, opus));
    order_profiles(&mut carried, Codec::H264, h264_rank);
    order_profiles(&mut carried, Codec::Vp9, vp9_rank);
    carried
}

/// Profiles trade places among themselves only: codecs keep the client's order.
fn order_profiles(carried: &mut [Carried], codec: Codec, rank: fn(&CodecLine) -> Option<u8>) {
    let places: Vec<usize> = (0..carried.len())
        .filter(|at| carried[*at].codec == codec)
        .collect();
    let mut profiles: Vec<Carried> = places.iter().map(|at| carried[*at].clone()).collect();
    profiles.sort_by_key(|each| rank(&each.line));
    for (at, profile) in places.into_iter().zip(profiles) {
        carried[at] = profile;
    }
}

fn codec_of(line: &CodecLine) -> Option<Codec> {
    let codec = Codec::ALL
        .into_iter()
        .find(|codec| codec.rtpmap_name().eq_ignore_ascii_case(&line.name))?;
    if codec.clock_rate() != line.clock_rate {
        return None;
    }
    let stereo = line.channels == Some(2);
    let carried = match codec {
        Codec::Opus | Codec::Red => stereo,
        Codec::Vp8 => true,
        Codec::H264 => h264_rank(line).is_some(),
        Codec::Vp9 => vp9_rank(line).is_some(),
        Codec::Av1 => is_main(line),
    };
    carried.then_some(codec)
}

/// With RTP and RTCP on one transport, these numbers look like RTCP (RFC 5761 section 4).
fn is_usable(line: &CodecLine) -> bool {
    !(64..=95).contains(&line.payload_type)
}

/// The payload type a repair format repairs.
fn repairs(line: &CodecLine) -> Option<u8> {
    if !line.name.eq_ignore_ascii_case("rtx") {
        return None;
    }
    line.parameter("apt")?.parse().ok()
}

/// Whether every block of this RED format is Opus (RFC 2198 section 5).
fn wraps(line: &CodecLine, opus: Option<u8>) -> bool {
    let Some(opus) = opus else { return false };
    line.fmtp
        .split('/')
        .all(|block| block.trim().parse() == Ok(opus))
}

/// 0 is the most decodable; `None` for what we do not carry.
fn h264_rank(line: &CodecLine) -> Option<u8> {
    if line.parameter("packetization-mode") != Some("1") {
        return None;
    }
    // RFC 6184 section 8.1: Baseline where nothing is written.
    let level = line.parameter("profile-level-id").unwrap_or("42000a");
    let number = u32::from_str_radix(level, 16).ok()?;
    let constraints = number >> 8 & 0xff;
    match number >> 16 {
        0x42 if constraints & 0x40 != 0 => Some(0),
        0x42 => Some(1),
        0x4d => Some(2),
        _ => None,
    }
}

/// 0 is the most decodable; `None` for what we do not carry (RFC 9628 section 6).
fn vp9_rank(line: &CodecLine) -> Option<u8> {
    match line.parameter("profile-id") {
        None | Some("0") => Some(0),
        Some("2") => Some(1),
        Some(_) => None,
    }
}

/// AV1's main profile: what every decoder of it has.
fn is_main(line: &CodecLine) -> bool {
    line.parameter("profile")
        .is_none_or(|profile| profile == "0")
}

/// Moves `codec` before the others.
pub(super) fn put_first(carried: &mut [Carried], codec: Codec) {
    carried.sort_by_key(|each| each.codec != codec);
}

/// Whether a client that offers `carried` can play a sender of `codec`. RED can be
/// unwrapped and Opus wrapped on the way, so either will do for sound.
pub(super) fn can_play(carried: &[Carried], codec: Codec) -> bool {
    carried.iter().any(|each| suits(each.codec, codec))
}

/// What of `carried` a sender of `codec` is sent in, its own codec first.
pub(super) fn for_sender(carried: &[Carried], codec: Codec) -> Vec<Carried> {
    let mut chosen: Vec<Carried> = Vec::new();
    for each in carried.iter().filter(|each| suits(each.codec, codec)) {
        if chosen.iter().all(|other| other.codec != each.codec) {
            chosen.push(each.clone());
        }
    }
    put_first(&mut chosen, codec);
    chosen
}

fn suits(one: Codec, other: Codec) -> bool {
    one == other || (one.kind(), other.kind()) == (MediaKind::Audio, MediaKind::Audio)
}

/// The lines of one codec and its repairs, with feedback cut down to `feedback`.
pub(super) fn lines(carried: &Carried, fmtp: String, feedback: &[&str]) -> Vec<CodecLine> {
    let mut line = carried.line.clone();
    line.fmtp = fmtp;
    line.feedback
        .retain(|offered| feedback.contains(&offered.as_str()));
    let mut lines = vec![line];
    if let Some(rtx) = &carried.rtx {
        let mut rtx = rtx.clone();
        rtx.feedback.clear();
        lines.push(rtx);
    }
    lines
}

/// Feedback about streams we receive.
pub(super) fn receiving_feedback(kind: MediaKind) -> &'static [&'static str] {
    match kind {
        MediaKind::Audio => &["transport-cc", "nack"],
        MediaKind::Video => &["transport-cc", "ccm fir", "nack", "nack pli"],
    }
}

/// Feedback about streams we send. RED repeats itself and needs no NACK. Of the two ways
/// to tell what the path carries, the client says which it knows.
pub(super) fn sending_feedback(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Opus => &["transport-cc", "nack"],
        Codec::Red => &["transport-cc"],
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => {
            &["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"]
        }
    }
}

/// Whether a publisher's Opus encoder may pause in silence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dtx {
    /// It may.
    #[default]
    On,
    /// It sends on.
    Off,
}

/// How much a publisher's sound may take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SoundRate {
    /// As much as the client likes.
    #[default]
    Free,
    /// As little as speech needs.
    Thin,
}

/// Speech in one channel, 60 ms in a packet: at this rate the headers of three packets would
/// take as much as their sound. Silence is not sent.
const THIN_OPUS: &str =
    "minptime=10;ptime=60;maxptime=60;maxaveragebitrate=24000;useinbandfec=1;usedtx=1";

/// The same once more: browsers heed what the page says of the rate before the codec's own
/// parameters, but nothing before this.
pub(super) const THIN: Bitrate = Bitrate::kilobits(24);

/// How we want Opus encoded (RFC 7587 section 6.1). Stereo is what the client announced, not
/// what it offers: newer clients always offer it, older ones never.
pub(super) fn opus_wish(channels: Channels, dtx: Dtx, rate: SoundRate) -> String {
    if rate == SoundRate::Thin {
        return THIN_OPUS.to_owned();
    }
    let mut wish = String::from(OPUS);
    if dtx == Dtx::On {
        wish.push_str(";usedtx=1");
    }
    if channels == Channels::Stereo {
        // Music in two channels deserves the codec's highest rate.
        wish.push_str(";stereo=1;maxaveragebitrate=510000");
    }
    wish
}

const OPUS: &str = "minptime=10;useinbandfec=1";

/// Our own codec lines for a sender of `codec`, that codec first.
pub(super) fn our_lines(codec: Codec, channels: Channels) -> Vec<CodecLine> {
    let opus = CodecLine {
        payload_type: 111,
        name: "opus".into(),
        clock_rate: 48_000,
        channels: Some(2),
        fmtp: match channels {
            Channels::Mono => OPUS.into(),
            Channels::Stereo => format!("{OPUS};sprop-stereo=1"),
        },
        // A client that takes RED asks for no repeats.
        feedback: owned(sending_feedback(codec)),
    };
    let red = CodecLine {
        payload_type: 63,
        name: "red".into(),
        fmtp: "111/111".into(),
        feedback: owned(sending_feedback(Codec::Red)),
        ..opus.clone()
    };
    match codec {
        Codec::Opus => vec![opus, red],
        Codec::Red => vec![red, opus],
        Codec::Vp8 => our_video(codec, 96, String::new()),
        Codec::H264 => our_video(
            codec,
            102,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".into(),
        ),
        Codec::Vp9 => our_video(codec, 98, "profile-id=0".into()),
        Codec::Av1 => our_video(codec, 45, "level-idx=5;profile=0;tier=0".into()),
    }
}

fn our_video(codec: Codec, payload_type: u8, fmtp: String) -> Vec<CodecLine> {
    let line = CodecLine {
        payload_type,
        name: codec.rtpmap_name().into(),
        clock_rate: codec.clock_rate(),
        channels: None,
        fmtp,
        feedback: owned(sending_feedback(codec)),
    };
    let rtx = CodecLine {
        payload_type: payload_type + 1,
        name: "rtx".into(),
        fmtp: format!("apt={payload_type}"),
        feedback: Vec::new(),
        ..line.clone()
    };
    vec![line, rtx]
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
