//! RTCP compounds as they are after decryption, and STUN as it comes: both are read
//! before anything else is known of a packet.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(reports) = transport::wire::rtcp(input) {
        // Not even a report of nothing but lies may cost more than it weighs.
        assert!(reports.len() <= input.len());
    }
    transport::stun_ufrag(input);
});
