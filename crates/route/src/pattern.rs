//! This is a route as it is written, and what it consists of.

use std::fmt;
use std::str::FromStr;

use crate::RouteError;

/// Which requests a component answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub(crate) listener: Option<String>,
    pub(crate) host: Host,
    pub(crate) path: Vec<Part>,
    pub(crate) is_exact: bool,
}

/// Whose requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Any,
    /// Of all hosts below this one.
    Below(String),
    Named(String),
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Any,
    Word(String),
}

// === impl Route ===

impl Route {
    /// The route of every request: `/`.
    pub fn root() -> Self {
        Self { listener: None, host: Host::Any, path: Vec::new(), is_exact: false }
    }

    /// The listener whose requests it is for; one without a name where there is none.
    pub fn listener(&self) -> Option<&str> {
        self.listener.as_deref()
    }

    /// The host that it is for, where it is for one: `example.com`, `*.example.com`.
    pub fn host(&self) -> Option<String> {
        match &self.host {
            Host::Any => None,
            Host::Below(name) => Some(format!("*.{name}")),
            Host::Named(name) => Some(name.clone()),
        }
    }

    /// The path, as it is written: `/shop`.
    pub fn path(&self) -> String {
        let parts: String = self.path.iter().map(|part| format!("/{part}")).collect();
        format!("{}{}", if parts.is_empty() { "/" } else { &parts }, if self.is_exact { "$" } else { "" })
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let refused = || RouteError::NotARoute(text.into());
        let slash = text.find('/').ok_or_else(refused)?;
        let (place, path) = text.split_at(slash);
        let (listener, host) = place.split_once('@').map_or((None, place), |(name, host)| (Some(name), host));
        if listener.is_some_and(|name| !is_listener(name)) {
            return Err(refused());
        }
        let (path, is_exact) = path.strip_suffix('$').map_or((path, false), |path| (path, true));
        let is_odd = |c: char| matches!(c, '?' | '#') || c.is_whitespace();
        if path.contains("//") || path.contains(is_odd) {
            return Err(refused());
        }
        let parts = path.strip_suffix('/').unwrap_or(path).split('/').skip(1);
        let path = parts.map(|part| Part::new(part).ok_or_else(refused)).collect::<Result<_, _>>()?;
        let host = Host::new(host).ok_or_else(refused)?;
        Ok(Self { listener: listener.map(ToOwned::to_owned), host, path, is_exact })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.iter().try_for_each(|name| write!(f, "{name}@"))?;
        write!(f, "{}{}", self.host().unwrap_or_default(), self.path())
    }
}

/// Whether a listener can have that name: letters, digits and `-`.
pub fn is_listener(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

// === impl Host ===

impl Host {
    fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Any);
        }
        let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let is_address = name.starts_with('[') && name.ends_with(']') && !is_below;
        match (name.split('.').all(is_word) || is_address, is_below) {
            (false, _) => None,
            (true, true) => Some(Self::Below(name)),
            (true, false) => Some(Self::Named(name)),
        }
    }
}

// === impl Part ===

impl Part {
    fn new(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Any),
            text if text.contains('*') => None,
            text => Some(Self::Word(text.to_owned())),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Word(word) => f.write_str(word),
        }
    }
}
