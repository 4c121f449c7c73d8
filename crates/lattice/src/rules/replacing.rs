//! Links that somebody means by what they are for: each takes the place of whatever led the same imports elsewhere, and may have
//! settings of its own.
//!
//! On the control interface of wasmCloud a link with another target is refused, and settings have names that people give. Settings of
//! a link's own have names that nobody else gives: they are no word of a subject, so that nobody asks for them there either.

use std::collections::BTreeSet;

use model::lattice::{Labels, LatticeLink, OWN_SETTINGS};
use model::{ComponentName, Contracts, LinkDel, Target};

use super::course::Step;
use super::links::checks;
use super::routes::listens;
use super::settings::is_own;
use crate::state::State;

/// Puts a link in the place of all that lead what it is for elsewhere, or otherwise. Links that lead to one target in the same
/// way are one, for all that they are for; what is not put again stays as it was.
pub(crate) fn replace_link(links: &mut Vec<LatticeLink>, link: &LatticeLink) {
    let is_package = is_of_package(link);
    let is_same_way = |other: &LatticeLink| {
        let is_alike = other.target == link.target && is_of_package(other) == is_package;
        // What is put for a package is put for all that the other is for.
        other.is_beside(link) && is_alike && (is_package || is_told_alike(other, link))
    };
    links.retain_mut(|other| {
        if !other.is_beside(link) || is_same_way(other) {
            return true;
        }
        let count = other.interfaces.len();
        other.interfaces.retain(|interface| !link.interfaces.contains(interface));
        let is_emptied = count > 0 && other.interfaces.is_empty();
        !is_emptied && !is_package
    });
    match links.iter_mut().find(|other| is_same_way(other)) {
        Some(other) => {
            let mut interfaces = if is_package { Vec::new() } else { other.interfaces.clone() };
            let new: Vec<_> =
                link.interfaces.iter().filter(|interface| !interfaces.contains(interface)).cloned().collect();
            interfaces.extend(new);
            *other = LatticeLink { interfaces, ..link.clone() };
        }
        None => links.push(link.clone()),
    }
}

/// Takes out the link by which the imports lead elsewhere that are meant, or what of it is for them. Gives it as it was;
/// nothing where none is meant, or which of several is not said.
pub(crate) fn drop_link(links: &mut Vec<LatticeLink>, wanted: &LinkDel) -> Option<LatticeLink> {
    let Contracts { namespace, package, interface } =
        wanted.contract.clone().or_else(|| only_contract(links, wanted))?;
    let is_beside =
        |link: &LatticeLink| is_of(link, wanted) && (&link.wit_namespace, &link.wit_package) == (&namespace, &package);
    let is_exact =
        interface.as_deref().is_some_and(|interface| links.iter().any(|it| is_beside(it) && is_for(it, interface)));
    let is_only = links.iter().filter(|link| is_beside(link)).count() == 1;
    let is_meant = |link: &LatticeLink| {
        let is_meant = match &interface {
            Some(interface) if is_exact => is_for(link, interface),
            // What is for a package is meant by any of its interfaces.
            Some(_) => is_of_package(link),
            // Where nothing is for a package, the package means the one link that is for any of it.
            None => is_of_package(link) || is_only,
        };
        is_meant && is_beside(link)
    };
    let first = links.iter().find(|link| is_meant(link)).cloned();
    links.retain_mut(|link| {
        if !is_meant(link) {
            return true;
        }
        link.interfaces.retain(|it| is_exact && interface.as_ref() != Some(it));
        !link.interfaces.is_empty()
    });
    first
}

/// A link as it names what it is told by this host, and what shows whether it can be put so, before that is kept.
pub(crate) fn told_of_its_own(
    state: &mut State,
    (link, host): (&LatticeLink, &str),
    told: &Labels,
) -> (LatticeLink, Vec<Step>) {
    if told.is_empty() {
        return (link.clone(), checks(state, link));
    }
    let name = name_settings(state, (link, host), told);
    let named =
        LatticeLink { target_config: [&link.target_config[..], std::slice::from_ref(&name)].concat(), ..link.clone() };
    let before = state.config.insert(name.clone(), told.clone());
    let checks = checks(state, &named);
    match before {
        Some(before) => state.config.insert(name, before),
        None => state.config.remove(&name),
    };
    (named, checks)
}

