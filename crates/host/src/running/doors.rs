//! Where a host listens: sockets for HTTP, and one for clients of its bus.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bus::{Broker, Login, Loopback, LoopbackConfig, Pass};
use http_capability::{Door, OpenDoor, Plane, Tls};
use route::Route;

use super::{BusConfig, HostError, ListenerConfig};
use crate::holder::holder_of;
use crate::load::Source;
use crate::providers::ProviderLogin;

/// A socket for clients of the bus that nobody answers yet.
pub(super) struct BusDoor {
    listener: TcpListener,
    address: SocketAddr,
    passes: Vec<Pass>,
    for_providers: ProviderLogin,
}

/// Takes the address at which the bus inside this process is reached.
pub(super) fn bus_door(config: Option<BusConfig>) -> Result<Option<BusDoor>, HostError> {
    let Some(BusConfig { address, may_be_missing, token, passes: others }) = config else { return Ok(None) };
    let listener = match listen(address) {
        Ok(listener) => listener,
        Err(error @ HostError::AddressInUse { .. }) if may_be_missing => {
            tracing::warn!("this host has no bus: {error} (--bus ADDR gives it one elsewhere)");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let address = listener.local_addr().map_err(|source| HostError::Listen { address, source })?;
    let login = token.clone().map_or(Login::Anyone, Login::Token);
    let mut passes: Vec<_> = token.map(Pass::Token).into_iter().chain(others).collect();
    let mut own = None;
    // Stock providers can show credentials and nothing else: where anything is asked for, they are a user with a key of their own.
    if !passes.is_empty() {
        let (providers, user) = provider::Login::new().map_err(HostError::NoKey)?;
        passes.push(Pass::Nkey(user));
        own = Some(providers);
    }
    Ok(Some(BusDoor { listener, address, passes, for_providers: ProviderLogin { login, own } }))
}

/// Opens sockets for clients of HTTP.
pub(super) fn open_doors(plane: &Plane, doors: Vec<Door>) -> Result<Vec<OpenDoor>, HostError> {
    let entrance = plane.entrance();
    doors.into_iter().map(|door| entrance.open(door)).collect::<Result<_, _>>().map_err(HostError::Threads)
}

/// Where these are.
pub(super) fn addresses(doors: &[Door]) -> Result<Vec<SocketAddr>, HostError> {
    doors.iter().map(|door| door.listener.local_addr()).collect::<Result<_, _>>().map_err(HostError::Threads)
}

fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => HostError::AddressInUse { address, holder: holder_of(address) },
        _ => HostError::Listen { address, source },
    })
}

/// A socket for clients.
pub(super) fn door(config: &ListenerConfig) -> Result<Door, HostError> {
    let ListenerConfig { name, address, may_be_elsewhere, tls } = config;
    let listener = match listen(*address) {
        Err(error @ HostError::AddressInUse { .. }) if *may_be_elsewhere => {
            let listener = listen((address.ip(), 0).into())?;
            let port = listener.local_addr().map_or(0, |address| address.port());
            tracing::warn!("this host listens for HTTP on port {port}: {error} (--http ADDR says where)");
            listener
        }
        outcome => outcome?,
    };
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

// === impl BusDoor ===

impl BusDoor {
    /// Where clients of the bus connect.
    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// How the providers of this host log in there.
    pub(super) fn for_providers(&self) -> ProviderLogin {
        self.for_providers.clone()
    }

    /// Opens the bus inside this process to others.
    pub(super) fn open(self, broker: Broker) -> Result<Loopback, HostError> {
        let Self { listener, address, passes, .. } = self;
        let loopback = Loopback::start(listener, broker, LoopbackConfig { passes, ..LoopbackConfig::default() });
        loopback.map_err(|source| HostError::Listen { address, source })
    }
}
