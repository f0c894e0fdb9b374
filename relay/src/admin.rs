//! What an operator sees of a node's part in the relay over HTTP, on its private port: `/links` for
//! programs, and `/` for people, a page that draws nodes, links and rooms as they are now. The page
//! is one file and asks nobody else for anything.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::relay::Observer;
use crate::status::{NodeState, Status};

/// Nothing from elsewhere, whatever a name of a room says.
const POLICY: &str = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The page and what it polls: `/` and `/links`.
pub fn router(observer: Observer) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/links", get(links))
        .with_state(observer)
}

/// What a hub has besides, as nobody else tells it: `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn health(observer: Observer, registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "OK\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new((observer, registry)))
}

async fn page() -> Response {
    (
        [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, POLICY),
        ],
        include_str!("page.html"),
    )
        .into_response()
}

async fn links(State(observer): State<Observer>) -> Response {
    let Some(status) = observer.status().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopped\n").into_response();
    };
    match serde_json::to_string(&status) {
        Ok(json) => (
            [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-store"),
            ],
            json,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

type Hub = Arc<(Observer, Registry)>;

async fn ready(State(hub): State<Hub>) -> Response {
    match hub.0.status().await {
        Some(Status {
            state: NodeState::Running,
            ..
        }) => "OK\n".into_response(),
        Some(Status {
            state: NodeState::Draining,
            ..
        })
        | None => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn metrics(State(hub): State<Hub>) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&hub.1.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
