//! Where a host listens: sockets for HTTP, and one for clients of its bus.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bus::{Broker, Loopback, LoopbackConfig};
use http_capability::{Door, Tls};
use route::Route;

use super::{BusConfig, HostError, ListenerConfig};
use crate::holder::holder_of;
use crate::load::Source;

/// Opens the bus inside this process to others.
pub(super) fn open_bus(broker: Broker, config: Option<BusConfig>) -> Result<Option<Loopback>, HostError> {
    let Some(BusConfig { address, may_be_missing, token }) = config else { return Ok(None) };
    let listener = match listen(address) {
        Ok(listener) => listener,
        Err(error @ HostError::AddressInUse { .. }) if may_be_missing => {
            tracing::warn!("this host has no bus: {error} (--bus ADDR gives it one elsewhere)");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let loopback = Loopback::start(listener, broker, LoopbackConfig { token, ..LoopbackConfig::default() });
    loopback.map(Some).map_err(|source| HostError::Listen { address, source })
}

fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => HostError::AddressInUse { address, holder: holder_of(address) },
        _ => HostError::Listen { address, source },
    })
}

/// A socket for clients.
pub(super) fn door(ListenerConfig { name, address, tls }: &ListenerConfig) -> Result<Door, HostError> {
    let listener = listen(*address)?;
    let tls = tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    Ok(Door { name: name.as_deref().map(Arc::from), listener, tls })
}

/// What is routed at a listener that is not there would never be asked.
pub(super) fn check_listeners(sources: &[Source], listeners: &[ListenerConfig]) -> Result<(), HostError> {
    let named = |route: &Route| listeners.iter().any(|listener| listener.name.as_deref() == route.listener());
    let missing = sources
        .iter()
        .filter_map(|source| source.route.as_ref())
        .find(|route| route.listener().is_some() && !named(route));
    match missing {
        None => Ok(()),
        Some(route) => Err(HostError::NoListener {
            route: route.clone(),
            known: listeners.iter().filter_map(|listener| listener.name.clone()).collect(),
        }),
    }
}
