//! LiveKit signalling as a client speaks it, both versions, over a real WebSocket.

use std::{io::Write, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use flate2::{Compression, write::GzEncoder};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, JoinResponse, SignalRequest, SignalResponse,
    WrappedJoinRequest, signal_request, signal_response, wrapped_join_request,
};
use prost::Message as _;
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{
        self, Error, Message, client::IntoClientRequest, error::ProtocolError, http::HeaderValue,
    },
};

/// What a client may send.
pub type Request = signal_request::Message;
/// What a node may answer.
pub type Response = signal_response::Message;

/// An open signalling connection.
#[derive(Debug)]
pub struct Signal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of the HTTP answer.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A message we know.
    Response(Box<Response>),
    /// One we don't.
    Unknown,
    /// The node closed, in order, with this code (1005 if it named none).
    Closed(u16),
    /// The connection broke off.
    Broken(String),
}

impl Heard {
    /// The message, if it is one that we know.
    pub fn response(&self) -> Option<&Response> {
        match self {
            Self::Response(response) => Some(response),
            Self::Unknown | Self::Closed(_) | Self::Broken(_) => None,
        }
    }

    /// Whether the connection is over.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Broken(_))
    }
}

/// Protocol 16 is that of the browsers' clients of 2025.
pub const V0: &str = "/rtc?sdk=rust&version=0.1.0&protocol=16&auto_subscribe=1&adaptive_stream=0";

/// The clients give up on a node that does not answer within this.
const JOIN_LIMIT: Duration = Duration::from_secs(15);

impl Signal {
    /// Opens `path` (with its query); the token goes into the header.
    pub async fn open(url: &str, path: &str, token: &str) -> Result<Result<Self, Refused>> {
        let request = request(url, path, token)?;
        let opened = timeout(JOIN_LIMIT, connect_async(request)).await;
        match opened.context("the node does not answer")? {
            Ok((socket, _)) => Ok(Ok(Self { socket })),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                Ok(Err(Refused {
                    status: answer.status().as_u16(),
                    body,
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens version 0 and takes the first message.
    pub async fn join(url: &str, token: &str) -> Result<(Self, JoinResponse)> {
        Self::join_by(url, V0, token).await
    }

    /// Opens `path` and takes the first message, which must be the join.
    pub async fn join_by(url: &str, path: &str, token: &str) -> Result<(Self, JoinResponse)> {
        let mut signal = match Self::open(url, path, token).await? {
            Ok(signal) => signal,
            Err(Refused { status, body }) => bail!("refused with {status}: {body}"),
        };
        let join = signal.joined().await?;
        Ok((signal, join))
    }

    /// The same from an address of this machine that is not the usual one.
    pub async fn join_from(
        own: Ipv4Addr,
        url: &str,
        path: &str,
        token: &str,
    ) -> Result<(Self, JoinResponse)> {
        let host = url.strip_prefix("ws://").context("no ws:// URL")?;
        let server = lookup_host(host).await?.next().context("no address")?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((own, 0).into())?;
        let opening = async {
            let stream = socket.connect(server).await?;
            // Small messages are not to wait for company.
            stream.set_nodelay(true)?;
            let stream = MaybeTlsStream::Plain(stream);
            anyhow::Ok(client_async(request(url, path, token)?, stream).await?.0)
        };
        let opened = timeout(JOIN_LIMIT, opening).await;
        let socket = opened.context("the node does not answer")??;
        let mut signal = Self { socket };
        let join = signal.joined().await?;
        Ok((signal, join))
    }

    /// Takes the first message, which must be the join.
    async fn joined(&mut self) -> Result<JoinResponse> {
        let first = self.hear(JOIN_LIMIT).await?;
        if let Some(Response::Join(join)) = first.response() {
            return Ok(join.clone());
        }
        bail!("the first message is no join: {first:?}")
    }

    /// Sends a message.
    pub async fn send(&mut self, request: Request) -> Result<()> {
        let request = SignalRequest {
            message: Some(request),
        };
        self.send_raw(Message::Binary(request.encode_to_vec().into()))
            .await
    }

    /// Sends a frame, whatever is in it.
    pub async fn send_raw(&mut self, message: Message) -> Result<()> {
        Ok(self.socket.send(message).await?)
    }

    /// The next message; an error if there is none within `limit`.
    pub async fn hear(&mut self, limit: Duration) -> Result<Heard> {
        timeout(limit, self.next())
            .await
            .with_context(|| format!("no message within {limit:?}"))
    }

    /// The next message that `choose` makes something of; the others are passed over.
    pub async fn hear_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut choose: impl FnMut(&Heard) -> Option<T>,
    ) -> Result<T> {
        let search = async {
            loop {
                let heard = self.next().await;
                if let Some(found) = choose(&heard) {
                    return Ok(found);
                }
                if heard.is_end() {
                    bail!("the connection ended ({heard:?}) before {what}");
                }
            }
        };
        timeout(limit, search)
            .await
            .with_context(|| format!("waited {limit:?} in vain for {what}"))?
    }

    /// The next ping of the WebSocket itself, which the library answers; messages before it
    /// are passed over.
    pub async fn hear_ping(&mut self, limit: Duration) -> Result<()> {
        let search = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Ping(_))) => return Ok(()),
                    Some(Ok(Message::Close(frame))) => bail!("closed: {frame:?}"),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("the connection broke"),
                }
            }
        };
        timeout(limit, search)
            .await
            .with_context(|| format!("no ping within {limit:?}"))?
    }

    /// The next message, however long it takes. Safe to drop and call again.
    pub async fn next(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return match SignalResponse::decode(bytes) {
                        Ok(SignalResponse {
                            message: Some(response),
                        }) => Heard::Response(Box::new(response)),
                        Ok(SignalResponse { message: None }) => Heard::Unknown,
                        Err(error) => Heard::Broken(format!("undecodable: {error}")),
                    };
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(Message::Text(_))) => return Heard::Unknown,
                // The library answers pings.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::ConnectionClosed)) => return Heard::Closed(1005),
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) | None => {
                    return Heard::Broken("closed without a closing handshake".to_owned());
                }
                Some(Err(error)) => return Heard::Broken(error.to_string()),
            }
        }
    }
}

