//! One QUIC connection of a link: how two ends greet each other on it, and the tasks that read it.

use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use quinn::{Connection, Incoming, RecvStream, SendStream};
use relay_proto::Lane;
use relay_proto::control::{Hello, HelloLane, Lengths, MAJOR, MINOR, Message};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::access::AccessError;
use crate::allowance::Allowance;
use crate::close::Close;
use crate::identity::{Identity, IdentityError, expiry};
use crate::node::{Input, Token};
use crate::quic::greets_first;

/// A connection whose ends know each other.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) dialled: Dialled,
    pub(crate) lane: Lane,
    pub(crate) identity: Identity,
    pub(crate) standing: Standing,
    pub(crate) instance: u64,
    pub(crate) minor: u32,
    /// When its certificate does.
    pub(crate) expires: SystemTime,
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
}

/// Whether the other end takes this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It does: it greeted after it saw who is there.
    In,
    /// It greeted whoever came; its next word will tell.
    Asking,
}

/// Who made a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Dialled {
    /// This node.
    Here,
    /// The other.
    There,
}

/// Why two ends part right after they met.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetError {
    #[error("took too long")]
    Slow,
    #[error("{0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("the stream broke: {0}")]
    Read(#[from] quinn::ReadExactError),
    #[error("the stream broke: {0}")]
    Write(#[from] quinn::WriteError),
    #[error("no certificate")]
    NoCertificate,
    #[error("{0}")]
    Identity(#[from] IdentityError),
    #[error("says it is {said}, its certificate says {certified}")]
    Impostor { said: String, certified: String },
    #[error("speaks version {0}, not {MAJOR}")]
    Version(u32),
    #[error("did not begin with a greeting")]
    Rude,
    #[error("{0}")]
    Access(#[from] AccessError),
}

/// Greetings are short and come at once.
const GREETING: Duration = Duration::from_secs(5);

/// Greets, and is greeted: for who dialled.
pub(crate) async fn greet(connection: Connection, ours: Hello) -> Result<Greeted, GreetError> {
    let whole = async {
        let (mut send, mut receive) = connection.open_bi().await?;
        let lane = lane_of(&ours);
        send.write_all(&Message::Hello(ours).write()).await?;
        let (theirs, standing) = if greets_first(&connection) {
            let mut first = connection.accept_uni().await?;
            (hello(&mut first).await?, Standing::Asking)
        } else {
            (hello(&mut receive).await?, Standing::In)
        };
        let (identity, expires) = check(&connection, &theirs)?;
        Ok(Greeted {
            dialled: Dialled::Here,
            lane,
            identity,
            standing,
            instance: theirs.instance,
            minor: theirs.minor,
            expires,
            connection: connection.clone(),
            send,
            receive,
        })
    };
    tokio::time::timeout(GREETING, whole)
        .await
        .map_err(|_| GreetError::Slow)?
}

/// Takes a call, and greets in the first flight where the other end knows of that: then the link
/// works as soon as the other end is let in. It may still be anybody: it learns no more than the
/// certificate tells.
pub(crate) async fn accept(incoming: Incoming, ours: &Hello) -> Result<Connection, GreetError> {
    let mut connecting = incoming.accept()?;
    connecting.handshake_data().await?;
    let (connection, whole) = match connecting.into_0rtt() {
        Ok(early) => early,
        Err(connecting) => return Ok(connecting.await?),
    };
    if greets_first(&connection) {
        // Who knows of it leaves room for it.
        let stream = connection.open_uni().now_or_never();
        let mut stream = stream.ok_or(GreetError::Rude)??;
        let written = Message::Hello(ours.clone()).write();
        stream.write_all(&written).await?;
        // Nobody resets it: it was not finished yet.
        let _ = stream.finish();
    }
    whole.await;
    Ok(connection)
}

/// Hears a greeting, and answers it where that was not done before: for who was dialled.
pub(crate) async fn welcome(connection: Connection, ours: Hello) -> Result<Greeted, GreetError> {
    let whole = async {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let theirs = hello(&mut receive).await?;
        let (identity, expires) = check(&connection, &theirs)?;
        if !greets_first(&connection) {
            let answer = Hello {
                lane: theirs.lane,
                ..ours
            };
            send.write_all(&Message::Hello(answer).write()).await?;
        }
        Ok(Greeted {
            dialled: Dialled::There,
            lane: lane_of(&theirs),
            identity,
            standing: Standing::In,
            instance: theirs.instance,
            minor: theirs.minor,
            expires,
            connection: connection.clone(),
            send,
            receive,
        })
    };
    tokio::time::timeout(GREETING, whole)
        .await
        .map_err(|_| GreetError::Slow)?
}

/// What this node says of itself on `lane`.
pub(crate) fn own_hello(identity: &Identity, instance: u64, lane: Lane) -> Hello {
    Hello {
        major: MAJOR,
        minor: MINOR,
        node: identity.node().to_owned(),
        region: identity.region().to_owned(),
        instance,
        lane: match lane {
            Lane::Control => HelloLane::Control.into(),
            Lane::Video => HelloLane::Video.into(),
        },
    }
}

fn lane_of(hello: &Hello) -> Lane {
    match hello.lane() {
        HelloLane::Control => Lane::Control,
        HelloLane::Video => Lane::Video,
    }
}

/// Reads the first message: its length first, that nothing behind it is taken.
async fn hello(receive: &mut RecvStream) -> Result<Hello, GreetError> {
    /// A greeting is shorter than this: its length is one byte or two.
    const MOST: usize = 1_024;
    let mut length = 0;
    for shift in [0, 7] {
        let mut byte = [0];
        receive.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if length > MOST {
        return Err(GreetError::Rude);
    }
    let mut bytes = vec![0; length];
    receive.read_exact(&mut bytes).await?;
    let Ok(Some(Message::Hello(hello))) = Message::read(&bytes) else {
        return Err(GreetError::Rude);
    };
    if hello.major != MAJOR {
        return Err(GreetError::Version(hello.major));
    }
    Ok(hello)
}

/// Whom the certificate names, if that is who speaks.
fn check(connection: &Connection, hello: &Hello) -> Result<(Identity, SystemTime), GreetError> {
    let chain = connection
        .peer_identity()
        .and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    let chain = chain.ok_or(GreetError::NoCertificate)?;
    let certificate = chain.first().ok_or(GreetError::NoCertificate)?;
    let identity = Identity::of_certificate(certificate)?;
    if hello.node != identity.node() || hello.region != identity.region() {
        return Err(GreetError::Impostor {
            said: format!("{} ({})", hello.node, hello.region),
            certified: identity.to_string(),
        });
    }
    Ok((identity, expiry(certificate)?))
}

/// Hands what comes on a lane to the node, many datagrams at a time.
pub(crate) async fn read_datagrams(
    connection: Connection,
    token: Token,
    lane: Lane,
    node: mpsc::Sender<Input>,
) {
    /// Some hundred packets wait before the node, so that one wake-up serves many.
    const MOST: usize = 64;
    while let Ok(first) = connection.read_datagram().await {
        let mut datagrams = vec![first];
        while datagrams.len() < MOST {
            match connection.read_datagram().now_or_never() {
                Some(Ok(next)) => datagrams.push(next),
                Some(Err(_)) | None => break,
            }
        }
        let input = Input::Datagrams {
            token,
            lane,
            datagrams,
        };
        if node.send(input).await.is_err() {
            return;
        }
    }
    // Whoever ended it, the node has to know; if it is gone itself nobody has.
    let why = Close::of(&connection);
    let _ = node.send(Input::Ended { token, why }).await;
}

/// Hands the messages of a control stream to the node. Who says too much is read more slowly: QUIC
/// lets it send no more than is read.
pub(crate) async fn read_control(mut receive: RecvStream, token: Token, node: mpsc::Sender<Input>) {
    /// More than all tracks of a big node at once.
    const MESSAGES: f64 = 25_000.0;
    /// Many people who write much, and some who draw.
    const BYTES: f64 = (8 << 20) as f64;
    let mut lengths = Lengths::default();
    let mut messages = Allowance::new(Instant::now(), MESSAGES);
    let mut bytes = Allowance::new(Instant::now(), BYTES);
    while let Ok(Some(chunk)) = receive.read_chunk(16 << 10, true).await {
        let wait = bytes.owe(Instant::now(), chunk.bytes.len() as f64);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if lengths.push(&chunk.bytes).is_err() {
            let _ = node.send(Input::Broke { token }).await;
            return;
        }
        loop {
            let message = match lengths.next_message() {
                Ok(Some(bytes)) => Message::read(&bytes),
                Ok(None) => break,
                Err(_) => {
                    let _ = node.send(Input::Broke { token }).await;
                    return;
                }
            };
            let wait = messages.owe(Instant::now(), 1.0);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let input = match message {
                Ok(Some(message)) => Input::Message { token, message },
                // A newer version says what we have no word for.
                Ok(None) => continue,
                Err(_) => Input::Broke { token },
            };
            if node.send(input).await.is_err() {
                return;
            }
        }
    }
}
