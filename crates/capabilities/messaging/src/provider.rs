//! This is a broker that a provider of the lattice has: `wasmcloud:messaging/consumer`, as the providers of wasmCloud 1.x serve it.
//!
//! What it brings to a component comes as a call of the component's own handler, and is none of a link's subscriptions: which
//! subjects those are the provider is told by a link that leads from it.
//!
//! # Invariants
//!
//! 1. A message is handed over once: after no answer nobody knows whether it was published.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Headers, Message, PublishError, RequestError, Subject, SubjectError};
use bytes::Bytes;
use capability::provider::{self, LinkedProvider, NoLattice};
use capability::{BackendInfo, OpenError, Settings};
use model::ComponentName;
use stdx::{BoxError, ByteSize, Trace};
use wire::{InvokeError, Peer, Peers};

use crate::carrier::{AskError, Carrier, Heard, SendError, Wanted};
use crate::exchange::{Exchange, Sharing};

/// The backend, as it is listed.
pub(crate) const INFO: BackendInfo = BackendInfo {
    name: provider::NAME,
    about: "by a provider of the lattice, which speaks wasmcloud:messaging as those of wasmCloud do",
    settings: &[provider::ID, provider::LINK, provider::TIMEOUT],
};

/// By so much longer than the provider itself the answer is waited for.
const GRACE: Duration = Duration::from_millis(500);

const CONSUMER: &str = "wasmcloud:messaging/consumer@0.2.0";

/// What a message is there: subject, body, and where it is to be answered.
type BrokerMessage = (String, Bytes, Option<String>);

/// Who publishes for a component.
pub(crate) struct Provider {
    peer: Peer,
    publish: Subject,
    request: Subject,
}

/// The broker of the provider that a link names. Whether it is there is found out by each message: it may come and go.
pub(crate) fn open(settings: &Settings, peers: Option<&Peers>) -> Result<Arc<Exchange>, OpenError> {
    let linked = LinkedProvider::of(settings);
    let named = format!("provider {}", linked.id);
    let peers = peers.ok_or_else(|| OpenError::refused(&named, NoLattice))?;
    let provider = Provider::of(peers.peer(&linked.id, &linked.link, linked.timeout));
    let provider = provider.map_err(|error| OpenError::refused(&named, error))?;
    Ok(Arc::new(Exchange::new(Arc::new(provider), Vec::new(), Sharing::ByComponent)))
}

// === impl Provider ===

impl Provider {
    fn of(peer: Peer) -> Result<Self, SubjectError> {
        let of = |name| peer.function(CONSUMER, name);
        let (publish, request) = (of("publish")?, of("request")?);
        Ok(Self { peer, publish, request })
    }
}

/// As the provider promises it.
#[async_trait]
impl Carrier for Provider {
    async fn publish(&self, source: &ComponentName, message: Message) -> Result<(), SendError> {
        let trace = only_a_trace(&message.headers)?;
        let reply = message.reply.as_ref().map(Subject::as_str);
        let said = (message.subject.as_str(), &message.payload, reply);
        let answer = self.peer.ask::<Result<(), String>>((source.as_str(), trace), &self.publish, &said).await;
        answer.map_err(not_sent)?.map_err(|text| refused(&text))
    }

    async fn request(&self, source: &ComponentName, question: Message, timeout: Duration) -> Result<Message, AskError> {
        let trace = only_a_trace(&question.headers).map_err(AskError::NotAsked)?;
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let said = (question.subject.as_str(), &question.payload, millis);
        let call = wire::Call { timeout: timeout.saturating_add(GRACE), ..self.peer.call((source.as_str(), trace)) };
        match self.peer.wire().ask::<Result<BrokerMessage, String>>(&self.request, &said, call).await {
            Ok(Ok(answer)) => answer_of(answer),
            Ok(Err(text)) => Err(AskError::NotAsked(refused(&text))),
            Err(InvokeError::Late { .. } | InvokeError::Unheard { .. }) => {
                let (subject, late) = (question.subject, rt::Late(timeout));
                Err(AskError::NotAnswered(RequestError::Timeout { subject, late }))
            }
            Err(error) => Err(AskError::NotAsked(not_sent(error))),
        }
    }

    /// The wire says so itself, of all that goes there.
    fn payload_max(&self) -> ByteSize {
        ByteSize::bytes(u64::MAX)
    }

    /// It has no subscriptions.
    async fn listen(&self, _: &ComponentName, _: Wanted<'_>) -> Result<Box<dyn Heard>, BoxError> {
        Err("a provider calls the component itself: there is nothing to subscribe to".into())
    }

    fn knows_who_answers(&self) -> bool {
        true
    }
}

/// What a message says beside its body, which a call has a place for.
fn only_a_trace(headers: &Headers) -> Result<Option<Trace>, SendError> {
    let has_others = headers.iter().any(|(name, _)| ![Trace::PARENT, Trace::STATE].contains(&name));
    if has_others { Err(SendError::NoHeaders) } else { Ok(headers.trace()) }
}

fn answer_of((subject, body, reply): BrokerMessage) -> Result<Message, AskError> {
    let read = |text: String| {
        text.parse::<Subject>().map_err(|error| AskError::NotAsked(SendError::Unavailable(error.into())))
    };
    let reply = reply.map(read).transpose()?;
    Ok(Message { reply, ..Message::new(read(subject)?, body) })
}

/// The words of a provider are for who looks for them.
fn refused(text: &str) -> SendError {
    tracing::debug!(says = %stdx::printable(text), "a provider of messages refuses");
    SendError::Refused("its provider does not take it")
}

fn not_sent(error: InvokeError) -> SendError {
    match error {
        InvokeError::TooLarge { size, limit, .. } => SendError::Bus(PublishError::TooLarge { size, limit }),
        error => SendError::Unavailable(error.into()),
    }
}

#[cfg(test)]
mod tests;
