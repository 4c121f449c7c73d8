//! These are tasks of one thread, owned by whoever started them.

use std::future::Future;

use tokio::task::JoinSet;

/// Tasks of one thread. Dropping the value ends them.
#[derive(Debug, Default)]
pub struct LocalTasks {
    tasks: JoinSet<()>,
}

impl LocalTasks {
    /// Starts a task on this thread. Must be called within [`Cores`](crate::Cores).
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.reap();
        self.tasks.spawn_local(task);
    }

    /// Takes out the tasks that have ended: they stay in the set until someone does.
    pub fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            report(ended);
        }
    }

    /// Whether no task is left that was not taken out.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task panicked");
    }
}
