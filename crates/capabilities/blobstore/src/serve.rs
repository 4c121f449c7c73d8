//! Lets those on the bus keep objects with a component that exports `wasi:blobstore`: it is asked as a provider is, by `wrpc:blobstore`.
//!
//! ```text
//! another host's backend `provider` ═ wrpc:blobstore ═▶ ┬─ Offered ─ asked ─▶ Component   what is answered at once
//!                                                       └─ Flows ─ flowing ─▶ Component   objects and listings, as they flow
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

use async_trait::async_trait;
use bus::patiently;
use capability::{Callable, Cause, Duty, Form, Laid, Service, together};
use stdx::Chain;
use tokio::task::JoinSet;
use tracing::debug;
use wire::{Address, DecodeError, Function, Peers, Reader, Refusal, Streamed, Streaming, Wire};

use crate::component::Component;
use asked::Asked;
use flowing::Flowing;

/// A component that others keep objects with, as far as the answer comes at once.
struct Offered(Component);

/// The same where something flows.
struct Flows {
    component: Component,
    wire: Wire,
    address: Address,
}

/// The service, where the component exports what it takes.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    let component = Component::of(component)?;
    let (wire, address) = (peers.wire(), peers.address(component.name().as_str()));
    let asked = |duty| Some(capability::reach(Offered(component.clone()), component.name(), peers, duty));
    let flowing = |duty| -> Option<Service> {
        let flows = Flows { component: component.clone(), wire: wire.clone(), address: address.clone() };
        Some(Box::pin(Arc::new(flows).run(duty)))
    };
    together(duty, &[&asked, &flowing])
}

// === impl Offered ===

#[async_trait]
impl Form for Offered {
    type Asked = Asked;

    fn functions(&self) -> Vec<Function> {
        asked::functions()
    }

    fn read(&self, number: usize, reader: &mut Reader<'_>) -> Result<Asked, DecodeError> {
        asked::read(number, reader)
    }

    fn time(&self) -> Duration {
        self.0.time()
    }

    /// Where it is full, it is waited for as long as another call of it may take.
    async fn answer(&self, _: usize, asked: Asked, cause: Cause) -> Result<Laid, Refusal> {
        asked.answer(&self.0.within(cause)).await
    }
}

// === impl Flows ===

impl Flows {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let mut flowing = tokio::select! {
            biased;
            () = duty.over() => return,
            served = self.serve() => served,
        };
        duty.begin();
        let (mut running, mut is_over) = (JoinSet::new(), false);
        loop {
            tokio::select! {
                () = duty.over(), if !is_over => {
                    is_over = true;
                    flowing.end();
                }
                call = flowing.next() => match call {
                    Some(call) => drop(running.spawn(self.clone().flow(call))),
                    None => break,
                },
                Some(_) = running.join_next() => {}
            }
        }
        // Who has called a moment ago is still told that he was heard.
        tokio::join!(flowing.drain(), async { while running.join_next().await.is_some() {} });
    }

    /// Begins to be called, as soon as the bus takes it.
    async fn serve(&self) -> Streamed<Flowing> {
        let not_yet = format!("others cannot keep objects with {} yet", self.component.name());
        patiently(&not_yet, || self.wire.serve_streams(&self.address, flowing::functions(), flowing::read)).await
    }

    async fn flow(self: Arc<Self>, call: Streaming<Flowing>) {
        let component = self.component.within(Cause {
            trace: call.origin.trace.clone(),
            depth: call.origin.depth,
            ..Cause::default()
        });
        if let Err(error) = flowing::flow(&component, call).await {
            // A caller who has enough says no more than that.
            debug!(component = %component.name(), error = %Chain(&error), "what was asked for was not given to its end");
        }
    }
}
