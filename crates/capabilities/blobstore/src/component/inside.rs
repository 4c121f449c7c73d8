//! This is an instance of a component while something is asked of it: its exports, as `wasi:blobstore@0.2.0-draft` has them.
//!
//! # Invariants
//!
//! 1. What it gave a handle to is let go of when the question is answered, unless it failed: see [`Instance::close`].

mod streams;

use std::sync::Arc;

use capability::{Callable, Calls, Instance};
use model::Contract;
use wasmtime::component::{ComponentNamedList, Lift, Lower, ResourceAny};

use super::{Id, Info, Trouble};
use crate::guest::{CONTRACTS, ContainerMetadata, ObjectId, ObjectMetadata};

pub(super) use streams::{Sink, Source};

/// An instance that is asked for something.
pub(super) struct Inside<'a> {
    /// Asked by those of [`EXPORTS`], perhaps without the last [`OPTIONAL`] of them.
    instance: Instance<'a>,
}

/// What it answers.
pub(super) type Said<T> = capability::Said<T, String>;

const TYPES: &str = CONTRACTS[0];
const CONTAINER: &str = CONTRACTS[1];
const STORES: &str = CONTRACTS[2];

/// Exported by a component that makes streams itself.
const STREAMS: &str = "wasi:io/streams@0.2.0";

macro_rules! exports {
    ($($export:ident = $interface:ident $function:literal,)*) => {
        /// What is called.
        #[derive(Clone, Copy)]
        enum Export { $($export),* }

        /// Where each of them is.
        const EXPORTS: &[(&str, &str)] = &[$(($interface, $function)),*];
    };
}

exports! {
    CreateContainer = STORES "create-container",
    GetContainer = STORES "get-container",
    DeleteContainer = STORES "delete-container",
    ContainerExists = STORES "container-exists",
    CopyObject = STORES "copy-object",
    MoveObject = STORES "move-object",
    ContainerInfo = CONTAINER "[method]container.info",
    GetData = CONTAINER "[method]container.get-data",
    WriteData = CONTAINER "[method]container.write-data",
    ListObjects = CONTAINER "[method]container.list-objects",
    DeleteObjects = CONTAINER "[method]container.delete-objects",
    HasObject = CONTAINER "[method]container.has-object",
    ObjectInfo = CONTAINER "[method]container.object-info",
    Clear = CONTAINER "[method]container.clear",
    ReadNames = CONTAINER "[method]stream-object-names.read-stream-object-names",
    SkipNames = CONTAINER "[method]stream-object-names.skip-stream-object-names",
    NewValue = TYPES "[static]outgoing-value.new-outgoing-value",
    WriteBody = TYPES "[method]outgoing-value.outgoing-value-write-body",
    Finish = TYPES "[static]outgoing-value.finish",
    Consume = TYPES "[static]incoming-value.incoming-value-consume-async",
    ReadStream = STREAMS "[method]input-stream.blocking-read",
    WriteStream = STREAMS "[method]output-stream.blocking-write-and-flush",
}

/// So many of them, the last, are needed only where the component makes streams itself.
const OPTIONAL: usize = 2;

/// What is called of a component; nothing where it does not export it.
pub(super) fn exports_of(component: &dyn Callable) -> Option<Arc<dyn Calls>> {
    let contract = |name: &str| name.parse::<Contract>().expect("it is written in full");
    let wanted: Vec<_> = EXPORTS.iter().map(|(interface, function)| (contract(interface), *function)).collect();
    component.functions(&wanted).or_else(|| component.functions(&wanted[..wanted.len() - OPTIONAL]))
}

/// An object as the contract names it.
pub(super) fn id((container, object): Id<'_>) -> ObjectId {
    ObjectId { container: container.to_owned(), object: object.to_owned() }
}

// === impl Inside ===

impl<'a> Inside<'a> {
    pub(super) fn new(instance: Instance<'a>) -> Self {
        Self { instance }
    }

    pub(super) async fn create(&mut self, container: &str) -> Said<()> {
        let created: Said<ResourceAny> = self.ask(Export::CreateContainer, (container.to_owned(),)).await;
        let words = match created {
            Ok(created) => return self.close(created, Ok(())).await,
            Err(Trouble::Said(words)) => words,
            Err(failed) => return Err(failed),
        };
        if self.exists(container).await? { Ok(()) } else { Err(Trouble::Said(words)) }
    }

    pub(super) async fn exists(&mut self, container: &str) -> Said<bool> {
        self.ask(Export::ContainerExists, (container.to_owned(),)).await
    }

    pub(super) async fn created(&mut self, container: &str) -> Said<Option<u64>> {
        let Some(container) = self.find(container).await? else { return Ok(None) };
        let info: Said<ContainerMetadata> = self.ask(Export::ContainerInfo, (container,)).await;
        self.close(container, info.map(|info| Some(info.created_at))).await
    }

    pub(super) async fn remove(&mut self, container: &str) -> Said<()> {
        let removed: Said<()> = self.ask(Export::DeleteContainer, (container.to_owned(),)).await;
        let words = match removed {
            Err(Trouble::Said(words)) => words,
            removed => return removed,
        };
        if self.exists(container).await? { Err(Trouble::Said(words)) } else { Ok(()) }
    }

