//! What other hosts and providers call here: the functions that a component exports, for as long as it runs. What they call in a
//! form of their own the capabilities answer ([`Capability::reach`](capability::Capability::reach)).
//!
//! # Invariants
//!
//! 1. Each call is answered: with values, or with why there are none and whether anything has run.
//! 2. A host that starts without its bus is reached when the bus is there.
//! 3. When a component ends, no further call is taken, and those that run are answered.

use std::sync::Arc;

use bus::patiently;
use bytes::Bytes;
use capability::Watch;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use rt::{Task, Tick, within};
use stdx::{Chain, Trace};
use tokio::sync::oneshot;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Val};
use wire::{
    Address, DecodeError, EncodeError, Function, Invocation, Lanes, Reader, Reason, Refusal, Shapes, Signature, Wire,
};

use super::everywhere::serve_by;
use super::{Abroad, asked};
use crate::callee::{Call, CallError, Caller, FunctionName, Slot, Values};
use crate::serving::{GRACE, Shift, Target};
use crate::shim::{self, Given, Known};
use crate::world::Fronts;

/// A component that is reached from other hosts, until it is told to end.
pub(crate) struct Exposed {
    end: oneshot::Sender<()>,
    watches: Vec<Watch>,
    ended: oneshot::Receiver<()>,
    _task: Task,
}

/// Is ready when nothing more is to be taken.
pub(super) type ToldToEnd = Shared<BoxFuture<'static, ()>>;

/// A function as it is called from elsewhere.
struct Reachable {
    name: Arc<FunctionName>,
    form: Form,
}

