//! What participants write to each other, read from their data messages: text streams of the
//! topic `lk.chat`, whole or in pieces, compressed or not, and the packets of older clients.
//!
//! Whether a message may be sent, and to whom it goes, is decided elsewhere. End-to-end
//! encrypted ones can only be counted, and where their topic is hidden too, only roughly.

use std::collections::VecDeque;
use std::io::Read;
use std::time::{Duration, Instant};

use flate2::read::DeflateDecoder;
use serde::Deserialize;

use crate::proto::data_packet::Value;
use crate::proto::data_stream::header::ContentHeader;
use crate::proto::data_stream::{CompressionType, Header, OperationType};

/// What one data message may contribute to a chat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fragment {
    /// A text begins; all of it may have come along.
    Begin(Box<Beginning>),
    /// More of something; whether it is of a text is not said.
    More {
        /// Of this.
        id: String,
        /// Bytes.
        content: Vec<u8>,
    },
    /// That was all of it.
    End {
        /// Of this.
        id: String,
    },
    /// In an older way, in one piece.
    Whole(Said),
    /// A text that only its receivers can read.
    Sealed,
    /// Something only its receivers can read: a text, part of one, or no text at all.
    Opaque,
}

/// How a text begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Beginning {
    id: String,
    sent_at_ms: u64,
    reply_to: Option<String>,
    operation: Operation,
    packing: Packing,
    /// All of it, if it came along.
    inline: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Packing {
    Plain,
    Deflated,
}

/// What somebody did in a chat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// Wrote something.
    Wrote {
        /// The message's id, by its sender.
        id: String,
        /// At most [`MAX_TEXT`] bytes.
        text: Text,
        /// Milliseconds since 1970, by its sender; 0 if not told.
        sent_at_ms: u64,
        /// The id of the message it answers.
        reply_to: Option<String>,
    },
    /// Put something else in its place.
    Edited {
        /// Of this.
        id: String,
        /// The new text.
        text: Text,
    },
    /// Took it back.
    Deleted {
        /// This.
        id: String,
    },
    /// Something that only its receivers can read, and know what it was.
    Sealed,
}

/// A text, perhaps not all of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Text {
    /// All.
    Whole(String),
    /// What is kept of a longer one.
    Cut(String),
}

/// A long letter; more is cut off.
pub const MAX_TEXT: usize = 8 * 1024;

/// Longer ids are no ids: a UUID has 36 characters.
const MAX_ID: usize = 128;

/// Texts one participant writes at a time; with more, the oldest is given up.
const MOST_OPEN: usize = 8;

/// The parts of a text come at once, and nobody writes two in this time: what is closer together
/// and cannot be read counts as one. Apps that send all the time are counted once, not every time.
const APART: Duration = Duration::from_millis(500);

/// Messages of which the same is not told twice, as they come in two ways.
const REMEMBERED: usize = 64;

impl Fragment {
    /// Of a data message's content; `None` where it has nothing to do with a chat.
    pub(crate) fn of(value: Value) -> Option<Self> {
        #[expect(deprecated, reason = "older clients say there that it is encrypted")]
        let sealed = |header: &Header| header.encryption_type != 0;
        match value {
            Value::StreamHeader(header) if header.topic == TOPIC => {
                if sealed(&header) {
                    Some(Self::Sealed)
                } else {
                    begin(header).map(|it| Self::Begin(Box::new(it)))
                }
            }
            Value::StreamChunk(chunk) => Some(Self::More {
                id: chunk.stream_id,
                content: chunk.content,
            }),
            Value::StreamTrailer(trailer) => Some(Self::End {
                id: trailer.stream_id,
            }),
            Value::ChatMessage(chat) => {
                let edited = chat.edit_timestamp.is_some();
                whole(chat.id, &chat.message, chat.timestamp, edited, chat.deleted)
            }
            Value::User(user) if user.topic.as_deref() == Some(OLDER_TOPIC) => {
                let read: Older = serde_json::from_slice(&user.payload).ok()?;
                // It comes as a stream, too.
                if read.ignore_legacy {
                    return None;
                }
                let edited = read.edit_timestamp.is_some();
                whole(read.id, &read.message, read.timestamp as i64, edited, false)
            }
            Value::EncryptedPacket(_) => Some(Self::Opaque),
            Value::StreamHeader(_)
            | Value::User(_)
            | Value::SipDtmf(_)
            | Value::Transcription(_)
            | Value::RpcRequest(_)
            | Value::RpcAck(_)
            | Value::RpcResponse(_)
            | Value::Metrics(_) => None,
            #[expect(deprecated, reason = "named to be passed over")]
            Value::Speaker(_) => None,
        }
    }
}

