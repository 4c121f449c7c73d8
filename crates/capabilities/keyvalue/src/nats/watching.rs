//! Tells of changes: of values as the stream brings their messages, of deletions as whoever deletes announces them.
//!
//! A deletion purges a subject and leaves no message, so that a stream does not grow by what is gone; nobody who reads the
//! stream sees that. So the host that deletes says it besides, in a message that nobody keeps.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::OrderedConfig;
use bytes::Bytes;
use futures::{StreamExt, stream};
use line::jetstream::Connected;
use stdx::BoxError;

use super::failure::Failure;
use super::names::{self, Meaning};
use super::{NAME, Nats};
use crate::scope::{Key, Scope};
use crate::store::Changes;

impl Nats {
    /// Tells of the keys of a bucket that change from now on, until the connection is lost.
    pub(super) async fn changes(&self, connected: &Connected, scope: &Scope) -> Result<Changes, Failure> {
        let client = connected.context.client();
        let deleted = client.subscribe(self.bucket.deletions(scope)).await.map_err(failed)?;
        let config = OrderedConfig {
            deliver_subject: client.new_inbox(),
            filter_subject: self.bucket.subjects(scope),
            headers_only: true,
            deliver_policy: DeliverPolicy::New,
            ..OrderedConfig::default()
        };
        let consumer = connected.stream.create_consumer(config).await.map_err(failed)?;
        let changed = consumer.messages().await.map_err(failed)?;
        // A gap is bridged by the client; what cannot be bridged is the end.
        let changed =
            changed.map(|message| message.ok().map(|message| name(&message.subject, message.headers.as_ref())));
        let deleted = deleted.map(|message| Some(name(&message.subject, message.headers.as_ref())));
        let end = || stream::iter([None]);
        let both = stream::select(changed.chain(end()), deleted.chain(end()));
        let names = both.take_while(|told| std::future::ready(told.is_some()));
        Ok(names.filter_map(|told| std::future::ready(told.flatten())).boxed())
    }

    /// Says that a key was deleted, to whoever listens.
    pub(super) async fn announce_deletion(&self, connected: &Connected, key: &Key) {
        let mut headers = HeaderMap::new();
        if let Some(name) = names::long_name(key) {
            headers.insert(NAME, name);
        }
        let client = connected.context.client();
        let said = client.publish_with_headers(self.bucket.deletion(key), headers, Bytes::new());
        // The deletion was made, whoever heard of it.
        if let Err(error) = said.await {
            tracing::debug!(%error, "a deletion was not announced");
        }
    }
}

fn failed(error: impl Into<BoxError>) -> Failure {
    Failure::Watch(error.into())
}

/// The name of the key that a message is about.
fn name(subject: &str, headers: Option<&HeaderMap>) -> Option<String> {
    match names::meaning(subject) {
        Meaning::Name(name) => Some(name),
        Meaning::Long => headers.and_then(|headers| names::unescaped(headers.get(NAME)?.as_str())),
        Meaning::Nothing => None,
    }
}
