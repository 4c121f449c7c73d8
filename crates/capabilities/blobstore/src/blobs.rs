//! This is what a backend has to do, and how it may fail.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use capability::Cause;
use futures::StreamExt;
use futures::stream::BoxStream;
use stdx::{BoxError, ByteSize, Code, Explain};

use crate::scope::{Container, Object};

/// Objects in containers.
///
/// An object is there whole or not at all. Whoever reads one that is replaced or deleted meanwhile reads the old one to its
/// end, or gets an error: never a mixture.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Where they are kept, in a few words: `memory`, `folder /var/lib/wattle/blobstore`.
    fn describe(&self) -> String;

    /// The same as it is asked for such a cause; nothing where it asks nobody who would want to know.
    fn within(&self, _: &Cause) -> Option<Arc<dyn Blobs>> {
        None
    }

    /// Makes a container. One that is there stays as it is.
    async fn create(&self, container: &Container) -> Result<(), BlobsError>;

    /// When the container was made; `None` where there is none.
    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError>;

    /// Whether the container is there.
    async fn exists(&self, container: &Container) -> Result<bool, BlobsError> {
        Ok(self.created_at(container).await?.is_some())
    }

    /// Deletes a container with all that is in it. Succeeds where there is none.
    async fn remove(&self, container: &Container) -> Result<(), BlobsError>;

    /// Deletes all objects of a container.
    async fn clear(&self, container: &Container) -> Result<(), BlobsError>;

    /// Names of objects in order, a page at a time. Names too long to be kept whole are in order only up to where they are cut.
    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError>;

    /// What is known of an object; `None` where there is none.
    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError>;

    /// Whether the object is there.
    async fn has(&self, object: &Object) -> Result<bool, BlobsError> {
        Ok(self.facts(object).await?.is_some())
    }

    /// Begins to read the bytes of an object; `None` where there is none.
    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError>;

    /// Begins to write an object. It is there, in the place of an older one, when [`Upload::finish`] answers.
    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError>;

    /// Deletes objects of one container. Succeeds where there are none.
    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError>;

    /// Makes `target` hold what `source` holds.
    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError>;
}

/// An object that is being written. Dropped before it is finished, it leaves nothing.
#[async_trait]
pub trait Upload: Send {
    /// Takes more bytes. Answers when there is room for the next.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError>;

    /// Answers when the object is there whole, and as safe as it gets.
    async fn finish(self: Box<Self>) -> Result<(), BlobsError>;
}

/// The bytes of an object, piece after piece.
pub type Pieces = BoxStream<'static, Result<Bytes, BlobsError>>;

/// An object that is being read, or a part of it.
pub struct Blob {
    /// How many bytes there are to read.
    pub size: u64,
    /// They themselves.
    pub pieces: Pieces,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How many bytes it has.
    pub size: u64,
    /// When it became what it is.
    pub created: SystemTime,
}

/// The bytes of an object from `first` to `last`, both included. What is beyond its end is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub first: u64,
    /// The last byte; not before the first.
    pub last: u64,
}

/// Up to `count_max` objects, in order, that come after `after`.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The last object of the page before.
    pub after: Option<&'a str>,
    /// How many objects at most.
    pub count_max: usize,
}

/// What went wrong, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    /// There is no such container.
    #[error("there is no container {0:?}")]
    NoContainer(String),

    /// There is no such object.
    #[error("there is no object {0:?}")]
    NoObject(String),

    /// It may work in a moment, or when the machine is well again.
    #[error("the blob store ({store}) did not answer")]
    Unavailable {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: BoxError,
    },

    /// What is stored cannot be trusted; nothing is read from it.
    #[error("the blob store ({store}) is damaged")]
    Damaged {
        /// Which store.
        store: String,
        /// What was found.
        #[source]
        source: BoxError,
    },

    /// It holds as much as it may.
    #[error("the blob store ({store}) is full: it holds {limit}")]
    Full {
        /// Which store.
        store: String,
        /// How much it may hold.
        limit: ByteSize,
    },

    /// It says no.
    #[error("the blob store ({store}) refuses")]
    Refused {
        /// Which store.
        store: String,
        /// Why, in its own words.
        #[source]
        source: BoxError,
    },
}

/// So many seconds after the beginning of 1970; the beginning, where that is no time that there is.
pub(crate) fn time_of(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

// === impl Span ===

impl Span {
    /// All bytes.
    pub const ALL: Self = Self { first: 0, last: u64::MAX };

    /// Where these bytes are in an object of that size: from the first number to before the second.
    pub fn within(self, size: u64) -> std::ops::Range<u64> {
        let end = self.last.saturating_add(1).min(size);
        self.first.min(end)..end
    }
}

// === impl Blob ===

impl Blob {
    /// Writes all of it elsewhere.
    pub async fn pour(mut self, mut upload: Box<dyn Upload>) -> Result<(), BlobsError> {
        while let Some(piece) = self.pieces.next().await {
            upload.write(piece?).await?;
        }
        upload.finish().await
    }
}

// === impl BlobsError ===

impl BlobsError {
    /// The object's container does not exist.
    pub(crate) fn no_container_of(object: &Object) -> Self {
        Self::NoContainer(object.container().name().to_owned())
    }

    /// The object does not exist.
    pub(crate) fn no_object(object: &Object) -> Self {
        Self::NoObject(object.name().to_owned())
    }
}

impl Explain for BlobsError {
    fn code(&self) -> Code {
        match self {
            Self::NoContainer(_)
            | Self::NoObject(_)
            | Self::Unavailable { .. }
            | Self::Damaged { .. }
            | Self::Full { .. }
            | Self::Refused { .. } => Code::E0401,
        }
    }
}
