//! This is an object on its way to a bucket: one request where it is small, else one for each part.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::{Connection, PART};
use crate::aborts::Aborts;
use crate::blobs::{BlobsError, Upload};
use crate::scope::Object;

/// An object that is being written.
pub(super) struct Writing {
    connection: Arc<Connection>,
    path: Path,
    /// Less than a part, between two calls.
    pieces: Vec<Bytes>,
    size: usize,
    parts: Option<Box<dyn MultipartUpload>>,
    is_broken: bool,
    aborts: Aborts,
}

// === impl Writing ===

impl Writing {
    pub(super) fn new(connection: Arc<Connection>, object: &Object, aborts: Aborts) -> Self {
        let path = connection.path_of(object);
        Self { connection, path, pieces: Vec::new(), size: 0, parts: None, is_broken: false, aborts }
    }

    /// Sends what has come together as one part.
    async fn send(&mut self) -> Result<(), BlobsError> {
        if self.parts.is_none() {
            self.parts = Some(self.connection.ask(self.connection.store.put_multipart(&self.path)).await?);
        }
        let payload = self.payload();
        let Some(parts) = &mut self.parts else { return Err(self.connection.failed("the upload was not begun")) };
        self.connection.ask(parts.put_part(payload)).await
    }

    fn payload(&mut self) -> PutPayload {
        self.size = 0;
        std::mem::take(&mut self.pieces).into_iter().collect()
    }

    fn push(&mut self, bytes: Bytes) {
        self.size += bytes.len();
        self.pieces.push(bytes);
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<(), BlobsError> {
        while self.size + bytes.len() >= PART {
            let rest = bytes.split_off(PART - self.size);
            self.push(std::mem::replace(&mut bytes, rest));
            self.send().await?;
        }
        if !bytes.is_empty() {
            self.push(bytes);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), BlobsError> {
        if self.parts.is_none() {
            let payload = self.payload();
            return self.connection.ask(self.connection.store.put(&self.path, payload)).await.map(drop);
        }
        if self.size > 0 {
            self.send().await?;
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        self.connection.ask(parts.complete()).await?;
        self.parts = None;
        Ok(())
    }
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        // Until it is taken whole: whoever stops to wait for that has an upload with a hole.
        let was_broken = std::mem::replace(&mut self.is_broken, true);
        if was_broken {
            return Err(self.connection.failed("an earlier piece was not written"));
        }
        self.take(bytes).await?;
        self.is_broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobsError> {
        if self.is_broken {
            return Err(self.connection.failed("a piece was not written"));
        }
        self.complete().await
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        let connection = self.connection.clone();
        self.aborts.push(async move { connection.ask_for(parts.abort()).await.map(drop) });
    }
}
