//! These are the objects that a provider of the lattice keeps: `wrpc:blobstore`, as the providers of wasmCloud 1.x serve it.
//!
//! ```text
//! read      get-object-info, then get-container-data for a MiB, and again      one that reads slowly holds a MiB
//! write     container-exists, then write-container-data with its stream        and the answer when all was written
//! ```
//!
//! Which data a component's containers are is the provider's business: it is told which component asks, by which link.
//!
//! # Invariants
//!
//! 1. What changes something is asked once. What is refused though it is so already, such as making a container that is there, is
//!    done all the same: providers differ in that, and in whether they remove a container that has objects, which is then cleared
//!    and removed once more.
//! 2. A provider may be asked a byte too much and gives what it was asked for or an error: whether the last byte is included,
//!    providers differ as well.
//! 3. Each answer, and each piece of an object, comes within the time of the link, or that is the error.
//!
//! # Not here
//!
//! What a provider does not do: one that writes an object in place shows it half written, and may keep half of one that was
//! dropped. Moving objects: it is copying and deleting.

mod coming;
mod listing;
mod reading;
mod writing;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bus::{Subject, SubjectError};
use capability::provider::{self, LinkedProvider, NoLattice};
use capability::{BackendInfo, Cause, OpenError, Settings};
use futures::{StreamExt, stream};
use rt::within;
use stdx::BoxError;
use wire::{Beside, Call, Decode, Encode, FlowError, InvokeError, Peer, Peers, Underway};

use crate::Blobstore;
use crate::aborts::Aborts;
use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload, time_of};
use crate::scope::{Container, Object};
use reading::Reading;
use writing::Writing;

/// The backend, as it is listed.
pub(crate) const INFO: BackendInfo = BackendInfo {
    name: provider::NAME,
    about: "kept by a provider of the lattice, which speaks wrpc:blobstore as those of wasmCloud do",
    settings: &[provider::ID, provider::LINK, provider::TIMEOUT],
};

/// The versions of the contract: a provider serves the one, or the other, or both.
pub(crate) const INSTANCES: [&str; 2] = ["wrpc:blobstore/blobstore@0.2.0", "wrpc:blobstore/blobstore@0.1.0"];

/// What a component asks a provider to keep. Cheap to clone.
#[derive(Clone)]
struct Provider {
    shared: Arc<Shared>,
    /// What it is asked for.
    cause: Cause,
}

struct Shared {
    peer: Peer,
    functions: Functions,
    aborts: Aborts,
}

/// Where a function is called, in each version.
type Ways = [Subject; 2];

struct Functions {
    create: Ways,
    exists: Ways,
    created: Ways,
    remove: Ways,
    clear: Ways,
    list: Ways,
    has: Ways,
    facts: Ways,
    read: Ways,
    write: Ways,
    delete: Ways,
    copy: Ways,
}

/// Which version of the contract a call was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 0.2.0: what comes as a stream is followed by whether it is whole, and what goes as one is answered twice.
    New,
    /// 0.1.0
    Old,
}

/// What a provider answers: an error in words.
type Answer<T> = Result<T, String>;

/// The objects of the provider that a link names. Whether it is there is found out by each call: it may come and go. To be called
/// within a runtime.
pub(crate) fn open(settings: &Settings, peers: Option<&Peers>) -> Result<Arc<dyn Blobs>, OpenError> {
    let linked = LinkedProvider::of(settings);
    let named = format!("provider {}", linked.id);
    let peers = peers.ok_or_else(|| OpenError::refused(&named, NoLattice))?;
    let peer = peers.peer(&linked.id, &linked.link, linked.timeout);
    let functions = Functions::of(&peer).map_err(|error| OpenError::refused(&named, error))?;
    let shared = Arc::new(Shared { peer, functions, aborts: Aborts::new() });
    Ok(Arc::new(Provider { shared, cause: Cause::default() }))
}

// === impl Functions ===

impl Functions {
    fn of(peer: &Peer) -> Result<Self, SubjectError> {
        let [new, old] = INSTANCES;
        let of =
            |name: &str| -> Result<Ways, SubjectError> { Ok([peer.function(new, name)?, peer.function(old, name)?]) };
        Ok(Self {
            create: of("create-container")?,
            exists: of("container-exists")?,
            created: of("get-container-info")?,
            remove: of("delete-container")?,
            clear: of("clear-container")?,
            list: of("list-container-objects")?,
            has: of("has-object")?,
            facts: of("get-object-info")?,
            read: of("get-container-data")?,
            write: of("write-container-data")?,
            delete: of("delete-objects")?,
            copy: of("copy-object")?,
        })
    }
}

