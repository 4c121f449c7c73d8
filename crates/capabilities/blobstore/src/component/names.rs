//! These are the names of the objects in a container of a component: all of them as they come, or a page of the least.
//!
//! # Invariants
//!
//! 1. A component has an order of its own, so that all names are looked at for each page; what is held of them is a page.

use capability::provider::Least;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::ResourceAny;

use super::inside::{Inside, Said};
use super::invocation::Invocation;
use super::{Component, Trouble};

/// Names that are asked for at once.
const AT_ONCE: u64 = 1_000;

/// Names that are coming.
pub(crate) struct Names {
    invocation: Invocation,
    chunks: mpsc::Receiver<Vec<String>>,
}

/// What is done for them in the instance.
struct List {
    container: String,
    /// So many are passed over.
    skip: u64,
    /// So many are wanted.
    most: u64,
    begun: oneshot::Sender<()>,
    chunks: mpsc::Sender<Vec<String>>,
}

// === impl Component ===

impl Component {
    /// Begins to list the names of a container: as many as are wanted behind those that are passed over. Nothing where there is no
    /// such container.
    pub(crate) async fn names(&self, container: &str, (skip, most): (u64, u64)) -> Result<Option<Names>, Trouble> {
        let ((begun, has_begun), (chunks, brought)) = (oneshot::channel(), mpsc::channel(1));
        let list = List { container: container.to_owned(), skip, most, begun, chunks };
        let component = self.clone();
        let work = async move { component.ask(move |inside| list.run(inside).boxed()).await };
        let mut names = Names { invocation: Invocation::new(work), chunks: brought };
        match names.invocation.bring(async { has_begun.await.ok() }).await {
            Some(()) => Ok(Some(names)),
            None => names.invocation.end().await.map(|()| None),
        }
    }

    /// The least names of a container that come after another, at most so many; none where there is no such container.
    pub(crate) async fn least(
        &self,
        container: &str,
        (after, count_max): (Option<&str>, usize),
    ) -> Result<Vec<String>, Trouble> {
        let mut least = Least::new(after, count_max);
        let Some(mut names) = self.names(container, (0, u64::MAX)).await? else { return Ok(Vec::new()) };
        while let Some(chunk) = names.next().await? {
            least.add(chunk);
        }
        Ok(least.into_names())
    }
}

// === impl Names ===

impl Names {
    /// Waits for whoever takes them, while the component works. Nothing where that fails meanwhile: [`next`](Self::next) says how.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        self.invocation.beside(other).await
    }

    /// The next of them, never none; nothing after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<String>>, Trouble> {
        match self.invocation.bring(self.chunks.recv()).await {
            Some(chunk) => Ok(Some(chunk)),
            None => self.invocation.end().await.map(|()| None),
        }
    }
}

// === impl List ===

impl List {
    async fn run(self, mut inside: Inside<'_>) -> Said<()> {
        let Some(container) = inside.find(&self.container).await? else { return Ok(()) };
        let listed = self.list(&mut inside, container).await;
        inside.close(container, listed).await
    }

    async fn list(self, inside: &mut Inside<'_>, container: ResourceAny) -> Said<()> {
        let names = inside.names(container).await?;
        let listed = self.pour(inside, names).await;
        inside.close(names, listed).await
    }

    /// Passes names on, as long as anybody wants them.
    async fn pour(self, inside: &mut Inside<'_>, names: ResourceAny) -> Said<()> {
        // Nobody may be waiting for it.
        self.begun.send(()).ok();
        let mut left = self.most;
        let mut is_end = inside.skip_names(names, self.skip).await?;
        while left > 0 && !is_end {
            let (mut chunk, is_last) = inside.next_names(names, left.min(AT_ONCE)).await?;
            is_end = is_last;
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            if !chunk.is_empty() && self.chunks.send(chunk).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
