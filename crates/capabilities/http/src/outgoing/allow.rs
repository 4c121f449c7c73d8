//! Decides which hosts a component may send requests to.
//!
//! A value is `[SCHEME://]HOST[:PORT]`. The host is a name, an address, `*.example.com` for all names below one, or `*` for all
//! that is public. Without a port it is the usual one of the scheme, 80 or 443; `:*` is any port. Without a scheme it is
//! both. So nothing on this machine is reached because its address was allowed for something else. The scheme `h2c` is `http` to
//! servers that speak HTTP/2 without having agreed on it: nobody else can say that they do.
//!
//! # Invariants
//!
//! 1. An address that is not public is reached only if that address itself is on the list, or `localhost` for this machine's.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::address::is_public;
use super::host::{BadHost, Host};
use super::target::{BadTarget, Scheme, Target, read_port, split};

/// What stands before the hosts that speak HTTP/2 without TLS.
const H2C: &str = "h2c";

/// What a component may send requests to. Empty at first: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Allow>);

/// One value of `--allow-http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    scheme: Option<Scheme>,
    /// Whether HTTP/2 is spoken there without TLS.
    is_h2c: bool,
    hosts: Hosts,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// All that is public.
    Public,
    /// All names that end with a dot and this one.
    Below(String),
    One(Host),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Usual,
    One(u16),
    Any,
}

/// The text is no value of `--allow-http`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} cannot be allowed: {why}; write HOST, HOST:PORT, *.example.com or *, with http:// or https:// before it if only \
     one is meant, or h2c:// for HTTP/2 without TLS"
)]
pub struct NotAllowable {
    text: String,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Target(#[from] BadTarget),
    #[error("a request's path does not decide")]
    Path,
    #[error("a '*' stands at the beginning, before a dot and a name")]
    Star,
}

// === impl AllowList ===

impl AllowList {
    /// Whether a request may go there, before it is known which addresses the name has.
    pub(super) fn allows(&self, target: &Target) -> bool {
        self.0.iter().any(|allow| allow.covers(target) && allow.hosts.contain(&target.host))
    }

    /// Whether a request that may go there may connect to that address.
    pub(super) fn allows_address(&self, target: &Target, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &target.host {
            Host::Address(named) => *named == address,
            host if host.is_localhost() => address.is_loopback(),
            Host::Name(_) => is_public(address) || self.names_address(target, address),
        }
    }

    /// Whether HTTP/2 is spoken there without TLS.
    pub(super) fn says_h2c(&self, target: &Target) -> bool {
        self.0.iter().any(|allow| allow.is_h2c && allow.covers(target) && allow.hosts.contain(&target.host))
    }

    fn names_address(&self, target: &Target, address: IpAddr) -> bool {
        let named = Hosts::One(Host::Address(address));
        self.0.iter().any(|allow| allow.hosts == named && allow.covers(target))
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Allow> for AllowList {
    fn from_iter<I: IntoIterator<Item = Allow>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no host");
        }
        for (index, allow) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{allow}")?;
        }
        Ok(())
    }
}

// === impl Allow ===

impl Allow {
    /// Whether scheme and port are those that it is about.
    fn covers(&self, target: &Target) -> bool {
        let port = match self.port {
            Port::Usual => target.scheme.port(),
            Port::One(port) => port,
            Port::Any => target.port,
        };
        port == target.port && self.scheme.is_none_or(|scheme| scheme == target.scheme)
    }
}

impl FromStr for Allow {
    type Err = NotAllowable;

    fn from_str(text: &str) -> Result<Self, NotAllowable> {
        read(text).map_err(|why| NotAllowable { text: text.into(), why })
    }
}

fn read(text: &str) -> Result<Allow, Why> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, text),
    };
    let is_h2c = scheme.as_deref() == Some(H2C);
    let scheme = match scheme {
        Some(_) if is_h2c => Some(Scheme::Http),
        Some(scheme) => Some(Scheme::of(&scheme).ok_or(BadTarget::Scheme)?),
        None => None,
    };
    let authority = rest.strip_suffix('/').filter(|_| scheme.is_some()).unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(Why::Path);
    }
    let (host, port) = split(authority)?;
    let port = match port {
        None => Port::Usual,
        Some("*") => Port::Any,
        Some(port) => Port::One(read_port(port)?),
    };
    Ok(Allow { scheme, is_h2c, hosts: read_hosts(host)?, port })
}

fn read_hosts(text: &str) -> Result<Hosts, Why> {
    if text == "*" {
        return Ok(Hosts::Public);
    }
    let host = |text: &str| text.parse::<Host>().map_err(|bad: BadHost| Why::Target(bad.into()));
    match text.strip_prefix("*.") {
        Some(rest) => match host(rest)? {
            Host::Name(name) => Ok(Hosts::Below(name)),
            Host::Address(_) => Err(Why::Star),
        },
        None if text.contains('*') => Err(Why::Star),
        None => Ok(Hosts::One(host(text)?)),
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Some(_) if self.is_h2c => write!(f, "{H2C}://")?,
            Some(scheme) => write!(f, "{scheme}://")?,
            None => {}
        }
        match &self.hosts {
            Hosts::Public => f.write_str("*")?,
            Hosts::Below(name) => write!(f, "*.{name}")?,
            Hosts::One(host) => write!(f, "{host}")?,
        }
        match self.port {
            Port::Usual => Ok(()),
            Port::One(port) => write!(f, ":{port}"),
            Port::Any => f.write_str(":*"),
        }
    }
}

// === impl Hosts ===

impl Hosts {
    fn contain(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Public, Host::Address(address)) => is_public(*address),
            (Self::Public, Host::Name(_)) => !host.is_localhost(),
            (Self::Below(above), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Below(_), Host::Address(_)) => false,
            (Self::One(one), host) => one == host,
        }
    }
}
