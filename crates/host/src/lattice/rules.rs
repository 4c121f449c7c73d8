//! Decides what is answered to a command, what is done next, and what is said of it: from what a host runs to values.
//!
//! # Invariants
//!
//! 1. Commands are absolute: the same one twice does nothing the second time.
//! 2. Nothing here waits, and nothing here knows of a bus.

use std::collections::BTreeMap;

use model::fact::{Fact, Scaled};
use model::lattice::{
    ComponentAuctionRequest, ComponentDescription, DeleteLink, Labels, LatticeLink, PutLabel, ScaleComponent,
    UpdateComponent,
};
use model::{ComponentName, Contracts, LinkPut, Target, Terms};

/// What a host knows of itself and of its lattice, beside what is linked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) labels: Labels,
    pub(super) components: BTreeMap<ComponentName, Runs>,
    /// Settings by name.
    pub(super) config: BTreeMap<String, Labels>,
    /// By source, in the order in which they were put.
    pub(super) links: BTreeMap<String, Vec<LatticeLink>>,
}

/// What is otherwise since the links of a source are others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Relinked {
    pub(super) gone: Vec<LatticeLink>,
    pub(super) put: Vec<LatticeLink>,
}

/// A component that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) image_ref: String,
    pub(super) count: u32,
    pub(super) annotations: Labels,
    pub(super) config: Vec<String>,
}

/// What a command to scale comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It does not run, and shall not.
    Nothing,
    /// It begins.
    Start,
    /// It ends.
    Stop,
    /// It goes on, with other numbers or settings, or with the same; and then from elsewhere.
    Change { is_other: bool, update: bool },
}

/// Names with this beginning are references to secrets.
const SECRET: &str = "SECRET";

/// Whether a host bids for a component.
pub(super) fn bids(state: &State, request: &ComponentAuctionRequest) -> bool {
    let carries = |(name, value): (&String, &String)| state.labels.get(name) == Some(value);
    request.constraints.iter().all(carries)
        && !state.components.keys().any(|name| name.as_str() == request.component_id)
}

/// What is done for a command to scale, by what runs when its turn comes.
pub(super) fn scale(running: Option<&Runs>, command: &ScaleComponent) -> Deed {
    match (running, command.count) {
        (None, 0) => Deed::Nothing,
        (None, _) => Deed::Start,
        (Some(_), 0) => Deed::Stop,
        (Some(runs), count) => Deed::Change {
            is_other: runs.count != count || runs.config != command.config,
            update: command.allow_update && runs.image_ref != command.component_ref,
        },
    }
}

/// What is answered to a command to scale, at once.
pub(super) fn scale_words(running: Option<&Runs>, command: &ScaleComponent) -> String {
    let Some(runs) = running.filter(|runs| runs.image_ref != command.component_ref && command.count > 0) else {
        return String::new();
    };
    let (id, old, new) = (&command.component_id, &runs.image_ref, &command.component_ref);
    match command.allow_update {
        true => format!("component {id} runs from {old} and is updated to {new}"),
        false => format!("component {id} runs from {old}, and that is not changed to {new}: an update does it"),
    }
}

/// What is answered to a command to update, and whether anything is to be done.
pub(super) fn update(running: Option<&Runs>, command: &UpdateComponent) -> Result<(String, bool), String> {
    let UpdateComponent { component_id: id, new_component_ref: new, .. } = command;
    match running {
        None => Err(format!("component {id} not found")),
        Some(runs) if runs.image_ref == *new => Ok((format!("component {id} already updated to {new}"), false)),
        Some(runs) => Ok((format!("component {id} updating from {} to {new}", runs.image_ref), true)),
    }
}

/// Puts a label, or takes it out where there is no value. Says whether anything is to be said of it.
pub(super) fn change_label(state: &mut State, label: PutLabel, is_put: bool) -> Result<(&'static str, bool), String> {
    if label.key.to_lowercase().starts_with("hostcore.") {
        return Err("hostcore.* labels cannot be set dynamically".into());
    }
    if is_put {
        state.labels.insert(label.key, label.value);
        return Ok(("successfully put label", true));
    }
    Ok(match state.labels.remove(&label.key) {
        Some(_) => ("successfully deleted label", true),
        None => ("successfully deleted label (no such label)", false),
    })
}

