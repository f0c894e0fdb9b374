//! DTLS handshakes over bad networks: whatever gets lost, they come to their end.

mod common;

use std::time::Duration;

use common::client::Role;
use common::{BROWSER, Call, Options};
use transport::Event;

/// What RFC 6347 section 4.2.4.1 begins with.
const SLOW: Duration = Duration::from_secs(1);

/// Makes handshakes of each kind, and wants the end of each within the time an impatient
/// application gives them.
fn check(loss_percent: u64, flight_interval: Duration, seeds: u64) {
    let mut failures = Vec::new();
    for role in [Role::Client, Role::Server] {
        for round_trip in [50, 650].map(Duration::from_millis) {
            for seed in 1..=seeds {
                let mut call = Call::negotiated(Options {
                    role,
                    flight_interval,
                    round_trip,
                    loss_percent,
                    seed,
                    ..Options::default()
                });
                let up = |call: &Call| {
                    call.client.is_connected() && call.events.contains(&Event::Connected)
                };
                let end = call.now + Duration::from_secs(15);
                while !up(&call) && call.now < end {
                    call.run(Duration::from_millis(10));
                }
                if !up(&call) {
                    let drops = call.drops();
                    failures.push(format!("{role:?}, {round_trip:?}, seed {seed}: {drops:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} {failures:#?}", failures.len());
}

#[test]
fn they_end_with_a_twentieth_lost() {
    check(5, BROWSER, 500);
}

#[test]
fn they_end_with_a_twentieth_lost_and_a_client_that_waits_as_the_rfc_says() {
    check(5, SLOW, 500);
}

#[test]
fn they_end_with_a_fifth_lost() {
    check(20, BROWSER, 200);
}

#[test]
fn they_end_with_a_fifth_lost_and_a_client_that_waits_as_the_rfc_says() {
    check(20, SLOW, 200);
}
