//! This is how a route is found: by its listener and its host, then part by part of its path.

use std::collections::BTreeMap;

use crate::pattern::{Host, Part, Route};

/// Places of routes, by listener.
#[derive(Debug, Default)]
pub(crate) struct Table {
    unnamed: Hosts,
    named: BTreeMap<String, Hosts>,
}

/// Places of the routes of a listener.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    named: BTreeMap<String, Node>,
    below: BTreeMap<String, Node>,
    any: Node,
}

/// What is at one path, and below it.
#[derive(Debug, Default)]
struct Node {
    words: BTreeMap<String, Node>,
    any: Option<Box<Node>>,
    /// The place of what answers here and nowhere else.
    exactly: Option<usize>,
    /// The place of what answers here and at all below.
    from_here: Option<usize>,
}

// === impl Table ===

impl Table {
    /// Adds a route; not where the same one is there.
    pub(crate) fn add(&mut self, route: &Route, place: usize) -> bool {
        let hosts = match &route.listener {
            None => &mut self.unnamed,
            Some(name) => self.named.entry(name.clone()).or_default(),
        };
        hosts.add(route, place)
    }

    /// The places of that listener's routes, if it has any.
    pub(crate) fn at(&self, listener: Option<&str>) -> Option<&Hosts> {
        match listener {
            None => Some(&self.unnamed),
            Some(name) => self.named.get(name),
        }
    }
}

// === impl Hosts ===

impl Hosts {
    fn add(&mut self, route: &Route, place: usize) -> bool {
        let mut node = match &route.host {
            Host::Any => &mut self.any,
            Host::Below(name) => self.below.entry(name.clone()).or_default(),
            Host::Named(name) => self.named.entry(name.clone()).or_default(),
        };
        for part in &route.path {
            node = match part {
                Part::Any => node.any.get_or_insert_default(),
                Part::Word(word) => node.words.entry(word.clone()).or_default(),
            };
        }
        let own = if route.is_exact { &mut node.exactly } else { &mut node.from_here };
        let is_free = own.is_none();
        *own = own.or(Some(place));
        is_free
    }

    pub(crate) fn by_host(&self) -> bool {
        !(self.named.is_empty() && self.below.is_empty())
    }

    pub(crate) fn find(&self, host: Option<&str>, path: &str) -> Option<usize> {
        let path = path.strip_suffix('/').unwrap_or(path);
        // What has no slash at all, as `OPTIONS *`, belongs to nobody.
        let parts = match path.strip_prefix('/') {
            Some(parts) => Some(parts),
            None if path.is_empty() => None,
            None => return None,
        };
        let of_host = host.filter(|_| self.by_host()).and_then(|host| self.find_for(host, parts));
        of_host.or_else(|| self.any.find(parts))
    }

    fn find_for(&self, host: &str, parts: Option<&str>) -> Option<usize> {
        let host = without_port(host).to_ascii_lowercase();
        let named = || self.named.get(host.as_str())?.find(parts);
        let mut above = host.as_str();
        let below = || {
            while let Some((_, parent)) = above.split_once('.') {
                if let Some(found) = self.below.get(parent).and_then(|node| node.find(parts)) {
                    return Some(found);
                }
                above = parent;
            }
            None
        };
        named().or_else(below)
    }
}

/// A host as a client names it, without a port and without a dot at its end.
fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}

// === impl Node ===

impl Node {
    /// The place of what says most of this path, of which nothing is left where there is none.
    fn find(&self, parts: Option<&str>) -> Option<usize> {
        let Some(parts) = parts else { return self.exactly.or(self.from_here) };
        let (first, rest) = parts.split_once('/').map_or((parts, None), |(first, rest)| (first, Some(rest)));
        let word = self.words.get(first).and_then(|node| node.find(rest));
        let any = || self.any.as_ref().filter(|_| !first.is_empty())?.find(rest);
        word.or_else(any).or(self.from_here)
    }
}
