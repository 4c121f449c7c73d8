//! Links of the lattice: how they stand beside each other, and what they are on a host.

use model::fact::Fact;
use model::lattice::{ComponentSpec, DeleteLink, Labels, LatticeLink, PutLink};
use model::{ComponentName, Contracts, LinkDefinition, LinkDel, LinkPut, Reach, Target};

use super::builtin::Builtin;
use super::course::Step;
use super::providers;
use super::replacing::replace_link;
use super::routes::{route, route_id};
use super::settings::{awaits_its_own, is_own, is_secret, missing, of_names, problem};
use crate::hands::Deed;
use crate::state::State;

/// Whether there are the settings that a link names. Those that a link has of its own are there for that link alone, told to
/// whom it tells them already: others would hear what they are.
pub(crate) fn check_settings(state: &State, link: &LatticeLink) -> Result<(), String> {
    let is_same = |other: &LatticeLink| {
        other.is_beside(link) && (&other.target, &other.target_config) == (&link.target, &link.target_config)
    };
    let is_put_again = state.links.get(&link.source_id).is_some_and(|links| links.iter().any(is_same));
    let to_target = link.target_config.iter().filter(|name| !is_put_again || !is_own(name));
    let problems: String = missing(state, link.source_config.iter().chain(to_target)).iter().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(format!("Failed to validate configuration and secrets. {problems}")) }
}

/// Puts a link among those of its source. One that replaces takes the place of whatever gives the same imports, wherever that leads;
/// any other takes that of one of the same target, name and package, and is refused where the same imports lead elsewhere.
pub(crate) fn put_link(links: &mut Vec<LatticeLink>, PutLink { link, replaces }: &PutLink) -> Result<(), String> {
    if *replaces {
        replace_link(links, link);
        return Ok(());
    }
    let contradicts = |other: &LatticeLink| {
        let is_shared = || other.interfaces.iter().any(|interface| link.interfaces.contains(interface));
        let is_same = || other.is_for_package() && link.is_for_package() || is_shared();
        other.is_beside(link) && other.target != link.target && is_same()
    };
    let is_same = |other: &LatticeLink| other.is_beside(link) && other.target == link.target;
    if links.iter().any(contradicts) {
        return Err("link already exists with different target, consider deleting the existing link or using a \
                    different link name"
            .into());
    }
    let place = links.iter().position(is_same).unwrap_or(links.len());
    links.retain(|other| !is_same(other));
    links.insert(place, link.clone());
    Ok(())
}

/// Those of these links that led to other targets, and lead to them no more, or for less, since this one was put.
pub(crate) fn displaced(before: &[LatticeLink], put: &PutLink) -> Vec<LatticeLink> {
    let mut now = before.to_vec();
    // What cannot be put displaces nobody.
    if put_link(&mut now, put).is_err() {
        return Vec::new();
    }
    let is_displaced = |other: &&LatticeLink| other.target != put.link.target && !now.contains(other);
    before.iter().filter(is_displaced).cloned().collect()
}

/// Takes out what is meant: of the link that has an interface only that, where one is named; else the link for all of the package,
/// or the first for any of it.
pub(crate) fn take_link(links: &mut Vec<LatticeLink>, wanted: &DeleteLink) -> Option<LatticeLink> {
    let is_beside = |link: &LatticeLink| {
        (&link.source_id, &link.name, &link.wit_namespace, &link.wit_package)
            == (&wanted.source_id, &wanted.name, &wanted.wit_namespace, &wanted.wit_package)
    };
    // A backend keeps its contracts together: the link for one of them is that for all.
    let whole = links.iter().position(|link| is_beside(link) && link.is_for_package());
    let Some(interface) = &wanted.interface else {
        return whole.or_else(|| links.iter().position(is_beside)).map(|place| links.remove(place));
    };
    let Some(place) = links.iter().position(|link| is_beside(link) && gives(link, interface)) else {
        return whole.map(|place| links.remove(place));
    };
    let taken = LatticeLink { interfaces: vec![interface.clone()], ..links[place].clone() };
    links[place].interfaces.retain(|other| other != interface);
    if links[place].interfaces.is_empty() {
        links.remove(place);
    }
    Some(taken)
}

