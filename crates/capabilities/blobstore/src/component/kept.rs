//! This is a component as a place for objects: what a link leads to whose target is one.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use capability::Cause;
use futures::{StreamExt, stream};

use super::{Component, Id, Trouble, Writing};
use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload, time_of};
use crate::scope::{Container, Object};

/// The objects that a component keeps.
#[derive(Clone)]
pub(crate) struct Kept(Component);

/// An object on its way to a component.
struct Uploaded {
    kept: Kept,
    writing: Writing,
    is_broken: bool,
}

// === impl Kept ===

impl Kept {
    pub(crate) fn new(component: Component) -> Self {
        Self(component)
    }

    fn error(&self, trouble: Trouble) -> BlobsError {
        let store = self.describe();
        match trouble {
            Trouble::Said(words) => BlobsError::Refused { store, source: stdx::printable(&words).to_string().into() },
            Trouble::Failed(source) => BlobsError::Unavailable { store, source },
        }
    }
}

#[async_trait]
impl Blobs for Kept {
    fn describe(&self) -> String {
        format!("component {}", self.0.name())
    }

    fn within(&self, cause: &Cause) -> Option<Arc<dyn Blobs>> {
        Some(Arc::new(Self(self.0.within(cause.clone()))))
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        self.0.create(container.name()).await.map_err(|trouble| self.error(trouble))
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        let created = self.0.created(container.name()).await.map_err(|trouble| self.error(trouble))?;
        Ok(created.map(time_of))
    }

    async fn exists(&self, container: &Container) -> Result<bool, BlobsError> {
        self.0.exists(container.name()).await.map_err(|trouble| self.error(trouble))
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        self.0.remove(container.name()).await.map_err(|trouble| self.error(trouble))
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        self.0.clear(container.name()).await.map_err(|trouble| self.error(trouble))
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        let names = self.0.least(container.name(), (page.after, page.count_max)).await;
        names.map_err(|trouble| self.error(trouble))
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        let info = self.0.info(id(object)).await.map_err(|trouble| self.error(trouble))?;
        Ok(info.map(|info| Facts { size: info.size, created: time_of(info.created) }))
    }

    async fn has(&self, object: &Object) -> Result<bool, BlobsError> {
        self.0.has(id(object)).await.map_err(|trouble| self.error(trouble))
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let read = self.0.read(id(object), span).await.map_err(|trouble| self.error(trouble))?;
        let Some((size, reading)) = read else { return Ok(None) };
        let pieces = stream::try_unfold((self.clone(), reading), |(kept, mut reading)| async move {
            let piece = reading.next().await.map_err(|trouble| kept.error(trouble))?;
            Ok(piece.map(|piece| (piece, (kept, reading))))
        });
        Ok(Some(Blob { size, pieces: pieces.boxed() }))
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        let written = self.0.write(id(object)).await.map_err(|trouble| self.error(trouble))?;
        let writing = written.ok_or_else(|| BlobsError::no_container_of(object))?;
        Ok(Box::new(Uploaded { kept: self.clone(), writing, is_broken: false }))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        let Some(first) = objects.first() else { return Ok(()) };
        let names = objects.iter().map(|object| object.name().to_owned()).collect();
        self.0.delete(first.container().name(), names).await.map_err(|trouble| self.error(trouble))
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let copied = self.0.copy(id(source), id(target)).await.map_err(|trouble| self.error(trouble));
        let refused = match copied {
            Err(refused @ BlobsError::Refused { .. }) => refused,
            copied => return copied,
        };
        if !self.has(source).await? {
            return Err(BlobsError::no_object(source));
        }
        if !self.exists(target.container()).await? {
            return Err(BlobsError::no_container_of(target));
        }
        Err(refused)
    }
}

/// An object as a component is told of it.
fn id(object: &Object) -> Id<'_> {
    (object.container().name(), object.name())
}

#[async_trait]
impl Upload for Uploaded {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        // Until it is taken whole: whoever stops to wait for that has an object with a hole.
        let was_broken = std::mem::replace(&mut self.is_broken, true);
        if was_broken {
            return Err(self.kept.error(Trouble::Failed("an earlier piece was not written".into())));
        }
        self.writing.say(bytes).await.map_err(|trouble| self.kept.error(trouble))?;
        self.is_broken = false;
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), BlobsError> {
        let Self { kept, writing, is_broken } = *self;
        if is_broken {
            return Err(kept.error(Trouble::Failed("a piece was not written".into())));
        }
        writing.finish().await.map_err(|trouble| kept.error(trouble))
    }
}
