//! Calls `wasi:http/handler` of WASI 0.3: an instance can answer several requests at once.
//!
//! # Invariants
//!
//! 1. An instance whose component failed answers nobody any more: all requests that it was answering end with it.
//! 2. A request that is out of time retires the instance that it is stuck in: one call cannot be ended alone.
//! 3. What an instance does belongs to the one request that it answers, and its trace, and to none while those are several. So it is
//!    with what that request has met: while they are several, each call meets what is there.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use engine::{Failure, State, start_clock};
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use rt::Tick;
use stdx::Trace;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::Accessor;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;

use crate::core::Core;
use crate::exchange::{Call, Run};
use crate::pool::{Instance, Pool};
use crate::served::Reuse;

/// A call whose answer's body is made by the instance's event loop, until it was taken.
struct StreamingCall {
    call: Call,
    body_taken: oneshot::Receiver<()>,
}

/// The work for one call: in an instance of its own, or handed to one that is shared.
///
/// `body_taken` is closed when the answer's body was taken to its end, or nobody wants the rest.
pub(crate) fn run(core: &Rc<Core>, pool: &Rc<Pool>, call: Call, body_taken: oneshot::Receiver<()>) -> Run {
    let call = StreamingCall { call, body_taken };
    match pool.served.reuse {
        None => Box::pin(run_alone(pool.clone(), call)),
        Some(reuse) => Box::pin(run_shared(core.clone(), pool.clone(), reuse, call)),
    }
}

async fn run_alone(pool: Rc<Pool>, mut call: StreamingCall) -> Result<(), Failure> {
    let mut instance = pool.take(call.call.deadline).await?;
    let Instance { store, handler, .. } = &mut *instance;
    store.data_mut().follow(call.call.trace.take());
    let ran = store.run_concurrent(async |accessor| {
        handle(accessor, handler, call).await?;
        // What the component started and did not wait for is part of its work.
        std::future::poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        Ok(())
    });
    match ran.await.and_then(|ended| ended) {
        Ok(()) => {
            pool.put_away_concurrent(instance);
            Ok(())
        }
        Err(error) => Err(Failure::of(&error, instance.store.data().meter.refused())),
    }
}

/// Tells the component how taking its request's body ended.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// Calls the handler, sends its answer, and waits until the body was taken: the body is made by the same event loop.
async fn handle(accessor: &Accessor<State>, service: &Service, call: StreamingCall) -> wasmtime::Result<()> {
    let StreamingCall { call: Call { request, answer, .. }, body_taken } = call;
    let (request, sent) = accessor.with(|mut store| {
        let (request, sent) = Request::from_http(store.data_mut().http().hooks, request);
        (request, Box::pin(sent) as Sent)
    });
    let answered = match service.handle(accessor, request).await? {
        Ok(response) => Ok(accessor.with(|mut store| response.into_http(&mut store, sent))?),
        Err(error) => Err(format!("{error:?}")),
    };
    if answer.send(answered).is_ok() {
        // Nothing is ever sent: the other end is dropped when the body was taken.
        drop(body_taken.await);
    }
    Ok(())
}

/// An instance that answers several requests, as those who hand it requests see it.
pub(crate) struct Shared {
    calls: mpsc::Sender<Handed>,
    active: Cell<usize>,
    accepted: Cell<u32>,
    is_retired: Cell<bool>,
}

struct Handed {
    call: StreamingCall,
    ended: oneshot::Sender<Result<(), Failure>>,
}

/// Counts a call of a shared instance while it lasts, and retires the instance where the call is dropped unfinished.
struct Lease {
    shared: Rc<Shared>,
    has_ended: bool,
}

impl Shared {
    fn has_room(&self, reuse: Reuse) -> bool {
        !self.is_retired.get() && self.active.get() < reuse.at_once_max && self.accepted.get() < reuse.requests_max
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.active.set(self.shared.active.get() - 1);
        if !self.has_ended {
            self.shared.is_retired.set(true);
        }
    }
}