    pub(super) async fn clear(&mut self, container: &str) -> Said<()> {
        let Some(container) = self.find(container).await? else { return Ok(()) };
        let cleared = self.ask(Export::Clear, (container,)).await;
        self.close(container, cleared).await
    }

    pub(super) async fn has(&mut self, (container, object): Id<'_>) -> Said<bool> {
        let Some(container) = self.find(container).await? else { return Ok(false) };
        let has = self.ask(Export::HasObject, (container, object.to_owned())).await;
        self.close(container, has).await
    }

    pub(super) async fn info(&mut self, (container, object): Id<'_>) -> Said<Option<Info>> {
        let Some(container) = self.find(container).await? else { return Ok(None) };
        let info = self.info_in(container, object).await;
        self.close(container, info).await
    }

    /// What is known of an object of an open container; nothing where there is none.
    pub(super) async fn info_in(&mut self, container: ResourceAny, object: &str) -> Said<Option<Info>> {
        let info: Said<ObjectMetadata> = self.ask(Export::ObjectInfo, (container, object.to_owned())).await;
        let words = match info {
            Ok(info) => return Ok(Some(Info { created: info.created_at, size: info.size })),
            Err(Trouble::Said(words)) => words,
            Err(failed) => return Err(failed),
        };
        let has: bool = self.ask(Export::HasObject, (container, object.to_owned())).await?;
        if has { Err(Trouble::Said(words)) } else { Ok(None) }
    }

    pub(super) async fn delete(&mut self, container: &str, objects: Vec<String>) -> Said<()> {
        let Some(container) = self.find(container).await? else { return Ok(()) };
        let deleted = self.ask(Export::DeleteObjects, (container, objects)).await;
        self.close(container, deleted).await
    }

    pub(super) async fn copy(&mut self, source: ObjectId, target: ObjectId) -> Said<()> {
        self.ask(Export::CopyObject, (source, target)).await
    }

    pub(super) async fn move_to(&mut self, source: ObjectId, target: ObjectId) -> Said<()> {
        self.ask(Export::MoveObject, (source, target)).await
    }

    /// The names of an open container, of which nothing was read yet.
    pub(super) async fn names(&mut self, container: ResourceAny) -> Said<ResourceAny> {
        self.ask(Export::ListObjects, (container,)).await
    }

    /// The next names, at most so many, and whether there are no more.
    pub(super) async fn next_names(&mut self, names: ResourceAny, count: u64) -> Said<(Vec<String>, bool)> {
        self.ask(Export::ReadNames, (names, count)).await
    }

    /// Passes over so many names, unless there are fewer: then says that there are no more.
    pub(super) async fn skip_names(&mut self, names: ResourceAny, count: u64) -> Said<bool> {
        let mut left = count;
        while left > 0 {
            let (skipped, is_end): (u64, bool) = self.ask(Export::SkipNames, (names, left)).await?;
            if is_end {
                return Ok(true);
            }
            if skipped == 0 {
                return Err(Trouble::Said("it passes over none of the names that it has".into()));
            }
            left = left.saturating_sub(skipped);
        }
        Ok(false)
    }

    /// What becomes an object.
    pub(super) async fn value(&mut self) -> Said<ResourceAny> {
        let (value,) = self.call::<(), (ResourceAny,)>(Export::NewValue, ()).await?;
        Ok(value)
    }

    /// Says which object a value becomes.
    pub(super) async fn send_to(&mut self, container: ResourceAny, object: String, value: ResourceAny) -> Said<()> {
        self.ask(Export::WriteData, (container, object, value)).await
    }

    /// Makes a value an object.
    pub(super) async fn finish(&mut self, value: ResourceAny) -> Said<()> {
        self.ask(Export::Finish, (value,)).await
    }

    /// The container of that name, open; nothing where there is none.
    pub(super) async fn find(&mut self, container: &str) -> Said<Option<ResourceAny>> {
        let found: Said<ResourceAny> = self.ask(Export::GetContainer, (container.to_owned(),)).await;
        let words = match found {
            Ok(found) => return Ok(Some(found)),
            Err(Trouble::Said(words)) => words,
            Err(failed) => return Err(failed),
        };
        if self.exists(container).await? { Err(Trouble::Said(words)) } else { Ok(None) }
    }

    /// Lets go of something when it is known what came of it.
    pub(super) async fn close<T>(&mut self, handle: ResourceAny, outcome: Said<T>) -> Said<T> {
        self.instance.close(handle, outcome).await
    }

    /// Asks for something that may be refused.
    async fn ask<P, T>(&mut self, export: Export, params: P) -> Said<T>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        T: Lift + Send + Sync + 'static,
    {
        let (answer,) = self.call::<P, (Result<T, String>,)>(export, params).await?;
        answer.map_err(Trouble::Said)
    }

    async fn call<P, R>(&mut self, export: Export, params: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        if !self.instance.has(export as usize) {
            let why = "it gives a stream that is not the host's, and does not export what that is used by";
            return Err(wasmtime::Error::msg(why));
        }
        self.instance.call(export as usize, params).await
    }
}
