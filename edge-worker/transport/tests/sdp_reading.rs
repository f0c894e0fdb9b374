//! Session descriptions: those of browsers survive reading and printing, those of
//! others are refused with a reason.

use transport::sdp::{
    Description, Direction, FingerprintError, Limit, RidDirection, SdpError, SdpKind, SdpProblem,
    SectionKind,
};

const FIXTURES: [(&str, &str); 3] = [
    (
        "publish",
        include_str!("fixtures/chromium_publish_offer.sdp"),
    ),
    ("single", include_str!("fixtures/chromium_single_offer.sdp")),
    (
        "subscribe",
        include_str!("fixtures/chromium_subscribe_answer.sdp"),
    ),
];

fn parse(text: &str) -> Result<Description, SdpError> {
    Description::parse(SdpKind::Offer, text)
}

/// A small description with `lines` in its only section.
fn with(lines: &str) -> String {
    format!("v=0\no=- 1 2 IN IP4 0.0.0.0\nm=video 9 UDP/TLS/RTP/SAVPF 96\n{lines}\n")
}

#[test]
fn what_is_read_is_printed_and_read_again() {
    for (name, text) in FIXTURES {
        let read = parse(text).unwrap();
        let printed = read.print();
        assert_eq!(parse(&printed).unwrap(), read, "{name}");
        assert_eq!(parse(&printed).unwrap().print(), printed, "{name}");
        // With line feeds only it is the same.
        assert_eq!(parse(&text.replace('\r', "")).unwrap(), read, "{name}");
    }
}

