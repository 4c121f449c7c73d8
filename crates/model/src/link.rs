//! This is a link: what a component's import leads to, and on what terms.
//!
//! # Invariants
//!
//! 1. One link has one identity, its [`LinkId`]: putting another with the same one replaces it.
//! 2. All names print as they are read, so that what is shown can be typed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::name::{ComponentName, NotAName};

/// What a component's import leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which import of which component.
    #[serde(flatten)]
    pub id: LinkId,
    /// What it leads to.
    pub target: Target,
    /// What the target is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// How far it may reach, and how long it may take.
    #[serde(default)]
    pub terms: Terms,
}

/// Tells one link from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkId {
    /// The component that imports.
    pub source: ComponentName,
    /// Which of the component's links for these contracts it is.
    #[serde(default)]
    pub name: LinkName,
    /// What it imports.
    pub contract: Contracts,
}

/// Which of several links for one contract: a component chooses by this name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName(String);

/// The contracts of a link: all of a package in any version (`wasi:keyvalue`), or one interface of it (`acme:shop/stock`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contracts {
    /// `wasi` in `wasi:keyvalue`.
    pub namespace: String,
    /// `keyvalue` in `wasi:keyvalue`.
    pub package: String,
    /// The one interface, where it is not all of them.
    pub interface: Option<String>,
}

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// A capability of the host on one of its backends: `keyvalue/redis`.
    Capability {
        /// `keyvalue`.
        capability: String,
        /// `redis`.
        backend: String,
    },
    /// Another component: `catalog`.
    Component(ComponentName),
}

/// How far a link may reach, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// How far it may reach.
    #[serde(default)]
    pub reach: Reach,
    /// How long one call may take; the target's own time where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "milliseconds")]
    pub timeout: Option<Duration>,
    /// How often a call that changes nothing is tried again when the target did not answer.
    #[serde(default)]
    pub retry: u8,
}

/// How far a link may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// One piece with the source: both are fused into one component, and a call is one within it.
    Fused,
    /// This host only.
    Local,
    /// This host first, then others.
    #[default]
    PreferLocal,
    /// Anywhere.
    Remote,
}

/// The text names no contracts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no contracts, which are written namespace:package or namespace:package/interface")]
pub struct NotContracts(String);

/// The text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no target, which is a component's name or CAPABILITY/BACKEND, as in keyvalue/redis")]
pub struct NotATarget(String);

/// The text is not terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not among the terms of a link, which are fused, local, prefer-local or remote, timeout=TIME and retry=COUNT"
)]
pub struct NotTerms(String);

// === impl Link ===

impl LinkId {
    /// What comes before all links of a component, in their order. It is the identity of none.
    pub fn before_all_of(source: ComponentName) -> Self {
        let contract = Contracts { namespace: String::new(), package: String::new(), interface: None };
        Self { source, name: LinkName(String::new()), contract }
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.contract)?;
        if self.name.is_default() { Ok(()) } else { write!(f, " ({})", self.name) }
    }
}

// === impl LinkName ===

impl LinkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that is meant where no name is said.
    pub fn is_default(&self) -> bool {
        self.0 == "default"
    }
}

impl Default for LinkName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl FromStr for LinkName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        // What may name a component may name a link.
        text.parse::<ComponentName>().map(|name| Self(name.as_str().into()))
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LinkName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.0
    }
}

// === impl Contracts ===

impl Contracts {
    /// Whether `contract` is one of them, in whatever version.
    pub fn covers(&self, contract: &Contract) -> bool {
        self.namespace == contract.namespace
            && self.package == contract.package
            && self.interface.as_ref().is_none_or(|interface| *interface == contract.interface)
    }

    /// All interfaces of the package that `contract` is of.
    pub fn of_package(contract: &Contract) -> Self {
        Self { namespace: contract.namespace.clone(), package: contract.package.clone(), interface: None }
    }

    /// The one interface, in any version.
    pub fn of_interface(contract: &Contract) -> Self {
        Self { interface: Some(contract.interface.clone()), ..Self::of_package(contract) }
    }
}

impl FromStr for Contracts {
    type Err = NotContracts;

    /// Reads also what an import is called: its version is left out.
    fn from_str(text: &str) -> Result<Self, NotContracts> {
        let error = || NotContracts(text.into());
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        let (namespace, rest) = name.split_once(':').ok_or_else(error)?;
        let (package, interface) = rest.split_once('/').map_or((rest, None), |(package, it)| (package, Some(it)));
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if ![namespace, package].into_iter().chain(interface).all(is_word) {
            return Err(error());
        }
        Ok(Self { namespace: namespace.into(), package: package.into(), interface: interface.map(Into::into) })
    }
}

impl fmt::Display for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.package)?;
        self.interface.iter().try_for_each(|interface| write!(f, "/{interface}"))
    }
}

impl TryFrom<String> for Contracts {
    type Error = NotContracts;

    fn try_from(text: String) -> Result<Self, NotContracts> {
        text.parse()
    }
}

impl From<Contracts> for String {
    fn from(contracts: Contracts) -> Self {
        contracts.to_string()
    }
}

// === impl Target ===

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let error = || NotATarget(text.into());
        let name = |text: &str| text.parse::<ComponentName>().ok().ok_or_else(error);
        match text.split_once('/') {
            None => Ok(Self::Component(name(text)?)),
            Some((capability, backend)) => Ok(Self::Capability {
                capability: name(capability)?.as_str().into(),
                backend: name(backend)?.as_str().into(),
            }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability { capability, backend } => write!(f, "{capability}/{backend}"),
            Self::Component(name) => name.fmt(f),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = NotATarget;

    fn try_from(text: String) -> Result<Self, NotATarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

// === impl Terms ===

impl FromStr for Terms {
    type Err = NotTerms;

    fn from_str(text: &str) -> Result<Self, NotTerms> {
        let mut terms = Self::default();
        for term in text.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            let error = || NotTerms(term.into());
            match term.split_once('=') {
                None => terms.reach = term.parse().map_err(|()| error())?,
                Some(("timeout", time)) => {
                    let time = humantime::parse_duration(time).ok().filter(|time| !time.is_zero());
                    terms.timeout = Some(time.ok_or_else(error)?);
                }
                Some(("retry", count)) => terms.retry = count.parse().ok().ok_or_else(error)?,
                Some(_) => return Err(error()),
            }
        }
        Ok(terms)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reach.as_str())?;
        self.timeout.iter().try_for_each(|time| write!(f, ",timeout={}", humantime::format_duration(*time)))?;
        if self.retry > 0 { write!(f, ",retry={}", self.retry) } else { Ok(()) }
    }
}

// === impl Reach ===

impl Reach {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Local => "local",
            Self::PreferLocal => "prefer-local",
            Self::Remote => "remote",
        }
    }
}

impl FromStr for Reach {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Fused, Self::Local, Self::PreferLocal, Self::Remote];
        all.into_iter().find(|reach| reach.as_str() == text).ok_or(())
    }
}

/// Times as whole milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests;
