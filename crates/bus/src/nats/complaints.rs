//! Says in the log why there is no connection: once, and again when it is for another reason.

use std::sync::{Mutex, PoisonError};

/// What was said last.
pub(super) struct Complaints {
    bus: String,
    last: Mutex<String>,
}

// === impl Complaints ===

impl Complaints {
    /// Nothing was said yet of this bus.
    pub(super) fn new(bus: &str) -> Self {
        Self { bus: bus.into(), last: Mutex::default() }
    }

    /// Says why nobody was connected to, if that is news.
    pub(super) fn note(&self, errors: impl IntoIterator<Item = String>) {
        if let Some(error) = self.is_news(errors) {
            tracing::warn!(bus = %self.bus, error, "there is no connection to the bus yet; it is tried again and again");
        }
    }

    /// There is a connection: what stands against the next one is news.
    pub(super) fn forget(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// All of these in one line, each once, if they are others than the last time.
    fn is_news(&self, errors: impl IntoIterator<Item = String>) -> Option<String> {
        let mut errors: Vec<_> = errors.into_iter().collect();
        errors.sort_unstable();
        errors.dedup();
        let text = errors.join("; ");
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = !text.is_empty() && *last != text;
        is_news.then(|| last.clone_from(&text)).map(|()| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_until_there_was_a_connection() {
        let complaints = Complaints::new("nats://a");
        let news = |errors: &[&str]| complaints.is_news(errors.iter().map(ToString::to_string));
        assert_eq!(news(&[]), None);
        assert_eq!(news(&["b", "a", "b"]).as_deref(), Some("a; b"));
        assert_eq!(news(&["a", "b"]), None);
        assert_eq!(news(&["a"]).as_deref(), Some("a"));
        complaints.forget();
        assert_eq!(news(&["a"]).as_deref(), Some("a"));
    }
}