#[test]
fn printing_is_stable_for_whatever_is_read() {
    let mut state = 11_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut read_count = 0;
    for _ in 0..400 {
        let text = FIXTURES[random(FIXTURES.len())].1;
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random(4) {
            let (at, letter) = (random(bytes.len()), b"0a:=/ ;\n~,*"[random(11)]);
            match random(3) {
                0 => bytes[at] = letter,
                1 => bytes.insert(at, letter),
                _ => drop(bytes.remove(at)),
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(read) = parse(&text) {
            read_count += 1;
            let printed = read.print();
            let again = parse(&printed).unwrap();
            assert_eq!(again.print(), printed, "{text}");
        }
    }
    assert!(read_count > 100, "the changes are small: {read_count}");
}

#[test]
fn a_text_cut_anywhere_is_read_or_refused() {
    for (_, text) in FIXTURES {
        for end in 0..text.len() {
            let _ = parse(&text[..end]);
        }
    }
}

#[test]
fn pb_4_chromium_describes_its_simulcast() {
    let read = parse(FIXTURES[0].1).unwrap();
    assert!(read.extmap_allow_mixed && !read.ice_lite);
    assert_eq!(read.bundle.len(), 3);
    let video = &read.sections[2];
    assert_eq!(video.kind, SectionKind::Video);
    assert_eq!(video.direction, Direction::SendOnly);
    assert_eq!(video.codecs[0].name, "VP8");
    assert_eq!(video.codecs[1].parameter("apt"), Some("96"));
    assert_eq!(video.rids.len(), 3);
    assert!(
        video
            .rids
            .iter()
            .all(|line| line.direction == RidDirection::Send)
    );
    assert_eq!(video.simulcast.as_ref().unwrap().send.len(), 3);
    assert_eq!(read.sections[0].max_message_size, Some(262_144));
    assert_eq!(read.sections[0].candidates.len(), 2);
}

#[test]
fn pb_5_of_alternative_encodings_the_first_is_read_and_pauses_are_hints() {
    let read = parse(&with("a=simulcast:send ~q,x;h recv 1;~2")).unwrap();
    let simulcast = read.sections[0].simulcast.clone().unwrap();
    let names =
        |rids: &[media::Rid]| -> Vec<String> { rids.iter().map(ToString::to_string).collect() };
    assert_eq!(names(&simulcast.send), ["q", "h"]);
    assert_eq!(names(&simulcast.recv), ["1", "2"]);
}

#[test]
fn bad_s4_a_line_that_is_wrong_is_refused_with_its_number() {
    let malformed = SdpProblem::Malformed;
    let twenty: Vec<String> = (0..20).map(|n| format!("a=rid:{n} send")).collect();
    let long = format!("a=x:{}", "y".repeat(9_000));
    for (lines, expected) in [
        ("a=mid:", malformed("mid")),
        ("a=mid:a b", malformed("mid")),
        ("a=mid:0123456789abcdefg", malformed("mid")),
        ("a=rtpmap:128 VP8/90000", malformed("payload type")),
        ("a=rtpmap:-1 VP8/90000", malformed("payload type")),
        ("a=rtpmap:96 VP8", malformed("rtpmap")),
        ("a=fmtp:96", malformed("fmtp")),
        ("a=extmap:x uri", malformed("extmap")),
        ("a=extmap:1/up uri", malformed("extmap")),
        ("a=extmap:99999 uri", malformed("extmap")),
        ("a=ssrc:4294967296 cname:x", malformed("ssrc")),
        ("a=ssrc-group:FID -1 2", malformed("ssrc-group")),
        ("a=rid:q both", malformed("rid")),
        ("a=rid:a/b send", malformed("rid")),
        ("a=simulcast:send ;", malformed("rid")),
        ("a=simulcast:up q", malformed("simulcast")),
        ("a=setup:maybe", malformed("setup")),
        ("a=sctp-port:65536", malformed("sctp-port")),
        ("a=ice-ufrag:ab", malformed("ice-ufrag")),
        ("a=ice-pwd:short", malformed("ice-pwd")),
        (
            "a=fingerprint:sha-256 AB",
            SdpProblem::Fingerprint(FingerprintError::Length(1)),
        ),
        ("a=rid:q send\na=rid:q send", SdpProblem::DuplicateRid),
        ("a=simulcast:send q;q", SdpProblem::DuplicateRid),
        (&twenty.join("\n"), SdpProblem::TooMany(Limit::Rids)),
        (&long, SdpProblem::TooMany(Limit::LineBytes)),
        ("a=mid:1\0", SdpProblem::ControlCharacter),
        ("a=mid:1\ra=sendonly", SdpProblem::ControlCharacter),
        ("mid:1", SdpProblem::Form),
        ("attribute=1", SdpProblem::Form),
        ("m=audio", malformed("m=")),
        ("m=audio -1 UDP/TLS/RTP/SAVPF 0", malformed("m=")),
        ("m=audio 65536 UDP/TLS/RTP/SAVPF 0", malformed("m=")),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 300", malformed("payload type")),
    ] {
        let error = parse(&with(lines)).unwrap_err();
        assert_eq!(error.problem, expected, "{lines:.60}");
        let last = 3 + lines.lines().count();
        assert!(
            (4..=last).contains(&error.line),
            "{lines:.60}: {}",
            error.line
        );
    }
    for text in ["", "v=1\n", "garbage", "o=- 1 1 IN IP4 0.0.0.0\nv=0\n"] {
        assert_eq!(parse(text).unwrap_err().problem, SdpProblem::Version);
    }
}

#[test]
fn bad_s1_s9_there_is_an_end_to_everything() {
    let repeated = |line: &str, count: usize| {
        let lines: Vec<String> = (0..count)
            .map(|n| line.replace('#', &n.to_string()))
            .collect();
        lines.join("\n")
    };
    for (line, most, limit) in [
        (
            "a=candidate:# 1 udp 1 192.0.2.1 9 typ host",
            64,
            Limit::Candidates,
        ),
        ("a=ssrc:#", 64, Limit::Ssrcs),
        ("a=ssrc-group:FID # 1", 64, Limit::Ssrcs),
        ("a=extmap:# uri", 64, Limit::Extensions),
        ("a=rtpmap:# x/1", 64, Limit::Codecs),
        ("a=fmtp:1 #", 128, Limit::Codecs),
        ("a=rtcp-fb:1 #", 1_024, Limit::Codecs),
        ("a=rid:# send", 8, Limit::Rids),
        ("a=msid:#", 16, Limit::Msids),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:#",
            999,
            Limit::Sections,
        ),
    ] {
        assert!(parse(&with(&repeated(line, most))).is_ok(), "{line}");
        let error = parse(&with(&repeated(line, most + 1))).unwrap_err();
        assert_eq!(error.problem, SdpProblem::TooMany(limit), "{line}");
    }
    let sections = repeated("m=audio 9 UDP/TLS/RTP/SAVPF 111", 10_000);
    assert_eq!(
        parse(&with(&sections)).unwrap_err().problem,
        SdpProblem::TooMany(Limit::Sections)
    );
    let huge = with(&"a=x\n".repeat(300_000));
    assert_eq!(
        parse(&huge).unwrap_err().problem,
        SdpProblem::TooMany(Limit::Bytes)
    );
}
