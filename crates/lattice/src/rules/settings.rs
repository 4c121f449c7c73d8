//! Settings by name, as components and links have them.

use model::ComponentName;
use model::lattice::{Labels, LatticeLink, OWN_SETTINGS};

use super::course::Step;
use super::{links, providers};
use crate::state::{Runs, State};

/// Names with this beginning are references to secrets.
const SECRET: &str = "SECRET";

pub(super) fn is_secret(name: &str) -> bool {
    name.starts_with(SECRET)
}

/// Names with this beginning are of settings that a link has of its own.
pub(super) fn is_own(name: &str) -> bool {
    name.starts_with(OWN_SETTINGS)
}

/// Whether a link has settings of its own that this host does not know: it was told of the link first, and will be told of
/// them.
pub(super) fn awaits_its_own(state: &State, link: &LatticeLink) -> bool {
    link.target_config.iter().any(|name| is_own(name) && !state.config.contains_key(name))
}

/// Those of these names that this host knows no settings by.
pub(crate) fn unknown<'a>(state: &State, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    names.into_iter().filter(|name| !state.config.contains_key(*name)).cloned().collect()
}

/// Those of these names that are of no settings which somebody could name: of none that this host knows, or of a link's own.
pub(super) fn missing<'a>(state: &State, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    names.into_iter().filter(|name| is_own(name) || !state.config.contains_key(*name)).cloned().collect()
}

/// Whether there are settings by all of these names.
pub(super) fn check_names(state: &State, names: &[String]) -> Result<(), String> {
    let missing: String = missing(state, names).iter().map(problem).collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.trim_end().to_owned()) }
}

/// Whether none of these settings of a component or a provider is a secret, which a host has none to give of.
pub(super) fn check_plain(names: &[String], whose: &str) -> Result<(), String> {
    match names.iter().find(|name| is_secret(name)) {
        None => Ok(()),
        Some(name) => Err(format!("{name} is a secret, and this host has none to give to a {whose}")),
    }
}

pub(super) fn problem(name: &String) -> String {
    let what = if is_secret(name) { "Secret reference" } else { "Configuration" };
    format!("{what} {name} not found in config store. ")
}

/// What a component that runs here is told; nothing where it names none. Settings that were deleted are as if they were empty.
pub(crate) fn told(state: &State, id: &ComponentName) -> Option<Labels> {
    let Runs { config: names, .. } = state.components.get(id)?;
    (!names.is_empty()).then(|| of_names(state, names))
}

/// Settings of several names: later ones win. References to secrets are no settings.
pub(super) fn of_names(state: &State, names: &[String]) -> Labels {
    let plain = names.iter().filter(|name| !is_secret(name));
    let settings = plain.filter_map(|name| state.config.get(name)).flatten();
    settings.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Tells all components that run here and name settings what those are, as far as they are known.
pub(super) fn told_anew(state: &State) -> Vec<Step> {
    let named = state.components.iter().filter(|(_, runs)| !runs.config.is_empty());
    named.map(|(id, _)| Step::Tell(id.clone()).at_leisure()).collect()
}

/// From now on these are the settings of that name, or there are none. Gives what follows where they were others: who has them is
/// told anew.
pub(super) fn learn(state: &mut State, name: &str, settings: Option<Labels>) -> Vec<Step> {
    let (is_own, is_gone) = (is_own(name), settings.is_none());
    let is_other = match settings {
        Some(settings) => state.config.insert(name.to_owned(), settings.clone()) != Some(settings),
        None => state.config.remove(name).is_some(),
    };
    // A link's own go when another has taken its place: of that this host may be told later, and until then the link goes on
    // with them.
    if !is_other || (is_own && is_gone) {
        return Vec::new();
    }
    let has = |names: &[String]| names.iter().any(|known| known == name);
    let components = state.components.iter().filter(|(_, runs)| has(&runs.config));
    let told = components.map(|(id, _)| Step::Tell(id.clone()));
    let is_told = |link: &&LatticeLink| has(&link.target_config) || has(&link.source_config);
    let links = state.links.values().flatten().filter(is_told);
    // What came before its own settings is put now, as it is kept.
    let taken: fn(Step) -> Step = if is_own { Step::into_kept } else { std::convert::identity };
    let linked = links.flat_map(|link| links::linked(state, link)).map(taken);
    let told = told.chain(linked).map(Step::at_leisure);
    told.chain(providers::briefed_of_settings(state, name)).collect()
}
