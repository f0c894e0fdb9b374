//! Descriptions: whatever comes is read or refused, never more; what is read can be
//! written and read again; and a transport can be negotiated with it.
//!
//! The input is a byte that says who offers, then descriptions with NUL between them.

#![no_main]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Instant,
};

use libfuzzer_sys::{Corpus, fuzz_target};
use media::{Codec, PlayoutDelay, Ssrc};
use transport::{
    Candidates, Channels, IceCredentials, Identity, Negotiator, Sender, Setup, Transport,
    sdp::{Description, SdpKind},
};

static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::generate().expect("a certificate can be made")));

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((first, text)) = input.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(text) else { return Corpus::Reject };
    let (negotiator, kind) = match first & 1 {
        0 => (Negotiator::Remote, SdpKind::Offer),
        _ => (Negotiator::Local, SdpKind::Answer),
    };
    let now = Instant::now();
    let mut transport = transport(now, negotiator);
    // A client that goes on and on is the shell's business.
    for (round, text) in text.split('\0').take(4).enumerate() {
        add_sender(&mut transport, round);
        match negotiator {
            Negotiator::Remote => answer(&mut transport, now, kind, text),
            Negotiator::Local => offer(&mut transport, now, kind, text),
        }
    }
    Corpus::Keep
});

fn answer(transport: &mut Transport, now: Instant, kind: SdpKind, text: &str) {
    let Some(offer) = read(kind, text) else { return };
    if transport.apply_offer(now, &offer).is_err() {
        return;
    }
    for section in transport.offered() {
        transport.prefer(section.mid, Codec::Vp8);
    }
    if let Ok(answer) = transport.answer() {
        assert_eq!(answer.sections.len(), offer.sections.len(), "RFC 3264: one for each");
        reread(&answer);
    }
    transport.unplaced();
    transport.placements();
}

fn offer(transport: &mut Transport, now: Instant, kind: SdpKind, text: &str) {
    if transport.needs_offer() {
        let offer = transport.offer().expect("nobody else offers here");
        reread(&offer);
    }
    if let Some(answer) = read(kind, text) {
        // Refused or not: the next offer must be one.
        let _ = transport.apply_answer(now, &answer);
    }
    transport.placements();
}

fn read(kind: SdpKind, text: &str) -> Option<Description> {
    let description = Description::parse(kind, text).ok()?;
    reread(&description);
    Some(description)
}

/// What we write is what we read.
fn reread(description: &Description) {
    let printed = description.print();
    let read = Description::parse(description.kind, &printed);
    let read = read.unwrap_or_else(|error| panic!("{error} in\n{printed}"));
    assert_eq!(read.print(), printed);
}

fn transport(now: Instant, negotiator: Negotiator) -> Transport {
    let setup = Setup {
        identity: Arc::clone(&IDENTITY),
        ice: IceCredentials { ufrag: "ours".to_owned(), pwd: "p".repeat(24) },
        candidates: Candidates {
            udp: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7882))],
            tcp: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7881))],
        },
        negotiator,
        playout: PlayoutDelay::from_ms(200, 400),
    };
    Transport::new(now, setup)
}

fn add_sender(transport: &mut Transport, round: usize) {
    let codec = [Codec::Opus, Codec::Vp8, Codec::H264][round % 3];
    let number = round as u32 * 2;
    transport.add_sender(Sender {
        codec,
        stream: format!("PA_{round}"),
        shared: None,
        track: format!("TR_{round}"),
        cname: "cname".to_owned(),
        ssrc: Ssrc(1_000 + number),
        rtx: Ssrc(1_001 + number),
        channels: Channels::Mono,
    });
}
