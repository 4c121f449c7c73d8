//! Lets capabilities call a component of their own accord: with messages, for as long as it is linked to where they come from.
//!
//! ```text
//! World::link ─▶ Capability::serve ─▶ services ─▶ Serving (one task a component)
//! service ─▶ place() ─▶ call(job) ─▶ Slot ─▶ Callee (as it is linked now) ─▶ instance ─▶ job
//! ```
//!
//! # Invariants
//!
//! 1. What serves a component is replaced only where what it is linked to has changed. The new one begins, then the old one
//!    ends, and no call is cut off for that.
//! 2. A call that this host makes is bounded as one that another component makes: by places, memory, and time.
//!
//! # Not here
//!
//! When a component is called, and with what (the capabilities).

mod attempt;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use capability::{CallFailed, Callable, Calls, Capability, Duty, Job, OpenLink, Seat, Service, Watch};
use engine::{Account, Failure};
use futures::future::join_all;
use model::{ComponentName, Contract};
use rt::{Activity, Task, Tick, Ticker, within};
use tokio::sync::oneshot;

use crate::callee::{Call, Caller, Ended, FunctionName, Functions, Slot};
use crate::capabilities::{Capabilities, OpenLinks};
use attempt::Attempt;

pub(crate) use attempt::CallCounts;

/// So long may a new service take to begin; after that the old one ends without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where there is no room for another instance, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(5);

/// So much later than by its clock a call is ended that waits for something outside of itself.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// What serves one component, until it is told to end.
pub(crate) struct Serving {
    links: Vec<(&'static str, OpenLink)>,
    watches: Vec<Watch>,
    ended: oneshot::Receiver<()>,
    _task: Task,
}

/// A service that has not begun yet, and what tells it to end.
pub(crate) struct Shift {
    pub(crate) service: Service,
    pub(crate) watch: Watch,
}

/// A component as capabilities call it, and other hosts.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) slot: Arc<Slot>,
    pub(crate) functions: Functions,
    pub(crate) account: Arc<Account>,
    pub(crate) counts: Arc<CallCounts>,
    pub(crate) busy: Arc<Busy>,
}

/// How many calls run that capabilities made: while there are any, the clock ticks.
#[derive(Debug, Default)]
pub(crate) struct Busy(AtomicUsize);

/// Functions of a component that are called in one instance.
struct Exported {
    /// One at least.
    names: Arc<[Arc<FunctionName>]>,
    slot: Arc<Slot>,
    account: Arc<Account>,
    counts: Arc<CallCounts>,
    busy: Arc<Busy>,
}

/// A place among the invocations of a component. Dropping it frees it.
struct Place(Arc<Account>);

/// A call that runs. Dropping it says that it does not any more.
pub(crate) struct Running<'a>(&'a Busy);

/// Lets the capabilities serve a component by these links, where they do not already.
pub(crate) fn renew(capabilities: &Capabilities, target: &Target, links: &OpenLinks, serving: &mut Option<Serving>) {
    let of = |capability: &dyn Capability| -> Vec<(&'static str, OpenLink)> {
        let links = links.get(capability.name()).into_iter().flatten();
        links.map(|link| (capability.name(), link.clone())).collect()
    };
    let callers = || capabilities.all().filter(|capability| !capability.calls().is_empty());
    let links: Vec<_> = callers().flat_map(of).collect();
    if serving.as_ref().is_some_and(|serving| serving.is_for(&links)) {
        return;
    }
    let serve = |capability: &dyn Capability| -> Vec<Shift> {
        let of_capability = links.iter().filter(|(name, _)| *name == capability.name());
        of_capability.filter_map(|(_, link)| begin(|duty| capability.serve(target, link, duty))).collect()
    };
    let shifts: Vec<_> = callers().flat_map(serve).collect();
    let before = serving.take();
    if !shifts.is_empty() || before.is_some() {
        *serving = Some(Serving::start(links, shifts, before));
    }
}

/// A duty, and the service that a capability makes of it.
pub(crate) fn begin(serve: impl FnOnce(Duty) -> Option<Service>) -> Option<Shift> {
    let (duty, watch) = Duty::new();
    serve(duty).map(|service| Shift { service, watch })
}

// === impl Serving ===

