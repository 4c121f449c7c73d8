//! Lets those on the bus keep keys with a component that exports `wasi:keyvalue`: it is asked as a provider is, by `wrpc:keyvalue`.
//!
//! # Invariants
//!
//! 1. A call that was taken is answered when the component has done it, or refused where it failed; what the component says itself is
//!    the answer.
//! 2. A component that is full is waited for, for half of the time that its caller has, so that he is told while he still waits; and
//!    for half of its own at most, whatever he says: what he has sent is held here meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bus::patiently;
use capability::{Callable, Cause, Duty, Service};
use rt::within;
use stdx::Chain;
use tracing::warn;
use wire::{Address, Invocation, Origin, Peers, Reason, Refusal, Served, Wire};

use super::asked::{Asked, Laid};
use super::asking::Asking;
use super::{Component, Question};

/// So long a call may take whose caller says nothing of that.
const TIME: Duration = Duration::from_secs(10);

/// A component that others keep keys with.
struct Offered {
    component: Component,
    wire: Wire,
    address: Address,
}

/// The service, where the component exports anything that it can be asked for.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    let component = Component::of(component)?;
    let (wire, address) = (peers.wire().clone(), peers.address(component.name.as_str()));
    Some(Box::pin(Arc::new(Offered { component, wire, address }).run(duty)))
}

// === impl Offered ===

impl Offered {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let served = tokio::select! {
            biased;
            () = duty.over() => return,
            served = self.serve() => served,
        };
        duty.begin();
        served.answer_all(duty.over(), |call| self.clone().answer(call)).await;
    }

    /// Begins to be called, as soon as the bus takes it.
    async fn serve(&self) -> Served<Asked> {
        let not_yet = format!("others cannot keep keys with {} yet", self.component.name);
        let questions: Arc<[Question]> = self.component.exported.iter().map(|(question, _)| *question).collect();
        let serve = || {
            let functions = questions.iter().map(|question| question.function()).collect();
            let questions = questions.clone();
            self.wire.serve_with(&self.address, functions, move |number, reader| questions[number].read(reader))
        };
        patiently(&not_yet, serve).await
    }

    async fn answer(self: Arc<Self>, call: Invocation<Asked>) {
        let Invocation { function, params, origin, reply } = call;
        let time = origin.remaining.unwrap_or(TIME);
        let outcome = within(Some(time), self.ask((function, params), (origin, time))).await;
        match outcome.unwrap_or_else(|late| Err(Refusal::new(Reason::Failed, &late.to_string()))) {
            Ok(values) => {
                if let Err(error) = reply.answer(values).await {
                    warn!(component = %self.component.name, error = %Chain(&error), "an answer could not be sent");
                }
            }
            Err(refusal) => reply.refuse(&refusal).await,
        }
    }

    /// Asks the component, as soon as it has a place.
    async fn ask(
        &self,
        (function, asked): (usize, Asked),
        (origin, time): (Origin, Duration),
    ) -> Result<Laid, Refusal> {
        let cause = Cause { trace: origin.trace, depth: origin.depth };
        let (_, keeper) = &self.component.exported[function];
        let keeper = keeper.within(cause, Some(time));
        let seat = within(Some(keeper.time() / 2), keeper.place()).await;
        let seat = seat.map_err(|late| Refusal::new(Reason::Busy, &late.to_string()))?;
        let asking = Asking { keeper, seat, version: self.component.version };
        // What went wrong was logged by the host.
        asked.answer(asking).await.map_err(|error| Refusal::new(Reason::Failed, &Chain(&*error).to_string()))
    }
}
