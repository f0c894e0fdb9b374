//! The public doors: take in as many connections as there are file descriptors for, and
//! close those that do not get on with their requests. The first byte tells what somebody
//! wants, and in TLS the first one that is said there; what is asked over HTTP is left to the
//! routes, who brings media to the [`porch`](crate::porch).

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
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service;
use tracing::{debug, warn};

use super::{single_slash, until_stopping};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::pipe::Pipe;
use crate::porch::{FIRST_LIMIT, Place, Refusal, usher};
use crate::tls::NoHandshake;

/// A request's head may take this long, the wait for the next request included.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Kept for operators, the app's webhooks and files, when the world has taken the rest.
const RESERVED_FILES: u64 = 64;

/// Before asking again whether there is a file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Whom a door is for.
#[derive(Clone, Debug)]
pub(super) enum Welcome {
    /// Who brings media, by ICE or by TURN, and nobody else.
    Callers,
    /// Who asks something of these routes, and who brings media.
    Everybody(Router),
}

/// What the first byte of a connection says: a letter begins a request, a small number a request
/// of TURN or the length of a check, and 22 a handshake (RFC 8446 section 5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opening {
    Call,
    Tls,
    Http,
}

impl Opening {
    fn of(first: u8) -> Self {
        /// No check is longer than 1,535 bytes.
        const LAST_OF_CHECK: u8 = 5;
        const HANDSHAKE: u8 = 22;
        match first {
            0..=LAST_OF_CHECK => Self::Call,
            HANDSHAKE => Self::Tls,
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

/// Why somebody came no further than the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turned {
    /// It came to bring media, or to prove who it is.
    Away(Refusal),
    /// It did not say what it wants.
    Slow,
    /// It thought better of it.
    HungUp,
    /// Counted with the handshakes.
    NoHandshake,
}

impl From<Refusal> for Turned {
    fn from(reason: Refusal) -> Self {
        Self::Away(reason)
    }
}

impl From<NoHandshake> for Turned {
    fn from(NoHandshake: NoHandshake) -> Self {
        Self::NoHandshake
    }
}

/// Finds out what somebody wants, and goes on with that.
async fn open(stream: TcpStream, permit: OwnedSemaphorePermit, welcome: Welcome, node: Arc<Node>) {
    let ended = match welcome {
        Welcome::Callers => receive(stream, permit, &node).await,
        Welcome::Everybody(routes) => answer(stream, permit, routes, &node).await,
    };
    match ended {
        Ok(()) | Err(Turned::HungUp | Turned::NoHandshake) => {}
        Err(Turned::Slow) => closed(&node.metrics, "slow"),
        Err(Turned::Away(reason)) => {
            let closed = &node.metrics.tcp_closed;
            closed.with_label_values(&[reason.label()]).inc();
        }
    }
}

/// Of a door for callers: they are on the porch from the first byte on.
async fn receive(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    node: &Node,
) -> Result<(), Turned> {
    let place = enter(&stream, permit, node)?;
    let pipe = match &node.tls {
        None => Pipe::Clear(stream),
        Some(tls) => {
            let mut first = [0];
            let opening = match timeout(FIRST_LIMIT, stream.peek(&mut first)).await {
                Ok(Ok(1..)) => Opening::of(first[0]),
                Ok(Ok(0) | Err(_)) => return Err(Refusal::HungUp.into()),
                Err(_) => return Err(Refusal::Slow.into()),
            };
            match opening {
                Opening::Tls => tls.accept(stream).await?,
                Opening::Call | Opening::Http => Pipe::Clear(stream),
            }
        }
    };
    Ok(usher(held(pipe), place, node).await?)
}

/// Of a door for everybody.
async fn answer(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    routes: Router,
    node: &Node,
) -> Result<(), Turned> {
    let mut first = [0];
    let opening = match timeout(HEAD_LIMIT, stream.peek(&mut first)).await {
        Ok(Ok(1..)) => Opening::of(first[0]),
        Ok(Ok(0) | Err(_)) => return Err(Turned::HungUp),
        Err(_) => return Err(Turned::Slow),
    };
    let visitor = match (opening, &node.tls) {
        (Opening::Call, Some(_) | None) => {
            let place = enter(&stream, permit, node)?;
            return Ok(usher(held(Pipe::Clear(stream)), place, node).await?);
        }
        (Opening::Tls, Some(tls)) => {
            // A handshake costs more than anything else a stranger can ask for.
            let mut place = enter(&stream, permit, node)?;
            let mut pipe = held(tls.accept(stream).await?);
            let first = match timeout(HEAD_LIMIT, pipe.fill_buf()).await {
                Ok(Ok([first, ..])) => *first,
                Ok(Ok([]) | Err(_)) => return Err(Turned::HungUp),
                Err(_) => return Err(Turned::Slow),
            };
            match Opening::of(first) {
                Opening::Call => return Ok(usher(pipe, place, node).await?),
                Opening::Http | Opening::Tls => place.proven(),
            }
            Visitor {
                pipe,
                _place: place,
            }
        }
        (Opening::Http, Some(_) | None) | (Opening::Tls, None) => Visitor {
            pipe: held(Pipe::Clear(stream)),
            _place: Place::of(permit),
        },
    };
    attend(visitor, routes, &node.metrics, node.stopping.clone()).await;
    Ok(())
}

fn enter(stream: &TcpStream, permit: OwnedSemaphorePermit, node: &Node) -> Result<Place, Turned> {
    let address = stream.peer_addr().map_err(|_| Turned::HungUp)?;
    Ok(node.porch.enter(address.ip(), permit)?)
}

/// With room for what tells what somebody wants; more goes past it.
fn held(pipe: Pipe) -> BufReader<Pipe> {
    BufReader::with_capacity(2, pipe)
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
    pipe: BufReader<Pipe>,
    _place: Place,
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipe.is_write_vectored()
    }
}
