//! Server APIs over HTTP: the same door for every service, with LiveKit's statuses,
//! bodies and content types.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use livekit::VideoGrants;
use livekit::room_service::{self, Answer, Request};
use livekit::spanning::{Call, Called};
use livekit::token;
use livekit::twirp::{self, Code, Encoding, Error};

use super::elsewhere;
use super::room_service::perform;
use crate::node::Node;

/// No call of an app is larger; what is larger is not read.
const LARGEST_BODY: usize = 10 << 20;

/// Callers wait ten seconds for the whole call.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// Services LiveKit has and this node does not, with what its server says without their
/// backends.
const ABSENT: &[(&str, Granted, &str)] = &[
    (
        "livekit.Egress",
        |grants| grants.room_record,
        "egress not connected (redis required)",
    ),
    (
        "livekit.Ingress",
        |grants| grants.ingress_admin,
        "ingress not connected (redis required)",
    ),
    // Its grants are of another kind; any token will do to be told that it is not there.
    (
        "livekit.SIP",
        |_| true,
        "sip not connected (redis required)",
    ),
];

/// Whether somebody with these grants may call a service.
type Granted = fn(&VideoGrants) -> bool;

pub(super) async fn call(
    State(node): State<Arc<Node>>,
    Path(path): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let (service, method) = path.split_once('/').unwrap_or((&path, ""));
    match answer(&node, service, method, request).await {
        Ok((encoding, body)) => {
            node.metrics.api_calls.with_label_values(&["ok"]).inc();
            ([(CONTENT_TYPE, encoding.content_type())], body).into_response()
        }
        Err(refusal) => {
            let word = refusal.word();
            node.metrics.api_calls.with_label_values(&[word]).inc();
            refusal.into_response()
        }
    }
}

/// Why there is no answer.
pub(super) enum Refusal {
    /// Who calls cannot be known: said before any service hears of it, in plain text.
    Token(token::TokenError),
    /// More than anybody needs.
    TooLarge,
    /// It takes longer to come than any caller waits for the answer.
    TooSlow,
    /// In Twirp's form.
    Call(Error),
    /// In another node's words.
    Elsewhere(Called),
}

impl Refusal {
    fn word(&self) -> &'static str {
        match self {
            Self::Token(_) => "bad_token",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Call(error) => error.code().word(),
            Self::Elsewhere(_) => "elsewhere",
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Token(error) => (status(error.status()), error.to_string()).into_response(),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "request body too large").into_response()
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "request body too slow").into_response(),
            Self::Call(error) => (
                status(error.code().status()),
                [(CONTENT_TYPE, twirp::ERROR_CONTENT_TYPE)],
                error.body(),
            )
                .into_response(),
            Self::Elsewhere(called) => (
                status(called.status),
                [(CONTENT_TYPE, called.content_type)],
                called.body,
            )
                .into_response(),
        }
    }
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn answer(
    node: &Node,
    service: &str,
    method: &str,
    request: axum::extract::Request,
) -> Result<(Encoding, Vec<u8>), Refusal> {
    let (parts, body) = request.into_parts();
    let claims = claims(node, &parts.headers).map_err(Refusal::Token)?;
    if parts.method != Method::POST {
        return Err(Error::method(parts.method.as_str()).into());
    }
    if let Some((_, granted, msg)) = ABSENT.iter().find(|(name, ..)| *name == service) {
        let granted = claims.is_some_and(|claims| granted(&claims.video));
        return Err(if granted {
            Error::new(Code::Internal, *msg).into()
        } else {
            Error::not_allowed().into()
        });
    }
    if service != room_service::SERVICE {
        return Err(Error::no_route(parts.uri.path()).into());
    }
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let encoding = Encoding::of(content_type.unwrap_or_default())?;
    let body = read(&parts.headers, body).await?;
    let authorization = parts.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let call = Call {
        method: method.to_owned(),
        content_type: encoding.content_type().to_owned(),
        authorization: authorization.unwrap_or_default().to_owned(),
        body,
        hops: 0,
    };
    do_call(node, encoding, call, claims.as_ref()).await
}

/// Does what a call asks, here or on the node that can.
async fn do_call(
    node: &Node,
    encoding: Encoding,
    call: Call,
    claims: Option<&livekit::Claims>,
) -> Result<(Encoding, Vec<u8>), Refusal> {
    let request = Request::read(&call.method, encoding, &call.body, claims)?;
    if let Some(other) = elsewhere::place_of(node, &request, &call).await {
        return Ok((encoding, elsewhere::pass_on(node, other, call).await?));
    }
    let listing = match &request {
        Request::ListRooms { names } => Some(names.clone()),
        Request::CreateRoom { .. }
        | Request::DeleteRoom { .. }
        | Request::ListParticipants { .. }
        | Request::InRoom { .. }
        | Request::ForwardParticipant { .. }
        | Request::MoveParticipant { .. } => None,
    };
    let mut answer = perform(node, request).await.map_err(Error::from)?;
    if let (Some(names), Answer::Rooms(rooms)) = (listing, &mut answer) {
        rooms.extend(elsewhere::list(node, &names, &call).await);
    }
    Ok((encoding, answer.write(encoding)?))
}

/// Does what another node was asked; its token is looked at once more.
pub(crate) async fn called_from_afar(node: &Node, call: Call) -> Called {
    let response = match answer_call(node, call).await {
        Ok((encoding, body)) => ([(CONTENT_TYPE, encoding.content_type())], body).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    let (parts, body) = response.into_parts();
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    Called {
        status: parts.status.as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        // It is in memory as a whole.
        body: to_bytes(body, LARGEST_BODY).await.unwrap_or_default(),
    }
}

async fn answer_call(node: &Node, call: Call) -> Result<(Encoding, Vec<u8>), Refusal> {
    let mut headers = HeaderMap::new();
    if let Ok(authorization) = HeaderValue::from_str(&call.authorization) {
        headers.insert(AUTHORIZATION, authorization);
    }
    let claims = claims(node, &headers).map_err(Refusal::Token)?;
    let encoding = Encoding::of(&call.content_type)?;
    do_call(node, encoding, call, claims.as_ref()).await
}

/// Who calls; `None` where there is no token, which is for the service to judge.
fn claims(node: &Node, headers: &HeaderMap) -> Result<Option<livekit::Claims>, token::TokenError> {
    let header = headers.get(AUTHORIZATION);
    let header = header.map(|value| value.to_str().unwrap_or("?"));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    token::find(header, None)?
        .map(|token| node.keys.verify(token, now))
        .transpose()
}

async fn read(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Refusal> {
    let announced = headers.get(axum::http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY) {
        return Err(Refusal::TooLarge);
    }
    match tokio::time::timeout(BODY_LIMIT, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        // A caller that breaks off does not hear the answer either.
        Ok(Err(_)) => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::TooSlow),
    }
}
