//! RTP headers and their extensions (RFC 3550 section 5.1, RFC 8285), read in place and
//! written. Lengths that lie are found here, so that nobody after needs to look.

use media::{AudioLevel, Mid, PayloadType, PlayoutDelay, Rid, SeqNo, Ssrc, Timestamp};

use crate::sections::ExtensionIds;

/// One header, read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RtpHeader {
    /// Last packet of a frame, first of a talk spurt.
    pub marker: bool,
    /// Stands for a codec.
    pub payload_type: PayloadType,
    /// Numbers within the stream.
    pub seq: SeqNo,
    /// Media time.
    pub timestamp: Timestamp,
    /// The stream.
    pub ssrc: Ssrc,
    /// Bytes of the header, contributing sources and extensions included.
    pub len: usize,
    padded: Padded,
    extensions: ExtensionBlock,
}

/// Whether the last byte of the payload tells how much of it is padding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Padded {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct ExtensionBlock {
    form: Form,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    None,
    OneByte,
    TwoByte,
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RtpError {
    /// The version is not 2.
    #[error("the version is not 2")]
    Version,
    /// The header, or what it announces, is longer than the packet.
    #[error("cut short")]
    Short,
    /// An extension is longer than their block.
    #[error("an extension is longer than the block of extensions")]
    Extension,
    /// There is more padding than payload, or none where some was announced.
    #[error("the padding is longer than the payload")]
    Padding,
}

/// What the extensions of one packet say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extensions<'a> {
    /// The m-line.
    pub(crate) mid: Option<Mid>,
    /// The simulcast encoding.
    pub(crate) rid: Option<Rid>,
    /// The simulcast encoding this stream repairs.
    pub(crate) repaired_rid: Option<Rid>,
    /// Loudness.
    pub(crate) audio_level: Option<AudioLevel>,
    /// The number among all packets of the transport.
    pub(crate) twcc: Option<SeqNo>,
    /// What the frame depends on, as it is written; empty if that is not told.
    pub(crate) dependencies: &'a [u8],
}

const FIXED: usize = 12;
const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;

impl RtpHeader {
    /// Reads the header at the start of `packet`, which may still be encrypted: headers
    /// are not.
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let fixed = packet.first_chunk::<FIXED>().ok_or(RtpError::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut header = Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: PayloadType(fixed[1] & 0x7f),
            seq: SeqNo(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: Timestamp(word(&fixed[4..8])),
            ssrc: Ssrc(word(&fixed[8..12])),
            len: FIXED + 4 * usize::from(fixed[0] & 0x0f),
            padded: if fixed[0] & 0x20 != 0 {
                Padded::Yes
            } else {
                Padded::No
            },
            extensions: ExtensionBlock {
                form: Form::None,
                start: 0,
                end: 0,
            },
        };
        if fixed[0] & 0x10 != 0 {
            header.read_extensions(packet)?;
        }
        if header.len > packet.len() {
            return Err(RtpError::Short);
        }
        Ok(header)
    }

    fn read_extensions(&mut self, packet: &[u8]) -> Result<(), RtpError> {
        let rest = packet.get(self.len..).ok_or(RtpError::Short)?;
        let preamble = rest.first_chunk::<4>().ok_or(RtpError::Short)?;
        let words = usize::from(u16::from_be_bytes([preamble[2], preamble[3]]));
        let start = self.len + 4;
        let end = start + 4 * words;
        if end > packet.len() {
            return Err(RtpError::Short);
        }
        let form = match u16::from_be_bytes([preamble[0], preamble[1]]) {
            ONE_BYTE_PROFILE => Form::OneByte,
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Form::TwoByte,
            _ => Form::None,
        };
        self.extensions = ExtensionBlock { form, start, end };
        self.len = end;
        self.elements(packet)
            .try_for_each(|element| element.map(|_| ()))
    }

