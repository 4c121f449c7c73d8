//! This is an object that is read from a component.
//!
//! # Invariants
//!
//! 1. One piece waits at a time: who reads slowly slows down who gives.
//! 2. The pieces together are as long as the object was said to be, or the last is an error. It is asked how long it is once more when
//!    it is open: else the beginning of another one that has come in its place would look whole.

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::ResourceAny;

use super::inside::{Inside, Said, Source};
use super::invocation::Invocation;
use super::{Component, Id, Trouble};
use crate::blobs::Span;

/// An object between two of its pieces.
pub(crate) struct Reading {
    invocation: Invocation,
    pieces: mpsc::Receiver<Bytes>,
}

/// What is done for it in the instance.
struct Fetch {
    container: String,
    object: String,
    span: Span,
    size: oneshot::Sender<u64>,
    pieces: mpsc::Sender<Bytes>,
}

// === impl Component ===

impl Component {
    /// Begins to read a part of an object, and says how many bytes that has; nothing where there is no such object.
    pub(crate) async fn read(
        &self,
        (container, object): Id<'_>,
        span: Span,
    ) -> Result<Option<(u64, Reading)>, Trouble> {
        let (container, object) = (container.to_owned(), object.to_owned());
        let ((size, said), (pieces, brought)) = (oneshot::channel(), mpsc::channel(1));
        let fetch = Fetch { container, object, span, size, pieces };
        let component = self.clone();
        let work = async move { component.ask(move |inside| fetch.run(inside).boxed()).await };
        let mut reading = Reading { invocation: Invocation::new(work), pieces: brought };
        match reading.invocation.bring(async { said.await.ok() }).await {
            Some(size) => Ok(Some((size, reading))),
            None => reading.invocation.end().await.map(|()| None),
        }
    }
}

// === impl Reading ===

impl Reading {
    /// Waits for whoever takes it, while the component works. Nothing where that fails meanwhile: [`next`](Self::next) says how.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        self.invocation.beside(other).await
    }

    /// The next piece; nothing after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self.invocation.bring(self.pieces.recv()).await {
            Some(piece) => Ok(Some(piece)),
            None => self.invocation.end().await.map(|()| None),
        }
    }
}

// === impl Fetch ===

impl Fetch {
    async fn run(self, mut inside: Inside<'_>) -> Said<()> {
        let Some(container) = inside.find(&self.container).await? else { return Ok(()) };
        let fetched = self.fetch(&mut inside, container).await;
        inside.close(container, fetched).await
    }

    async fn fetch(self, inside: &mut Inside<'_>, container: ResourceAny) -> Said<()> {
        let Self { object, span, size, pieces, .. } = self;
        let Some(info) = inside.info_in(container, &object).await? else { return Ok(()) };
        let span = span.within(info.size);
        let count = span.end - span.start;
        if count == 0 {
            // Nobody may be waiting for it.
            size.send(count).ok();
            return Ok(());
        }
        let mut source = inside.source(container, (object.clone(), span)).await?;
        let is_same = match inside.info_in(container, &object).await {
            Ok(now) if now.is_some_and(|now| now.size == info.size) => Ok(()),
            Ok(_) => Err(Trouble::Said("the object has become another one while it was opened".into())),
            Err(trouble) => Err(trouble),
        };
        if is_same.is_err() {
            return inside.close_source(source, is_same).await;
        }
        // Nobody may be waiting for it.
        size.send(count).ok();
        let poured = pour(inside, &mut source, (count, &pieces)).await;
        inside.close_source(source, poured).await
    }
}

/// Passes so many bytes on, as long as anybody wants them.
async fn pour(inside: &mut Inside<'_>, source: &mut Source, (count, pieces): (u64, &mpsc::Sender<Bytes>)) -> Said<()> {
    let mut left = count;
    while left > 0 {
        let Some(piece) = inside.read(source, left).await? else {
            return Err(Trouble::Said("what it gives of an object ends before its end".into()));
        };
        left -= piece.len() as u64;
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}