const TOPIC: &str = "lk.chat";
const OLDER_TOPIC: &str = "lk-chat-topic";

/// A message as older clients write it, in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Older {
    id: String,
    #[serde(default)]
    timestamp: f64,
    #[serde(default)]
    message: String,
    edit_timestamp: Option<serde_json::Value>,
    #[serde(default)]
    ignore_legacy: bool,
}

fn begin(header: Header) -> Option<Beginning> {
    let Some(ContentHeader::TextHeader(text)) = header.content_header else {
        return None;
    };
    if !is_id(&header.stream_id) {
        return None;
    }
    let operation = match OperationType::try_from(text.operation_type).ok()? {
        OperationType::Create => Operation::Create,
        OperationType::Update => Operation::Update,
        OperationType::Delete => Operation::Delete,
        OperationType::Reaction => return None,
    };
    let packing = match CompressionType::try_from(header.compression).ok()? {
        CompressionType::None => Packing::Plain,
        CompressionType::DeflateRaw => Packing::Deflated,
    };
    let reply_to = text.reply_to_stream_id;
    Some(Beginning {
        id: header.stream_id,
        sent_at_ms: header.timestamp.try_into().unwrap_or(0),
        reply_to: is_id(&reply_to).then_some(reply_to),
        operation,
        packing,
        inline: header.inline_content,
    })
}

fn whole(
    id: String,
    message: &str,
    timestamp: i64,
    edited: bool,
    deleted: bool,
) -> Option<Fragment> {
    if !is_id(&id) {
        return None;
    }
    let text = || Text::of(message.as_bytes());
    Some(Fragment::Whole(if deleted {
        Said::Deleted { id }
    } else if edited {
        let text = text();
        Said::Edited { id, text }
    } else {
        Said::Wrote {
            text: text(),
            id,
            sent_at_ms: timestamp.try_into().unwrap_or(0),
            reply_to: None,
        }
    }))
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
}

impl Text {
    /// The first of `bytes`, up to where they are no text.
    fn of(bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(MAX_TEXT)];
        let text = match std::str::from_utf8(kept) {
            Ok(text) => text,
            // A letter that was cut in two, or something that is none.
            Err(error) => std::str::from_utf8(&kept[..error.valid_up_to()]).unwrap_or_default(),
        };
        if text.len() == bytes.len() {
            Self::Whole(text.to_owned())
        } else {
            Self::Cut(text.to_owned())
        }
    }
}

/// Puts together what one participant writes.
#[derive(Debug, Default)]
pub struct Reader {
    open: VecDeque<Open>,
    told: VecDeque<String>,
    /// When something came last that cannot be read.
    opaque_at: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    beginning: Beginning,
    content: Vec<u8>,
}

impl Reader {
    /// The next message's fragment; what it completes.
    pub fn read(&mut self, now: Instant, fragment: Fragment) -> Option<Said> {
        match fragment {
            Fragment::Begin(mut beginning) => {
                if let Some(content) = beginning.inline.take() {
                    return self.told_once(complete(*beginning, &content));
                }
                if beginning.operation == Operation::Delete {
                    return self.told_once(complete(*beginning, &[]));
                }
                if self.open.len() >= MOST_OPEN {
                    self.open.pop_front();
                }
                self.open.push_back(Open {
                    beginning: *beginning,
                    content: Vec::new(),
                });
                None
            }
            Fragment::More { id, content } => {
                let open = self.open.iter_mut().find(|open| open.beginning.id == id)?;
                // One more than is kept shows that there was more.
                let room = (MAX_TEXT + 1).saturating_sub(open.content.len());
                let part = &content[..content.len().min(room)];
                open.content.extend_from_slice(part);
                None
            }
            Fragment::End { id } => {
                let at = self.open.iter().position(|open| open.beginning.id == id)?;
                let Open { beginning, content } = self.open.remove(at)?;
                self.told_once(complete(beginning, &content))
            }
            Fragment::Whole(said) => self.told_once(said),
            Fragment::Sealed => Some(Said::Sealed),
            Fragment::Opaque => {
                let before = self.opaque_at.replace(now);
                let apart = |at| now.saturating_duration_since(at) >= APART;
                before.is_none_or(apart).then_some(Said::Sealed)
            }
        }
    }

