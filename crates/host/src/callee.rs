//! This is a component as other components call it: in an instance of its own, within the caller's time.
//!
//! ```text
//! caller's import ─▶ shim ─▶ Slot ─▶ Callee (as it is linked now) ─▶ instance, spare or new ─▶ function
//! ```
//!
//! # Invariants
//!
//! 1. A call sees its callee as it was linked when the call began, to its end: a [`Callee`] never changes, a [`Slot`] is given
//!    another one. All calls of one invocation see the same one: that which it has met first.
//! 2. What goes wrong in the callee is the caller's error: its instance ends, and nothing else.
//! 3. A call ends when its caller's time is over, whatever its own limit is; and when its own or its link's is, also where it waits.
//! 4. Without reuse an instance answers one call. One whose call did not end well is never used again.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use capability::Job;
use crossbeam_queue::ArrayQueue;
use engine::{Account, Alive, Failure, State, new_store, start_clock};
use http_capability::{NewState, Reuse};
use model::ComponentName;
use rt::{STRIDE, Tick, within};
use stdx::Trace;
use tokio::task::JoinSet;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Accessor, Component, ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower,
    ResourceAny, TypedFunc, Val,
};

use crate::serving::GRACE;

/// Components that call one another, at most: each waits with all that it holds for the next.
pub(crate) const DEPTH_MAX: u16 = 16;

/// Instances that wait to be used again, at most.
const IDLE_MAX: usize = 64;

/// Functions that an instance is known to have, at most: the others are looked up by name at each call.
const KNOWN_MAX: usize = 16;

/// The place of a component among those that can be called: what it is linked to may change, the place stays.
pub(crate) struct Slot {
    name: ComponentName,
    callee: ArcSwapOption<Callee>,
}

/// A component that can be called, as it is linked now.
pub(crate) struct Callee {
    parts: CalleeParts,
    idle: ArrayQueue<Called>,
    /// Calls that may go on after their answer.
    working: Mutex<JoinSet<()>>,
}

/// What a [`Callee`] is made of.
pub(crate) struct CalleeParts {
    /// It, ready to be instantiated.
    pub(crate) pre: InstancePre<State>,
    /// Makes the host's side of a new instance.
    pub(crate) new_state: NewState,
    /// Whether and how often an instance is called.
    pub(crate) reuse: Option<Reuse>,
    /// What it has in use.
    pub(crate) account: Arc<Account>,
    /// What can be called.
    pub(crate) functions: Functions,
}

/// The exported functions of a component, by interface and name. Those of the outermost level have an interface without a name.
pub(crate) type Functions = Arc<HashMap<FunctionName, ComponentExportIndex>>;

/// An interface as a component exports it, and one of its functions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FunctionName {
    pub(crate) interface: String,
    pub(crate) function: String,
}

/// Who calls, and how long it may take.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) deadline: Tick,
    pub(crate) depth: u16,
    pub(crate) timeout: Option<Duration>,
    /// That the call is a part of.
    pub(crate) trace: Option<Trace>,
    /// What is called, as the calling invocation has met it. Where that is not said it is called as it is linked now.
    pub(crate) met: Option<Arc<Callee>>,
}

/// What is called, and by whom.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'a Arc<FunctionName>,
    pub(crate) caller: Caller,
}

/// Dynamic values: what is given, and where what comes back is put.
pub(crate) struct Values<'a> {
    pub(crate) params: &'a [Val],
    pub(crate) results: &'a mut [Val],
}

/// What a call is refused or ended for, in words for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}, which it is linked to, is not there any more")]
    Gone(ComponentName),
    #[error("{0}, which it is linked to, has no function {1} any more")]
    NoFunction(ComponentName, String),
    #[error("{0} is not called: components have called one another {DEPTH_MAX} deep")]
    TooDeep(ComponentName),
    #[error(
        "{0} works on as many invocations as it may (--concurrency allows more, and `wattle scale component` in a lattice)"
    )]
    Full(ComponentName),
    #[error("{0} has no instance free (--instances allows more)")]
    NoInstance(ComponentName),
    #[error("{0}, which it called, {1}")]
    Failed(ComponentName, String),
    #[error("{0}, which it called, ran past its deadline")]
    Late(ComponentName),
    #[error("nothing gives it {0} yet; a link leads it to a component: `wattle link put`")]
    NotLinked(String),
    #[error("{0}, which it is linked to, does not run on this host: {1}")]
    Away(ComponentName, String),
    #[error("{0}, which it called on another host, did not answer well: {1}")]
    FailedAway(ComponentName, String),
}

/// An instance that was made to be called.
pub(crate) struct Called {
    store: Store<State>,
    instance: Instance,
    calls: u32,
    known: Vec<Known>,
    _alive: Alive,
}