async fn run_shared(core: Rc<Core>, pool: Rc<Pool>, reuse: Reuse, call: StreamingCall) -> Result<(), Failure> {
    let shared = match pool.find_shared(|shared| shared.has_room(reuse)) {
        Some(shared) => shared,
        None => start_shared(&core, &pool, reuse, call.call.deadline).await?,
    };
    shared.active.set(shared.active.get() + 1);
    shared.accepted.set(shared.accepted.get() + 1);
    if shared.accepted.get() >= reuse.requests_max {
        // Nobody finds it any more, so that it ends with the last of those that it answers.
        pool.unshare(&shared);
    }
    let mut lease = Lease { shared: shared.clone(), has_ended: false };
    let (ended, has_ended) = oneshot::channel();
    let gone = || Failure::Trap("the instance that it shared with other requests ended".into());
    shared.calls.send(Handed { call, ended }).await.map_err(|_unsent| gone())?;
    let ended = has_ended.await.map_err(|_closed| gone())?;
    lease.has_ended = true;
    ended
}

async fn start_shared(core: &Rc<Core>, pool: &Rc<Pool>, reuse: Reuse, deadline: Tick) -> Result<Rc<Shared>, Failure> {
    let instance = pool.take(deadline).await?;
    let (calls, handed) = mpsc::channel(reuse.at_once_max);
    let shared = Rc::new(Shared { calls, active: Cell::new(0), accepted: Cell::new(0), is_retired: Cell::new(false) });
    pool.share(shared.clone());
    let drive = drive(pool.clone(), instance, handed, Rc::downgrade(&shared));
    core.spawn(drive);
    Ok(shared)
}

/// A request begins in a shared instance, which may have others.
fn begin(state: &mut State, (deadline, trace): (Tick, Option<Trace>), is_alone: bool) {
    state.deadline = deadline;
    if is_alone { state.follow(trace) } else { state.follow_several() }
}

/// Runs a shared instance until nobody can hand it requests and the last of them has ended.
async fn drive(
    pool: Rc<Pool>,
    mut instance: Box<Instance<Service>>,
    mut handed: mpsc::Receiver<Handed>,
    shared: std::rc::Weak<Shared>,
) {
    let timeout = pool.served.limits.timeout;
    let running: RefCell<Vec<oneshot::Sender<Result<(), Failure>>>> = RefCell::default();
    let Instance { store, handler, .. } = &mut *instance;
    let handler = &*handler;
    start_clock(store, Tick::now().after(timeout));
    let ran = store.run_concurrent(async |accessor| {
        let mut calls = FuturesUnordered::new();
        std::future::poll_fn(|cx| {
            while let Poll::Ready(Some(Handed { mut call, ended })) = handed.poll_recv(cx) {
                // The newest request decides how long the component may be busy; each is watched by its own exchange.
                let (deadline, trace, is_alone) = (call.call.deadline, call.call.trace.take(), calls.is_empty());
                accessor.with(|mut store| begin(store.data_mut(), (deadline, trace), is_alone));
                calls.push(unless_abandoned(handle(accessor, handler, call), ended));
            }
            while let Poll::Ready(Some((result, ended))) = calls.poll_next_unpin(cx) {
                match result {
                    // Whoever waits may have gone away.
                    Ok(()) => drop(ended.send(Ok(()))),
                    Err(error) => {
                        running.borrow_mut().push(ended);
                        return Poll::Ready(Err(error));
                    }
                }
            }
            if calls.is_empty() {
                accessor.with(|mut store| store.data_mut().end());
            }
            let is_over = handed.is_closed() && handed.is_empty()
                || shared.upgrade().is_none_or(|shared| shared.is_retired.get());
            if is_over && calls.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    });
    let ended = ran.await.and_then(|ended| ended);
    if let Some(shared) = shared.upgrade() {
        shared.is_retired.set(true);
        pool.unshare(&shared);
    }
    if let Err(error) = ended {
        let failure = Failure::of(&error, instance.store.data().meter.refused());
        running.into_inner().into_iter().for_each(|ended| drop(ended.send(Err(failure.clone()))));
    }
    pool.put_away_concurrent(instance);
}

/// Runs a call to its end, or until nobody waits for it any more. What the component still does for an abandoned call ends with
/// the instance, which is retired: without this a sleeping component would keep it for as long as it pleases.
async fn unless_abandoned(
    call: impl Future<Output = wasmtime::Result<()>>,
    mut ended: oneshot::Sender<Result<(), Failure>>,
) -> (wasmtime::Result<()>, oneshot::Sender<Result<(), Failure>>) {
    let result = {
        let call = pin!(call);
        let abandoned = pin!(ended.closed());
        match select(call, abandoned).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Ok(()),
        }
    };
    (result, ended)
}
