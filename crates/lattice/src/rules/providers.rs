//! Commands about providers, and what they are to know.

use model::fact::{Checked, Fact, SignedProvider};
use model::lattice::{LatticeLink, ProviderAuctionRequest, StartProvider};
use model::{Briefing, ComponentName, LinkDefinition};
use trust::ClaimsView;

use super::builtin::Builtin;
use super::claims::said_of_provider;
use super::course::{Aim, Course, Step};
use super::links;
use super::settings::{awaits_its_own, check_names, check_plain, of_names};
use crate::hands::Deed;
use crate::state::{Provides, State};

/// Whether a host bids for a provider.
pub(crate) fn bids_for_provider(state: &State, request: &ProviderAuctionRequest) -> bool {
    let carries = |(name, value): (&String, &String)| state.labels.get(name) == Some(value);
    let is_there = || state.providers.keys().any(|name| name.as_str() == request.provider_id);
    request.constraints.iter().all(carries) && !is_there() && Builtin::of(&request.provider_ref).is_ok()
}

/// What is answered to a command to start a provider, at once.
pub(crate) fn start_words(state: &State, id: &ComponentName, command: &StartProvider) -> Result<&'static str, String> {
    Builtin::of(&command.provider_ref)?;
    match state.providers.contains_key(id) {
        true => Err("provider with that ID is already running".into()),
        false => Ok("successfully started provider"),
    }
}

/// What is answered to a command to stop a provider, at once.
pub(crate) fn stop_words(state: &State, id: &ComponentName) -> Result<&'static str, String> {
    match state.providers.contains_key(id) {
        true => Ok("successfully stopped provider"),
        false => Err("provider with that ID is not running".into()),
    }
}

/// What is done to start a provider. It is told at its start what is known then, and afterwards what was learned meanwhile.
pub(super) fn start(
    state: &State,
    (host, id): (&str, &ComponentName),
    command: &StartProvider,
) -> (Aim, Result<Course, String>) {
    let StartProvider { provider_ref, config, annotations, .. } = command.clone();
    let aim = Aim::Provider { host: host.to_owned(), id: id.clone(), image_ref: provider_ref.clone() };
    let runs = Provides { image_ref: provider_ref, annotations, config, claims: None };
    match may_start(state, id, &runs) {
        Ok(None) => {}
        Ok(Some(builtin)) => {
            let steps = start_builtin(state, (host, id), (runs, builtin));
            return (aim, Ok(Course { steps, undo: Vec::new() }));
        }
        Err(why) => return (aim, Err(why)),
    }
    let briefing = briefing_of(state, id, &runs);
    let steps = vec![
        Step::Do(Deed::StartProvider { id: id.clone(), image_ref: runs.image_ref.clone(), briefing }),
        Step::Provide(id.clone(), Some(runs.clone())),
        Step::Brief(id.clone()),
        Step::Keep { id: id.clone(), url: runs.image_ref },
        Step::Vouch(id.clone()),
        Step::SayProvides(id.clone()),
    ];
    (aim, Ok(Course { steps, undo: Vec::new() }))
}

/// What is done to start one that the host has in itself: what its links say is done from then on. It is said to be well, since
/// managers of others wait for that before they link it.
fn start_builtin(state: &State, (host, id): (&str, &ComponentName), (runs, builtin): (Provides, Builtin)) -> Vec<Step> {
    let url = runs.image_ref.clone();
    let provide = Step::Provide(id.clone(), Some(runs));
    let mut steps = match builtin {
        Builtin::HttpServer => vec![provide, Step::Listen(id.clone())],
        // What led to the lattice leads out of the host from now on.
        Builtin::HttpClient => links::unlinked_from(state, id).into_iter().chain([provide]).collect(),
    };
    let well = Fact::HealthCheckPassed(Checked { host_id: host.to_owned(), provider_id: id.to_string() });
    steps.extend([Step::Keep { id: id.clone(), url }, Step::SayProvides(id.clone()), Step::Say(well)]);
    steps
}

/// The fact that a provider runs on the host of that key; none where it does not.
pub(crate) fn started(state: &State, host: &str, id: &ComponentName) -> Option<Fact> {
    let runs = state.providers.get(id)?;
    let signed = |claims: &ClaimsView| SignedProvider {
        claims: said_of_provider(claims),
        instance_id: id.to_string(),
        public_key: id.to_string(),
        link_name: "default".into(),
    };
    Some(Fact::ProviderStarted {
        host_id: host.to_owned(),
        provider_id: id.to_string(),
        image_ref: runs.place(),
        annotations: runs.annotations.clone(),
        signed: runs.claims.as_deref().map(signed),
    })
}

