//! Waiting for something to become true, never for time to pass.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long most things may take on a busy machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long to look the other way before asking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer, or until `limit` is over.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} in vain for {what}");
        }
        sleep(PAUSE).await;
    }
}
