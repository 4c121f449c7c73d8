//! These are the instances of one component on one core: spares made ahead of need, used ones waiting to be torn down.
//!
//! Making an instance and taking one down cost more than answering a small request. Both are kept out of the way of an answer:
//! a keeper task tears down what was used once the answer is on its way, and makes a spare for the next request.
//!
//! # Invariants
//!
//! 1. Without reuse an instance answers one request: what is put back is torn down.
//! 2. An instance whose call did not end well is never used again.
//! 3. A component without requests has no instances: spares are let go after [`IDLE`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::{Alive, Failure, State, new_store, start_clock};
use rt::Tick;
use tokio::sync::Notify;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p3::bindings::Service;

use crate::p3::Shared;
use crate::served::{Counts, Handler, Served};

/// After so long without a request a component's spares are let go.
pub(crate) const IDLE: Duration = Duration::from_secs(5);

/// Where no instance is free, so long is waited for one that is just being torn down.
const PATIENCE: Duration = Duration::from_millis(3);

/// Spares of one component on one core.
const SPARES_MAX: usize = 4;

/// An instance with the handler that it exports. It is handed about in a box: as it is it takes hundreds of bytes.
pub(crate) struct Instance<H> {
    pub(crate) store: Store<State>,
    pub(crate) handler: H,
    pub(crate) answered: u32,
    _alive: Alive,
}

/// The instances of one component on one core.
pub(crate) struct Pool {
    pub(crate) served: Arc<Served>,
    core: usize,
    serial: Shelf<Proxy>,
    concurrent: Shelf<Service>,
    shared: RefCell<Vec<Rc<Shared>>>,
    keeper: Notify,
    is_kept: Cell<bool>,
    is_closed: Cell<bool>,
    used_at: Cell<Tick>,
}

/// A handler that a component exports: that of WASI 0.2 or of 0.3.
pub(crate) trait Exported: Sized {
    /// Where a pool keeps its instances.
    fn shelf(pool: &Pool) -> &Shelf<Self>;

    /// Makes an instance of the component that exports it.
    async fn instantiate(handler: &Handler, store: &mut Store<State>) -> wasmtime::Result<Self>;
}

/// A place among the invocations that run at once. Dropping it frees it.
pub(crate) struct Place(Rc<Pool>);

/// Instances of one kind of handler.
pub(crate) struct Shelf<H> {
    ready: RefCell<Vec<Box<Instance<H>>>>,
    used: RefCell<Vec<Box<Instance<H>>>>,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(served: Arc<Served>, core: usize) -> Self {
        Self {
            served,
            core,
            serial: Shelf::default(),
            concurrent: Shelf::default(),
            shared: RefCell::default(),
            keeper: Notify::new(),
            is_kept: Cell::new(false),
            is_closed: Cell::new(false),
            used_at: Cell::new(Tick::now()),
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        self.served.counts(self.core)
    }

    /// An instance for a request that has to be answered by `deadline`: a spare, or a new one.
    pub(crate) async fn take<H: Exported>(&self, deadline: Tick) -> Result<Box<Instance<H>>, Failure> {
        self.used_at.set(Tick::now());
        if let Some(mut instance) = H::shelf(self).pop() {
            start_clock(&mut instance.store, deadline);
            return Ok(instance);
        }
        // Boxed: what making one takes would otherwise be moved with every request that needs none made.
        Box::pin(self.make_patiently(deadline)).await
    }

    /// Takes back an instance whose call ended well.
    pub(crate) fn put_back_serial(&self, mut instance: Box<Instance<Proxy>>) {
        instance.answered += 1;
        instance.store.data_mut().end();
        let is_reusable = self.served.reuse.is_some_and(|reuse| instance.answered < reuse.requests_max);
        if is_reusable {
            self.serial.ready.borrow_mut().push(instance);
        } else {
            self.serial.used.borrow_mut().push(instance);
            self.keeper.notify_one();
        }
    }

    /// Takes back an instance that is not going to be used again.
    pub(crate) fn put_away_concurrent(&self, instance: Box<Instance<Service>>) {
        self.concurrent.used.borrow_mut().push(instance);
        self.keeper.notify_one();
    }

    /// The instances that answer several requests at once.
    pub(crate) fn find_shared(&self, fits: impl Fn(&Shared) -> bool) -> Option<Rc<Shared>> {
        self.used_at.set(Tick::now());
        self.shared.borrow().iter().find(|shared| fits(shared)).cloned()
    }

    /// Adds an instance that answers several requests at once. One made in a closed pool answers the request that it was made
    /// for, and no other.
    pub(crate) fn share(&self, shared: Rc<Shared>) {
        if !self.is_closed.get() {
            self.shared.borrow_mut().push(shared);
        }
    }

    /// Hands it no more requests.
    pub(crate) fn unshare(&self, gone: &Rc<Shared>) {
        self.shared.borrow_mut().retain(|shared| !Rc::ptr_eq(shared, gone));
    }

    /// The keeper to start, where none runs yet.
    pub(crate) fn keeper(self: &Rc<Self>) -> Option<impl Future<Output = ()> + use<>> {
        if self.is_kept.replace(true) {
            return None;
        }
        let pool = self.clone();
        Some(async move {
            while !pool.is_idle() {
                pool.keeper.notified().await;
                pool.tidy().await;
            }
            pool.is_kept.set(false);
            pool.serial.clear();
            pool.concurrent.clear();
            pool.shared.borrow_mut().clear();
        })
    }

    /// Lets the keeper look whether it is still needed.
    pub(crate) fn check_idle(&self) {
        if self.is_kept.get() && self.is_idle() {
            self.keeper.notify_one();
        }
    }

    /// Ends the keeper, and lets go of all instances that answer nobody.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.keeper.notify_one();
    }

