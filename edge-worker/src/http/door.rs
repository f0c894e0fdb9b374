//! The public doors: take in as many connections as there are file descriptors for, and
//! close those that do not get on with their requests. The first byte tells what somebody
//! wants; what is asked over HTTP is left to the routes, who brings media to [`ice_tcp`](crate::ice_tcp).

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service;
use tracing::{debug, warn};

use super::{single_slash, until_stopping};
use crate::metrics::Metrics;
use crate::node::Node;

/// A request's head may take this long, the wait for the next request included.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Kept for operators, the app's webhooks and files, when the world has taken the rest.
const RESERVED_FILES: u64 = 64;

/// Before asking again whether there is a file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Whom a door is for.
#[derive(Clone, Debug)]
pub(super) enum Welcome {
    /// Who brings media (RFC 6544), and nobody else.
    Callers,
    /// Who asks something of these routes, and who brings media.
    Everybody(Router),
}

/// What the first byte of a connection says: a letter begins a request, a small number the
/// length of a check, which no request begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opening {
    Check,
    Http,
}

impl Opening {
    fn of(first: u8) -> Self {
        /// No check is longer than 1,535 bytes.
        const LAST_OF_CHECK: u8 = 5;
        match first {
            0..=LAST_OF_CHECK => Self::Check,
            _ => Self::Http,
        }
    }
}

/// Serves `welcome` until told to stop, and then until the last request is answered.
/// What an upgrade makes of a connection is not waited for.
pub(super) async fn serve(listener: TcpListener, welcome: Welcome, node: Arc<Node>) {
    let (metrics, stopping) = (&node.metrics, &node.stopping);
    let mut stop = pin!(until_stopping(stopping.clone()));
    let mut connections = JoinSet::new();
    loop {
        // The end first: nobody is let in after it.
        let accepted = tokio::select! {
            biased;
            () = stop.as_mut() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = node.places.clone().try_acquire_owned() else {
            // Closed rather than left to wait: a client tries elsewhere.
            closed(metrics, "full");
            continue;
        };
        connections.spawn(open(stream, place, welcome.clone(), Arc::clone(&node)));
    }
    drop(listener);
    connections.join_all().await;
}

/// Finds out what somebody wants, and goes on with that.
async fn open(stream: TcpStream, place: OwnedSemaphorePermit, welcome: Welcome, node: Arc<Node>) {
    let opening = match &welcome {
        Welcome::Callers => Opening::Check,
        Welcome::Everybody(_) => {
            let mut first = [0];
            match timeout(HEAD_LIMIT, stream.peek(&mut first)).await {
                Ok(Ok(1..)) => Opening::of(first[0]),
                Ok(Ok(0) | Err(_)) => return,
                Err(_) => return closed(&node.metrics, "slow"),
            }
        }
    };
    match (opening, welcome) {
        (Opening::Check, Welcome::Callers | Welcome::Everybody(_)) => {
            let shards = node.directory.shards();
            if let Err(reason) = node.porch.usher(stream, place, shards).await {
                let closed = &node.metrics.tcp_closed;
                closed.with_label_values(&[reason.label()]).inc();
            }
        }
        (Opening::Http, Welcome::Everybody(routes)) => {
            let visitor = Visitor {
                stream,
                _place: place,
            };
            attend(visitor, routes, &node.metrics, node.stopping.clone()).await;
        }
        (Opening::Http, Welcome::Callers) => {}
    }
}

/// How many may be in at a time.
pub(crate) fn places() -> usize {
    let files = getrlimit(Resource::Nofile).current;
    let files = files.map_or(Semaphore::MAX_PERMITS as u64, |files| {
        files.saturating_sub(RESERVED_FILES)
    });
    usize::try_from(files).map_or(Semaphore::MAX_PERMITS, |files| {
        files.min(Semaphore::MAX_PERMITS)
    })
}

/// Answers what comes on one connection.
async fn attend(
    visitor: Visitor,
    routes: Router,
    metrics: &Metrics,
    stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request = single_slash(request.map(Body::new));
        routes.clone().call(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .serve_connection(TokioIo::new(visitor), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until_stopping(stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection broke");
        if error.is_timeout() {
            closed(metrics, "slow");
        } else if error.is_parse() {
            closed(metrics, "no_http");
        }
    }
}

fn closed(metrics: &Metrics, reason: &str) {
    let closed = metrics.connections_closed.with_label_values(&[reason]);
    closed.inc();
}

/// A connection and its place, which is free again when the connection is gone, whatever
/// an upgrade has made of it.
#[derive(Debug)]
struct Visitor {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
