//! Decides which component answers an HTTP request, from where it came in, its host and its path alone.
//!
//! | route | answers |
//! | --- | --- |
//! | `/shop` | `/shop`, `/shop/` and all below it, on every host; never `/shopping` |
//! | `/shop$` | `/shop` and `/shop/` |
//! | `/users/*/orders` | `*` stands for one part of the path, whatever it is |
//! | `example.com/` | all paths of that host, on every port |
//! | `*.example.com/` | those of all hosts below it, and not of itself |
//! | `admin@/` | all that comes in at the listeners called `admin`, and nothing else does there |
//!
//! Of several that fit, the one answers whose host says most: a name before a `*`, a longer name behind a `*` before a shorter one,
//! any before none. Of those of one host the one whose path says most, read from the left: a word before a `*`, a `*` before
//! nothing, `$` before all below. Where no route of a host fits, those of less specific hosts are asked.
//!
//! Paths are taken as they were sent: nothing is decoded, so `/a%2fb` is not below `/a`, and `//shop` is not `/shop`. A component
//! sees the whole path.
//!
//! # Invariants
//!
//! 1. A table has at most one target for a request: two routes that are the same are refused when the table is made.
//! 2. Finding a target costs by the depth of the path and, where routes have a `*`, by their number; never by what was sent.

mod pattern;
mod table;

use std::sync::Arc;

use stdx::{Code, Explain};

use table::{Hosts, Table};

pub use pattern::{Route, is_listener};

/// Which target answers which request.
#[derive(Debug, Clone)]
pub struct Routes<T> {
    targets: Vec<(Route, T)>,
    /// Leads to places in `targets`.
    table: Arc<Table>,
}

/// The routes of one listener.
#[derive(Debug)]
pub struct At<'r, T> {
    targets: &'r [(Route, T)],
    hosts: Option<&'r Hosts>,
}

/// Why a route cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The text is not a route.
    #[error(
        "{0:?} is no route; one is a path that starts with '/', with or without LISTENER@ or a host before it, and has no '?', '#', \
         spaces or '//', and '*' only for a whole part"
    )]
    NotARoute(String),
    /// Two targets want the same requests.
    #[error("two components are routed at {0}")]
    Taken(Route),
}

impl Explain for RouteError {
    fn code(&self) -> Code {
        Code::E0302
    }
}

// === impl Routes ===

impl<T> Routes<T> {
    /// The table of these routes.
    pub fn new(routes: impl IntoIterator<Item = (Route, T)>) -> Result<Self, RouteError> {
        let targets: Vec<_> = routes.into_iter().collect();
        let mut table = Table::default();
        for (place, (route, _)) in targets.iter().enumerate() {
            if !table.add(route, place) {
                return Err(RouteError::Taken(route.clone()));
            }
        }
        Ok(Self { targets, table: Arc::new(table) })
    }

    /// The routes of the listeners with that name, or of those that have none.
    pub fn at(&self, listener: Option<&str>) -> At<'_, T> {
        At { targets: &self.targets, hosts: self.table.at(listener) }
    }

    /// The same routes to other targets.
    pub fn map<U>(&self, target: impl Fn(&T) -> U) -> Routes<U> {
        let targets = self.targets.iter().map(|(route, old)| (route.clone(), target(old))).collect();
        Routes { targets, table: self.table.clone() }
    }

    /// All targets, by route.
    pub fn iter(&self) -> impl Iterator<Item = (&Route, &T)> {
        self.targets.iter().map(|(route, target)| (route, target))
    }
}

// === impl At ===

impl<'r, T> At<'r, T> {
    /// Whether a host has to be known to find a target.
    pub fn by_host(&self) -> bool {
        self.hosts.is_some_and(Hosts::by_host)
    }

    /// The target of a request for this path, on this host: as a client names it, with or without a port.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&'r T> {
        self.hosts?.find(host, path).map(|place| &self.targets[place].1)
    }
}

#[cfg(test)]
mod tests;
