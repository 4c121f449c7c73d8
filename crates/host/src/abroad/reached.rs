//! What other hosts call here: the functions that a component exports, for as long as it runs.
//!
//! # Invariants
//!
//! 1. Each call is answered: with values, or with why there are none and whether anything has run.
//! 2. A host that starts without its bus is reached when the bus is there.
//! 3. When a component ends, no further call is taken, and those that run are answered.

use std::sync::Arc;

use bus::patiently;
use rt::{Task, Tick, within};
use stdx::Chain;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Val};
use wire::{Address, Function, Invocation, Reason, Refusal, Signature, Wire};

use super::Abroad;
use crate::callee::{Call, CallError, Caller, FunctionName, Values};
use crate::serving::{GRACE, Target};

/// A component that is reached from other hosts, until it is told to end.
pub(crate) struct Reached {
    end: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    _task: Task,
}

/// A function as it is called from elsewhere.
struct Reachable {
    name: Arc<FunctionName>,
    results: usize,
}

// === impl Abroad ===

impl Abroad {
    /// Lets other hosts call what a component exports, where anything of that can travel. Called within the control plane's runtime.
    pub(crate) fn reach(&self, target: Target, component: &Component) -> Option<Reached> {
        let (served, reachable): (Vec<_>, Vec<_>) = exported(component).into_iter().unzip();
        if served.is_empty() {
            return None;
        }
        let (wire, address) = (self.wire.clone(), self.address(target.slot.name()));
        Some(Reached::start(|told| serve((wire, address, served), reachable.into(), target, told)))
    }
}

/// The functions that can be called from elsewhere.
fn exported(component: &Component) -> Vec<((Function, Signature), Reachable)> {
    let engine = component.engine();
    let shape = component.component_type();
    let mut functions = Vec::new();
    for (interface, item) in shape.exports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        // What makes a command run is for who starts it.
        if interface.starts_with("wasi:cli/") {
            continue;
        }
        for (name, item) in instance.exports(engine) {
            let ComponentItem::ComponentFunc(function) = item.ty else { continue };
            functions.extend(reachable(interface, name, &function));
        }
    }
    functions
}

fn reachable(interface: &str, name: &str, function: &ComponentFunc) -> Option<((Function, Signature), Reachable)> {
    // What deals in handles, streams or futures is called on its own host only.
    let signature = Signature::of(function).ok()?;
    let name = FunctionName { interface: interface.into(), function: name.into() };
    let served = (Function::of(interface, &name.function), signature);
    Some((served, Reachable { name: Arc::new(name), results: function.results().count() }))
}

// === impl Reached ===

impl Reached {
    /// Lets `serve` run until it is told to end and has. Called within the control plane's runtime.
    pub(super) fn start<F>(serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (end, told) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let serving = serve(told);
        let task = Task::spawn(async move {
            serving.await;
            // Nobody may be waiting for it.
            tell.send(()).ok();
        });
        Self { end, ended, _task: task }
    }

    /// Takes no further call, and waits until those that run are answered.
    pub(crate) async fn end(self) {
        // Where the task is gone, it has ended.
        self.end.send(()).ok();
        self.ended.await.ok();
    }
}

async fn serve(
    (wire, address, functions): (Wire, Address, Vec<(Function, Signature)>),
    reachable: Arc<[Reachable]>,
    target: Target,
    mut told: oneshot::Receiver<()>,
) {
    let not_yet = format!("{address} is not reached from other hosts yet");
    let begun = tokio::select! {
        begun = patiently(&not_yet, || wire.serve(&address, functions.clone())) => Some(begun),
        _ = &mut told => None,
    };
    let Some(mut served) = begun else { return };
    let mut running = JoinSet::new();
    let mut is_ending = false;
    loop {
        tokio::select! {
            _ = &mut told, if !is_ending => {
                is_ending = true;
                served.end();
            }
            invocation = served.next() => match invocation {
                Some(invocation) => drop(running.spawn(answer(target.clone(), reachable.clone(), invocation))),
                None => break,
            },
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn answer(target: Target, reachable: Arc<[Reachable]>, invocation: Invocation) {
    let Invocation { function, params, origin, reply } = invocation;
    let Reachable { name, results } = &reachable[function];
    let _running = target.busy.enter();
    let own = target.account.limits().timeout;
    let time = origin.remaining.map_or(own, |left| left.min(own));
    let caller = Caller { deadline: Tick::now().after(time), depth: 0, timeout: None };
    let mut results = vec![Val::Bool(false); *results];
    let values = Values { params: &params, results: &mut results };
    let called = within(Some(time + GRACE), target.slot.call(Call { function: name, caller }, values)).await;
    let outcome = called.unwrap_or_else(|late| Err(wasmtime::Error::new(late)));
    target.counts.count(outcome.is_ok());
    match outcome {
        Ok(()) => {
            if let Err(error) = reply.answer(&results).await {
                tracing::warn!(component = %target.slot.name(), error = %Chain(&error), "an answer could not be sent");
            }
        }
        Err(error) => {
            let source = origin.source.unwrap_or_default();
            tracing::warn!(component = %target.slot.name(), function = %name.interface, source, "a call failed: {error:#}");
            reply.refuse(&refusal(&error)).await;
        }
    }
}

/// What a call that failed is for who called from elsewhere.
fn refusal(error: &wasmtime::Error) -> Refusal {
    let reason = match error.downcast_ref::<CallError>() {
        Some(CallError::Full(_) | CallError::NoInstance(_) | CallError::Gone(_)) => Reason::Busy,
        _ => Reason::Failed,
    };
    Refusal::new(reason, &format!("{error:#}"))
}
