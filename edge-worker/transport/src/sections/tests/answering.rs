//! The client makes the offers.

use media::Codec::{Av1, H264, Opus, Red, Vp8, Vp9};
use media::{MediaKind, PayloadType, PlayoutDelay, Rid, Ssrc};

use super::*;
use crate::sdp::{HashAlgorithm, SetupRole};
use crate::sections::{Channels, DtlsRole, Dtx, NegotiationError, SoundRate, Unplaced};

#[test]
fn pb_4_what_chromium_publishes_is_received() {
    let mut sections = answering();
    sections.apply_offer(&offer(PUBLISH)).unwrap();
    let offered = sections.offered();
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[0].kind, MediaKind::Audio);
    assert_eq!(offered[0].codecs, [Opus, Red]);
    assert!(PUBLISH.contains(&offered[0].cid));
    assert_eq!(offered[1].codecs, [Vp8, H264, Av1, Vp9]);
    let rids = ["q", "h", "f"].map(|rid| Rid::new(rid.as_bytes()).unwrap());
    assert_eq!(offered[1].rids, rids);

    sections.prefer(offered[0].mid, Red);
    sections.prefer(offered[1].mid, H264);
    let answer = with_local(|local| sections.answer(local)).unwrap();
    assert_eq!(
        summary(&answer),
        [
            "application sendrecv",
            "audio recvonly 63 111",
            "video recvonly 108 109 102 103 116 117 96 97 45 46 98 99 100 101",
        ]
    );
    let text = answer.print();
    for line in [
        "a=ice-lite\r\n",
        "a=group:BUNDLE 0 1 2\r\n",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host\r\n",
        "a=end-of-candidates\r\n",
        "a=setup:passive\r\n",
        "a=max-message-size:65536\r\n",
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n",
        "a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\n",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n",
        "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n",
        "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    for absent in [
        "goog-remb",
        "video-orientation",
        "packetization-mode=0",
        "red/90000",
        "ulpfec",
        "PCMU",
    ] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
    let ids = sections.extension_ids();
    assert_eq!((ids.mid, ids.rid, ids.repaired_rid), (4, 10, 11));
    assert_eq!((ids.audio_level, ids.twcc), (1, 3));
}

/// As Firefox numbers them.
const FIREFOX: [&str; 2] = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\na=rtcp-mux\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
    a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\n\
    a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\n\
    a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\na=fmtp:101 0-15\n\
    a=rtpmap:109 opus/48000/2\na=rtpmap:9 G722/8000/1\na=rtpmap:0 PCMU/8000\n\
    a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000/1\n",
    "m=video 9 UDP/TLS/RTP/SAVPF 120 124 121 125 126 127 97 98\na=rtcp-mux\na=rtcp-rsize\n\
    a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\n\
    a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n\
    a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\n\
    a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1\n\
    a=fmtp:120 max-fs=12288;max-fr=60\na=fmtp:124 apt=120\na=fmtp:125 apt=121\n\
    a=fmtp:127 apt=126\na=fmtp:98 apt=97\n\
    a=rtcp-fb:120 nack\na=rtcp-fb:120 nack pli\na=rtcp-fb:126 nack\na=rtcp-fb:126 nack pli\n\
    a=rtpmap:120 VP8/90000\na=rtpmap:124 rtx/90000\na=rtpmap:121 VP9/90000\n\
    a=rtpmap:125 rtx/90000\na=rtpmap:126 H264/90000\na=rtpmap:127 rtx/90000\n\
    a=rtpmap:97 H264/90000\na=rtpmap:98 rtx/90000\n",
];

#[test]
fn a_client_keeps_its_own_numbers_in_both_directions() {
    let mut sections = answering();
    let mic = sections.add_sender(sender(Opus, 1));
    let camera = sections.add_sender(sender(H264, 2));
    let both = ["a=sendonly", "a=recvonly"].map(|direction| {
        let lines = FIREFOX.map(|section| with(section, direction));
        lines.to_vec()
    });
    let answer = answer(&mut sections, &text(&both.concat()));
    assert_eq!(
        summary(&answer),
        [
            "audio recvonly 109",
            "video recvonly 120 124 121 125 126 127",
            "audio sendonly 109",
            "video sendonly 126 127",
        ]
    );
    assert_eq!(
        events(&mut sections),
        [ready(mic, &[Opus]), ready(camera, &[H264])]
    );
    for (id, payload_type, rtx) in [(mic, 109, None), (camera, 126, Some(127))] {
        let sending = sections.sending(id).unwrap();
        assert_eq!(sending.codecs[0].payload_type, PayloadType(payload_type));
        assert_eq!(sending.codecs[0].rtx, rtx.map(PayloadType));
        assert_eq!(sending.mid_extension, Some(3));
    }
    assert_eq!(sections.extension_ids().twcc, 7);
}

