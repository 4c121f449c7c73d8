//! Streams of a NATS server (JetStream): what is published is kept, and brought until somebody has handled it.
//!
//! ```text
//! publish ─▶ stream: it is kept ─▶ acknowledged
//! stream ─▶ consumer of the component ─▶ handler ─▶ done: acknowledged │ failed: again, after a pause
//! ```
//!
//! # Invariants
//!
//! 1. A message is acknowledged after its handler has ended well, and not before: whatever happens until then, it comes again.
//! 2. One that is being handled is not brought to another: the server is told that it is still worked on.
//! 3. What was published is kept by the stream when `publish` returns.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{AckKind, Context, ErrorCode, Message as Kept};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bus::{Bus, Headers, Message, Pattern};
use model::{ComponentName, LinkName};
use stdx::BoxError;

use crate::carrier::SendError;
use crate::exchange::Sharing;

/// Messages that are asked for at once: those that wait here too long are brought to somebody else as well.
const BATCH: usize = 32;
/// The server is asked anew after so long without a message, and says so often meanwhile that it is there.
const EXPIRES: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What failed comes again after so long, then after twice as long each time, and at most after so long.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Messages as they come.
pub(crate) type Messages = pull::Stream;

/// A stream, and how it is read.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// Where its server is.
    pub(crate) bus: Bus,
    pub(crate) name: String,
    /// Subjects that it keeps, where it is made because it is not there.
    pub(crate) make_for: Option<Vec<Pattern>>,
    /// A message that nobody has said anything of for so long is brought again.
    pub(crate) ack_wait: Duration,
    /// How often a message is brought at most.
    pub(crate) tries: Option<u64>,
    /// For one answer of the server.
    pub(crate) patience: Duration,
}

