//! These are the threads of the data plane: one a core, each with its own runtime.

use std::cell::Cell;
use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

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
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let work = work.clone();
            let run = move || {
                CORE.set(Some(index));
                LocalSet::new().block_on(&runtime, run_as_task(work(index, seed)));
            };
            threads.push(std::thread::Builder::new().name(format!("{name}-{index}")).spawn(run)?);
        }
        Ok(Self { threads })
    }

    /// Waits until every thread has ended. Says how many of them panicked.
    pub fn join(self) -> usize {
        self.threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
    }
}

/// Runs the future as a task beside the others. A [`LocalSet`] polls the future that it runs until whenever any of its tasks
/// was woken, so that has to be a cheap one.
async fn run_as_task(work: impl Future<Output = ()> + 'static) {
    #[expect(clippy::disallowed_methods, reason = "waited for in the next line, and ended with the thread")]
    let ended = tokio::task::spawn_local(work).await;
    // Whoever joins the thread counts panics.
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
