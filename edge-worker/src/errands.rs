//! Asks shards for something and waits for the answer, with a deadline.

use std::time::Duration;

use livekit::room_service::{Answer, Failure};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::shard::{Errand, Order, ShardInbox, ToShard};

/// A shard answers within milliseconds; callers give up after ten seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// An answer to come.
pub(crate) type Reply = oneshot::Receiver<Result<Answer, Failure>>;

/// Asks a shard, and waits.
pub(crate) async fn ask(shard: &ShardInbox, order: Order) -> Result<Answer, Failure> {
    wait(send(shard, order)?).await
}

/// Asks a shard.
pub(crate) fn send(shard: &ShardInbox, order: Order) -> Result<Reply, Failure> {
    let (reply, answer) = oneshot::channel();
    let errand = Box::new(Errand { order, reply });
    shard
        .send(ToShard::Administer(errand))
        .map_err(|_| Failure::Busy)?;
    Ok(answer)
}

/// Waits for what a shard was asked.
pub(crate) async fn wait(answer: Reply) -> Result<Answer, Failure> {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(answer)) => answer,
        // The shard failed on it, or stops.
        Ok(Err(_)) => Err(Failure::Busy),
        Err(_) => Err(Failure::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::Instant;

    /// What SDKs wait for an answer.
    const CALLER_WAITS: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn tw_6_a_room_that_does_not_answer_is_given_up_well_before_the_caller_gives_up() {
        let (held, answer) = oneshot::channel();
        let asked = Instant::now();
        let given_up = timeout(CALLER_WAITS * 3 / 4, wait(answer)).await;
        let took = asked.elapsed();
        assert_eq!(given_up.unwrap().err(), Some(Failure::Late), "{took:?}");
        drop(held);
    }

    #[test]
    fn tw_6_a_shard_that_takes_no_more_is_not_waited_for() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (shard, inbox) = ShardInbox::new(waker);
        let names: Arc<[String]> = Arc::default();
        let ask = || {
            let names = Arc::clone(&names);
            send(&shard, Order::List { names })
        };
        while ask().is_ok() {}
        assert_eq!(ask().err(), Some(Failure::Busy));
        drop(inbox);
    }
}
