//! Reads session descriptions line by line (RFC 8866 section 5). Strict about what we
//! act on, deaf to the rest, and bounded: a stranger wrote the text.

use media::Bitrate;

use super::line::{
    bounded_push, bundle, extension, mid, msid, number, payload_type, payload_types, rid,
    simulcast, ssrc, ssrc_group, transport_attribute,
};
use super::{
    CodecLine, Description, Direction, Limit, SdpError, SdpKind, SdpProblem, Section, SectionKind,
};

pub(super) fn description(kind: SdpKind, text: &str) -> Result<Description, SdpError> {
    if text.len() > Description::MAX_LEN {
        return Err(SdpProblem::TooMany(Limit::Bytes).at(0));
    }
    let mut reader = Reader {
        description: Description::new(kind, 0, 0),
        draft: None,
    };
    let mut lines = text.split('\n').enumerate();
    match lines.next().map(|(_, line)| trimmed(line)) {
        Some("v=0") => {}
        Some(_) | None => return Err(SdpProblem::Version.at(1)),
    }
    for (index, line) in lines {
        let number = index + 1;
        reader
            .line(trimmed(line))
            .map_err(|problem| problem.at(number))?;
    }
    reader.close_section();
    Ok(reader.description)
}

/// Without the carriage return that belongs to the line's end.
fn trimmed(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

struct Reader {
    description: Description,
    draft: Option<Draft>,
}

/// A section whose codec lines are not put together yet: they come in any order.
struct Draft {
    section: Section,
    payload_types: Vec<u8>,
    maps: Vec<CodecLine>,
    parameters: Vec<(u8, String)>,
    feedback: Vec<(Option<u8>, String)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), SdpProblem> {
        if line.len() > Description::MAX_LINE_LEN {
            return Err(SdpProblem::TooMany(Limit::LineBytes));
        }
        if line.is_empty() {
            return Ok(());
        }
        if line.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err(SdpProblem::ControlCharacter);
        }
        let Some((letter, value)) = line.split_once('=') else {
            return Err(SdpProblem::Form);
        };
        match letter {
            "m" => self.open_section(value),
            "a" => self.attribute(value),
            "o" => self.origin(value),
            "b" => {
                self.bandwidth(value);
                Ok(())
            }
            _ if letter.len() == 1 => Ok(()),
            _ => Err(SdpProblem::Form),
        }
    }

    fn origin(&mut self, value: &str) -> Result<(), SdpProblem> {
        let mut words = value.split_ascii_whitespace().skip(1);
        self.description.id = number(words.next(), "o=")?;
        self.description.version = number(words.next(), "o=")?;
        Ok(())
    }

    fn bandwidth(&mut self, value: &str) {
        let most = value.strip_prefix("TIAS:");
        let most = most.and_then(|most| most.trim().parse().ok());
        if let (Some(draft), Some(most)) = (&mut self.draft, most) {
            draft.section.bandwidth = Some(Bitrate(most));
        }
    }

    fn open_section(&mut self, value: &str) -> Result<(), SdpProblem> {
        self.close_section();
        if self.description.sections.len() == Description::MAX_SECTIONS {
            return Err(SdpProblem::TooMany(Limit::Sections));
        }
        let mut words = value.split_ascii_whitespace();
        let mut word = || words.next().ok_or(SdpProblem::Malformed("m="));
        let kind = match word()? {
            "audio" => SectionKind::Audio,
            "video" => SectionKind::Video,
            "application" => SectionKind::Application,
            other => SectionKind::Other(other.to_owned()),
        };
        let port = word()?;
        let port = port.split_once('/').map_or(port, |(port, _)| port);
        let port = number(Some(port), "m=")?;
        let protocol = word()?.to_owned();
        let is_media = matches!(kind, SectionKind::Audio | SectionKind::Video);
        let payload_types = match is_media && protocol.contains("RTP/") {
            true => payload_types(words)?,
            false => Vec::new(),
        };
        let mut section = Section::new(kind, protocol);
        section.port = port;
        self.draft = Some(Draft {
            section,
            payload_types,
            maps: Vec::new(),
            parameters: Vec::new(),
            feedback: Vec::new(),
        });
        Ok(())
    }

    fn close_section(&mut self) {
        if let Some(draft) = self.draft.take() {
            self.description.sections.push(draft.finish());
        }
    }

    fn attribute(&mut self, line: &str) -> Result<(), SdpProblem> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let lines = match &mut self.draft {
            Some(draft) => &mut draft.section.transport,
            None => &mut self.description.transport,
        };
        if transport_attribute(lines, name, value)? {
            return Ok(());
        }
        match &mut self.draft {
            Some(draft) => draft.attribute(name, value),
            None => self.session_attribute(name, value),
        }
    }

    fn session_attribute(&mut self, name: &str, value: &str) -> Result<(), SdpProblem> {
        match name {
            "ice-lite" => self.description.ice_lite = true,
            "extmap-allow-mixed" => self.description.extmap_allow_mixed = true,
            "group" if self.description.bundle.is_empty() => {
                if let Some(mids) = value.strip_prefix("BUNDLE") {
                    self.description.bundle = bundle(mids)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Draft {
    fn attribute(&mut self, name: &str, value: &str) -> Result<(), SdpProblem> {
        let section = &mut self.section;
        match name {
            "mid" => section.mid = Some(mid(value)?),
            "sendrecv" => section.direction = Direction::SendRecv,
            "sendonly" => section.direction = Direction::SendOnly,
            "recvonly" => section.direction = Direction::RecvOnly,
            "inactive" => section.direction = Direction::Inactive,
            "bundle-only" => section.bundle_only = true,
            "rtcp-mux" => section.rtcp_mux = true,
            "rtcp-rsize" => section.rtcp_rsize = true,
            "end-of-candidates" => section.end_of_candidates = true,
            "sctp-port" => section.sctp_port = Some(number(Some(value), "sctp-port")?),
            "max-message-size" => {
                section.max_message_size = Some(number(Some(value), "max-message-size")?);
            }
            "rtpmap" => self.rtpmap(value)?,
            "fmtp" => self.fmtp(value)?,
            "rtcp-fb" => self.rtcp_fb(value)?,
            "extmap" => {
                let extension = extension(value)?;
                bounded_push(
                    &mut section.extensions,
                    extension,
                    Section::MAX_EXTENSIONS,
                    Limit::Extensions,
                )?;
            }
            "msid" => {
                let msid = msid(value)?;
                bounded_push(&mut section.msids, msid, MAX_MSIDS, Limit::Msids)?;
            }
            "ssrc" => ssrc(section, value)?,
            "ssrc-group" => ssrc_group(section, value)?,
            "rid" => rid(section, value)?,
            "simulcast" => section.simulcast = Some(simulcast(value)?),
            "candidate" => {
                let line = format!("candidate:{value}");
                bounded_push(
                    &mut section.candidates,
                    line,
                    Section::MAX_CANDIDATES,
                    Limit::Candidates,
                )?;
            }
            _ => {}
        }
        Ok(())
    }

    fn rtpmap(&mut self, value: &str) -> Result<(), SdpProblem> {
        let mut words = value.split_ascii_whitespace();
        let payload_type = payload_type(words.next())?;
        let mut parts = words
            .next()
            .ok_or(SdpProblem::Malformed("rtpmap"))?
            .split('/');
        let name = parts.next().unwrap_or_default().to_owned();
        let clock_rate = number(parts.next(), "rtpmap")?;
        let channels = match parts.next() {
            Some(channels) => Some(number(Some(channels), "rtpmap")?),
            None => None,
        };
        let map = CodecLine {
            payload_type,
            name,
            clock_rate,
            channels,
            fmtp: String::new(),
            feedback: Vec::new(),
        };
        bounded_push(&mut self.maps, map, Section::MAX_CODECS, Limit::Codecs)
    }

    fn fmtp(&mut self, value: &str) -> Result<(), SdpProblem> {
        let (first, rest) = value.split_once(' ').ok_or(SdpProblem::Malformed("fmtp"))?;
        let parameters = (payload_type(Some(first))?, rest.trim().to_owned());
        bounded_push(
            &mut self.parameters,
            parameters,
            2 * Section::MAX_CODECS,
            Limit::Codecs,
        )
    }

    fn rtcp_fb(&mut self, value: &str) -> Result<(), SdpProblem> {
        let (first, rest) = value
            .split_once(' ')
            .ok_or(SdpProblem::Malformed("rtcp-fb"))?;
        let of = match first {
            "*" => None,
            number => Some(payload_type(Some(number))?),
        };
        let feedback = (of, rest.trim().to_owned());
        bounded_push(
            &mut self.feedback,
            feedback,
            MAX_FEEDBACK_PER_CODEC * Section::MAX_CODECS,
            Limit::Codecs,
        )
    }

    /// Puts each codec's lines together, in the order of the m-line.
    fn finish(mut self) -> Section {
        for payload_type in self.payload_types {
            let Some(at) = position(&self.maps, payload_type) else {
                continue;
            };
            let mut codec = self.maps.swap_remove(at);
            let own = |of: &u8| *of == payload_type;
            for (_, parameters) in self.parameters.iter().filter(|(of, _)| own(of)) {
                if !codec.fmtp.is_empty() {
                    codec.fmtp.push(';');
                }
                codec.fmtp.push_str(parameters);
            }
            for (_, feedback) in self
                .feedback
                .iter()
                .filter(|(of, _)| of.as_ref().is_none_or(own))
            {
                let is_new = !codec.feedback.contains(feedback);
                if is_new && codec.feedback.len() < MAX_FEEDBACK_PER_CODEC {
                    codec.feedback.push(feedback.clone());
                }
            }
            self.section.codecs.push(codec);
        }
        self.section
    }
}

fn position(maps: &[CodecLine], payload_type: u8) -> Option<usize> {
    maps.iter().position(|map| map.payload_type == payload_type)
}

/// A track can be in several streams; nobody uses more than one.
const MAX_MSIDS: usize = 16;
/// Browsers write five.
const MAX_FEEDBACK_PER_CODEC: usize = 16;