#[test]
fn pb_3_opus_is_wished_for_as_it_was_announced_whatever_is_offered() {
    const STEREO: &str = "a=fmtp:111 stereo=1\n";
    for (offered, channels, dtx, expected) in [
        ("", Channels::Mono, Dtx::On, ";usedtx=1"),
        ("", Channels::Mono, Dtx::Off, ""),
        (STEREO, Channels::Mono, Dtx::On, ";usedtx=1"),
        (
            STEREO,
            Channels::Stereo,
            Dtx::Off,
            ";stereo=1;maxaveragebitrate=510000",
        ),
        (
            "",
            Channels::Stereo,
            Dtx::On,
            ";usedtx=1;stereo=1;maxaveragebitrate=510000",
        ),
    ] {
        let mut sections = answering();
        let text = text(&[with(AUDIO, &format!("{offered}a=sendonly"))]);
        sections.apply_offer(&offer(&text)).unwrap();
        sections.set_sound(mid("0"), channels, dtx);
        let answer = with_local(|local| sections.answer(local)).unwrap();
        let wish = &answer.sections[0].codecs[0].fmtp;
        assert_eq!(*wish, format!("minptime=10;useinbandfec=1{expected}"));
    }
}

#[test]
fn thin_sound_is_speech_in_long_packets_and_is_undone_by_the_next_answer() {
    let mut sections = answering();
    let text = text(&[with(AUDIO, "a=fmtp:111 stereo=1\na=sendonly")]);
    for (rate, most, expected) in [
        (
            SoundRate::Thin,
            Some(media::Bitrate::kilobits(24)),
            "minptime=10;ptime=60;maxptime=60;maxaveragebitrate=24000;useinbandfec=1;usedtx=1",
        ),
        (
            SoundRate::Free,
            None,
            "minptime=10;useinbandfec=1;usedtx=1;stereo=1;maxaveragebitrate=510000",
        ),
    ] {
        sections.apply_offer(&offer(&text)).unwrap();
        sections.set_sound(mid("0"), Channels::Stereo, Dtx::On);
        sections.set_sound_rate(mid("0"), rate);
        let answer = with_local(|local| sections.answer(local)).unwrap();
        assert_eq!(answer.sections[0].bandwidth, most);
        assert_eq!(answer.sections[0].codecs[0].fmtp, expected);
    }
}

