//! Decides where the requests of a component come in, by the settings of a link from whoever listens for HTTP to it.
//!
//! | setting | says | without it |
//! | --- | --- | --- |
//! | `path` | which paths: `/shop`, `/shop$`, `/users/*/orders` | all |
//! | `host` | which host: `example.com`, `*.example.com` | all |
//! | `listener` | which listener of the hosts, by its name | those without a name |
//! | `address` | which listener, by its address, which is opened where nobody listens | those without a name |
//!
//! # Invariants
//!
//! 1. Nothing here listens or publishes: it is known what is wrong with a link before anything is done for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use model::ComponentName;
use route::{Route, RouteError};
use stdx::{Code, Explain};

/// A place where requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) route: Route,
    /// Where nobody listens yet.
    pub(crate) opened: Option<SocketAddr>,
}

/// A listener: its name, and where it is.
pub(crate) type Listener = (Option<String>, SocketAddr);

/// Why a component is not routed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoutingError {
    /// A setting that nobody knows.
    #[error("a route has no setting {0:?}; it has address, host, listener and path")]
    Setting(String),
    /// An address that is none.
    #[error("{0:?} is no address; one is written as 127.0.0.1:8080")]
    Address(String),
    /// Two ways to say where.
    #[error("a route is at a listener or at an address; leave one of them out")]
    Both,
    /// There is no listener of that name.
    #[error("no listener of this host is called {name}; {}; --http {name}=ADDR gives it one", there_are(.known))]
    NoListener {
        /// Which.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It is no route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Somebody else is there.
    #[error(
        "{route} is taken: {holder} is routed there; say another path, host or listener, or delete that route first"
    )]
    Taken {
        /// The route.
        route: Route,
        /// Who is there.
        holder: ComponentName,
    },
    /// The component does not answer requests.
    #[error("{0} exports no HTTP handler")]
    NoHandler(ComponentName),
    /// The component can be asked by nobody.
    #[error("{0} is no name that a component can be asked by")]
    Name(ComponentName),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        why: String,
    },
}

/// Where that is, given where this host listens.
pub(crate) fn place(told: &BTreeMap<String, String>, listeners: &[Listener]) -> Result<Place, RoutingError> {
    let (mut path, mut host, mut listener, mut address) = (None, None, None, None);
    for (name, value) in told {
        let place = match name.to_ascii_lowercase().as_str() {
            "path" => &mut path,
            "host" => &mut host,
            "listener" => &mut listener,
            "address" => &mut address,
            _ => return Err(RoutingError::Setting(name.clone())),
        };
        *place = Some(value.as_str());
    }
    let (listener, opened) = match (listener, address) {
        (Some(_), Some(_)) => return Err(RoutingError::Both),
        (Some(name), None) => (Some(named(name, listeners)?), None),
        (None, Some(address)) => at(address, listeners)?,
        (None, None) => (None, None),
    };
    let listener = listener.map(|name| format!("{name}@")).unwrap_or_default();
    let (host, path) = (without_port(host.unwrap_or_default()), path.unwrap_or("/"));
    Ok(Place { route: format!("{listener}{host}{path}").parse()?, opened })
}

fn there_are(known: &[String]) -> String {
    if known.is_empty() { "none has a name".to_owned() } else { format!("there is {}", known.join(", ")) }
}

fn named(name: &str, listeners: &[Listener]) -> Result<String, RoutingError> {
    let known = || listeners.iter().filter_map(|(name, _)| name.clone());
    match known().find(|known| known == name) {
        Some(name) => Ok(name),
        None => Err(RoutingError::NoListener { name: name.to_owned(), known: known().collect() }),
    }
}

/// The name of the listener at an address, and the address where there is none yet.
fn at(address: &str, listeners: &[Listener]) -> Result<(Option<String>, Option<SocketAddr>), RoutingError> {
    let wanted: SocketAddr = address.trim().parse().map_err(|_bad| RoutingError::Address(address.to_owned()))?;
    if wanted.port() == 0 {
        return Err(RoutingError::Address(address.to_owned()));
    }
    let is_there = |there: &SocketAddr| {
        there.port() == wanted.port() && (there.ip() == wanted.ip() || there.ip().is_unspecified())
    };
    match listeners.iter().find(|(_, there)| is_there(there)) {
        Some((name, _)) => Ok((name.clone(), None)),
        None => Ok((Some(door(wanted)), Some(wanted))),
    }
}

/// What a listener is called that was opened for an address.
pub(crate) fn door(address: SocketAddr) -> String {
    let text = address.to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    text.trim_matches('-').to_owned()
}

/// A route is for a host on every port.
fn without_port(host: &str) -> &str {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host)
}

impl Explain for RoutingError {
    fn code(&self) -> Code {
        match self {
            Self::Listen { .. } => Code::E0301,
            Self::Setting(_) | Self::Address(_) | Self::Both => Code::E0601,
            Self::NoListener { .. } | Self::Taken { .. } => Code::E0302,
            Self::NoHandler(_) | Self::Name(_) => Code::E0602,
            Self::Route(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(told: &[(&str, &str)]) -> String {
        let listeners = [
            (None, "127.0.0.1:8000".parse().expect("an address")),
            (Some("admin".to_owned()), "0.0.0.0:9000".parse().expect("an address")),
        ];
        let told = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match place(&told, &listeners) {
            Ok(Place { route, opened: None }) => route.to_string(),
            Ok(Place { route, opened: Some(address) }) => format!("{route} on {address}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn settings_make_a_route() {
        assert_eq!(said(&[]), "/");
        assert_eq!(said(&[("path", "/shop$"), ("Host", "Example.com:8000")]), "example.com/shop$");
        assert_eq!(said(&[("listener", "admin"), ("path", "/x")]), "admin@/x");
        assert_eq!(said(&[("address", "127.0.0.1:8000")]), "/");
        assert_eq!(said(&[("address", "10.0.0.1:9000")]), "admin@/");
        assert_eq!(said(&[("address", "0.0.0.0:8080")]), "0-0-0-0-8080@/ on 0.0.0.0:8080");
        assert_eq!(said(&[("address", "[::1]:8080")]), "1--8080@/ on [::1]:8080");
    }

    #[test]
    fn what_makes_no_route_says_why() {
        assert_eq!(said(&[("cors", "x")]), r#"a route has no setting "cors"; it has address, host, listener and path"#);
        assert_eq!(said(&[("address", "8080")]), r#""8080" is no address; one is written as 127.0.0.1:8080"#);
        assert_eq!(
            said(&[("listener", "web")]),
            "no listener of this host is called web; there is admin; --http web=ADDR gives it one"
        );
        assert!(said(&[("path", "shop")]).contains("is no route"), "{}", said(&[("path", "shop")]));
    }
}
