//! Links from whoever listens for HTTP to components that answer: what leads requests on this host.
//!
//! Providers of wasmCloud that listen are told of such links. Here the hosts listen themselves: a link from [`HOSTS`] is for the
//! listeners of each of them.

use model::lattice::LatticeLink;
use model::{RouteId, RoutePut, Target};

use super::settings::of_names;
use crate::state::State;

/// The source of links from the hosts themselves.
const HOSTS: &str = "http";

/// The requests that a link leads on this host; none where it leads none, or others listen.
pub(super) fn route(state: &State, link: &LatticeLink) -> Option<RoutePut> {
    let is_for_requests = (link.wit_namespace.as_str(), link.wit_package.as_str()) == ("wasi", "http")
        && link.interfaces.iter().any(|interface| matches!(interface.as_str(), "incoming-handler" | "handler"));
    if !is_for_requests || !listens(state, &link.source_id) {
        return None;
    }
    let Ok(Target::Component(target)) = link.target.parse() else { return None };
    let id = RouteId { source: link.source_id.clone(), name: link.name.clone(), target };
    // Who listens is the source; settings of the target are what `wattle link put --config` names.
    let names: Vec<_> = link.source_config.iter().chain(&link.target_config).cloned().collect();
    Some(RoutePut { id, config: of_names(state, &names) })
}

/// Whether this host listens by that name.
fn listens(state: &State, source: &str) -> bool {
    source == HOSTS && !state.components.keys().any(|name| name.as_str() == source)
}
