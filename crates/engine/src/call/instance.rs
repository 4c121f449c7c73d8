//! This is one running copy of a program whose functions are called one after the other.

use std::time::Duration;

use rt::Tick;
use serde_json::Value as Json;
use wasmtime::component::{self, Val};
use wasmtime::{Store, Val as CoreVal};

use super::{CallError, Function, Request};
use crate::core_module::CoreState;
use crate::state::State;
use crate::store::{Failure, Metered, new_store, start_clock};
use crate::values::{to_json, to_wave};

/// One running copy of a program.
pub struct Instance {
    copy: Copy,
    timeout: Duration,
}

enum Copy {
    Component(Box<Store<State>>, component::Instance),
    CoreModule(Box<Store<CoreState>>, wasmtime::Instance),
}

/// What a call gave.
#[derive(Debug, Clone)]
pub struct Results(Vec<Val>);

/// A call whose arguments were found right.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    function: &'a Function,
    arguments: Vec<Val>,
}

// === impl Call ===

impl<'a> Function {
    /// A call of it, once the arguments were found right.
    pub fn call(&'a self, request: &Request) -> Result<Call<'a>, CallError> {
        Ok(Call { function: self, arguments: self.arguments(request)? })
    }
}

impl Call<'_> {
    /// The name of the function that it calls.
    pub fn path(&self) -> String {
        self.function.path()
    }

    /// The function that it calls.
    pub fn function(&self) -> &Function {
        self.function
    }

    /// What the function is given.
    pub fn arguments(&self) -> &[Val] {
        &self.arguments
    }
}

// === impl Instance ===

impl Instance {
    /// An instance of a component. Runs what the component does at its start.
    pub async fn of_component(pre: &component::InstancePre<State>, mut state: State) -> Result<Self, Failure> {
        let timeout = state.meter().limits().timeout;
        let mut store = Box::new(new_store(pre.engine(), state));
        let instance = within(&mut store, timeout, async |store| pre.instantiate_async(store).await).await?;
        Ok(Self { copy: Copy::Component(store, instance), timeout })
    }

    /// An instance of a core module. Runs its `_initialize`, where it has one: once, before anything else.
    pub async fn of_core_module(pre: &wasmtime::InstancePre<CoreState>, mut state: CoreState) -> Result<Self, Failure> {
        let timeout = state.meter().limits().timeout;
        let mut store = Box::new(new_store(pre.module().engine(), state));
        let instance = within(&mut store, timeout, async |store| {
            let instance = pre.instantiate_async(&mut *store).await?;
            if let Some(initialize) = instance.get_func(&mut *store, "_initialize") {
                initialize.typed::<(), ()>(&mut *store)?.call_async(&mut *store, ()).await?;
            }
            Ok(instance)
        });
        let instance = instance.await?;
        Ok(Self { copy: Copy::CoreModule(store, instance), timeout })
    }

    /// Calls a function of the program that this is an instance of. After a failure the instance is of no more use.
    pub async fn call(&mut self, call: &Call<'_>) -> Result<Results, Failure> {
        let timeout = self.timeout;
        let results = match &mut self.copy {
            Copy::Component(store, instance) => {
                within(store, timeout, async |store| call_component(store, instance, call).await).await
            }
            Copy::CoreModule(store, instance) => {
                within(store, timeout, async |store| call_core(store, instance, call).await).await
            }
        };
        results.map(Results)
    }
}

/// Runs `work` with the instance's clock set. What computes is ended by the clock, what waits for the world by the timer.
async fn within<T: Metered, R>(
    store: &mut Store<T>,
    timeout: Duration,
    work: impl AsyncFnOnce(&mut Store<T>) -> wasmtime::Result<R>,
) -> Result<R, Failure> {
    start_clock(store, Tick::now().after(timeout));
    match tokio::time::timeout(timeout, work(store)).await {
        Ok(done) => done.map_err(|error| Failure::of(&error, store.data_mut().meter().refused())),
        Err(_) => Err(Failure::OutOfTime),
    }
}

async fn call_component(
    store: &mut Store<State>,
    instance: &component::Instance,
    call: &Call<'_>,
) -> wasmtime::Result<Vec<Val>> {
    let Function { interface, name, .. } = call.function;
    let missing = || wasmtime::Error::msg(format!("{} is gone", call.function.path()));
    let within = match interface {
        Some(interface) => Some(instance.get_export_index(&mut *store, None, interface).ok_or_else(missing)?),
        None => None,
    };
    let index = instance.get_export_index(&mut *store, within.as_ref(), name).ok_or_else(missing)?;
    let function = instance.get_func(&mut *store, index).ok_or_else(missing)?;
    let mut results = vec![Val::Bool(false); function.ty(&*store).results().len()];
    function.call_async(&mut *store, &call.arguments, &mut results).await?;
    Ok(results)
}

async fn call_core(
    store: &mut Store<CoreState>,
    instance: &wasmtime::Instance,
    call: &Call<'_>,
) -> wasmtime::Result<Vec<Val>> {
    let missing = || wasmtime::Error::msg(format!("{} is gone", call.function.name));
    let function = instance.get_func(&mut *store, &call.function.name).ok_or_else(missing)?;
    let arguments: Vec<CoreVal> = call.arguments.iter().filter_map(lowered).collect();
    let mut results = vec![CoreVal::I32(0); function.ty(&*store).results().len()];
    function.call_async(&mut *store, &arguments, &mut results).await?;
    Ok(results.iter().filter_map(lifted).collect())
}

fn lowered(value: &Val) -> Option<CoreVal> {
    match value {
        Val::S32(value) => Some(CoreVal::I32(*value)),
        Val::S64(value) => Some(CoreVal::I64(*value)),
        Val::Float32(value) => Some(CoreVal::F32(value.to_bits())),
        Val::Float64(value) => Some(CoreVal::F64(value.to_bits())),
        _ => None,
    }
}

fn lifted(value: &CoreVal) -> Option<Val> {
    match value {
        CoreVal::I32(value) => Some(Val::S32(*value)),
        CoreVal::I64(value) => Some(Val::S64(*value)),
        CoreVal::F32(bits) => Some(Val::Float32(f32::from_bits(*bits))),
        CoreVal::F64(bits) => Some(Val::Float64(f64::from_bits(*bits))),
        _ => None,
    }
}

// === impl Results ===

impl Results {
    /// What a call gave that was made elsewhere.
    pub fn new(values: Vec<Val>) -> Self {
        Self(values)
    }

    /// As WAVE: one value as it is, several or none in brackets.
    pub fn to_wave(&self) -> String {
        match &self.0[..] {
            [value] => to_wave(value),
            values => format!("({})", values.iter().map(to_wave).collect::<Vec<_>>().join(", ")),
        }
    }

    /// As JSON: one value as it is, several as an array, none as null.
    pub fn to_json(&self) -> Json {
        match &self.0[..] {
            [] => Json::Null,
            [value] => to_json(value),
            values => values.iter().map(to_json).collect(),
        }
    }
}
