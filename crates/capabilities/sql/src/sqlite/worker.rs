//! This is a thread with a connection, which does one job after the other.
//!
//! # Invariants
//!
//! 1. The thread ends, and the connection closes, when the worker is dropped and its last job is done.
//! 2. A job that is given up ends at SQLite's next step, and no other job does: jobs are numbered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::Builder;

use tokio::sync::oneshot;

use crate::database::SqlError;

use super::connection::Local;
use super::failure;

type Job = Box<dyn FnOnce(&mut Local) + Send>;

/// A thread with a connection.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    stop: Stop,
    /// Jobs that were handed over.
    count: u64,
}

/// Tells the thread which jobs nobody waits for any more.
#[derive(Clone, Default)]
pub(super) struct Stop {
    /// The job that is done now, counted from 1.
    current: Arc<AtomicU64>,
    /// This job and all before it are given up.
    given_up: Arc<AtomicU64>,
}

// === impl Worker ===

impl Worker {
    /// Starts a thread that opens its connection first.
    pub(super) async fn start(
        open: impl FnOnce(Stop) -> Result<Local, SqlError> + Send + 'static,
    ) -> Result<Self, SqlError> {
        let stop = Stop::default();
        let (jobs, queue) = mpsc::channel::<Job>();
        let (tell, told) = oneshot::channel();
        let (of_thread, current) = (stop.clone(), stop.current.clone());
        let run = move || match open(of_thread) {
            Ok(mut local) => {
                if tell.send(Ok(())).is_err() {
                    return;
                }
                for job in queue {
                    current.fetch_add(1, Ordering::Relaxed);
                    job(&mut local);
                    if local.is_broken() {
                        return;
                    }
                }
            }
            // Who asked may be gone.
            Err(error) => drop(tell.send(Err(error))),
        };
        Builder::new().name("sqlite".into()).spawn(run).map_err(failure::of_system)?;
        told.await.map_err(failure::of_system)??;
        Ok(Self { jobs, stop, count: 0 })
    }

    /// Whether it takes jobs. It does until a job has panicked.
    pub(super) fn is_alive(&mut self) -> bool {
        self.count += 1;
        self.jobs.send(Box::new(|_| {})).is_ok()
    }

    /// Has a job done, and answers with what came of it.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Local) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let (answer, answered) = oneshot::channel();
        self.tell(move |local| {
            // Who asked may be gone.
            drop(answer.send(job(local)));
        });
        answered.await.map_err(failure::of_system)?
    }

    /// Has a job done after those before.
    pub(super) fn tell(&mut self, job: impl FnOnce(&mut Local) + Send + 'static) {
        self.count += 1;
        // A thread that has ended drops the job, and with it what the job was to answer with.
        drop(self.jobs.send(Box::new(job)));
    }

    /// Gives up all jobs until now.
    pub(super) fn give_up(&self) {
        self.stop.given_up.fetch_max(self.count, Ordering::Relaxed);
    }
}

// === impl Stop ===

impl Stop {
    /// Whether the job that is done now was given up.
    pub(super) fn is_given_up(&self) -> bool {
        self.current.load(Ordering::Relaxed) <= self.given_up.load(Ordering::Relaxed)
    }
}