/// What of a link is not given by any of these: nothing where all of it is.
fn left_of(link: &LatticeLink, others: &[LatticeLink]) -> Option<LatticeLink> {
    let mut beside = others.iter().filter(|other| other.is_beside(link));
    if link.is_for_package() {
        return (!beside.any(|other| other.is_for_package())).then(|| link.clone());
    }
    let beside: Vec<_> = beside.collect();
    let is_left = |interface: &&String| !beside.iter().any(|other| gives(other, interface));
    let interfaces: Vec<_> = link.interfaces.iter().filter(is_left).cloned().collect();
    (!interfaces.is_empty()).then(|| LatticeLink { interfaces, ..link.clone() })
}

/// Whether a link is for that interface by itself.
fn gives(link: &LatticeLink, interface: &str) -> bool {
    !link.is_for_package() && link.interfaces.iter().any(|other| other == interface)
}

/// The links that are kept of a component: those that others have there are nobody's.
pub(crate) fn links_of(id: &str, spec: ComponentSpec) -> Vec<LatticeLink> {
    spec.links.into_iter().filter(|link| link.source_id == id).collect()
}

/// The fact that a link is gone, or was not there.
pub(crate) fn link_deleted(wanted: DeleteLink, taken: Option<LatticeLink>) -> Fact {
    let DeleteLink { source_id, name, wit_namespace, wit_package, .. } = wanted;
    let (target, interfaces) = taken.map(|link| (link.target, link.interfaces)).unzip();
    Fact::LinkdefDeleted { source_id, name, wit_namespace, wit_package, target, interfaces }
}

/// What providers at either end of a link are told, whoever runs them: nothing where that is a secret or the link's own, or
/// where the target is none, but a backend of the hosts themselves.
pub(crate) fn announced(state: &State, link: &LatticeLink) -> Option<LinkDefinition> {
    let mut names = link.source_config.iter().chain(&link.target_config);
    if names.any(|name| is_secret(name) || is_own(name)) {
        return None;
    }
    let (source, target) = (of_names(state, &link.source_config), of_names(state, &link.target_config));
    withdrawn(link).map(|bare| LinkDefinition { source_config: source, target_config: target, ..bare })
}

/// What they are told when it is gone.
pub(crate) fn withdrawn(link: &LatticeLink) -> Option<LinkDefinition> {
    let is_for_backend = matches!(link.target.parse(), Ok(Target::Capability { .. }));
    (!is_for_backend).then(|| LinkDefinition::new(link, Labels::new(), Labels::new()))
}

/// The link that still leads to the same target for other interfaces.
pub(crate) fn left_beside(state: &State, link: &LatticeLink) -> Option<LatticeLink> {
    let mut links = state.links.get(&link.source_id)?.iter();
    links.find(|other| other.is_beside(link) && other.target == link.target).cloned()
}

/// What shows whether a link can be put here. What is elsewhere is not known here, but for what holds wherever a link leads.
pub(crate) fn checks(state: &State, link: &LatticeLink) -> Vec<Step> {
    if is_for_requests(link) && link.terms.as_ref().is_some_and(|terms| terms.retry > 0) {
        let why = "requests of HTTP are not sent again by the terms of a link: leave retry out";
        return vec![Step::Fail(why.into())];
    }
    match route(state, link) {
        Some(Ok(route)) => return vec![Step::Do(Deed::CheckRoute(route))],
        Some(Err(why)) => return vec![Step::Fail(why)],
        None => {}
    }
    match mapped(state, link) {
        Ok(_) if leads_away(state, link) => Vec::new(),
        Ok(puts) => puts.into_iter().map(Deed::Check).map(Step::Do).collect(),
        Err(why) => vec![Step::Fail(why)],
    }
}

/// Whether it is what components send requests of HTTP by.
fn is_for_requests(link: &LatticeLink) -> bool {
    let sends = |interface: &String| matches!(interface.as_str(), "outgoing-handler" | "client");
    (link.wit_namespace.as_str(), link.wit_package.as_str()) == ("wasi", "http") && link.interfaces.iter().any(sends)
}

