//! What a host has to do since it has learned what is under a key of what the lattice keeps.

use model::CLAIMS;
use model::lattice::{ComponentSpec, Labels};

use super::course::Step;
use super::{claims, links, settings};
use crate::merge::Holdings;
use crate::state::State;

/// What the keys of components begin with.
pub(crate) const COMPONENT: &str = "COMPONENT_";

/// What is kept: each in a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Settings,
    Components,
}

/// Learns what is under a key, or that there is nothing, and gives what follows. What cannot be read changes nothing.
pub(crate) fn learned(state: &mut State, kind: Kind, key: &str, value: Option<&[u8]>) -> Vec<Step> {
    match kind {
        Kind::Settings => match value.map(|value| read::<Labels>(key, value)) {
            Some(None) => Vec::new(),
            Some(Some(known)) => settings::learn(state, key, Some(known)),
            None => settings::learn(state, key, None),
        },
        Kind::Components => {
            if let Some(subject) = key.strip_prefix(CLAIMS) {
                // What cannot be read is in nobody's name.
                claims::learn(state, subject, value.and_then(|value| claims::kept_claims(key, value)));
                return Vec::new();
            }
            let Some(id) = key.strip_prefix(COMPONENT) else { return Vec::new() };
            let spec = value.map_or_else(|| Some(ComponentSpec::default()), |value| read(key, value));
            spec.map_or_else(Vec::new, |spec| links::learn(state, id, links::links_of(id, spec)))
        }
    }
}

/// What follows when all of a kind was recalled at once, on a host that had this elsewhere: what runs has settings as they are known,
/// and no link that its source does not have here. That of a source nothing is known means nothing.
pub(crate) fn recalled<'a>(
    state: &State,
    kind: Kind,
    (had, keys): (&Holdings, impl Iterator<Item = &'a str>),
) -> Vec<Step> {
    match kind {
        Kind::Settings => settings::told_anew(state),
        Kind::Components => {
            let sources = keys.filter_map(|key| key.strip_prefix(COMPONENT));
            let had = sources.filter_map(|source| Some((source, &had.components.get(source)?.links)));
            had.flat_map(|(source, links)| links::left_behind(state, source, links)).collect()
        }
    }
}

/// What a value says; nothing, where it says nothing that can be read.
pub(crate) fn read<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(value);
    read.inspect_err(|error| tracing::warn!(%key, %error, "what the lattice keeps there cannot be read")).ok()
}
