//! Decides which hosts a component may send requests to.
//!
//! A value is `[SCHEME://]HOST[:PORT]`. The host is a name, an address, a range of addresses as `10.0.0.0/8`, `*.example.com` for
//! all names below one, or `*` for all that is public. A range is about the address that a request goes to in the end, whatever
//! the host is called. Without a port it is the usual one of the scheme, 80 or 443; `:*` is any port. Without a scheme it is
//! both. So nothing on this machine is reached because its address was allowed for something else. The scheme `h2c` is `http` to
//! servers that speak HTTP/2 without having agreed on it: nobody else can say that they do.
//!
//! # Invariants
//!
//! 1. An address that is not public is reached only if that address itself is on the list, or a range in which nothing is public,
//!    or `localhost` for this machine's.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::address::{is_public, is_special};
use super::host::{BadHost, Host};
use super::range::{self, BadRange, Range};
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
    /// All that have an address in it.
    In(Range),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Usual,
    One(u16),
    Any,
}

/// The text is no value of `--allow-http`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be allowed: {why}; write {form}")]
pub struct NotAllowable {
    text: String,
    why: Why,
    /// What would be allowed, as near to the text as can be told.
    form: String,
}

/// What may be written.
const FORMS: &str = "HOST, HOST:PORT, *.example.com, a range of addresses as 10.0.0.0/8 or [fd00::]/8, or *, with http:// or \
                     https:// before it if only one is meant, or h2c:// for HTTP/2 without TLS";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Target(#[from] BadTarget),
    #[error(transparent)]
    Range(#[from] BadRange),
    #[error("a request's path does not decide")]
    Path,
    #[error("a '*' stands at the beginning, before a dot and a name")]
    Star,
}

// === impl AllowList ===

impl AllowList {
    /// Whether a request may go there, before it is known which addresses the name has.
    pub(super) fn allows(&self, target: &Target) -> bool {
        let is_open = |hosts: &Hosts| matches!((hosts, &target.host), (Hosts::In(_), Host::Name(_)));
        self.about(target).any(|hosts| hosts.contain(&target.host) || is_open(hosts))
    }

    /// Whether a request that may go there may connect to that address.
    pub(super) fn allows_address(&self, target: &Target, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_usual = match &target.host {
            Host::Address(named) => return *named == address,
            host if host.is_localhost() => address.is_loopback(),
            Host::Name(_) => is_public(address) || self.about(target).any(|hosts| hosts.is_address(address)),
        };
        (is_usual && self.names(target)) || self.about(target).any(|hosts| hosts.span(address))
    }

    /// Whether the host itself is on the list, whatever its addresses.
    pub(super) fn names(&self, target: &Target) -> bool {
        self.about(target).any(|hosts| hosts.contain(&target.host))
    }

    /// Whether HTTP/2 is spoken there without TLS, at that address.
    pub(super) fn says_h2c(&self, target: &Target, address: IpAddr) -> bool {
        let is_meant = |hosts: &Hosts| hosts.contain(&target.host) || hosts.span(address.to_canonical());
        self.0.iter().any(|allow| allow.is_h2c && allow.covers(target) && is_meant(&allow.hosts))
    }

    /// What is allowed by the scheme and at the port of the target.
    fn about(&self, target: &Target) -> impl Iterator<Item = &Hosts> {
        self.0.iter().filter(move |allow| allow.covers(target)).map(|allow| &allow.hosts)
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
        read(text).map_err(|why| {
            let form = nearest(text, why).map_or_else(|| FORMS.to_owned(), |allow| allow.to_string());
            NotAllowable { text: text.into(), why, form }
        })
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
    if let Some((address, bits, port)) = range::split(authority) {
        return Ok(Allow { scheme, is_h2c, hosts: Hosts::In(Range::read(address, bits)?), port: port_of(port)? });
    }
    if authority.contains(['/', '?', '#']) {
        return Err(Why::Path);
    }
    let (host, port) = split(authority)?;
    Ok(Allow { scheme, is_h2c, hosts: read_hosts(host)?, port: port_of(port)? })
}

/// What is meant by a text that is no value, where that can be told.
fn nearest(text: &str, why: Why) -> Option<Allow> {
    let start = text.find("://").map_or(0, |scheme| scheme + 3);
    let end = start + text[start..].find(['/', '?', '#'])?;
    match why {
        Why::Path => read(&text[..end]).ok(),
        Why::Range(BadRange::Within(range)) => {
            let port = text[end..].find(':').map_or("", |port| &text[end + port..]);
            read(&format!("{}{range}{port}", &text[..start])).ok()
        }
        Why::Range(BadRange::Bits { .. }) | Why::Target(_) | Why::Star => None,
    }
}

fn port_of(text: Option<&str>) -> Result<Port, BadTarget> {
    match text {
        None => Ok(Port::Usual),
        Some("*") => Ok(Port::Any),
        Some(port) => read_port(port).map(Port::One),
    }
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
            Hosts::In(range) => write!(f, "{range}")?,
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
    /// Whether the host itself is meant. Which addresses a name has is not known.
    fn contain(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Public, Host::Address(address)) => is_public(*address),
            (Self::Public, Host::Name(_)) => !host.is_localhost(),
            (Self::Below(above), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Below(_), Host::Address(_)) | (Self::In(_), Host::Name(_)) => false,
            (Self::In(_), Host::Address(address)) => self.span(*address),
            (Self::One(one), host) => one == host,
        }
    }

    /// Whether it is a range that allows the address: what is not public, only where nothing else is in it.
    fn span(&self, address: IpAddr) -> bool {
        match self {
            Self::In(range) => range.contains(&Range::one(address)) && (is_public(address) || is_special(range)),
            Self::Public | Self::Below(_) | Self::One(_) => false,
        }
    }

    fn is_address(&self, address: IpAddr) -> bool {
        matches!(self, Self::One(Host::Address(named)) if *named == address)
    }
}