/// A function that an instance was asked for before, as the type that it was called as.
struct Known {
    /// Kept, so that no other name can come to lie where this one does.
    name: Arc<FunctionName>,
    function: Box<dyn Any + Send + Sync>,
}

/// A place among the invocations of a callee. Dropping it frees it.
pub(crate) struct Place<'a>(&'a Account);

// === impl Slot ===

impl Slot {
    pub(crate) fn new(name: ComponentName) -> Self {
        Self { name, callee: ArcSwapOption::empty() }
    }

    /// Calls that begin from now on go there; nowhere where it is nothing.
    pub(crate) fn fill(&self, callee: Option<Arc<Callee>>) {
        self.callee.store(callee);
    }

    /// Calls a function with dynamic values.
    pub(crate) async fn call(&self, mut call: Call<'_>, values: Values<'_>) -> wasmtime::Result<()> {
        let callee = self.callee(&mut call.caller)?;
        let place = self.place(&callee)?;
        let done = callee.call(&call, values).await;
        drop(place);
        done.map_err(|ended| self.error(ended, &call))
    }

    /// Calls a function with values of types that are known here.
    pub(crate) async fn call_typed<P, R>(&self, mut call: Call<'_>, params: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let callee = self.callee(&mut call.caller)?;
        let place = self.place(&callee)?;
        let done = callee.call_typed(&call, params).await;
        drop(place);
        done.map_err(|ended| self.error(ended, &call))
    }

    /// What the component is called.
    pub(crate) fn name(&self) -> &ComponentName {
        &self.name
    }

    /// A place among the invocations of the component.
    pub(crate) fn place<'a>(&self, callee: &'a Callee) -> Result<Place<'a>, CallError> {
        Place::take(&callee.parts.account).ok_or_else(|| CallError::Full(self.name.clone()))
    }

    /// The component as an invocation meets it: as it was when that called it first, also where it is gone since.
    pub(crate) fn met_by(&self, state: &mut State) -> Option<Arc<Callee>> {
        state.met(std::ptr::from_ref(self).addr(), || self.callee.load_full())
    }

    /// The component as the caller has met it or it is linked now, if it may be called.
    pub(crate) fn callee(&self, caller: &mut Caller) -> Result<Arc<Callee>, CallError> {
        if caller.depth >= DEPTH_MAX {
            return Err(CallError::TooDeep(self.name.clone()));
        }
        let met = caller.met.take().or_else(|| self.callee.load_full());
        met.ok_or_else(|| CallError::Gone(self.name.clone()))
    }

    /// What a call that ended so is for the caller.
    pub(crate) fn error(&self, ended: Ended, call: &Call<'_>) -> wasmtime::Error {
        match ended {
            Ended::NoFunction => CallError::NoFunction(self.name.clone(), call.function.function.clone()).into(),
            Ended::Failed(failure) => self.failed(failure, &call.caller),
        }
    }

    /// What a failure of the callee is for the caller.
    pub(crate) fn failed(&self, failure: Failure, caller: &Caller) -> wasmtime::Error {
        match failure {
            // The caller's own time is over: it is the caller that is stopped.
            Failure::OutOfTime if caller.has_no_time() => engine::OutOfTime.into(),
            Failure::OutOfTime => CallError::Late(self.name.clone()).into(),
            Failure::Full => CallError::NoInstance(self.name.clone()).into(),
            failure => CallError::Failed(self.name.clone(), words(&failure)).into(),
        }
    }
}

/// How a call ended that did not end well.
pub(crate) enum Ended {
    NoFunction,
    Failed(Failure),
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::OutOfTime => "ran past its deadline".into(),
        Failure::OutOfMemory(_) => "ran out of memory (--memory gives more)".into(),
        Failure::Exit(code) => format!("called exit with {code}"),
        Failure::Full => "has no instance free (--instances allows more)".into(),
        Failure::Trap(trap) => format!("failed: {trap}"),
    }
}

// === impl CallError ===

impl CallError {
    /// Whether nobody is there to answer, or not in time: what was called has not failed.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Gone(_)
            | Self::NotLinked(_)
            | Self::Away(..)
            | Self::Late(_)
            | Self::Full(_)
            | Self::NoInstance(_) => true,
            Self::NoFunction(..) | Self::TooDeep(_) | Self::Failed(..) | Self::FailedAway(..) => false,
        }
    }
}

// === impl Callee ===

impl Callee {
    pub(crate) fn new(parts: CalleeParts) -> Self {
        Self { parts, idle: ArrayQueue::new(IDLE_MAX), working: Mutex::default() }
    }