/// What the settings are called that a link is told by this host: as those that are the same where a link for the same has
/// such, else as none before. So a link never has the settings of the one before it, nor any that are about to be forgotten.
fn name_settings(state: &State, (link, host): (&LatticeLink, &str), told: &Labels) -> String {
    let prefix = own_names(link, host);
    let number = |name: &String| name.strip_prefix(&prefix)?.parse::<u64>().ok();
    let links = state.links.get(&link.source_id).into_iter().flatten();
    let named = links.filter(|other| other.is_beside(link)).flat_map(|other| &other.target_config);
    let same = named.filter(|name| state.config.get(*name) == Some(told)).find_map(number);
    let next = || state.config.keys().filter_map(number).max().map_or(1, |last| last.saturating_add(1));
    format!("{prefix}{}", same.unwrap_or_else(next))
}

/// The settings of their own that these links have, or were named for them by this host once, as far as no link names them any more.
pub(crate) fn left_settings(state: &State, links: &[LatticeLink], host: &str) -> BTreeSet<String> {
    let had = links.iter().flat_map(|link| &link.target_config).filter(|name| is_own(name)).cloned();
    let prefixes: Vec<_> = links.iter().map(|link| own_names(link, host)).collect();
    let named = state.config.keys().filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).cloned();
    let is_named = |name: &String| state.links.values().flatten().any(|link| link.target_config.contains(name));
    had.chain(named).filter(|name| !is_named(name)).collect()
}

/// Whether links may have this source on this host though no component has that name: the host listens by it, or a provider runs.
pub(crate) fn is_source(state: &State, source: &str) -> bool {
    let has_name = |name: &ComponentName| name.as_str() == source;
    listens(state, source) || state.providers.keys().any(has_name)
}

/// What the names of the settings begin with that this host gives a link.
fn own_names(link: &LatticeLink, host: &str) -> String {
    let LatticeLink { source_id, name, wit_namespace, wit_package, .. } = link;
    // Whoever puts the same link by another host at the same time does not give the same name.
    let host: String = host.chars().take(8).collect();
    format!("{OWN_SETTINGS}{source_id}/{name}/{wit_namespace}/{wit_package}/{host}-")
}

/// Whether two links have the same terms and settings.
fn is_told_alike(one: &LatticeLink, other: &LatticeLink) -> bool {
    (&one.terms, &one.source_config, &one.target_config) == (&other.terms, &other.source_config, &other.target_config)
}

/// Whether a link is for a package, whatever its source imports of it.
fn is_of_package(link: &LatticeLink) -> bool {
    link.is_whole || matches!(link.target.parse(), Ok(Target::Capability { .. }))
}

/// Whether a link is for this interface, and not for a package.
fn is_for(link: &LatticeLink, interface: &str) -> bool {
    !is_of_package(link) && link.interfaces.iter().any(|it| it == interface)
}

fn is_of(link: &LatticeLink, wanted: &LinkDel) -> bool {
    link.source_id == wanted.source.as_str() && link.name == wanted.name.as_str()
}

/// The contract that is meant where none is named: that of the only link. One for several interfaces is several, as it is on
/// the hosts that run its source.
fn only_contract(links: &[LatticeLink], wanted: &LinkDel) -> Option<Contracts> {
    let mut links = links.iter().filter(|link| is_of(link, wanted));
    let only = links.next().filter(|_| links.next().is_none())?;
    if only.interfaces.len() > 1 && !is_of_package(only) {
        return None;
    }
    Some(Contracts { namespace: only.wit_namespace.clone(), package: only.wit_package.clone(), interface: None })
}

#[cfg(test)]
mod tests;
