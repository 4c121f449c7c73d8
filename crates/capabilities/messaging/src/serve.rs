//! Calls a component with the messages on its subscriptions.
//!
//! # Invariants
//!
//! 1. One message at most is taken out of its queue while the component has no place for it: what comes meanwhile waits in
//!    the bounded queue of the subscription.
//! 2. When it is over, what the server had sent before it heard of that is still handled.

mod kept;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::Message;
use capability::{Callable, Calls, Duty, Job, OpenLink, Seat, Service};
use engine::State;
use futures::FutureExt;
use model::{ComponentName, LinkName};
use stdx::{Chain, Trace};
use tokio::task::JoinSet;
use tracing::warn;
use wasmtime::Store;
use wasmtime::component::{Func, Resource};

use crate::carrier::Heard;
use crate::exchange::{Answering, Exchange};
use crate::guest::HANDLERS;
use crate::guest::broker::BrokerMessage;
use crate::guest::wasi::Handle;
use crate::guest::wasi::wasi::messaging::types::Error;
use crate::subjects;

/// After a subscription that failed, so long until the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// What calls one component by one link.
pub(crate) struct Server {
    component: ComponentName,
    link: LinkName,
    exchange: Arc<Exchange>,
    handler: Arc<dyn Calls>,
    form: Form,
    timeout: Option<Duration>,
}

/// The contract that a handler is of.
#[derive(Debug, Clone, Copy)]
enum Form {
    Broker,
    Wasi,
}

/// One message that the component is called with.
struct Handling {
    message: Option<Message>,
    /// That it is a part of.
    trace: Option<Trace>,
    form: Form,
    /// That it came by.
    link: LinkName,
    outcome: Result<(), String>,
    _answering: Answering,
}

/// The service, if the link has subscriptions and the component exports the handler.
pub(crate) fn serve(component: &dyn Callable, link: &OpenLink, duty: Duty) -> Option<Service> {
    let exchange = link.target.as_ref()?.target::<Exchange>()?.clone();
    if exchange.subscriptions.is_empty() {
        return None;
    }
    let Some((handler, form)) = handler_of(component) else {
        let [(one, _), (other, _)] = HANDLERS;
        warn!(component = %component.name(), "the link has subscriptions, and the component exports neither {one} nor {other}");
        return None;
    };
    let (component, timeout) = (component.name().clone(), link.terms.timeout);
    let carrier = exchange.carrier.clone();
    Some(carrier.serve(Server { component, link: link.name.clone(), exchange, handler, form, timeout }, duty))
}

/// What the component exports to be called with messages.
fn handler_of(component: &dyn Callable) -> Option<(Arc<dyn Calls>, Form)> {
    let exported = |(contract, function): (&str, &str)| {
        component.function(&contract.parse().expect("it is written in full"), function)
    };
    let [broker, wasi] = HANDLERS;
    let of_wasi = || exported(wasi).map(|handler| (handler, Form::Wasi));
    exported(broker).map(|handler| (handler, Form::Broker)).or_else(of_wasi)
}

// === impl Server ===

