//! Lets those on the bus keep objects with a component that exports `wasi:blobstore`: it is asked as a provider is, by `wrpc:blobstore`.
//!
//! ```text
//! another host's backend `provider` ═ wrpc:blobstore ═▶ Offered ─┬─ asked ───▶ Component   what is answered at once
//!                                                                └─ flowing ─▶ Component   objects and listings, as they flow
//! ```
//!
//! # Invariants
//!
//! 1. A call that was taken is answered when the component has done it, or refused where it failed; what the component says itself is
//!    the answer.
//! 2. An object of any size passes within little memory: it is read and written as fast as the slower side goes.
//!
//! # Not here
//!
//! Whose objects they are: who asks is not told to the component.

mod asked;
mod flowing;

use std::sync::Arc;
use std::time::Duration;

use bus::patiently;
use capability::{Callable, Cause, Duty, Service};
use stdx::Chain;
use tokio::task::JoinSet;
use tracing::{debug, warn};
use wire::{Address, Invocation, Origin, Peers, Reason, Refusal, Served, Streamed, Streaming, Wire};

use crate::component::Component;
use asked::Asked;
use flowing::Flowing;

/// So long a call may take whose caller says nothing of that, and whose answer does not flow.
const TIME: Duration = Duration::from_secs(10);

/// A component that others keep objects with.
struct Offered {
    component: Component,
    wire: Wire,
    address: Address,
}

/// The service, where the component exports what it takes.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    let component = Component::of(component)?;
    let (wire, address) = (peers.wire().clone(), peers.address(component.name().as_str()));
    Some(Box::pin(Arc::new(Offered { component, wire, address }).run(duty)))
}

// === impl Offered ===

impl Offered {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let (mut asked, mut flowing) = tokio::select! {
            biased;
            () = duty.over() => return,
            served = self.serve() => served,
        };
        duty.begin();
        let mut running = JoinSet::new();
        let (mut is_over, mut has_asked, mut has_flowing) = (false, true, true);
        while has_asked || has_flowing {
            tokio::select! {
                () = duty.over(), if !is_over => {
                    is_over = true;
                    asked.end();
                    flowing.end();
                }
                call = asked.next(), if has_asked => match call {
                    Some(call) => drop(running.spawn(self.clone().answer(call))),
                    None => has_asked = false,
                },
                call = flowing.next(), if has_flowing => match call {
                    Some(call) => drop(running.spawn(self.clone().flow(call))),
                    None => has_flowing = false,
                },
                Some(_) = running.join_next() => {}
            }
        }
        // Who has called a moment ago is still told that he was heard.
        let ended = async { while running.join_next().await.is_some() {} };
        tokio::join!(asked.drain(), flowing.drain(), ended);
    }

    /// Begins to be called, as soon as the bus takes it.
    async fn serve(&self) -> (Served<Asked>, Streamed<Flowing>) {
        let not_yet = format!("others cannot keep objects with {} yet", self.component.name());
        let asked = || self.wire.serve_with(&self.address, asked::functions(), asked::read);
        let flowing = || self.wire.serve_streams(&self.address, flowing::functions(), flowing::read);
        (patiently(&not_yet, asked).await, patiently(&not_yet, flowing).await)
    }

    /// The component as it is asked by a call.
    fn component(&self, origin: &Origin, time: Option<Duration>) -> Component {
        self.component.within(Cause { trace: origin.trace.clone(), depth: origin.depth }, time)
    }

    async fn answer(self: Arc<Self>, call: Invocation<Asked>) {
        let Invocation { params, origin, reply, .. } = call;
        // What he says of that has no bound. Where it is full, it is waited for as long as another call of it may take.
        let time = origin.remaining.unwrap_or(TIME).min(self.component.time().saturating_mul(2));
        let component = self.component(&origin, Some(time));
        match rt::within(Some(time), params.answer(&component)).await {
            Ok(Ok(values)) => {
                if let Err(error) = reply.answer(values).await {
                    warn!(component = %component.name(), error = %Chain(&error), "an answer could not be sent");
                }
            }
            // What went wrong was logged by the host.
            Ok(Err(error)) => {
                let refusal = Refusal::new(Reason::Failed, &Chain(&*error).to_string());
                reply.refuse(&refusal).await;
            }
            Err(late) => reply.refuse(&Refusal::new(Reason::Failed, &late.to_string())).await,
        }
    }

    async fn flow(self: Arc<Self>, call: Streaming<Flowing>) {
        let component = self.component(&call.origin, None);
        if let Err(error) = flowing::flow(&component, call).await {
            // A caller who has enough says no more than that.
            debug!(component = %component.name(), error = %Chain(&error), "what was asked for was not given to its end");
        }
    }
}
