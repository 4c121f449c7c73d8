//! This is what a link leads to: a store, and what its component is told of.

use std::sync::Arc;

use capability::{Callable, OpenError};
use model::ComponentName;

use crate::component::{Component, Kept};
use crate::scope::Scope;
use crate::serve::Watched;
use crate::store::Store;

/// What a link leads to.
pub(crate) struct Linked {
    pub(crate) store: Arc<dyn Store>,
    /// What its component is told of; nothing where the link says nothing of that.
    pub(crate) watched: Option<Watched>,
}

// === impl Linked ===

impl Linked {
    /// The store of a backend. Where it cannot tell of changes that are to be watched, that is known now.
    pub(crate) async fn open(
        backend: &str,
        store: Arc<dyn Store>,
        watched: Option<Watched>,
    ) -> Result<Self, OpenError> {
        if watched.is_some() {
            let anybody: ComponentName = "anybody".parse().expect("it is a name");
            let tried = store.watch(&Scope::new(&anybody, "")).await;
            drop(tried.map_err(|error| OpenError::refused(backend, error))?);
        }
        Ok(Self { store, watched })
    }

    /// What a component keeps for others; nothing where it exports nothing that it can be asked for.
    pub(crate) fn kept_by(component: &dyn Callable) -> Option<Self> {
        Some(Self { store: Arc::new(Kept::new(Component::of(component)?)), watched: None })
    }
}
