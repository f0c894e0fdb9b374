//! Several edge workers that are linked: one room over all of them.
//!
//! Each has a certificate of a CA made for the occasion and knows all others' addresses, all on the
//! loopback.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use relay::{Identity, pki};
use time::OffsetDateTime;

use crate::{
    http,
    node::{Node, NodeOptions, free_udp},
    until::{PATIENCE, until},
};

/// Nodes in as many cities.
#[derive(Debug)]
pub struct Fleet {
    /// In the order of the cities' names as they were given.
    pub nodes: Vec<Node>,
    places: Vec<Place>,
    folder: Folder,
}

/// Where a node is, and how it is reached.
#[derive(Debug)]
struct Place {
    city: String,
    relay: SocketAddr,
}

/// Removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the temporary folder hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Longer than any test.
const VALID: Duration = Duration::from_secs(24 * 3_600);

impl Fleet {
    /// A node in each city, named `CITY-1`, all linked to each other.
    pub async fn start(cities: &[&str]) -> Result<Self> {
        Self::start_with(cities, &NodeOptions::default()).await
    }

    /// The same, with `options` for all of them.
    pub async fn start_with(cities: &[&str], options: &NodeOptions) -> Result<Self> {
        let folder =
            Folder(std::env::temp_dir().join(format!("fleet-{:016x}", rand::random::<u64>())));
        std::fs::create_dir_all(&folder.0)?;
        let now = OffsetDateTime::now_utc();
        let authority = pki::authority(now)?;
        std::fs::write(folder.0.join("ca.pem"), &authority.certificate)?;
        let relays = free_udp(cities.len() as u16)?;
        let places = cities.iter().zip(relays);
        let places: Vec<_> = places
            .map(|(city, relay)| Place {
                city: (*city).to_owned(),
                relay,
            })
            .collect();
        for Place { city, .. } in &places {
            let identity = Identity::new(city, &name(city))?;
            let pair = pki::node(&authority, &identity, now, VALID)?;
            std::fs::write(folder.0.join(format!("{city}.pem")), pair.certificate)?;
            std::fs::write(folder.0.join(format!("{city}.key")), pair.key)?;
        }
        let mut fleet = Self {
            nodes: Vec::new(),
            places,
            folder,
        };
        for index in 0..cities.len() {
            let node = fleet.start_node(index, options).await?;
            fleet.nodes.push(node);
        }
        fleet.linked().await?;
        Ok(fleet)
    }

    async fn start_node(&self, index: usize, options: &NodeOptions) -> Result<Node> {
        let place = &self.places[index];
        let folder = &self.folder.0;
        let neighbours = self.places.iter().filter(|it| it.city != place.city);
        let neighbours = neighbours.map(|it| {
            let (node, address) = (name(&it.city), it.relay);
            format!(
                "{{node=\"{node}\",address=\"{address}\",region=\"{}\"}}",
                it.city
            )
        });
        let neighbours: Vec<_> = neighbours.collect();
        let path = |file: String| folder.join(file).display().to_string();
        let mut options = options.clone();
        options.environment.extend(
            [
                ("BIND", "127.0.0.1".to_owned()),
                ("PORT", place.relay.port().to_string()),
                ("AUTHORITY", path("ca.pem".to_owned())),
                ("CERTIFICATE", path(format!("{}.pem", place.city))),
                ("KEY", path(format!("{}.key", place.city))),
                ("NEIGHBOURS", format!("[{}]", neighbours.join(","))),
            ]
            .map(|(key, value)| (format!("EDGE_RELAY__{key}"), value)),
        );
        Node::start_with(options).await
    }

    /// Waits until every node sees every other one.
    async fn linked(&self) -> Result<()> {
        let others = self.nodes.len() - 1;
        for node in &self.nodes {
            until("links to all other nodes", PATIENCE, || async {
                let links = http::get(node.admin(), "/links").await.ok()?;
                (links.body.matches("\"round_trip_ms\"").count() >= others).then_some(())
            })
            .await
            .with_context(|| node.tail())?;
        }
        Ok(())
    }
}

fn name(city: &str) -> String {
    format!("{city}-1")
}
