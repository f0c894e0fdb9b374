//! The control plane asks to be asked: it has something to say, and cannot wait for the next
//! sync. Who cannot show that it is the control plane is refused before anything else.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::control::{Poke, PokeError, header};
use crate::node::Node;

/// It says nothing: what there is to say is asked for.
const LONGEST_BODY: usize = 1024;

pub(super) async fn poke(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(control) = &node.control else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.unwrap_or_default().as_millis() as u64;
    let poke = Poke {
        node: text(header::NODE).unwrap_or_default(),
        key_version: text(header::KEY_VERSION).unwrap_or_default(),
        timestamp: text(header::TIMESTAMP).unwrap_or_default(),
        nonce: text(header::NONCE).unwrap_or_default(),
        signature: text(header::SIGNATURE).unwrap_or_default(),
        body: &body,
    };
    let result = control.poke(&poke, now_ms);
    let label = result.map_or_else(PokeError::label, |()| "ok");
    node.metrics.control.pokes.with_label_values(&[label]).inc();
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => {
            let body = format!(
                "{{\"error\":\"{}\",\"serverTimeMs\":{now_ms}}}",
                why.label()
            );
            (StatusCode::UNAUTHORIZED, body).into_response()
        }
    }
}
