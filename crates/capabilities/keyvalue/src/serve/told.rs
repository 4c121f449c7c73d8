//! What a provider tells a component of: `wrpc:keyvalue/watcher`, as the providers of wasmCloud 1.x call it.
//!
//! Which keys they are the provider knows, by a link that leads from it to the component. The component gets a handle of the bucket
//! of that name by its link without a name.
//!
//! # Invariants
//!
//! 1. A call that was taken is answered when the component has handled it, or refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use capability::{Callable, Calls, Cause, Duty, Form, Laid, Service, refusal, seat_within};
use model::LinkName;
use wire::{Decode, DecodeError, Function, Peers, Reader, Refusal, encode};

use super::{Telling, functions_of};

/// Where providers say it.
const WATCHER: &str = "wrpc:keyvalue/watcher@0.2.0-draft";

/// A component that providers tell of changes.
struct Informed {
    on_set: Arc<dyn Calls>,
    on_delete: Arc<dyn Calls>,
}

/// What is told: bucket, key, and what is there now.
type Change = (String, String, Option<Bytes>);

/// The service, where the component exports a watcher.
pub(crate) fn reach(component: &dyn Callable, peers: &Peers, duty: Duty) -> Option<Service> {
    let (on_set, on_delete) = functions_of(component)?;
    Some(capability::reach(Informed { on_set, on_delete }, component.name(), peers, duty))
}

// === impl Informed ===

#[async_trait]
impl Form for Informed {
    type Asked = Change;

    fn functions(&self) -> Vec<Function> {
        ["on-set", "on-delete"].map(|name| Function::of(WATCHER, name)).to_vec()
    }

    fn read(&self, number: usize, reader: &mut Reader<'_>) -> Result<Change, DecodeError> {
        if number == 0 {
            let (bucket, key, value) = Decode::read(reader)?;
            return Ok((bucket, key, Some(value)));
        }
        let (bucket, key) = Decode::read(reader)?;
        Ok((bucket, key, None))
    }

    fn time(&self) -> Duration {
        self.on_set.time()
    }

    async fn answer(&self, _: usize, (bucket, key, value): Change, cause: Cause) -> Result<Laid, Refusal> {
        let function = if value.is_some() { &self.on_set } else { &self.on_delete };
        let seat = seat_within(function.place(), cause.time()).await?;
        let mut telling = Telling { link: LinkName::default(), bucket, key, value, cause };
        let told = function.call(seat, None, &mut telling).await;
        told.map(|()| encode(&())).map_err(|error| refusal(&error))
    }
}
