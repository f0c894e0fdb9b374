//! What waits to be written to a neighbour's control stream: bounded by bytes, for a node that comes
//! up is told of all that there is at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, BytesMut};
use quinn::SendStream;
use relay_proto::control::Message;
use tokio::sync::mpsc;

/// The end that messages go into.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that they are written from.
#[derive(Debug)]
pub(crate) struct Letters {
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

/// The neighbour takes less than it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

/// An outbox, and what it is emptied by.
pub(crate) fn outbox() -> (Outbox, Letters) {
    let (queue, letters) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        queue,
        waiting: waiting.clone(),
    };
    let letters = Letters {
        queue: letters,
        waiting,
    };
    (outbox, letters)
}

impl Outbox {
    /// Twenty thousand tracks take a third of it.
    const MOST: usize = 16 << 20;

    /// Lets a message wait.
    pub(crate) fn push(&self, message: Message) -> Result<(), Full> {
        let message = message.write();
        let waiting = self.waiting.fetch_add(message.len(), Ordering::Relaxed);
        if waiting > Self::MOST {
            return Err(Full);
        }
        // A stream that broke ends the link by itself.
        let _ = self.queue.send(message);
        Ok(())
    }
}

impl Letters {
    /// Written at once: many small messages in one go.
    const TOGETHER: usize = 64 << 10;

    /// Writes what there is; ends with the outbox or the stream.
    pub(crate) async fn write(mut self, mut stream: SendStream) {
        let mut together = BytesMut::new();
        while let Some(first) = self.queue.recv().await {
            together.put_slice(&first);
            while together.len() < Self::TOGETHER {
                let Ok(next) = self.queue.try_recv() else {
                    break;
                };
                together.put_slice(&next);
            }
            if stream.write_all(&together).await.is_err() {
                return;
            }
            self.waiting.fetch_sub(together.len(), Ordering::Relaxed);
            together.clear();
        }
    }
}