    /// What the extensions say, by the numbers negotiated for them.
    pub(crate) fn extensions<'a>(&self, packet: &'a [u8], ids: &ExtensionIds) -> Extensions<'a> {
        let mut read = Extensions::default();
        for (id, value) in self.elements(packet).map_while(Result::ok) {
            if id == ids.twcc {
                read.twcc = value.first_chunk().map(|v| SeqNo(u16::from_be_bytes(*v)));
            } else if id == ids.mid {
                read.mid = Mid::new(value);
            } else if id == ids.rid {
                read.rid = Rid::new(value);
            } else if id == ids.repaired_rid {
                read.repaired_rid = Rid::new(value);
            } else if id == ids.audio_level {
                read.audio_level = value.first().map(|byte| AudioLevel {
                    level: byte & 0x7f,
                    voice: byte & 0x80 != 0,
                });
            } else if id == ids.dependencies {
                read.dependencies = value;
            }
        }
        read
    }

    fn elements<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        let block = self.extensions;
        Elements {
            form: block.form,
            rest: &packet[block.start..block.end],
        }
    }

    /// The payload of the decrypted `packet`, without its padding.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], RtpError> {
        let payload = packet.get(self.len..).ok_or(RtpError::Short)?;
        let padding = match self.padded {
            Padded::No => 0,
            Padded::Yes => match payload.last() {
                Some(0) | None => return Err(RtpError::Padding),
                Some(len) => usize::from(*len),
            },
        };
        let len = payload.len().checked_sub(padding);
        len.map(|len| &payload[..len]).ok_or(RtpError::Padding)
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("a word has four bytes"))
}

/// Walks one block of extensions.
struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(u8, &'a [u8]), RtpError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = *self.rest.first()?;
            if first == 0 {
                self.rest = &self.rest[1..];
                continue;
            }
            let (id, header, len) = match self.form {
                Form::None => return None,
                // RFC 8285 section 4.2: 15 ends the block.
                Form::OneByte if first >> 4 == 15 => return None,
                Form::OneByte => (first >> 4, 1, usize::from(first & 0x0f) + 1),
                Form::TwoByte => match self.rest.get(1) {
                    Some(len) => (first, 2, usize::from(*len)),
                    None => return self.lie(),
                },
            };
            let Some((element, rest)) = self.rest.split_at_checked(header + len) else {
                return self.lie();
            };
            self.rest = rest;
            // A one-byte element of id 0 with a length is padding as well.
            if id != 0 {
                return Some(Ok((id, &element[header..])));
            }
        }
    }
}

impl<'a> Elements<'a> {
    fn lie(&mut self) -> Option<Result<(u8, &'a [u8]), RtpError>> {
        self.rest = &[];
        Some(Err(RtpError::Extension))
    }
}

