//! This is a folder on this machine: a folder for each container, a file for each object.
//!
//! ```text
//! FOLDER/COMPONENT/CONTAINER/OBJECT     each a piece of `scope`
//! FOLDER/!uploads/.tmp…                 what is being written, and what is being removed
//! ```
//!
//! # Invariants
//!
//! 1. An object's file appears under its name only when all its bytes are on the disk, and the name is on the disk before it
//!    is acknowledged. A process that is killed, or a power cut, leaves the old object or the new one.
//! 2. What a killed process left in `!uploads` is deleted by the next that opens the folder. What another process is
//!    writing is locked by it, and stays.
//! 3. The file of an object whose name was cut begins with the name: its length in two bytes, then itself.

mod files;
mod reading;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload};
use crate::scope::{Container, Object};
use files::{Files, Temporary};

/// The backend `folder`.
pub struct FolderBackend;

const SETTINGS: &[Setting] = &[Setting {
    name: "path",
    about: "which folder; the host's own where nothing is said",
    kind: Kind::Path,
    default: Unsaid::Absent,
}];

/// Objects in a folder.
pub struct Folder {
    files: Arc<Files>,
}

/// An object that is being written.
struct Writing {
    files: Arc<Files>,
    object: Object,
    temporary: Option<Temporary>,
}

// === impl FolderBackend ===

#[async_trait]
impl Backend<dyn Blobs> for FolderBackend {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn about(&self) -> &'static str {
        "files in a folder of this machine, as safe as its disk"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, place: &Place) -> Result<Arc<dyn Blobs>, OpenError> {
        let path = settings.path("path").unwrap_or_else(|| place.folder.clone());
        let opened = Folder::open(&path).await;
        Ok(Arc::new(opened.map_err(|error| OpenError::unavailable(format!("folder {}", path.display()), error))?))
    }
}

// === impl Folder ===

impl Folder {
    /// Opens a folder, which is made where it is not there.
    pub async fn open(path: &Path) -> Result<Self, BlobsError> {
        let path = path.to_owned();
        let store = describe(&path);
        let files = off_thread(store, move || Files::open(path)).await?;
        Ok(Self { files: Arc::new(files) })
    }

    /// Does something with the files on a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, BlobsError> + Send + 'static,
    ) -> Result<T, BlobsError> {
        let files = self.files.clone();
        off_thread(files.store(), move || work(&files)).await
    }
}

fn describe(path: &Path) -> String {
    format!("folder {}", path.display())
}

async fn off_thread<T: Send + 'static>(
    store: String,
    work: impl FnOnce() -> Result<T, BlobsError> + Send + 'static,
) -> Result<T, BlobsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|source| Err(BlobsError::Unavailable { store, source: source.into() }))
}

#[async_trait]
impl Blobs for Folder {
    fn describe(&self) -> String {
        self.files.store()
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        let container = container.clone();
        self.ask(move |files| files.create(&container)).await
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        let container = container.clone();
        self.ask(move |files| files.created_at(&container)).await
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        let container = container.clone();
        self.ask(move |files| files.remove(&container)).await
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        let container = container.clone();
        self.ask(move |files| files.clear(&container)).await
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        let after = page.after.map(|name| container.object(name).piece().to_owned());
        let (container, count_max) = (container.clone(), page.count_max);
        self.ask(move |files| files.list(&container, after.as_deref(), count_max)).await
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        let object = object.clone();
        self.ask(move |files| Ok(files.find(&object)?.map(|found| found.facts()))).await
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let object = object.clone();
        let found = self.ask(move |files| files.find(&object)).await?;
        Ok(found.map(|found| reading::blob(found, span, self.files.store())))
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        let target = object.clone();
        let temporary = self.ask(move |files| files.begin(&target)).await?;
        Ok(Box::new(Writing { files: self.files.clone(), object: object.clone(), temporary: Some(temporary) }))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        let objects = objects.to_vec();
        self.ask(move |files| files.delete(&objects)).await
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let (source, target) = (source.clone(), target.clone());
        self.ask(move |files| files.copy(&source, &target)).await
    }
}

// === impl Writing ===

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        let store = self.files.store();
        // Gone where an earlier piece failed, or its caller stopped to wait for it.
        let Some(mut temporary) = self.temporary.take() else {
            return Err(BlobsError::Unavailable { store, source: "an earlier piece was not written".into() });
        };
        let files = self.files.clone();
        let written = off_thread(store, move || files.append(&mut temporary, &bytes).map(|()| temporary));
        self.temporary = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobsError> {
        let store = self.files.store();
        let Some(temporary) = self.temporary.take() else {
            return Err(BlobsError::Unavailable { store, source: "a piece was not written".into() });
        };
        let (files, object) = (self.files.clone(), self.object.clone());
        off_thread(store, move || files.publish(temporary, &object)).await
    }
}

#[cfg(test)]
mod tests;
