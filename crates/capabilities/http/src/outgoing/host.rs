//! This is a host in its one spelling: an address or a name.
//!
//! # Invariants
//!
//! 1. What a system's resolver would take for an address is an address here, or is refused; it is never a name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where a request goes: a name in lower case without a dot at its end, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address. One of IPv6 that stands for one of IPv4 is that one.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// The text does not name a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHost {
    /// There is nothing.
    #[error("there is no host in it")]
    Empty,
    /// A character that no host has. Names of other alphabets are written in their `xn--` form.
    #[error("a host has letters of ASCII, digits, '-', '_' and '.' only")]
    Character,
    /// A part between two dots that is empty or too long, or a name that is.
    #[error("a host is made of parts of 1 to 63 characters between dots, 253 in all")]
    Length,
    /// A number that is no address as addresses are written.
    #[error("an address is written as in 192.0.2.1 or [2001:db8::1]")]
    Address,
}

// === impl Host ===

impl Host {
    /// Whether it is this machine's own name for itself.
    pub fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost")
    }
}

impl FromStr for Host {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        if let Some(text) = text.strip_prefix('[') {
            let address: Option<Ipv6Addr> = text.strip_suffix(']').and_then(|text| text.parse().ok());
            return address.map(|address| Self::Address(address.to_canonical())).ok_or(BadHost::Address);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return Err(BadHost::Empty);
        }
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return Err(BadHost::Character);
        }
        if name.len() > 253 || !name.split('.').all(|part| (1..=63).contains(&part.len())) {
            return Err(BadHost::Length);
        }
        if is_numeric(&name) {
            let address: Option<Ipv4Addr> = name.parse().ok();
            return address.map(|address| Self::Address(address.into())).ok_or(BadHost::Address);
        }
        Ok(Self::Name(name))
    }
}

/// Whether the last part is a number, in decimal, octal or hexadecimal: then a resolver may take the whole for an address.
fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_decimal = last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_decimal || is_hexadecimal
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
