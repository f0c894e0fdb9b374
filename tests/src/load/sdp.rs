//! Session descriptions of a client with one connection, by template, and the few lines of
//! an answer that matter to it. RFC 9429, as far as a server of LiveKit's kind reads it.

use std::{fmt::Write, net::SocketAddr};

use rand::Rng;

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Our microphone.
    SendAudio,
    /// Our camera, in three layers.
    SendVideo,
    /// Somebody's sound.
    ReceiveAudio,
    /// Somebody's picture.
    ReceiveVideo,
}

/// What an offer says of our end.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Name and password for connectivity checks.
    pub credentials: Credentials,
    /// Of our certificate: SHA-256 in hex with colons.
    pub fingerprint: String,
    /// Where we can be reached.
    pub address: SocketAddr,
    /// The sections in order; they may grow, never change.
    pub sections: Vec<Section>,
    /// Grows with each offer.
    pub version: u32,
    /// Of sound, both ways.
    pub repetition: Repetition,
}

/// Whether sound may come with earlier frames repeated (RED, RFC 2198).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repetition {
    /// Each frame once.
    #[default]
    None,
    /// Each packet has the frame before, too.
    Once,
}

/// One end of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

impl Credentials {
    /// Random ones.
    pub fn draw() -> Self {
        let mut dice = rand::rng();
        let mut word = |length: usize| -> String {
            let letter = |_| char::from(b'a' + dice.random_range(0..26_u8));
            (0..length).map(letter).collect()
        };
        Self {
            ufrag: word(8),
            pwd: word(24),
        }
    }
}

/// The payload type of Opus.
pub const OPUS: u8 = 111;
/// The payload type of Opus with repetition.
pub const RED: u8 = 63;
/// The payload type of VP8.
pub const VP8: u8 = 96;
/// The layers' names, small to large.
pub const RIDS: [char; 3] = ['q', 'h', 'f'];
/// Numbers of header extensions, as Chromium gives them.
pub mod extension {
    /// Loudness.
    pub const LEVEL: u8 = 1;
    /// Number on the transport.
    pub const TWCC: u8 = 3;
    /// Name of the section.
    pub const MID: u8 = 4;
    /// Name of the layer.
    pub const RID: u8 = 10;
}

impl Offer {
    /// Adds sections to receive in.
    pub fn grow(&mut self, audio: usize, video: usize) {
        let more = |section, count| std::iter::repeat_n(section, count);
        self.sections.extend(more(Section::ReceiveAudio, audio));
        self.sections.extend(more(Section::ReceiveVideo, video));
    }

    /// The place, and so the name, of the first section of a kind.
    pub fn mid(&self, section: Section) -> Option<usize> {
        self.sections.iter().position(|other| *other == section)
    }

    /// The client's name for the track it sends in a section.
    pub fn cid(&self, section: Section) -> String {
        format!("{}-{section:?}", self.credentials.ufrag)
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(512 + 700 * self.sections.len());
        // Writing to a `String` can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let mids: Vec<String> = (0..self.sections.len())
            .map(|mid| mid.to_string())
            .collect();
        write!(
            text,
            "v=0\r\no=- 4611 {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
             a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n",
            self.version,
            mids.join(" ")
        )?;
        for (mid, section) in self.sections.iter().enumerate() {
            self.section(text, mid, *section)?;
        }
        Ok(())
    }

    fn section(&self, text: &mut String, mid: usize, section: Section) -> std::fmt::Result {
        let audio = matches!(section, Section::SendAudio | Section::ReceiveAudio);
        let (kind, payload_type) = if audio {
            ("audio", OPUS)
        } else {
            ("video", VP8)
        };
        let red = audio && self.repetition == Repetition::Once;
        let payload_types = if red {
            format!("{RED} {OPUS}")
        } else {
            payload_type.to_string()
        };
        let Credentials { ufrag, pwd } = &self.credentials;
        let port = self.address.port();
        write!(
            text,
            "m={kind} {port} UDP/TLS/RTP/SAVPF {payload_types}\r\nc=IN IP4 {ip}\r\n\
             a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {print}\r\n\
             a=setup:active\r\na=mid:{mid}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
            ip = self.address.ip(),
            print = self.fingerprint,
            MID = extension::MID,
        )?;
        if audio {
            write!(
                text,
                "a=extmap:{} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                 a=rtpmap:{OPUS} opus/48000/2\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n",
                extension::LEVEL
            )?;
            if red {
                write!(
                    text,
                    "a=rtpmap:{RED} red/48000/2\r\na=fmtp:{RED} {OPUS}/{OPUS}\r\n"
                )?;
            }
        } else {
            write!(
                text,
                "a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\n\
                 a=rtcp-fb:{VP8} ccm fir\r\n"
            )?;
        }
        match section {
            Section::ReceiveAudio | Section::ReceiveVideo => text.push_str("a=recvonly\r\n"),
            Section::SendAudio | Section::SendVideo => {
                write!(
                    text,
                    "a=sendonly\r\na=msid:{ufrag} {}\r\na=rtcp-fb:{payload_type} transport-cc\r\n\
                     a=extmap:{} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n",
                    self.cid(section),
                    extension::TWCC
                )?;
            }
        }
        if section == Section::SendVideo {
            write!(
                text,
                "a=extmap:{} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n",
                extension::RID
            )?;
            for rid in RIDS {
                write!(text, "a=rid:{rid} send\r\n")?;
            }
            text.push_str("a=simulcast:send q;h;f\r\n");
        }
        Ok(())
    }
}