    /// Some clients say the same in two ways.
    fn told_once(&mut self, said: Said) -> Option<Said> {
        if let Said::Wrote { id, .. } = &said {
            if self.told.contains(id) {
                return None;
            }
            if self.told.len() >= REMEMBERED {
                self.told.pop_front();
            }
            self.told.push_back(id.clone());
        }
        Some(said)
    }
}

fn complete(beginning: Beginning, content: &[u8]) -> Said {
    let Beginning {
        id,
        sent_at_ms,
        reply_to,
        operation,
        packing,
        inline: _,
    } = beginning;
    let text = || match packing {
        Packing::Plain => Text::of(content),
        Packing::Deflated => inflated(content),
    };
    match operation {
        Operation::Create => Said::Wrote {
            text: text(),
            id,
            sent_at_ms,
            reply_to,
        },
        Operation::Update => Said::Edited { text: text(), id },
        Operation::Delete => Said::Deleted { id },
    }
}

/// As much as is kept: a few bytes may be made to swell to gigabytes.
fn inflated(content: &[u8]) -> Text {
    let mut text = Vec::new();
    let mut decoder = DeflateDecoder::new(content).take(MAX_TEXT as u64 + 1);
    // What could be read before the end, or before it made no sense.
    let read = decoder.read_to_end(&mut text);
    match (Text::of(&text), read) {
        (Text::Whole(text), Err(_)) => Text::Cut(text),
        (text, _) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;
    use crate::proto::data_stream::{Chunk, TextHeader, Trailer};
    use std::io::Write;

    fn header(id: &str, operation: OperationType) -> Header {
        Header {
            stream_id: id.into(),
            timestamp: 1_000,
            topic: TOPIC.into(),
            content_header: Some(ContentHeader::TextHeader(TextHeader {
                operation_type: operation.into(),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    fn chunk(id: &str, content: &[u8]) -> Value {
        Value::StreamChunk(Chunk {
            stream_id: id.into(),
            content: content.into(),
            ..Default::default()
        })
    }

    fn trailer(id: &str) -> Value {
        Value::StreamTrailer(Trailer {
            stream_id: id.into(),
            ..Default::default()
        })
    }

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn start() -> Instant {
        Instant::now()
    }

    fn read(reader: &mut Reader, values: impl IntoIterator<Item = Value>) -> Vec<Said> {
        let now = start();
        let fragments = values.into_iter().filter_map(Fragment::of);
        fragments.filter_map(|it| reader.read(now, it)).collect()
    }

    fn wrote(id: &str, text: &str) -> Said {
        Said::Wrote {
            id: id.into(),
            text: Text::Whole(text.into()),
            sent_at_ms: 1_000,
            reply_to: None,
        }
    }

    fn deflated(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn a_text_comes_in_pieces_or_whole_compressed_or_not() {
        let mut reader = Reader::default();
        let create = OperationType::Create;
        let pieces = [
            Value::StreamHeader(header("a", create)),
            Value::StreamHeader(header("b", create)),
            chunk("a", "Ẹ ká".as_bytes()),
            chunk("b", b"other"),
            chunk("a", "àárọ̀".as_bytes()),
            trailer("a"),
            trailer("b"),
            trailer("b"),
        ];
        let said = read(&mut reader, pieces);
        assert_eq!(said, [wrote("a", "Ẹ káàárọ̀"), wrote("b", "other")]);

        let packed = deflated("again and again and again".as_bytes());
        let compressed = Header {
            compression: CompressionType::DeflateRaw.into(),
            ..header("c", create)
        };
        let inline = Header {
            inline_content: Some(packed.clone()),
            ..Header {
                stream_id: "d".into(),
                ..compressed.clone()
            }
        };
        let half = packed.len() / 2;
        let pieces = [
            Value::StreamHeader(compressed),
            chunk("c", &packed[..half]),
            chunk("c", &packed[half..]),
            trailer("c"),
            Value::StreamHeader(inline),
        ];
        let text = "again and again and again";
        let said = read(&mut reader, pieces);
        assert_eq!(said, [wrote("c", text), wrote("d", text)]);
    }

    #[test]
    fn what_was_written_is_edited_and_taken_back() {
        let mut reader = Reader::default();
        let pieces = [
            Value::StreamHeader(header("a", OperationType::Update)),
            chunk("a", b"better"),
            trailer("a"),
            Value::StreamHeader(header("a", OperationType::Delete)),
            Value::StreamHeader(header("a", OperationType::Reaction)),
        ];
        let text = Text::Whole("better".into());
        let (id, gone) = ("a".to_owned(), "a".to_owned());
        let expected = [Said::Edited { id, text }, Said::Deleted { id: gone }];
        assert_eq!(read(&mut reader, pieces), expected);
    }

    #[test]
    fn older_clients_are_heard_once() {
        let mut reader = Reader::default();
        let packet = |json: &str| {
            Value::User(proto::UserPacket {
                topic: Some(OLDER_TOPIC.into()),
                payload: json.into(),
                ..Default::default()
            })
        };
        let chat = proto::ChatMessage {
            id: "c".into(),
            timestamp: 1_000,
            message: "hi".into(),
            ..Default::default()
        };
        let said = read(
            &mut reader,
            [
                packet(r#"{"id":"a","timestamp":1000,"message":"hi"}"#),
                packet(r#"{"id":"a","timestamp":1000,"message":"hi"}"#),
                packet(r#"{"id":"b","timestamp":1000,"message":"hi","ignoreLegacy":true}"#),
                packet(r#"{"id":"a","timestamp":1,"message":"ho","editTimestamp":2}"#),
                packet("no json"),
                packet(r#"{"id":""}"#),
                Value::ChatMessage(chat),
            ],
        );
        let edited = Said::Edited {
            id: "a".into(),
            text: Text::Whole("ho".into()),
        };
        assert_eq!(said, [wrote("a", "hi"), edited, wrote("c", "hi")]);
    }

    #[test]
    fn encrypted_messages_are_counted_and_other_topics_are_not() {
        let mut reader = Reader::default();
        let other = Header {
            topic: "files".into(),
            ..header("f", OperationType::Create)
        };
        #[expect(deprecated, reason = "older clients say there that it is encrypted")]
        let sealed = Header {
            encryption_type: 1,
            ..header("s", OperationType::Create)
        };
        let said = read(
            &mut reader,
            [
                Value::StreamHeader(other),
                chunk("f", b"bytes"),
                trailer("f"),
                Value::StreamHeader(sealed),
                chunk("s", b"secret"),
                trailer("s"),
                Value::EncryptedPacket(proto::EncryptedPacket::default()),
            ],
        );
        assert_eq!(said, [Said::Sealed, Said::Sealed]);
    }

    #[test]
    fn what_hides_its_topic_too_counts_once_for_what_comes_together() {
        let mut reader = Reader::default();
        let mut now = start();
        let mut count = 0;
        let text = [0, 5, 40];
        let stream = [100; 50];
        for (pauses, expected, what) in [
            (&text[..], 1, "a text in three parts"),
            (&[60_000, 5, 40], 2, "another"),
            (&[900, 5, 40], 3, "a quick answer"),
            (&[5_000], 4, "the first of what an app sends all the time"),
            (&stream, 4, "the rest of it"),
        ] {
            for pause in pauses {
                now += Duration::from_millis(*pause);
                let opaque = Value::EncryptedPacket(proto::EncryptedPacket::default());
                let fragment = Fragment::of(opaque).unwrap();
                count += i32::from(reader.read(now, fragment) == Some(Said::Sealed));
            }
            assert_eq!(count, expected, "{what}");
        }
    }

    #[test]
    fn what_is_too_much_is_cut_off_and_remembered_no_further() {
        let mut reader = Reader::default();
        let create = OperationType::Create;
        let long = "ọ".repeat(MAX_TEXT);
        let bomb = Header {
            compression: CompressionType::DeflateRaw.into(),
            inline_content: Some(deflated(&vec![b'x'; 50 << 20])),
            ..header("bomb", create)
        };
        let mut pieces = vec![Value::StreamHeader(header("long", create))];
        pieces.extend(
            long.as_bytes()
                .chunks(1_000)
                .map(|part| chunk("long", part)),
        );
        pieces.extend([trailer("long"), Value::StreamHeader(bomb)]);
        for said in read(&mut reader, pieces) {
            let Said::Wrote {
                text: Text::Cut(text),
                ..
            } = said
            else {
                panic!("{said:?}");
            };
            assert!(text.len() <= MAX_TEXT && text.len() > MAX_TEXT - 3);
        }
        for number in 0..1_000 {
            let id = format!("open{number}");
            read(&mut reader, [Value::StreamHeader(header(&id, create))]);
        }
        assert_eq!(reader.open.len(), MOST_OPEN);
        let huge = "i".repeat(MAX_ID + 1);
        let refused = Fragment::of(Value::StreamHeader(header(&huge, create)));
        assert_eq!(refused, None);
    }
}
