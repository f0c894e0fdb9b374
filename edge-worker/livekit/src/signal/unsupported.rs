//! Requests that are understood but not served here, with the answer that keeps
//! their sender from waiting.

use super::Response;
use crate::proto::{self, request_response::Reason, request_response::Request as Copied};

/// A request that is not served.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsupported {
    what: &'static str,
    answer: Option<Box<proto::RequestResponse>>,
}

impl Unsupported {
    /// What was asked for, in LiveKit's word: for logs and metrics.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// What to answer; `None` where LiveKit would not answer either.
    pub fn answer(self) -> Option<Response> {
        self.answer.map(|answer| Response::request(*answer))
    }

    pub(super) fn silent(what: &'static str) -> Self {
        Self { what, answer: None }
    }

    pub(super) fn candidate(message: proto::TrickleRequest) -> Self {
        // The copy is cut: what we could not read we need not return in full.
        let candidate_init = message.candidate_init.chars().take(256).collect();
        let copy = proto::TrickleRequest {
            candidate_init,
            ..message
        };
        Self::new(
            "trickle",
            Reason::UnclassifiedError,
            0,
            Some(Copied::Trickle(copy)),
        )
    }

    pub(super) fn data_blob(what: &'static str, request_id: u32) -> Self {
        Self::new(what, Reason::NotAllowed, request_id, None)
    }

    fn new(what: &'static str, reason: Reason, request_id: u32, request: Option<Copied>) -> Self {
        let answer = proto::RequestResponse {
            request_id,
            reason: reason.into(),
            message: if reason == Reason::NotAllowed {
                format!("{what} is not available on this server")
            } else {
                format!("{what} cannot be read")
            },
            request,
        };
        Self {
            what,
            answer: Some(Box::new(answer)),
        }
    }
}
