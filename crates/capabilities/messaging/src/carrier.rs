//! What carries messages: a bus, a stream of a NATS server, an MQTT broker, or a provider of the lattice.

use std::time::Duration;

use bus::{Bus, Gather, Message, PublishError, RequestError, Subject};
use model::ComponentName;
use stdx::{BoxError, ByteSize};

use crate::mqtt::Mqtt;
use crate::provider::Provider;
use crate::stream::Stream;
use crate::subjects;

/// What carries the messages of a link.
pub(crate) enum Carrier {
    /// At most once.
    Bus(Bus),
    /// At least once, but for answers, which nobody keeps.
    Stream(Stream),
    /// At least once, as the broker promises it.
    Mqtt(Mqtt),
    /// As the provider promises it.
    Provider(Provider),
}

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

// === impl Carrier ===

impl Carrier {
    /// Publishes what a component says.
    pub(crate) async fn publish(&self, source: &ComponentName, message: Message) -> Result<(), SendError> {
        let (size, limit) = (ByteSize::bytes(message.size() as u64), self.payload_max());
        if size > limit {
            return Err(SendError::Bus(PublishError::TooLarge { size, limit }));
        }
        match self {
            Self::Stream(stream) if !subjects::is_inbox(&message.subject) => match message.reply {
                Some(_) => Err(SendError::NoReply),
                None => stream.put(message).await,
            },
            Self::Bus(bus) | Self::Stream(Stream { bus, .. }) => Ok(bus.publish(message).await?),
            Self::Mqtt(broker) => broker.publish(message).await,
            Self::Provider(provider) => provider.publish(source, message).await,
        }
    }

    /// Asks what a component asks, and waits for one answer.
    pub(crate) async fn request(
        &self,
        source: &ComponentName,
        question: Message,
        timeout: Duration,
    ) -> Result<Message, AskError> {
        match self {
            Self::Bus(bus) | Self::Stream(Stream { bus, .. }) => Ok(bus.request_with(question, timeout).await?),
            Self::Mqtt(broker) => broker.request(question, timeout).await,
            Self::Provider(provider) => provider.request(source, question, timeout).await,
        }
    }

    /// Asks everybody who listens, and gathers what they answer until there is enough.
    pub(crate) async fn request_many(&self, question: Message, gather: Gather) -> Result<Vec<Message>, AskError> {
        let (subject, time_max) = (question.subject.clone(), gather.time_max);
        let answers = match self {
            Self::Bus(bus) | Self::Stream(Stream { bus, .. }) => bus.request_many(question, gather).await?,
            Self::Mqtt(_) | Self::Provider(_) => return Err(AskError::NotAsked(SendError::OneAnswer)),
        };
        let late = rt::Late(time_max);
        if answers.is_empty() { Err(RequestError::Timeout { subject, late }.into()) } else { Ok(answers) }
    }

    /// The largest message that it takes.
    pub(crate) fn payload_max(&self) -> ByteSize {
        match self {
            Self::Bus(bus) | Self::Stream(Stream { bus, .. }) => bus.payload_max(),
            Self::Mqtt(broker) => broker.payload_max(),
            // The wire says so itself, of all that goes there.
            Self::Provider(_) => ByteSize::bytes(u64::MAX),
        }
    }
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
