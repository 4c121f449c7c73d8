//! This is what both versions of `wasi:keyvalue` have in common: a component's buckets, and what its calls do.
//!
//! A version is a file below: it says how its types look, and calls what is here.
//!
//! # Invariants
//!
//! 1. A bucket is resolved once, by `open`; a call on its handle looks nothing up by name.
//! 2. A call reaches its store by a [`Link`], which keeps the link's terms, and says for which invocation it is made.

mod draft;
mod draft2;
mod link;

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use capability::{Cause, Linking, OpenLink};
use engine::State;
use model::{ComponentName, LinkName};
use wasmtime::component::{HasSelf, Resource, ResourceTableError};

use crate::limits::{Limits, TooMuch};
use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Page, Stamp, Swap};

pub(crate) use draft::wasi::keyvalue::store::{Error, KeyResponse as NumberedPage};
pub(crate) use draft2::wasi::keyvalue::store::KeyResponse as NamedPage;
pub(crate) use link::Link;

/// What is offered, each in its exact version.
pub const CONTRACTS: [&str; 6] = [
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
];

/// What a component exports that is told of changes, in each version.
pub(crate) const WATCHERS: [&str; 2] = ["wasi:keyvalue/watcher@0.2.0-draft", "wasi:keyvalue/watcher@0.2.0-draft2"];

/// Defines the functions of all versions.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    use draft::wasi::keyvalue as first;
    use draft2::wasi::keyvalue as second;
    type Own = HasSelf<State>;
    let [store, atomics, batch, store2, atomics2, batch2] = CONTRACTS;
    linking.define(store, first::store::add_to_linker_instance::<_, Own>)?;
    linking.define(atomics, first::atomics::add_to_linker_instance::<_, Own>)?;
    linking.define(batch, first::batch::add_to_linker_instance::<_, Own>)?;
    linking.define(store2, second::store::add_to_linker_instance::<_, Own>)?;
    linking.define(atomics2, second::atomics::add_to_linker_instance::<_, Own>)?;
    linking.define(batch2, second::batch::add_to_linker_instance::<_, Own>)
}

/// What one component is bound to: its links, of which `open` chooses one by name.
pub(crate) struct Binding {
    component: ComponentName,
    limits: Limits,
    links: Vec<(LinkName, Arc<Link>)>,
}

/// An open bucket.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Bucket {
    link: Arc<Link>,
    scope: Scope,
    /// Where the last page ended: so many keys in, after that key.
    page_end: Option<(u64, String)>,
}

/// An attempt to change a value that nobody else has changed meanwhile. It holds no value, however many there are.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Attempt {
    link: Arc<Link>,
    key: Key,
    seen: Stamp,
}

/// Why a call did not do what it was asked.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub enum Failure {
    /// There is no bucket of that name.
    NoSuchStore,
    /// The component is bound to no store.
    AccessDenied,
    /// In words.
    Other(String),
    /// The component broke the rules of its own interface.
    Trap(wasmtime::Error),
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(component: &ComponentName, links: &[OpenLink], limits: Limits) -> Self {
        let link = |link: &OpenLink| (link.name.clone(), Arc::new(Link::new(component, link, limits)));
        Self { component: component.clone(), limits, links: links.iter().map(link).collect() }
    }

    /// The bucket of that name, which is there from the moment that someone asks for it. A link of that name is the whole
    /// store that it leads to; any other name is a bucket of the link that was chosen.
    fn bucket(&self, name: &str, chosen: &str) -> Result<Bucket, Failure> {
        if name.chars().count() > self.limits.bucket_name {
            return Err(Failure::NoSuchStore);
        }
        let named = self.links.iter().find(|(link, _)| link.as_str() == name).map(|(_, link)| (link, ""));
        let of_default = || self.links.iter().find(|(link, _)| link.as_str() == chosen).map(|(_, link)| (link, name));
        let (link, name) = named.or_else(of_default).ok_or(Failure::AccessDenied)?;
        let scope = Scope::new(&self.component, name);
        Ok(Bucket { link: link.clone(), scope, page_end: None })
    }
}

/// Opens a bucket for the component whose state this is.
fn open(state: &mut State, name: &str) -> Result<Resource<Bucket>, Failure> {
    let binding = state.bound().part::<Binding>().ok_or(Failure::AccessDenied)?;
    let bucket = binding.bucket(name, state.chosen("wasi:keyvalue/store"))?;
    Ok(state.table.push(bucket)?)
}

/// Opens a bucket of one link, for a call that the host makes.
pub(crate) fn open_by(state: &mut State, name: &str, link: &LinkName) -> wasmtime::Result<Resource<Bucket>> {
    let binding = state.bound().part::<Binding>();
    let bucket = binding.and_then(|binding| binding.bucket(name, link.as_str()).ok());
    let bucket = bucket.ok_or_else(|| wasmtime::Error::msg("the bucket that is watched cannot be opened"))?;
    Ok(state.table.push(bucket)?)
}

