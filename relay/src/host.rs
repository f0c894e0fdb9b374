//! Meets one node that came, or was dialled: greets it, and hands it on if it may be here.

use quinn::{Connection, Incoming};
use relay_proto::Lane;
use tokio::sync::{mpsc, watch};

use crate::access::AccessError;
use crate::close::Close;
use crate::identity::Identity;
use crate::lane::{GreetError, Greeted, accept, own_hello, welcome};
use crate::meeting::Rules;
use crate::node::Input;

/// What a task that meets others needs.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) identity: Identity,
    pub(crate) instance: u64,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) rules: watch::Receiver<Rules>,
}

impl Host {
    pub(crate) async fn meet(&self, incoming: Incoming) -> Result<(), GreetError> {
        let ours = own_hello(&self.identity, self.instance, Lane::Control);
        let connection = accept(incoming, &ours).await?;
        let greeted = parting(&connection, welcome(connection.clone(), ours).await)?;
        self.hand_on(greeted).await
    }

    /// Whoever may be here is the node's business from here on.
    pub(crate) async fn hand_on(&self, greeted: Greeted) -> Result<(), GreetError> {
        let allowed = {
            let rules = self.rules.borrow();
            rules.access.check(&rules.neighbours, &greeted.identity)
        };
        let connection = greeted.connection.clone();
        parting(&connection, allowed.map_err(GreetError::from))?;
        // A node that stops lets nobody in.
        let _ = self.inputs.send(Input::Greeted(Box::new(greeted))).await;
        Ok(())
    }
}

/// Tells the other end why, if this is the end.
pub(crate) fn parting<T>(
    connection: &Connection,
    met: Result<T, GreetError>,
) -> Result<T, GreetError> {
    let Err(error) = &met else {
        return met;
    };
    let why = match error {
        GreetError::Version(_) => Close::Version,
        GreetError::Access(AccessError::Region { .. }) => Close::Region,
        GreetError::Access(AccessError::Denied(_) | AccessError::NotAllowed(_)) => Close::Denied,
        GreetError::Slow
        | GreetError::Connection(_)
        | GreetError::Read(_)
        | GreetError::Write(_)
        | GreetError::NoCertificate
        | GreetError::Identity(_)
        | GreetError::Impostor { .. }
        | GreetError::Rude => Close::Protocol,
    };
    why.close(connection);
    met
}
