//! This is `wasi:blobstore`: a component's containers, and what its calls do.
//!
//! ```text
//! outgoing-value ── output-stream ──► outgoing::Value ──► Upload, which write-data chose
//! incoming-value ── input-stream  ◄── incoming::Reader ◄── Blob, which get-data opened
//! ```
//!
//! # Invariants
//!
//! 1. A container is resolved once, when it is opened; a call on its handle looks nothing up by name.
//! 2. A call reaches its store by a [`Link`], which keeps the link's terms, and says for which invocation it is made.
//! 3. Nothing runs between the calls: bytes move while the component waits for a stream.

mod draft;
mod incoming;
mod link;
mod outgoing;

use std::sync::Arc;

use capability::{Cause, Linking, OpenLink};
use engine::State;
use model::{ComponentName, LinkName};
use wasmtime::component::{HasSelf, Resource, ResourceTableError};

use crate::blobs::{Blob, Facts, Page, Span};
use crate::limits::{Limits, TooMuch};
use crate::scope;
use link::Link;
use outgoing::Target;

pub(crate) use draft::wasi::blobstore::types::{ContainerMetadata, ObjectId, ObjectMetadata};

/// What is offered, each in its exact version.
pub const CONTRACTS: [&str; 3] = [
    "wasi:blobstore/types@0.2.0-draft",
    "wasi:blobstore/container@0.2.0-draft",
    "wasi:blobstore/blobstore@0.2.0-draft",
];

/// Defines the functions of the contract.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    use draft::wasi::blobstore::{blobstore as stores, container, types};
    let [of_types, of_container, of_stores] = CONTRACTS;
    linking.define(of_types, types::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_container, container::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_stores, stores::add_to_linker_instance::<_, HasSelf<State>>)
}

/// What one component is bound to: its links, of which a container's name chooses one.
pub(crate) struct Binding {
    component: ComponentName,
    limits: Limits,
    links: Vec<(LinkName, Arc<Link>)>,
}

/// An open container.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
#[derive(Clone)]
pub struct Container {
    link: Arc<Link>,
    place: scope::Container,
}

/// Where a listing stands.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Names {
    container: Container,
    after: Option<String>,
}

/// Why a call did not do what it was asked.
pub(crate) enum Failure {
    /// The component is told, in words.
    Told(String),
    /// The component broke the rules of its own interface.
    Trap(wasmtime::Error),
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(component: &ComponentName, links: &[OpenLink], limits: Limits) -> Self {
        let link = |link: &OpenLink| (link.name.clone(), Arc::new(Link::new(component, link, limits)));
        Self { component: component.clone(), limits, links: links.iter().map(link).collect() }
    }

    /// The container of that name, whether it is there or not: by the link of that name, else by the one that was chosen.
    fn container(&self, name: &str, chosen: &str) -> Result<Container, Failure> {
        self.limits.check_container(name)?;
        let named = self.links.iter().find(|(link, _)| link.as_str() == name);
        let of_default = || self.links.iter().find(|(link, _)| link.as_str() == chosen);
        let (_, link) = named.or_else(of_default).ok_or_else(not_bound)?;
        Ok(Container { link: link.clone(), place: scope::Container::new(&self.component, name) })
    }
}

/// The container of that name, for the component whose state this is.
fn container(state: &State, name: &str) -> Result<Container, Failure> {
    let chosen = state.chosen("wasi:blobstore/blobstore");
    let mut container = state.bound().part::<Binding>().ok_or_else(not_bound)?.container(name, chosen)?;
    follow(&mut container.link, Cause::of(state));
    Ok(container)
}

/// A container that the component has a handle of, as it is asked for the current invocation.
fn opened<'a>(state: &'a mut State, handle: &Resource<Container>) -> Result<&'a Container, ResourceTableError> {
    let cause = Cause::of(state);
    let container = state.table.get_mut(handle)?;
    follow(&mut container.link, cause);
    Ok(container)
}

/// The same of a listing.
fn listing<'a>(state: &'a mut State, handle: &Resource<Names>) -> Result<&'a mut Names, ResourceTableError> {
    let cause = Cause::of(state);
    let names = state.table.get_mut(handle)?;
    follow(&mut names.container.link, cause);
    Ok(names)
}

/// What is asked by this link from now on is asked for that.
fn follow(link: &mut Arc<Link>, cause: Cause) {
    if let Some(other) = link.within(cause) {
        *link = other;
    }
}

fn not_bound() -> Failure {
    Failure::Told("the component is bound to no blob store".into())
}

// === impl Container ===

impl Container {
    fn object(&self, name: &str) -> Result<scope::Object, Failure> {
        self.link.limits().check_object(name)?;
        Ok(self.place.object(name))
    }

