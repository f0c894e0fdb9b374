//! Dials one neighbour whenever it is not linked, ever less often if that is in vain.

use std::time::{Duration, Instant};

use quinn::{Connection, Endpoint};
use relay_proto::Lane;
use tracing::{debug, info};

use crate::access::Neighbour;
use crate::close::Close;
use crate::host::{Host, parting};
use crate::lane::{GreetError, greet, own_hello};
use crate::meeting::Rules;

/// Keeps one neighbour linked.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) host: Host,
    pub(crate) endpoint: Endpoint,
    pub(crate) neighbour: Neighbour,
}

impl Dialer {
    /// How soon a lost neighbour is dialled again, and how late at most.
    const SOON: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(5);
    /// Of two nodes that know of each other the one whose name comes first dials, the other waits
    /// whether it does.
    const LET_GO_FIRST: Duration = Duration::from_millis(700);

    /// Runs until it is aborted.
    pub(crate) async fn run(mut self) {
        let mut wait = Duration::ZERO;
        loop {
            if self.host.identity.node() > self.neighbour.node.as_str() {
                wait = wait.max(Self::LET_GO_FIRST);
            }
            tokio::time::sleep(wait).await;
            let node = self.neighbour.node.clone();
            let unlinked = |rules: &Rules| !rules.linked.contains(&node);
            let waited = !unlinked(&self.host.rules.borrow());
            if waited {
                if self.host.rules.wait_for(unlinked).await.is_err() {
                    return;
                }
                wait = Self::SOON;
                continue;
            }
            wait = self.attempt(wait).await;
        }
    }

    /// Dials, and stays as long as that lasts. How long to wait before the next time.
    async fn attempt(&self, wait: Duration) -> Duration {
        let longer = (wait * 2).clamp(Self::SOON, Self::LATE);
        let (node, address) = (self.neighbour.node.as_str(), self.neighbour.address);
        let connection = match self.dial().await {
            Ok(connection) => connection,
            Err(error) => {
                info!(node, %address, %error, "cannot be reached");
                return longer;
            }
        };
        let began_at = Instant::now();
        let why = connection.closed().await;
        debug!(node, %why, "dialling again");
        if Close::of(&connection).is_lasting() {
            return Self::LATE;
        }
        if began_at.elapsed() > Self::LATE {
            Self::SOON
        } else {
            longer
        }
    }

    /// Both connections of a link, at once: each takes two round trips. Sound's is returned.
    async fn dial(&self) -> Result<Connection, DialError> {
        let (control, _) = tokio::try_join!(self.meet(Lane::Control), self.meet(Lane::Video))?;
        Ok(control)
    }

    async fn meet(&self, lane: Lane) -> Result<Connection, DialError> {
        let client = self.host.rules.borrow().client.clone();
        let Neighbour { node, address, .. } = &self.neighbour;
        let connection = self
            .endpoint
            .connect_with(client, *address, node)?
            .await
            .map_err(GreetError::from)?;
        let ours = own_hello(&self.host.identity, self.host.instance, lane);
        let greeted = parting(&connection, greet(connection.clone(), ours).await)?;
        self.host.hand_on(greeted).await?;
        Ok(connection)
    }
}

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    #[error(transparent)]
    Greet(#[from] GreetError),
}
