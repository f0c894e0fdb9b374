//! We make the offers.

use media::Codec::{H264, Opus, Red, Vp8};
use media::{PayloadType, PlayoutDelay, Ssrc};

use super::*;
use crate::sdp::{Direction, SetupRole};
use crate::sections::{DtlsRole, NegotiationError};

const SUBSCRIBE: &str = include_str!("../../../tests/fixtures/chromium_subscribe_answer.sdp");

fn offering() -> Sections {
    Sections::new(Negotiator::Local, None)
}

fn make_offer(sections: &mut Sections) -> Description {
    with_local(|local| sections.offer(local)).unwrap()
}

/// What a client that takes everything answers.
fn agree(offer: &Description) -> Description {
    let mut answer = offer.clone();
    answer.kind = SdpKind::Answer;
    answer.ice_lite = false;
    for section in &mut answer.sections {
        section.transport.ufrag = Some("theirs".into());
        section.transport.pwd = Some("theirpasswordtheirpassword".into());
        section.transport.fingerprints = vec![Fingerprint::sha256([1; 32])];
        section.transport.setup = Some(SetupRole::Active);
        section.candidates.clear();
        if section.direction == Direction::SendOnly {
            section.direction = Direction::RecvOnly;
        }
        section.msids.clear();
        section.ssrcs.clear();
        section.ssrc_groups.clear();
    }
    Description::parse(SdpKind::Answer, &answer.print()).unwrap()
}

fn negotiate(sections: &mut Sections) -> Description {
    let offer = make_offer(sections);
    sections.apply_answer(&agree(&offer)).unwrap();
    offer
}

#[test]
fn data_channels_are_offered_without_any_sender() {
    let mut sections = offering();
    assert!(sections.needs_offer());
    let offer = negotiate(&mut sections);
    assert_eq!(summary(&offer), ["application sendrecv"]);
    assert!(!sections.needs_offer());
    let remote = sections.remote().unwrap();
    assert_eq!(remote.role, DtlsRole::Server);
    assert_eq!(remote.data.unwrap().sctp_port, 5_000);
    assert_eq!(offer.sections[0].transport.setup, Some(SetupRole::ActPass));
}

