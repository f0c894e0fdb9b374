//! `status`: asks a node on its private port for its links, and shows them as a table.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::status::{LinkState, LinkStatus, NodeState, Status};

/// Which node to ask.
#[derive(Args, Debug)]
pub struct LinksArgs {
    /// The node's private port
    #[arg(long, default_value = "http://127.0.0.1:9090")]
    url: String,
    /// As the node says it, for programs
    #[arg(long)]
    json: bool,
}

impl LinksArgs {
    /// Asks, and shows what it hears.
    ///
    /// # Errors
    ///
    /// A node that does not answer, or not as one does.
    pub fn table(&self) -> anyhow::Result<String> {
        let body = get(&self.url, "/links")?;
        if self.json {
            return Ok(body);
        }
        let status = serde_json::from_str(&body);
        Ok(table(&status.with_context(|| {
            format!("what {} answers is no table of links", self.url)
        })?))
    }
}

/// One request over plain HTTP/1.0: the port is private.
fn get(url: &str, path: &str) -> anyhow::Result<String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Some thousand links.
    const MOST: u64 = 16 << 20;
    let host = url
        .trim_end_matches('/')
        .strip_prefix("http://")
        .filter(|host| !host.is_empty() && !host.contains(['/', '@']))
        .with_context(|| format!("--url is {url:?}; allowed: http://HOST:PORT"))?;
    let with_port = if host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let whole = || -> anyhow::Result<String> {
        let mut addresses = with_port.to_socket_addrs()?;
        let address = addresses.next().context("no such host")?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(MOST).read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP")?;
        let line = head.lines().next().unwrap_or_default();
        anyhow::ensure!(line.contains(" 200 "), "{line}");
        Ok(body.to_owned())
    };
    whole().with_context(|| format!("cannot ask {url}"))
}

fn table(status: &Status) -> String {
    const HEAD: [&str; 10] = [
        "NODE",
        "REGION",
        "STATE",
        "RTT",
        "LOSS",
        "RATE",
        "ROOMS",
        "LAYERS",
        "PACKETS OUT/IN",
        "LOST/SHED",
    ];
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(status.links.iter().map(row));
    let widths: [usize; 10] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let state = match status.state {
        NodeState::Running => "",
        NodeState::Draining => ", going",
    };
    let mut text = format!(
        "{} ({}){state}: {} links, {} rooms elsewhere\n",
        status.node,
        status.region,
        status.links.len(),
        status.room_count
    );
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push('\n');
        text.push_str(line.join("  ").trim_end());
    }
    text
}

fn row(link: &LinkStatus) -> [String; 10] {
    [
        link.node.clone(),
        link.region.clone(),
        match link.state {
            LinkState::Up => "up",
            LinkState::Silent => "silent",
            LinkState::Leaving => "leaving",
        }
        .to_owned(),
        link.round_trip_ms
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
        format!("{:.1} %", link.loss * 100.0),
        format!("{:.1} Mbit/s", link.rate_bps as f64 / 1e6),
        link.rooms.to_string(),
        format!("{}/{}", link.layers_out, link.layers_in),
        format!("{}/{}", link.packets_sent, link.packets_received),
        format!("{}/{}", link.given_up, link.shed),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::RoomStatus;

    #[test]
    fn links_stand_below_each_other() {
        let link = LinkStatus {
            node: "kano-1".into(),
            region: "kano".into(),
            address: "192.0.2.7:7890".into(),
            state: LinkState::Up,
            up_s: 60,
            round_trip_ms: Some(25.04),
            loss: 0.013,
            rate_bps: 48_000_000,
            rooms: 3,
            layers_out: 4,
            layers_in: 2,
            packets_sent: 1_000,
            bytes_sent: 1_000_000,
            packets_received: 2_000,
            bytes_received: 2_000_000,
            repairs: 13,
            given_up: 1,
            shed: 0,
        };
        let status = Status {
            node: "abuja-hub".into(),
            region: "abuja".into(),
            state: NodeState::Draining,
            nodes: Vec::new(),
            room_count: 1,
            rooms: vec![RoomStatus {
                room: "maths".into(),
                ways: vec![vec!["kano-1".into()]],
            }],
            links: vec![
                link.clone(),
                LinkStatus {
                    node: "port-harcourt-1".into(),
                    round_trip_ms: None,
                    state: LinkState::Silent,
                    ..link
                },
            ],
        };
        assert_eq!(
            table(&status),
            "abuja-hub (abuja), going: 2 links, 1 rooms elsewhere\n\n\
             NODE             REGION  STATE   RTT      LOSS   RATE         ROOMS  LAYERS  PACKETS OUT/IN  LOST/SHED\n\
             kano-1           kano    up      25.0 ms  1.3 %  48.0 Mbit/s  3      4/2     1000/2000       1/0\n\
             port-harcourt-1  kano    silent  -        1.3 %  48.0 Mbit/s  3      4/2     1000/2000       1/0"
        );
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    }

    #[test]
    fn only_plain_http_to_a_host_is_asked() {
        for url in [
            "https://node:1",
            "node:1",
            "http://",
            "http://a@b:1",
            "http://a/b",
        ] {
            assert!(
                get(url, "/links")
                    .unwrap_err()
                    .to_string()
                    .contains("--url"),
                "{url}"
            );
        }
    }
}
