//! This is what a backend does: it gives the secret of a name.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use stdx::BoxError;
use zeroize::Zeroizing;

/// Bytes of a secret, at most.
pub(crate) const SIZE_MAX: usize = 64 << 10;

/// Bytes of a name, at most: that of a file.
const NAME_MAX: usize = 253;

/// Where secrets come from.
#[async_trait]
pub trait Keep: Send + Sync {
    /// The secret of that name; nothing where there is none.
    async fn get(&self, name: &Name) -> Result<Option<Secret>, KeepError>;
}

/// What nobody else may know. It is wiped when it is dropped.
pub struct Secret(Zeroizing<Vec<u8>>);

/// The name of a secret: letters, digits, `-`, `_` and `.`, so that it can be the name of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// The text names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a secret: that is letters, digits, `-`, `_` and `.`, up to {NAME_MAX} of them")]
pub struct NotASecretName(String);

/// Why a secret is not given. What it is, is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It is there, and cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] BoxError),
    /// It is there, and not kept as secrets are.
    #[error("{0}")]
    Unsafe(String),
    /// It is larger than a secret may be.
    #[error("it has more than {SIZE_MAX} bytes")]
    TooLarge,
}

// === impl Secret ===

impl Secret {
    /// Keeps these bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeepError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > SIZE_MAX { Err(KeepError::TooLarge) } else { Ok(Self(bytes)) }
    }

    /// What it is.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

// === impl Name ===

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotASecretName;

    fn from_str(text: &str) -> Result<Self, NotASecretName> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // What begins with a dot may be the folder, or above it.
        let is_name =
            !text.is_empty() && text.len() <= NAME_MAX && !text.starts_with('.') && text.chars().all(is_allowed);
        // A name is cut where it is shown, since what was meant as one may be a secret.
        if is_name { Ok(Self(text.into())) } else { Err(NotASecretName(text.chars().take(32).collect())) }
    }
}
