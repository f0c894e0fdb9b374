//! An ordinary call of two, which must not notice what a test does beside it.

use anyhow::{Context, Result, ensure};

use crate::{
    node::{Node, NodeOptions},
    peer::{Peer, PeerOptions},
    signal::Signal,
    tokens,
};

/// Ada and Bayo see and hear each other on a node of their own.
#[derive(Debug)]
pub struct Call {
    /// The node.
    pub node: Node,
    /// One.
    pub ada: Peer,
    /// The other.
    pub bayo: Peer,
}

/// The room they are in.
pub const ROOM: &str = "beside";

/// About a second of sound and three of picture.
const A_WHILE: u64 = 50;

impl Call {
    /// Starts a node and the call, and waits until both see and hear each other.
    pub async fn start() -> Result<Self> {
        Self::on(
            Node::start_with(NodeOptions::default()).await?,
            PeerOptions::both(),
        )
        .await
    }

    /// The same on a node that runs, with Ada as a test wants her.
    pub async fn on(node: Node, ada: PeerOptions) -> Result<Self> {
        let ada = Peer::join(&node.url(), &tokens::token(ROOM, "ada")?, ada).await?;
        let bayo = Peer::join_call(&node.url(), &tokens::token(ROOM, "bayo")?).await?;
        ada.connected().await?;
        let call = Self { node, ada, bayo };
        call.goes_on().await.with_context(|| call.node.tail())?;
        Ok(call)
    }

    /// Both go on seeing and hearing each other, and have lost nothing since the start.
    pub async fn goes_on(&self) -> Result<()> {
        tokio::try_join!(
            self.ada.receives_more("bayo", A_WHILE),
            self.bayo.receives_more("ada", A_WHILE)
        )?;
        for (peer, other) in [(&self.ada, "bayo"), (&self.bayo, "ada")] {
            let seen = peer.seen();
            let name = &seen.own.identity;
            ensure!(
                seen.end.is_none() && seen.leave.is_none(),
                "{name} was thrown out"
            );
            ensure!(seen.is_active(other), "{name} misses {other}");
            ensure!(seen.tracks.len() == 2, "{name} receives {:#?}", seen.tracks);
            for track in seen.tracks.values() {
                ensure!(track.tally.lost == 0, "{name} lost packets: {track:?}");
                ensure!(
                    track.tally.duplicates == 0,
                    "{name} got packets twice: {track:?}"
                );
            }
        }
        let panic = self
            .node
            .log()
            .into_iter()
            .find(|line| line.contains("panicked"));
        ensure!(
            panic.is_none(),
            "the node says: {}",
            panic.unwrap_or_default()
        );
        Ok(())
    }

    /// Somebody else's signalling connection, in another room.
    pub async fn stranger(&self, identity: &str) -> Result<Signal> {
        let token = tokens::token("elsewhere", identity)?;
        Ok(Signal::join(&self.node.url(), &token).await?.0)
    }
}
