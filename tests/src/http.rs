//! Just enough HTTP/1.1 to ask a node something and see exactly what it answers.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A node answers from memory; more than this is a hang.
const LIMIT: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
    /// The body, as it is.
    pub bytes: Vec<u8>,
}

/// `GET path` without further headers.
pub async fn get(from: SocketAddr, path: &str) -> Result<Answer> {
    request(from, "GET", path, &[]).await
}

/// Any request without a body.
pub async fn request(
    from: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Answer> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let bytes = timeout(LIMIT, exchange(from, text.as_bytes()))
        .await
        .with_context(|| format!("{method} {path} had no answer within {LIMIT:?}"))??;
    parse(&bytes).with_context(|| format!("what {method} {path} answered is no HTTP"))
}

/// Any request with a body.
pub async fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut whole = text.into_bytes();
    whole.extend_from_slice(body);
    let bytes = timeout(LIMIT, exchange(to, &whole))
        .await
        .with_context(|| format!("{method} {path} had no answer within {LIMIT:?}"))??;
    parse(&bytes).with_context(|| format!("what {method} {path} answered is no HTTP"))
}

/// Writes bytes to a TCP port and reads until the other side closes.
pub async fn exchange(to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(to).await?;
    socket.write_all(bytes).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Writes bytes to a TCP port and reads the first `count` of the answer, which may come
/// before everything is written.
pub async fn begin(to: SocketAddr, bytes: &[u8], count: usize) -> Result<Vec<u8>> {
    let (mut answer, mut request) = TcpStream::connect(to).await?.into_split();
    let mut begun = vec![0; count];
    let reading = async { anyhow::Ok(answer.read_exact(&mut begun).await.map(|_| ())?) };
    let writing = async {
        // Who answers early may not take the rest.
        let _ = request.write_all(bytes).await;
        std::future::pending::<()>().await;
    };
    timeout(LIMIT, async {
        tokio::select! {
            read = reading => read,
            () = writing => Ok(()),
        }
    })
    .await
    .context("no answer begins")??;
    Ok(begun)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let body = match headers.get("transfer-encoding").map(String::as_str) {
        Some("chunked") => unchunk(body)?,
        _ => body.to_vec(),
    };
    Some(Answer {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(bytes.get(end + 2..end + 2 + size)?);
        bytes = bytes.get(end + 2 + size + 2..)?;
    }
}