/// Whether there are the settings that a link names.
pub(super) fn check_settings(state: &State, link: &LatticeLink) -> Result<(), String> {
    let missing = |name: &&String| !state.config.contains_key(*name);
    let problems: String = link.source_config.iter().chain(&link.target_config).filter(missing).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(format!("Failed to validate configuration and secrets. {problems}")) }
}

/// Puts a link among those of its source, in the place of one of the same target, name and package.
pub(super) fn put_link(links: &mut Vec<LatticeLink>, link: &LatticeLink) -> Result<(), String> {
    let contradicts = |other: &LatticeLink| {
        let is_shared = other.interfaces.iter().any(|interface| link.interfaces.contains(interface));
        other.is_beside(link) && other.target != link.target && is_shared
    };
    if links.iter().any(contradicts) {
        return Err("link already exists with different target, consider deleting the existing link or using a \
                    different link name"
            .into());
    }
    match links.iter_mut().find(|other| other.is_beside(link) && other.target == link.target) {
        Some(other) => other.clone_from(link),
        None => links.push(link.clone()),
    }
    Ok(())
}

fn problem(name: &String) -> String {
    let what = if name.starts_with(SECRET) { "Secret reference" } else { "Configuration" };
    format!("{what} {name} not found in config store. ")
}

/// Takes the first link out that is meant.
pub(super) fn take_link(links: &mut Vec<LatticeLink>, wanted: &DeleteLink) -> Option<LatticeLink> {
    let is_wanted = |link: &LatticeLink| {
        (&link.source_id, &link.name, &link.wit_namespace, &link.wit_package)
            == (&wanted.source_id, &wanted.name, &wanted.wit_namespace, &wanted.wit_package)
    };
    links.iter().position(is_wanted).map(|index| links.remove(index))
}

/// From now on the links of a source are these. Says what that changes.
pub(super) fn learn_links(state: &mut State, source: &str, links: Vec<LatticeLink>) -> Relinked {
    let before = state.links.remove(source).unwrap_or_default();
    let gone = before.iter().filter(|link| !links.iter().any(|other| is_in_place_of(other, link))).cloned().collect();
    let put = links.iter().filter(|link| !before.contains(link)).cloned().collect();
    if !links.is_empty() {
        state.links.insert(source.to_owned(), links);
    }
    Relinked { gone, put }
}

/// Whether the one link, when it is put, leaves nothing of the other.
fn is_in_place_of(link: &LatticeLink, other: &LatticeLink) -> bool {
    let is_backend = |link: &LatticeLink| matches!(link.target.parse(), Ok(Target::Capability { .. }));
    let has_all = other.interfaces.iter().all(|interface| link.interfaces.contains(interface));
    link.is_beside(other) && is_backend(link) == is_backend(other) && (has_all || is_backend(link))
}

/// The links of the lattice that a component is the source of, and those that lead to it from others.
pub(super) fn links_with(state: &State, id: &ComponentName) -> (Vec<LatticeLink>, Vec<LatticeLink>) {
    let all = state.links.values().flatten();
    let (own, others): (Vec<_>, Vec<_>) = all.cloned().partition(|link| link.source_id == id.as_str());
    (own, others.into_iter().filter(|link| link.target == id.as_str()).collect())
}

/// From now on these are the settings of that name, or there are none. Says whether they were others.
pub(super) fn learn_settings(state: &mut State, name: &str, settings: Option<Labels>) -> bool {
    match settings {
        Some(settings) => state.config.insert(name.to_owned(), settings.clone()) != Some(settings),
        None => state.config.remove(name).is_some(),
    }
}

/// The fact that a link is gone, or was not there.
pub(super) fn link_deleted(wanted: DeleteLink, taken: Option<LatticeLink>) -> Fact {
    let DeleteLink { source_id, name, wit_namespace, wit_package } = wanted;
    let (target, interfaces) = taken.map(|link| (link.target, link.interfaces)).unzip();
    Fact::LinkdefDeleted { source_id, name, wit_namespace, wit_package, target, interfaces }
}

