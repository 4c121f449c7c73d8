//! This is what a capability does of its own accord: it calls a component, for as long as a link says so.
//!
//! A message, a schedule, a key that changed: what makes a component run without a request is a duty. The capability says what
//! it is ([`Capability::serve`](crate::Capability::serve)); the host runs it, gives it the component to call, and ends it.
//!
//! ```text
//! serve ─▶ future: subscribe, begin(); { place(), call() }* until over(); what runs ends; the future ends
//! ```
//!
//! # Invariants
//!
//! 1. A job is one invocation: an instance, a snapshot of links and a deadline of its own.
//! 2. A component that is full is waited for, before the next thing to call it with is taken.
//! 3. The duty of a link that takes the place of another begins before the other's is over.

use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::State;
use futures::future::{BoxFuture, Either, join, join_all, select};
use model::{ComponentName, Contract};
use rt::Tick;
use stdx::{BoxError, Trace};
use tokio::sync::watch;
use wasmtime::Store;
use wasmtime::component::Func;

/// What runs for as long as a link is there. It ends after the duty is over, when all that it began has ended.
pub type Service = BoxFuture<'static, ()>;

/// A component that can be called, as a capability sees it.
pub trait Callable: Send + Sync {
    /// What it is called.
    fn name(&self) -> &ComponentName;

    /// Functions that it exports, one at least, which are called in one instance; nothing where it lacks one of them.
    fn functions(&self, wanted: &[(Contract, &str)]) -> Option<Arc<dyn Calls>>;

    /// A function that it exports; nothing where it does not.
    fn function(&self, contract: &Contract, function: &str) -> Option<Arc<dyn Calls>> {
        self.functions(&[(contract.clone(), function)])
    }
}

/// Exported functions of a component.
#[async_trait]
pub trait Calls: Send + Sync {
    /// The component's own time: how long one of its invocations may take.
    fn time(&self) -> Duration;

    /// Waits for a place among the component's invocations. Nothing is lost where the waiting is given up.
    async fn place(&self) -> Seat;

    /// Lets `job` call the functions in an instance that is made for it, for at most `timeout`, the component's own time, and until the
    /// job's deadline.
    async fn call(&self, seat: Seat, timeout: Option<Duration>, job: &mut dyn Job) -> Result<(), CallFailed>;
}

/// What is done in an instance: the call itself, with types that are known here.
#[async_trait]
pub trait Job: Send {
    /// Calls `functions`, which are those that were asked for in their order, and keeps what came back.
    async fn run(&mut self, store: &mut Store<State>, functions: &[Func]) -> wasmtime::Result<()>;

    /// The trace that the call is a part of, where what it is made for came with one.
    fn trace(&self) -> Option<Trace> {
        None
    }

    /// How deep components have called one another for it: 0 where none did.
    fn depth(&self) -> u16 {
        0
    }

    /// When nobody waits for it any more.
    fn deadline(&self) -> Tick {
        Tick::NEVER
    }
}

/// A place among the invocations of a component. Dropping it frees it.
pub struct Seat(#[expect(dead_code, reason = "it is held to be dropped")] Box<dyn Any + Send>);

/// A call that did not end well. The host has logged it.
#[derive(Debug, thiserror::Error)]
#[error("{component} could not be called")]
pub struct CallFailed {
    /// Which component.
    pub component: ComponentName,
    /// Why.
    #[source]
    pub source: BoxError,
}

/// When a service has begun, and when it shall end.
#[derive(Debug)]
pub struct Duty {
    begun: watch::Sender<bool>,
    over: watch::Receiver<bool>,
}

/// The host's side of a [`Duty`].
#[derive(Debug)]
pub struct Watch {
    begun: watch::Receiver<bool>,
    over: watch::Sender<bool>,
}

/// Several services as one: it has begun when all have, and is over for all of them at once. Nothing where there is none.
pub fn together(mut duty: Duty, services: &[&dyn Fn(Duty) -> Option<Service>]) -> Option<Service> {
    let begin = |serve: &&dyn Fn(Duty) -> Option<Service>| {
        let (duty, watch) = Duty::new();
        serve(duty).map(|service| (service, watch))
    };
    let (services, watches): (Vec<_>, Vec<_>) = services.iter().filter_map(begin).unzip();
    if services.is_empty() {
        return None;
    }
    let passed_on = async move {
        let begun = pin!(join_all(watches.iter().map(Watch::begun)));
        let is_over = matches!(select(pin!(duty.over()), begun).await, Either::Left(_));
        if !is_over {
            duty.begin();
            duty.over().await;
        }
        watches.iter().for_each(Watch::end);
    };
    Some(Box::pin(async move { drop(join(join_all(services), passed_on).await) }))
}

// === impl Seat ===

impl Seat {
    /// Holds what frees the place when it is dropped.
    pub fn new(held: impl Any + Send) -> Self {
        Self(Box::new(held))
    }
}

// === impl Duty ===

impl Duty {
    /// A duty that has not begun, and the host's side of it.
    pub fn new() -> (Self, Watch) {
        let (begun, seen) = watch::channel(false);
        let (end, over) = watch::channel(false);
        (Self { begun, over }, Watch { begun: seen, over: end })
    }

    /// Says that nothing is missed from now on.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Waits until it is over. At once where it already is.
    pub async fn over(&mut self) {
        // Where the host's side is gone, it is over too.
        drop(self.over.wait_for(|over| *over).await);
    }
}

// === impl Watch ===

impl Watch {
    /// Waits until the service has begun, or has ended without.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut begun = self.begun.clone();
        async move { drop(begun.wait_for(|begun| *begun).await) }
    }

    /// Says that it is over.
    pub fn end(&self) {
        self.over.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Whether it ends when it is looked at as often as it takes.
    fn ends(service: &mut Service) -> bool {
        (0..4).any(|_| (&mut *service).now_or_never().is_some())
    }

    #[test]
    fn services_together_have_begun_with_the_last_and_are_over_at_once() {
        let (let_begin, begins) = watch::channel(false);
        let quick = |mut duty: Duty| -> Option<Service> {
            Some(Box::pin(async move {
                duty.begin();
                duty.over().await;
            }))
        };
        let slow = |mut duty: Duty| -> Option<Service> {
            let mut begins = begins.clone();
            Some(Box::pin(async move {
                drop(begins.wait_for(|may| *may).await);
                duty.begin();
                duty.over().await;
            }))
        };
        let (duty, seen) = Duty::new();
        let mut service = together(duty, &[&quick, &|_| None, &slow]).expect("two of them run");
        assert!(!ends(&mut service));
        assert!(seen.begun().now_or_never().is_none(), "one has not begun yet");
        let_begin.send_replace(true);
        assert!(!ends(&mut service));
        assert!(seen.begun().now_or_never().is_some());
        seen.end();
        assert!(ends(&mut service));
    }

    #[test]
    fn what_is_over_before_it_has_begun_ends_and_of_none_there_is_no_service() {
        let never = |mut duty: Duty| -> Option<Service> { Some(Box::pin(async move { duty.over().await })) };
        let (duty, seen) = Duty::new();
        let mut service = together(duty, &[&never]).expect("it runs");
        assert!(!ends(&mut service));
        seen.end();
        assert!(ends(&mut service));
        assert!(together(Duty::new().0, &[&|_| None]).is_none());
    }
}
