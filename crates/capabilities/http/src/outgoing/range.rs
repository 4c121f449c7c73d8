//! This is a range of addresses: all whose first bits are those of one of them (CIDR, RFC 4632 and RFC 4291).
//!
//! # Invariants
//!
//! 1. A range has one spelling: its first address, which has no bit behind those that count.
//! 2. Addresses of IPv6 that stand for those of IPv4 are these, as a host's are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin as the first of them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: IpAddr,
    bits: u8,
}

/// The text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRange {
    /// More bits than its addresses have.
    #[error("all addresses of a range have the first 0 to {most} bits in common")]
    Bits { most: u8 },
    /// An address within a range, and not its first.
    #[error("a range is written with its first address")]
    Within(Range),
}

// === impl Range ===

impl Range {
    /// The range of IPv4 that begins there.
    pub(super) const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    /// The range of IPv6 that begins there, with zeros behind.
    pub(super) const fn v6([a, b]: [u16; 2], bits: u8) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), bits }
    }

    /// That address alone.
    pub(super) fn one(address: IpAddr) -> Self {
        Self { first: address, bits: width(address) }
    }

    /// The range from that address on, by the number of bits as it is written.
    pub(super) fn read(address: IpAddr, bits: &str) -> Result<Self, BadRange> {
        let most = width(address);
        let bits = bits.parse().ok().filter(|bits| *bits <= most).ok_or(BadRange::Bits { most })?;
        let range = Self { first: truncated(address, bits), bits };
        if range.first == address { Ok(range.canonical()) } else { Err(BadRange::Within(range.canonical())) }
    }

    /// Whether all addresses of the other are in this one.
    pub(super) fn contains(&self, other: &Self) -> bool {
        let is_same_kind = self.first.is_ipv4() == other.first.is_ipv4();
        is_same_kind && self.bits <= other.bits && truncated(other.first, self.bits) == self.first
    }

    /// Whether there are addresses that are in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Of addresses of IPv6 whose last 32 bits are one of IPv4, the range that these are in.
    pub(super) fn embedded(&self) -> Option<Self> {
        match self.first {
            IpAddr::V6(first) if self.bits >= 96 => {
                let [.., a, b, c, d] = first.octets();
                Some(Self::v4([a, b, c, d], self.bits - 96))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// Its first address.
    pub(super) fn first(&self) -> IpAddr {
        self.first
    }

    fn canonical(self) -> Self {
        match self.first.to_canonical() {
            IpAddr::V4(_) => self.embedded().unwrap_or(self),
            IpAddr::V6(_) => self,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            IpAddr::V4(first) => write!(f, "{first}/{}", self.bits),
            IpAddr::V6(first) => write!(f, "[{first}]/{}", self.bits),
        }
    }
}

/// Address, bits and port of a range as they are written, where the text looks like one.
pub(super) fn split(text: &str) -> Option<(IpAddr, &str, Option<&str>)> {
    let (address, rest) = text.split_once('/')?;
    let (bits, port) = rest.split_once(':').map_or((rest, None), |(bits, port)| (bits, Some(port)));
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let address = match address.strip_prefix('[') {
        Some(address) => IpAddr::V6(address.strip_suffix(']')?.parse().ok()?),
        None => address.parse().ok()?,
    };
    is_number.then_some((address, bits, port))
}

/// Bits that such an address has.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with zeros behind its first bits.
fn truncated(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}