    fn is_idle(&self) -> bool {
        self.is_closed.get() || Tick::now().since(self.used_at.get()) >= IDLE
    }

    /// Tears down what was used, and makes as many spares as were missing.
    async fn tidy(&self) {
        let used = self.serial.clear_used() + self.concurrent.clear_used();
        let deadline = Tick::now().after(self.served.limits.timeout);
        for _ in 0..used.min(SPARES_MAX) {
            if !self.served.account.may_have_spare() {
                return;
            }
            // A spare that cannot be made is no loss: the next request will say why.
            let made = match &self.served.handler {
                Handler::P2(_) if self.serial.len() < SPARES_MAX => {
                    self.make(deadline).await.map(|spare| self.serial.push(spare))
                }
                Handler::P3(_) if self.concurrent.len() < SPARES_MAX && self.served.reuse.is_none() => {
                    self.make(deadline).await.map(|spare| self.concurrent.push(spare))
                }
                _ => return,
            };
            if made.is_err() {
                return;
            }
        }
    }

    /// Counts one more instance. Those that only wait for being torn down make room for it.
    fn one_more(&self) -> Result<Alive, Failure> {
        let one_more = || self.served.account.instance();
        one_more()
            .or_else(|| match self.serial.clear_used() + self.concurrent.clear_used() {
                0 => None,
                _ => one_more(),
            })
            .ok_or(Failure::Full)
    }

    async fn make_patiently<H: Exported>(&self, deadline: Tick) -> Result<Box<Instance<H>>, Failure> {
        match self.make(deadline).await {
            Err(Failure::Full) => {
                tokio::time::sleep(PATIENCE).await;
                self.make(deadline).await
            }
            made => made,
        }
    }

    async fn make<H: Exported>(&self, deadline: Tick) -> Result<Box<Instance<H>>, Failure> {
        let alive = self.one_more()?;
        let mut store = new_store(self.served.handler.engine(), (self.served.new_state)());
        start_clock(&mut store, deadline);
        match H::instantiate(&self.served.handler, &mut store).await {
            Ok(handler) => Ok(Box::new(Instance { store, handler, answered: 0, _alive: alive })),
            Err(error) => Err(Failure::of(&error, store.data().meter.refused())),
        }
    }
}

// === impl Exported ===

impl Exported for Proxy {
    fn shelf(pool: &Pool) -> &Shelf<Self> {
        &pool.serial
    }

    async fn instantiate(handler: &Handler, store: &mut Store<State>) -> wasmtime::Result<Self> {
        let Handler::P2(pre) = handler else { unreachable!("a pool makes what its component exports") };
        pre.instantiate_async(store).await
    }
}

impl Exported for Service {
    fn shelf(pool: &Pool) -> &Shelf<Self> {
        &pool.concurrent
    }

    async fn instantiate(handler: &Handler, store: &mut Store<State>) -> wasmtime::Result<Self> {
        let Handler::P3(pre) = handler else { unreachable!("a pool makes what its component exports") };
        pre.instantiate_async(store).await
    }
}

// === impl Place ===

impl Place {
    /// A place at the pool's component, where one is free.
    pub(crate) fn take(pool: &Rc<Pool>) -> Option<Self> {
        pool.served.account.enter().then(|| Self(pool.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.served.account.leave();
    }
}

// === impl Shelf ===

impl<H> Default for Shelf<H> {
    fn default() -> Self {
        Self { ready: RefCell::default(), used: RefCell::default() }
    }
}

impl<H> Shelf<H> {
    fn pop(&self) -> Option<Box<Instance<H>>> {
        self.ready.borrow_mut().pop()
    }

    fn push(&self, instance: Box<Instance<H>>) {
        self.ready.borrow_mut().push(instance);
    }

    fn len(&self) -> usize {
        self.ready.borrow().len()
    }

    fn clear(&self) {
        self.ready.borrow_mut().clear();
        self.used.borrow_mut().clear();
    }

    fn clear_used(&self) -> usize {
        let used = std::mem::take(&mut *self.used.borrow_mut());
        used.len()
    }
}