/// Whether it is one that the host has in itself; or why it cannot start.
fn may_start(state: &State, id: &ComponentName, runs: &Provides) -> Result<Option<Builtin>, String> {
    if state.providers.contains_key(id) {
        return Err("provider with that ID is already running".into());
    }
    if state.components.contains_key(id) {
        return Err(format!("a component that is called {id} runs here: calls would reach either of them"));
    }
    check_plain(&runs.config, "provider")?;
    check_names(state, &runs.config)?;
    let builtin = Builtin::of(&runs.image_ref)?;
    builtin.map_or(Ok(()), |builtin| builtin.check(&of_names(state, &runs.config)))?;
    Ok(builtin)
}

/// What is done to stop a provider.
pub(super) fn stop(state: &State, (host, id): (&str, &ComponentName)) -> (Aim, Result<Course, String>) {
    let runs = state.providers.get(id).cloned();
    let aim =
        Aim::Provider { host: host.to_owned(), id: id.clone(), image_ref: runs.clone().unwrap_or_default().image_ref };
    // What has ended meanwhile is said to have already.
    let Some(runs) = runs else { return (aim, Ok(Course::default())) };
    let builtin = runs.builtin();
    let stopped = Fact::ProviderStopped {
        host_id: host.to_owned(),
        provider_id: id.to_string(),
        instance_id: id.to_string(),
        public_key: id.to_string(),
        link_name: "default".into(),
        annotations: runs.annotations,
        reason: "stop".into(),
    };
    let end = Step::Provide(id.clone(), None);
    let mut steps = match builtin {
        None => vec![Step::Do(Deed::StopProvider { id: id.clone() }), end],
        Some(Builtin::HttpServer) => links::unlistening(state, id).into_iter().chain([end]).collect(),
        // Another host may run it.
        Some(Builtin::HttpClient) => vec![end, Step::Link(id.clone())],
    };
    steps.push(Step::Say(stopped));
    (aim, Ok(Course { steps, undo: Vec::new() }))
}

/// What a provider that runs here is to know; nothing of one that does not.
pub(crate) fn briefing(state: &State, id: &ComponentName) -> Option<Briefing> {
    state.providers.get(id).map(|runs| briefing_of(state, id, runs))
}

fn briefing_of(state: &State, id: &ComponentName, runs: &Provides) -> Briefing {
    let is_known = |link: &&LatticeLink| is_of(link, id) && !awaits_its_own(state, link);
    let links = state.links.values().flatten().filter(is_known);
    let definition = |link: &LatticeLink| {
        let (source, target) = (of_names(state, &link.source_config), of_names(state, &link.target_config));
        LinkDefinition::new(link, source, target)
    };
    Briefing { links: links.map(definition).collect(), config: of_names(state, &runs.config) }
}

/// Tells those providers what they are to know that have one of these links.
pub(super) fn briefed<'a>(state: &State, links: impl Iterator<Item = &'a LatticeLink> + Clone) -> Vec<Step> {
    let has = |id: &&ComponentName| links.clone().any(|link| is_of(link, id));
    let processes = state.providers.iter().filter(|(_, runs)| runs.builtin().is_none()).map(|(id, _)| id);
    processes.filter(has).cloned().map(Step::Brief).map(Step::at_leisure).collect()
}

/// Tells those providers what they are to know that have the settings of this name, themselves or by a link.
pub(super) fn briefed_of_settings(state: &State, name: &str) -> Vec<Step> {
    let names = |names: &[String]| names.iter().any(|known| known == name);
    let links = state.links.values().flatten();
    let by_link = links.filter(|link| names(&link.source_config) || names(&link.target_config));
    let told = state.providers.iter().filter_map(|(id, runs)| match runs.builtin() {
        // What its links say is looked after with them.
        Some(_) => names(&runs.config).then(|| Step::Listen(id.clone())),
        None => (names(&runs.config) || by_link.clone().any(|link| is_of(link, id))).then(|| Step::Brief(id.clone())),
    });
    told.map(Step::at_leisure).collect()
}

fn is_of(link: &LatticeLink, id: &ComponentName) -> bool {
    link.source_id == id.as_str() || link.target == id.as_str()
}
