//! A file over TCP that shares the path: CUBIC (RFC 9438), as most of the Internet's traffic is.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use anyhow::{Context, Result};
use rustix::net::sockopt::set_tcp_congestion;

/// Whether this kernel can be such a rival.
pub fn missing() -> Option<String> {
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    match known {
        Ok(known) if known.split_whitespace().any(|name| name == "cubic") => None,
        Ok(known) => Some(format!("this kernel has no CUBIC, only {}", known.trim())),
        Err(error) => Some(format!("the kernel does not say what it has: {error}")),
    }
}

/// Receives what comes, until the process ends; adds it up in `bytes`.
pub fn drain(at: SocketAddr, bytes: Arc<AtomicU64>) -> Result<()> {
    let listener = TcpListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let bytes = bytes.clone();
            thread::spawn(move || {
                let mut piece = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    bytes.fetch_add(count as u64, Relaxed);
                }
            });
        }
    });
    Ok(())
}

/// Sends as much as can be, until the process ends or the other end does.
pub fn flood(to: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("nobody listens at {to}"))?;
    set_tcp_congestion(&stream, "cubic").context("no CUBIC")?;
    thread::spawn(move || {
        let piece = vec![0; 64 << 10];
        while stream.write_all(&piece).is_ok() {}
    });
    Ok(())
}
