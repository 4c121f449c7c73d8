//! These are the open targets of links: links that say the same share one.
//!
//! # Invariants
//!
//! 1. Nothing here keeps a target open: it closes when the last component that was bound to it lets go of it.
//! 2. A target is opened once, however many ask for it at the same time.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use capability::{Capability, OpenError, Opened, Settings};
use rt::within;

/// So long may a target take to open. Each backend has a shorter time of its own.
const PATIENCE: Duration = Duration::from_secs(15);

/// What tells one target from another: capability, backend, and what it was told.
type Key = (&'static str, String, Vec<(String, String)>);

/// A target, while anyone has it.
type Entry = Arc<tokio::sync::Mutex<Option<Weak<dyn Any + Send + Sync>>>>;

/// The open targets of a host.
#[derive(Default)]
pub(crate) struct Targets {
    entries: Mutex<BTreeMap<Key, Entry>>,
}

/// Whether a backend is on the bus of the host's lattice: then it is another one in another lattice.
pub(crate) fn leads_beyond(capability: &str, backend: &str) -> bool {
    backend == capability::provider::NAME || (capability, backend) == ("messaging", "bus")
}

// === impl Targets ===
impl Targets {
    /// The target, opened where it is not open yet.
    pub(crate) async fn open(
        &self,
        backend: (&dyn Capability, &str),
        settings: &Settings,
    ) -> Result<Opened, OpenError> {
        self.open_other(backend, settings, None).await
    }

    /// The target, opened anew where what is open is `outdated`.
    pub(crate) async fn open_other(
        &self,
        (capability, backend): (&dyn Capability, &str),
        settings: &Settings,
        outdated: Option<&Opened>,
    ) -> Result<Opened, OpenError> {
        let told = settings.told().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let entry = self.entry((capability.name(), backend.to_owned(), told));
        let mut target = entry.lock().await;
        let current = target.as_ref().filter(|target| outdated.is_none_or(|outdated| !outdated.is_behind(target)));
        if let Some(open) = current.and_then(Opened::upgrade) {
            return Ok(open);
        }
        let name = || format!("{}/{backend}", capability.name());
        let opening = within(Some(PATIENCE), capability.open(backend, settings)).await;
        let opened = opening.map_err(|late| OpenError::unavailable(name(), late))??;
        *target = Some(opened.downgrade());
        Ok(opened)
    }

    /// What leads beyond the host is opened anew from now on. Who has it keeps it.
    pub(crate) fn forget_beyond(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(capability, backend, _), _| !leads_beyond(capability, backend));
    }

    /// Where a target is, with those forgotten that are closed and nobody is opening.
    fn entry(&self, key: Key) -> Entry {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alive = |target: &Option<Weak<_>>| target.as_ref().is_some_and(|weak| weak.strong_count() > 0);
        entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.try_lock().is_ok_and(|it| is_alive(&it)));
        entries.entry(key).or_default().clone()
    }
}