#[test]
fn sp_3_senders_fill_the_sections_of_their_kind() {
    let mut sections = answering();
    let ids = [Opus, Red, Vp8, Opus, Opus]
        .into_iter()
        .zip(1..)
        .map(|(codec, number)| sections.add_sender(sender(codec, number)))
        .collect::<Vec<_>>();
    let first = answer(&mut sections, SINGLE);
    assert_eq!(
        summary(&first),
        [
            "audio sendonly 111 63",
            "audio sendonly 63 111",
            "audio sendonly 111 63",
            "video sendonly 96 97",
            "video inactive 96 97 98 99 100 101 108 109 102 103 116 117 45 46",
            "video inactive 96 97 98 99 100 101 108 109 102 103 116 117 45 46",
            "application sendrecv",
        ]
    );
    assert_eq!(
        events(&mut sections),
        [
            ready(ids[0], &[Opus, Red]),
            ready(ids[1], &[Red, Opus]),
            ready(ids[3], &[Opus, Red]),
            ready(ids[2], &[Vp8]),
        ]
    );
    assert_eq!(sections.unplaced(), Unplaced { audio: 1, video: 0 });
    let placed = [("0", 0), ("1", 1), ("2", 3), ("3", 2)];
    assert_eq!(
        sections.placements(),
        placed.map(|(name, at)| (mid(name), ids[at]))
    );
    let text = first.print();
    for line in [
        "a=msid:PA_a|TR_3 TR_3\r\n",
        "a=ssrc-group:FID 1003 2003\r\n",
        "a=ssrc:1003 cname:PA_a\r\n",
        "a=ssrc:2003 msid:PA_a|TR_3 TR_3\r\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let sending = sections.sending(ids[2]).unwrap();
    assert_eq!(
        (sending.mid, sending.rtx_ssrc),
        (mid("3"), Some(Ssrc(2_003)))
    );
    assert_eq!(sending.codec(Vp8).unwrap().rtx, Some(PayloadType(97)));
    assert_eq!(sending.codec(H264), None);
    assert_eq!(sending.mid_extension, Some(4));

    // The same offer again changes nothing, and tells nothing.
    assert_eq!(summary(&answer(&mut sections, SINGLE)), summary(&first));
    assert_eq!(events(&mut sections), []);
}

#[test]
fn sp_5_a_section_is_used_again_after_fresh_ones() {
    let mut sections = answering();
    let pair = [with(VIDEO, "a=recvonly"), with(VIDEO, "a=recvonly")];
    let one = sections.add_sender(sender(Vp8, 1));
    answer(&mut sections, &text(&pair));
    assert!(!sections.needs_offer());
    sections.remove_sender(one);
    assert!(sections.needs_offer());
    assert_eq!(sections.sending(one), None);
    let two = sections.add_sender(sender(H264, 2));
    let three = sections.add_sender(sender(Vp8, 3));
    let second = answer(&mut sections, &text(&pair));
    assert_eq!(
        summary(&second),
        ["video sendonly 96 97", "video sendonly 108 109"]
    );
    assert_eq!(sections.placements(), [(mid("0"), three), (mid("1"), two)]);
    sections.remove_sender(two);
    sections.remove_sender(three);
    let third = answer(&mut sections, &text(&pair));
    let idle = "video inactive 96 97 108 109";
    assert_eq!(summary(&third), [idle, idle]);
}

#[test]
fn sb_10_what_the_client_cannot_play_is_refused_once_that_is_known() {
    let vp8_only = VIDEO.replace("SAVPF 96 97 108 109", "SAVPF 96 97");
    let mut sections = answering();
    let id = sections.add_sender(sender(H264, 1));
    answer(&mut sections, &text(&[with(AUDIO, "a=recvonly")]));
    assert_eq!(
        events(&mut sections),
        [],
        "no section of the kind: it waits"
    );
    let both = [with(AUDIO, "a=recvonly"), with(&vp8_only, "a=recvonly")];
    answer(&mut sections, &text(&both));
    assert_eq!(
        events(&mut sections),
        [SectionsEvent::SenderRejected { sender: id }]
    );
    assert_eq!(sections.unplaced(), Unplaced::default());

    let opus_only = AUDIO.replace("SAVPF 111 63", "SAVPF 111");
    let id = sections.add_sender(sender(Red, 2));
    let mixed = [
        with(&opus_only, "a=recvonly"),
        with(&vp8_only, "a=recvonly"),
    ];
    answer(&mut sections, &text(&mixed));
    assert_eq!(events(&mut sections), [ready(id, &[Opus])]);
}

#[test]
fn a_sender_whose_section_closes_waits_for_another() {
    let mut sections = answering();
    let id = sections.add_sender(sender(Vp8, 1));
    answer(&mut sections, &text(&[with(VIDEO, "a=recvonly")]));
    events(&mut sections);
    answer(&mut sections, &text(&[with(VIDEO, "a=inactive")]));
    assert_eq!(sections.unplaced(), Unplaced { audio: 0, video: 1 });
    assert_eq!(sections.sending(id), None);
    answer(&mut sections, &text(&[with(VIDEO, "a=recvonly")]));
    assert_eq!(events(&mut sections), [ready(id, &[Vp8])]);
}

#[test]
fn pb_1_sections_we_cannot_use_are_rejected_in_place() {
    let unmuxed = AUDIO.replace("a=rtcp-mux\n", "");
    let reserved = AUDIO.replace("111", "72").replace("63", "76");
    let packet_mode_0 = VIDEO
        .replace("SAVPF 96 97 108 109", "SAVPF 108 109")
        .replace("packetization-mode=1", "packetization-mode=0");
    for (section, what) in [
        (unmuxed, "without rtcp-mux"),
        (reserved, "numbers that look like RTCP"),
        (packet_mode_0, "a packetization we do not carry"),
        (
            AUDIO.replace("audio 9", "audio 0"),
            "rejected by the client",
        ),
        (
            AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            "not encrypted",
        ),
        (AUDIO.replace("m=audio", "m=text"), "another kind"),
        (
            VIDEO.replace("VP8", "H265").replace("H264", "theora"),
            "other codecs",
        ),
        (
            VIDEO
                .replace("VP8/90000\n", "VP9/90000\na=fmtp:96 profile-id=1\n")
                .replace(
                    "H264/90000\na=fmtp:108 ",
                    "AV1/90000\na=fmtp:108 profile=1;",
                ),
            "profiles we do not carry",
        ),
        (with(DATA, "a=x"), "a second section for data"),
    ] {
        let offer = text(&[with(DATA, "a=x"), with(&section, "a=sendonly")]);
        let mut sections = answering();
        let answer = answer(&mut sections, &offer);
        assert!(answer.sections[1].is_rejected(), "{what}");
        assert_eq!(answer.bundle, [mid("0")], "{what}");
        assert_eq!(sections.offered(), [], "{what}");
    }
    let outside = text(&[with(AUDIO, "a=sendonly"), with(AUDIO, "a=sendonly")])
        .replace("BUNDLE 0 1", "BUNDLE 1");
    let answer = answer(&mut answering(), &outside);
    assert_eq!(
        summary(&answer),
        ["audio rejected", "audio recvonly 111 63"]
    );
}

#[test]
fn bad_s7_rejected_sections_are_refilled_and_others_keep_their_name() {
    let mut sections = answering();
    let two = |second: &str| text(&[with(AUDIO, "a=sendonly"), second.to_owned()]);
    answer(&mut sections, &two(&with(VIDEO, "a=sendonly")));
    answer(
        &mut sections,
        &two(&with(&VIDEO.replace("video 9", "video 0"), "a=inactive")),
    );
    let refilled = two(&with(AUDIO, "a=recvonly")).replace("a=mid:1", "a=mid:9");
    let refilled = refilled.replace("BUNDLE 0 1", "BUNDLE 0 9");
    answer(&mut sections, &refilled);

    for (text, expected) in [
        (
            two(&with(AUDIO, "a=recvonly")),
            NegotiationError::SectionChanged(1),
        ),
        (
            refilled.replace("m=audio", "m=video"),
            NegotiationError::SectionChanged(0),
        ),
        (
            text(&[with(AUDIO, "a=sendonly")]),
            NegotiationError::SectionCount {
                expected: 2,
                found: 1,
            },
        ),
    ] {
        let before = sections.placements();
        assert_eq!(sections.apply_offer(&offer(&text)), Err(expected));
        assert_eq!(sections.placements(), before);
    }
}

#[test]
fn bad_s2_s3_s4_offers_that_describe_no_safe_transport_are_refused() {
    let good = text(&[with(AUDIO, "a=sendonly")]);
    let print = format!("a=fingerprint:{}\n", Fingerprint::sha256([1; 32]));
    let weak = format!("a=fingerprint:sha-1 {}\n", ["AB"; 20].join(":"));
    for (text, expected) in [
        (
            good.replace(&print, ""),
            NegotiationError::MissingFingerprint,
        ),
        (
            good.replace(&print, &weak),
            NegotiationError::WeakFingerprint,
        ),
        (
            good.replace("a=ice-ufrag:abcd\n", ""),
            NegotiationError::MissingIce,
        ),
        (
            good.replace("actpass", "holdconn"),
            NegotiationError::SetupRole,
        ),
        (
            good.replace("a=group:BUNDLE 0\n", ""),
            NegotiationError::NothingBundled,
        ),
        (
            text(&[with(AUDIO, "a=sendonly"), with(AUDIO, "a=sendonly")])
                .replace("a=mid:1", "a=mid:0"),
            NegotiationError::DuplicateMid(mid("0")),
        ),
        (
            good.replace(
                "a=sendonly",
                "a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            ),
            NegotiationError::ExtensionConflict(4),
        ),
    ] {
        let mut sections = answering();
        assert_eq!(sections.apply_offer(&offer(&text)), Err(expected));
        assert_eq!(sections.remote(), None);
    }
    let mut sections = answering();
    let both = good.replace(&print, &format!("{weak}{print}"));
    sections.apply_offer(&offer(&both)).unwrap();
    let kept = &sections.remote().unwrap().fingerprints;
    assert!(
        kept.iter()
            .all(|print| print.algorithm == HashAlgorithm::Sha256)
    );
    let other = good.replace(
        &print,
        &format!("a=fingerprint:{}\n", Fingerprint::sha256([9; 32])),
    );
    assert_eq!(
        sections.apply_offer(&offer(&other)),
        Err(NegotiationError::FingerprintChanged)
    );
}

#[test]
fn bad_s4_extension_numbers_that_cannot_be_written_are_left_out() {
    for (id, accepted) in [
        ("0", false),
        ("1", true),
        ("14", true),
        ("15", false),
        ("16", true),
        ("255", true),
        ("256", false),
        ("4096", false),
        ("5/inactive", false),
        ("5/sendonly", true),
    ] {
        let audio = AUDIO.replace("extmap:4", &format!("extmap:{id}"));
        let answer = answer(&mut answering(), &text(&[with(&audio, "a=sendonly")]));
        assert_eq!(
            answer.sections[0].extensions.len(),
            usize::from(accepted),
            "{id}"
        );
    }
}

#[test]
fn bad_s3_the_client_chooses_who_opens_and_keeps_to_it() {
    let good = text(&[with(AUDIO, "a=sendonly")]);
    for (said, ours, role) in [
        ("actpass", SetupRole::Passive, DtlsRole::Server),
        ("active", SetupRole::Passive, DtlsRole::Server),
        ("passive", SetupRole::Active, DtlsRole::Client),
    ] {
        let mut sections = answering();
        let answer = answer(&mut sections, &good.replace("actpass", said));
        assert_eq!(answer.sections[0].transport.setup, Some(ours), "{said}");
        assert_eq!(sections.remote().unwrap().role, role, "{said}");
        // Later it leaves the choice to us: the roles stay.
        sections.apply_offer(&offer(&good)).unwrap();
        assert_eq!(sections.remote().unwrap().role, role, "{said}");
    }
    let mut sections = answering();
    answer(&mut sections, &good);
    let turned = offer(&good.replace("actpass", "passive"));
    assert_eq!(
        sections.apply_offer(&turned),
        Err(NegotiationError::SetupRole)
    );
}

#[test]
fn a_restart_of_ice_is_told() {
    let mut sections = answering();
    let good = text(&[with(AUDIO, "a=sendonly")]);
    answer(&mut sections, &good);
    answer(&mut sections, &good);
    assert!(!sections.is_restarted());
    answer(&mut sections, &good.replace("ufrag:abcd", "ufrag:efgh"));
    assert!(sections.is_restarted());
    assert_eq!(sections.remote().unwrap().ufrag, "efgh");
    assert_eq!(sections.ufrag_before(), Some("abcd"));
    sections.restart();
    assert!(!sections.is_restarted());
}

#[test]
fn only_a_waiting_offer_is_answered() {
    let mut sections = answering();
    let refused = with_local(|local| sections.answer(local).unwrap_err());
    assert_eq!(refused, NegotiationError::NoOffer);
    answer(&mut sections, &text(&[with(AUDIO, "a=sendonly")]));
    let refused = with_local(|local| sections.answer(local).unwrap_err());
    assert_eq!(refused, NegotiationError::NoOffer);
    let refused = with_local(|local| sections.offer(local).unwrap_err());
    assert_eq!(refused, NegotiationError::WrongSide);
}

#[test]
fn hundreds_of_sections_are_negotiated() {
    let mut sections = answering();
    let kinds = [(AUDIO, Opus), (VIDEO, Vp8)];
    let lines: Vec<String> = (0..300)
        .map(|at| with(kinds[at % 2].0, "a=recvonly"))
        .collect();
    for number in 0..300 {
        sections.add_sender(sender(kinds[number as usize % 2].1, number));
    }
    let first = answer(&mut sections, &text(&lines));
    assert_eq!(first.sections.len(), 300);
    assert_eq!(sections.placements().len(), 300);
    assert_eq!(events(&mut sections).len(), 300);
    for number in 0..150 {
        sections.remove_sender(SenderId(number));
    }
    answer(&mut sections, &text(&lines));
    assert_eq!(sections.placements().len(), 150);
}

#[test]
fn sb_3_a_playout_delay_is_agreed_to_where_there_is_one_to_say() {
    let uri = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    let video = format!("{VIDEO}a=extmap:12 {uri}\n");
    let offered = text(&[with(&video, "a=recvonly\n"), with(DATA, "")]);
    let delay = PlayoutDelay::from_ms(200, 400);
    for (playout, expected) in [(delay, delay.map(|delay| (12, delay))), (None, None)] {
        let mut sections = Sections::new(Negotiator::Remote, playout);
        let id = sections.add_sender(sender(Vp8, 1));
        let answer = answer(&mut sections, &offered);
        assert_eq!(answer.print().contains(uri), playout.is_some());
        assert_eq!(sections.sending(id).unwrap().playout, expected);
    }
}