/// A header to write; one-byte extensions, none of contributing sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewHeader<'a> {
    pub(crate) marker: bool,
    pub(crate) padded: Padded,
    pub(crate) payload_type: PayloadType,
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: Timestamp,
    pub(crate) ssrc: Ssrc,
    /// Number of the extension and the m-line's name.
    pub(crate) mid: Option<(u8, Mid)>,
    /// Number of the extension and the number on the transport.
    pub(crate) twcc: Option<(u8, SeqNo)>,
    /// Number of the extension and how long a picture shall wait.
    pub(crate) playout: Option<(u8, PlayoutDelay)>,
    /// Number of the extension, and what the frame depends on, in two pieces.
    pub(crate) dependencies: Option<(u8, [&'a [u8]; 2])>,
}

impl NewHeader<'_> {
    /// Appends the header to `out`; answers its length.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        let several = self.mid.is_some() || self.playout.is_some() || self.dependencies.is_some();
        let extended = u8::from(several || self.twcc.is_some()) << 4;
        let padded = u8::from(self.padded == Padded::Yes) << 5;
        let marker = u8::from(self.marker) << 7;
        out.extend_from_slice(&[
            0x80 | padded | extended,
            marker | self.payload_type.0 & 0x7f,
        ]);
        out.extend_from_slice(&self.seq.0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        match self.twcc {
            _ if several => self.write_several(out),
            Some((id, number)) => {
                let [high, low] = number.0.to_be_bytes();
                out.extend_from_slice(&ONE_BYTE_PROFILE.to_be_bytes());
                out.extend_from_slice(&[0, 1, id << 4 | 1, high, low, 0]);
            }
            None => {}
        }
        out.len() - start
    }

    /// Appends a block of several extensions: in the first packets of a stream, and where
    /// pictures are to wait.
    #[cold]
    fn write_several(&self, out: &mut Vec<u8>) {
        let longest = self
            .dependencies
            .map_or(0, |(_, [one, two])| one.len() + two.len());
        let (form, profile) = if longest > MOST_OF_ONE_BYTE {
            (Form::TwoByte, TWO_BYTE_PROFILE)
        } else {
            (Form::OneByte, ONE_BYTE_PROFILE)
        };
        out.extend_from_slice(&profile.to_be_bytes());
        let count_at = out.len() + 1;
        out.extend_from_slice(&[0, 0]);
        let block = out.len();
        if let Some((id, mid)) = self.mid {
            element(form, id, [mid.as_str().as_bytes(), &[]], out);
        }
        if let Some((id, number)) = self.twcc {
            element(form, id, [&number.0.to_be_bytes(), &[]], out);
        }
        if let Some((id, delay)) = self.playout {
            element(form, id, [&delay.to_bytes(), &[]], out);
        }
        if let Some((id, told)) = self.dependencies {
            element(form, id, told, out);
        }
        let count = (out.len() - block).div_ceil(4);
        out[count_at] = count as u8;
        out.resize(block + 4 * count, 0);
    }
}

/// What an extension of the one-byte form can hold (RFC 8285 section 4.2).
const MOST_OF_ONE_BYTE: usize = 16;

