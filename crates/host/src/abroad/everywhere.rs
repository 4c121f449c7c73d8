//! Serves a component by all wires that a host has: by the one that all threads share, and each thread of the data plane by its own, so
//! that a call is taken, worked on and answered on one thread.
//!
//! # Invariants
//!
//! 1. The shared wire serves from the beginning to the end: no call falls between it and those of the threads.
//! 2. All of them end when they are told to, with what they have begun.

use futures::future::join_all;
use http_capability::Receiving;
use wire::{Lanes, Wire};

use super::reached::ToldToEnd;
use crate::world::Fronts;

/// Threads that serve, at most: so many connections does a host take calls by, however large its machine is.
const THREADS_MAX: usize = 4;

/// Lets `serve` do so by each of these wires until it is told to end.
pub(super) async fn serve_by<S, F>(lanes: Lanes, fronts: Fronts, told: ToldToEnd, serve: S)
where
    S: Fn(Wire, ToldToEnd) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let by_common = serve(lanes.common().clone(), told.clone());
    let by_threads = async {
        let count = lanes.threads().min(THREADS_MAX);
        let Some(receiving) = plane(count, fronts, told.clone()).await else { return };
        let by_thread = |core| receiving.run_on(core, by_own(lanes.clone(), told.clone(), serve.clone()));
        join_all((0..count).map(by_thread)).await;
    };
    tokio::join!(by_common, by_threads);
}

/// The way into the data plane once it is there, where threads of it are wanted. It is held as long as they serve: the data plane ends
/// after that.
async fn plane(threads: usize, fronts: Fronts, told: ToldToEnd) -> Option<Receiving> {
    if threads == 0 {
        return None;
    }
    tokio::select! {
        front = fronts.wait() => front.entrance.receiving(),
        () = told => None,
    }
}

/// Serves on this thread.
async fn by_own<S, F>(lanes: Lanes, told: ToldToEnd, serve: S)
where
    S: Fn(Wire, ToldToEnd) -> F,
    F: Future<Output = ()>,
{
    let wire = tokio::select! {
        own = lanes.own() => own.cloned(),
        () = told.clone() => None,
    };
    if let Some(wire) = wire {
        serve(wire, told).await;
    }
}
