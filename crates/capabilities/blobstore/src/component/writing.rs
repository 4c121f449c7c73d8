//! This is an object that is written to a component.
//!
//! # Invariants
//!
//! 1. Only what was finished becomes an object: one that is dropped ends its instance, with the value that it was written to.
//! 2. One piece waits at a time: a component that takes slowly slows down who writes.

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::ResourceAny;

use super::inside::{Inside, Said, Sink};
use super::invocation::Invocation;
use super::{Component, Id, Trouble};

/// An object that is being written.
pub(crate) struct Writing {
    invocation: Invocation,
    /// Nothing once it is all.
    pieces: Option<mpsc::Sender<Bytes>>,
}

/// What is done for it in the instance.
struct Keep {
    container: String,
    object: String,
    begun: oneshot::Sender<()>,
    pieces: mpsc::Receiver<Bytes>,
}

// === impl Component ===

impl Component {
    /// Begins to write an object; nothing where its container is not there.
    pub(crate) async fn write(&self, (container, object): Id<'_>) -> Result<Option<Writing>, Trouble> {
        let (container, object) = (container.to_owned(), object.to_owned());
        let ((begun, has_begun), (pieces, coming)) = (oneshot::channel(), mpsc::channel(1));
        let keep = Keep { container, object, begun, pieces: coming };
        let component = self.clone();
        let work = async move { component.ask(move |inside| keep.run(inside).boxed()).await };
        let mut writing = Writing { invocation: Invocation::new(work), pieces: Some(pieces) };
        match writing.invocation.bring(async { has_begun.await.ok() }).await {
            Some(()) => Ok(Some(writing)),
            None => writing.invocation.end().await.map(|()| None),
        }
    }
}

// === impl Writing ===

impl Writing {
    /// Takes more bytes. Answers when there is room for the next.
    pub(crate) async fn say(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        let no_more = || Trouble::Said("it wants no more before all was written".into());
        let Some(pieces) = &self.pieces else { return Err(no_more()) };
        match self.invocation.bring(async { pieces.send(bytes).await.ok() }).await {
            Some(()) => Ok(()),
            None => self.invocation.end().await.and_then(|()| Err(no_more())),
        }
    }

    /// Waits for whoever gives it, while the component works. Nothing where that fails meanwhile: [`finish`](Self::finish) says how.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        self.invocation.beside(other).await
    }

    /// Answers when the object is there whole.
    pub(crate) async fn finish(mut self) -> Result<(), Trouble> {
        self.pieces = None;
        self.invocation.end().await
    }
}

// === impl Keep ===

impl Keep {
    async fn run(self, mut inside: Inside<'_>) -> Said<()> {
        let Some(container) = inside.find(&self.container).await? else { return Ok(()) };
        let kept = self.keep(&mut inside, container).await;
        inside.close(container, kept).await
    }

    async fn keep(self, inside: &mut Inside<'_>, container: ResourceAny) -> Said<()> {
        let value = inside.value().await?;
        match self.fill(inside, (container, value)).await {
            Ok(()) => inside.finish(value).await,
            refused => inside.close(value, refused).await,
        }
    }

    async fn fill(self, inside: &mut Inside<'_>, (container, value): (ResourceAny, ResourceAny)) -> Said<()> {
        let mut sink = inside.sink(value).await?;
        let poured = self.pour(inside, (container, value), &mut sink).await;
        inside.close_sink(sink, poured).await
    }

    async fn pour(
        self,
        inside: &mut Inside<'_>,
        (container, value): (ResourceAny, ResourceAny),
        sink: &mut Sink,
    ) -> Said<()> {
        let Self { object, begun, mut pieces, .. } = self;
        inside.send_to(container, object, value).await?;
        // Nobody may be waiting for it.
        begun.send(()).ok();
        while let Some(bytes) = pieces.recv().await {
            inside.write(sink, bytes).await?;
        }
        Ok(())
    }
}