/// Appends one extension of at least one byte, in two pieces, and no longer than `form` allows.
fn element(form: Form, id: u8, value: [&[u8]; 2], out: &mut Vec<u8>) {
    let len = value[0].len() + value[1].len();
    match form {
        Form::OneByte | Form::None => out.push(id << 4 | (len - 1) as u8),
        Form::TwoByte => out.extend_from_slice(&[id, len as u8]),
    }
    out.extend_from_slice(value[0]);
    out.extend_from_slice(value[1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_shared::marshal::Unmarshal;

    const IDS: ExtensionIds = ExtensionIds {
        mid: 4,
        rid: 10,
        repaired_rid: 11,
        audio_level: 1,
        twcc: 3,
        playout: 5,
        dependencies: 6,
    };

    fn packet(first: u8, after: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7];
        packet.extend_from_slice(after);
        packet
    }

    #[test]
    fn both_forms_of_extensions_are_read() {
        let one_byte = [
            0xbe, 0xde, 0, 3, 0x10, 0x85, 0x31, 1, 2, 0x41, b'a', b'b', 0, 0xa0, b'q', 0,
        ];
        let two_byte = [
            0x10, 0x00, 0, 4, 1, 1, 0x85, 3, 2, 1, 2, 0, 4, 2, b'a', b'b', 10, 1, b'q', 0,
        ];
        for after in [&one_byte[..], &two_byte] {
            let packet = packet(0x90, after);
            let header = RtpHeader::parse(&packet).unwrap();
            assert_eq!(header.len, packet.len());
            assert_eq!((header.seq, header.ssrc), (SeqNo(0x1234), Ssrc(7)));
            assert!(header.marker);
            let read = header.extensions(&packet, &IDS);
            let level = AudioLevel {
                level: 5,
                voice: true,
            };
            assert_eq!(read.audio_level, Some(level));
            assert_eq!(read.twcc, Some(SeqNo(0x0102)));
            assert_eq!(read.mid, Mid::new(b"ab"));
            assert_eq!(read.rid, Rid::new(b"q"));
            assert_eq!(read.repaired_rid, None);
        }
    }

    #[test]
    fn bad_r5_lengths_that_lie_are_found() {
        for (what, packet, expected) in [
            ("another version", packet(0x40, &[]), RtpError::Version),
            ("cut", vec![0x80; 11], RtpError::Short),
            (
                "sources beyond the end",
                packet(0x82, &[0; 4]),
                RtpError::Short,
            ),
            (
                "block without preamble",
                packet(0x90, &[0xbe, 0xde]),
                RtpError::Short,
            ),
            (
                "block beyond the end",
                packet(0x90, &[0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0]),
                RtpError::Short,
            ),
            (
                "one-byte element beyond the block",
                packet(0x90, &[0xbe, 0xde, 0, 1, 0x1f, 0, 0, 0]),
                RtpError::Extension,
            ),
            (
                "two-byte element beyond the block",
                packet(0x90, &[0x10, 0, 0, 1, 1, 200, 0, 0]),
                RtpError::Extension,
            ),
            (
                "two-byte element without length",
                packet(0x90, &[0x10, 0, 0, 1, 0, 0, 0, 1]),
                RtpError::Extension,
            ),
        ] {
            assert_eq!(RtpHeader::parse(&packet), Err(expected), "{what}");
        }
    }

    #[test]
    fn bad_r5_padding_that_lies_is_found() {
        for (first, payload, expected) in [
            (0x80, &[1, 2, 3][..], Ok(&[1, 2, 3][..])),
            (0xa0, &[1, 2, 1], Ok(&[1, 2])),
            (0xa0, &[0, 0, 3], Ok(&[])),
            (0xa0, &[1, 2, 4], Err(RtpError::Padding)),
            (0xa0, &[1, 2, 0], Err(RtpError::Padding)),
            (0xa0, &[], Err(RtpError::Padding)),
        ] {
            let packet = packet(first, payload);
            let header = RtpHeader::parse(&packet).unwrap();
            assert_eq!(header.payload(&packet), expected, "{first:x} {payload:?}");
        }
    }

    /// Against an independent reader, over headers of every shape and random damage.
    #[test]
    fn an_independent_reader_agrees() {
        let mut random = 99u64;
        let mut next = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize
        };
        let (mut read, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = packet(0x80 | (next() % 4) as u8, &[]);
            bytes.resize(12 + 4 * usize::from(bytes[0] & 15), 3);
            if next() % 2 == 0 {
                bytes[0] |= 0x10;
                bytes.extend_from_slice(&[[0xbe, 0xde], [0x10, 0]][next() % 2]);
                bytes.extend_from_slice(&[0, 2, 0x10, 0x05, 0x31, 1, 2, 0, 0, 0]);
            }
            bytes.extend_from_slice(&[1, 2, 3, 4, 5]);
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
            let theirs = rtc_rtp::Header::unmarshal(&mut &bytes[..]);
            match (RtpHeader::parse(&bytes), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    read += 1;
                    assert_eq!(ours.seq.0, theirs.sequence_number);
                    assert_eq!(ours.timestamp.0, theirs.timestamp);
                    assert_eq!(ours.ssrc.0, theirs.ssrc);
                    assert_eq!(ours.payload_type.0, theirs.payload_type);
                    assert_eq!(ours.marker, theirs.marker);
                    let twice = theirs.extensions.iter().filter(|e| e.id == 3).count() > 1;
                    if theirs.extension_profile == ONE_BYTE_PROFILE && !twice {
                        let twcc = theirs.get_extension(3);
                        let twcc = twcc.and_then(|v| Some(u16::from_be_bytes(*v.first_chunk()?)));
                        let ours = ours.extensions(&bytes, &IDS).twcc;
                        assert_eq!(ours.map(|seq| seq.0), twcc, "{bytes:02x?}");
                    }
                }
                // Ours may be stricter, and does not read what it has no form for.
                (Err(_), _) => refused += 1,
                (Ok(ours), Err(error)) => {
                    panic!("{error}: {ours:?} {bytes:02x?}");
                }
            }
        }
        assert!(read > 10_000 && refused > 500, "{read} {refused}");
    }

    #[test]
    fn a_written_header_reads_back() {
        let header = NewHeader {
            marker: true,
            payload_type: PayloadType(96),
            seq: SeqNo(65_535),
            timestamp: Timestamp(u32::MAX),
            ssrc: Ssrc(42),
            padded: Padded::No,
            mid: None,
            twcc: None,
            playout: None,
            dependencies: None,
        };
        for (mid, twcc, len) in [
            (None, None, 12),
            (None, Some(0xabcd), 20),
            (Some("0"), None, 20),
            (Some("0"), Some(0xabcd), 24),
            (Some("abc"), None, 20),
            (Some("abcd"), None, 24),
            (Some("abcd"), Some(1), 24),
        ] {
            let mid = mid.and_then(|mid| Mid::new(mid.as_bytes()));
            let twcc = twcc.map(SeqNo);
            let header = NewHeader {
                mid: mid.map(|mid| (4, mid)),
                twcc: twcc.map(|number| (3, number)),
                ..header
            };
            let mut out = vec![9; 3];
            assert_eq!(header.write(&mut out), len);
            let packet = &out[3..];
            let read = RtpHeader::parse(packet).unwrap();
            assert_eq!(
                (read.len, read.seq, read.ssrc),
                (len, header.seq, header.ssrc)
            );
            let extensions = read.extensions(packet, &IDS);
            assert_eq!((extensions.mid, extensions.twcc), (mid, twcc));
        }
    }

    #[test]
    fn sb_3_a_frame_says_what_it_depends_on_however_long_that_takes() {
        let told: Vec<u8> = (1..=200).collect();
        for (len, expected) in [
            (3, 12 + 4 + 8),
            (16, 12 + 4 + 20),
            (17, 12 + 4 + 24),
            (200, 12 + 4 + 208),
        ] {
            for cut in [0, 3] {
                let (one, two) = told[..len].split_at(cut);
                let header = NewHeader {
                    marker: true,
                    padded: Padded::No,
                    payload_type: PayloadType(45),
                    seq: SeqNo(1),
                    timestamp: Timestamp(2),
                    ssrc: Ssrc(3),
                    mid: None,
                    twcc: Some((3, SeqNo(9))),
                    playout: None,
                    dependencies: Some((6, [one, two])),
                };
                let mut out = Vec::new();
                assert_eq!(header.write(&mut out), expected, "{len}");
                let read = RtpHeader::parse(&out).unwrap();
                let extensions = read.extensions(&out, &IDS);
                assert_eq!(extensions.dependencies, &told[..len]);
                assert_eq!(extensions.twcc, Some(SeqNo(9)));
            }
        }
    }

    #[test]
    fn sb_3_a_picture_says_how_long_it_shall_wait() {
        let playout = PlayoutDelay::from_ms(200, 400).map(|delay| (5, delay));
        for (mid, twcc, expected) in [
            (None, None, &[0, 1, 0x52, 0x01, 0x40, 0x28][..]),
            (
                None,
                Some((3, SeqNo(9))),
                &[0, 2, 0x31, 0, 9, 0x52, 0x01, 0x40, 0x28, 0],
            ),
            (
                Mid::new(b"0").map(|mid| (4, mid)),
                Some((3, SeqNo(9))),
                &[
                    0, 3, 0x40, b'0', 0x31, 0, 9, 0x52, 0x01, 0x40, 0x28, 0, 0, 0,
                ],
            ),
        ] {
            let header = NewHeader {
                marker: true,
                padded: Padded::No,
                payload_type: PayloadType(96),
                seq: SeqNo(1),
                timestamp: Timestamp(2),
                ssrc: Ssrc(3),
                mid,
                twcc,
                playout,
                dependencies: None,
            };
            let mut out = Vec::new();
            let len = header.write(&mut out);
            assert_eq!(out[14..], *expected);
            assert_eq!(RtpHeader::parse(&out).unwrap().len, len);
        }
    }
}
