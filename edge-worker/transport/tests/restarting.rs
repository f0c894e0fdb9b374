//! ICE restarts (RFC 8445 section 9) in mid-call: by the client's offer and by ours, with
//! the keys of media and the data channels untouched.

mod common;

use std::time::Duration;

use common::client::{Role, rtp};
use common::{Call, Options};
use transport::sdp::{Description, SdpKind};
use transport::{DropReason, Event, IceCredentials};

const ELSEWHERE: &str = "203.0.113.9:4000";

fn credentials(number: usize) -> IceCredentials {
    IceCredentials {
        ufrag: format!("edgeufrag{number}"),
        pwd: format!("edgepasswordedgepassword{number}"),
    }
}

/// The client's own new credentials, from its next description on.
fn renew(call: &mut Call, number: usize) {
    call.client.ice = IceCredentials {
        ufrag: format!("clnt{number}"),
        pwd: format!("clientpasswordclientpwd{number}"),
    };
}

/// The client offers anew; we follow with new credentials.
fn offered_restart(call: &mut Call, number: usize) -> String {
    let offer =
        Description::parse(SdpKind::Offer, &call.client.offer()).expect("the client writes SDP");
    call.transport
        .apply_offer(call.now, &offer)
        .expect("it can be applied");
    assert!(call.transport.is_restarted());
    call.transport.restart(call.now, credentials(number));
    assert!(!call.transport.is_restarted());
    call.transport.answer().expect("it can be answered").print()
}

/// The same offer again, and our answer to it.
fn answer_again(call: &mut Call) -> String {
    let offer =
        Description::parse(SdpKind::Offer, &call.client.offer()).expect("the client writes SDP");
    call.transport
        .apply_offer(call.now, &offer)
        .expect("it can be applied");
    call.transport.answer().expect("it can be answered").print()
}

/// A packet of the client's gets through.
fn speaks(call: &mut Call, seq: u16) {
    let packet = rtp(111, seq, 1111, seq, b"opus");
    let mut sealed = call.client.seal_rtp(&packet);
    call.packets.clear();
    call.deliver(call.client.address, &mut sealed);
    assert_eq!(call.packets.len(), 1, "{:?}", call.drops());
}

/// A message of the client's gets through, as often as it takes.
fn sends_data(call: &mut Call, message: &[u8]) {
    let is_it = |event: &Event| matches!(event, Event::Data { payload, .. } if payload == message);
    call.client.send_message(1, message);
    call.run_until(Duration::from_secs(10), |call| {
        call.events.iter().any(is_it)
    });
}

fn origin(description: &str) -> &str {
    let line = description.lines().find(|line| line.starts_with("o="));
    line.and_then(|line| line.split(' ').nth(1))
        .expect("every description has an origin")
}

#[test]
fn ic_5_the_client_restarts_by_its_offer_and_media_and_data_go_on() {
    for role in [Role::Client, Role::Server] {
        for loss_percent in [0, 5] {
            let mut call = Call::connected(Options {
                role,
                loss_percent,
                seed: 4,
                ..Options::default()
            });
            call.run_until(Duration::from_secs(5), |call| call.client.sctp_up);
            call.client.open_channel(1, "_reliable", true);
            sends_data(&mut call, b"before");
            speaks(&mut call, 1);
            let first = String::from(origin(&answer_again(&mut call)));
            for round in 1..=3 {
                let seq = round as u16 * 10;
                let old = call.client.nominating_check(100);
                renew(&mut call, round);
                let answer = offered_restart(&mut call, round);
                let ufrag = format!("a=ice-ufrag:edgeufrag{round}\r\n");
                assert!(answer.contains(&ufrag), "{answer}");
                assert_eq!(origin(&answer), first, "the same session");
                // Until it has our answer, the client lives on the old path.
                call.client.silent = true;
                let replies = call.client.replies.len();
                call.deliver(call.client.address, &mut old.clone());
                speaks(&mut call, seq);
                call.run(Duration::from_millis(200));
                if loss_percent == 0 {
                    assert!(
                        call.client.replies.len() > replies,
                        "an old check is answered"
                    );
                }
                // Now it has it, and is somewhere else.
                call.client.edge = credentials(round);
                call.client.address = if round == 2 {
                    common::CLIENT.parse().unwrap()
                } else {
                    ELSEWHERE.parse().unwrap()
                };
                call.events.clear();
                call.client.silent = false;
                call.run_until(Duration::from_secs(5), |call| {
                    round == 3 || call.events.contains(&Event::AddressChanged)
                });
                call.run(Duration::from_secs(2));
                speaks(&mut call, seq + 1);
                sends_data(&mut call, format!("round {round}").as_bytes());
                // The old credentials are of no use any more.
                let refused = call.transport.drops().of(DropReason::StunUsername);
                call.deliver(call.client.address, &mut old.clone());
                let after = call.transport.drops().of(DropReason::StunUsername);
                assert_eq!(after, refused + 1);
            }
            assert!(
                !call.events.contains(&Event::Connected),
                "no second handshake"
            );
        }
    }
}

#[test]
fn ic_5_we_restart_by_our_offer_and_a_late_answer_hurts_nobody() {
    let (mut call, []) = Call::offered(Options::default(), []);
    call.connect();
    call.transport.restart(call.now, credentials(1));
    assert!(call.transport.needs_offer());
    let offer = call.transport.offer().unwrap().print();
    assert!(offer.contains("a=ice-ufrag:edgeufrag1\r\n"), "{offer}");
    // The offer is long on its way.
    call.run(Duration::from_secs(40));
    assert!(call.transport.is_connected());
    assert_eq!(call.transport.drops().of(DropReason::StunUsername), 0);
    renew(&mut call, 1);
    let answer = call.client.answer(&offer);
    let answer = Description::parse(SdpKind::Answer, &answer).unwrap();
    call.transport.apply_answer(call.now, &answer).unwrap();
    call.client.edge = credentials(1);
    call.client.address = ELSEWHERE.parse().unwrap();
    call.run_until(Duration::from_secs(5), |call| {
        call.events.contains(&Event::AddressChanged)
    });
    call.run(Duration::from_secs(40));
    assert!(call.transport.is_connected());
}

#[test]
fn ic_5_an_offer_nobody_heard_of_leaves_the_older_credentials_in_force() {
    let (mut call, []) = Call::offered(Options::default(), []);
    call.connect();
    for number in 1..=3 {
        call.transport.restart(call.now, credentials(number));
        call.transport.offer().unwrap();
        call.run(Duration::from_secs(25));
        assert!(call.transport.is_connected(), "after {number} lost offers");
    }
}
