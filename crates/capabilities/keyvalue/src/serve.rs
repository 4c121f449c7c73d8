//! Calls a component when values change that its link says are watched.
//!
//! ```text
//! Store::watch ─▶ names that changed ─▶ Due ─▶ read what is there now ─▶ on-set | on-delete
//! ```
//!
//! # Invariants
//!
//! 1. A call tells what is there when it begins, and a change during a call is followed by another: the last call for a key
//!    tells what the key became, however fast it changed before.
//! 2. For one key there is one call at a time.
//!
//! # Not here
//!
//! What a provider tells a component of ([`told`]). What changes while the store is away is told by nobody; what was told and not handled yet is kept.

mod due;
mod told;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use capability::{Callable, Calls, Cause, Duty, Job, OpenLink, Seat, Service};
use engine::State;
use futures::StreamExt;
use model::{ComponentName, LinkName};
use rt::Tick;
use stdx::{Chain, Trace};
use tokio::task::JoinSet;
use tracing::warn;
use wasmtime::Store as Instance;
use wasmtime::component::{Func, Resource};

use crate::Linked;
use crate::guest::{self, Bucket, Link, WATCHERS};
use crate::limits::Limits;
use crate::scope::Scope;
use crate::store::{Changes, Store};
use due::Due;

pub(crate) use told::reach;
pub(crate) use watched::Watched;

/// After a watch that ended or a value that could not be read, so long until the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// What calls one component by one link.
struct Watcher {
    component: ComponentName,
    link: LinkName,
    linked: Arc<Linked>,
    scope: Scope,
    /// By which values are read, on the link's terms.
    reader: Link,
    on_set: Arc<dyn Calls>,
    on_delete: Arc<dyn Calls>,
    timeout: Option<Duration>,
}

/// A key that a component is told of.
struct Telling {
    link: LinkName,
    bucket: String,
    key: String,
    /// What is there; nothing where it was deleted.
    value: Option<Bytes>,
    /// What it is told for.
    cause: Cause,
}

/// Whether a key was told of, or has to be again.
type Tried = (String, bool);

/// The service, if the link says what is watched and the component exports a watcher.
pub(crate) fn serve(component: &dyn Callable, link: &OpenLink, limits: Limits, duty: Duty) -> Option<Service> {
    let linked = link.target.as_ref()?.target::<Linked>()?.clone();
    let watched = linked.watched.as_ref()?;
    let Some((on_set, on_delete)) = functions_of(component) else {
        let [one, other] = WATCHERS;
        warn!(component = %component.name(), "the link says what is watched, and the component exports neither {one} nor {other}");
        return None;
    };
    let watcher = Watcher {
        component: component.name().clone(),
        link: link.name.clone(),
        scope: Scope::new(component.name(), &watched.bucket),
        linked,
        reader: Link::new(component.name(), link, limits),
        on_set,
        on_delete,
        timeout: link.terms.timeout,
    };
    Some(Box::pin(Arc::new(watcher).run(duty)))
}

/// What a component exports that is told of changes: `on-set` and `on-delete`.
fn functions_of(component: &dyn Callable) -> Option<(Arc<dyn Calls>, Arc<dyn Calls>)> {
    let exported = |contract: &str, function: &str| {
        component.function(&contract.parse().expect("it is written in full"), function)
    };
    WATCHERS.iter().find_map(|contract| exported(contract, "on-set").zip(exported(contract, "on-delete")))
}

// === impl Watcher ===

impl Watcher {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let (mut due, mut running) = (Due::default(), JoinSet::new());
        loop {
            let mut changes = tokio::select! {
                biased;
                () = duty.over() => break,
                changes = self.watch() => changes,
            };
            duty.begin();
            let is_over = self.call_with(&mut changes, (&mut due, &mut running), &mut duty).await;
            if is_over {
                break;
            }
            warn!(component = %self.component, store = %self.linked.store.describe(), "the watch ended; what changes until it is begun again is not told");
            tokio::time::sleep(PAUSE).await;
        }
        while running.join_next().await.is_some() {}
    }

    /// Begins to watch, again and again until it works.
    async fn watch(&self) -> Changes {
        let mut is_said = false;
        loop {
            match self.linked.store.watch(&self.scope).await {
                Ok(changes) => return changes,
                Err(error) if !is_said => {
                    warn!(component = %self.component, error = %Chain(&error), "cannot watch; it is tried again");
                    is_said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells of what changes until nothing is told any more; whether that is because it is over, which is answered when all
    /// that came before was handled.
    async fn call_with(
        self: &Arc<Self>,
        changes: &mut Changes,
        (due, running): (&mut Due, &mut JoinSet<Tried>),
        duty: &mut Duty,
    ) -> bool {
        let mut is_over = false;
        while !is_over || due.is_waiting() {
            tokio::select! {
                () = duty.over(), if !is_over => is_over = true,
                name = changes.next(), if !is_over => match name {
                    Some(name) if self.is_watched(&name) => self.note(due, name),
                    Some(_) => {}
                    None => return false,
                },
                seat = self.on_set.place(), if due.is_waiting() => {
                    if let Some(name) = due.next() {
                        running.spawn(self.clone().tell(name, seat));
                    }
                }
                Some(told) = running.join_next() => if let Ok((name, is_told)) = told {
                    due.end(name, is_told);
                },
            }
        }
        true
    }

    fn is_watched(&self, name: &str) -> bool {
        self.linked.watched.as_ref().is_some_and(|watched| watched.has(name))
    }

    fn note(&self, due: &mut Due, name: String) {
        if let Some(missed) = due.note(name) {
            warn!(component = %self.component, missed, "it does not keep up: changes of keys are not told");
        }
    }

    /// Tells what the key is now.
    async fn tell(self: Arc<Self>, name: String, seat: Seat) -> Tried {
        let key = self.scope.key(&name);
        // What went wrong was logged by the link.
        let Ok(value) = self.reader.read(|store: &dyn Store| store.get(&key)).await else {
            tokio::time::sleep(PAUSE).await;
            return (name, false);
        };
        let function = if value.is_some() { &self.on_set } else { &self.on_delete };
        let bucket = self.linked.watched.as_ref().map(|watched| watched.bucket.clone()).unwrap_or_default();
        let mut telling =
            Telling { link: self.link.clone(), bucket, key: name.clone(), value, cause: Cause::default() };
        // What went wrong was logged by the host, and would go wrong again.
        drop(function.call(seat, self.timeout, &mut telling).await);
        (name, true)
    }
}

#[async_trait]
impl Job for Telling {
    fn trace(&self) -> Option<Trace> {
        self.cause.trace.clone()
    }

    fn deadline(&self) -> Tick {
        self.cause.deadline
    }

    fn depth(&self) -> u16 {
        self.cause.depth
    }

    async fn run(&mut self, store: &mut Instance<State>, functions: &[Func]) -> wasmtime::Result<()> {
        // It is the only one that was asked for.
        let function = functions[0];
        let bucket = guest::open_by(store.data_mut(), &self.bucket, &self.link)?;
        let key = self.key.clone();
        match self.value.take() {
            Some(value) => {
                let function = function.typed::<(Resource<Bucket>, String, Vec<u8>), ()>(&*store)?;
                function.call_async(store, (bucket, key, value.into())).await
            }
            None => {
                let function = function.typed::<(Resource<Bucket>, String), ()>(&*store)?;
                function.call_async(store, (bucket, key)).await
            }
        }
    }
}
