//! Tells which addresses are public: reached from anywhere, and nobody's own network.

use std::net::IpAddr;

use super::range::Range;

/// What is not public of IPv4, by the registry of special addresses of IANA.
const SPECIAL_V4: [Range; 14] = [
    // This network, private networks, loopback, multicast and what is reserved with broadcast.
    Range::v4([0, 0, 0, 0], 8),
    Range::v4([10, 0, 0, 0], 8),
    Range::v4([127, 0, 0, 0], 8),
    Range::v4([224, 0, 0, 0], 3),
    // Shared by providers; link-local, with the metadata of clouds; private.
    Range::v4([100, 64, 0, 0], 10),
    Range::v4([169, 254, 0, 0], 16),
    Range::v4([172, 16, 0, 0], 12),
    Range::v4([192, 168, 0, 0], 16),
    // Protocols, documentation, relays, measurement.
    Range::v4([192, 0, 0, 0], 24),
    Range::v4([192, 0, 2, 0], 24),
    Range::v4([192, 88, 99, 0], 24),
    Range::v4([198, 18, 0, 0], 15),
    Range::v4([198, 51, 100, 0], 24),
    Range::v4([203, 0, 113, 0], 24),
];

/// What of IPv6 is given out for the Internet. Nothing else is public.
const INTERNET_V6: Range = Range::v6([0x2000, 0], 3);

/// What is special of that: protocols with Teredo, documentation, 6to4.
const SPECIAL_V6: [Range; 4] = [
    Range::v6([0x2001, 0], 23),
    Range::v6([0x2001, 0xdb8], 32),
    Range::v6([0x2002, 0], 16),
    Range::v6([0x3fff, 0], 20),
];

/// Translated by the network (NAT64): as public as the address of IPv4 at its end.
const TRANSLATED: Range = Range::v6([0x64, 0xff9b], 96);

/// Whether the address belongs to the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    !is_special(&Range::one(address))
}

/// Whether no address of the range is public.
pub(super) fn is_special(range: &Range) -> bool {
    let is_in = |special: &Range| special.contains(range);
    match range.first() {
        IpAddr::V4(_) => SPECIAL_V4.iter().any(is_in),
        IpAddr::V6(_) if TRANSLATED.contains(range) => range.embedded().is_some_and(|range| is_special(&range)),
        IpAddr::V6(_) => SPECIAL_V6.iter().any(is_in) || !(INTERNET_V6.meets(range) || TRANSLATED.meets(range)),
    }
}
