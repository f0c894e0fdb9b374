//! Offers and answers nobody means well with.

use media::Codec::{Opus, Vp8};

use super::*;

/// Whatever can be read can be applied or is refused; nothing panics, and what was
/// negotiated before goes on.
fn survive(text: &str) {
    let Ok(offer) = Description::parse(SdpKind::Offer, text) else {
        return;
    };
    let mut sections = answering();
    sections.add_sender(sender(Opus, 1));
    sections.add_sender(sender(Vp8, 2));
    if sections.apply_offer(&offer).is_ok() {
        let answer = with_local(|local| sections.answer(local)).unwrap();
        let count = answer.sections.len();
        assert_eq!(count, offer.sections.len());
        assert!(Description::parse(SdpKind::Answer, &answer.print()).is_ok());
    }
    let mut sections = answering();
    answer(&mut sections, SINGLE);
    let _ = sections.apply_offer(&offer);
    let mut sections = Sections::new(Negotiator::Local, None);
    sections.add_sender(sender(Vp8, 2));
    with_local(|local| sections.offer(local)).unwrap();
    let mut answer = offer;
    answer.kind = SdpKind::Answer;
    let _ = sections.apply_answer(&answer);
}

#[test]
fn bad_s5_an_offer_cut_anywhere_does_no_harm() {
    for end in 0..PUBLISH.len() {
        survive(&PUBLISH[..end]);
    }
}

#[test]
fn bad_s7_an_offer_with_lines_shuffled_does_no_harm() {
    // A linear congruential generator: the same shuffles every time.
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for _ in 0..300 {
        let mut lines: Vec<&str> = PUBLISH.lines().collect();
        for _ in 0..=random(12) {
            let (from, to) = (1 + random(lines.len() - 1), 1 + random(lines.len() - 1));
            match random(3) {
                0 => lines.swap(from, to),
                1 => lines.insert(to, lines[from]),
                _ => drop(lines.remove(from)),
            }
        }
        survive(&lines.join("\r\n"));
    }
}

#[test]
fn bad_s7_sections_that_change_places_are_refused_and_the_old_ones_stay() {
    let good = text(&[with(AUDIO, "a=sendonly"), with(VIDEO, "a=sendonly")]);
    let kinds = |sections: &mut Sections| {
        let answer = with_local(|local| sections.answer(local)).unwrap();
        let kinds = answer.sections.iter().map(|section| section.kind.clone());
        kinds.collect::<Vec<_>>()
    };
    let mut sections = answering();
    sections.apply_offer(&offer(&good)).unwrap();
    let before = kinds(&mut sections);
    for worse in [
        // Another kind where sound was, the sound behind it, or one less.
        text(&[with(VIDEO, "a=sendonly"), with(AUDIO, "a=sendonly")]),
        text(&[with(AUDIO, "a=sendonly")]),
    ] {
        assert!(sections.apply_offer(&offer(&worse)).is_err(), "{worse}");
    }
    sections.apply_offer(&offer(&good)).unwrap();
    assert_eq!(kinds(&mut sections), before);
}
