//! What one invocation has met stays for it as it was then, whatever becomes of it meanwhile.
//!
//! Whoever links components keeps here which ones an invocation has called, so that all of its calls see the same. The first is
//! kept without allocating: most components call one other.

use std::any::Any;
use std::sync::Arc;

/// What the invocation that runs in an instance has met.
#[derive(Default)]
pub(crate) struct Met {
    /// Whether one invocation runs, and no other beside it.
    is_kept: bool,
    first: Option<Known>,
    further: Vec<Known>,
}

struct Known {
    place: usize,
    what: Arc<dyn Any + Send + Sync>,
}

// === impl Met ===

impl Met {
    /// An invocation begins, which has met nothing.
    pub(crate) fn begin(&mut self) {
        self.end();
        self.is_kept = true;
    }

    /// Lets go of all, and keeps nothing until the next one begins.
    pub(crate) fn end(&mut self) {
        self.is_kept = false;
        self.first = None;
        self.further.clear();
    }

    /// What was met at this place.
    pub(crate) fn find(&self, place: usize) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.first.iter().chain(&self.further).find(|known| known.place == place).map(|known| &known.what)
    }

    /// Keeps what was met at a place where nothing was met before.
    pub(crate) fn keep(&mut self, place: usize, what: impl FnOnce() -> Arc<dyn Any + Send + Sync>) {
        if !self.is_kept {
            return;
        }
        let known = Known { place, what: what() };
        match self.first {
            None => self.first = Some(known),
            Some(_) => self.further.push(known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(met: &Met, place: usize) -> Option<u32> {
        met.find(place)?.downcast_ref().copied()
    }

    #[test]
    fn what_was_met_is_let_go_of_with_its_invocation() {
        let (mut it, shared) = (Met::default(), Arc::new(1_u32));
        it.keep(1, || shared.clone());
        assert_eq!(met(&it, 1), None, "no invocation has begun");
        it.begin();
        it.keep(1, || shared.clone());
        it.keep(2, || Arc::new(2_u32));
        assert_eq!([1, 2, 3].map(|place| met(&it, place)), [Some(1), Some(2), None]);
        it.begin();
        assert_eq!((met(&it, 1), met(&it, 2)), (None, None), "the next one has met nothing");
        it.keep(1, || shared.clone());
        it.end();
        assert_eq!(Arc::strong_count(&shared), 1, "nothing is held for an instance that waits");
    }
}
