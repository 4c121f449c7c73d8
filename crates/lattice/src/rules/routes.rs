//! Links from whoever listens for HTTP to components that answer: what leads requests on this host.
//!
//! Providers of wasmCloud that listen are told of such links. Here the hosts listen themselves: by a link from [`HOSTS`], which is for
//! the listeners of each of them, and by one from a provider that a host has in itself, which is for the hosts that run it.

use model::lattice::LatticeLink;
use model::{RouteId, RoutePut, Target};

use super::builtin::{self, Builtin};
use super::settings::of_names;
use crate::state::{Provides, State};

/// The source of links from the hosts themselves.
pub(crate) const HOSTS: &str = "http";

/// Which requests a link leads on this host; none where it leads none, or others listen.
pub(super) fn route_id(state: &State, link: &LatticeLink) -> Option<RouteId> {
    let is_for_requests = (link.wit_namespace.as_str(), link.wit_package.as_str()) == ("wasi", "http")
        && link.interfaces.iter().any(|interface| matches!(interface.as_str(), "incoming-handler" | "handler"));
    if !is_for_requests || !listens(state, &link.source_id) {
        return None;
    }
    let Ok(Target::Component(target)) = link.target.parse() else { return None };
    Some(RouteId { source: link.source_id.clone(), name: link.name.clone(), target })
}

/// The requests that a link leads on this host, or why it cannot; none where it leads none.
pub(super) fn route(state: &State, link: &LatticeLink) -> Option<Result<RoutePut, String>> {
    let id = route_id(state, link)?;
    // Who listens is the source; settings of the target are what `wattle link put --config` names.
    let names: Vec<_> = link.source_config.iter().chain(&link.target_config).cloned().collect();
    let told = of_names(state, &names);
    let config = match server(state, &link.source_id) {
        Some(server) => builtin::place(&of_names(state, &server.config), told),
        None => Ok(told),
    };
    Some(config.map(|config| RoutePut { id, config }))
}

/// Whether this host listens by that name.
pub(super) fn listens(state: &State, source: &str) -> bool {
    let is_component = || state.components.keys().any(|name| name.as_str() == source);
    server(state, source).is_some() || (source == HOSTS && !is_component())
}

/// The provider of that name, where it is one by which this host listens.
fn server<'a>(state: &'a State, source: &str) -> Option<&'a Provides> {
    let runs = state.providers.iter().find(|(name, _)| name.as_str() == source)?.1;
    (runs.builtin() == Some(Builtin::HttpServer)).then_some(runs)
}