/// What a link of the lattice is among the links of this host: nothing where its source does not run here.
///
/// A target is a component, here or on another host, or one of this host's backends: `keyvalue/redis`, which is told the
/// settings that `target_config` names.
pub(super) fn mapped(state: &State, link: &LatticeLink) -> Result<Vec<LinkPut>, String> {
    let Some(source) = running(state, &link.source_id) else { return Ok(Vec::new()) };
    let told = settings(state, &link.target_config);
    let put = |target: Target, config: Labels, interface: Option<&String>| -> Result<LinkPut, String> {
        let contract = Contracts {
            namespace: link.wit_namespace.clone(),
            package: link.wit_package.clone(),
            interface: interface.cloned(),
        };
        let name = link.name.parse().map_err(|error| format!("{error}"))?;
        let (source, contract) = (source.clone(), Some(contract));
        let terms = link.terms.clone().unwrap_or_default();
        Ok(LinkPut { source, target, name, contract, config, terms, unchecked: true })
    };
    match link.target.parse::<Target>() {
        Ok(target @ Target::Capability { .. }) => Ok(vec![put(target, told, None)?]),
        Ok(Target::Component(target)) if !told.is_empty() && state.components.contains_key(&target) => {
            Err(format!("{target} is a component: it has the settings that it is started with, not those of a link"))
        }
        Ok(Target::Component(target)) => {
            let of = |interface| put(Target::Component(target.clone()), Labels::new(), Some(interface));
            link.interfaces.iter().map(of).collect()
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a link leads to what does not run on this host.
pub(super) fn leads_away(state: &State, link: &LatticeLink) -> bool {
    let is_here = |target: &ComponentName| state.components.contains_key(target);
    matches!(link.target.parse(), Ok(Target::Component(target)) if !is_here(&target))
}

/// Whether there are settings by all of these names.
pub(super) fn check_names(state: &State, names: &[String]) -> Result<(), String> {
    let missing: String = names.iter().filter(|name| !state.config.contains_key(*name)).map(problem).collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.trim_end().to_owned()) }
}

/// The link by which a component has the settings of these names; nothing where there are no names. Settings that were deleted
/// are as if they were empty.
pub(super) fn config_link(state: &State, source: &ComponentName, names: &[String]) -> Option<LinkPut> {
    (!names.is_empty()).then(|| LinkPut {
        source: source.clone(),
        target: Target::Capability { capability: "config".into(), backend: "literals".into() },
        name: Default::default(),
        contract: None,
        config: settings(state, names),
        terms: Terms::default(),
        unchecked: false,
    })
}

/// What runs here by that id.
pub(super) fn running<'a>(state: &'a State, id: &str) -> Option<&'a ComponentName> {
    state.components.keys().find(|name| name.as_str() == id)
}

/// Settings of several names: later ones win. References to secrets are no settings.
fn settings(state: &State, names: &[String]) -> Labels {
    let plain = names.iter().filter(|name| !name.starts_with(SECRET));
    let settings = plain.filter_map(|name| state.config.get(name)).flatten();
    settings.map(|(name, value)| (name.clone(), value.clone())).collect()
}

// === impl Runs ===

impl Runs {
    pub(super) fn describe(&self, id: &ComponentName) -> ComponentDescription {
        ComponentDescription {
            id: id.to_string(),
            image_ref: self.image_ref.clone(),
            name: None,
            annotations: self.annotations.clone(),
            revision: 0,
            max_instances: self.count,
            limits: None,
        }
    }

    pub(super) fn scaled(&self, host: &str, id: &str) -> Scaled {
        Scaled {
            component_id: id.to_owned(),
            host_id: host.to_owned(),
            image_ref: self.image_ref.clone(),
            max_instances: self.count,
            annotations: self.annotations.clone(),
        }
    }
}

impl From<&ScaleComponent> for Runs {
    fn from(command: &ScaleComponent) -> Self {
        Self {
            image_ref: command.component_ref.clone(),
            count: command.count,
            annotations: command.annotations.clone(),
            config: command.config.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
