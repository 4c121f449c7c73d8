//! This is what a capability is told of a link that leads to a provider: a process outside of the host, or somebody else in the
//! lattice, who is called by its id.
//!
//! A capability whose contracts have a form for that has a backend [`NAME`]. A link of the lattice to an id that is no component
//! of the host becomes a link to it: see `links::resolve` in `host`.
//!
//! # Not here
//!
//! How a provider is called (`wire`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::settings::{Default, Kind, Setting, Settings};

/// What such a backend is called.
pub const NAME: &str = "provider";

/// Which provider.
pub const ID: Setting = Setting {
    name: "id",
    about: "what the provider is called in the lattice",
    kind: Kind::Text,
    default: Default::Required,
};

/// Which link, as it is told who calls by which link.
pub const LINK: Setting = Setting {
    name: "link",
    about: "the name of the link as the provider knows it",
    kind: Kind::Text,
    default: Default::Is("default"),
};

/// How long it is waited for.
pub const TIMEOUT: Setting =
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("10s") };

/// What a link says of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedProvider {
    /// What the provider is called in the lattice.
    pub id: String,
    /// The name of the link, as the provider knows it.
    pub link: String,
    /// How long a call may take.
    pub timeout: Duration,
}

/// The least names that come after another, as many as a page has, of names that a provider gives in any order.
#[derive(Debug)]
pub struct Least<'a> {
    after: Option<&'a str>,
    count_max: usize,
    names: BTreeSet<String>,
}

/// The program that has the link is in no lattice.
#[derive(Debug, thiserror::Error)]
#[error("a provider is called over the bus of a lattice, and there is none here: wattle up and wattle host have one")]
pub struct NoLattice;

/// What a link of this name is told that leads to the provider of this id.
pub fn tell(id: &str, link: &str) -> BTreeMap<String, String> {
    [(ID.name, id), (LINK.name, link)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

// === impl LinkedProvider ===

impl LinkedProvider {
    /// What a backend was told that declares [`ID`], [`LINK`] and [`TIMEOUT`].
    pub fn of(settings: &Settings) -> Self {
        let text = |setting: Setting| settings.text(setting.name).expect("it is required or has a default").to_owned();
        Self { id: text(ID), link: text(LINK), timeout: settings.time(TIMEOUT.name).expect("it has a default") }
    }
}

// === impl Least ===

impl<'a> Least<'a> {
    /// None yet.
    pub fn new(after: Option<&'a str>, count_max: usize) -> Self {
        Self { after, count_max, names: BTreeSet::new() }
    }

    /// Looks at some more names, perhaps not for the first time.
    pub fn add(&mut self, names: Vec<String>) {
        for name in names {
            if self.after.is_none_or(|after| name.as_str() > after) {
                self.names.insert(name);
            }
            if self.names.len() > self.count_max {
                self.names.pop_last();
            }
        }
    }

    /// They, in order.
    pub fn into_names(self) -> Vec<String> {
        self.names.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_least_names_of_all_whatever_their_order() {
        let mut least = Least::new(Some("b"), 3);
        for names in [["z", "a", "b"], ["d", "c", "d"], ["y", "e", "c"]] {
            least.add(names.map(ToOwned::to_owned).to_vec());
            assert!(least.names.len() <= 3);
        }
        assert_eq!(least.into_names(), ["c", "d", "e"]);
    }
}
