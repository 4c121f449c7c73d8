//! This is a public key in the text form of nkeys, such as `MBCFOP…`.
//!
//! Base32 without padding of one byte for the kind, the 32 bytes of an Ed25519 key, and two bytes of CRC16 (XMODEM, lowest
//! first). A key is always 56 characters.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};

/// A public key and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    bytes: [u8; 32],
}

/// What a key is for: the first letter of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `A`: an account, which issues claims.
    Account,
    /// `C`: a cluster.
    Cluster,
    /// `M`: a component.
    Module,
    /// `N`: a host.
    Host,
    /// `O`: an operator, which issues the claims of accounts.
    Operator,
    /// `U`: a user.
    User,
    /// `V`: a provider.
    Provider,
}

/// The text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a public key")]
pub struct NotAKey;

const KINDS: [(KeyKind, u8); 7] = [
    (KeyKind::Account, 0),
    (KeyKind::Cluster, 2 << 3),
    (KeyKind::Module, 12 << 3),
    (KeyKind::Host, 13 << 3),
    (KeyKind::Operator, 14 << 3),
    (KeyKind::User, 20 << 3),
    (KeyKind::Provider, 21 << 3),
];

// === impl PublicKey ===

impl PublicKey {
    /// What it is for.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(crate) fn of(kind: KeyKind, bytes: [u8; 32]) -> Self {
        Self { kind, bytes }
    }

    /// Whether `signature` is one of this key over `message`. Keys and signatures that fit more than one message are refused.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::from_bytes(&self.bytes);
        let signature = Signature::from_slice(signature);
        matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let decoded: [u8; 35] = match BASE32_NOPAD.decode(text.as_bytes()).map(TryInto::try_into) {
            Ok(Ok(decoded)) => decoded,
            _ => return Err(NotAKey),
        };
        let [kind, bytes @ .., low, high] = decoded;
        let kind = KeyKind::from_prefix(kind).ok_or(NotAKey)?;
        if crc16(&decoded[..33]) != u16::from_le_bytes([low, high]) {
            return Err(NotAKey);
        }
        Ok(Self { kind, bytes })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut decoded = vec![self.kind.prefix()];
        decoded.extend(self.bytes);
        decoded.extend(crc16(&decoded).to_le_bytes());
        f.write_str(&BASE32_NOPAD.encode(&decoded))
    }
}

// === impl KeyKind ===

impl KeyKind {
    /// The byte that stands for it in the text form.
    pub(crate) fn prefix(self) -> u8 {
        KINDS.into_iter().find(|(kind, _)| *kind == self).map_or(0, |(_, prefix)| prefix)
    }

    pub(crate) fn from_prefix(prefix: u8) -> Option<Self> {
        KINDS.into_iter().find(|(_, other)| *other == prefix).map(|(kind, _)| kind)
    }
}

/// CRC16 as XMODEM has it: polynomial 0x1021, starting from 0.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of nkeys.
    const ACCOUNT: &str = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";

    #[test]
    fn a_key_prints_as_it_was_read() {
        let key: PublicKey = ACCOUNT.parse().expect("a key");
        assert_eq!((key.kind(), key.to_string().as_str()), (KeyKind::Account, ACCOUNT));
    }

    #[test]
    fn what_is_not_quite_a_key_is_none() {
        for end in 0..ACCOUNT.len() {
            assert_eq!(ACCOUNT[..end].parse::<PublicKey>(), Err(NotAKey), "cut at {end}");
            let changed = format!(
                "{}{}{}",
                &ACCOUNT[..end],
                if ACCOUNT.as_bytes()[end] == b'A' { 'B' } else { 'A' },
                &ACCOUNT[end + 1..]
            );
            assert_eq!(changed.parse::<PublicKey>(), Err(NotAKey), "changed at {end}");
        }
        for text in [format!("{ACCOUNT}A"), ACCOUNT.to_lowercase(), "ü".repeat(28), format!("{ACCOUNT}\n")] {
            assert_eq!(text.parse::<PublicKey>(), Err(NotAKey), "{text:?}");
        }
    }
}