    async fn create(&self) -> Result<(), Failure> {
        self.link.write(|blobs| blobs.create(&self.place)).await
    }

    async fn remove(&self) -> Result<(), Failure> {
        self.link.write(|blobs| blobs.remove(&self.place)).await
    }

    async fn clear(&self) -> Result<(), Failure> {
        self.link.write(|blobs| blobs.clear(&self.place)).await
    }

    async fn exists(&self) -> Result<bool, Failure> {
        self.link.read(|blobs| blobs.exists(&self.place)).await
    }

    /// When it was made, in seconds since 1970.
    async fn created_at(&self) -> Result<u64, Failure> {
        let created = self.link.read(|blobs| blobs.created_at(&self.place)).await?;
        created.map(seconds).ok_or_else(|| self.is_absent())
    }

    fn is_absent(&self) -> Failure {
        Failure::Told(format!("there is no container {:?}", self.place.name()))
    }

    async fn facts(&self, name: &str) -> Result<Option<Facts>, Failure> {
        let object = self.object(name)?;
        self.link.read(|blobs| blobs.facts(&object)).await
    }

    async fn has(&self, name: &str) -> Result<bool, Failure> {
        let object = self.object(name)?;
        self.link.read(|blobs| blobs.has(&object)).await
    }

    async fn get(&self, name: &str, span: Span) -> Result<Blob, Failure> {
        if span.last < span.first {
            return Err(Failure::Told(format!("the last byte {} is before the first, {}", span.last, span.first)));
        }
        let object = self.object(name)?;
        let blob = self.link.read(|blobs| blobs.read(&object, span)).await?.ok_or_else(|| no_object(name))?;
        Ok(self.link.guard(blob))
    }

    async fn target(&self, name: &str) -> Result<Target, Failure> {
        let object = self.object(name)?;
        let upload = self.link.write(|blobs| blobs.write(&object)).await?;
        Ok(Target { link: self.link.clone(), upload })
    }

    async fn delete(&self, names: &[String]) -> Result<(), Failure> {
        self.link.limits().check_names(names.len())?;
        let objects: Vec<_> = names.iter().map(|name| self.object(name)).collect::<Result<_, _>>()?;
        self.link.write(|blobs| blobs.delete(&objects)).await
    }

    /// Makes an object of that name in `other` hold what one here holds. Between two stores the bytes pass through here.
    async fn copy(&self, name: &str, other: &Self, other_name: &str) -> Result<(), Failure> {
        let (source, target) = (self.object(name)?, other.object(other_name)?);
        if self.link.is(&other.link) {
            return self.link.write(|blobs| blobs.copy(&source, &target)).await;
        }
        let blob = self.get(name, Span::ALL).await?;
        other.target(other_name).await?.pour(blob).await
    }

    /// Copies, and then deletes what was copied.
    async fn move_to(&self, name: String, other: &Self, other_name: &str) -> Result<(), Failure> {
        self.copy(&name, other, other_name).await?;
        let is_same = self.link.is(&other.link) && self.place == other.place && name == other_name;
        if is_same { Ok(()) } else { self.delete(&[name]).await }
    }
}

fn no_object(name: &str) -> Failure {
    Failure::Told(format!("there is no object {name:?}"))
}

fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Names ===

impl Names {
    /// The next names, at most so many and at most a page, and whether there are no more.
    async fn next(&mut self, count: u64) -> Result<(Vec<String>, bool), Failure> {
        let Container { link, place } = &self.container;
        let count_max = usize::try_from(count).unwrap_or(usize::MAX).min(link.limits().page);
        if count_max == 0 {
            return Ok((Vec::new(), false));
        }
        let after = self.after.as_deref();
        let names = link.read(|blobs| blobs.list(place, Page { after, count_max })).await?;
        let is_end = names.len() < count_max;
        if let Some(last) = names.last() {
            self.after = Some(last.clone());
        }
        Ok((names, is_end))
    }

    /// Passes over as many names, page after page, with a pause after each so that nobody waits for a long listing.
    async fn skip(&mut self, count: u64) -> Result<(u64, bool), Failure> {
        let mut skipped = 0;
        while skipped < count {
            let (names, is_end) = self.next(count - skipped).await?;
            skipped += names.len() as u64;
            if is_end {
                return Ok((skipped, true));
            }
            tokio::task::yield_now().await;
        }
        Ok((skipped, false))
    }
}

// === impl Failure ===

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Told("the component holds too many handles".into()),
            error => Self::Trap(error.into()),
        }
    }
}

impl From<TooMuch> for Failure {
    fn from(error: TooMuch) -> Self {
        Self::Told(error.to_string())
    }
}

#[cfg(test)]
mod tests;
