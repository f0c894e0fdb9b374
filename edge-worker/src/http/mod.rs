//! The two listeners: one for everybody (signalling and APIs), one for operators
//! (health and metrics).

mod door;
mod elsewhere;
mod poke;
mod room_service;
mod rtc;
mod twirp;
mod whip;

pub(crate) use door::places;
pub(crate) use room_service::{describe_room, perform, send_to};
pub(crate) use rtc::Guest;
pub(crate) use twirp::called_from_afar;

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::{Draining, POKE};
use crate::node::Node;
use door::Welcome;

/// Serves everybody until the node stops.
pub(crate) async fn serve_public(listener: TcpListener, node: Arc<Node>) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/", get(|| async { "OK" }))
        .route("/rtc", get(rtc::join_v0))
        .route("/rtc/v1", get(rtc::join_v1))
        .route("/rtc/validate", get(rtc::validate_v0))
        .route("/rtc/v1/validate", get(rtc::validate_v1))
        .route(POKE, post(poke::poke))
        .route("/twirp/{*path}", any(twirp::call))
        .merge(without_signalling())
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(axum::middleware::from_fn(allow_any_origin))
        .with_state(Arc::clone(&node));
    door::serve(listener, Welcome::Everybody(routes), node).await;
    Ok(())
}

/// Serves who brings media over TCP, until the node stops.
pub(crate) async fn serve_callers(listener: TcpListener, node: Arc<Node>) -> anyhow::Result<()> {
    door::serve(listener, Welcome::Callers, node).await;
    Ok(())
}

/// WHIP and WHEP.
fn without_signalling() -> Router<Arc<Node>> {
    let begun = || delete(whip::end).patch(whip::trickle);
    Router::new()
        .route(whip::WHIP, post(whip::publish))
        .route(whip::WHEP, post(whip::watch))
        .route(&format!("{}/{{name}}", whip::WHIP), begun())
        .route(&format!("{}/{{name}}", whip::WHEP), begun())
        .layer(DefaultBodyLimit::max(whip::LONGEST_OFFER))
}

/// Serves operators until the node stops.
pub(crate) async fn serve_admin(listener: TcpListener, node: Arc<Node>) -> anyhow::Result<()> {
    let stopping = node.stopping.clone();
    let app = Router::new()
        .route("/healthz", get(|| async { "OK\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    let links = node.links.clone();
    let app = app.with_state(node);
    let app = match links {
        Some(links) => app.merge(relay::admin::router(links)),
        None => app,
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(until_stopping(stopping))
        .await
        .context("the admin listener failed")
}

async fn until_stopping(mut stopping: watch::Receiver<bool>) {
    // An error means that the node is gone, which is as good.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn ready(State(node): State<Arc<Node>>) -> Response {
    if *node.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    } else if is_draining(&node) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "OK\n".into_response()
    }
}

fn is_draining(node: &Node) -> bool {
    let control = node.control.as_ref();
    control.is_some_and(|control| control.policy().draining() == Draining::Yes)
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    (
        [("content-type", "text/plain; version=0.0.4")],
        node.metrics.text(),
    )
        .into_response()
}

/// `//rtc` is `/rtc`: users configure `wss://host/` and clients append `/rtc`.
fn single_slash<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    if request.uri().path().starts_with("//") {
        let mut parts = request.uri().clone().into_parts();
        if let Some(path) = &parts.path_and_query {
            let trimmed = format!("/{}", path.as_str().trim_start_matches('/'));
            parts.path_and_query = PathAndQuery::try_from(trimmed).ok();
        }
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Pages of any origin may ask: tokens, not cookies, say who may do what.
async fn allow_any_origin(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    allow(response.headers_mut());
    response
}

fn allow(headers: &mut HeaderMap) {
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            "OPTIONS, HEAD, GET, POST, PATCH, DELETE",
        ),
        // `*` does not cover Authorization (Fetch standard, CORS protocol).
        (ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
