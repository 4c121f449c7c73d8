//! This is one core of the data plane: what it serves, its pools, its connections and its tasks, all on one thread.
//!
//! # Invariants
//!
//! 1. Nothing here is shared with another thread but [`Share`], whose numbers this core alone writes, and the routes, which it
//!    alone reads as an immutable snapshot.
//! 2. Every task of the core is in its [`LocalTasks`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use engine::Failure;
use model::ComponentName;
use route::Routes;
use rt::{LocalTasks, Tick};
use slab::Slab;
use stdx::Trace;

use crate::away::Away;
use crate::connection::Link;
use crate::directory::{Answers, Directory};
use crate::pool::Pool;
use crate::served::Served;

/// Failures of components that a core logs in a second; the others are counted and said so.
const LOGGED_MAX: u32 = 20;

/// What one core tells the rest of the process.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Share {
    pub(crate) connections: AtomicUsize,
    pub(crate) tasks: AtomicUsize,
    pub(crate) head_too_large: AtomicU64,
    pub(crate) no_route: AtomicU64,
}

/// One core of the data plane.
pub(crate) struct Core {
    index: usize,
    shares: Arc<[Share]>,
    published: Arc<ArcSwap<Directory>>,
    local: RefCell<Local>,
    pub(crate) connections: RefCell<Slab<Rc<Link>>>,
    tasks: RefCell<LocalTasks>,
    logged: Cell<(u64, u32)>,
}

/// Who answers as this core sees it: the snapshot that it was made from, and its own pools behind that.
struct Local {
    seen: Arc<Directory>,
    routes: Routes<Way>,
    pools: BTreeMap<ComponentName, Rc<Pool>>,
}

/// Where a request goes.
#[derive(Clone)]
pub(crate) enum Way {
    Here(Rc<Pool>),
    Away(Arc<Away>),
}

// === impl Core ===

