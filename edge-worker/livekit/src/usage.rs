//! What a participant is told of the bytes its connections took, for a page to show: a data
//! packet of the server's, for those only who ask by an attribute, so that apps see nothing
//! they do not know. Counting is left to the shell.

use std::collections::BTreeMap;

use bytes::Bytes;
use sfu::{Reliability, Saving};

use crate::server_data::ServerMessage;

/// By which attribute a participant asks to be told.
pub const ATTRIBUTE: &str = "tof.usage";

/// By which topic a client knows it.
pub const TOPIC: &str = "tof.usage";

/// Bytes on the network, headers included, as the participant sees them: of all its
/// connections since it joined.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// What it sent.
    pub sent: u64,
    /// What it received.
    pub received: u64,
}

impl Usage {
    /// Whether somebody with these attributes wants to be told.
    pub fn is_asked_for(attributes: &BTreeMap<String, String>) -> bool {
        attributes.get(ATTRIBUTE).is_some_and(|value| value == "on")
    }

    /// As it goes over the data channel for lossy messages.
    pub fn packet(self, saving: Saving) -> Bytes {
        let Self { sent, received } = self;
        let (profile, because) = (saving.profile.label(), saving.because.label());
        let text = format!(
            r#"{{"sent":{sent},"received":{received},"profile":"{profile}","because":"{because}"}}"#
        );
        let topic = Some(TOPIC.to_owned());
        let nobody = Vec::new();
        ServerMessage::user(
            text.into_bytes(),
            Reliability::Lossy,
            topic,
            nobody.clone(),
            nobody,
            &[],
        )
        .expect("two numbers and two words are short")
        .into_message()
        .payload
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::{Value, json};
    use sfu::{Because, Profile};

    use super::*;
    use crate::proto;

    #[test]
    fn usage_is_a_lossy_packet_of_nobody_s_on_a_topic_of_its_own() {
        let usage = Usage {
            sent: 1_234,
            received: u64::MAX,
        };
        let saving = Saving {
            profile: Profile::AudioOnly,
            because: Because::Asked,
        };
        let packet = proto::DataPacket::decode(usage.packet(saving)).unwrap();
        assert_eq!(packet.participant_identity, "");
        let Some(proto::data_packet::Value::User(user)) = packet.value else {
            panic!("{packet:?}");
        };
        assert_eq!(user.topic.as_deref(), Some("tof.usage"));
        let told: Value = serde_json::from_slice(&user.payload).unwrap();
        let expected = json!({
            "sent": 1_234,
            "received": u64::MAX,
            "profile": "audio_only",
            "because": "asked",
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn only_who_asks_in_these_words_is_told() {
        for (attributes, expected) in [
            (&[][..], false),
            (&[("tof.usage", "on")], true),
            (&[("tof.usage", "yes")], false),
            (&[("tof.usage", "")], false),
            (&[("tof.profile", "on")], false),
        ] {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let attributes = attributes.iter().map(owned).collect();
            assert_eq!(Usage::is_asked_for(&attributes), expected, "{attributes:?}");
        }
    }
}
