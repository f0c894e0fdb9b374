//! Packets find their m-line.

use media::{Codec, PayloadType, Rid};

use super::*;
use crate::sections::{RtpIdentity, Stream};

/// Two plain streams described by source, simulcast, and two alike without sources.
fn publishing() -> (Sections, Vec<String>) {
    let audio = "a=sendonly\na=ssrc:11 cname:c";
    let video = "a=sendonly\na=ssrc-group:FID 21 22\na=ssrc:21 cname:c\na=ssrc:22 cname:c";
    let simulcast = "a=sendonly\na=rid:q send\na=rid:h send\na=rid:f send\n\
        a=simulcast:send q;h;f";
    let lines = vec![
        with(AUDIO, audio),
        with(VIDEO, video),
        with(VIDEO, simulcast),
    ];
    let mut sections = answering();
    answer(&mut sections, &text(&lines));
    (sections, lines)
}

fn packet(ssrc: u32, payload_type: u8, names: [&str; 3]) -> RtpIdentity {
    let rid = |name: &str| Rid::new(name.as_bytes());
    RtpIdentity {
        ssrc: Ssrc(ssrc),
        payload_type: PayloadType(payload_type),
        mid: Mid::new(names[0].as_bytes()),
        rid: rid(names[1]),
        repaired_rid: rid(names[2]),
    }
}

/// `mid/rid codec repairs`, in short.
fn found(stream: Option<Stream>) -> String {
    let Some(stream) = stream else {
        return "none".into();
    };
    let rid = stream.rid.map(|rid| format!("/{rid}")).unwrap_or_default();
    let codec = stream.codec.rtpmap_name();
    let repairs = stream.repairs.map(|ssrc| format!(" repairs {}", ssrc.0));
    format!("{}{rid} {codec}{}", stream.mid, repairs.unwrap_or_default())
}

#[test]
fn sb_1_streams_are_told_by_source_and_by_name() {
    let (mut sections, _) = publishing();
    for (packet, expected) in [
        (packet(11, 111, ["", "", ""]), "0 opus"),
        (packet(11, 63, ["0", "", ""]), "0 red"),
        (packet(21, 96, ["", "", ""]), "1 VP8"),
        (packet(22, 97, ["", "", ""]), "1 VP8 repairs 21"),
        (packet(22, 109, ["", "", ""]), "1 H264 repairs 21"),
        (packet(21, 97, ["", "", ""]), "none"),
        (packet(21, 50, ["", "", ""]), "none"),
        // Simulcast: unknown until a packet names its encoding.
        (packet(31, 96, ["", "", ""]), "none"),
        (packet(31, 96, ["2", "", ""]), "none"),
        (packet(41, 97, ["2", "", "q"]), "none"),
        (packet(31, 96, ["2", "q", ""]), "2/q VP8"),
        (packet(31, 96, ["", "", ""]), "2/q VP8"),
        (packet(41, 97, ["2", "", "q"]), "2/q VP8 repairs 31"),
        (packet(41, 97, ["", "", ""]), "2/q VP8 repairs 31"),
        (packet(33, 96, ["2", "f", ""]), "2/f VP8"),
        (packet(34, 96, ["2", "x", ""]), "none"),
        (packet(35, 96, ["9", "q", ""]), "none"),
    ] {
        assert_eq!(found(sections.identify(&packet)), expected, "{packet:?}");
    }
}

#[test]
fn bad_r4_a_stream_of_another_section_cannot_be_taken() {
    let (mut sections, _) = publishing();
    assert_eq!(
        found(sections.identify(&packet(21, 96, ["2", "q", ""]))),
        "none"
    );
    assert_eq!(
        found(sections.identify(&packet(21, 96, ["", "", ""]))),
        "1 VP8"
    );
}

#[test]
fn a_new_source_replaces_the_old_one_of_its_encoding() {
    let (mut sections, _) = publishing();
    sections.identify(&packet(31, 96, ["2", "q", ""]));
    sections.identify(&packet(32, 96, ["2", "q", ""]));
    assert_eq!(
        found(sections.identify(&packet(31, 96, ["", "", ""]))),
        "none"
    );
    assert_eq!(
        found(sections.identify(&packet(32, 96, ["", "", ""]))),
        "2/q VP8"
    );
    // The source says that it is another encoding now.
    assert_eq!(
        found(sections.identify(&packet(32, 96, ["2", "h", ""]))),
        "2/h VP8"
    );
    assert_eq!(
        found(sections.identify(&packet(32, 96, ["", "", ""]))),
        "2/h VP8"
    );
}

#[test]
fn bad_r6_what_is_remembered_is_bounded() {
    let (mut sections, _) = publishing();
    for ssrc in 100..10_000 {
        let rid = ["q", "h", "f", "x"][ssrc as usize % 4];
        sections.identify(&packet(ssrc, 96, ["2", rid, ""]));
        sections.identify(&packet(ssrc + 10_000, 97, ["2", "", rid]));
        sections.identify(&packet(ssrc + 20_000, 111, ["0", "", ""]));
        sections.identify(&packet(ssrc + 30_000, 96, ["", "", ""]));
    }
    // Audio, video and its repairs, three encodings and theirs.
    assert_eq!(sections.streams.count(), 9);
}

#[test]
fn a_lone_section_takes_streams_that_name_nothing() {
    let mut sections = answering();
    let lone = text(&[with(AUDIO, "a=sendonly"), with(VIDEO, "a=sendonly")]);
    answer(&mut sections, &lone);
    assert_eq!(
        found(sections.identify(&packet(5, 111, ["", "", ""]))),
        "0 opus"
    );
    assert_eq!(
        found(sections.identify(&packet(6, 111, ["", "", ""]))),
        "none"
    );
    assert_eq!(
        found(sections.identify(&packet(7, 96, ["", "", ""]))),
        "1 VP8"
    );
    assert_eq!(
        found(sections.identify(&packet(8, 97, ["", "", ""]))),
        "1 VP8 repairs 7"
    );

    let mut sections = answering();
    let alike = text(&[with(AUDIO, "a=sendonly"), with(AUDIO, "a=sendonly")]);
    answer(&mut sections, &alike);
    assert_eq!(
        found(sections.identify(&packet(5, 111, ["", "", ""]))),
        "none"
    );
}

#[test]
fn a_section_that_falls_silent_forgets_its_streams() {
    let (mut sections, mut lines) = publishing();
    sections.identify(&packet(31, 96, ["2", "q", ""]));
    // The same again: what was learned stays.
    answer(&mut sections, &text(&lines));
    assert_eq!(
        found(sections.identify(&packet(31, 96, ["", "", ""]))),
        "2/q VP8"
    );
    lines[1] = with(VIDEO, "a=inactive");
    lines[2] = with(VIDEO, "a=inactive");
    answer(&mut sections, &text(&lines));
    assert_eq!(
        found(sections.identify(&packet(31, 96, ["", "", ""]))),
        "none"
    );
    assert_eq!(
        found(sections.identify(&packet(21, 96, ["", "", ""]))),
        "none"
    );
    // Its source may come back elsewhere.
    lines[2] = with(VIDEO, "a=sendonly\na=ssrc:21 cname:c");
    answer(&mut sections, &text(&lines));
    assert_eq!(
        found(sections.identify(&packet(21, 96, ["", "", ""]))),
        "2 VP8"
    );
    let stream = sections.identify(&packet(21, 108, ["2", "", ""])).unwrap();
    assert_eq!((stream.codec, stream.payload_type.0), (Codec::H264, 108));
}
