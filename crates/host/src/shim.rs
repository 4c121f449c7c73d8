//! Puts functions that call another component where a component imports an interface.
//!
//! # Invariants
//!
//! 1. What is linked fits: each function that is imported is exported with the same parameters and results. That is found out
//!    when the link is put, not when the function is called.
//! 2. Values cross between two stores and are copied once each way; nothing else of the one is seen by the other. What a handle
//!    stands for stays where it is: see [`session`].

mod typed;
mod values;

use std::sync::Arc;

use engine::State;
use model::Terms;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Val};

use crate::callee::{Call, Caller, FunctionName, Slot, Values};
use crate::session::{self, Passed};
use typed::Leading;
use values::Resources;

pub(crate) use values::pass_handles;

/// Where the functions of one import lead.
pub(crate) struct Leads<'a> {
    /// The import, as the caller names it.
    pub(crate) import: &'a str,
    /// The component that is called.
    pub(crate) slot: &'a Arc<Slot>,
    /// What it is.
    pub(crate) callee: &'a Component,
    /// The interface, as the callee exports it.
    pub(crate) export: &'a str,
    /// The terms of the link.
    pub(crate) terms: &'a Terms,
}

/// Defines what `caller` imports as functions that call another component; says why that cannot be.
pub(crate) fn define(linker: &mut Linker<State>, caller: &Component, leads: &Leads<'_>) -> Result<(), String> {
    let wanted = import_of(caller, leads.import).ok_or("it is no interface that it imports")?;
    let given = export_of(leads.callee, leads.export).ok_or("it is not exported")?;
    let (here, there) = (caller.engine(), leads.callee.engine());
    let resources = Resources::of((&wanted, here), (&given, there))?;
    let mut instance = linker.instance(leads.import).map_err(|error| error.to_string())?;
    for name in resources.names() {
        define_resource(&mut instance, name, leads).map_err(|error| error.to_string())?;
    }
    for (name, item) in wanted.exports(here) {
        // Types are what the functions are compared by.
        let ComponentItem::ComponentFunc(wanted) = item.ty else { continue };
        let Some(ComponentItem::ComponentFunc(given)) = given.get_export(there, name).map(|item| item.ty) else {
            return Err(format!("{} has no function {name}", leads.export));
        };
        resources.fits(name, &wanted, &given)?;
        let is_in_session = !resources.is_empty();
        define_function(&mut instance, name, (&wanted, is_in_session), leads).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn import_of(component: &Component, name: &str) -> Option<ComponentInstance> {
    let shape = component.component_type();
    match shape.get_import(component.engine(), name)?.ty {
        ComponentItem::ComponentInstance(instance) => Some(instance),
        _ => None,
    }
}

fn export_of(component: &Component, name: &str) -> Option<ComponentInstance> {
    let shape = component.component_type();
    match shape.get_export(component.engine(), name)?.ty {
        ComponentItem::ComponentInstance(instance) => Some(instance),
        _ => None,
    }
}

fn define_resource(instance: &mut LinkerInstance<'_, State>, name: &str, leads: &Leads<'_>) -> wasmtime::Result<()> {
    let slot = leads.slot.clone();
    instance.resource_async(name, ResourceType::host::<Passed>(), move |store, number| {
        let slot = slot.clone();
        Box::new(async move { session::drop_handle(&slot, store, number).await })
    })
}

fn define_function(
    instance: &mut LinkerInstance<'_, State>,
    name: &str,
    (wanted, is_in_session): (&ComponentFunc, bool),
    leads: &Leads<'_>,
) -> wasmtime::Result<()> {
    let function = Arc::new(FunctionName { interface: leads.export.into(), function: name.into() });
    let (slot, timeout) = (leads.slot.clone(), leads.terms.timeout);
    if is_in_session {
        return instance.func_new_async(
            name,
            move |store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
                let (slot, function) = (slot.clone(), function.clone());
                let caller = Caller::of(store.data(), timeout);
                Box::new(async move {
                    session::call(&slot, store, Call { function: &function, caller }, Values { params, results }).await
                })
            },
        );
    }
    if wanted.async_() {
        return instance.func_new_concurrent(name, move |accessor, _, params, results| {
            let (slot, function) = (slot.clone(), function.clone());
            let caller = accessor.with(|mut store| Caller::of(store.data_mut(), timeout));
            Box::pin(async move { slot.call(Call { function: &function, caller }, Values { params, results }).await })
        });
    }
    let leading = Leading { slot, function, timeout };
    if typed::define_if_known(instance, wanted, &leading)? {
        return Ok(());
    }
    let Leading { slot, function, .. } = leading;
    instance.func_new_async(
        name,
        move |store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
            let (slot, function) = (slot.clone(), function.clone());
            let caller = Caller::of(store.data(), timeout);
            Box::new(async move { slot.call(Call { function: &function, caller }, Values { params, results }).await })
        },
    )
}
