//! This is the word that a host shall stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Told when somebody wants a host to stop, and kept until that is heard. It outlives a role, where another takes its place. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Keeps one word that nobody waits for yet.
    told: Notify,
    /// How long it may take.
    time: Mutex<Option<Duration>>,
}

impl Stop {
    /// The host shall stop, within that time where one is said.
    pub(crate) fn ask(&self, time: Option<Duration>) {
        *self.asked.time.lock().unwrap_or_else(PoisonError::into_inner) = time;
        self.asked.told.notify_one();
    }

    /// Waits until the host shall stop. Gives how long that may take, where it was said.
    pub async fn asked(&self) -> Option<Duration> {
        self.asked.told.notified().await;
        self.asked.time.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