// === impl Provider ===

impl Provider {
    fn functions(&self) -> &Functions {
        &self.shared.functions
    }

    fn timeout(&self) -> Duration {
        self.shared.peer.timeout()
    }

    /// A call for the component whose container it is.
    fn call(&self, container: &Container) -> Call {
        let Cause { trace, depth, .. } = self.cause.clone();
        self.shared.peer.call((container.component().as_str(), trace)).at_depth(depth)
    }

    /// Asks for something in a container.
    async fn ask<T>(&self, container: &Container, ways: &Ways, values: &impl Encode) -> Result<T, BlobsError>
    where
        Answer<T>: Decode,
    {
        let wire = self.shared.peer.wire();
        let [new, old] = ways;
        let answer = match wire.ask::<Answer<T>>(new, values, self.call(container)).await {
            Err(InvokeError::NobodyThere { .. }) => wire.ask::<Answer<T>>(old, values, self.call(container)).await,
            answer => answer,
        };
        answer.map_err(|error| self.failed(error))?.map_err(|words| self.refused(&words))
    }

    /// Begins a call that has something beside its values.
    async fn begin(
        &self,
        container: &Container,
        (ways, besides): (&Ways, [Beside; 2]),
        values: &impl Encode,
    ) -> Result<(Version, Underway), BlobsError> {
        let wire = self.shared.peer.wire();
        let ([new, old], [beside_new, beside_old]) = (ways, besides);
        let (version, begun) = match wire.begin((new, beside_new), values, self.call(container)).await {
            Err(InvokeError::NobodyThere { .. }) => {
                (Version::Old, wire.begin((old, beside_old), values, self.call(container)).await)
            }
            begun => (Version::New, begun),
        };
        Ok((version, begun.map_err(|error| self.failed(error))?))
    }

    fn failed(&self, error: InvokeError) -> BlobsError {
        match error {
            InvokeError::Garbled { .. } => self.damaged(error),
            error => self.unavailable(error),
        }
    }

    fn broken(&self, error: FlowError) -> BlobsError {
        match error {
            FlowError::Nonsense => self.damaged(error),
            error => self.unavailable(error),
        }
    }

    fn damaged(&self, source: impl Into<BoxError>) -> BlobsError {
        BlobsError::Damaged { store: self.describe(), source: source.into() }
    }

    fn unavailable(&self, source: impl Into<BoxError>) -> BlobsError {
        BlobsError::Unavailable { store: self.describe(), source: source.into() }
    }

    fn refused(&self, words: &str) -> BlobsError {
        BlobsError::Refused { store: self.describe(), source: stdx::printable(words).to_string().into() }
    }

    /// Whether there is no such container.
    async fn lacks(&self, container: &Container) -> Result<bool, BlobsError> {
        Ok(!self.exists(container).await?)
    }

    /// Whether there is no such object.
    async fn lacks_object(&self, object: &Object) -> Result<bool, BlobsError> {
        Ok(!self.has(object).await?)
    }