/// What puts a link of the lattice among those of this host. It is the lattice's all the same where it leads away and this host has
/// no way there: it may be for a provider. Nothing puts it before its own settings are known, which it would be without.
pub(crate) fn linked(state: &State, link: &LatticeLink) -> Vec<Step> {
    if awaits_its_own(state, link) {
        return Vec::new();
    }
    match route(state, link) {
        Some(Ok(route)) => return vec![Step::Do(Deed::Route(route))],
        Some(Err(why)) => return vec![Step::Fail(why)],
        None => {}
    }
    let leads_away = leads_away(state, link);
    let put = |put: LinkPut| {
        let stays = leads_away && matches!(put.terms.reach, Reach::Fused | Reach::Local);
        // What may not leave cannot be put, and nothing that was put before may lead it away.
        let before = stays.then(|| Step::Do(deleted(put.clone(), &[])).at_leisure());
        let step = Step::Do(Deed::Put(put));
        before.into_iter().chain([if leads_away { step.at_leisure() } else { step }])
    };
    match mapped(state, link) {
        Ok(puts) => puts.into_iter().flat_map(put).collect(),
        Err(why) => vec![Step::Fail(why)],
    }
}

/// What puts all links that a component is part of: who links to it can be linked to it or not, and it runs.
pub(crate) fn links_with(state: &State, id: &ComponentName) -> Vec<Step> {
    let (own, to_it): (Vec<_>, Vec<_>) = state.links.values().flatten().partition(|link| link.source_id == id.as_str());
    let to_it = to_it.into_iter().filter(|link| link.target == id.as_str()).flat_map(|link| linked(state, link));
    own.into_iter().flat_map(|link| linked(state, link)).chain(to_it.map(Step::at_leisure)).collect()
}

/// What leads requests by the links whose source is that provider. One that cannot be followed keeps no other from it.
pub(crate) fn listening(state: &State, id: &ComponentName) -> Vec<Step> {
    let links = state.links.get(id.as_str()).into_iter().flatten();
    let routes = links.filter(|link| route_id(state, link).is_some());
    routes.flat_map(|link| linked(state, link)).map(Step::at_leisure).collect()
}

/// What leads no requests any more by the links whose source is that provider.
pub(super) fn unlistening(state: &State, id: &ComponentName) -> Vec<Step> {
    let links = state.links.get(id.as_str()).into_iter().flatten();
    let routes = links.filter_map(|link| route_id(state, link));
    routes.map(|id| Step::Do(Deed::Unroute(id)).at_leisure()).collect()
}

/// What takes the links out that lead to that name.
pub(super) fn unlinked_from(state: &State, id: &ComponentName) -> Vec<Step> {
    let links = state.links.values().flatten().filter(|link| link.target == id.as_str());
    links.flat_map(|link| unlinked(state, link, &[])).collect()
}

/// What puts all links of what runs and listens here, as far as they are known: as what is kept, which nobody waits for an
/// answer to.
pub(crate) fn as_known(state: &State) -> Vec<Step> {
    let of = |id: &ComponentName| state.links.get(id.as_str()).into_iter().flatten();
    let links = state.components.keys().flat_map(of);
    let routes = state.links.values().flatten().filter(|link| route_id(state, link).is_some());
    let links = links.chain(routes);
    let known = |link: &LatticeLink| match awaits_its_own(state, link) {
        // Nobody may ever tell of them: that is for the log.
        true => vec![Step::Fail(format!("what {} is to tell {} is not known here yet", link.source_id, link.target))],
        false => linked(state, link),
    };
    links.flat_map(known).map(Step::into_kept).map(Step::at_leisure).collect()
}

