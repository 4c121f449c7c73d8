//! This is a contract: one WIT interface, by name and version.
//!
//! # Invariants
//!
//! 1. A contract prints as it was read: `namespace:package/interface@version`.
//! 2. Whether one version stands in for another is decided here and nowhere else, by [`Contract::is_met_by`]. Who has to name
//!    all that may stand in for one another names their [`Series`].

use std::fmt;
use std::str::FromStr;

use semver::Version;

/// One WIT interface that a component imports or exports, such as `wasi:keyvalue/store@0.2.0-draft`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contract {
    /// `wasi` in `wasi:keyvalue/store@0.2.0-draft`.
    pub namespace: String,
    /// `keyvalue` in `wasi:keyvalue/store@0.2.0-draft`.
    pub package: String,
    /// `store` in `wasi:keyvalue/store@0.2.0-draft`.
    pub interface: String,
    /// The version, where one is given.
    pub version: Option<Version>,
}

/// Versions that stand in for each other, as semver says: they have the leftmost number that is not zero and all before it in
/// common. Printed, a number that may be any is a `*`: `1.*.*`, `0.2.*`, `0.0.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    major: u64,
    minor: Option<u64>,
    patch: Option<u64>,
}

/// The text does not name an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of an interface, which is written namespace:package/interface@version")]
pub struct NotAContract(String);

// === impl Contract ===

impl Contract {
    /// The same interface in any version.
    pub fn is_version_of(&self, other: &Contract) -> bool {
        self.namespace == other.namespace && self.package == other.package && self.interface == other.interface
    }

    /// Whether what is offered as `other` serves one who asks for `self`, as semver says: versions of one
    /// compatible series serve each other (1.2 and 1.5; 0.2.3 and 0.2.12), pre-releases only themselves.
    pub fn is_met_by(&self, other: &Contract) -> bool {
        self.is_version_of(other)
            && match (&self.version, &other.version) {
                (Some(wanted), Some(offered)) => wanted == offered || is_same_series(wanted, offered),
                (wanted, offered) => wanted == offered,
            }
    }

    /// The versions that stand in for its own, and it for them. What has no version is in no series.
    pub fn series(&self) -> Option<Series> {
        self.version.as_ref().and_then(Series::of)
    }
}

fn is_same_series(a: &Version, b: &Version) -> bool {
    Series::of(a).is_some_and(|series| Series::of(b) == Some(series))
}

impl FromStr for Contract {
    type Err = NotAContract;

    fn from_str(text: &str) -> Result<Self, NotAContract> {
        let error = || NotAContract(text.into());
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().ok().ok_or_else(error)?)),
            None => (text, None),
        };
        let (namespace, rest) = name.split_once(':').ok_or_else(error)?;
        let (package, interface) = rest.split_once('/').ok_or_else(error)?;
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if ![namespace, package, interface].into_iter().all(is_word) {
            return Err(error());
        }
        Ok(Self { namespace: namespace.into(), package: package.into(), interface: interface.into(), version })
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.namespace, self.package, self.interface)?;
        self.version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}

// === impl Series ===

impl Series {
    /// That of a version. A pre-release is in none.
    fn of(version: &Version) -> Option<Self> {
        let Version { major, minor, patch, ref pre, .. } = *version;
        pre.is_empty().then_some(match (major, minor) {
            (0, 0) => Self { major, minor: Some(minor), patch: Some(patch) },
            (0, _) => Self { major, minor: Some(minor), patch: None },
            _ => Self { major, minor: None, patch: None },
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        [self.minor, self.patch].into_iter().try_for_each(|number| match number {
            Some(number) => write!(f, ".{number}"),
            None => f.write_str(".*"),
        })
    }
}

impl serde::Serialize for Contract {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Contract {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(wanted: &str, offered: &str) -> bool {
        let [wanted, offered]: [Contract; 2] = [wanted, offered].map(|text| text.parse().expect("a contract"));
        wanted.is_met_by(&offered)
    }

    #[test]
    fn versions_of_one_series_serve_each_other() {
        assert!(met("wasi:http/types@0.2.0", "wasi:http/types@0.2.12"));
        assert!(met("wasi:http/types@0.2.99", "wasi:http/types@0.2.12"));
        assert!(met("a:b/c@1.0.0", "a:b/c@1.7.3"));
        assert!(!met("wasi:http/types@0.2.0", "wasi:http/types@0.3.0"));
        assert!(!met("a:b/c@0.0.1", "a:b/c@0.0.2"));
        assert!(!met("a:b/c@1.0.0", "a:b/c@2.0.0"));
    }

    #[test]
    fn a_draft_serves_only_itself() {
        assert!(met("wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft"));
        assert!(!met("wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/store@0.2.0-draft2"));
        assert!(!met("wasi:keyvalue/store@0.2.0", "wasi:keyvalue/store@0.2.0-draft2"));
    }

    #[test]
    fn a_series_says_which_numbers_may_be_any() {
        let series =
            |text: &str| text.parse::<Contract>().expect("a contract").series().map(|series| series.to_string());
        for (text, printed) in [("1.2.3", "1.*.*"), ("10.0.0+b", "10.*.*"), ("0.2.3", "0.2.*"), ("0.0.3", "0.0.3")] {
            assert_eq!(series(&format!("a:b/c@{text}")).as_deref(), Some(printed));
        }
        assert_eq!((series("a:b/c@1.2.0-rc.1"), series("a:b/c")), (None, None));
    }

    #[test]
    fn what_is_read_is_printed() {
        for text in ["wasi:keyvalue/store@0.2.0-draft", "demo:calc/ops"] {
            assert_eq!(text.parse::<Contract>().expect("a contract").to_string(), text);
        }
        for text in ["", "store", "a:b", "a:b/c@", "a:b/c@x", "a b:c/d", "a:b/c d", ":/"] {
            assert!(text.parse::<Contract>().is_err(), "{text:?}");
        }
    }
}
