//! These are the threads of the data plane: one a core, each with its own runtime.

use std::cell::Cell;
use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};

/// Threads that each run one future to its end, with a single-threaded runtime for all that it starts.
#[derive(Debug)]
pub struct Cores {
    threads: Vec<JoinHandle<()>>,
}

thread_local! {
    /// Which of its threads this is.
    static CORE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread among those of the data plane, if it is one of them.
pub fn this_core() -> Option<usize> {
    CORE.get()
}

/// How many cores this process may use.
pub fn cores_available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Cores {
    /// Starts a thread for each of `seeds`, named `NAME-0` and so on. The future of each is made on its own thread by `work`,
    /// from its number and its seed.
    pub fn spawn<S, W, F>(name: &str, seeds: Vec<S>, work: W) -> std::io::Result<Self>
    where
        S: Send + 'static,
        W: Fn(usize, S) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let mut threads = Vec::with_capacity(seeds.len());
        for (index, seed) in seeds.into_iter().enumerate() {
            let work = work.clone();
            let (tell, is_up) = mpsc::channel();
            let run = move || {
                CORE.set(Some(index));
                // One that has such a runtime runs what may not leave the thread beside what may, in one queue.
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => {
                        drop(tell.send(Ok(())));
                        runtime.block_on(work(index, seed));
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            };
            threads.push(std::thread::Builder::new().name(format!("{name}-{index}")).spawn(run)?);
            is_up.recv().map_err(std::io::Error::other)??;
        }
        Ok(Self { threads })
    }

    /// Waits until every thread has ended. Says how many of them panicked.
    pub fn join(self) -> usize {
        self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
    }
}
