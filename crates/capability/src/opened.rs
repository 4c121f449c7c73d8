//! This is what a link leads to once its backend is open, for whoever keeps it without knowing what it is.

use std::any::Any;
use std::sync::{Arc, Weak};

/// An open backend, until its last copy is gone.
#[derive(Clone)]
pub struct Opened(Arc<dyn Any + Send + Sync>);

// === impl Opened ===

impl Opened {
    /// Holds what a backend opened.
    pub fn new<T: ?Sized + Send + Sync + 'static>(target: Arc<T>) -> Self {
        Self(Arc::new(target))
    }

    /// What was put in, for the capability that opened it.
    pub fn target<T: ?Sized + Send + Sync + 'static>(&self) -> Option<&Arc<T>> {
        self.0.downcast_ref()
    }

    /// Whether both are the same open target.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Tells whether it is gone, without keeping it.
    pub fn downgrade(&self) -> Weak<dyn Any + Send + Sync> {
        Arc::downgrade(&self.0)
    }

    /// Whether it is what this leads to.
    pub fn is_behind(&self, weak: &Weak<dyn Any + Send + Sync>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), weak.as_ptr())
    }

    /// It, while anyone still has it.
    pub fn upgrade(weak: &Weak<dyn Any + Send + Sync>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}
