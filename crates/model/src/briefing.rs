//! This is what a provider is told by its host: its links, and its settings.

use serde::Serialize;

use crate::lattice::{Labels, LatticeLink};

/// All that a provider is to know at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Briefing {
    /// The links that it is the source or the target of.
    pub links: Vec<LinkDefinition>,
    /// Its settings.
    pub config: Labels,
}

/// A link with the settings that its names stand for, as providers of wasmCloud 1.x are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkDefinition {
    /// What imports.
    pub source_id: String,
    /// What it leads to.
    pub target: String,
    /// Which of several links.
    pub name: String,
    /// `wasi` in `wasi:keyvalue`.
    pub wit_namespace: String,
    /// `keyvalue` in `wasi:keyvalue`.
    pub wit_package: String,
    /// The interfaces of the package.
    pub interfaces: Vec<String>,
    /// The source's settings.
    pub source_config: Labels,
    /// The target's settings.
    pub target_config: Labels,
}

// === impl LinkDefinition ===

impl LinkDefinition {
    /// A link with these settings of its source and its target.
    pub fn new(link: &LatticeLink, source_config: Labels, target_config: Labels) -> Self {
        let LatticeLink { source_id, target, name, wit_namespace, wit_package, interfaces, .. } = link.clone();
        Self { source_id, target, name, wit_namespace, wit_package, interfaces, source_config, target_config }
    }

    /// Whether the other one is this link, perhaps with other interfaces or settings.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.source_id, &self.target, &self.name, &self.wit_namespace, &self.wit_package)
            == (&other.source_id, &other.target, &other.name, &other.wit_namespace, &other.wit_package)
    }

    /// The link without its settings: who is told that it is gone needs none.
    pub fn bare(&self) -> Self {
        Self { source_config: Labels::new(), target_config: Labels::new(), ..self.clone() }
    }
}
