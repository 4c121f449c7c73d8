//! This is a component's way to one store: it keeps the terms of the link, and tells failures apart.
//!
//! # Invariants
//!
//! 1. A failure of the store is logged once until the store is well again: a component that tries again and again cannot
//!    flood the log.
//! 2. Only what changes nothing is tried again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capability::OpenLink;
use model::{ComponentName, LinkName, Terms};
use rt::within;
use stdx::{Chain, Trace};
use tracing::warn;

use super::Failure;
use crate::Linked;
use crate::limits::Limits;
use crate::store::{Refusal, Store, StoreError};

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// A component's way to one store.
pub(crate) struct Link {
    component: ComponentName,
    name: LinkName,
    store: Option<Arc<dyn Store>>,
    terms: Terms,
    limits: Limits,
    trace: Option<Trace>,
    is_failing: Arc<AtomicBool>,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(component: &ComponentName, link: &OpenLink, limits: Limits) -> Self {
        Self {
            component: component.clone(),
            name: link.name.clone(),
            store: link.target.as_ref().and_then(|target| target.target::<Linked>()).map(|linked| linked.store.clone()),
            terms: link.terms.clone(),
            limits,
            trace: None,
            is_failing: Arc::default(),
        }
    }

    /// The same as it is followed for a part of a trace; nothing where it is that already, or makes no difference.
    pub(super) fn within(&self, trace: Option<Trace>) -> Option<Arc<Self>> {
        if self.trace == trace {
            return None;
        }
        let store = self.store.as_ref()?.within(trace.clone())?;
        Some(Arc::new(Self {
            component: self.component.clone(),
            name: self.name.clone(),
            store: Some(store),
            terms: self.terms.clone(),
            limits: self.limits,
            trace,
            is_failing: self.is_failing.clone(),
        }))
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
        for attempt in 0..u32::from(self.terms.retry) {
            match self.ask(&ask).await {
                Err(StoreError::Unavailable { .. }) => tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(8))).await,
                outcome => return self.check(outcome),
            }
        }
        self.check(self.ask(&ask).await)
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
            let store = format!("link {}", self.name);
            return Err(StoreError::Unavailable { store, source: "its target could not be opened yet".into() });
        };
        let late = |late| StoreError::Unavailable { store: store.describe(), source: Box::new(late) };
        within(self.terms.timeout, ask(store.as_ref())).await.map_err(late)?
    }

    /// Answers with what the store said, or logs what went wrong and answers with its class.
    fn check<T>(&self, outcome: Result<T, StoreError>) -> Result<T, Failure> {
        let error = match outcome {
            Ok(value) => {
                if self.is_failing.load(Ordering::Relaxed) {
                    self.is_failing.store(false, Ordering::Relaxed);
                }
                return Ok(value);
            }
            Err(error) => error,
        };
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            warn!(component = %self.component, link = %self.name, error = %Chain(&error), "key-value call failed");
        }
        Err(failure(error))
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