/// What an answer says of the server's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Name and password for connectivity checks.
    pub credentials: Credentials,
    /// Where it may be reached, over UDP.
    pub candidates: Vec<SocketAddr>,
    /// Sections in which it sends.
    pub sending: usize,
    /// Sections in which it takes what we send.
    pub receiving: usize,
}

impl Answer {
    /// Reads the text; `None` without credentials.
    pub fn read(text: &str) -> Option<Self> {
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let count = |wanted: &str| text.lines().filter(|line| *line == wanted).count();
        Some(Self {
            credentials: Credentials {
                ufrag: value("a=ice-ufrag:")?.trim().to_owned(),
                pwd: value("a=ice-pwd:")?.trim().to_owned(),
            },
            candidates: text
                .lines()
                .filter_map(|line| candidate(line.strip_prefix("a=")?))
                .collect(),
            sending: count("a=sendonly"),
            receiving: count("a=recvonly"),
        })
    }
}

/// The address of a `candidate:` line that we can send to.
pub fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("candidate:")?.split_ascii_whitespace();
    let transport = words.nth(2)?;
    let address = words.nth(1)?.parse().ok()?;
    let port = words.next()?.parse().ok()?;
    let address = SocketAddr::new(address, port);
    (transport.eq_ignore_ascii_case("udp") && address.is_ipv4()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(sections: &[Section]) -> Offer {
        Offer {
            credentials: Credentials::draw(),
            fingerprint: "AA:BB".to_owned(),
            address: "127.0.0.1:4000".parse().unwrap(),
            sections: sections.to_vec(),
            version: 1,
            repetition: Repetition::None,
        }
    }

    #[test]
    fn repetition_is_offered_for_sound_where_it_is_wanted() {
        let mut offer = offer(&[
            Section::SendAudio,
            Section::SendVideo,
            Section::ReceiveAudio,
        ]);
        assert!(!offer.text().contains("red/48000"));
        offer.repetition = Repetition::Once;
        let text = offer.text();
        assert_eq!(text.matches("SAVPF 63 111\r\n").count(), 2);
        assert_eq!(text.matches("a=fmtp:63 111/111\r\n").count(), 2);
        assert!(text.contains("SAVPF 96\r\n"));
    }

    #[test]
    fn an_offer_keeps_its_sections_as_it_grows() {
        let mut offer = offer(&[Section::SendAudio, Section::SendVideo]);
        let before = offer.text();
        offer.grow(2, 1);
        let text = offer.text();
        assert!(text.contains("a=group:BUNDLE 0 1 2 3 4\r\n"));
        let sections = |text: &str| {
            text.split("\r\nm=")
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (old, new) = (sections(&before), sections(&text));
        assert_eq!(new.len(), 5);
        assert_eq!(old[0], new[0]);
        assert!(new[1].contains("a=simulcast:send q;h;f") && new[1].contains("a=sendonly"));
        assert!(new[4].starts_with("video") && new[4].contains("a=recvonly"));
        assert!(
            text.split_inclusive("\r\n")
                .all(|line| line.ends_with("\r\n"))
        );
        assert_eq!(offer.mid(Section::ReceiveVideo), Some(4));
    }

    #[test]
    fn an_answers_end_is_found() {
        let text = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
            a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\n\
            a=candidate:2 1 tcp 1 127.0.0.1 7881 typ host tcptype passive\r\n\
            a=candidate:3 1 UDP 1 ::1 7882 typ host\r\na=sendonly\r\nm=video 9 x 96\r\na=recvonly\r\n";
        let answer = Answer::read(text).unwrap();
        assert_eq!(answer.credentials.ufrag, "abcd");
        assert_eq!(
            answer.candidates,
            [SocketAddr::from(([127, 0, 0, 1], 7882))]
        );
        assert_eq!((answer.sending, answer.receiving), (1, 1));
        assert_eq!(Answer::read("v=0\r\n"), None);
        assert_eq!(candidate("candidate:1 1 udp 1"), None);
    }
}
