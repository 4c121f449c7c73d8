//! Puts functions that call another component where a component imports an interface.
//!
//! # Invariants
//!
//! 1. What is linked fits: each function that is imported is exported with the same parameters and results. That is found out
//!    when the link is put, not when the function is called.
//! 2. Values cross between two stores and are copied once each way; nothing else of the one is seen by the other. What a handle
//!    stands for stays where it is: see [`session`].

mod absent;
mod far;
mod typed;
mod values;
mod ways;

use std::sync::Arc;

use engine::{Part, State};
use model::{ComponentName, LinkName, Terms};
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Val};
use wasmtime::{AsContextMut, Engine, StoreContextMut};
use wire::Signature;

use crate::abroad::Road;
use crate::callee::{CallError, FunctionName, Slot, Values};
use crate::crossing::{self, Cargo};
use crate::session::{self, Passed};
use absent::Absent;
use far::Destination;
use values::Resources;
use ways::{Chosen, Way, Ways};

pub(crate) use typed::{Given, Known, known};
pub(crate) use values::{pass_handles, replace};

/// Where the functions of one import lead.
pub(crate) struct Leads<'a> {
    /// Who imports it.
    pub(crate) source: &'a ComponentName,
    /// The import, as the caller names it.
    pub(crate) import: &'a str,
    /// Who of the caller imports it.
    pub(crate) part: Part,
    /// The interface, as the caller chooses for it: `acme:shop/stock`.
    pub(crate) interface: String,
    /// By the link without a name.
    pub(crate) first: To<'a>,
    /// By the others.
    pub(crate) named: Vec<(&'a LinkName, To<'a>)>,
}

/// The target of one link.
pub(crate) struct To<'a> {
    /// Where it is.
    pub(crate) place: Place<'a>,
    /// The interface, as the callee exports it.
    pub(crate) export: &'a str,
    /// The terms of the link.
    pub(crate) terms: &'a Terms,
}

/// Where a target is.
pub(crate) enum Place<'a> {
    /// Here: what is called, and what it is.
    Here(&'a Arc<Slot>, &'a Component),
    /// On another host, if anywhere.
    Abroad(Road),
}