/// A bucket that the component has a handle of, as it is asked for the current invocation.
fn bucket<'a>(state: &'a mut State, handle: &Resource<Bucket>) -> Result<&'a mut Bucket, Failure> {
    let cause = Cause::of(state);
    let bucket = state.table.get_mut(handle)?;
    follow(&mut bucket.link, cause);
    Ok(bucket)
}

/// The same of an attempt.
fn attempt<'a>(state: &'a mut State, handle: &Resource<Attempt>) -> Result<&'a mut Attempt, Failure> {
    let cause = Cause::of(state);
    let attempt = state.table.get_mut(handle)?;
    follow(&mut attempt.link, cause);
    Ok(attempt)
}

/// What is asked by this link from now on is asked for that.
fn follow(link: &mut Arc<Link>, cause: Cause) {
    if let Some(other) = link.within(cause) {
        *link = other;
    }
}

// === impl Bucket ===

impl Bucket {
    fn key(&self, name: &str) -> Result<Key, Failure> {
        self.link.limits().check_key(name)?;
        Ok(self.scope.key(name))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, Failure> {
        let key = self.key(name)?;
        match self.link.read_now(|store| store.get_now(&key)) {
            Poll::Ready(value) => Ok(value),
            // Elsewhere, so that whoever need not wait does not carry what it takes to.
            Poll::Pending => Box::pin(self.link.read(|store| store.get(&key))).await,
        }
    }

    async fn set(&self, name: &str, value: Vec<u8>) -> Result<(), Failure> {
        let key = self.key(name)?;
        self.link.limits().check_value(&value)?;
        self.link.write(|store| store.put(&key, value.into())).await
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let key = self.key(name)?;
        self.link.write(|store| store.delete(&key)).await
    }

    /// The keys after `after`, a page of them, and whether there may be more.
    async fn page(&self, after: Option<&str>) -> Result<(Vec<String>, bool), Failure> {
        let count_max = self.link.limits().page;
        let names = self.link.read(|store| store.list(&self.scope, Page { after, count_max })).await?;
        let may_be_more = names.len() == count_max;
        Ok((names, may_be_more))
    }

    /// Values one by one, until they are too many bytes together. A missing one is `None`.
    async fn get_many(&self, names: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        self.link.limits().check_batch_keys(names.len())?;
        let mut size = 0;
        let mut pairs = Vec::with_capacity(names.len());
        for name in names {
            let value = self.get(&name).await?;
            size += value.as_ref().map_or(0, Bytes::len);
            self.link.limits().check_batch(size)?;
            pairs.push((name, value.map(Vec::from)));
        }
        Ok(pairs)
    }

    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        self.link.limits().check_batch_keys(pairs.len())?;
        self.link.limits().check_batch(pairs.iter().map(|(_, value)| value.len()).sum())?;
        let mut changes = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            self.link.limits().check_value(&value)?;
            changes.push(Change::Put(self.key(&name)?, value.into()));
        }
        self.link.write(|store| store.apply(changes)).await
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Failure> {
        self.link.limits().check_batch_keys(names.len())?;
        let changes = names.iter().map(|name| Ok(Change::Delete(self.key(name)?)));
        let changes: Vec<Change> = changes.collect::<Result<_, Failure>>()?;
        self.link.write(|store| store.apply(changes)).await
    }

    async fn increment(&self, name: &str, addend: Addend) -> Result<i128, Failure> {
        let key = self.key(name)?;
        match self.link.write(|store| store.increment(&key, addend)).await? {
            Sum::Is(sum) => Ok(sum),
            Sum::NotANumber => Err(Failure::Other("the value is not a number".into())),
            Sum::OutOfRange => Err(Failure::Other("the sum is out of range".into())),
        }
    }

    async fn attempt(&self, name: &str) -> Result<Attempt, Failure> {
        let mut attempt = Attempt { link: self.link.clone(), key: self.key(name)?, seen: Stamp::of(None) };
        attempt.look().await?;
        Ok(attempt)
    }
}

// === impl Attempt ===

impl Attempt {
    /// The value that is there now, which is the one that the swap will expect.
    async fn look(&mut self) -> Result<Option<Bytes>, Failure> {
        let value = self.link.read(|store| store.get(&self.key)).await?;
        self.seen = Stamp::of(value.as_deref());
        Ok(value)
    }

    async fn swap(&self, value: Vec<u8>) -> Result<Swap, Failure> {
        self.link.limits().check_value(&value)?;
        self.link.write(|store| store.swap(&self.key, self.seen, value.into())).await
    }
}

// === impl Failure ===

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Other("the component holds too many handles".into()),
            error => Self::Trap(error.into()),
        }
    }
}

impl From<TooMuch> for Failure {
    fn from(error: TooMuch) -> Self {
        Self::Other(error.to_string())
    }
}

#[cfg(test)]
mod tests;