impl Core {
    pub(crate) fn new(index: usize, shares: Arc<[Share]>, published: Arc<ArcSwap<Directory>>) -> Self {
        let local = Local::of(published.load_full(), index, &mut BTreeMap::new());
        Self {
            index,
            shares,
            published,
            local: RefCell::new(local),
            connections: RefCell::default(),
            tasks: RefCell::default(),
            logged: Cell::default(),
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn share(&self) -> &Share {
        &self.shares[self.index]
    }

    /// Where a request for `path` goes that came in at this listener, on the host that is asked for where routes have hosts.
    pub(crate) fn way_for<'a>(
        &self,
        listener: Option<&str>,
        path: &str,
        host: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Way> {
        self.look_at_routes();
        let local = self.local.borrow();
        let routes = local.routes.at(listener);
        let host = if routes.by_host() { host() } else { None };
        routes.find(host, path).cloned()
    }

    /// The pool of a component of this host.
    pub(crate) fn pool_of(&self, component: &ComponentName) -> Option<Rc<Pool>> {
        self.look_at_routes();
        self.local.borrow().pools.get(component).cloned()
    }

    /// Sees whether something else was published. A pool that is not in it answers what it has begun, and ends.
    fn look_at_routes(&self) {
        let published = self.published.load();
        let mut local = self.local.borrow_mut();
        if !Arc::ptr_eq(&published, &local.seen) {
            let mut old = std::mem::take(&mut local.pools);
            *local = Local::of(Arc::clone(&published), self.index, &mut old);
            old.values().for_each(|pool| pool.close());
        }
    }

    /// Starts a task that this core owns. While there are any, the clock ticks: whatever runs can be stopped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let counted = Counted::new(self.shares.clone(), self.index);
        self.tasks.borrow_mut().spawn(async move {
            task.await;
            drop(counted);
        });
    }

    /// Runs what is no request and may wait for ever: whoever is called by it says for himself that the clock is to tick.
    pub(crate) fn run(&self, work: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().spawn(work);
    }

    /// Looks after what has no request to wake it: deadlines, slow connections, idle pools.
    pub(crate) fn tick(&self) {
        // A core without requests lets go of what was replaced, too.
        self.look_at_routes();
        let now = Tick::now();
        self.connections.borrow().iter().for_each(|(_, link)| link.check(now));
        self.local.borrow().pools.values().for_each(|pool| pool.check_idle());
    }

    /// Lets what runs end and nothing begin. Says whether no connection and no task is left.
    pub(crate) fn drain(&self) -> bool {
        self.connections.borrow().iter().for_each(|(_, link)| link.close());
        let has_connections = !self.connections.borrow().is_empty();
        if !has_connections {
            self.local.borrow().pools.values().for_each(|pool| pool.close());
        }
        self.tasks.borrow_mut().reap();
        !has_connections && self.tasks.borrow().is_empty()
    }

    /// Says that a component failed. A storm of failures is counted, not written out.
    pub(crate) fn log_failure(&self, served: &Served, failure: &Failure, trace: Option<&Trace>) {
        self.log_seldom(|| log(served, failure, trace.map(Trace::id)));
    }

    /// Logs, but for what is too much of it.
    pub(crate) fn log_seldom(&self, log: impl FnOnce()) {
        let second = Tick::now().since(Tick::ZERO).as_secs();
        let (last, count) = self.logged.get();
        let count = if last == second { count + 1 } else { 1 };
        self.logged.set((second, count));
        match count.cmp(&LOGGED_MAX) {
            std::cmp::Ordering::Less => log(),
            std::cmp::Ordering::Equal => {
                tracing::warn!("many components fail; the rest of this second is only counted")
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}

fn log(served: &Served, failure: &Failure, trace: Option<&str>) {
    let component = &served.name;
    match failure {
        Failure::OutOfTime => {
            tracing::warn!(%component, trace, timeout = ?served.limits.timeout, "stopped: out of time (--timeout gives more)")
        }
        Failure::OutOfMemory(_) => {
            tracing::warn!(%component, trace, limit = %served.limits.memory, "failed: out of memory (--memory gives more)")
        }
        Failure::Full => tracing::warn!(%component, trace, "refused: no instance is free (--instances allows more)"),
        Failure::Exit(code) => tracing::warn!(%component, trace, code, "called exit instead of answering"),
        Failure::Trap(trap) => tracing::warn!(%component, trace, %trap, "failed"),
    }
}

// === impl Local ===

impl Local {
    /// What is seen of a snapshot. Pools that serve the same as before are taken out of `old`.
    fn of(seen: Arc<Directory>, index: usize, old: &mut BTreeMap<ComponentName, Rc<Pool>>) -> Self {
        let pool = |(name, served): (&ComponentName, &Arc<Served>)| {
            let kept = old.get(name).is_some_and(|pool| Arc::ptr_eq(&pool.served, served));
            let kept = if kept { old.remove(name) } else { None };
            (name.clone(), kept.unwrap_or_else(|| Rc::new(Pool::new(served.clone(), index))))
        };
        let pools: BTreeMap<_, _> = seen.served.iter().map(pool).collect();
        let routes = seen.routes.map(|answers| match answers {
            Answers::Here(served) => Way::Here(pools[&served.name].clone()),
            Answers::Away(away) => Way::Away(away.clone()),
        });
        Self { seen, routes, pools }
    }
}

/// A task that counts while it lives.
struct Counted(Arc<[Share]>, usize);

impl Counted {
    fn new(shares: Arc<[Share]>, index: usize) -> Self {
        shares[index].tasks.fetch_add(1, Ordering::Relaxed);
        Self(shares, index)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0[self.1].tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Share ===

impl Share {
    /// Adds one. Only the core that the share belongs to may do this.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// How often a core looks after what has no request to wake it.
pub(crate) const CARE: Duration = Duration::from_millis(50);
