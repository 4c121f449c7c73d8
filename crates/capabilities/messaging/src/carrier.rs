//! What carries messages: a bus, a stream of a NATS server, an MQTT broker, or a provider of the lattice.

use std::time::Duration;

use async_trait::async_trait;
use bus::{Gather, Message, Pattern, PublishError, QueueGroup, RequestError, Subject};
use capability::{Duty, Service};
use model::ComponentName;
use stdx::{BoxError, ByteSize};

use crate::serve::Server;

/// What carries the messages of a link.
#[async_trait]
pub(crate) trait Carrier: Send + Sync {
    /// Publishes what a component says, which is no larger than what it takes.
    async fn publish(&self, source: &ComponentName, message: Message) -> Result<(), SendError>;

    /// Asks what a component asks, and waits for one answer.
    async fn request(&self, source: &ComponentName, question: Message, timeout: Duration) -> Result<Message, AskError>;

    /// Asks everybody who listens, and gathers what they answer until there is enough; none is an error.
    async fn request_many(&self, question: Message, gather: Gather) -> Result<Vec<Message>, AskError> {
        drop((question, gather));
        Err(AskError::NotAsked(SendError::OneAnswer))
    }

    /// The largest message that it takes.
    fn payload_max(&self) -> ByteSize;

    /// Subscribes a component to all of these; as a member of the group, where there is one.
    async fn listen(&self, component: &ComponentName, wanted: Wanted<'_>) -> Result<Box<dyn Heard>, BoxError>;

    /// Calls a component with what it hears.
    fn serve(&self, server: Server, duty: Duty) -> Service {
        Box::pin(server.run(duty))
    }

    /// Whether it decides by itself who may answer where: nobody here knows what it has brought.
    fn knows_who_answers(&self) -> bool {
        false
    }
}

/// What is listened to, and as a member of which group.
pub(crate) type Wanted<'a> = (&'a [Pattern], Option<&'a QueueGroup>);

/// All that a component is subscribed to.
#[async_trait]
pub(crate) trait Heard: Send {
    /// The next message, and what says that it was handled where somebody wants to know; none when nothing comes any more. Nothing
    /// is lost where it is not waited for to its end.
    async fn next(&mut self) -> Option<(Message, Option<Receipt>)>;

    /// Hears no more than what was sent before.
    async fn end(&mut self);

    /// To be called when all is handled.
    async fn close(self: Box<Self>);

    /// How many messages found no room.
    fn dropped(&self) -> u64;
}

/// Says that a message was handled.
pub(crate) type Receipt = Box<dyn FnOnce() + Send>;

/// A message was not sent, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("a message that a stream keeps has nobody who waits for its answer: leave reply-to out")]
    NoReply,
    #[error("a question over MQTT or to a provider has one answer: leave the number of expected replies out")]
    OneAnswer,
    #[error("a message by a provider has no headers: leave them out")]
    NoHeaders,
    #[error("no stream of the server keeps {0}")]
    NoStream(Subject),
    #[error("{0:?} is no topic of MQTT: a word with / in it is not allowed there, nor are + and #")]
    NoTopic(Subject),
    #[error("the broker refused the message: {0}")]
    Refused(&'static str),
    #[error(transparent)]
    Bus(PublishError),
    /// Logged, and not told to the component.
    #[error("the message broker is not available")]
    Unavailable(#[source] BoxError),
}

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    NotAsked(SendError),
    #[error(transparent)]
    NotAnswered(RequestError),
}

// === impl errors ===

impl From<PublishError> for SendError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Unavailable { source, .. } => Self::Unavailable(source),
            error => Self::Bus(error),
        }
    }
}

impl From<RequestError> for AskError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotAsked { source, .. } => Self::NotAsked(source.into()),
            error => Self::NotAnswered(error),
        }
    }
}
