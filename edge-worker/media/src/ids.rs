//! Ids minted by us: a two- or three-letter prefix and random characters, small
//! enough to copy. Drawing the random part is left to the shell.

use std::fmt;
use std::str::FromStr;

/// The text of one id, held inline.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sid {
    len: u8,
    text: [u8; Self::CAPACITY],
}

impl Sid {
    /// Longest id accepted, in bytes. LiveKit's own have 15 to 17.
    pub const CAPACITY: usize = 31;

    /// Holds `text` if it is short, printable ASCII without spaces.
    pub fn new(text: &str) -> Result<Self, ParseSidError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > Self::CAPACITY {
            return Err(ParseSidError::Length(bytes.len()));
        }
        if !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(ParseSidError::Character);
        }
        let mut held = [0; Self::CAPACITY];
        held[..bytes.len()].copy_from_slice(bytes);
        Ok(Self {
            len: bytes.len() as u8,
            text: held,
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).expect("checked to be ASCII")
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseSidError {
    /// Empty or too long.
    #[error("an id has 1 to 31 characters, this one has {0}")]
    Length(usize),
    /// Something other than printable ASCII.
    #[error("an id is printable ASCII without spaces")]
    Character,
    /// Another kind of id.
    #[error("this kind of id starts with {0}")]
    Prefix(&'static str),
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Sid);

        impl $name {
            /// What every such id starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The id as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = ParseSidError;

            fn from_str(text: &str) -> Result<Self, ParseSidError> {
                if !text.starts_with($prefix) {
                    return Err(ParseSidError::Prefix($prefix));
                }
                Sid::new(text).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

id!(
    /// One member of a room, from its join to its leave (a sid, `PA_...`).
    ParticipantId,
    "PA_"
);
id!(
    /// One published stream of audio or video (`TR_...`).
    TrackId,
    "TR_"
);
id!(
    /// One published stream of frames that are not media (`DTR_...`).
    DataTrackId,
    "DTR_"
);
id!(
    /// One life of a room (`RM_...`): the same name later is another room.
    RoomId,
    "RM_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_text() {
        let id: ParticipantId = "PA_abcdefghijkl".parse().unwrap();
        assert_eq!(id.as_str(), "PA_abcdefghijkl");
        assert_eq!(format!("{id} {id:?}"), "PA_abcdefghijkl PA_abcdefghijkl");
    }

    #[test]
    fn what_is_no_id_is_refused_with_a_reason() {
        let long = format!("TR_{}", "x".repeat(40));
        for (text, expected) in [
            ("PA_abc", ParseSidError::Prefix("TR_")),
            ("", ParseSidError::Prefix("TR_")),
            ("TR_a b", ParseSidError::Character),
            ("TR_\u{e9}", ParseSidError::Character),
            (long.as_str(), ParseSidError::Length(43)),
        ] {
            assert_eq!(text.parse::<TrackId>(), Err(expected), "{text:?}");
        }
    }
}
