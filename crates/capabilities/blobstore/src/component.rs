//! This is a component that keeps objects for others: it exports `wasi:blobstore`, and is asked as any place for objects is.
//!
//! ```text
//! link to a component here ── Kept: dyn Blobs ──┐
//!                                               ├─ Component ── one invocation ── Inside: its exports
//! wrpc:blobstore, from elsewhere ── serve ──────┘
//! ```
//!
//! # Invariants
//!
//! 1. What is asked is one invocation, in an instance of its own: an object that is read or written is one for as long as its bytes
//!    flow. What the component keeps in its memory is gone afterwards.
//! 2. There is no task: who waits for bytes drives the invocation that brings or takes them. Dropping it ends its instance.
//! 3. What the component says of something that is not there is asked once more, so that it is told apart from what it refuses.
//!
//! # Not here
//!
//! Whose objects they are: a component is not told who asks, and those who are linked to one share what it keeps.

mod inside;
mod invocation;
mod kept;
mod names;
mod reading;
mod writing;

use std::time::Duration;

use capability::{Callable, Cause, Keeper};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::ComponentName;
use stdx::BoxError;

use inside::{Inside, Said};

pub(crate) use kept::Kept;
pub(crate) use writing::Writing;

/// A component that keeps objects, as it is asked for some cause.
#[derive(Clone)]
pub(crate) struct Component {
    keeper: Keeper,
}

/// Why a component has not done what it was asked. Its words are a text.
pub(crate) type Trouble<E = BoxError> = capability::Trouble<String, E>;

/// An object, by its container and its name.
pub(crate) type Id<'a> = (&'a str, &'a str);

/// What is known of an object: when it was made, in seconds since 1970, and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) created: u64,
    pub(crate) size: u64,
}

// === impl Component ===

impl Component {
    /// The component, where it exports all that it is asked by.
    pub(crate) fn of(component: &dyn Callable) -> Option<Self> {
        Some(Self { keeper: Keeper::new(component, inside::exports_of(component)?) })
    }

    /// The same as it is asked for this.
    pub(crate) fn within(&self, cause: Cause) -> Self {
        Self { keeper: self.keeper.within(cause) }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &ComponentName {
        self.keeper.name()
    }

    /// How long one invocation may take.
    pub(crate) fn time(&self) -> Duration {
        self.keeper.time()
    }

    /// Makes a container. One that is there stays as it is.
    pub(crate) async fn create(&self, container: &str) -> Result<(), Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.create(&container).await }.boxed()).await
    }

    /// Whether a container is there.
    pub(crate) async fn exists(&self, container: &str) -> Result<bool, Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.exists(&container).await }.boxed()).await
    }

    /// When a container was made, in seconds since 1970; nothing where there is none.
    pub(crate) async fn created(&self, container: &str) -> Result<Option<u64>, Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.created(&container).await }.boxed()).await
    }

    /// Deletes a container with all that is in it. Succeeds where there is none.
    pub(crate) async fn remove(&self, container: &str) -> Result<(), Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.remove(&container).await }.boxed()).await
    }

    /// Deletes all objects of a container. Succeeds where there is none.
    pub(crate) async fn clear(&self, container: &str) -> Result<(), Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.clear(&container).await }.boxed()).await
    }

    /// Whether an object is there.
    pub(crate) async fn has(&self, (container, object): Id<'_>) -> Result<bool, Trouble> {
        let (container, object) = (container.to_owned(), object.to_owned());
        self.ask(move |mut inside| async move { inside.has((&container, &object)).await }.boxed()).await
    }

    /// What is known of an object; nothing where there is none.
    pub(crate) async fn info(&self, (container, object): Id<'_>) -> Result<Option<Info>, Trouble> {
        let (container, object) = (container.to_owned(), object.to_owned());
        self.ask(move |mut inside| async move { inside.info((&container, &object)).await }.boxed()).await
    }

    /// Deletes objects of a container. Succeeds where there are none.
    pub(crate) async fn delete(&self, container: &str, objects: Vec<String>) -> Result<(), Trouble> {
        let container = container.to_owned();
        self.ask(move |mut inside| async move { inside.delete(&container, objects).await }.boxed()).await
    }

    /// Makes an object hold what another holds.
    pub(crate) async fn copy(&self, source: Id<'_>, target: Id<'_>) -> Result<(), Trouble> {
        let (source, target) = (inside::id(source), inside::id(target));
        self.ask(move |mut inside| async move { inside.copy(source, target).await }.boxed()).await
    }

    /// Lets an object be there under another name only.
    pub(crate) async fn move_to(&self, source: Id<'_>, target: Id<'_>) -> Result<(), Trouble> {
        let (source, target) = (inside::id(source), inside::id(target));
        self.ask(move |mut inside| async move { inside.move_to(source, target).await }.boxed()).await
    }

    /// Asks an instance, which is made for it, for something.
    async fn ask<F, T>(&self, ask: F) -> Result<T, Trouble>
    where
        F: for<'a> FnOnce(Inside<'a>) -> BoxFuture<'a, Said<T>> + Send,
        T: Send,
    {
        self.keeper.ask(|instance| ask(Inside::new(instance))).await
    }
}