fn request(url: &str, path: &str, token: &str) -> Result<tungstenite::handshake::client::Request> {
    let mut request = format!("{url}{path}").into_client_request()?;
    if !token.is_empty() {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        request.headers_mut().insert("Authorization", bearer);
    }
    Ok(request)
}

/// Whether, and how, a join request is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// With gzip, as most clients do.
    Gzip,
}

/// A join request as most version 1 clients send it.
pub fn join_request() -> JoinRequest {
    JoinRequest {
        client_info: Some(ClientInfo {
            protocol: 16,
            ..ClientInfo::default()
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: true,
            ..ConnectionSettings::default()
        }),
        ..JoinRequest::default()
    }
}

/// The path of version 1 with a join request in it.
pub fn v1(request: &JoinRequest, packing: Packing) -> Result<String> {
    Ok(format!(
        "/rtc/v1?join_request={}",
        wrapped(request, packing)?
    ))
}

/// The query's value alone.
pub fn wrapped(request: &JoinRequest, packing: Packing) -> Result<String> {
    let bytes = request.encode_to_vec();
    let (compression, join_request) = match packing {
        Packing::Plain => (wrapped_join_request::Compression::None, bytes),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&bytes)?;
            (wrapped_join_request::Compression::Gzip, encoder.finish()?)
        }
    };
    let wrapped = WrappedJoinRequest {
        compression: compression as i32,
        join_request,
    };
    // Padding is `=`, which a query must not hold as it is.
    Ok(URL_SAFE.encode(wrapped.encode_to_vec()).replace('=', "%3D"))
}
