//! One request to the control plane: signed, sent, and its answer read.

use std::time::Duration;

use anyhow::Context;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::core::{Answer, Loss, Request};
use super::sign::{Signed, Signer, header};
use super::wire::{REGISTER, Refused, SYNC};
use crate::config::Control;
use crate::{calling, ids};

/// Longer than a mutation takes on a bad day.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A whole picture of a large fleet is smaller.
const LARGEST_ANSWER: usize = 8 << 20;

/// Two of them in five minutes are not the same.
const NONCE_LEN: usize = 32;

/// Signs and sends.
#[derive(Clone, Debug)]
pub(super) struct Post {
    client: Client,
    url: String,
    node: String,
    key_version: String,
    signer: Signer,
}

impl Post {
    pub(super) fn new(config: &Control, node: &str) -> anyhow::Result<Self> {
        let agent = concat!("tof-edge/", env!("CARGO_PKG_VERSION"));
        let urls = std::iter::once(config.url.as_str());
        let client = calling::client(urls, ANSWER_WITHIN, agent)
            .context("cannot call control.url; are CA certificates installed?")?;
        Ok(Self {
            client,
            url: config.url.clone(),
            node: node.to_owned(),
            key_version: config.key_version.to_string(),
            signer: Signer::sync(&config.key),
        })
    }

    /// Asks, signed at `timestamp`: milliseconds since 1970, by the other end's clock.
    pub(super) async fn ask(&self, request: &Request, timestamp: u64) -> Answer {
        let (path, body) = match request {
            Request::Register(register) => (REGISTER, serde_json::to_vec(register)),
            Request::Sync(sync) => (SYNC, serde_json::to_vec(sync)),
        };
        // Plain structures of text and numbers are always sayable.
        let Ok(body) = body else {
            return Answer::Lost(Loss::Unreadable);
        };
        match self.exchange(path, body, timestamp).await {
            Ok((status, body)) if status.is_success() => match request {
                Request::Register(_) => read(&body, Answer::Registered),
                Request::Sync(_) => read(&body, Answer::Synced),
            },
            Ok((_, body)) => match serde_json::from_slice::<Refused>(&body) {
                Ok(refused) => Answer::Refused(refused),
                Err(_) => Answer::Lost(Loss::Unreadable),
            },
            Err(loss) => Answer::Lost(loss),
        }
    }

    async fn exchange(
        &self,
        path: &str,
        body: Vec<u8>,
        timestamp: u64,
    ) -> Result<(StatusCode, Vec<u8>), Loss> {
        let nonce = ids::random_text(NONCE_LEN);
        let signature = self.signer.sign(&Signed {
            method: "POST",
            path,
            timestamp,
            nonce: &nonce,
            body: &body,
        });
        let lost = |error: reqwest::Error| {
            if error.is_timeout() {
                Loss::Timeout
            } else {
                Loss::Connection
            }
        };
        let response = self
            .client
            .post(format!("{}{path}", self.url))
            .header(CONTENT_TYPE, "application/json")
            .header(header::NODE, &self.node)
            .header(header::KEY_VERSION, &self.key_version)
            .header(header::TIMESTAMP, timestamp.to_string())
            .header(header::NONCE, nonce)
            .header(header::SIGNATURE, signature)
            .body(body)
            .send()
            .await
            .map_err(lost)?;
        let status = response.status();
        Ok((
            status,
            bounded(response)
                .await
                .map_err(lost)?
                .ok_or(Loss::Unreadable)?,
        ))
    }
}

/// The body, unless it is larger than any answer.
async fn bounded(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn read<T: DeserializeOwned>(body: &[u8], answer: impl FnOnce(Box<T>) -> Answer) -> Answer {
    match serde_json::from_slice(body) {
        Ok(read) => answer(Box::new(read)),
        Err(_) => Answer::Lost(Loss::Unreadable),
    }
}
