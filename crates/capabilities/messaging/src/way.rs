//! This is a component's way to its brokers, whatever contract it speaks: publish, and request.
//!
//! # Invariants
//!
//! 1. A failure of the bus is logged once until it is well again, and answered by its class in a sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::{Gather, Headers, HeadersError, Message, RequestError, Subject};
use bytes::Bytes;
use capability::OpenLink;
use engine::Bound;
use model::{ComponentName, LinkName, Terms};
use stdx::{ByteSize, Chain, Trace};
use tracing::warn;

use crate::carrier::{AskError, SendError};
use crate::exchange::Exchange;
use crate::held::Held;
use crate::subjects::{self, Refused};

/// What one component is bound to: its links, of which one was chosen by name.
pub(crate) struct Binding {
    component: ComponentName,
    links: Vec<(LinkName, Link)>,
    held: Arc<Held>,
}

/// What a component says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) subject: String,
    /// Where an answer is expected, if one is.
    pub(crate) reply: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// That it is a part of.
    pub(crate) trace: Option<Trace>,
}

/// A component's way to one of its brokers.
pub(crate) struct Way<'a> {
    component: &'a ComponentName,
    link: &'a Link,
}

/// Where messages go, and on what terms.
struct Link {
    exchange: Option<Arc<Exchange>>,
    terms: Terms,
    is_failing: AtomicBool,
}

/// Why a call did not do what it was asked, in words for the component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the component is linked to no message broker")]
    NotLinked,
    #[error("the message broker is not available")]
    Unavailable,
    #[error(transparent)]
    Subject(#[from] Refused),
    #[error("the component has no link to a message broker that is called {0}")]
    NoSuchLink(String),
    #[error(transparent)]
    Headers(#[from] HeadersError),
    #[error(transparent)]
    Send(SendError),
    #[error(transparent)]
    Request(RequestError),
}

/// The way that calls of a component with this bound go, by the link of that name.
pub(crate) fn way<'a>(bound: &'a Bound, chosen: &str) -> Result<Way<'a>, Failure> {
    bound.part::<Binding>().and_then(|binding| binding.way(chosen)).ok_or(Failure::NotLinked)
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(component: &ComponentName, links: &[OpenLink]) -> Self {
        let link = |link: &OpenLink| Link {
            exchange: link.target.as_ref().and_then(|target| target.target()).cloned(),
            terms: link.terms.clone(),
            is_failing: AtomicBool::new(false),
        };
        let links = links.iter().map(|it| (it.name.clone(), link(it))).collect();
        Self { component: component.clone(), links, held: Arc::default() }
    }

    /// What the component's messages take, those that it has handles of.
    pub(crate) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// The way by the link of that name.
    pub(crate) fn way(&self, name: &str) -> Option<Way<'_>> {
        let (_, link) = self.links.iter().find(|(link, _)| link.as_str() == name)?;
        Some(Way { component: &self.component, link })
    }
}

// === impl Said ===

impl Said {
    /// The same as a part of a trace, unless the component says something of one itself.
    pub(crate) fn within(self, trace: Option<&Trace>) -> Self {
        Self { trace: trace.cloned(), ..self }
    }
}

// === impl Way ===

impl Way<'_> {
    pub(crate) async fn publish(&self, said: Said) -> Result<(), Failure> {
        let (link, exchange) = self.exchange()?;
        let message = self.message(exchange, said)?;
        match rt::within(link.terms.timeout, exchange.publish(self.component, message)).await {
            Ok(Ok(())) => {
                link.is_well();
                Ok(())
            }
            Ok(Err(error)) => Err(self.not_sent(link, error)),
            Err(late) => Err(self.not_sent(link, SendError::Unavailable(late.into()))),
        }
    }

    /// Asks, and waits for one answer.
    pub(crate) async fn request(&self, said: Said, timeout: Duration) -> Result<Message, Failure> {
        let (link, exchange) = self.exchange()?;
        let question = self.message(exchange, said)?;
        let timeout = link.terms.timeout.map_or(timeout, |limit| timeout.min(limit));
        self.answered(link, exchange.carrier.request(self.component, question, timeout).await)
    }

    /// Asks, and waits for so many answers, or for as many as come in time.
    pub(crate) async fn request_many(&self, said: Said, gather: Gather) -> Result<Vec<Message>, Failure> {
        let (link, exchange) = self.exchange()?;
        let question = self.message(exchange, said)?;
        let time_max = link.terms.timeout.map_or(gather.time_max, |limit| gather.time_max.min(limit));
        self.answered(link, exchange.carrier.request_many(question, Gather { time_max, ..gather }).await)
    }

    fn answered<T>(&self, link: &Link, outcome: Result<T, AskError>) -> Result<T, Failure> {
        match outcome {
            Ok(answer) => {
                link.is_well();
                Ok(answer)
            }
            Err(AskError::NotAsked(error)) => Err(self.not_sent(link, error)),
            Err(AskError::NotAnswered(error)) => Err(Failure::Request(error)),
        }
    }

    fn message(&self, exchange: &Exchange, said: Said) -> Result<Message, Failure> {
        let subject = self.subject(exchange, &said.subject)?;
        let reply = said.reply.map(|reply| self.subject(exchange, &reply)).transpose()?;
        let message = Message { reply, headers: said.headers, ..Message::new(subject, said.body) };
        Ok(match said.trace {
            Some(trace) => within(message, &trace, exchange.carrier.payload_max()),
            None => message,
        })
    }

    fn exchange(&self) -> Result<(&Link, &Exchange), Failure> {
        let exchange = self.link.exchange.as_deref().ok_or(Failure::Unavailable)?;
        Ok((self.link, exchange))
    }

    /// A subject that the component may use: one that is nobody's, or the inbox of somebody whose message it handles.
    fn subject(&self, exchange: &Exchange, text: &str) -> Result<Subject, Failure> {
        let inbox = text.parse().ok().filter(subjects::is_inbox);
        match inbox {
            Some(inbox) if exchange.may_answer(self.component, &inbox) => Ok(inbox),
            Some(_) => Err(Refused::NotAsked(text.into()).into()),
            None => Ok(subjects::subject(text)?),
        }
    }

    /// What the component is told; why nothing gets anywhere is for the log.
    fn not_sent(&self, link: &Link, error: SendError) -> Failure {
        let SendError::Unavailable(cause) = error else { return Failure::Send(error) };
        if !link.is_failing.swap(true, Ordering::Relaxed) {
            warn!(component = %self.component, error = %Chain(&*cause), "a message could not be sent");
        }
        Failure::Unavailable
    }
}

/// A message as a part of a trace; as it is where it would be too large then: it does not fail of its trace.
fn within(message: Message, trace: &Trace, size_max: ByteSize) -> Message {
    let traced = Message { headers: message.headers.clone().within(trace), ..message.clone() };
    if traced.size() as u64 <= size_max.as_u64() { traced } else { message }
}

// === impl Link ===

impl Link {
    fn is_well(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }
}