impl Server {
    /// Calls the component with what it is subscribed to, until the duty is over and all has ended.
    pub(crate) async fn run(self, mut duty: Duty) {
        let mut running = JoinSet::new();
        loop {
            let mut heard = tokio::select! {
                // Once it is over, a session of a broker is somebody else's.
                biased;
                () = duty.over() => break,
                heard = self.listen() => heard,
            };
            duty.begin();
            let is_over = self.call_with(&mut *heard, &mut running, &mut duty).await;
            if is_over {
                while running.join_next().await.is_some() {}
                heard.close().await;
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        while running.join_next().await.is_some() {}
    }

    /// Subscribes to everything, again and again until it works.
    async fn listen(&self) -> Box<dyn Heard> {
        let (exchange, mut is_said) = (&*self.exchange, false);
        let group = exchange.group(&self.component);
        loop {
            let wanted = (&*exchange.subscriptions, group.as_ref());
            match exchange.carrier.listen(&self.component, wanted).await {
                Ok(heard) => return heard,
                Err(error) if !is_said => {
                    warn!(component = %self.component, error = %Chain(&*error), "cannot subscribe; it is tried again");
                    is_said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Handles what is heard until nothing is any more: because it is over, which is answered with, or something goes wrong.
    async fn call_with(&self, heard: &mut dyn Heard, running: &mut JoinSet<()>, duty: &mut Duty) -> bool {
        let mut waiting = None;
        let (mut is_over, mut is_empty, mut dropped) = (false, false, 0);
        while !is_empty || waiting.is_some() {
            tokio::select! {
                () = duty.over(), if !is_over => {
                    is_over = true;
                    heard.end().await;
                }
                next = heard.next(), if !is_empty && waiting.is_none() => {
                    is_empty = next.is_none();
                    waiting = next;
                    dropped = self.say_dropped(heard.dropped(), dropped);
                }
                seat = self.handler.place(), if waiting.is_some() => {
                    if let Some((message, receipt)) = waiting.take() {
                        let handled = self.handling(message).run(self.handler.clone(), seat, self.timeout);
                        running.spawn(handled.map(|_is_done| receipt.into_iter().for_each(|settle| settle())));
                    }
                }
                Some(_ended) = running.join_next() => {}
            }
        }
        is_over
    }

    /// Says that messages were dropped, where more of them were than was said.
    fn say_dropped(&self, dropped: u64, said: u64) -> u64 {
        // Each time that it has doubled: a component that stays too slow does not flood the log.
        if dropped > said.saturating_mul(2) {
            warn!(component = %self.component, dropped, "it does not keep up: messages that found its queue full were dropped");
            return dropped;
        }
        said
    }

    fn handling(&self, message: Message) -> Handling {
        let inbox = message.reply.as_ref().filter(|reply| subjects::is_inbox(reply));
        let answering = self.exchange.let_answer(&self.component, inbox);
        let (trace, link, form) = (message.headers.trace(), self.link.clone(), self.form);
        Handling { message: Some(message), trace, form, link, outcome: Ok(()), _answering: answering }
    }
}

// === impl Handling ===

impl Handling {
    /// Calls the component; whether the message was handled well, which is of use where it could come again.
    async fn run(mut self, handler: Arc<dyn Calls>, seat: Seat, timeout: Option<Duration>) -> bool {
        let subject = self.message.as_ref().map(|message| message.subject.to_string()).unwrap_or_default();
        // What went wrong in the call itself was logged by the host.
        let called = handler.call(seat, timeout, &mut self).await;
        if let (Ok(()), Err(text)) = (&called, &self.outcome) {
            let trace = self.trace.as_ref().map(Trace::id);
            warn!(subject, trace, error = %stdx::printable(text), "a message was handled with an error");
        }
        called.is_ok() && self.outcome.is_ok()
    }
}

#[async_trait]
impl Job for Handling {
    fn trace(&self) -> Option<Trace> {
        self.trace.clone()
    }

    async fn run(&mut self, store: &mut Store<State>, functions: &[Func]) -> wasmtime::Result<()> {
        // It is the only one that was asked for.
        let function = functions[0];
        // A job is run once: where it were run again, there would be nothing to call with.
        let message = self.message.take().ok_or_else(|| wasmtime::Error::msg("the message was handled already"))?;
        self.outcome = match self.form {
            Form::Broker => {
                let function = function.typed::<(BrokerMessage,), (Result<(), String>,)>(&*store)?;
                function.call_async(store, (BrokerMessage::from_bus(message),)).await?.0
            }
            Form::Wasi => {
                let function = function.typed::<(Resource<Handle>,), (Result<(), Error>,)>(&*store)?;
                let message = store.data_mut().table.push(Handle::received(message, self.link.as_str()))?;
                function.call_async(store, (message,)).await?.0.map_err(|error| error.to_string())
            }
        };
        Ok(())
    }
}
