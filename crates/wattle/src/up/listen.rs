//! These are the flags that say where a host listens.

use std::net::SocketAddr;
use std::str::FromStr;

use host::{ListenerConfig, Listening};
use http_capability::TlsFiles;
use route::Route;

/// A listener, with or without a name.
#[derive(Debug, Clone)]
pub(crate) struct ListenerFlag {
    pub(super) name: Option<String>,
    pub(super) address: ListenAddress,
}

/// The text is no listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAListener {
    #[error("{0:?} is no name of a listener, which has letters, digits and `-` only")]
    Name(String),
    #[error(transparent)]
    Address(#[from] std::net::AddrParseError),
    #[error("only a listener without a name can be off; leave {0} out")]
    Off(String),
}

/// Where something listens, if it does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ListenAddress {
    At(SocketAddr),
    Off,
}

/// Whether a host is one of several, as far as its command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// It serves by itself: who asks it asks at the address that is usual.
    Alone,
    /// Others of its lattice may be on the same machine.
    OfMany,
}

/// All listeners. One without a name is there unless somebody said `off`; where nobody said where, that of a host in company gives way
/// to whoever has the usual address.
pub(super) fn listeners(
    http: Vec<ListenerFlag>,
    (https, tls): (Vec<ListenerFlag>, Option<TlsFiles>),
    company: Company,
) -> Vec<ListenerConfig> {
    let may_be_elsewhere = company == Company::OfMany;
    let usual = ListenerConfig { name: None, address: ([127, 0, 0, 1], 8000).into(), may_be_elsewhere, tls: None };
    let usual = Some(usual).filter(|_| http.iter().all(|flag| flag.name.is_some()));
    let plain = http.into_iter().map(|flag| (flag, None));
    let encrypted = https.into_iter().map(|flag| (flag, tls.clone()));
    let told = plain.chain(encrypted).filter_map(|(ListenerFlag { name, address }, tls)| {
        address.address().map(|address| ListenerConfig { name, address, may_be_elsewhere: false, tls })
    });
    usual.into_iter().chain(told).collect()
}

/// Where a route is answered: on its own host, at the port of the first of its listeners.
pub(super) fn url_of(listening: &[Listening], route: &Route) -> Option<String> {
    let listening = listening.iter().find(|listening| listening.name.as_deref() == route.listener())?;
    let Listening { scheme, address, .. } = listening;
    let host = route.host().map_or_else(|| address.to_string(), |host| format!("{host}:{}", address.port()));
    Some(format!("{scheme}://{host}{}", route.path()))
}

// === impl ListenerFlag ===

impl FromStr for ListenerFlag {
    type Err = NotAListener;

    fn from_str(text: &str) -> Result<Self, NotAListener> {
        let Some((name, address)) = text.split_once('=') else {
            return Ok(Self { name: None, address: text.parse()? });
        };
        if !route::is_listener(name) {
            return Err(NotAListener::Name(name.into()));
        }
        match address.parse()? {
            ListenAddress::Off => Err(NotAListener::Off(name.into())),
            address => Ok(Self { name: Some(name.into()), address }),
        }
    }
}

// === impl ListenAddress ===

impl ListenAddress {
    pub(super) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(address),
            Self::Off => None,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_listener_of_a_host_in_company_gives_way() {
        let shown = |http: &[&str], company| {
            let http = http.iter().map(|flag| flag.parse().expect("a listener")).collect();
            let listeners = listeners(http, (Vec::new(), None), company).into_iter();
            listeners.map(|it| format!("{} {}", it.address, it.may_be_elsewhere)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[], Company::Alone), ["127.0.0.1:8000 false"]);
        assert_eq!(shown(&[], Company::OfMany), ["127.0.0.1:8000 true"]);
        assert_eq!(shown(&["admin=[::1]:9000"], Company::OfMany), ["127.0.0.1:8000 true", "[::1]:9000 false"]);
        assert_eq!(shown(&["127.0.0.1:8000"], Company::OfMany), ["127.0.0.1:8000 false"], "where it was said to be");
        assert_eq!(shown(&["off"], Company::OfMany), Vec::<String>::new());
    }

    fn told(http: &[&str]) -> Vec<String> {
        let flags = http.iter().map(|text| text.parse().expect("a listener")).collect();
        let shown = |listener: ListenerConfig| match listener.name {
            Some(name) => format!("{name}={}", listener.address),
            None => listener.address.to_string(),
        };
        listeners(flags, (Vec::new(), None), Company::Alone).into_iter().map(shown).collect()
    }

    #[test]
    fn one_without_a_name_is_there_unless_another_or_none_was_said() {
        assert_eq!(told(&[]), ["127.0.0.1:8000"]);
        assert_eq!(told(&["admin=127.0.0.1:9000"]), ["127.0.0.1:8000", "admin=127.0.0.1:9000"]);
        assert_eq!(told(&["[::1]:80"]), ["[::1]:80"]);
        assert_eq!(told(&["off", "admin=127.0.0.1:9000"]), ["admin=127.0.0.1:9000"]);
        assert!(told(&["off"]).is_empty());
    }
}