impl Serving {
    /// Runs services for these links. When they have begun, what served the component before is told to end.
    pub(crate) fn start(links: Vec<(&'static str, OpenLink)>, shifts: Vec<Shift>, before: Option<Serving>) -> Self {
        let (tell, ended) = oneshot::channel();
        let (services, watches): (Vec<_>, Vec<_>) =
            shifts.into_iter().map(|shift| (shift.service, shift.watch)).unzip();
        let has_begun = join_all(watches.iter().map(Watch::begun));
        let hand_over = async move {
            if within(Some(PATIENCE), has_begun).await.is_err() {
                tracing::warn!("a subscription could not be begun in time; the one before it ends without it");
            }
            if let Some(before) = before {
                before.end().await;
            }
        };
        let task = Task::spawn(async move {
            tokio::join!(join_all(services), hand_over);
            // Nobody may be waiting for it.
            tell.send(()).ok();
        });
        Self { links, watches, ended, _task: task }
    }

    /// Waits until all services have begun, for as long as may be waited for that.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        let begun = join_all(self.watches.iter().map(Watch::begun));
        // What did not begin in time is said where it is waited for first.
        async move { drop(within(Some(PATIENCE), begun).await) }
    }

    /// Whether this is what serves these links already.
    pub(crate) fn is_for(&self, links: &[(&'static str, OpenLink)]) -> bool {
        let is_same = |((name, link), (other_name, other)): (&(&str, OpenLink), &(&str, OpenLink))| {
            let is_same_target = match (&link.target, &other.target) {
                (Some(target), Some(other)) => target.is(other),
                (None, None) => true,
                _ => false,
            };
            name == other_name && link.name == other.name && link.terms == other.terms && is_same_target
        };
        self.links.len() == links.len() && self.links.iter().zip(links).all(is_same)
    }

    /// Takes nothing more to call the component with, and waits until what runs has ended.
    pub(crate) async fn end(self) {
        self.watches.iter().for_each(Watch::end);
        // Where the task is gone, it has ended.
        drop(self.ended.await);
    }
}

// === impl Target ===

impl Callable for Target {
    fn name(&self) -> &ComponentName {
        self.slot.name()
    }

    fn functions(&self, wanted: &[(Contract, &str)]) -> Option<Arc<dyn Calls>> {
        let named = |(contract, function): &(Contract, &str)| {
            let is_meant = |name: &&FunctionName| {
                let exported = || name.interface.parse::<Contract>();
                name.function == *function && exported().is_ok_and(|exported| contract.is_met_by(&exported))
            };
            self.functions.keys().find(is_meant).cloned().map(Arc::new)
        };
        let names: Option<Vec<_>> = wanted.iter().map(named).collect();
        Some(Arc::new(Exported {
            names: names?.into(),
            slot: self.slot.clone(),
            account: self.account.clone(),
            counts: self.counts.clone(),
            busy: self.busy.clone(),
        }))
    }
}

// === impl Exported ===

#[async_trait]
impl Calls for Exported {
    fn time(&self) -> Duration {
        self.account.timeout()
    }

    async fn place(&self) -> Seat {
        self.account.wait_and_enter().await;
        Seat::new(Place(self.account.clone()))
    }

    async fn call(&self, seat: Seat, timeout: Option<Duration>, job: &mut dyn Job) -> Result<(), CallFailed> {
        let _running = self.busy.enter();
        let (depth, trace) = (job.depth(), job.trace());
        let caller = Caller { deadline: job.deadline(), depth, timeout, trace, met: None };
        let called = (self.slot.name(), self.names[0].interface.as_str());
        let attempt = Attempt::begin(called, &self.counts, caller.trace.clone(), self.time_of(&caller));
        let made = attempt.make(self.call_when_there_is_room(caller, job)).await;
        drop(seat);
        made.map_err(|error| CallFailed { component: self.slot.name().clone(), source: error.into() })
    }
}

impl Exported {
    /// How long a call may take that begins now.
    fn time_of(&self, caller: &Caller) -> Duration {
        let terms = caller.timeout.unwrap_or(Duration::MAX);
        self.time().min(terms).min(caller.deadline.since(Tick::now()))
    }

    /// Calls them as the component is linked now. That there is no room for an instance ends when time does.
    async fn call_when_there_is_room(&self, caller: Caller, job: &mut dyn Job) -> wasmtime::Result<()> {
        let mut call = Call { function: &self.names[0], caller };
        loop {
            match self.slot.callee(&mut call.caller)?.run((&self.names[..], &call.caller), &mut *job).await {
                Err(Ended::Failed(Failure::Full)) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome.map_err(|ended| self.slot.error(ended, &call)),
            }
        }
    }
}

// === impl Busy ===

impl Busy {
    /// A call begins.
    pub(crate) fn enter(&self) -> Running<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ticker::wake();
        Running(self)
    }

    /// Whether any call runs now.
    pub(crate) fn now(&self) -> Activity {
        if self.0.load(Ordering::Relaxed) > 0 { Activity::Busy } else { Activity::Idle }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}
