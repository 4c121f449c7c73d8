//! This is the secret half of a key in the text form of nkeys, such as `SN…` for a host.
//!
//! Base32 without padding of two bytes that say that it is a seed and of which kind, 32 secret bytes, and two bytes of CRC16. A
//! seed is always 58 characters.
//!
//! # Invariants
//!
//! 1. A seed is shown by its public key only; the secret leaves through [`Seed::to_secret_text`] and nowhere else.
//! 2. The text of a secret is wiped from memory when it is dropped.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::{Zeroize, Zeroizing};

use crate::key::{KeyKind, PublicKey, crc16};

/// The five bits that say that it is a seed.
const SEED: u8 = 18 << 3;

/// A secret that signs for its public key.
pub struct Seed {
    kind: KeyKind,
    key: SigningKey,
}

/// The text is not a seed. It is not repeated: it may nearly be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the seed of a key")]
pub struct NotASeed;

// === impl Seed ===

impl Seed {
    /// The seed of these secret bytes, which nobody can guess.
    pub fn new(kind: KeyKind, mut secret: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&secret);
        secret.zeroize();
        Self { kind, key }
    }

    /// The key that all may know.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.kind, self.key.verifying_key().to_bytes())
    }

    /// The signature of a message, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The secret as text, for a file that nobody else reads.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let kind = self.kind.prefix();
        let mut decoded = Zeroizing::new(Vec::with_capacity(36));
        decoded.extend([SEED | (kind >> 5), (kind & 31) << 3]);
        decoded.extend(self.key.as_bytes());
        let crc = crc16(&decoded);
        decoded.extend(crc.to_le_bytes());
        Zeroizing::new(BASE32_NOPAD.encode(&decoded))
    }
}

impl FromStr for Seed {
    type Err = NotASeed;

    fn from_str(text: &str) -> Result<Self, NotASeed> {
        let decoded = Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).ok().ok_or(NotASeed)?);
        let [first, second, secret @ .., low, high] = decoded.as_slice() else { return Err(NotASeed) };
        let secret: [u8; 32] = secret.try_into().ok().ok_or(NotASeed)?;
        let kind = KeyKind::from_prefix(((first & 7) << 5) | (second >> 3)).ok_or(NotASeed)?;
        let is_seed = first & 0xf8 == SEED && second & 7 == 0;
        if !is_seed || crc16(&decoded[..34]) != u16::from_le_bytes([*low, *high]) {
            return Err(NotASeed);
        }
        Ok(Self::new(kind, secret))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed(of {})", self.public())
    }
}

#[cfg(test)]
mod tests;
