//! What a provider tells a component of: `wrpc:keyvalue/watcher`, as the providers of wasmCloud 1.x call it.
//!
//! Which keys they are the provider knows, by a link that leads from it to the component. The component gets a handle of the bucket
//! of that name by its link without a name.
//!
//! # Invariants
//!
//! 1. A call that was taken is answered when the component has handled it, or refused.
//! 2. A component that is full is waited for, as long as who calls it waits.

use std::sync::Arc;
use std::time::Duration;

use bus::patiently;
use bytes::Bytes;
use capability::{Callable, Calls, Duty, Service};
use model::{ComponentName, LinkName};
use rt::within;
use stdx::Chain;
use tracing::warn;
use wire::{Address, Decode, DecodeError, Function, Invocation, Peers, Reader, Reason, Refusal, Served, Wire};

use super::{Telling, functions_of};

/// Where providers say it.
const WATCHER: &str = "wrpc:keyvalue/watcher@0.2.0-draft";

/// So long a call may take whose caller says nothing of that.
const TIME: Duration = Duration::from_secs(10);

/// A component that providers tell of changes.
struct Informed {
    component: ComponentName,
    wire: Wire,
    address: Address,
    on_set: Arc<dyn Calls>,
    on_delete: Arc<dyn Calls>,
}

/// What is told: bucket, key, and what is there now.
type Change = (String, String, Option<Bytes>);

/// The service, where the component exports a watcher.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    let (on_set, on_delete) = functions_of(component)?;
    let component = component.name().clone();
    let (wire, address) = (peers.wire().clone(), peers.address(component.as_str()));
    let told = Informed { component, wire, address, on_set, on_delete };
    Some(Box::pin(Arc::new(told).run(duty)))
}

/// Reads what a function is told; the first is `on-set`.
fn read(function: usize, reader: &mut Reader<'_>) -> Result<Change, DecodeError> {
    if function == 0 {
        let (bucket, key, value) = Decode::read(reader)?;
        return Ok((bucket, key, Some(value)));
    }
    let (bucket, key) = Decode::read(reader)?;
    Ok((bucket, key, None))
}

// === impl Informed ===

impl Informed {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let served = tokio::select! {
            biased;
            () = duty.over() => return,
            served = self.serve() => served,
        };
        duty.begin();
        served.answer_all(duty.over(), |call| self.clone().tell(call)).await;
    }

    /// Begins to be called, as soon as the bus takes it.
    async fn serve(&self) -> Served<Change> {
        let functions = || ["on-set", "on-delete"].map(|name| Function::of(WATCHER, name)).to_vec();
        let not_yet = format!("providers cannot tell {} of keys yet", self.component);
        patiently(&not_yet, || self.wire.serve_with(&self.address, functions(), read)).await
    }

    async fn tell(self: Arc<Self>, call: Invocation<Change>) {
        let Invocation { params: (bucket, key, value), origin, reply, .. } = call;
        let time = origin.remaining.unwrap_or(TIME).min(TIME);
        let function = if value.is_some() { &self.on_set } else { &self.on_delete };
        let mut telling = Telling { link: LinkName::default(), bucket, key, value, trace: origin.trace };
        let Ok(seat) = within(Some(time), function.place()).await else {
            return reply.refuse(&Refusal::new(Reason::Busy, "")).await;
        };
        // What went wrong was logged by the host.
        match function.call(seat, Some(time), &mut telling).await {
            Ok(()) => {
                if let Err(error) = reply.answer(wire::encode(&())).await {
                    warn!(component = %self.component, error = %Chain(&error), "an answer could not be sent");
                }
            }
            Err(error) => {
                let refusal = Refusal::new(Reason::Failed, &Chain(&error).to_string());
                reply.refuse(&refusal).await;
            }
        }
    }
}
