//! One ICE candidate (RFC 8839 section 5.1), as trickled and as written in SDP.

use std::net::IpAddr;
use std::str::FromStr;

/// Where a client says it can be reached. We answer checks and never send first, so
/// this is for logs and counts: no packet goes to an address because of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// 1 for RTP; with rtcp-mux there is no other.
    pub component: u16,
    /// Over UDP; otherwise TCP.
    pub transport: CandidateTransport,
    /// Higher is preferred.
    pub priority: u32,
    /// An address, or a name that only its own network can resolve.
    pub host: CandidateHost,
    /// 9 for TCP candidates that only connect outwards.
    pub port: u16,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub kind: String,
    /// The fragment it belongs to, where written.
    pub ufrag: Option<String>,
}

/// How a candidate is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CandidateTransport {
    /// Datagrams.
    Udp,
    /// A connection (RFC 6544).
    Tcp,
}

/// Where a candidate is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CandidateHost {
    /// An address.
    Address(IpAddr),
    /// A multicast DNS name: the browser hides its address.
    Name(String),
}

impl Candidate {
    /// Longest text read.
    pub const MAX_LEN: usize = 1_024;

    /// Reads the text of a candidate, with or without `a=` and `candidate:` before it.
    /// Empty text is how a browser says that no more will come: `Ok(None)`.
    pub fn parse(text: &str) -> Result<Option<Self>, CandidateError> {
        if text.len() > Self::MAX_LEN {
            return Err(CandidateError::Long(text.len()));
        }
        let text = text.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        if text.is_empty() || text == "end-of-candidates" {
            return Ok(None);
        }
        text.parse().map(Some)
    }
}

impl FromStr for Candidate {
    type Err = CandidateError;

    fn from_str(text: &str) -> Result<Self, CandidateError> {
        let mut words = text.split_ascii_whitespace();
        let mut word = |what| words.next().ok_or(CandidateError::Missing(what));
        word("foundation")?;
        let component = number(word("component")?, "component")?;
        let transport = match word("transport")? {
            udp if udp.eq_ignore_ascii_case("udp") => CandidateTransport::Udp,
            tcp if tcp.eq_ignore_ascii_case("tcp") => CandidateTransport::Tcp,
            _ => return Err(CandidateError::Transport),
        };
        let priority = number(word("priority")?, "priority")?;
        let host = host(word("address")?)?;
        let port = number(word("port")?, "port")?;
        if word("typ")? != "typ" {
            return Err(CandidateError::Missing("typ"));
        }
        let kind = word("kind")?.to_owned();
        let mut ufrag = None;
        while let Some(key) = words.next() {
            let Some(value) = words.next() else { break };
            if key == "ufrag" {
                ufrag = Some(value.to_owned());
            }
        }
        Ok(Self {
            component,
            transport,
            priority,
            host,
            port,
            kind,
            ufrag,
        })
    }
}

fn host(text: &str) -> Result<CandidateHost, CandidateError> {
    if let Ok(address) = text.parse() {
        return Ok(CandidateHost::Address(address));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if !text.bytes().all(legal) {
        return Err(CandidateError::Host);
    }
    Ok(CandidateHost::Name(text.to_owned()))
}

fn number<N: FromStr>(text: &str, what: &'static str) -> Result<N, CandidateError> {
    text.parse().map_err(|_| CandidateError::Number(what))
}

/// Why a text is no candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CandidateError {
    /// Longer than any real one.
    #[error("a candidate of {0} bytes is not read")]
    Long(usize),
    /// The text ends early.
    #[error("the candidate has no {0}")]
    Missing(&'static str),
    /// Not a number, or too large for its place.
    #[error("the candidate's {0} is no number of its size")]
    Number(&'static str),
    /// Neither UDP nor TCP.
    #[error("a candidate is reached over UDP or TCP")]
    Transport,
    /// Neither an address nor a name.
    #[error("the candidate's address is neither an address nor a name")]
    Host,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_browsers_are_read() {
        for (text, host, kind) in [
            (
                "candidate:2 1 udp 2113937151 0a1b.local 5000 typ host generation 0 ufrag ab",
                CandidateHost::Name("0a1b.local".into()),
                "host",
            ),
            (
                "a=candidate:1 1 UDP 7 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport 0 ufrag ab",
                CandidateHost::Address("192.0.2.1".parse().unwrap()),
                "srflx",
            ),
            (
                "3 1 tcp 7 2001:db8::1 9 typ host tcptype active ufrag ab",
                CandidateHost::Address("2001:db8::1".parse().unwrap()),
                "host",
            ),
        ] {
            let read = Candidate::parse(text).unwrap().unwrap();
            assert_eq!((read.host, read.kind.as_str()), (host, kind), "{text}");
            assert_eq!(read.ufrag.as_deref(), Some("ab"), "{text}");
        }
    }

    #[test]
    fn empty_text_ends_the_candidates() {
        for text in ["", " ", "candidate:", "a=end-of-candidates"] {
            assert_eq!(Candidate::parse(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_candidate_is_refused_with_a_reason() {
        let long = "x".repeat(2_000);
        for (text, expected) in [
            (
                "1 1 udp 7 192.0.2.1 65536 typ host",
                CandidateError::Number("port"),
            ),
            (
                "1 1 udp -7 192.0.2.1 1 typ host",
                CandidateError::Number("priority"),
            ),
            ("1 1 sctp 7 192.0.2.1 1 typ host", CandidateError::Transport),
            ("1 1 udp 7 a/b 1 typ host", CandidateError::Host),
            ("1 1 udp 7 192.0.2.1 1 host", CandidateError::Missing("typ")),
            ("1 1 udp", CandidateError::Missing("priority")),
            (&long, CandidateError::Long(2_000)),
        ] {
            assert_eq!(Candidate::parse(text), Err(expected), "{text}");
        }
    }
}
