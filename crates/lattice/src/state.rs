//! This is what a host knows of itself and of its lattice.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::fact::Scaled;
use model::lattice::{ComponentDescription, ComponentSpec, Labels, LatticeLink, ProviderDescription, ScaleComponent};
use model::{ComponentLimits, ComponentName, KeptClaims};
use trust::ClaimsView;

use crate::hands::ProviderView;
use crate::merge::Holdings;
use crate::rules::{self, Builtin};

/// All of it, beside what is linked on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) labels: Labels,
    /// What runs here.
    pub(crate) components: BTreeMap<ComponentName, Runs>,
    /// The providers that run here.
    pub(crate) providers: BTreeMap<ComponentName, Provides>,
    /// Settings by name.
    pub(crate) config: BTreeMap<String, Labels>,
    /// By source, in the order in which they were put.
    pub(crate) links: BTreeMap<String, Vec<LatticeLink>>,
    /// What is kept of what is signed, by its subject.
    pub(crate) claims: BTreeMap<String, KeptClaims>,
}

/// How a component runs on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// Where it comes from, exactly as it was asked for.
    pub image_ref: String,
    /// How many invocations run at once.
    pub count: u32,
    /// What who started it noted.
    pub annotations: Labels,
    /// The names of its settings.
    pub config: Vec<String>,
    /// Its own limits.
    pub limits: ComponentLimits,
    /// What is said of it by who signed it, checked.
    pub claims: Option<Arc<ClaimsView>>,
}

/// How a provider runs on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provides {
    /// Where it comes from, exactly as it was asked for.
    pub(crate) image_ref: String,
    pub(crate) annotations: Labels,
    /// The names of its settings.
    pub(crate) config: Vec<String>,
    /// What is said of it by who signed it, checked.
    pub(crate) claims: Option<Arc<ClaimsView>>,
}

// === impl State ===

impl State {
    /// What is known of what the lattice keeps, and where what runs here comes from.
    pub(crate) fn holdings(&self) -> Holdings {
        let mut components: BTreeMap<String, ComponentSpec> = BTreeMap::new();
        for (id, runs) in &self.components {
            components.insert(id.to_string(), ComponentSpec { url: runs.image_ref.clone(), links: Vec::new() });
        }
        for (source, links) in &self.links {
            components.entry(source.clone()).or_default().links.clone_from(links);
        }
        Holdings { settings: self.config.clone(), components }
    }

    /// From now on a component runs like that, or does not.
    pub(crate) fn run(&mut self, id: ComponentName, runs: Option<Runs>) {
        match runs {
            Some(runs) => self.components.insert(id, runs),
            None => self.components.remove(&id),
        };
    }

    /// From now on a provider runs like that, or does not.
    pub(crate) fn provide(&mut self, id: ComponentName, runs: Option<Provides>) {
        match runs {
            Some(runs) => self.providers.insert(id, runs),
            None => self.providers.remove(&id),
        };
    }
}

// === impl Provides ===

impl Provides {
    /// Where it comes from, as it is shown: without a scheme.
    pub(crate) fn place(&self) -> String {
        let place = self.image_ref.split_once("://").map_or(self.image_ref.as_str(), |(_, place)| place);
        place.to_owned()
    }

    /// Which of the providers it is that a host has in itself, if it is one.
    pub(crate) fn builtin(&self) -> Option<Builtin> {
        // There is no other that runs, see `rules`.
        Builtin::of(&self.image_ref).ok().flatten()
    }

    pub(crate) fn describe(&self, id: &ComponentName, view: Option<ProviderView>) -> ProviderDescription {
        let (name, revision) = named(self.claims.as_deref());
        let own = self.builtin().map(|_| "is the host's own".to_owned());
        ProviderDescription {
            id: id.to_string(),
            image_ref: self.place(),
            name,
            revision,
            annotations: self.annotations.clone(),
            condition: view.map(|view| view.condition).or(own),
            config: Some(self.config.clone()),
        }
    }
}

// === impl Runs ===

impl Runs {
    pub(crate) fn describe(&self, id: &ComponentName) -> ComponentDescription {
        let (name, revision) = named(self.claims.as_deref());
        ComponentDescription {
            id: id.to_string(),
            image_ref: self.image_ref.clone(),
            name,
            annotations: self.annotations.clone(),
            revision,
            max_instances: self.count,
            limits: self.limits.texts(),
        }
    }

    pub(crate) fn scaled(&self, host: &str, id: &ComponentName) -> Scaled {
        Scaled {
            component_id: id.to_string(),
            host_id: host.to_owned(),
            image_ref: self.image_ref.clone(),
            max_instances: self.count,
            annotations: self.annotations.clone(),
            public_key: self.claims.as_ref().map(|claims| claims.subject.clone()),
            claims: self.claims.as_deref().map(rules::said_of_component),
        }
    }
}

/// What claims call it, and its revision: zero without.
fn named(claims: Option<&ClaimsView>) -> (Option<String>, i32) {
    claims.map_or((None, 0), |claims| (claims.name.clone(), rules::revision(claims)))
}

impl From<&ScaleComponent> for Runs {
    fn from(command: &ScaleComponent) -> Self {
        Self {
            image_ref: command.component_ref.clone(),
            count: command.count,
            annotations: command.annotations.clone(),
            config: command.config.clone(),
            limits: ComponentLimits::default(),
            claims: None,
        }
    }
}
