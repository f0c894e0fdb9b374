//! What comes by WebSocket, in the join request's parameter, and by data channel.
//!
//! The input's first byte says as which of them the rest is read.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use livekit::{
    data::{self, MAX_DATA, Sender},
    join::decode_join_request,
    signal::{self, RawFrame},
};
use sfu::{Identity, Reliability, Visibility};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((first, rest)) = input.split_first() else { return Corpus::Reject };
    let text = std::str::from_utf8(rest);
    match (first % 4, text) {
        (0, _) => {
            let _ = signal::decode(RawFrame::Binary(rest));
        }
        (1, Ok(text)) => {
            let _ = signal::decode(RawFrame::Text(text));
        }
        (2, Ok(text)) => {
            let _ = decode_join_request(text);
        }
        (3, _) => stamp(rest),
        _ => return Corpus::Reject,
    }
    Corpus::Keep
});

/// Whatever a message said of its sender, afterwards it says the truth; and what was
/// stamped once can be stamped again without becoming another message.
fn stamp(payload: &[u8]) {
    let sender = Sender {
        id: "PA_abcdefghijkl".parse().expect("a sid"),
        identity: Identity("ada".into()),
        visibility: Visibility::Visible,
        kind: 0,
    };
    let payload = Bytes::copy_from_slice(payload);
    let Ok(stamped) = data::stamp(&payload, &sender, Reliability::Reliable) else { return };
    if stamped.payload.len() <= MAX_DATA {
        let again = data::stamp(&stamped.payload, &sender, Reliability::Reliable);
        let again = again.expect("what we forward we could have received");
        assert_eq!(again.sequence, stamped.sequence);
        assert_eq!(again.destination_identities, stamped.destination_identities);
        assert_eq!(again.destination_sids, stamped.destination_sids);
        assert_eq!(again.payload, stamped.payload);
    }
}
