//! This is a component's way to one store: by the terms of the link, and telling failures apart.
//!
//! # Invariants
//!
//! 1. Only what changes nothing is tried again.
//! 2. The terms hold for each call, and for each piece of a stream: a large object takes as long as it takes.

use std::future::Future;
use std::sync::Arc;

use capability::{Cause, KeptTerms, OpenLink};
use futures::{StreamExt, TryStreamExt, stream};
use model::ComponentName;

use super::Failure;
use crate::blobs::{Blob, Blobs, BlobsError};
use crate::limits::Limits;

/// A component's way to one store.
pub(super) struct Link {
    terms: KeptTerms,
    blobs: Option<Arc<dyn Blobs>>,
    limits: Limits,
    /// What is asked for by it.
    cause: Cause,
}

// === impl Link ===

impl Link {
    pub(super) fn new(component: &ComponentName, link: &OpenLink, limits: Limits) -> Self {
        Self {
            terms: KeptTerms::new(component, link),
            blobs: link.target.as_ref().and_then(|target| target.target()).cloned(),
            limits,
            cause: Cause::default(),
        }
    }

    /// The same as it is followed for such a cause; nothing where it is that already, or makes no difference.
    pub(super) fn within(&self, cause: Cause) -> Option<Arc<Self>> {
        if self.cause == cause {
            return None;
        }
        let blobs = self.blobs.as_ref()?.within(&cause)?;
        Some(Arc::new(Self { terms: self.terms.clone(), blobs: Some(blobs), limits: self.limits, cause }))
    }

    /// Whether both lead to the same store.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.terms.are(&other.terms)
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
        let passes = |error: &BlobsError| matches!(error, BlobsError::Unavailable { .. });
        self.check(self.terms.again(|| self.ask(&ask), passes).await)
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
        if let Err(error @ (BlobsError::NoContainer(_) | BlobsError::NoObject(_))) = &outcome {
            return Err(Failure::Told(error.to_string()));
        }
        self.terms.note(outcome.as_ref().err(), "blob store call failed");
        outcome.map_err(|error| Failure::Told(class(&error).into()))
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
        self.terms.in_time(answer).await.map_err(|late| self.unavailable(late))?
    }

    fn unavailable(&self, source: impl Into<stdx::BoxError>) -> BlobsError {
        let store = self.blobs.as_ref().map_or_else(|| format!("link {}", self.terms.link()), |blobs| blobs.describe());
        BlobsError::Unavailable { store, source: source.into() }
    }
}

/// What a component is told of what went wrong.
fn class(error: &BlobsError) -> &'static str {
    match error {
        BlobsError::Damaged { .. } => "the blob store is damaged",
        BlobsError::Full { .. } => "the blob store is full",
        BlobsError::Refused { .. } => "the blob store refuses",
        _ => "the blob store is not available",
    }
}
