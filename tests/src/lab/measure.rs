//! A flow of datagrams and what a link made of it: the lab's own proof.
//!
//! Both ends read the same clock, because both are on this machine: so the delay is that of one way.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{Client, namespace::within};

/// What is sent.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Flow {
    /// Datagrams.
    pub count: u32,
    /// From one to the next, in seconds.
    pub every: f64,
    /// Bytes of each, headers of UDP and IP included.
    pub size: usize,
}

/// What arrived.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Datagrams.
    pub received: u32,
    /// Part that did not arrive.
    pub lost: f64,
    /// Bits per second between the first and the last, headers included.
    pub rate: f64,
    /// Delays in milliseconds.
    pub delay_ms: Delay,
    /// Datagrams that came after a later one.
    pub out_of_order: u32,
    /// Longest row of datagrams that did not arrive.
    pub longest_gap: u32,
}

/// Of all that arrived.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Delay {
    /// The shortest.
    pub least: f64,
    /// On average.
    pub mean: f64,
    /// The longest.
    pub most: f64,
}

/// Of IPv4 and UDP.
const HEADERS: usize = 28;
/// Number and time of sending.
const STAMP: usize = 12;
/// Nothing arrives later than that after what came before.
const SILENCE: Duration = Duration::from_secs(2);

impl Flow {
    /// Sends it.
    pub fn send(&self, from: &UdpSocket, to: SocketAddr) -> Result<()> {
        ensure!(self.size >= HEADERS + STAMP, "too small to be stamped");
        let start = Instant::now();
        let mut packet = vec![0; self.size - HEADERS];
        for number in 0..self.count {
            let at = start + Duration::from_secs_f64(self.every * f64::from(number));
            thread::sleep(at.saturating_duration_since(Instant::now()));
            packet[..4].copy_from_slice(&number.to_be_bytes());
            packet[4..STAMP].copy_from_slice(&clock().to_be_bytes());
            from.send_to(&packet, to)?;
        }
        Ok(())
    }

    /// Receives it; begins to count silence with the first datagram.
    pub fn receive(&self, socket: &UdpSocket) -> Result<Measured> {
        let mut arrivals: Vec<(u32, i64, i64)> = Vec::new();
        let mut packet = [0; 2_048];
        // A link may take long to open, but not for ever.
        socket.set_read_timeout(Some(SILENCE * 2))?;
        while let Ok((length, _)) = socket.recv_from(&mut packet) {
            let now = clock();
            socket.set_read_timeout(Some(SILENCE))?;
            if length < STAMP {
                continue;
            }
            let (number, sent) = packet[..STAMP].split_at(4);
            let number = u32::from_be_bytes(number.try_into().context("four bytes")?);
            let sent = i64::from_be_bytes(sent.try_into().context("eight bytes")?);
            arrivals.push((number, sent, now));
            if number + 1 == self.count {
                // Only what was reordered can still come.
                socket.set_read_timeout(Some(SILENCE / 4))?;
            }
        }
        Ok(self.measured(&arrivals))
    }

    fn measured(&self, arrivals: &[(u32, i64, i64)]) -> Measured {
        let delays = arrivals
            .iter()
            .map(|(_, sent, now)| (now - sent) as f64 / 1e6);
        let received = arrivals.len() as u32;
        let took = match (arrivals.first(), arrivals.last()) {
            (Some(first), Some(last)) => (last.2 - first.2) as f64 / 1e9,
            _ => 0.0,
        };
        let mut highest = 0;
        let mut out_of_order = 0;
        for (number, _, _) in arrivals {
            out_of_order += u32::from(*number < highest);
            highest = highest.max(*number);
        }
        let mut numbers: Vec<_> = arrivals.iter().map(|(number, _, _)| *number).collect();
        numbers.sort_unstable();
        let gaps = numbers.windows(2).map(|pair| pair[1] - pair[0]);
        Measured {
            received,
            lost: 1.0 - f64::from(received) / f64::from(self.count),
            rate: f64::from(received.saturating_sub(1)) * self.size as f64 * 8.0 / took.max(1e-9),
            delay_ms: Delay {
                least: delays.clone().reduce(f64::min).unwrap_or_default(),
                mean: delays.clone().sum::<f64>() / f64::from(received.max(1)),
                most: delays.reduce(f64::max).unwrap_or_default(),
            },
            out_of_order,
            longest_gap: gaps.max().unwrap_or(1).saturating_sub(1),
        }
    }
}

/// Both directions of a link, measured at once.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Towards the client.
    pub down: Measured,
    /// From the client.
    pub up: Measured,
}

/// How the `lab` command is told to be one end of a flow.
pub const COMMAND: &str = "flow";

/// Which end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum End {
    /// Sends to an address.
    Send,
    /// Receives at an address, and prints what it measured.
    Receive,
}

/// Where a client receives; its namespace is all its own.
const CLIENT_PORT: u16 = 9_000;

/// Sends a flow each way between the hub and a client.
pub fn measure(client: &Client, flow: Flow) -> Result<Found> {
    let far = |end, address: SocketAddr| {
        let mut command = within(&client.namespace, env::current_exe()?);
        command.args([COMMAND, end, &address.to_string()]);
        command.arg(serde_json::to_string(&flow)?);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Ok::<_, anyhow::Error>(command.spawn()?)
    };
    let client_address = SocketAddr::from((client.address, CLIENT_PORT));
    let mut receiver = far("receive", client_address)?;
    let mut lines = BufReader::new(receiver.stdout.take().context("it is piped")?).lines();
    lines.next().context("the client's end did not start")??;

    let here = UdpSocket::bind((client.hub, 0))?;
    let mut sender = far("send", here.local_addr()?)?;
    let up = thread::spawn(move || flow.receive(&here));
    flow.send(&UdpSocket::bind((client.hub, 0))?, client_address)?;

    let said = lines
        .next()
        .context("the client's end measured nothing")??;
    let up = up.join().map_err(|_| anyhow!("the hub's end is gone"))??;
    sender.wait()?;
    receiver.wait()?;
    Ok(Found {
        down: serde_json::from_str(&said)?,
        up,
    })
}

/// What the process in the namespace does.
pub fn take_part(end: End, address: SocketAddr, flow: &str) -> Result<()> {
    let flow: Flow = serde_json::from_str(flow)?;
    match end {
        End::Send => flow.send(&UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?, address),
        End::Receive => {
            let socket = UdpSocket::bind(address)?;
            let mut output = io::stdout().lock();
            writeln!(output, "ready")?;
            let measured = flow.receive(&socket)?;
            writeln!(output, "{}", serde_json::to_string(&measured)?)?;
            Ok(())
        }
    }
}

/// Nanoseconds of the clock that all processes here share.
pub fn clock() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
