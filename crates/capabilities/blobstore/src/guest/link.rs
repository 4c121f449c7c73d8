//! This is a component's way to one store: it keeps the terms of the link, and tells failures apart.
//!
//! # Invariants
//!
//! 1. A failure of the store is logged once until the store is well again: a component that tries again and again cannot
//!    flood the log.
//! 2. Only what changes nothing is tried again.
//! 3. The terms hold for each call, and for each piece of a stream: a large object takes as long as it takes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capability::OpenLink;
use futures::{StreamExt, TryStreamExt, stream};
use model::{ComponentName, LinkName, Terms};
use rt::within;
use stdx::{Chain, Trace};
use tracing::warn;

use super::Failure;
use crate::blobs::{Blob, Blobs, BlobsError};
use crate::limits::Limits;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// A component's way to one store.
pub(super) struct Link {
    component: ComponentName,
    name: LinkName,
    blobs: Option<Arc<dyn Blobs>>,
    terms: Terms,
    limits: Limits,
    trace: Option<Trace>,
    /// Shared by all that are this way, whatever trace they are followed for.
    is_failing: Arc<AtomicBool>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(component: &ComponentName, link: &OpenLink, limits: Limits) -> Self {
        Self {
            component: component.clone(),
            name: link.name.clone(),
            blobs: link.target.as_ref().and_then(|target| target.target()).cloned(),
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
        let blobs = self.blobs.as_ref()?.within(trace.clone())?;
        Some(Arc::new(Self {
            component: self.component.clone(),
            name: self.name.clone(),
            blobs: Some(blobs),
            terms: self.terms.clone(),
            limits: self.limits,
            trace,
            is_failing: self.is_failing.clone(),
        }))
    }

    /// Whether both lead to the same store.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_failing, &other.is_failing)
    }

    /// What one call may carry.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks the store something that changes nothing, again where the terms say so.
    pub(super) async fn read<'a, T, F>(&'a self, ask: impl Fn(&'a dyn Blobs) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BlobsError>>,
    {
        for attempt in 0..u32::from(self.terms.retry) {
            match self.ask(&ask).await {
                Err(BlobsError::Unavailable { .. }) => tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(8))).await,
                outcome => return self.check(outcome),
            }
        }
        self.check(self.ask(&ask).await)
    }

    /// Asks the store to change something, once.
    pub(super) async fn write<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Blobs) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BlobsError>>,
    {
        self.check(self.ask(ask).await)
    }

    /// Waits for a step of an upload.
    pub(super) async fn step<T>(&self, step: impl Future<Output = Result<T, BlobsError>>) -> Result<T, Failure> {
        self.check(self.in_time(step).await)
    }

    /// The same bytes, each piece in time.
    pub(super) fn guard(self: &Arc<Self>, blob: Blob) -> Blob {
        let next = |(link, mut pieces): (Arc<Self>, crate::blobs::Pieces)| async move {
            let piece = link.in_time(pieces.try_next()).await?;
            Ok(piece.map(|piece| (piece, (link, pieces))))
        };
        Blob { size: blob.size, pieces: stream::try_unfold((self.clone(), blob.pieces), next).boxed() }
    }

    /// Answers with what the store said, or logs what went wrong and answers with its class.
    pub(super) fn check<T>(&self, outcome: Result<T, BlobsError>) -> Result<T, Failure> {
        let error = match outcome {
            Ok(value) => {
                if self.is_failing.load(Ordering::Relaxed) {
                    self.is_failing.store(false, Ordering::Relaxed);
                }
                return Ok(value);
            }
            Err(error @ (BlobsError::NoContainer(_) | BlobsError::NoObject(_))) => {
                return Err(Failure::Told(error.to_string()));
            }
            Err(error) => error,
        };
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            warn!(component = %self.component, link = %self.name, error = %Chain(&error), "blob store call failed");
        }
        let class = match error {
            BlobsError::Damaged { .. } => "the blob store is damaged",
            BlobsError::Full { .. } => "the blob store is full",
            BlobsError::Refused { .. } => "the blob store refuses",
            _ => "the blob store is not available",
        };
        Err(Failure::Told(class.into()))
    }

    async fn ask<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Blobs) -> F) -> Result<T, BlobsError>
    where
        F: Future<Output = Result<T, BlobsError>>,
    {
        let Some(blobs) = &self.blobs else {
            return Err(self.unavailable("its target could not be opened yet"));
        };
        self.in_time(ask(blobs.as_ref())).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, BlobsError>>) -> Result<T, BlobsError> {
        within(self.terms.timeout, answer).await.map_err(|late| self.unavailable(late))?
    }

    fn unavailable(&self, source: impl Into<stdx::BoxError>) -> BlobsError {
        let store = self.blobs.as_ref().map_or_else(|| format!("link {}", self.name), |blobs| blobs.describe());
        BlobsError::Unavailable { store, source: source.into() }
    }
}
