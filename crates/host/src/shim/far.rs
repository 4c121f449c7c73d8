//! Functions that may lead to another host: their values are bytes on the way, and dynamic here where their types are not among
//! those that are known ([`typed`]).

use std::sync::Arc;

use engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, Val};

use super::typed;
use super::typed::TypedValues;
use super::ways::{Chosen, Ways};
use crate::abroad::Distant;
use crate::callee::{Call, Slot, Values};

/// Where a function is.
#[derive(Clone)]
pub(crate) enum Destination {
    Here(Arc<Slot>),
    Abroad(Box<Distant>),
}

pub(super) fn define(
    instance: &mut LinkerInstance<'_, State>,
    wanted: &ComponentFunc,
    ways: Ways<Destination>,
) -> wasmtime::Result<()> {
    let name = ways.name().to_owned();
    if let Some(known) = typed::known(wanted) {
        return known.define(instance, ways);
    }
    let ways = Arc::new(ways);
    if wanted.async_() {
        return instance.func_new_concurrent(&name, move |accessor, _, params, results| {
            let (ways, chosen) = (ways.clone(), accessor.with(|mut store| ways.choose(store.data_mut())));
            Box::pin(async move {
                let outcome = call(ways.call(chosen), Values { params, results: &mut *results }).await;
                ways.told(outcome, results)
            })
        });
    }
    instance.func_new_async(
        &name,
        move |mut store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
            let (ways, chosen) = (ways.clone(), ways.choose(store.data_mut()));
            Box::new(async move {
                let outcome = call(ways.call(chosen), Values { params, results: &mut *results }).await;
                ways.told(outcome, results)
            })
        },
    )
}

async fn call(Chosen { to, call }: Chosen<'_, Destination>, values: Values<'_>) -> wasmtime::Result<()> {
    match to {
        Destination::Here(slot) => slot.call(call, values).await,
        Destination::Abroad(distant) => distant.call(&call.caller, values).await,
    }
}

// === impl Destination ===

impl From<Arc<Slot>> for Destination {
    fn from(slot: Arc<Slot>) -> Self {
        Self::Here(slot)
    }
}

impl Destination {
    /// Calls it with values of types that are known here.
    pub(super) async fn call_typed<P: TypedValues, R: TypedValues>(
        &self,
        call: Call<'_>,
        params: P,
    ) -> wasmtime::Result<R> {
        match self {
            Self::Here(slot) => slot.call_typed(call, params).await,
            // Apart, so that a call that stays here carries nothing of it.
            Self::Abroad(distant) => Box::pin(distant.call_typed(&call.caller, params)).await,
        }
    }
}
