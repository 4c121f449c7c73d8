//! Functions that may lead to another host: their values are dynamic here, and bytes on the way.

use std::sync::Arc;

use engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, Val};

use super::ways::{Chosen, Ways};
use crate::abroad::Distant;
use crate::callee::{Slot, Values};

/// Where a function is.
pub(super) enum Destination {
    Here(Arc<Slot>),
    Abroad(Box<Distant>),
}

pub(super) fn define(
    instance: &mut LinkerInstance<'_, State>,
    wanted: &ComponentFunc,
    ways: Ways<Destination>,
) -> wasmtime::Result<()> {
    let name = ways.name().to_owned();
    let ways = Arc::new(ways);
    if wanted.async_() {
        return instance.func_new_concurrent(&name, move |accessor, _, params, results| {
            let (ways, chosen) = (ways.clone(), accessor.with(|mut store| ways.choose(store.data_mut())));
            Box::pin(async move { call(ways.call(chosen), Values { params, results }).await })
        });
    }
    instance.func_new_async(
        &name,
        move |store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
            let (ways, chosen) = (ways.clone(), ways.choose(store.data()));
            Box::new(async move { call(ways.call(chosen), Values { params, results }).await })
        },
    )
}

async fn call(Chosen { to, call }: Chosen<'_, Destination>, values: Values<'_>) -> wasmtime::Result<()> {
    match to {
        Destination::Here(slot) => slot.call(call, values).await,
        Destination::Abroad(distant) => distant.call(&call.caller, values).await,
    }
}
