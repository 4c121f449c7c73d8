//! This is a place for objects in an object store of NATS JetStream, laid out as every client of one knows it.
//!
//! ```text
//! $O.wattle.M.base64("shop/files/a.png")     what is known of an object: the last message of this subject
//! $O.wattle.M.base64("shop/!files")          the same of an object without bytes: the container is there
//! $O.wattle.C.ID                             the bytes of one version of an object, 128 KiB a message
//! ```
//!
//! A version is there when what is known of the object names it. It is written before, under an identity of its own, and
//! whoever replaces it deletes its bytes: what was known before is named by the number of its message, so that of several
//! who replace one version exactly one does.
//!
//! # Invariants
//!
//! 1. What is known is read from the stream's leader, and so is where an object's bytes are. The bytes themselves never change:
//!    any server of the stream may tell them.
//! 2. An object that is read whole has the digest that it was written with, or its reader is told so at the end.
//! 3. Of one object in either direction at most a megabyte is on its way.
//! 4. No call waits longer than the timeout, nor does any piece of an object.
//!
//! # Not here
//!
//! An index: a page of names costs what all names of the bucket cost, and more than [`jetstream::SUBJECTS_MAX`] objects are not
//! listed. Bytes of an upload that a killed host leaves behind stay until somebody purges them.

mod backend;
mod failure;
mod names;
mod reading;
mod writing;

use std::sync::Arc;
use std::time::SystemTime;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use line::ConnectError;
use line::jetstream::{self, Connected, Opened};
use rt::within;

use crate::aborts::Aborts;
use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload};
use crate::scope::{Container, Object};

use failure::Failure;
use names::{Bucket, Path};
use writing::Writing;

pub use backend::NatsBackend;
pub use line::jetstream::{NewBucket, Reach};

/// Questions that are on their way at once, where one call asks many.
const QUESTIONS_AT_ONCE: usize = 32;

/// How often a version is named while others name theirs.
const ATTEMPTS: usize = 64;

/// Says that a message replaces all that came before it under its subject.
const ROLLUP: (&str, &str) = ("Nats-Rollup", "sub");

/// Where a server is, and which object store of it.
#[derive(Clone)]
pub struct Options {
    /// How the server is reached.
    pub reach: Reach,
    /// The object store.
    pub bucket: String,
    /// What to make where there is no such object store; nothing.
    pub create: Option<NewBucket>,
}

/// Objects in an object store of NATS.
pub struct Nats {
    store: Arc<Store>,
    aborts: Aborts,
}

/// The object store, as what is read and written holds it.
struct Store {
    described: String,
    bucket: Bucket,
    opened: Opened,
}

/// What is known of an object, and the number of the message that said so.
struct Known {
    sequence: u64,
    info: ObjectInfo,
    created: SystemTime,
}

// === impl Nats ===

impl Nats {
    /// Connects, and answers once the object store is there. Must be called within the runtime that the connection is to live
    /// on.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let bucket = Bucket::new(&options.bucket).map_err(|error| ConnectError::Refused(error.into()))?;
        let described = format!("nats {} {}", options.reach.addresses(), options.bucket);
        let opened = bucket.kept(options.create).open(&options.reach, options.create.is_some()).await?;
        Ok(Self { store: Arc::new(Store { described, bucket, opened }), aborts: Aborts::new() })
    }

    /// The paths of all objects of a container, in no order. Some may be deleted, if others did it.
    async fn paths(&self, container: &Container) -> Result<Vec<(Path, String)>, BlobsError> {
        let store = &self.store;
        let asked = store.call(async |connected| {
            let filter = store.bucket.all_known();
            Ok(jetstream::subjects(&connected, &store.bucket.stream(), &filter).await?)
        });
        let in_container = |subject: String| {
            let path = store.bucket.path(&subject)?;
            let name = path.name_in(container)?.to_owned();
            Some((path, name))
        };
        Ok(asked.await?.filter_map(in_container).collect())
    }

    async fn forget(&self, paths: impl IntoIterator<Item = Path>) -> Result<(), BlobsError> {
        let forgotten = stream::iter(paths).map(|path| self.store.forget(path)).buffer_unordered(QUESTIONS_AT_ONCE);
        forgotten.try_collect().await
    }
}

