//! What every test of the m-lines needs: short offers to write, and our end.

mod answering;
mod hostile;
mod offering;
mod streams;

use std::fmt::Write;

use media::{Codec, Mid, Ssrc};

use super::{Candidates, Channels, Local, Negotiator, Sections, SectionsEvent, Sender, SenderId};
use crate::sdp::{Description, Fingerprint, SdpKind, Section};

pub(super) const PUBLISH: &str = include_str!("../../../tests/fixtures/chromium_publish_offer.sdp");
pub(super) const SINGLE: &str = include_str!("../../../tests/fixtures/chromium_single_offer.sdp");

pub(super) const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\n\
    a=rtcp-mux\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\n\
    a=rtpmap:111 opus/48000/2\na=rtcp-fb:111 transport-cc\na=fmtp:111 minptime=10;useinbandfec=1\n\
    a=rtpmap:63 red/48000/2\na=fmtp:63 111/111\n";
pub(super) const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 108 109\n\
    a=rtcp-mux\na=rtcp-rsize\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\n\
    a=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack\na=rtcp-fb:96 nack pli\na=rtcp-fb:96 goog-remb\n\
    a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n\
    a=rtpmap:108 H264/90000\n\
    a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\n\
    a=rtpmap:109 rtx/90000\na=fmtp:109 apt=108\n";
pub(super) const DATA: &str =
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n";

/// A section numbered by its place, with `lines` more.
pub(super) fn with(section: &str, lines: &str) -> String {
    format!("{section}{lines}\n")
}

/// A text of `sections`, all bundled, named by their places.
pub(super) fn text(sections: &[String]) -> String {
    let mut text = String::from("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE");
    for index in 0..sections.len() {
        write!(text, " {index}").unwrap();
    }
    text.push_str("\na=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\na=setup:actpass\n");
    writeln!(text, "a=fingerprint:{}", Fingerprint::sha256([1; 32])).unwrap();
    for (index, section) in sections.iter().enumerate() {
        let (line, rest) = section.split_once('\n').unwrap();
        write!(text, "{line}\na=mid:{index}\n{rest}").unwrap();
    }
    text
}

pub(super) fn offer(text: &str) -> Description {
    Description::parse(SdpKind::Offer, text).unwrap()
}

/// The client's side: transports that answer, and what they answered last.
pub(super) fn answer(sections: &mut Sections, text: &str) -> Description {
    sections.apply_offer(&offer(text)).unwrap();
    with_local(|local| sections.answer(local)).unwrap()
}

pub(super) fn with_local<T>(action: impl FnOnce(&Local<'_>) -> T) -> T {
    let candidates = Candidates {
        udp: vec!["192.0.2.1:7882".parse().unwrap()],
        tcp: vec!["192.0.2.1:7881".parse().unwrap()],
    };
    action(&Local {
        ufrag: "ours",
        pwd: "ourspasswordourspassword",
        fingerprint: &Fingerprint::sha256([2; 32]),
        candidates: &candidates,
    })
}

pub(super) fn answering() -> Sections {
    Sections::new(Negotiator::Remote, None)
}

pub(super) fn sender(codec: Codec, number: u32) -> Sender {
    Sender {
        codec,
        stream: format!("PA_a|TR_{number}"),
        shared: None,
        track: format!("TR_{number}"),
        cname: "PA_a".into(),
        ssrc: Ssrc(1_000 + number),
        rtx: Ssrc(2_000 + number),
        channels: Channels::Mono,
    }
}

pub(super) fn events(sections: &mut Sections) -> Vec<SectionsEvent> {
    std::iter::from_fn(|| sections.poll_event()).collect()
}

pub(super) fn ready(sender: SenderId, codecs: &[Codec]) -> SectionsEvent {
    SectionsEvent::SenderReady {
        sender,
        codecs: codecs.to_vec(),
    }
}

pub(super) fn mid(name: &str) -> Mid {
    Mid::new(name.as_bytes()).unwrap()
}

/// `kind port direction: payload types`, of each section.
pub(super) fn summary(description: &Description) -> Vec<String> {
    let line = |section: &Section| {
        let numbers: Vec<String> = section
            .codecs
            .iter()
            .map(|codec| codec.payload_type.to_string())
            .collect();
        let state = if section.is_rejected() {
            "rejected"
        } else {
            section.direction.as_str()
        };
        format!("{} {state} {}", section.kind.as_str(), numbers.join(" "))
            .trim()
            .to_owned()
    };
    description.sections.iter().map(line).collect()
}
