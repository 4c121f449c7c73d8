//! This is what a host is asked about its links, and what it answers: the values that travel on the bus.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::link::{Contracts, Link, LinkName, Target, Terms};
use crate::name::ComponentName;

/// The lattice of hosts that were told of no other.
pub const LATTICE: &str = "default";

/// What the subjects begin with on which the hosts of a lattice are asked: `wattle.ctl.v1.default`.
pub fn control_prefix(lattice: &str) -> String {
    format!("wattle.ctl.v1.{lattice}")
}

/// A link that is wanted. What is not said follows from what the source imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPut {
    /// The component that imports.
    pub source: ComponentName,
    /// What it shall lead to.
    pub target: Target,
    /// Which of the component's links it is.
    #[serde(default)]
    pub name: LinkName,
    /// What it imports; where nothing is said, what the target can give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contracts>,
    /// What the target is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// How far it may reach, and how long it may take.
    #[serde(default)]
    pub terms: Terms,
    /// Whether the link is put although its target cannot be reached now.
    #[serde(default)]
    pub unchecked: bool,
}

/// A link from whoever listens for HTTP to a component that answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteId {
    /// Who listens: the hosts themselves, or a provider.
    pub source: String,
    /// The name of the link.
    pub name: String,
    /// The component.
    pub target: ComponentName,
}

/// Requests shall be led to a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePut {
    /// By which link.
    pub id: RouteId,
    /// Which requests, as settings say.
    pub config: BTreeMap<String, String>,
}

/// The text is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no link, which is written SOURCE=TARGET[,SETTING=VALUE]...: {why}")]
pub struct NotALink {
    text: String,
    why: String,
}

/// A link that shall be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDel {
    /// The component that imports.
    pub source: ComponentName,
    /// Which of the component's links it is.
    #[serde(default)]
    pub name: LinkName,
    /// What it imports; where nothing is said, the only contracts that the component has a link of that name for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contracts>,
}

/// The links that are wanted to be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkQuery {
    /// Those of one component only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ComponentName>,
}

/// A link as it stands. No password is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The link.
    #[serde(flatten)]
    pub link: Link,
    /// Whether somebody put it, or the host made it because nobody did.
    pub is_put: bool,
    /// Why its target is not open, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What became of a link that was put or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// The link that there is now; nothing where there is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<LinkView>,
    /// The one that was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<LinkView>,
}

/// A backend that links can lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendView {
    /// As a link names it: `keyvalue/redis`.
    pub target: Target,
    /// What it is.
    pub about: String,
    /// What it may be told.
    pub settings: Vec<SettingView>,
}

/// What a backend may be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// What it looks like.
    pub kind: String,
    /// What it is where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether it has to be said.
    pub is_required: bool,
}

/// What a host answers: what was asked for, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not.
    Refused(Refusal),
}

/// Why a host does not do what it was asked, as its own command line would say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The page that explains it: `E0602`.
    pub code: String,
    /// What is wrong, with its causes.
    pub text: String,
}

// === impl LinkPut ===

impl FromStr for LinkPut {
    type Err = NotALink;

    /// Reads `SOURCE=TARGET[,SETTING=VALUE]...`. The settings `contract`, `name` and `terms` are the link's own; the terms are
    /// separated by `;`. Every other one is told to the target.
    fn from_str(text: &str) -> Result<Self, NotALink> {
        let no_link = |why: &dyn Display| NotALink { text: text.into(), why: why.to_string() };
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let (source, target) = first.split_once('=').ok_or_else(|| no_link(&"there is no '='"))?;
        let mut put = Self {
            source: source.parse().map_err(|error| no_link(&error))?,
            target: target.parse().map_err(|error| no_link(&error))?,
            name: LinkName::default(),
            contract: None,
            config: BTreeMap::new(),
            terms: Terms::default(),
            unchecked: false,
        };
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| no_link(&format!("{part:?} has no '='")))?;
            match name {
                "contract" => put.contract = Some(value.parse().map_err(|error| no_link(&error))?),
                "name" => put.name = value.parse().map_err(|error| no_link(&error))?,
                "terms" => put.terms = value.replace(';', ",").parse().map_err(|error| no_link(&error))?,
                _ => drop(put.config.insert(name.into(), value.into())),
            }
        }
        Ok(put)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_from_a_flag() {
        let text = "shop=keyvalue/redis,url=redis://a:1,name=cache,terms=local;timeout=2s,contract=wasi:keyvalue";
        let put: LinkPut = text.parse().expect("a link");
        assert_eq!((put.source.as_str(), put.target.to_string().as_str()), ("shop", "keyvalue/redis"));
        assert_eq!(put.config, [("url".to_owned(), "redis://a:1".to_owned())].into());
        assert_eq!(put.terms.to_string(), "local,timeout=2s");
        assert_eq!((put.name.as_str(), put.contract.map(String::from).as_deref()), ("cache", Some("wasi:keyvalue")));
        for text in ["", "shop", "shop=", "=a", "shop=a/b/c", "shop=a,b", "shop=a,terms=far", "shop=a,contract=x"] {
            assert!(text.parse::<LinkPut>().is_err(), "{text:?}");
        }
    }
}
