//! Claims of what runs here: as the lattice keeps them, and as they are said.

use std::collections::BTreeMap;

use model::fact::SaidClaims;
use model::{CLAIMS, ComponentName, KeptClaims};
use trust::ClaimsView;

use super::read;
use crate::state::State;

/// The claims that are kept under a key; none where they are about somebody else.
pub(crate) fn kept_claims(key: &str, value: &[u8]) -> Option<KeptClaims> {
    let subject = key.strip_prefix(CLAIMS)?;
    read(key, value).filter(|claims: &KeptClaims| claims.subject == subject)
}

/// From now on these are the claims of a subject, or there are none.
pub(super) fn learn(state: &mut State, subject: &str, claims: Option<KeptClaims>) {
    match claims {
        Some(claims) => drop(state.claims.insert(subject.to_owned(), claims)),
        None => drop(state.claims.remove(subject)),
    }
}

/// All claims that are known: those that are kept, and those of what runs here, which may not be kept yet.
pub(crate) fn known_claims(state: &State) -> BTreeMap<String, KeptClaims> {
    let mut known = state.claims.clone();
    known.extend(own_claims(state).map(|claims| (claims.subject.clone(), claims)));
    known
}

/// Those of what runs here.
pub(crate) fn own_claims(state: &State) -> impl Iterator<Item = KeptClaims> {
    let components = state.components.values().filter_map(|runs| runs.claims.as_deref()).map(of_component);
    let providers = state.providers.values().filter_map(|runs| runs.claims.as_deref()).map(of_provider);
    components.chain(providers)
}

/// Those of the component or provider of that name, where it runs here and is signed.
pub(crate) fn claims_of(state: &State, id: &ComponentName) -> Vec<KeptClaims> {
    let component = state.components.get(id).and_then(|runs| runs.claims.as_deref()).map(of_component);
    let provider = state.providers.get(id).and_then(|runs| runs.claims.as_deref()).map(of_provider);
    component.into_iter().chain(provider).collect()
}

/// The claims of a component as they are kept.
fn of_component(claims: &ClaimsView) -> KeptClaims {
    KeptClaims {
        call_alias: Some(claims.call_alias.clone().unwrap_or_default()),
        tags: Some(claims.tags.clone()),
        config_schema: None,
        ..of_provider(claims)
    }
}

/// The claims of a provider as they are kept.
fn of_provider(claims: &ClaimsView) -> KeptClaims {
    KeptClaims {
        call_alias: None,
        issuer: claims.issuer.clone(),
        name: claims.name.clone().unwrap_or_default(),
        revision: revision(claims).to_string(),
        subject: claims.subject.clone(),
        tags: None,
        version: claims.version.clone().unwrap_or_default(),
        config_schema: claims.config_schema.clone(),
    }
}

/// What is said of a component that has these claims.
pub(crate) fn said_of_component(claims: &ClaimsView) -> SaidClaims {
    SaidClaims {
        call_alias: claims.call_alias.clone(),
        tags: Some(claims.tags.clone()),
        revision: Some(revision(claims)),
        ..said_of_provider(claims)
    }
}

/// What is said of a provider that has these claims.
pub(crate) fn said_of_provider(claims: &ClaimsView) -> SaidClaims {
    let human = |time: Option<u64>| time.map_or_else(|| "never".to_owned(), |seconds| seconds.to_string());
    SaidClaims {
        call_alias: None,
        issuer: claims.issuer.clone(),
        tags: None,
        name: claims.name.clone().unwrap_or_default(),
        version: claims.version.clone().unwrap_or_default(),
        revision: None,
        not_before_human: human(claims.not_before),
        expires_human: human(claims.expires),
    }
}

/// The revision as it travels. One that is no number of that width is none.
pub(crate) fn revision(claims: &ClaimsView) -> i32 {
    claims.revision.and_then(|revision| revision.try_into().ok()).unwrap_or(0)
}
