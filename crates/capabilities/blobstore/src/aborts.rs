//! This is where uploads go that were dropped: who drops one cannot wait until its server knows.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rt::Task;
use stdx::Chain;
use tokio::sync::mpsc;
use tracing::warn;

use crate::blobs::BlobsError;

/// So many dropped uploads wait at most to be aborted. Further ones stay.
const WAITING_MAX: usize = 256;

/// Uploads that are to be aborted, one after the other.
#[derive(Clone)]
pub(crate) struct Aborts {
    dropped: mpsc::Sender<BoxFuture<'static, Result<(), BlobsError>>>,
    _task: Arc<Task>,
}

// === impl Aborts ===

impl Aborts {
    /// Must be called within a runtime, which does the work.
    pub(crate) fn new() -> Self {
        let (dropped, mut waiting) = mpsc::channel::<BoxFuture<'static, _>>(WAITING_MAX);
        let task = Task::spawn(async move {
            while let Some(abort) = waiting.recv().await {
                if let Err(error) = abort.await {
                    warn!(error = %Chain(&error), "an unfinished upload stays on its server");
                }
            }
        });
        Self { dropped, _task: Arc::new(task) }
    }

    /// Aborts an upload, in its turn.
    pub(crate) fn push(&self, abort: impl Future<Output = Result<(), BlobsError>> + Send + 'static) {
        if self.dropped.try_send(abort.boxed()).is_err() {
            warn!("an unfinished upload stays on its server: too many wait to be aborted");
        }
    }
}