#[test]
fn what_chromium_answers_is_taken() {
    let mut sections = offering();
    let ids = [Opus, Vp8, Red, H264, Opus]
        .into_iter()
        .zip(1..)
        .map(|(codec, number)| sections.add_sender(sender(codec, number)))
        .collect::<Vec<_>>();
    let offer = make_offer(&mut sections);
    assert_eq!(
        summary(&offer),
        [
            "application sendrecv",
            "audio sendonly 111 63",
            "video sendonly 96 97",
            "audio sendonly 63 111",
            "video sendonly 102 103",
            "audio sendonly 111 63",
        ]
    );
    let text = offer.print();
    for line in [
        "a=rtcp-fb:111 nack\r\n",
        "profile-level-id=42e01f\r\n",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
        "a=msid:PA_a|TR_2 TR_2\r\n",
        "a=ssrc-group:FID 1002 2002\r\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let answer = Description::parse(SdpKind::Answer, SUBSCRIBE).unwrap();
    sections.apply_answer(&answer).unwrap();
    assert_eq!(
        events(&mut sections),
        [
            ready(ids[0], &[Opus, Red]),
            ready(ids[1], &[Vp8]),
            ready(ids[2], &[Red, Opus]),
            ready(ids[3], &[H264]),
            ready(ids[4], &[Opus, Red]),
        ]
    );
    let sending = sections.sending(ids[3]).unwrap();
    assert_eq!(sending.codecs[0].payload_type, PayloadType(102));
    assert_eq!(sending.rtx_ssrc, Some(Ssrc(2_004)));
    assert_eq!(sending.mid_extension, Some(4));
    assert_eq!(
        sections.apply_answer(&answer),
        Err(NegotiationError::NoOffer)
    );
}

#[test]
fn sb_3_subscribers_are_offered_the_extensions_and_feedback_that_we_make_use_of() {
    let mut sections = offering();
    for (codec, number) in [Opus, Red, Vp8, H264].into_iter().zip(1..) {
        sections.add_sender(sender(codec, number));
    }
    let offer = make_offer(&mut sections);
    let all = [
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
    ];
    let picture = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"];
    let feedback = [
        &["transport-cc", "nack"][..],
        // It repeats itself.
        &["transport-cc"],
        &picture,
        &picture,
    ];
    for (section, feedback) in offer.sections[1..].iter().zip(feedback) {
        let mut uris: Vec<_> = section.extensions.iter().map(|each| &*each.uri).collect();
        uris.sort_unstable();
        assert_eq!(uris, all);
        assert_eq!(section.codecs[0].feedback, feedback);
    }
}

#[test]
fn sd_2_our_candidates_stand_in_every_description_and_we_are_lite() {
    let mut ours = offering();
    ours.add_sender(sender(Opus, 1));
    let offer = make_offer(&mut ours);
    let answer = answer(&mut answering(), &text(&[with(AUDIO, ""), with(DATA, "")]));
    for description in [offer, answer] {
        let text = description.print();
        let candidates = text.lines().filter(|line| line.starts_with("a=candidate:"));
        let candidates: Vec<_> = candidates.collect();
        assert!(!candidates.is_empty(), "{text}");
        let expected = [
            ("udp", "192.0.2.1 7882 typ host"),
            ("tcp", "192.0.2.1 7881 typ host tcptype passive"),
        ];
        assert_eq!(candidates.len(), expected.len(), "{text}");
        let mut last = u32::MAX;
        for (candidate, (transport, place)) in candidates.into_iter().zip(expected) {
            let words: Vec<_> = candidate.split(' ').collect();
            assert_eq!(words[1..3], ["1", transport], "{candidate}");
            assert_eq!(words[4..].join(" "), place, "{candidate}");
            let priority: u32 = words[3].parse().unwrap();
            assert!(priority < last, "what comes first is preferred: {text}");
            last = priority;
        }
        assert!(text.contains("a=end-of-candidates\r\n"), "{text}");
        assert!(text.contains("a=ice-lite\r\n"), "{text}");
    }
}

#[test]
fn sb_9_a_removed_sender_leaves_its_section_to_the_next() {
    let mut sections = offering();
    let one = sections.add_sender(sender(Vp8, 1));
    negotiate(&mut sections);
    sections.remove_sender(one);
    assert!(sections.needs_offer());
    let offer = negotiate(&mut sections);
    assert_eq!(offer.sections[1].direction, Direction::Inactive);
    assert!(offer.sections[1].msids.is_empty());
    let two = sections.add_sender(sender(H264, 2));
    let offer = negotiate(&mut sections);
    assert_eq!(offer.sections.len(), 2);
    assert_eq!(offer.sections[1].ssrcs[0].ssrc, Ssrc(1_002));
    assert_eq!(sections.placements(), [(mid("1"), two)]);
}

fn sharing(codec: Codec, number: u32) -> Sender {
    Sender {
        shared: Some("PA_a|camera".into()),
        ..sender(codec, number)
    }
}

/// The names in the m-line at `index`.
fn named(offer: &Description, index: usize) -> Option<String> {
    let section = &offer.sections[index];
    let msid = section.msids.first()?;
    assert_eq!(section.ssrcs[0].msid.as_ref(), Some(msid));
    Some(format!("{} {}", msid.stream, msid.track))
}

#[test]
fn sb_1_senders_of_one_stream_say_so_in_m_lines_that_had_no_other() {
    let mut sections = offering();
    let sound = sections.add_sender(sharing(Opus, 1));
    sections.add_sender(sharing(Vp8, 2));
    let offer = negotiate(&mut sections);
    assert_eq!(named(&offer, 1).unwrap(), "PA_a|camera TR_1");
    assert_eq!(named(&offer, 2).unwrap(), "PA_a|camera TR_2");

    // A browser goes on to call the track of a used m-line by its first name.
    sections.remove_sender(sound);
    sections.add_sender(sharing(Opus, 3));
    let offer = negotiate(&mut sections);
    assert_eq!(named(&offer, 1), None);
    assert_eq!(named(&offer, 3).unwrap(), "PA_a|camera TR_3");
    sections.add_sender(sender(Opus, 4));
    let offer = negotiate(&mut sections);
    assert_eq!(named(&offer, 1).unwrap(), "PA_a|TR_4 TR_4");
}

#[test]
fn sb_1_without_fresh_m_lines_a_sender_leaves_its_stream() {
    let mut sections = offering();
    let last = Description::MAX_SECTIONS as u32 - 1;
    let ids: Vec<_> = (0..last)
        .map(|number| sections.add_sender(sharing(Opus, number)))
        .collect();
    negotiate(&mut sections);
    sections.remove_sender(ids[6]);
    sections.add_sender(sharing(Opus, 1_000));
    let offer = negotiate(&mut sections);
    assert_eq!(named(&offer, 7).unwrap(), "PA_a|TR_1000 TR_1000");
}

#[test]
fn sb_3_a_playout_delay_is_offered_with_pictures_and_written_where_it_is_taken() {
    let delay = PlayoutDelay::from_ms(200, 400).unwrap();
    let uri = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    let waits = |section: &Section| section.extensions.iter().any(|it| it.uri == uri);
    for taken in [true, false] {
        let mut sections = Sections::new(Negotiator::Local, Some(delay));
        let ids = [Opus, Vp8].map(|codec| sections.add_sender(sender(codec, 1)));
        let offer = make_offer(&mut sections);
        assert_eq!(
            offer.sections.iter().map(waits).collect::<Vec<_>>(),
            [false, false, true]
        );
        let mut answer = agree(&offer);
        if !taken {
            answer.sections[2].extensions.retain(|it| it.uri != uri);
        }
        sections.apply_answer(&answer).unwrap();
        let written = ids.map(|id| sections.sending(id).unwrap().playout);
        assert_eq!(written, [None, taken.then_some((5, delay))]);
    }
}

#[test]
fn sections_do_not_pile_up() {
    let mut sections = offering();
    for round in 0..300 {
        let audio = sections.add_sender(sender(Opus, 2 * round));
        let video = sections.add_sender(sender(Vp8, 2 * round + 1));
        let offer = negotiate(&mut sections);
        assert_eq!(offer.sections.len(), 3, "round {round}");
        sections.remove_sender(audio);
        sections.remove_sender(video);
        if round % 3 == 0 {
            negotiate(&mut sections);
        }
    }
    assert_eq!(events(&mut sections), [], "nobody is told of the gone");
    assert_eq!(sections.placements(), []);
}

#[test]
fn hundreds_of_senders_are_offered() {
    let mut sections = offering();
    for number in 0..300 {
        sections.add_sender(sender([Opus, Vp8][number as usize % 2], number));
    }
    assert_eq!(negotiate(&mut sections).sections.len(), 301);
    assert_eq!(events(&mut sections).len(), 300);
}

#[test]
fn there_is_an_end_to_sections() {
    let mut sections = offering();
    for number in 0..Description::MAX_SECTIONS as u32 {
        sections.add_sender(sender(Opus, number));
    }
    let offer = make_offer(&mut sections);
    assert_eq!(offer.sections.len(), Description::MAX_SECTIONS);
    let last = SenderId(Description::MAX_SECTIONS as u32 - 1);
    let rejected = SectionsEvent::SenderRejected { sender: last };
    assert_eq!(events(&mut sections), [rejected]);
}

#[test]
fn what_the_client_does_not_take_is_refused() {
    let refuse = |change: &dyn Fn(&mut Section)| {
        let mut sections = offering();
        let id = sections.add_sender(sender(H264, 1));
        let mut answer = agree(&make_offer(&mut sections));
        change(&mut answer.sections[1]);
        sections.apply_answer(&answer).unwrap();
        assert_eq!(
            events(&mut sections),
            [SectionsEvent::SenderRejected { sender: id }]
        );
        assert_eq!(sections.placements(), []);
        assert_eq!(sections.sending(id), None);
        let next = sections.add_sender(sender(Vp8, 2));
        sections.remove_sender(id);
        let offer = negotiate(&mut sections);
        assert_eq!(offer.sections.len(), 2);
        assert_eq!(events(&mut sections), [ready(next, &[Vp8])]);
        offer.sections[1].mid
    };
    let inactive = refuse(&|section| section.direction = Direction::Inactive);
    assert_eq!(inactive, Some(mid("1")));
    let other_codec = refuse(&|section| section.codecs[0].name = "AV1".into());
    assert_eq!(other_codec, Some(mid("1")));
    // A refused m-line comes back under a new name.
    let rejected = refuse(&|section| section.port = 0);
    assert_eq!(rejected, Some(mid("2")));
}

#[test]
fn an_answer_that_crosses_a_removal_does_no_harm() {
    let mut sections = offering();
    let one = sections.add_sender(sender(Vp8, 1));
    let offer = make_offer(&mut sections);
    sections.remove_sender(one);
    let two = sections.add_sender(sender(Vp8, 2));
    sections.apply_answer(&agree(&offer)).unwrap();
    assert_eq!(events(&mut sections), []);
    assert!(sections.needs_offer());
    negotiate(&mut sections);
    assert_eq!(events(&mut sections), [ready(two, &[Vp8])]);
    assert_eq!(sections.placements(), [(mid("1"), two)]);
}

#[test]
fn answers_that_do_not_match_are_refused() {
    let mut sections = offering();
    sections.add_sender(sender(Vp8, 1));
    let good = agree(&make_offer(&mut sections));
    let changed = |change: &dyn Fn(&mut Description)| {
        let mut answer = good.clone();
        change(&mut answer);
        answer
    };
    for (answer, expected) in [
        (
            changed(&|answer| drop(answer.sections.pop())),
            NegotiationError::SectionCount {
                expected: 2,
                found: 1,
            },
        ),
        (
            changed(&|answer| answer.sections[1].mid = Some(mid("x"))),
            NegotiationError::SectionChanged(1),
        ),
        (
            changed(&|answer| answer.sections[0].transport.setup = Some(SetupRole::ActPass)),
            NegotiationError::SetupRole,
        ),
        (
            changed(&|answer| answer.sections[0].transport.fingerprints.clear()),
            NegotiationError::MissingFingerprint,
        ),
        (
            changed(&|answer| answer.kind = SdpKind::Offer),
            NegotiationError::WrongSide,
        ),
    ] {
        assert_eq!(sections.apply_answer(&answer), Err(expected));
    }
    sections.apply_answer(&good).unwrap();
    assert_eq!(events(&mut sections).len(), 1);
}

#[test]
fn sb_5_stereo_is_offered_where_it_is_sent() {
    let mut sections = offering();
    sections.add_sender(Sender {
        channels: Channels::Stereo,
        ..sender(Opus, 1)
    });
    let offer = make_offer(&mut sections);
    assert_eq!(
        offer.sections[1].codecs[0].fmtp,
        "minptime=10;useinbandfec=1;sprop-stereo=1"
    );
}
