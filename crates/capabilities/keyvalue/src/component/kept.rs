//! This is a component as a store: what a link leads to whose target is one.
//!
//! # Invariants
//!
//! 1. What changes something is asked once.
//! 2. Several changes in one bucket are one invocation where the component exports `batch`, else one each.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use capability::{Cause, Keeper};

use super::asking::Asking;
use super::{Component, Question, Trouble, Version};
use crate::batch::{Batch, Bucket, batches, parts};
use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Refusal, Stamp, Store, StoreError, Swap};

/// The keys that a component keeps, as it is asked for them for some cause.
pub(crate) struct Kept {
    component: Arc<Component>,
    cause: Cause,
}

// === impl Kept ===

impl Kept {
    /// Those of this component, which are asked for no cause that anybody said.
    pub(crate) fn new(component: Component) -> Self {
        Self { component: Arc::new(component), cause: Cause::default() }
    }

    /// The component when it has a place, to be asked something that is called so where it does not export it.
    async fn ask(&self, question: Question, what: &'static str) -> Result<Asking, StoreError> {
        self.ask_by(self.component.keeper(question), what).await
    }

    async fn ask_by(&self, keeper: Option<&Keeper>, what: &'static str) -> Result<Asking, StoreError> {
        let keeper = keeper.ok_or_else(|| self.unable(what))?.within(self.cause.clone());
        let seat = keeper.place().await;
        Ok(Asking { keeper, seat, version: self.component.version })
    }

    async fn set(&self, bucket: &str, (name, value): (&str, &Bytes)) -> Result<(), StoreError> {
        let asking = self.ask(Question::Set, "set values").await?;
        self.outcome(asking.set(bucket.to_owned(), (name.to_owned(), value.to_vec())).await)
    }

    async fn remove(&self, bucket: &str, name: &str) -> Result<(), StoreError> {
        let asking = self.ask(Question::Delete, "delete keys").await?;
        self.outcome(asking.delete(bucket.to_owned(), name.to_owned()).await)
    }

    async fn set_all(&self, bucket: &str, pairs: &[(&str, &Bytes)]) -> Result<(), StoreError> {
        if pairs.len() > 1
            && let Some(keeper) = self.component.keeper(Question::SetMany)
        {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
            let asking = self.ask_by(Some(keeper), "set many values").await?;
            return self.outcome(asking.set_many(bucket.to_owned(), pairs).await);
        }
        for pair in pairs {
            self.set(bucket, *pair).await?;
        }
        Ok(())
    }

    async fn remove_all(&self, bucket: &str, names: &[&str]) -> Result<(), StoreError> {
        if names.len() > 1
            && let Some(keeper) = self.component.keeper(Question::DeleteMany)
        {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let asking = self.ask_by(Some(keeper), "delete many keys").await?;
            return self.outcome(asking.delete_many(bucket.to_owned(), names).await);
        }
        for name in names {
            self.remove(bucket, name).await?;
        }
        Ok(())
    }

    fn outcome<T>(&self, outcome: Result<T, Trouble>) -> Result<T, StoreError> {
        let store = || self.describe();
        outcome.map_err(|trouble| match trouble {
            Trouble::Said(source) => StoreError::Refused { store: store(), source: printable(source) },
            Trouble::Failed(source) => StoreError::Unavailable { store: store(), source },
        })
    }

    fn unable(&self, what: &'static str) -> StoreError {
        StoreError::Unable { store: self.describe(), what }
    }
}

#[async_trait]
impl Store for Kept {
    fn describe(&self) -> String {
        format!("component {}", self.component.name)
    }

    fn within(&self, cause: &Cause) -> Option<Arc<dyn Store>> {
        Some(Arc::new(Self { component: self.component.clone(), cause: cause.clone() }))
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let (bucket, name) = parts(key);
        let asking = self.ask(Question::Get, "read values").await?;
        let value = self.outcome(asking.get(bucket.name.to_owned(), name.to_owned()).await)?;
        Ok(value.map(Bytes::from))
    }

    /// Of several changes to one key the last is made. Those to different buckets are seen one by one, in any order.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        for Batch { bucket, put, deleted } in batches(&changes) {
            self.set_all(bucket.name, &put).await?;
            self.remove_all(bucket.name, &deleted).await?;
        }
        Ok(())
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let bucket = Bucket::of(scope).name.to_owned();
        let asking = self.ask(Question::List, "list keys").await?;
        self.outcome(asking.least(bucket, (page.after.map(ToOwned::to_owned), page.count_max)).await)
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        let (bucket, name) = parts(key);
        let (bucket, name) = (bucket.name.to_owned(), name.to_owned());
        if let Some(delta) = addend.delta_unsigned() {
            let asking = self.ask(Question::Increment, "add to numbers").await?;
            let sum = self.outcome(asking.increment(bucket, (name, delta)).await)?;
            return Ok(Sum::Is(sum.into()));
        }
        let delta = addend.delta_signed().filter(|_| self.component.version == Version::Draft2);
        let delta = delta.ok_or_else(|| self.unable("add to numbers with a sign"))?;
        let asking = self.ask(Question::Increment, "add to numbers").await?;
        let sum = self.outcome(asking.increment_signed(bucket, (name, delta)).await)?;
        Ok(Sum::Is(sum.into()))
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        let (bucket, name) = parts(key);
        let asking = self.ask_by(self.component.swap.as_ref(), "compare and swap").await?;
        self.outcome(asking.swap(bucket.name.to_owned(), (name.to_owned(), seen), value.into()).await)
    }

    async fn watch(&self, _: &Scope) -> Result<Changes, StoreError> {
        Err(self.unable("be watched from here"))
    }
}

/// The same, safe to print.
fn printable(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Other(words) => Refusal::Other(stdx::printable(&words).to_string()),
        known => known,
    }
}