#[async_trait]
impl Blobs for Nats {
    fn describe(&self) -> String {
        self.store.described.clone()
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        let sign = Path::of_sign(container);
        if self.created_at(container).await?.is_some() {
            return Ok(());
        }
        self.store.name_version(&sign, &self.store.bucket.version(&sign, "")).await.map(drop)
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        Ok(self.store.known(&Path::of_sign(container)).await?.map(|sign| sign.created))
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        self.store.forget(Path::of_sign(container)).await?;
        self.clear(container).await
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        let paths = self.paths(container).await?;
        self.forget(paths.into_iter().map(|(path, _)| path)).await
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        let mut paths = self.paths(container).await?;
        paths.retain(|(_, name)| page.after.is_none_or(|after| name.as_str() > after));
        paths.sort_unstable_by(|(_, one), (_, two)| one.cmp(two));
        // Another client leaves a message where it deleted an object.
        let is_there = |(path, name): (Path, String)| async move {
            Ok::<_, BlobsError>(self.store.known(&path).await?.map(|_| name))
        };
        let names = stream::iter(paths).map(is_there).buffered(QUESTIONS_AT_ONCE);
        names.try_filter_map(|name| std::future::ready(Ok(name))).take(page.count_max).try_collect().await
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        let known = self.store.known(&Path::of(object)).await?;
        Ok(known.map(|known| Facts { size: known.info.size as u64, created: known.created }))
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let Some(known) = self.store.known(&Path::of(object)).await? else { return Ok(None) };
        reading::begin(self.store.clone(), known.info, span).await.map(Some)
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        if self.created_at(object.container()).await?.is_none() {
            return Err(BlobsError::no_container_of(object));
        }
        Ok(Box::new(Writing::begin(self.store.clone(), object, self.aborts.clone()).await?))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        self.forget(objects.iter().map(Path::of)).await
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let blob = self.read(source, Span::ALL).await?.ok_or_else(|| BlobsError::no_object(source))?;
        if source == target {
            return Ok(());
        }
        blob.pour(self.write(target).await?).await
    }
}

// === impl Store ===

impl Store {
    /// Makes one call, of however many questions, within its time.
    async fn call<T>(&self, call: impl AsyncFnOnce(Connected) -> Result<T, Failure>) -> Result<T, BlobsError> {
        self.ask(async { call(self.opened.connected().await?).await }).await
    }

    /// The same on whatever connection there is.
    async fn ask<T>(&self, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, BlobsError> {
        match within(Some(self.opened.timeout()), asked).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    /// The failure by its class. How much a full account holds has to be asked.
    async fn classify(&self, failure: Failure) -> BlobsError {
        let store = self.described.clone();
        if jetstream::is_full(&failure)
            && let Some(limit) = self.opened.limit().await
        {
            return BlobsError::Full { store, limit };
        }
        if failure.is_damage() {
            BlobsError::Damaged { store, source: failure.into() }
        } else {
            BlobsError::Unavailable { store, source: failure.into() }
        }
    }

    /// What is known of an object; `None` where there is none.
    async fn known(&self, path: &Path) -> Result<Option<Known>, BlobsError> {
        let known = self.call(async |connected| self.last(&connected, path).await).await?;
        Ok(known.filter(|known| !known.info.deleted))
    }

    /// What was said of an object last, and be it that another client deleted it.
    async fn last(&self, connected: &Connected, path: &Path) -> Result<Option<Known>, Failure> {
        let message = match connected.stream.get_last_raw_message_by_subject(&self.bucket.known(path)).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let info: ObjectInfo = serde_json::from_slice(&message.payload)?;
        if info.options.as_ref().is_some_and(|options| options.link.is_some()) {
            return Err(Failure::Link);
        }
        Ok(Some(Known { sequence: message.sequence, info, created: message.time.into() }))
    }

    /// Makes a version the one that is there, and deletes the bytes of the one that was.
    async fn name_version(&self, path: &Path, version: &ObjectInfo) -> Result<(), BlobsError> {
        let said = serde_json::to_vec(version).map_err(|error| self.damaged(error.into()))?;
        let mut headers = HeaderMap::new();
        headers.insert(ROLLUP.0, ROLLUP.1);
        for _ in 0..ATTEMPTS {
            let replaced = self.call(async |connected| {
                let last = self.last(&connected, path).await?;
                let message = PublishMessage::build()
                    .payload(said.clone().into())
                    .headers(headers.clone())
                    .expected_last_subject_sequence(last.as_ref().map_or(0, |last| last.sequence));
                let sent = async { connected.context.send_publish(self.bucket.known(path), message).await?.await };
                match sent.await {
                    Ok(_) => Ok(Some(last)),
                    Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
                    Err(error) => Err(error.into()),
                }
            });
            if let Some(last) = replaced.await? {
                self.delete_bytes(last).await;
                return Ok(());
            }
        }
        Err(self.classify(Failure::Contended(ATTEMPTS)).await)
    }

    /// Makes an object one that is not there.
    async fn forget(&self, path: Path) -> Result<(), BlobsError> {
        let forgotten = self.call(async |connected| {
            let last = self.last(&connected, &path).await?;
            if let Some(last) = &last {
                // Not what came meanwhile.
                let purge = connected.stream.purge().sequence(last.sequence + 1).filter(self.bucket.known(&path));
                purge.await?;
            }
            Ok(last)
        });
        self.delete_bytes(forgotten.await?).await;
        Ok(())
    }

    /// Deletes the bytes of a version that is not there any more.
    async fn delete_bytes(&self, last: Option<Known>) {
        let Some(Known { info, .. }) = last.filter(|last| last.info.chunks > 0) else { return };
        if let Err(error) = self.purge(&info.nuid).await {
            tracing::warn!(error = %stdx::Chain(&error), "bytes of an object that was replaced or deleted stay");
        }
    }

    async fn purge(&self, version: &str) -> Result<(), BlobsError> {
        let bytes = self.bucket.bytes(version);
        self.call(async |connected| Ok(connected.stream.purge().filter(bytes).await.map(drop)?)).await
    }

    fn damaged(&self, failure: Failure) -> BlobsError {
        BlobsError::Damaged { store: self.described.clone(), source: failure.into() }
    }
}

#[cfg(test)]
mod tests;
