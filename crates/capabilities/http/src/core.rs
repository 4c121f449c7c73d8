//! This is one core of the data plane: what it serves, its pools, its connections and its tasks, all on one thread.
//!
//! # Invariants
//!
//! 1. Nothing here is shared with another thread but [`Share`], whose numbers this core alone writes, and the routes, which it
//!    alone reads as an immutable snapshot.
//! 2. Every task of the core is in its [`LocalTasks`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use engine::Failure;
use route::Routes;
use rt::{LocalTasks, Tick};
use slab::Slab;

use crate::connection::Link;
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
    published: Arc<ArcSwap<Routes<Arc<Served>>>>,
    local: RefCell<Local>,
    pub(crate) connections: RefCell<Slab<Rc<Link>>>,
    tasks: RefCell<LocalTasks>,
    logged: Cell<(u64, u32)>,
}

/// The routes as this core sees them: the snapshot that they were made from, and its own pools behind them.
struct Local {
    seen: Arc<Routes<Arc<Served>>>,
    routes: Routes<Rc<Pool>>,
}

// === impl Core ===

impl Core {
    pub(crate) fn new(index: usize, shares: Arc<[Share]>, published: Arc<ArcSwap<Routes<Arc<Served>>>>) -> Self {
        let seen = published.load_full();
        let routes = seen.map(|served| Rc::new(Pool::new(served.clone(), index)));
        Self {
            index,
            shares,
            published,
            local: RefCell::new(Local { seen, routes }),
            connections: RefCell::default(),
            tasks: RefCell::default(),
            logged: Cell::default(),
        }
    }

    pub(crate) fn share(&self) -> &Share {
        &self.shares[self.index]
    }

    /// The pool of the component that answers a request for `path` that came in at this listener, on the host that is asked for
    /// where routes have hosts.
    pub(crate) fn pool_for<'a>(
        &self,
        listener: Option<&str>,
        path: &str,
        host: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Rc<Pool>> {
        self.look_at_routes();
        let local = self.local.borrow();
        let routes = local.routes.at(listener);
        let host = if routes.by_host() { host() } else { None };
        routes.find(host, path).cloned()
    }

    /// Sees whether other routes were published. A pool that is in none of them answers what it has begun, and ends.
    fn look_at_routes(&self) {
        let published = self.published.load();
        let mut local = self.local.borrow_mut();
        if !Arc::ptr_eq(&published, &local.seen) {
            let mut old: HashMap<_, _> =
                local.routes.iter().map(|(_, pool)| (Arc::as_ptr(&pool.served), pool.clone())).collect();
            let routes = published.map(|served| {
                let kept = old.get(&Arc::as_ptr(served)).cloned();
                kept.unwrap_or_else(|| Rc::new(Pool::new(served.clone(), self.index)))
            });
            routes.iter().for_each(|(_, pool)| drop(old.remove(&Arc::as_ptr(&pool.served))));
            old.values().for_each(|pool| pool.close());
            *local = Local { seen: Arc::clone(&published), routes };
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

    /// Looks after what has no request to wake it: deadlines, slow connections, idle pools.
    pub(crate) fn tick(&self) {
        // A core without requests lets go of what was replaced, too.
        self.look_at_routes();
        let now = Tick::now();
        self.connections.borrow().iter().for_each(|(_, link)| link.check(now));
        self.local.borrow().routes.iter().for_each(|(_, pool)| pool.check_idle());
    }

    /// Lets what runs end and nothing begin. Says whether no connection and no task is left.
    pub(crate) fn drain(&self) -> bool {
        self.connections.borrow().iter().for_each(|(_, link)| link.close());
        let has_connections = !self.connections.borrow().is_empty();
        if !has_connections {
            self.local.borrow().routes.iter().for_each(|(_, pool)| pool.close());
        }
        self.tasks.borrow_mut().reap();
        !has_connections && self.tasks.borrow().is_empty()
    }

    /// Says that a component failed. A storm of failures is counted, not written out.
    pub(crate) fn log_failure(&self, served: &Served, failure: &Failure) {
        let second = Tick::now().since(Tick::ZERO).as_secs();
        let (last, count) = self.logged.get();
        let count = if last == second { count + 1 } else { 1 };
        self.logged.set((second, count));
        match count.cmp(&LOGGED_MAX) {
            std::cmp::Ordering::Less => log(served, failure),
            std::cmp::Ordering::Equal => {
                tracing::warn!("many components fail; the rest of this second is only counted")
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}

fn log(served: &Served, failure: &Failure) {
    let component = &served.name;
    match failure {
        Failure::OutOfTime => {
            tracing::warn!(%component, timeout = ?served.limits.timeout, "stopped: out of time (--timeout gives more)")
        }
        Failure::OutOfMemory(_) => {
            tracing::warn!(%component, limit = %served.limits.memory, "failed: out of memory (--memory gives more)")
        }
        Failure::Full => tracing::warn!(%component, "refused: no instance is free (--instances allows more)"),
        Failure::Exit(code) => tracing::warn!(%component, code, "called exit instead of answering"),
        Failure::Trap(trap) => tracing::warn!(%component, %trap, "failed"),
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
