//! This is where a request goes: how, to which host, at which port.

use std::fmt;

use http::Uri;

use super::host::{BadHost, Host};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
}

/// How a request goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// The URI does not say where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("it begins neither with http:// nor with https://")]
    Scheme,
    #[error("it has a user name, which would make the host look like another")]
    User,
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error(transparent)]
    Host(#[from] BadHost),
}

// === impl Target ===

impl Target {
    /// Where a request with that URI goes.
    pub(super) fn of(uri: &Uri) -> Result<Self, BadTarget> {
        let scheme = uri.scheme_str().and_then(Scheme::of).ok_or(BadTarget::Scheme)?;
        let authority = uri.authority().ok_or(BadHost::Empty)?.as_str();
        let (host, port) = split(authority)?;
        let port = port.map_or(Ok(scheme.port()), read_port)?;
        Ok(Self { scheme, host: host.parse()?, port })
    }

    /// The `Host` field of a request to it.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// What would allow it, as a value of `--allow-http`.
    pub(super) fn as_allowed(&self) -> String {
        self.authority()
    }
}

/// Host and port of an authority, as they are written.
pub(super) fn split(authority: &str) -> Result<(&str, Option<&str>), BadTarget> {
    if authority.contains('@') {
        return Err(BadTarget::User);
    }
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, rest) = authority.split_at(host_end);
    match rest.split_once(':') {
        // An address of IPv6 without its brackets.
        Some((_, port)) if port.contains(':') => Err(BadHost::Address.into()),
        Some((name, port)) => Ok((&authority[..host.len() + name.len()], Some(port))),
        None => Ok((authority, None)),
    }
}

/// A port other than 0, in digits and nothing else.
pub(super) fn read_port(text: &str) -> Result<u16, BadTarget> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_digits && *port > 0).ok_or(BadTarget::Port)
}

// === impl Scheme ===

impl Scheme {
    /// The scheme of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    /// The port where none is given.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}
