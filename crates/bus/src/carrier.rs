//! What a carrier is: one way to get messages from who says something to who listens.
//!
//! A carrier takes messages and gives them to [`Sink`]s. Asking and answering, queues and limits are made of that, once, in
//! [`bus`](crate::bus): so they are the same on every carrier.
//!
//! # Invariants
//!
//! 1. What one publisher says one after the other reaches a sink in that order, if it reaches it.
//! 2. A sink never makes a carrier wait.

use std::sync::Arc;

use futures::future::{BoxFuture, Either, Ready};
use rt::Task;
use stdx::{BoxError, ByteSize, Code, Explain};

use crate::bucket::{Backing, BucketError, BucketName, Keep};
use crate::message::Message;
use crate::subject::Interest;

/// One way to carry messages.
pub(crate) trait Carrier: Send + Sync {
    /// What it is, for a log: without a password.
    fn describe(&self) -> String;

    /// Whether what is said now can get anywhere.
    fn is_connected(&self) -> bool;

    /// The largest message that it takes.
    fn payload_max(&self) -> ByteSize;

    /// How many messages it dropped because a subscriber did not keep up.
    fn dropped(&self) -> u64;

    /// Takes a message that is not larger than it may be. Where a reply is expected and nobody listens, the reply is that.
    fn publish(&self, message: Message) -> Answer<'_, Result<(), PublishError>>;

    /// Gives messages to `sink` until the hold is dropped.
    fn subscribe(&self, interest: Interest, sink: Box<dyn Sink>) -> Answer<'_, Result<Hold, SubscribeError>>;

    /// The client of now, where the carrier is a NATS server.
    fn client(&self) -> Option<async_nats::Client> {
        None
    }

    /// The bucket of that name, which is made where there is none.
    fn bucket(&self, name: BucketName, keep: Keep) -> BoxFuture<'_, Result<Arc<dyn Backing>, BucketError>>;

    /// Waits until what was said and subscribed to before has reached the bus.
    fn flush(&self) -> Answer<'_, Result<(), FlushError>>;
}

/// An answer that may be there at once, which costs nothing then.
pub(crate) type Answer<'a, T> = Either<Ready<T>, BoxFuture<'a, T>>;

/// A subscription, as long as it is not dropped.
pub(crate) type Hold = Box<dyn Held>;

/// What a [`Hold`] holds.
pub(crate) trait Held: Send + Sync {
    /// Hears nothing that is said from now on, and still brings what was said before. The task, where that needs one, is kept
    /// until nothing more is wanted; what takes messages is given up when all of them were brought.
    fn end(self: Box<Self>) -> Option<Task>;
}

/// What takes messages, on the thread of whoever publishes them.
pub(crate) trait Sink: Send + Sync {
    /// Takes a message, or says why not. Never waits.
    fn accept(&self, message: Message) -> Result<(), Refused>;

    /// Counts a message that was dropped because it was refused.
    fn missed(&self);
}

/// A message that a sink did not take.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) message: Message,
    pub(crate) reason: Reason,
}

/// Why a sink did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its queue is full.
    Full,
    /// It takes nothing any more: it does not count as a listener.
    Ended,
}

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is larger than this bus allows.
    #[error("the message has {size} with its headers, and {limit} is the most that the bus takes")]
    TooLarge {
        /// Its size, headers included.
        size: ByteSize,
        /// The limit.
        limit: ByteSize,
    },
    /// It has headers that this bus cannot carry: a status.
    #[error("the status in the headers of the message is for a server to give")]
    Status,
    /// Nothing gets anywhere at the moment. It was not kept to be sent later.
    #[error("{bus} cannot be reached")]
    Unavailable {
        /// Which.
        bus: String,
        /// Why, as far as it is known.
        #[source]
        source: BoxError,
    },
}

/// A subscription was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Nothing gets anywhere at the moment.
    #[error("{bus} cannot be reached")]
    Unavailable {
        /// Which.
        bus: String,
        /// Why, as far as it is known.
        #[source]
        source: BoxError,
    },
}

/// It is not known whether what was said has reached the bus.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// Nothing came back in time.
    #[error("{bus} cannot be reached")]
    Unavailable {
        /// Which.
        bus: String,
        /// Why, as far as it is known.
        #[source]
        source: BoxError,
    },
}

// === impl errors ===

impl Explain for PublishError {
    fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::E0703,
            Self::Status => Code::E0704,
            Self::Unavailable { .. } => Code::E0604,
        }
    }
}

impl Explain for SubscribeError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::E0604,
        }
    }
}

impl Explain for FlushError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::E0604,
        }
    }
}
