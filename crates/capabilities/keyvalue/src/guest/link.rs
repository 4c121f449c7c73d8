//! This is a component's way to one store: by the terms of the link, and telling failures apart.
//!
//! # Invariants
//!
//! 1. Only what changes nothing is tried again.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use capability::{Cause, KeptTerms, OpenLink};
use model::ComponentName;

use super::Failure;
use crate::Linked;
use crate::limits::Limits;
use crate::store::{Refusal, Store, StoreError};

/// What is logged of a store that fails.
const FAILED: &str = "key-value call failed";

/// A component's way to one store.
pub(crate) struct Link {
    terms: KeptTerms,
    store: Option<Arc<dyn Store>>,
    limits: Limits,
    /// What is asked for by it.
    cause: Cause,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(component: &ComponentName, link: &OpenLink, limits: Limits) -> Self {
        Self {
            terms: KeptTerms::new(component, link),
            store: link.target.as_ref().and_then(|target| target.target::<Linked>()).map(|linked| linked.store.clone()),
            limits,
            cause: Cause::default(),
        }
    }

    /// The same as it is followed for such a cause; nothing where it is that already, or makes no difference.
    pub(super) fn within(&self, cause: Cause) -> Option<Arc<Self>> {
        if self.cause == cause {
            return None;
        }
        let store = self.store.as_ref()?.within(&cause)?;
        Some(Arc::new(Self { terms: self.terms.clone(), store: Some(store), limits: self.limits, cause }))
    }

    /// What one call may carry.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks the store something that changes nothing, again where the terms say so.
    pub(crate) async fn read<'a, T, F>(&'a self, ask: impl Fn(&'a dyn Store) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let passes = |error: &StoreError| matches!(error, StoreError::Unavailable { .. });
        self.check(self.terms.again(|| self.ask(&ask), passes).await)
    }

    /// Reads what the store knows without being waited for.
    pub(super) fn read_now<T>(&self, read: impl FnOnce(&dyn Store) -> Poll<T>) -> Poll<T> {
        let known = self.store.as_deref().map_or(Poll::Pending, read);
        if known.is_ready() {
            self.terms.note(None::<&StoreError>, FAILED);
        }
        known
    }

    /// Asks the store to change something, once.
    pub(super) async fn write<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Store) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.check(self.ask(ask).await)
    }

    async fn ask<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Store) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let Some(store) = &self.store else {
            let store = format!("link {}", self.terms.link());
            return Err(StoreError::Unavailable { store, source: "its target could not be opened yet".into() });
        };
        let late = |late| StoreError::Unavailable { store: store.describe(), source: Box::new(late) };
        self.terms.in_time(ask(store.as_ref())).await.map_err(late)?
    }

    /// Answers with what the store said, or logs what went wrong and answers with its class.
    fn check<T>(&self, outcome: Result<T, StoreError>) -> Result<T, Failure> {
        self.terms.note(outcome.as_ref().err(), FAILED);
        outcome.map_err(failure)
    }
}

/// What a component is told of what went wrong: its class, in the contract's own words where it has them.
fn failure(error: StoreError) -> Failure {
    Failure::Other(match error {
        StoreError::Unavailable { .. } => "the key-value store is not available".into(),
        StoreError::Damaged { .. } => "the key-value store is damaged".into(),
        StoreError::Full { .. } => "the key-value store is full".into(),
        StoreError::Refused { source: Refusal::NoSuchStore, .. } => return Failure::NoSuchStore,
        StoreError::Refused { source: Refusal::AccessDenied, .. } => return Failure::AccessDenied,
        StoreError::Refused { source: Refusal::Other(_), .. } => "the key-value store refuses".into(),
        StoreError::Unable { what, .. } => format!("the key-value store cannot {what}"),
    })
}