    /// Calls a function with dynamic values, in an instance of its own.
    pub(crate) async fn call(&self, call: &Call<'_>, values: Values<'_>) -> Result<(), Ended> {
        let mut called = self.take(&call.caller).await.map_err(Ended::Failed)?;
        called.call(self, call, values).await?;
        self.put_back(called);
        Ok(())
    }

    async fn call_typed<P, R>(&self, call: &Call<'_>, params: P) -> Result<R, Ended>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut called = self.take(&call.caller).await.map_err(Ended::Failed)?;
        let exported: TypedFunc<P, R> =
            called.function(self, call.function, |function, store| function.typed(store))?;
        let outcome = match called.wait_max(&call.caller) {
            None => exported.call_async(&mut called.store, params).await,
            Some(limit) => in_time(limit, exported.call_async(&mut called.store, params)).await,
        };
        let value = called.ended(outcome)?;
        self.put_back(called);
        Ok(value)
    }

    /// Lets `job` call these functions in an instance, which ends where the calls did not end well.
    pub(crate) async fn run(
        &self,
        (functions, caller): (&[Arc<FunctionName>], &Caller),
        job: &mut dyn Job,
    ) -> Result<(), Ended> {
        let mut called = self.take(caller).await.map_err(Ended::Failed)?;
        let mut exported: Vec<Func> = Vec::with_capacity(functions.len());
        for name in functions {
            exported.push(called.function(self, name, |function, _| Ok(function))?);
        }
        let outcome = job.run(&mut called.store, &exported).await;
        called.ended(outcome)?;
        self.put_back(called);
        Ok(())
    }

    /// An instance: one that waits to be used again, or a new one.
    pub(crate) async fn take(&self, caller: &Caller) -> Result<Called, Failure> {
        if let Some(mut called) = self.idle.pop() {
            called.begin(self, caller);
            return Ok(called);
        }
        let alive = self.parts.account.instance().ok_or(Failure::Full)?;
        let mut state = (self.parts.new_state)();
        state.depth = caller.depth + 1;
        state.follow(caller.trace.clone());
        let mut store = new_store(self.parts.pre.engine(), state);
        start_clock(&mut store, self.deadline(caller));
        match self.parts.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Called { store, instance, calls: 0, known: Vec::new(), _alive: alive }),
            Err(error) => Err(Failure::of(&error, store.data().meter.refused())),
        }
    }

    /// Does this beside the caller, for as long as it takes.
    pub(crate) fn work(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        while working.try_join_next().is_some() {}
        working.spawn(work);
    }

    /// How long a call that begins now may take.
    pub(crate) fn time_left(&self, caller: &Caller) -> Duration {
        self.deadline(caller).since(Tick::now())
    }

    /// When a call that begins now is stopped: by the caller's time, the link's, or the component's own.
    fn deadline(&self, caller: &Caller) -> Tick {
        let own = Tick::now().after(self.parts.account.timeout());
        let terms = caller.timeout.map_or(Tick::NEVER, |timeout| Tick::now().after(timeout));
        caller.deadline.min(own).min(terms)
    }

    /// Takes back an instance whose call ended well.
    pub(crate) fn put_back(&self, mut called: Called) {
        called.calls += 1;
        called.rest();
        if self.parts.reuse.is_some_and(|reuse| called.calls < reuse.requests_max) {
            // Where enough are waiting, this one ends.
            drop(self.idle.push(called));
        }
    }
}

// === impl Called ===

impl Called {
    /// Another call begins.
    pub(crate) fn begin(&mut self, callee: &Callee, caller: &Caller) {
        let state = self.store.data_mut();
        state.depth = caller.depth + 1;
        state.follow(caller.trace.clone());
        start_clock(&mut self.store, callee.deadline(caller));
    }

    /// The call has ended: what it has met is not held until the next one.
    pub(crate) fn rest(&mut self) {
        self.store.data_mut().end();
    }

    /// Calls a function with dynamic values.
    pub(crate) async fn call(&mut self, callee: &Callee, call: &Call<'_>, values: Values<'_>) -> Result<(), Ended> {
        let Values { params, results } = values;
        let exported: Func = self.function(callee, call.function, |function, _| Ok(function))?;
        let outcome = match self.wait_max(&call.caller) {
            None => exported.call_async(&mut self.store, params, results).await,
            Some(limit) => in_time(limit, exported.call_async(&mut self.store, params, results)).await,
        };
        self.ended(outcome)
    }

    /// How long a call is waited for whose time is over before its caller's. There is no bound where the caller is stopped first, with
    /// all that it waits for.
    fn wait_max(&self, caller: &Caller) -> Option<Duration> {
        let deadline = self.store.data().deadline;
        (deadline < caller.deadline).then(|| deadline.since(Tick::now()) + GRACE)
    }

