//! Joining: the same checks for the WebSocket and for its `/validate`, and only after
//! them the upgrade.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use livekit::Claims;
use livekit::join::{self, Admission, Endpoint, JoinError, JoinRequest};
use livekit::token;

use crate::control::{Closed, ControlInbox};
use crate::node::Node;
use crate::opening::UnknownPreset;
use crate::signal;

/// A signal message may be this large (2 MiB); larger ones end the connection.
const LONGEST_MESSAGE: usize = 2 << 20;

/// Most messages are shorter. The library's own 128 KiB, times hundreds of listeners,
/// would be most of a node's memory.
const BUFFER_LEN: usize = 4 << 10;

pub(super) async fn join_v0(
    node: State<Arc<Node>>,
    query: RawQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    join(Endpoint::V0, node, query, &headers, upgrade)
}

pub(super) async fn join_v1(
    node: State<Arc<Node>>,
    query: RawQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    join(Endpoint::V1, node, query, &headers, upgrade)
}

pub(super) async fn validate_v0(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    validate(Endpoint::V0, &node, query, &headers)
}

pub(super) async fn validate_v1(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    validate(Endpoint::V1, &node, query, &headers)
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

fn join(
    endpoint: Endpoint,
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let guest = match admit(endpoint, &node, query, headers) {
        Ok(guest) => guest,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(slot) = node.signal_slots.clone().try_acquire_owned() else {
        node.metrics.joins.with_label_values(&["node_full"]).inc();
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "this node is full; try again",
        )
            .into_response();
    };
    upgrade
        .max_message_size(LONGEST_MESSAGE)
        .max_frame_size(LONGEST_MESSAGE)
        .read_buffer_size(BUFFER_LEN)
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            signal::serve(socket, node, guest).await;
            drop(slot);
        })
}

fn validate(
    endpoint: Endpoint,
    node: &Node,
    query: Option<String>,
    headers: &HeaderMap,
) -> Response {
    match admit(endpoint, node, query, headers) {
        Ok(_) => "success".into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Somebody who may come in.
#[derive(Debug)]
pub(crate) struct Guest {
    /// As signed.
    pub(crate) claims: Claims,
    /// As asked.
    pub(crate) request: JoinRequest,
    /// As granted.
    pub(crate) admission: Admission,
}

/// A status and a text; clients show the text.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) outcome: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, self.body).into_response()
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        Self {
            status: closed.status(),
            body: closed.to_string(),
            outcome: closed.label(),
        }
    }
}

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Self {
        let status = error.status();
        let outcome = if status == 401 {
            "unauthorised"
        } else {
            "bad_request"
        };
        Self {
            status,
            body: error.to_string(),
            outcome,
        }
    }
}

fn admit(
    endpoint: Endpoint,
    node: &Node,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Guest, Refusal> {
    check(endpoint, node, &query.unwrap_or_default(), headers).inspect_err(|refusal| {
        node.metrics
            .joins
            .with_label_values(&[refusal.outcome])
            .inc();
    })
}

fn check(
    endpoint: Endpoint,
    node: &Node,
    query: &str,
    headers: &HeaderMap,
) -> Result<Guest, Refusal> {
    let query: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    let access_token = query.iter().find(|(name, _)| name == "access_token");
    let access_token = access_token.map(|(_, token)| token.as_str());
    let claims = claims(node, headers, access_token)?;
    let mut request = JoinRequest::from_query(endpoint, &query)?;
    request
        .client
        .fill_from_user_agent(text(headers, USER_AGENT).unwrap_or_default());
    let_in(node, claims, request)
}

/// What the token says that came with a request, and that it may say it.
pub(super) fn claims(
    node: &Node,
    headers: &HeaderMap,
    access_token: Option<&str>,
) -> Result<Claims, Refusal> {
    let unauthorised = |error: token::TokenError| Refusal {
        status: error.status(),
        body: error.to_string(),
        outcome: "unauthorised",
    };
    let token = token::find(text(headers, AUTHORIZATION), access_token)
        .map_err(unauthorised)?
        .ok_or(JoinError::NotAllowed)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let control = node.control.as_ref().map(ControlInbox::policy);
    let claims = match &control {
        Some(policy) => policy.verify(&node.keys, token, now),
        None => node.keys.verify(token, now),
    };
    claims.map_err(unauthorised)
}

/// Whether somebody with these claims may come in as it asks.
pub(super) fn let_in(node: &Node, claims: Claims, request: JoinRequest) -> Result<Guest, Refusal> {
    let control = node.control.as_ref().map(ControlInbox::policy);
    let admission = join::authorize(Some(&claims), &request)?;
    let (room, identity) = (&admission.room, &admission.identity.0);
    if !node.revocations.allow(&claims, room, identity) {
        return Err(JoinError::Revoked.into());
    }
    let mut admission = admission;
    let filled_in = node.fill_in(&mut admission.room_settings);
    filled_in.map_err(|UnknownPreset| JoinError::RoomPreset)?;
    let mut placed = false;
    if let Some(policy) = control {
        policy.admit(&claims, &request)?;
        policy.settle(&admission.room, &mut admission.room_settings);
        placed = policy.knows(&admission.room);
    }
    let room = &admission.room;
    let makes_rooms = placed || node.config.room.auto_create || claims.video.room_create;
    if !makes_rooms && !node.directory.has(room) {
        return Err(JoinError::RoomMissing.into());
    }
    Ok(Guest {
        claims,
        request,
        admission,
    })
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
