//! This is the network as the carrier of one host's bus.

use std::sync::Arc;

use futures::future::{self, BoxFuture, Either};
use rt::Task;
use stdx::ByteSize;

use super::bucket::SimBucket;
use super::network::Network;
use crate::bucket::{Backing, BucketError, BucketName, Keep};
use crate::carrier::{Answer, Carrier, FlushError, Held, Hold, PublishError, Sink, SubscribeError};
use crate::message::Message;
use crate::subject::Interest;

/// One host's way to the network.
#[derive(Clone)]
pub(super) struct SimCarrier {
    pub(super) network: Network,
    pub(super) node: String,
}

/// A subscription on the network.
struct Subscribed {
    network: Network,
    number: u64,
}

/// There is no connection at the moment.
#[derive(Debug, thiserror::Error)]
#[error("there is no connection")]
pub(super) struct Offline;

// === impl SimCarrier ===

impl SimCarrier {
    /// Gives messages to `sink` until the hold is dropped.
    pub(super) fn hold(&self, interest: Interest, sink: Box<dyn Sink>) -> Hold {
        let number = self.network.shared().subscribe(&self.node, interest, sink);
        Box::new(Subscribed { network: self.network.clone(), number })
    }
}

impl Carrier for SimCarrier {
    fn describe(&self) -> String {
        format!("the simulated bus of {}", self.node)
    }

    fn is_connected(&self) -> bool {
        self.network.shared().lock().is_online(&self.node)
    }

    fn payload_max(&self) -> ByteSize {
        self.network.shared().limits().payload_max
    }

    fn dropped(&self) -> u64 {
        0
    }

    fn publish(&self, message: Message) -> Answer<'_, Result<(), PublishError>> {
        let outcome = match self.is_connected() {
            true => {
                self.network.shared().publish(&self.node, &message);
                Ok(())
            }
            false => Err(PublishError::Unavailable { bus: self.describe(), source: Offline.into() }),
        };
        Either::Left(future::ready(outcome))
    }

    fn subscribe(&self, interest: Interest, sink: Box<dyn Sink>) -> Answer<'_, Result<Hold, SubscribeError>> {
        Either::Left(future::ready(Ok(self.hold(interest, sink))))
    }

    fn bucket(&self, name: BucketName, keep: Keep) -> BoxFuture<'_, Result<Arc<dyn Backing>, BucketError>> {
        let bucket = SimBucket { carrier: self.clone(), name, keep };
        Box::pin(async move {
            bucket.open().await?;
            Ok(Arc::new(bucket) as Arc<dyn Backing>)
        })
    }

    fn flush(&self) -> Answer<'_, Result<(), FlushError>> {
        // Who is apart is connected as far as it knows, and what it says reaches nobody.
        let is_there = self.network.shared().lock().is_at_buckets(&self.node);
        let unavailable = || FlushError::Unavailable { bus: self.describe(), source: Offline.into() };
        Either::Left(future::ready(if is_there { Ok(()) } else { Err(unavailable()) }))
    }
}

// === impl Subscribed ===

impl Held for Subscribed {
    fn end(self: Box<Self>) -> Option<Task> {
        // What is on its way is lost: more than a real bus would lose, which is what this is for.
        None
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.network.shared().unsubscribe(self.number);
    }
}
