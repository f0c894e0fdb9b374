//! Which tracks a client is to play in step: those it gets in one stream (RFC 8830). And what
//! of a room's playout delay is for whom.

use media::{ParticipantId, PlayoutDelay};

use super::Room;
use crate::{Source, StreamName, Streams, TrackInfo};

impl Room {
    /// How long pictures shall wait with a participant. Sound can only wait with them where
    /// both are in one stream.
    pub fn playout_delay(&self, participant: ParticipantId) -> Option<PlayoutDelay> {
        let key = self.participants.local_key_of(participant)?;
        let found = self.participants.find(key)?;
        let playing = self.info.playing;
        playing.delay.filter(|_| playing.streams <= found.streams)
    }
}

/// What the client finds publisher and track by, and what it plays them by.
pub(super) fn name(publisher: ParticipantId, track: &TrackInfo, streams: Streams) -> StreamName {
    StreamName {
        own: format!("{publisher}|{}", track.id),
        shared: match streams {
            Streams::Apart => None,
            Streams::Together => Some(format!("{publisher}|{}", group(track))),
        },
    }
}

/// As the publisher says, or else as LiveKit names the sources.
fn group(track: &TrackInfo) -> String {
    if !track.stream.is_empty() {
        return word(&track.stream);
    }
    match track.source {
        Source::Camera | Source::Microphone => "camera",
        Source::ScreenShare | Source::ScreenShareAudio => "screen",
        Source::Unknown => "unknown",
    }
    .to_owned()
}

/// A publisher's word for a stream as a description may carry it: of the characters of RFC
/// 8830, and short. Clients cut at a bar, and take what begins with `TR` for a track's id.
fn word(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-_.+".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    let mark = if name.starts_with("TR") { "_" } else { "" };
    let rest = name.chars().take(LONGEST_WORD - mark.len()).map(plain);
    mark.chars().chain(rest).collect()
}

/// With a participant's id before it, the longest name is one of 64 characters.
const LONGEST_WORD: usize = 47;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishers_word_becomes_one_that_descriptions_can_carry() {
        for (name, expected) in [
            ("desk", "desk"),
            ("my desk|1", "my_desk_1"),
            ("a\r\na=x", "a__a_x"),
            ("TR_abc", "_TR_abc"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(word(name), expected);
        }
        assert_eq!(word(&"x".repeat(300)).len(), LONGEST_WORD);
        assert_eq!(word(&format!("TR{}", "x".repeat(300))).len(), LONGEST_WORD);
    }
}