/// The stream cannot be used as the link says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("{0:?} is no name of a stream, in which there is no white space and none of . * > / \\")]
    Name(String),
    #[error("there is no stream {0}; with create=true it is made")]
    Missing(String),
    #[error("JetStream is not enabled on the server, which keeps no messages without it")]
    NoJetStream,
    #[error("the stream cannot be made")]
    NotMade(#[source] BoxError),
    #[error("the server does not say what the stream is")]
    Unknown(#[source] BoxError),
    #[error("there is no connection to the server")]
    NoConnection,
}

// === impl Stream ===

impl Stream {
    /// Finds the stream, or makes it.
    pub(crate) async fn settle(&self) -> Result<(), StreamError> {
        let context = self.context()?;
        let error = match context.get_stream(&self.name).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let is_missing = match error.kind() {
            GetStreamErrorKind::JetStream(answer) => answer.error_code() == ErrorCode::STREAM_NOT_FOUND,
            GetStreamErrorKind::Request if !context.client().server_info().jetstream => {
                return Err(StreamError::NoJetStream);
            }
            GetStreamErrorKind::InvalidStreamName | GetStreamErrorKind::EmptyName => {
                return Err(StreamError::Name(self.name.clone()));
            }
            GetStreamErrorKind::Request => return Err(StreamError::Unknown(error.into())),
        };
        match &self.make_for {
            Some(subjects) if is_missing => {
                let subjects = subjects.iter().map(ToString::to_string).collect();
                let config = Config { name: self.name.clone(), subjects, ..Config::default() };
                context.create_stream(config).await.map(drop).map_err(|error| StreamError::NotMade(error.into()))
            }
            None if is_missing => Err(StreamError::Missing(self.name.clone())),
            _ => Err(StreamError::Unknown(error.into())),
        }
    }

    /// Publishes, and answers when the stream has kept it.
    pub(crate) async fn put(&self, message: Message) -> Result<(), SendError> {
        let unavailable = SendError::Unavailable;
        // What is said without a connection would be said later, long after it was told that it was not.
        if !self.bus.is_connected() {
            return Err(unavailable(StreamError::NoConnection.into()));
        }
        let context = self.context().map_err(|error| unavailable(error.into()))?;
        let Message { subject, headers, payload, .. } = message;
        let fields: HeaderMap = headers.iter().filter_map(|(name, value)| field(name, value)).collect();
        let publish = async {
            let name = subject.to_string();
            match fields.is_empty() {
                true => context.publish(name, payload).await?.await,
                false => context.publish_with_headers(name, fields, payload).await?.await,
            }
        };
        let published = rt::within(Some(self.patience), publish).await.map_err(|late| unavailable(late.into()))?;
        published.map(drop).map_err(|error| match error.kind() {
            PublishErrorKind::StreamNotFound => SendError::NoStream(subject),
            _ => unavailable(error.into()),
        })
    }

    /// Messages for a component, from the consumer of that name, which is made or changed to bring these.
    pub(crate) async fn read(&self, name: &str, patterns: &[Pattern]) -> Result<Messages, BoxError> {
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            filter_subjects: patterns.iter().map(ToString::to_string).collect(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: self.tries.and_then(|tries| i64::try_from(tries).ok()).unwrap_or(-1),
            ..pull::Config::default()
        };
        let context = self.context()?;
        let made = context.create_consumer_on_stream(config, &self.name);
        let consumer: Consumer<pull::Config> = rt::within(Some(self.patience), made).await??;
        let stream = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
        Ok(stream.messages().await?)
    }

    fn context(&self) -> Result<Context, StreamError> {
        let client = self.bus.client().ok_or(StreamError::NoConnection)?;
        Ok(ContextBuilder::new().timeout(self.patience).ack_timeout(self.patience).build(client))
    }

    /// Says of a message that was handled how that ended; whether it will come again is for the server to say.
    pub(crate) async fn settle_message(&self, message: &Kept, is_done: bool) -> Result<(), BoxError> {
        let delivered = message.info().map(|info| u64::try_from(info.delivered).unwrap_or(1)).unwrap_or(1);
        let is_last = self.tries.is_some_and(|tries| delivered >= tries);
        let kind = match is_done {
            true => AckKind::Ack,
            false if is_last => AckKind::Term,
            false => AckKind::Nak(Some(pause(delivered))),
        };
        message.ack_with(kind).await
    }

    /// Says of a message that it is still worked on.
    pub(crate) async fn still_working(message: &Kept) -> Result<(), BoxError> {
        message.ack_with(AckKind::Progress).await
    }

    /// Gives a message back that nobody has begun with.
    pub(crate) async fn give_back(message: &Kept) -> Result<(), BoxError> {
        message.ack_with(AckKind::Nak(None)).await
    }
}

/// Before a message is brought again that was brought so often.
fn pause(delivered: u64) -> Duration {
    let (first, most) = AGAIN;
    let doublings = u32::try_from(delivered.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    most.min(first * 2_u32.pow(doublings))
}

/// The name of a consumer, which may have no `.` in it: each is `_d`, and each `_` is two.
pub(crate) fn consumer_name(component: &ComponentName, link: &LinkName, sharing: &Sharing) -> String {
    let escaped = |text: &str| text.replace('_', "__").replace('.', "_d");
    match sharing {
        Sharing::Group(group) => escaped(&group.to_string()),
        Sharing::ByComponent | Sharing::Nobody if link.is_default() => escaped(component.as_str()),
        Sharing::ByComponent | Sharing::Nobody => {
            format!("{}_l{}", escaped(component.as_str()), escaped(link.as_str()))
        }
    }
}

/// A header as the library has it. Names that begin with `Nats-` tell the server what to do, which is not for components.
fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let is_own = |name: &&str| !name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("nats-"));
    Some((Some(name).filter(is_own)?.parse().ok()?, value.parse().ok()?))
}

/// A message that a stream has kept, as any other. Where it came from nobody waits: what is there is the server's.
pub(crate) fn message(kept: &Kept) -> Result<Message, BoxError> {
    let subject = kept.subject.as_str().parse()?;
    let all = kept.headers.iter().flat_map(HeaderMap::iter);
    let fields = all.flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str())));
    let headers = Headers::of(fields.filter(|(name, value)| field(name, value).is_some()))?;
    Ok(Message { headers, ..Message::new(subject, kept.payload.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_consumers_have_one_name() {
        let name = |component: &str, link: &str| {
            let (component, link) = (component.parse().expect("a name"), link.parse().expect("a name"));
            consumer_name(&component, &link, &Sharing::ByComponent)
        };
        let names = ["shop.eu", "shop_eu", "shop_deu", "shop-eu", "shop"].map(|component| name(component, "default"));
        assert_eq!(names, ["shop_deu", "shop__eu", "shop__deu", "shop-eu", "shop"]);
        assert_eq!((name("shop", "eu"), name("shop_leu", "default")), ("shop_leu".into(), "shop__leu".into()));
    }

    #[test]
    fn what_fails_again_and_again_comes_less_and_less_often() {
        let seconds = [1, 2, 3, 6, 7, 100, u64::MAX].map(|delivered| pause(delivered).as_secs());
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60, 60]);
    }
}
