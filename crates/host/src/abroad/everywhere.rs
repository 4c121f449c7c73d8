//! Serves a component by all wires that a host has: each thread of the data plane by its own, so that a call is taken, worked on and
//! answered on one thread.
//!
//! # Invariants
//!
//! 1. Somebody serves from the beginning: by the wire that all threads share, until a while after the first thread does by its own. Where there are
//!    no others, it is that one for good.
//! 2. All of them end when they are told to, with what they have begun.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use http_capability::Receiving;
use tokio::sync::{Notify, oneshot};
use wire::{Lanes, Wire};

use super::reached::Told;
use crate::world::Fronts;

/// Threads that serve, at most: so many connections does a host take calls by, however large its machine is.
const THREADS_MAX: usize = 4;

/// So long the shared wire goes on beside the first thread: by then whoever calls has heard of that one.
const HANDOVER: Duration = Duration::from_secs(5);

/// Where whoever serves by a wire says that calls reach it.
pub(super) type Begun = oneshot::Sender<()>;

/// Lets `serve` do so by each of these wires until it is told to end.
pub(super) async fn serve_by<S, F>(lanes: Lanes, fronts: Fronts, told: Told, serve: S)
where
    S: Fn(Wire, Told, Begun) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let relief = Arc::new(Notify::new());
    let relieved = {
        let (told, relief) = (told.clone(), relief.clone());
        async move {
            tokio::select! {
                () = told => {}
                () = relief.notified() => {}
            }
        }
    };
    let (nobody_waits, _) = oneshot::channel();
    let by_common = serve(lanes.common().clone(), relieved.boxed().shared(), nobody_waits);
    let by_threads = async {
        let count = lanes.threads().min(THREADS_MAX);
        let Some(receiving) = plane(count, fronts, told.clone()).await else { return };
        let by_thread = |core| {
            let (lanes, told, relief, serve) = (lanes.clone(), told.clone(), relief.clone(), serve.clone());
            receiving.run_on(core, by_own(lanes, told, relief, serve))
        };
        join_all((0..count).map(by_thread)).await;
    };
    tokio::join!(by_common, by_threads);
}

/// The way into the data plane once it is there, where threads of it are wanted. It is held as long as they serve: the data plane ends
/// after that.
async fn plane(threads: usize, fronts: Fronts, told: Told) -> Option<Receiving> {
    if threads == 0 {
        return None;
    }
    tokio::select! {
        front = fronts.wait() => front.entrance.receiving(),
        () = told => None,
    }
}

/// Serves on this thread.
async fn by_own<S, F>(lanes: Lanes, told: Told, relief: Arc<Notify>, serve: S)
where
    S: Fn(Wire, Told, Begun) -> F,
    F: Future<Output = ()>,
{
    let wire = tokio::select! {
        own = lanes.own() => own.cloned(),
        () = told.clone() => None,
    };
    let Some(wire) = wire else { return };
    let (tell, begun) = oneshot::channel();
    let relieve = async {
        if begun.await.is_ok() {
            tokio::time::sleep(HANDOVER).await;
            relief.notify_one();
        }
    };
    let mut serving = pin!(serve(wire, told, tell));
    tokio::select! {
        () = &mut serving => return,
        () = relieve => {}
    }
    serving.await;
}
