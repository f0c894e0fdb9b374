//! One ICE candidate of either side, in the JSON that browsers make of it.

use serde::{Deserialize, Serialize};

use super::Target;
use crate::proto;

/// A real candidate has about 150 bytes.
const MAX_CANDIDATE: usize = 2048;

/// A client's word on its candidates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trickle {
    /// Of which connection.
    pub target: Target,
    /// `None`: there will be no more.
    pub candidate: Option<Candidate>,
}

/// One candidate, as in the browsers' `RTCIceCandidateInit`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Candidate {
    /// The line as in SDP, without `a=`; parsed by `transport`.
    pub candidate: String,
    /// Its m-line's name.
    pub sdp_mid: Option<String>,
    /// Its m-line's place.
    #[serde(rename = "sdpMLineIndex")]
    pub sdp_m_line_index: Option<u16>,
    /// Of which ICE generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

impl Candidate {
    /// One of ours. With BUNDLE all belong to the first m-line; Android wants its
    /// name and place both told.
    pub fn ours(candidate: impl Into<String>, mid: impl Into<String>) -> Self {
        Self {
            candidate: candidate.into(),
            sdp_mid: Some(mid.into()),
            sdp_m_line_index: Some(0),
            username_fragment: None,
        }
    }
}

impl Trickle {
    /// `None` if the candidate is not the JSON it should be.
    pub(super) fn from_proto(message: &proto::TrickleRequest) -> Option<Self> {
        let target = Target::from_proto(message.target);
        let init = &message.candidate_init;
        if init.is_empty() && message.r#final {
            return Some(Self {
                target,
                candidate: None,
            });
        }
        if init.len() > MAX_CANDIDATE {
            return None;
        }
        let candidate: Candidate = serde_json::from_str(init).ok()?;
        // An empty line is the browsers' way to say that there are no more.
        let candidate = Some(candidate).filter(|it| !it.candidate.is_empty());
        Some(Self { target, candidate })
    }

    pub(super) fn to_proto(&self) -> proto::TrickleRequest {
        let json = |candidate| {
            serde_json::to_string(candidate).expect("a candidate is plain JSON with text keys")
        };
        proto::TrickleRequest {
            candidate_init: self.candidate.as_ref().map(json).unwrap_or_default(),
            target: self.target.to_proto(),
            r#final: self.candidate.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(init: &str, last: bool) -> Option<Trickle> {
        Trickle::from_proto(&proto::TrickleRequest {
            candidate_init: init.into(),
            target: 1,
            r#final: last,
        })
    }

    #[test]
    fn a_candidate_is_read_from_json() {
        let json = r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0",
            "sdpMLineIndex":0,"usernameFragment":"abcd","unknown":[]}"#;
        let trickle = read(json, false).unwrap();
        assert_eq!(trickle.target, Target::Subscriber);
        let candidate = trickle.candidate.unwrap();
        assert!(candidate.candidate.ends_with("typ host"));
        assert_eq!(
            (candidate.sdp_mid.as_deref(), candidate.sdp_m_line_index),
            (Some("0"), Some(0))
        );
        assert_eq!(candidate.username_fragment.as_deref(), Some("abcd"));
    }

    #[test]
    fn the_end_of_candidates_is_told_in_several_ways() {
        for (init, last) in [
            ("", true),
            (r#"{"candidate":""}"#, false),
            (r#"{"candidate":"","sdpMid":"0","sdpMLineIndex":0}"#, true),
            (
                r#"{"candidate":"","sdpMid":null,"sdpMLineIndex":null}"#,
                false,
            ),
        ] {
            assert_eq!(read(init, last).unwrap().candidate, None, "{init}");
        }
    }

    #[test]
    fn what_is_no_candidate_is_refused() {
        let long = format!(r#"{{"candidate":"{}"}}"#, "x".repeat(MAX_CANDIDATE));
        let deep = "[".repeat(1000);
        for init in ["", "{", "null", "7", r#"{"candidate":7}"#, &long, &deep] {
            assert_eq!(read(init, false), None, "{init:.40}");
        }
    }

    #[test]
    fn gotcha_13_our_candidates_carry_mid_and_line_index() {
        let trickle = Trickle {
            target: Target::Publisher,
            candidate: Some(Candidate::ours(
                "candidate:1 1 udp 1 192.0.2.1 9 typ host",
                "0",
            )),
        };
        let message = trickle.to_proto();
        let json: serde_json::Value = serde_json::from_str(&message.candidate_init).unwrap();
        assert_eq!(json["sdpMLineIndex"], 0);
        assert_eq!(json["sdpMid"], "0");
        assert_eq!(Trickle::from_proto(&message), Some(trickle));
    }
}