    /// Whether there is none of these objects of a container.
    async fn lacks_all(&self, container: &Container, objects: &[Object]) -> Result<bool, BlobsError> {
        if self.lacks(container).await? {
            return Ok(true);
        }
        for object in objects {
            if self.has(object).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a provider that does not say whether it has an object has nothing to say of it, though it answers for its container:
    /// some refuse what is asked of an object that is not there.
    async fn is_unknown(&self, object: &Object) -> Result<bool, BlobsError> {
        if self.lacks(object.container()).await? {
            return Ok(true);
        }
        match self.told(object).await {
            Err(BlobsError::Refused { .. }) => Ok(true),
            told => told.map(|_| false),
        }
    }

    /// What is said of an object.
    async fn told(&self, object: &Object) -> Result<Facts, BlobsError> {
        let facts = self.ask::<(u64, u64)>(object.container(), &self.functions().facts, &(id(object),)).await;
        facts.map(|(created, size)| Facts { size, created: time_of(created) })
    }
}

#[async_trait]
impl Blobs for Provider {
    fn describe(&self) -> String {
        format!("provider {}", self.shared.peer)
    }

    fn within(&self, cause: &Cause) -> Option<Arc<dyn Blobs>> {
        let is_another = (&self.cause.trace, self.cause.depth) != (&cause.trace, cause.depth);
        is_another.then(|| Arc::new(Self { shared: self.shared.clone(), cause: cause.clone() }) as Arc<dyn Blobs>)
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        let created = self.ask(container, &self.functions().create, &(container.name(),)).await;
        unless(created, self.exists(container)).await
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        let created = self.ask::<u64>(container, &self.functions().created, &(container.name(),)).await;
        none_where(created.map(|seconds| Some(time_of(seconds))), self.lacks(container)).await
    }

    async fn exists(&self, container: &Container) -> Result<bool, BlobsError> {
        self.ask(container, &self.functions().exists, &(container.name(),)).await
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        let removed = self.ask::<()>(container, &self.functions().remove, &(container.name(),)).await;
        let Err(BlobsError::Refused { .. }) = removed else { return removed };
        if self.lacks(container).await? {
            return Ok(());
        }
        // Some remove none that has objects.
        self.clear(container).await?;
        let removed = self.ask::<()>(container, &self.functions().remove, &(container.name(),)).await;
        unless(removed, self.lacks(container)).await
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        let cleared = self.ask(container, &self.functions().clear, &(container.name(),)).await;
        unless(cleared, self.lacks(container)).await
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        if page.count_max == 0 {
            return Ok(Vec::new());
        }
        // A provider may go on for ever.
        let names = within(Some(self.timeout()), listing::page(self, container, page)).await;
        let names = names.unwrap_or_else(|late| Err(self.unavailable(late)));
        none_where(names.map(Some), self.lacks(container)).await.map(Option::unwrap_or_default)
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        none_where(self.told(object).await.map(Some), self.lacks_object(object)).await
    }

    async fn has(&self, object: &Object) -> Result<bool, BlobsError> {
        let has = self.ask::<bool>(object.container(), &self.functions().has, &(id(object),)).await;
        none_where(has.map(Some), self.is_unknown(object)).await.map(Option::unwrap_or_default)
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let Some(facts) = self.facts(object).await? else { return Ok(None) };
        let span = span.within(facts.size);
        let size = span.end - span.start;
        let reading = Reading::new(self.clone(), (object, facts), span);
        let pieces = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|piece| (piece, reading)))
        });
        Ok(Some(Blob { size, pieces: pieces.boxed() }))
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        if self.lacks(object.container()).await? {
            return Err(BlobsError::no_container_of(object));
        }
        Ok(Box::new(Writing::begin(self.clone(), object).await?))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        let Some(first) = objects.first() else { return Ok(()) };
        let container = first.container();
        let names: Vec<&str> = objects.iter().map(Object::name).collect();
        let deleted = self.ask(container, &self.functions().delete, &(container.name(), names)).await;
        unless(deleted, self.lacks_all(container, objects)).await
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let refused = match source == target {
            // One that copies file to file would begin with an empty one.
            true => None,
            false => match self.ask(source.container(), &self.functions().copy, &(id(source), id(target))).await {
                Err(refused @ BlobsError::Refused { .. }) => Some(refused),
                outcome => return outcome,
            },
        };
        if !self.has(source).await? {
            return Err(BlobsError::no_object(source));
        }
        if self.lacks(target.container()).await? {
            return Err(BlobsError::no_container_of(target));
        }
        refused.map_or(Ok(()), Err)
    }
}

/// What was refused is done where it is so already.
async fn unless(
    outcome: Result<(), BlobsError>,
    is_so: impl Future<Output = Result<bool, BlobsError>>,
) -> Result<(), BlobsError> {
    none_where(outcome.map(Some), is_so).await.map(drop)
}

/// What was refused because there is nothing is nothing.
async fn none_where<T>(
    outcome: Result<Option<T>, BlobsError>,
    is_nothing: impl Future<Output = Result<bool, BlobsError>>,
) -> Result<Option<T>, BlobsError> {
    match outcome {
        Err(refused @ BlobsError::Refused { .. }) => {
            if is_nothing.await? {
                Ok(None)
            } else {
                Err(refused)
            }
        }
        outcome => outcome,
    }
}

/// An object as a provider is told of it.
fn id(object: &Object) -> (&str, &str) {
    (object.container().name(), object.name())
}

// === impl Blobstore ===

impl Blobstore {
    /// What is opened from now on finds providers among these.
    pub fn face(&self, peers: Option<Peers>) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    pub(super) fn peers(&self) -> Option<Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