/// Defines what `caller` imports as functions that call other components; says why that cannot be.
pub(crate) fn define(linker: &mut Linker<State>, caller: &Component, leads: &Leads<'_>) -> Result<(), String> {
    let wanted = import_of(caller, leads.import).ok_or("it is no interface that it imports")?;
    let here = caller.engine();
    let resources = leads.first.fit((&wanted, here))?;
    for (name, to) in &leads.named {
        if !to.fit((&wanted, here))?.is_empty() {
            return Err(format!("it is chosen by the name {name}, and its handles would not lead back to it"));
        }
    }
    let mut instance = linker.instance(leads.import).map_err(|error| error.to_string())?;
    if let Some(slot) = leads.first.slot() {
        for name in resources.names() {
            define_resource(&mut instance, name, slot).map_err(|error| error.to_string())?;
        }
    }
    for (name, item) in wanted.exports(here) {
        // Types are what the functions are compared by.
        let ComponentItem::ComponentFunc(wanted) = item.ty else { continue };
        let is_in_session = !resources.is_empty();
        let defined = match leads.ways((name, &wanted), |to| to.slot().cloned().ok_or(())) {
            Ok(ways) => define_function(&mut instance, (&wanted, is_in_session), ways),
            Err(()) => {
                let ways = leads.ways((name, &wanted), |to| to.destination(name, &wanted))?;
                far::define(&mut instance, &wanted, ways)
            }
        };
        defined.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Defines what nothing gives `caller` yet as functions that say so or fail.
pub(crate) fn define_gap(
    linker: &mut Linker<State>,
    caller: &Component,
    (source, import): (&ComponentName, &str),
) -> wasmtime::Result<()> {
    // What is no interface is told by the linker.
    let Some(wanted) = import_of(caller, import) else { return Ok(()) };
    let mut instance = linker.instance(import)?;
    let missing = Arc::<str>::from(import);
    for (name, item) in wanted.exports(caller.engine()) {
        let missing = missing.clone();
        let failed = move |absent: &Option<Absent>, results: &mut [Val]| {
            let outcome = Err(CallError::NotLinked(missing.to_string()).into());
            match absent {
                Some(absent) => absent.told(outcome, results),
                None => outcome,
            }
        };
        match item.ty {
            ComponentItem::Resource(_) => {
                // There are none of it, since whatever would make one fails.
                instance.resource(name, ResourceType::host::<Passed>(), |_, _| Ok(()))?;
            }
            ComponentItem::ComponentFunc(function) => {
                let absent = Absent::of(source, (name, &function));
                match function.async_() {
                    true => instance.func_new_concurrent(name, move |_, _, _, results| {
                        Box::pin(std::future::ready(failed(&absent, results)))
                    })?,
                    false => instance.func_new(name, move |_, _, _, results| failed(&absent, results))?,
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl To<'_> {
    /// The resources of the interface, where all of its functions are as the caller wants them.
    fn fit(&self, (wanted, here): (&ComponentInstance, &Engine)) -> Result<Resources, String> {
        match &self.place {
            Place::Here(_, callee) => fit((wanted, here), (*callee, self.export)),
            Place::Abroad(_) => travels((wanted, here)),
        }
    }

    /// The component that is called, where it is here.
    fn slot(&self) -> Option<&Arc<Slot>> {
        match &self.place {
            Place::Here(slot, _) => Some(slot),
            Place::Abroad(_) => None,
        }
    }

    /// Where a function is, here or abroad.
    fn destination(&self, name: &str, wanted: &ComponentFunc) -> Result<Destination, String> {
        Ok(match &self.place {
            Place::Here(slot, _) => Destination::Here((*slot).clone()),
            Place::Abroad(road) => {
                let signature = Signature::of(wanted).map_err(|error| error.to_string())?;
                Destination::Abroad(Box::new(road.to((self.export, name), signature, self.terms)?))
            }
        })
    }
}

impl Leads<'_> {
    /// The ways of a function, where `to` knows where each of them leads.
    fn ways<D, E>(
        &self,
        (function, wanted): (&str, &ComponentFunc),
        to: impl Fn(&To<'_>) -> Result<D, E>,
    ) -> Result<Ways<D>, E> {
        let way = |target: &To<'_>| {
            let function = Arc::new(FunctionName { interface: target.export.into(), function: function.into() });
            Ok(Way { to: to(target)?, function, timeout: target.terms.timeout })
        };
        let named = self.named.iter().map(|(name, to)| Ok((name.as_str().to_owned(), way(to)?)));
        Ok(Ways {
            part: self.part,
            interface: self.interface.clone(),
            absent: Absent::of(self.source, (function, wanted)).map(Arc::new),
            first: way(&self.first)?,
            named: named.collect::<Result<_, E>>()?,
        })
    }
}

/// Whether a component exports an interface as another imports it; says why not.
pub(crate) fn fits((caller, import): (&Component, &str), callee: (&Component, &str)) -> Result<(), String> {
    let wanted = import_of(caller, import).ok_or("it is no interface that it imports")?;
    fit((&wanted, caller.engine()), callee).map(drop)
}

/// The resources of an interface, where all of its functions are exported as they are wanted.
fn fit(
    (wanted, here): (&ComponentInstance, &Engine),
    (callee, export): (&Component, &str),
) -> Result<Resources, String> {
    let given = export_of(callee, export).ok_or("it is not exported")?;
    let there = callee.engine();
    let resources = Resources::of((wanted, here), (&given, there))?;
    for (name, item) in wanted.exports(here) {
        let ComponentItem::ComponentFunc(wanted) = item.ty else { continue };
        let Some(ComponentItem::ComponentFunc(given)) = given.get_export(there, name).map(|item| item.ty) else {
            return Err(format!("{export} has no function {name}"));
        };
        resources.fits(name, &wanted, &given)?;
        let has_ends = crossing::has_ends(&wanted).map_err(|why| format!("{name} {why}"))?;
        if has_ends && !resources.is_empty() {
            return Err(format!("{name} has streams or futures, and its interface has resources"));
        }
    }
    Ok(resources)
}

/// Sees to it that all of an interface can be called on another host: its values are bytes on the way.
fn travels((wanted, here): (&ComponentInstance, &Engine)) -> Result<Resources, String> {
    for (name, item) in wanted.exports(here) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => {
                Signature::of(&function)
                    .map_err(|error| format!("it does not run on this host, and {name}: {error}"))?;
            }
            ComponentItem::Resource(_) => {
                return Err(format!("it does not run on this host, and handles of {name} would not lead back to it"));
            }
            _ => {}
        }
    }
    Ok(Resources::default())
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

fn define_resource(instance: &mut LinkerInstance<'_, State>, name: &str, slot: &Arc<Slot>) -> wasmtime::Result<()> {
    let slot = slot.clone();
    instance.resource_async(name, ResourceType::host::<Passed>(), move |store, number| {
        let slot = slot.clone();
        Box::new(async move { session::drop_handle(&slot, store, number).await })
    })
}

fn define_function(
    instance: &mut LinkerInstance<'_, State>,
    (wanted, is_in_session): (&ComponentFunc, bool),
    ways: Ways<Arc<Slot>>,
) -> wasmtime::Result<()> {
    let name = ways.name().to_owned();
    let ways = Arc::new(ways);
    if is_in_session {
        return instance.func_new_async(
            &name,
            move |mut store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
                let (ways, chosen) = (ways.clone(), ways.choose(store.data_mut()));
                Box::new(async move {
                    let Chosen { to: slot, call } = ways.call(chosen);
                    let outcome = session::call(slot, store, call, Values { params, results: &mut *results }).await;
                    ways.told(outcome, results)
                })
            },
        );
    }
    if crossing::has_ends(wanted).is_ok_and(|has_ends| has_ends) {
        return define_crossing(instance, wanted, ways);
    }
    if wanted.async_() {
        return instance.func_new_concurrent(&name, move |accessor, _, params, results| {
            let (ways, chosen) = (ways.clone(), accessor.with(|mut store| ways.choose(store.data_mut())));
            Box::pin(async move {
                let Chosen { to: slot, call } = ways.call(chosen);
                let outcome = slot.call(call, Values { params, results: &mut *results }).await;
                ways.told(outcome, results)
            })
        });
    }
    if let Some(known) = typed::known(wanted) {
        return known.define(instance, ways.to());
    }
    instance.func_new_async(
        &name,
        move |mut store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
            let (ways, chosen) = (ways.clone(), ways.choose(store.data_mut()));
            Box::new(async move {
                let Chosen { to: slot, call } = ways.call(chosen);
                let outcome = slot.call(call, Values { params, results: &mut *results }).await;
                ways.told(outcome, results)
            })
        },
    )
}

/// Defines a function that takes or gives streams or futures.
fn define_crossing(
    instance: &mut LinkerInstance<'_, State>,
    wanted: &ComponentFunc,
    ways: Arc<Ways<Arc<Slot>>>,
) -> wasmtime::Result<()> {
    let name = ways.name().to_owned();
    if wanted.async_() {
        return instance.func_new_concurrent(&name, move |accessor, _, params, results| {
            let (ways, chosen) = (ways.clone(), accessor.with(|mut store| ways.choose(store.data_mut())));
            Box::pin(async move {
                let Chosen { to: slot, call } = ways.call(chosen);
                let cargo = accessor.with(|mut access| Cargo::take_from_caller(params, access.as_context_mut()))?;
                let outcome = match crossing::call(slot, call, cargo, results.len()).await {
                    Ok(cargo) => accessor.with(|mut access| cargo.give_to_caller(results, access.as_context_mut())),
                    Err(error) => Err(error),
                };
                ways.told(outcome, results)
            })
        });
    }
    instance.func_new_async(
        &name,
        move |mut store: StoreContextMut<'_, State>, _: ComponentFunc, params: &[Val], results: &mut [Val]| {
            let (ways, chosen) = (ways.clone(), ways.choose(store.data_mut()));
            Box::new(async move {
                let Chosen { to: slot, call } = ways.call(chosen);
                let cargo = Cargo::take_from_caller(params, store.as_context_mut())?;
                let outcome = match crossing::call(slot, call, cargo, results.len()).await {
                    Ok(cargo) => cargo.give_to_caller(results, store),
                    Err(error) => Err(error),
                };
                ways.told(outcome, results)
            })
        },
    )
}