    /// Lets `work` call a function, beside all else that the instance does.
    pub(crate) async fn run_concurrent(
        &mut self,
        callee: &Callee,
        function: &Arc<FunctionName>,
        work: impl AsyncFnOnce(&Accessor<State>, Func) -> wasmtime::Result<()>,
    ) -> Result<(), Ended> {
        let exported: Func = self.function(callee, function, |function, _| Ok(function))?;
        let outcome = self.store.run_concurrent(async |accessor| work(accessor, exported).await).await;
        self.ended(outcome.and_then(|done| done))
    }

    /// Lets go of something that is in this instance.
    pub(crate) async fn drop_handle(&mut self, handle: ResourceAny) -> Result<(), Ended> {
        let outcome = handle.resource_drop_async(&mut self.store).await;
        self.ended(outcome)
    }

    /// The function of this name as `T`, which `check` makes of it where it was not called as that before.
    fn function<T: Copy + Send + Sync + 'static>(
        &mut self,
        callee: &Callee,
        name: &Arc<FunctionName>,
        check: impl FnOnce(Func, &Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Ended> {
        let mut known = self.known.iter().filter(|known| Arc::ptr_eq(&known.name, name));
        if let Some(function) = known.find_map(|known| known.function.downcast_ref()) {
            return Ok(*function);
        }
        let index = callee.parts.functions.get(name.as_ref()).ok_or(Ended::NoFunction)?;
        let function = self.instance.get_func(&mut self.store, index).ok_or(Ended::NoFunction)?;
        let checked = check(function, &self.store);
        let function = self.ended(checked)?;
        if callee.parts.reuse.is_some() && self.known.len() < KNOWN_MAX {
            self.known.push(Known { name: name.clone(), function: Box::new(function) });
        }
        Ok(function)
    }

    fn ended<T>(&self, outcome: wasmtime::Result<T>) -> Result<T, Ended> {
        outcome.map_err(|error| Ended::Failed(Failure::of(&error, self.store.data().meter.refused())))
    }
}

// === impl Caller ===

impl Caller {
    /// The component whose state this is.
    pub(crate) fn of(state: &State, timeout: Option<Duration>) -> Self {
        Self { deadline: state.deadline, depth: state.depth, timeout, trace: state.trace().cloned(), met: None }
    }

    /// Whether its own time is over: where a timer says so, the clock may see it a moment later.
    pub(crate) fn has_no_time(&self) -> bool {
        self.deadline.since(Tick::now()) <= STRIDE
    }
}

/// What a call comes to that is waited for so long at most: what waits is not stopped by its clock. It is kept apart, so that a call
/// without a time of its own carries nothing of it.
fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = wasmtime::Result<T>>,
) -> impl Future<Output = wasmtime::Result<T>> {
    let answer = Box::pin(within(Some(limit), answer));
    async move { answer.await.unwrap_or_else(|_late| Err(engine::OutOfTime.into())) }
}

/// All functions of all interfaces that a component exports.
pub(crate) fn functions(component: &Component) -> Functions {
    let engine = component.engine();
    let shape = component.component_type();
    let mut functions = HashMap::new();
    for (interface, item) in shape.exports(engine) {
        if let (ComponentItem::ComponentFunc(_), Some(index)) = (&item.ty, component.get_export_index(None, interface))
        {
            functions.insert(FunctionName { interface: String::new(), function: interface.into() }, index);
        }
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let Some(parent) = component.get_export_index(None, interface) else { continue };
        for (function, item) in instance.exports(engine) {
            let is_function = matches!(item.ty, ComponentItem::ComponentFunc(_));
            if let (true, Some(index)) = (is_function, component.get_export_index(Some(&parent), function)) {
                functions.insert(FunctionName { interface: interface.into(), function: function.into() }, index);
            }
        }
    }
    Arc::new(functions)
}

// === impl Place ===

impl<'a> Place<'a> {
    fn take(account: &'a Account) -> Option<Self> {
        // Made only where there is one: dropped, it gives one back.
        account.enter().then(|| Self(account))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use engine::{Limits, Room};

    use super::*;

    #[test]
    fn who_was_refused_a_place_gives_none_back() {
        let limits = Limits { concurrency: 1, ..Limits::default() };
        let account = Account::new(Arc::new(limits), Arc::new(Room::new(1)));
        let place = Place::take(&account).expect("one is free");
        assert!(Place::take(&account).is_none());
        assert_eq!(account.in_flight(), 1);
        drop(place);
        assert_eq!(account.in_flight(), 0);
        assert!(Place::take(&account).is_some());
    }
}
