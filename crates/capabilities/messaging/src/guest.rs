//! This is `wasmcloud:messaging@0.2.0` as a component imports it: publish, and request.
//!
//! # Invariants
//!
//! 1. A failure of the bus is logged once until it is well again, and answered by its class in a sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::{Message, RequestError, Subject};
use capability::{Linking, OpenLink};
use engine::{Bound, State};
use model::{ComponentName, LinkName, Terms};
use stdx::Chain;
use tracing::warn;
use wasmtime::component::HasSelf;

use self::wasmcloud::messaging::{consumer, types};
use crate::carrier::{AskError, SendError};
use crate::exchange::Exchange;
use crate::subjects::{self, Refused};

pub(crate) use self::wasmcloud::messaging::types::BrokerMessage;

wasmtime::component::bindgen!({
    path: "../../../wit/wasmcloud-messaging",
    world: "wasmcloud:messaging/imports",
    imports: { default: async },
});

/// What is offered, each in its exact version.
pub(crate) const CONTRACTS: [&str; 2] = ["wasmcloud:messaging/types@0.2.0", "wasmcloud:messaging/consumer@0.2.0"];

/// What a link is chosen for.
const INTERFACE: &str = "wasmcloud:messaging/consumer";

/// Defines the functions.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    let [of_types, of_consumer] = CONTRACTS;
    linking.define(of_types, types::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_consumer, consumer::add_to_linker_instance::<_, HasSelf<State>>)
}

/// What one component is bound to: its links, of which one was chosen by name.
pub(crate) struct Binding {
    component: ComponentName,
    links: Vec<(LinkName, Link)>,
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
    #[error(transparent)]
    Send(SendError),
    #[error(transparent)]
    Request(RequestError),
}

impl types::Host for State {}

impl consumer::Host for State {
    async fn request(&mut self, subject: String, body: Vec<u8>, timeout_ms: u32) -> Result<BrokerMessage, String> {
        let bound = self.bound().clone();
        let timeout = Duration::from_millis(timeout_ms.into());
        let way = way(&bound, self.chosen(INTERFACE)).map_err(|failure| failure.to_string())?;
        way.request(&subject, body, timeout).await.map_err(|failure| failure.to_string())
    }

    async fn publish(&mut self, msg: BrokerMessage) -> Result<(), String> {
        let bound = self.bound().clone();
        let way = way(&bound, self.chosen(INTERFACE)).map_err(|failure| failure.to_string())?;
        way.publish(msg).await.map_err(|failure| failure.to_string())
    }
}

/// The way that calls of a component with this bound go, by the link of that name.
fn way<'a>(bound: &'a Bound, chosen: &str) -> Result<Way<'a>, Failure> {
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
        Self { component: component.clone(), links: links.iter().map(|it| (it.name.clone(), link(it))).collect() }
    }

    /// The way by the link of that name.
    pub(crate) fn way(&self, name: &str) -> Option<Way<'_>> {
        let (_, link) = self.links.iter().find(|(link, _)| link.as_str() == name)?;
        Some(Way { component: &self.component, link })
    }
}

// === impl Way ===

impl Way<'_> {
    pub(crate) async fn publish(&self, message: BrokerMessage) -> Result<(), Failure> {
        let (link, exchange) = self.exchange()?;
        let subject = self.subject(exchange, &message.subject)?;
        let reply = message.reply_to.map(|reply| self.subject(exchange, &reply)).transpose()?;
        let message = Message { reply, ..Message::new(subject, message.body.into()) };
        match rt::within(link.terms.timeout, exchange.carrier.publish(message)).await {
            Ok(Ok(())) => {
                link.is_well();
                Ok(())
            }
            Ok(Err(error)) => Err(self.not_sent(link, error)),
            Err(late) => Err(self.not_sent(link, SendError::Unavailable(late.into()))),
        }
    }

    pub(crate) async fn request(
        &self,
        subject: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<BrokerMessage, Failure> {
        let (link, exchange) = self.exchange()?;
        let subject = self.subject(exchange, subject)?;
        let timeout = link.terms.timeout.map_or(timeout, |limit| timeout.min(limit));
        match exchange.carrier.request(subject, body.into(), timeout).await {
            Ok(answer) => {
                link.is_well();
                Ok(BrokerMessage::from_bus(answer))
            }
            Err(AskError::NotAsked(error)) => Err(self.not_sent(link, error)),
            Err(AskError::NotAnswered(error)) => Err(Failure::Request(error)),
        }
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

// === impl Link ===

impl Link {
    fn is_well(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }
}

// === impl BrokerMessage ===

impl BrokerMessage {
    /// A message as a component sees it: where it is to be answered is named if the component may answer there.
    pub(crate) fn from_bus(message: Message) -> Self {
        let is_usable = |reply: &Subject| subjects::is_inbox(reply) || subjects::subject(reply.as_str()).is_ok();
        Self {
            subject: message.subject.as_str().to_owned(),
            reply_to: message.reply.filter(is_usable).map(|reply| reply.as_str().to_owned()),
            body: message.payload.into(),
        }
    }
}
