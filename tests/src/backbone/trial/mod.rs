//! Trials: each sets a stage, watches a show, and holds what it found against its goals.

pub mod cold;
pub mod crowd;
pub mod cut;
pub mod hub;
pub mod line;
pub mod rival;

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;

use super::{
    order::Role,
    sources::{Source, cameras, voices},
    stage::{Cast, START, Show, Stage},
};
use crate::lab::{Client, wish::Wish};

/// Where a node listens that has a namespace to itself.
pub const PORT: u16 = 7_890;
/// Pictures of this show are this far apart.
const PICTURE: Duration = Duration::from_micros(33_333);

/// Changes to a network in the words of the lab, such as `delay=20ms loss=5%`.
pub fn wishes(words: &str) -> Result<Vec<Wish>> {
    let read = |word| Ok(Wish::read(word)?);
    words.split_whitespace().map(read).collect()
}

/// Who publishes, in this machine's own namespace.
pub const NEAR: &str = "a-lagos";
/// Who listens, behind a link.
pub const FAR: &str = "b-kano";

/// A node of rooms that dials whom it is told to.
fn host(name: &'static str, bind: SocketAddr, neighbours: Vec<(&'static str, SocketAddr)>) -> Cast {
    Cast {
        name,
        namespace: None,
        bind,
        neighbours,
        role: Role::Host,
        start: START,
    }
}

/// A node that has a client's namespace to itself.
fn at(client: &Client, name: &'static str, neighbours: Vec<(&'static str, SocketAddr)>) -> Cast {
    let anywhere = SocketAddr::from(([0; 4], PORT));
    Cast {
        namespace: Some(client.namespace.clone()),
        ..host(name, anywhere, neighbours)
    }
}

/// [`NEAR`] and [`FAR`] on either side of a link that is as `conditions` say.
pub fn pair(seed: u64, conditions: &str) -> Result<(Stage, Client)> {
    let mut stage = Stage::in_lab(seed)?;
    let client = stage.lab()?.add("kano", &wishes(conditions)?)?;
    stage.start(at(&client, FAR, Vec::new()))?;
    let far = SocketAddr::from((client.address, PORT));
    stage.start(host(NEAR, (client.hub, 0).into(), vec![(FAR, far)]))?;
    Ok((stage, client))
}

/// 20 cameras and 20 voices, 35 Mbit/s on the wire, from [`NEAR`] to [`FAR`].
pub fn busy_room() -> Show {
    show(NEAR, FAR, [cameras(20, 6, PICTURE), voices(20)].concat())
}

/// A few cameras and voices, 9 Mbit/s, from [`NEAR`] to [`FAR`].
pub fn small_room() -> Show {
    show(NEAR, FAR, [cameras(5, 6, PICTURE), voices(5)].concat())
}

fn show(from: &'static str, to: &'static str, sources: Vec<Source>) -> Show {
    Show {
        room: "maths",
        from,
        to,
        sources,
    }
}
