//! Lets those on the bus keep keys with a component that exports `wasi:keyvalue`: it is asked as a provider is, by `wrpc:keyvalue`.
//!
//! # Invariants
//!
//! 1. A component that is full is waited for, for half of the time that its caller has, so that he is told while he still waits; and
//!    for half of its own at most, whatever he says: what he has sent is held here meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use capability::{Callable, Cause, Duty, Form, Laid, Service, seat_within};
use wire::{DecodeError, Function, Peers, Reader, Refusal};

use super::Component;
use super::asked::Asked;
use super::asking::Asking;

/// The service, where the component exports anything that it can be asked for.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    Some(capability::reach(Component::of(component)?, component.name(), peers, duty))
}

// === impl Component ===

#[async_trait]
impl Form for Component {
    type Asked = Asked;

    fn functions(&self) -> Vec<Function> {
        self.exported.iter().map(|(question, _)| question.function()).collect()
    }

    fn read(&self, number: usize, reader: &mut Reader<'_>) -> Result<Asked, DecodeError> {
        self.exported[number].0.read(reader)
    }

    fn time(&self) -> Duration {
        // Whichever is asked, the component has one.
        self.exported[0].1.time()
    }

    async fn answer(&self, number: usize, asked: Asked, cause: Cause) -> Result<Laid, Refusal> {
        let keeper = self.exported[number].1.within(cause);
        let seat = seat_within(keeper.place(), keeper.time()).await?;
        asked.answer(Asking { keeper, seat, version: self.version }).await
    }
}