/// From now on the links of a source are these. Gives what follows.
pub(super) fn learn(state: &mut State, source: &str, links: Vec<LatticeLink>) -> Vec<Step> {
    let before = state.links.remove(source).unwrap_or_default();
    let gone = gone(state, &before, &links);
    let replaced: Vec<_> = before.iter().filter(|link| !links.contains(link)).cloned().collect();
    let put: Vec<_> = links.iter().filter(|link| !before.contains(link)).cloned().collect();
    // Requests are led to another before they are led to the one no more, so that they are led somewhere all the time.
    let has_another = |link: &LatticeLink| put.iter().any(|other| is_led_elsewhere(state, link, other));
    let (led_elsewhere, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(has_another);
    let out = |gone: &[LatticeLink]| gone.iter().flat_map(|link| unlinked(state, link, &links)).collect::<Vec<_>>();
    let (out_before, out_after) = (out(&gone), out(&led_elsewhere));
    if !links.is_empty() {
        state.links.insert(source.to_owned(), links);
    }
    let briefed = providers::briefed(state, replaced.iter().chain(&put));
    let put = put.iter().flat_map(|link| linked(state, link));
    out_before.into_iter().chain(put).chain(out_after).chain(briefed).collect()
}

/// Whether what a link led here is led elsewhere by the other, which has its name.
fn is_led_elsewhere(state: &State, link: &LatticeLink, other: &LatticeLink) -> bool {
    link.is_beside(other) && route_id(state, link).is_some() && route_id(state, other).is_some()
}

/// What takes those of these links out that a source had elsewhere, and has not here.
pub(super) fn left_behind(state: &State, source: &str, had: &[LatticeLink]) -> Vec<Step> {
    let has = state.links.get(source).map(Vec::as_slice).unwrap_or_default();
    gone(state, had, has).iter().flat_map(|link| unlinked(state, link, has)).collect()
}

/// What of those links is left when these are put.
fn gone(state: &State, before: &[LatticeLink], links: &[LatticeLink]) -> Vec<LatticeLink> {
    let id = |link: &LatticeLink| route_id(state, link);
    let left = |link: &LatticeLink| match id(link) {
        Some(led) => links.iter().all(|other| id(other).as_ref() != Some(&led)).then(|| link.clone()),
        None => left_of(link, links),
    };
    before.iter().filter_map(left).collect()
}

/// What takes a link out that is not among these of its source any more.
fn unlinked(state: &State, link: &LatticeLink, now: &[LatticeLink]) -> Vec<Step> {
    if let Some(id) = route_id(state, link) {
        return vec![Step::Do(Deed::Unroute(id)).at_leisure()];
    }
    let beside = now.iter().filter(|other| other.is_beside(link));
    let successors: Vec<Target> = beside.filter_map(|other| other.target.parse().ok()).collect();
    let puts = mapped(state, link).unwrap_or_default();
    puts.into_iter().map(|put| Step::Do(deleted(put, &successors)).at_leisure()).collect()
}

/// What deletes a link again, which one to these may have taken the place of.
fn deleted(LinkPut { source, name, contract, .. }: LinkPut, successors: &[Target]) -> Deed {
    Deed::Delete { link: LinkDel { source, name, contract }, successors: successors.to_vec() }
}

/// What a link of the lattice is among the links of this host: nothing where its source does not run here.
///
/// A target is a component, here or on another host, or one of this host's backends: `keyvalue/redis`, which is told the
/// settings that `target_config` names. What leads to the http-client that this host has in itself goes out of it anyway.
pub(super) fn mapped(state: &State, link: &LatticeLink) -> Result<Vec<LinkPut>, String> {
    let running = |id: &str| state.components.keys().find(|name| name.as_str() == id);
    let Some(source) = running(&link.source_id) else { return Ok(Vec::new()) };
    if is_client(state, &link.target) {
        return Ok(Vec::new());
    }
    let told = of_names(state, &link.target_config);
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
        Ok(Target::Component(target)) if link.is_whole => {
            Ok(vec![put(Target::Component(target), Labels::new(), None)?])
        }
        Ok(Target::Component(target)) => {
            let of = |interface| put(Target::Component(target.clone()), Labels::new(), Some(interface));
            link.interfaces.iter().map(of).collect()
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Whether that is the http-client that this host has in itself.
fn is_client(state: &State, target: &str) -> bool {
    let runs = state.providers.iter().find(|(name, _)| name.as_str() == target);
    runs.is_some_and(|(_, runs)| runs.builtin() == Some(Builtin::HttpClient))
}

/// Whether a link leads to what does not run on this host.
pub(super) fn leads_away(state: &State, link: &LatticeLink) -> bool {
    let is_here = |target: &ComponentName| state.components.contains_key(target);
    matches!(link.target.parse(), Ok(Target::Component(target)) if !is_here(&target))
}
