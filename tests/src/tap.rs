//! A wire between a client and a shard that a test can listen to and write on.
//!
//! The client takes the tap for the server and the server takes it for the client, so
//! what a test injects comes from the very address that passed ICE.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use tokio::{net::UdpSocket, task::JoinHandle};

/// One client's wire; it goes on until dropped.
#[derive(Debug)]
pub struct Tap {
    server: SocketAddr,
    client_side: SocketAddr,
    to_server: Arc<UdpSocket>,
    captured: Captured,
    carrier: JoinHandle<()>,
}

/// Shared with the carrying task, which must not wait for a test to read it.
type Captured = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// The newest are kept: a few seconds of a call.
const KEPT: usize = 1_000;

impl Tap {
    /// A wire to `server`.
    pub async fn to(server: SocketAddr) -> Result<Self> {
        let to_client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let to_server = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        to_server.connect(server).await?;
        let captured = Captured::default();
        let client_side = to_client.local_addr()?;
        let carrier = tokio::spawn(carry(
            to_client,
            Arc::clone(&to_server),
            Arc::clone(&captured),
        ));
        Ok(Self {
            server,
            client_side,
            to_server,
            captured,
            carrier,
        })
    }

    /// What the client sent last, oldest first.
    pub fn captured(&self) -> Vec<Vec<u8>> {
        lock(&self.captured).iter().cloned().collect()
    }

    /// The captured datagrams that carry RTP (RFC 7983, RFC 5761).
    pub fn captured_rtp(&self) -> Vec<Vec<u8>> {
        self.captured_where(|second| !(192..=223).contains(&second))
    }

    /// The captured datagrams that carry RTCP.
    pub fn captured_rtcp(&self) -> Vec<Vec<u8>> {
        self.captured_where(|second| (192..=223).contains(&second))
    }

    fn captured_where(&self, second: impl Fn(u8) -> bool) -> Vec<Vec<u8>> {
        let mut captured = self.captured();
        captured.retain(|datagram| {
            datagram.len() > 12 && (128..=191).contains(&datagram[0]) && second(datagram[1])
        });
        captured
    }

    /// Sends a datagram to the server as if the client had sent it.
    pub async fn inject(&self, datagram: &[u8]) -> Result<()> {
        self.to_server.send(datagram).await?;
        Ok(())
    }

    /// Puts the tap in the server's place in a description or a candidate.
    pub fn rewrite(&self, text: &str) -> String {
        let mut rewritten = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            match self.rewrite_candidate(line) {
                Some(candidate) => rewritten.push_str(&candidate),
                None => rewritten.push_str(line),
            }
        }
        rewritten
    }

    /// `candidate:<foundation> <component> <transport> <priority> <address> <port> typ ...`
    fn rewrite_candidate(&self, line: &str) -> Option<String> {
        line.contains("candidate:").then_some(())?;
        let mut words: Vec<&str> = line.split(' ').collect();
        (words.get(5)?.parse::<u16>().ok()? == self.server.port()).then_some(())?;
        let ip = self.client_side.ip().to_string();
        let port = self.client_side.port().to_string();
        words[4] = &ip;
        words[5] = &port;
        Some(words.join(" "))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

async fn carry(to_client: UdpSocket, to_server: Arc<UdpSocket>, captured: Captured) {
    let mut client = None;
    let (mut up, mut down) = (vec![0; 2048], vec![0; 2048]);
    loop {
        // Both directions alike; an error is the other side's port being closed, and passes.
        tokio::select! {
            received = to_client.recv_from(&mut up) => {
                let Ok((length, from)) = received else { continue };
                client = Some(from);
                keep(&captured, &up[..length]);
                let _ = to_server.send(&up[..length]).await;
            }
            received = to_server.recv(&mut down) => {
                let (Ok(length), Some(client)) = (received, client) else { continue };
                let _ = to_client.send_to(&down[..length], client).await;
            }
        }
    }
}

fn keep(captured: &Captured, datagram: &[u8]) {
    let mut kept = lock(captured);
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(datagram.to_vec());
}

fn lock(captured: &Captured) -> std::sync::MutexGuard<'_, VecDeque<Vec<u8>>> {
    captured.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_servers_candidates_are_rewritten() {
        let tap = Tap::to("127.0.0.1:7882".parse().unwrap()).await.unwrap();
        let port = tap.client_side.port();
        let text = "a=mid:0\r\na=candidate:1 1 udp 99 10.0.0.1 7882 typ host\r\na=candidate:2 1 udp 99 10.0.0.1 9 typ host\r\n";
        let expected = format!(
            "a=mid:0\r\na=candidate:1 1 udp 99 127.0.0.1 {port} typ host\r\na=candidate:2 1 udp 99 10.0.0.1 9 typ host\r\n"
        );
        assert_eq!(tap.rewrite(text), expected);
    }
}
