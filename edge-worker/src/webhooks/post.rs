//! One try: a signed POST, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use livekit::token::Keys;
use livekit::webhook;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, StatusCode};

use super::event::Event;
use super::queue::Outcome;
use crate::calling;
use crate::config;

/// Longer than any receiver that means to answer needs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Signs and sends events.
#[derive(Debug)]
pub(super) struct Post {
    client: Client,
    keys: Keys,
    /// The name of the key that signs.
    key: String,
}

/// Why a try failed; the word is the metric's label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// Nobody there, or the connection broke.
    Connection,
    /// No answer in time.
    Timeout,
    /// The receiver says that something is wrong.
    Status(StatusCode),
    /// The key that signs is not ours.
    Key,
}

impl Failure {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Key => "key",
        }
    }

    /// Whether another try may help. A receiver that is being deployed answers 404, one
    /// with too much to do 408, 425 or 429; with any other 4xx it means what it says.
    /// A redirect is not followed: the operator names the receiver, not the receiver
    /// another one.
    pub(super) fn outcome(self) -> Outcome {
        let Self::Status(status) = self else {
            return Outcome::Failed;
        };
        let later = matches!(status.as_u16(), 404 | 408 | 425 | 429);
        if status.is_server_error() || later {
            Outcome::Failed
        } else {
            Outcome::Refused
        }
    }
}

impl Post {
    /// Ready to send.
    pub(super) fn new(config: &config::Webhook, keys: Keys) -> anyhow::Result<Self> {
        let urls = config.urls.iter().map(String::as_str);
        let client = calling::client(urls, ANSWER_WITHIN, webhook::USER_AGENT)
            .context("cannot send webhooks; are CA certificates installed?")?;
        Ok(Self {
            client,
            keys,
            key: config.api_key.clone(),
        })
    }

    /// Tries to deliver `event`.
    pub(super) async fn send(&self, url: &str, event: Arc<Event>) -> Result<(), Failure> {
        let body = event.body.clone();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let signed = webhook::authorization(&self.keys, &self.key, body.as_bytes(), now.as_secs());
        let request = self
            .client
            .post(url)
            .header(AUTHORIZATION, signed.ok_or(Failure::Key)?)
            .header(CONTENT_TYPE, webhook::CONTENT_TYPE)
            .body(body);
        let answer = request.send().await.map_err(|error| {
            if error.is_timeout() {
                Failure::Timeout
            } else {
                Failure::Connection
            }
        })?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::Status(status))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wh_4_what_may_pass_is_tried_again_and_a_clear_no_is_not() {
        for (status, expected) in [
            (500, Outcome::Failed),
            (503, Outcome::Failed),
            (429, Outcome::Failed),
            (408, Outcome::Failed),
            (404, Outcome::Failed),
            (400, Outcome::Refused),
            (401, Outcome::Refused),
            (410, Outcome::Refused),
            (302, Outcome::Refused),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Failure::Status(status).outcome(), expected, "{status}");
        }
        assert_eq!(Failure::Connection.outcome(), Outcome::Failed);
        assert_eq!(Failure::Timeout.outcome(), Outcome::Failed);
    }
}
