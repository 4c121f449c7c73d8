//! Decides which component answers an HTTP request, from its path alone.
//!
//! A route is a path and all below it: `/shop` answers `/shop`, `/shop/` and `/shop/cart`, never `/shopping`. The longest
//! route wins. Paths are taken as they were sent: nothing is decoded, so `/a%2fb` is not below `/a`, and `//shop` is not
//! `/shop`. A component sees the whole path.
//!
//! # Invariants
//!
//! 1. A table has at most one target for a path: the second one is refused when the table is made.
//! 2. Finding a target costs by the depth of the path, not by the number of routes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use stdx::{Code, Explain};

/// A path prefix that starts with `/` and does not end in one, unless it is `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(String);

/// Which target answers which path.
#[derive(Debug, Clone)]
pub struct Routes<T> {
    // Without the slash at the end, so that `/` is the empty text, which every path starts with.
    targets: BTreeMap<String, T>,
}

/// Why a route cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The text is not a path.
    #[error("{0:?} is not a path to route; one starts with '/' and has no '?', '#', spaces or '//'")]
    NotAPath(String),
    /// Two targets want the same path.
    #[error("two components are routed at {0}")]
    Taken(Prefix),
}

impl Explain for RouteError {
    fn code(&self) -> Code {
        Code::E0302
    }
}

// === impl Prefix ===

impl Prefix {
    /// The prefix of every path: `/`.
    pub fn root() -> Self {
        Self(String::new())
    }
}

impl FromStr for Prefix {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let is_path = text.starts_with('/')
            && !text.contains("//")
            && !text.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace());
        if !is_path {
            return Err(RouteError::NotAPath(text.into()));
        }
        Ok(Self(text.strip_suffix('/').unwrap_or(text).to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

// === impl Routes ===

impl<T> Routes<T> {
    /// The table of these routes.
    pub fn new(routes: impl IntoIterator<Item = (Prefix, T)>) -> Result<Self, RouteError> {
        let mut targets = BTreeMap::new();
        for (prefix, target) in routes {
            if targets.insert(prefix.0.clone(), target).is_some() {
                return Err(RouteError::Taken(prefix));
            }
        }
        Ok(Self { targets })
    }

    /// The target of the longest route that the path is at or below.
    pub fn find(&self, path: &str) -> Option<&T> {
        let mut prefix = path.strip_suffix('/').unwrap_or(path);
        loop {
            if let Some(target) = self.targets.get(prefix) {
                return Some(target);
            }
            prefix = &prefix[..prefix.rfind('/')?];
        }
    }

    /// The same routes to other targets.
    pub fn map<U>(&self, target: impl Fn(&T) -> U) -> Routes<U> {
        Routes { targets: self.targets.iter().map(|(path, old)| (path.clone(), target(old))).collect() }
    }

    /// All targets, by route.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &T)> {
        self.targets.iter().map(|(prefix, target)| (Prefix(prefix.clone()), target))
    }
}

#[cfg(test)]
mod tests;