/// How the values of a function are known.
enum Form {
    /// As types of this program.
    Typed(&'static dyn Known),
    /// By their shapes.
    Shaped(Signature),
}

/// What a function is called with; for values that are known by their shapes, with those of what comes back.
enum Params {
    Typed(Box<dyn Given>),
    Values(Vec<Val>, Shapes),
}

/// What a call came to: its answer as bytes.
type Outcome = wasmtime::Result<Result<Bytes, EncodeError>>;

// === impl Abroad ===

impl Abroad {
    /// Lets others on the bus call what a component exports, where anything of that can travel. Called within the control plane's
    /// runtime. The services are what capabilities answer.
    pub(crate) fn reach(
        &self,
        (target, component): (Target, &Component),
        services: Vec<Shift>,
        fronts: Fronts,
    ) -> Option<Exposed> {
        let (served, reachable): (Vec<Function>, Vec<Reachable>) = exported(component).into_iter().unzip();
        let in_text = asked::callable(&target, component);
        if served.is_empty() && services.is_empty() && in_text.is_none() {
            return None;
        }
        let (services, watches): (Vec<_>, Vec<_>) =
            services.into_iter().map(|shift| (shift.service, shift.watch)).unzip();
        let (lanes, address) = (self.peers.lanes().clone(), self.peers.address(target.slot.name().as_str()));
        let subject = model::call_subject(self.peers.lattice(), target.slot.name().as_str());
        let in_text = in_text.map(|callable| (callable, self.bus.clone(), subject));
        let reached = Exposed::start(|told| async move {
            let by_wire = serve((lanes, fronts, told.clone()), (address, served), (reachable.into(), target));
            let by_text = async {
                if let Some((callable, bus, subject)) = in_text {
                    asked::serve((bus, subject), callable, told).await;
                }
            };
            tokio::join!(by_wire, by_text, join_all(services));
        });
        Some(Exposed { watches, ..reached })
    }
}

/// The functions that can be called from elsewhere.
fn exported(component: &Component) -> Vec<(Function, Reachable)> {
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

fn reachable(interface: &str, name: &str, function: &ComponentFunc) -> Option<(Function, Reachable)> {
    // What deals in handles, streams or futures is called on its own host only.
    let form = match shim::known(function) {
        Some(known) => Form::Typed(known),
        None => Form::Shaped(Signature::of(function).ok()?),
    };
    let served = Function::of(interface, name);
    let name = Arc::new(FunctionName { interface: interface.into(), function: name.into() });
    Some((served, Reachable { name, form }))
}

// === impl Reachable ===

impl Reachable {
    fn read(&self, reader: &mut Reader<'_>) -> Result<Params, DecodeError> {
        match &self.form {
            Form::Typed(known) => known.read(reader).map(Params::Typed),
            Form::Shaped(Signature { params, results }) => {
                params.read(reader).map(|values| Params::Values(values, results.clone()))
            }
        }
    }

    async fn call(&self, slot: &Slot, caller: Caller, params: Params) -> Outcome {
        let call = Call { function: &self.name, caller };
        match params {
            Params::Typed(given) => given.call(slot, call).await,
            Params::Values(params, shapes) => {
                let mut results = vec![Val::Bool(false); shapes.iter().len()];
                slot.call(call, Values { params: &params, results: &mut results }).await?;
                Ok(shapes.encode(&results))
            }
        }
    }
}

// === impl Exposed ===

impl Exposed {
    /// Lets `serve` run until it is told to end and has. Called within the control plane's runtime.
    pub(super) fn start<F>(serve: impl FnOnce(ToldToEnd) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (end, told) = oneshot::channel::<()>();
        let (tell, ended) = oneshot::channel();
        // Who drops the other end wants no more, either.
        let serving = serve(told.map(drop).boxed().shared());
        let task = Task::spawn(async move {
            serving.await;
            // Nobody may be waiting for it.
            tell.send(()).ok();
        });
        Self { end, watches: Vec::new(), ended, _task: task }
    }

    /// Takes no further call, and waits until those that run are answered.
    pub(crate) async fn end(self) {
        // Where the task is gone, it has ended.
        self.end.send(()).ok();
        self.watches.iter().for_each(Watch::end);
        self.ended.await.ok();
    }
}

/// Serves these functions, by all wires that the host has.
async fn serve(
    (lanes, fronts, told): (Lanes, Fronts, ToldToEnd),
    (address, functions): (Address, Vec<Function>),
    (reachable, target): (Arc<[Reachable]>, Target),
) {
    if functions.is_empty() {
        return;
    }
    let serve = move |wire, told| {
        serve_one((wire, told), (address.clone(), functions.clone()), (reachable.clone(), target.clone()))
    };
    serve_by(lanes, fronts, told, serve).await;
}

async fn serve_one(
    (wire, mut told): (Wire, ToldToEnd),
    (address, functions): (Address, Vec<Function>),
    (reachable, target): (Arc<[Reachable]>, Target),
) {
    let not_yet = format!("{address} is not reached from other hosts yet");
    let serve = || {
        let reachable = reachable.clone();
        wire.serve_with(&address, functions.clone(), move |number, reader| reachable[number].read(reader))
    };
    let begun = tokio::select! {
        begun = patiently(&not_yet, serve) => Some(begun),
        () = &mut told => None,
    };
    let Some(served) = begun else { return };
    let target = Arc::new(target);
    served.answer_all(told, |invocation| answer(target.clone(), reachable.clone(), invocation)).await;
}

async fn answer(target: Arc<Target>, reachable: Arc<[Reachable]>, invocation: Invocation<Params>) {
    let Invocation { function, params, origin, reply } = invocation;
    let function = &reachable[function];
    let _running = target.busy.enter();
    let own = target.account.timeout();
    let time = origin.remaining.map_or(own, |left| left.min(own));
    let (deadline, trace) = (Tick::now().after(time), origin.trace.clone());
    let caller = Caller { deadline, depth: origin.depth, timeout: None, trace, met: None };
    let called = within(Some(time + GRACE), function.call(&target.slot, caller, params)).await;
    let outcome = called.unwrap_or_else(|late| Err(wasmtime::Error::new(late)));
    target.counts.count(outcome.is_ok());
    match outcome {
        Ok(results) => {
            if let Err(error) = reply.answer(results).await {
                tracing::warn!(component = %target.slot.name(), error = %Chain(&error), "an answer could not be sent");
            }
        }
        Err(error) => {
            let (component, function) = (target.slot.name(), &function.name.interface);
            let (source, trace) = (origin.source.unwrap_or_default(), origin.trace.as_ref().map(Trace::id));
            tracing::warn!(%component, %function, source, trace, "a call failed: {error:#}");
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
