//! Which keys a component is told of.

use capability::settings::{Default as Unsaid, Kind};
use capability::{Setting, Settings};

/// Which keys of which bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The bucket, as `open` takes its name.
    pub(crate) bucket: String,
    keys: Vec<Keys>,
}

/// One key, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Keys {
    One(String),
    Below(String),
}

/// The text does not say which keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("watch={0:?} says of no keys: names are meant, with commas between, and a * at the end for any that begin so")]
pub(crate) struct WatchedError(String);

// === impl Watched ===

impl Watched {
    /// The keys.
    pub(crate) const KEYS: Setting = Setting {
        name: "watch",
        about: "keys that the component is called about when they change, with commas between: config,orders/*",
        kind: Kind::Text,
        default: Unsaid::Absent,
    };

    /// The bucket.
    pub(crate) const BUCKET: Setting = Setting {
        name: "watch-bucket",
        about: "the bucket that they are in; the one without a name where nothing is said",
        kind: Kind::Text,
        default: Unsaid::Absent,
    };

    /// What a link says; `None` where it says nothing.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Option<Self>, WatchedError> {
        let bucket = settings.text(Self::BUCKET.name).unwrap_or_default();
        settings.text(Self::KEYS.name).map(|keys| Self::parse(keys, bucket)).transpose()
    }

    fn parse(text: &str, bucket: &str) -> Result<Self, WatchedError> {
        let keys = text.split(',').map(|name| match name.strip_suffix('*') {
            _ if name.is_empty() => None,
            None if name.contains('*') => None,
            Some(start) if start.contains('*') => None,
            Some(start) => Some(Keys::Below(start.to_owned())),
            None => Some(Keys::One(name.to_owned())),
        });
        let keys: Option<Vec<_>> = keys.collect();
        let keys = keys.ok_or_else(|| WatchedError(text.to_owned()))?;
        Ok(Self { bucket: bucket.to_owned(), keys })
    }

    /// Whether the component is told of that key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|keys| match keys {
            Keys::One(one) => one == name,
            Keys::Below(start) => name.starts_with(start),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_watched_by_name_and_by_how_they_begin() {
        let watched = Watched::parse("config,orders/*", "").expect("it says which");
        let is = ["config", "orders/", "orders/1", "orders/*"];
        let is_not = ["", "config2", "orders", "other"];
        assert!(is.iter().all(|name| watched.has(name)) && !is_not.iter().any(|name| watched.has(name)));
        assert!(Watched::parse("*", "").expect("it says which").has(""));
        for text in ["", ",", "a,", "*a", "a*b", "**"] {
            assert_eq!(Watched::parse(text, ""), Err(WatchedError(text.to_owned())), "{text:?}");
        }
    }
}
