//! Runs commands: programs that start, read and write, and end with an exit code.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Module};
use wasmtime_wasi::p2::bindings::Command as CommandP2;
use wasmtime_wasi::p3::bindings::Command as CommandP3;

use rt::Tick;

use crate::core_module::{CoreState, core_linker};
use crate::state::State;
use crate::store::{Failure, new_store, start_clock};

/// Runs a core module's `_start`. The result is its exit code.
pub async fn run_core(module: &Module, mut state: CoreState, deadline: Tick) -> Result<i32, Failure> {
    use crate::store::Metered;
    let engine: &Engine = module.engine();
    let limits = state.meter().limits().clone();
    let mut store = new_store(engine, state);
    tracing::debug!(?limits, "running a core module");
    start_clock(&mut store, deadline);
    let run = async {
        let instance = core_linker(engine)?.instantiate_async(&mut store, module).await?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        start.call_async(&mut store, ()).await
    };
    let ran = run.await;
    exit_code(ran.map(|()| Ok(())).map_err(|error| Failure::of(&error, store.data_mut().meter().refused())))
}

/// Runs a component's `wasi:cli/run`, of WASI 0.3 where it exports that. The result is its exit code.
pub async fn run_component(
    component: &Component,
    linker: &Linker<State>,
    state: State,
    deadline: Tick,
) -> Result<i32, Failure> {
    let mut store = new_store(component.engine(), state);
    start_clock(&mut store, deadline);
    let is_p3 =
        component.component_type().exports(component.engine()).any(|(name, _)| name.starts_with("wasi:cli/run@0.3."));
    let ran = if is_p3 {
        let run = async {
            let command = CommandP3::instantiate_async(&mut store, component, linker).await?;
            store.run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await).await?
        };
        run.await
    } else {
        let run = async {
            let command = CommandP2::instantiate_async(&mut store, component, linker).await?;
            command.wasi_cli_run().call_run(&mut store).await
        };
        run.await
    };
    exit_code(ran.map_err(|error| Failure::of(&error, store.data().meter.refused())))
}

/// A program that says it failed without saying how ended with 1.
fn exit_code(ran: Result<Result<(), ()>, Failure>) -> Result<i32, Failure> {
    match ran {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(Failure::Exit(code)) => Ok(code),
        Err(failure) => Err(failure),
    }
}
