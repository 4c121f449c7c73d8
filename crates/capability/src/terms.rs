//! This keeps the terms of a link for the component whose link it is: how long a call may take, and whether it is tried again.
//!
//! What a capability asks by a link differs; that a call ends in time, that only what may be is asked again, and that a target which
//! fails does not flood the log, does not.
//!
//! # Invariants
//!
//! 1. What is wrong with a target is logged once until it is well again, however often its component tries.
//! 2. What may be asked twice is said by who asks: nothing is tried again of its own accord.
//!
//! # Not here
//!
//! What is asked and for what, and what a component is told of what went wrong: those are its capability's.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{ComponentName, LinkName, Terms};
use rt::{Late, within};
use stdx::Chain;

use crate::OpenLink;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// The terms of one link of a component, and how its target is. What is cloned is kept for the same link.
#[derive(Clone)]
pub struct KeptTerms {
    component: ComponentName,
    link: LinkName,
    terms: Terms,
    /// Shared by all that keep the terms of this link, whatever they are followed for.
    is_failing: Arc<AtomicBool>,
}

// === impl KeptTerms ===

impl KeptTerms {
    /// Those of a link of this component, of which nothing was asked yet.
    pub fn new(component: &ComponentName, link: &OpenLink) -> Self {
        Self {
            component: component.clone(),
            link: link.name.clone(),
            terms: link.terms.clone(),
            is_failing: Arc::default(),
        }
    }

    /// Whose link it is.
    pub fn component(&self) -> &ComponentName {
        &self.component
    }

    /// Which of its links it is.
    pub fn link(&self) -> &LinkName {
        &self.link
    }

    /// Whether both are those of the same link, bound at the same moment.
    pub fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_failing, &other.is_failing)
    }

    /// What is answered, if that is within the time of the link.
    pub async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Late> {
        within(self.terms.timeout, answer).await
    }

    /// Asks something that changes nothing, and again after a failure that passes, as often as the terms say.
    pub async fn again<T, E, F>(&self, ask: impl Fn() -> F, passes: fn(&E) -> bool) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        for attempt in 0..u32::from(self.terms.retry) {
            match ask().await {
                Err(error) if passes(&error) => tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(8))).await,
                outcome => return outcome,
            }
        }
        ask().await
    }

    /// Takes note of how the target is, by what a call came to: of what is wrong, `said` is logged unless that is known.
    pub fn note<E: Error + 'static>(&self, wrong: Option<&E>, said: &str) {
        match wrong {
            Some(error) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(component = %self.component, link = %self.link, error = %Chain(error), "{said}");
            }
            Some(_) => {}
            // What all cores look at is written only where it changes.
            None if self.is_failing.load(Ordering::Relaxed) => self.is_failing.store(false, Ordering::Relaxed),
            None => {}
        }
    }
}
