//! This is a task of the control plane, owned by whoever started it.

use std::future::Future;

use tokio::task::JoinHandle;

/// A task that ends when the value is dropped.
#[derive(Debug)]
pub struct Task {
    handle: JoinHandle<()>,
}

impl Task {
    /// Starts a task. Must be called within a runtime.
    #[expect(clippy::disallowed_methods, reason = "this is where a task gets its owner")]
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { handle: tokio::spawn(work) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
