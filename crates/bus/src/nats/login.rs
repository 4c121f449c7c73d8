//! This is who connects, and what a server is shown for it.
//!
//! # Invariants
//!
//! 1. What is in a file is read for each connection: one that was changed counts from the next connection on.
//! 2. Nothing secret is printed.

use std::fmt;
use std::path::{Path, PathBuf};

use async_nats::Auth;
use trust::{Credentials, KeyKind, Seed};

use super::files::{self, BadFile, Unusable};

const TOKEN: &str = "the token";
const SEED: &str = "the seed";
const CREDENTIALS: &str = "the credentials";

/// Who connects. A name and a password in the address do the same as [`Login::User`], a name alone as [`Login::Token`].
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Whoever the server lets in without asking.
    Anyone,
    /// Whoever has this token.
    Token(String),
    /// Whoever has the token in this file.
    TokenFile(PathBuf),
    /// A user with a password.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// The user whose seed, an nkey, is in this file.
    NkeyFile(PathBuf),
    /// The user whose token and seed are in this file of credentials.
    CredentialsFile(PathBuf),
}

/// What a server is shown.
pub(super) enum Proof {
    Nothing,
    Token(String),
    User { name: String, password: String },
    Nkey(Seed),
    Credentials(Credentials),
}

// === impl Login ===

impl Login {
    /// What a server is shown, as it is at this moment.
    pub(super) fn prove(&self) -> Result<Proof, BadFile> {
        Ok(match self {
            Self::Anyone => Proof::Nothing,
            Self::Token(token) => Proof::Token(token.clone()),
            Self::TokenFile(path) => Proof::Token(files::read_text(TOKEN, path)?.to_string()),
            Self::User { name, password } => Proof::User { name: name.clone(), password: password.clone() },
            Self::NkeyFile(path) => Proof::Nkey(nkey(path)?),
            Self::CredentialsFile(path) => {
                let read: Result<Credentials, _> = files::read_text(CREDENTIALS, path)?.parse();
                Proof::Credentials(read.map_err(|error| BadFile::new(CREDENTIALS, path, error))?)
            }
        })
    }

    /// Where the secret is, if it is in a file.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::TokenFile(path) | Self::NkeyFile(path) | Self::CredentialsFile(path) => Some(path),
            Self::Anyone | Self::Token(_) | Self::User { .. } => None,
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("Anyone"),
            Self::Token(_) => f.write_str("Token(..)"),
            Self::User { .. } => f.write_str("User(..)"),
            Self::TokenFile(path) => write!(f, "TokenFile({path:?})"),
            Self::NkeyFile(path) => write!(f, "NkeyFile({path:?})"),
            Self::CredentialsFile(path) => write!(f, "CredentialsFile({path:?})"),
        }
    }
}

// === impl Proof ===

impl Proof {
    /// What answers a server that said this.
    pub(super) fn answer(self, nonce: &[u8]) -> Auth {
        let mut auth = Auth::new();
        match self {
            Self::Nothing => {}
            Self::Token(token) => auth.token = Some(token),
            Self::User { name, password } => (auth.username, auth.password) = (Some(name), Some(password)),
            Self::Nkey(seed) => {
                auth.nkey = Some(seed.public().to_string());
                auth.signature = Some(seed.sign(nonce).to_vec());
            }
            Self::Credentials(credentials) => {
                auth.jwt = Some(credentials.token().to_owned());
                auth.signature = Some(credentials.seed().sign(nonce).to_vec());
            }
        }
        auth
    }
}

/// The seed in a file: alone, or in the line after the one that begins it.
fn nkey(path: &Path) -> Result<Seed, BadFile> {
    let text = files::read_text(SEED, path)?;
    let seeds = text.lines().filter_map(|line| line.trim().parse().ok());
    let mut users = seeds.filter(|seed: &Seed| seed.public().kind() == KeyKind::User);
    users.next().ok_or_else(|| BadFile::new(SEED, path, Unusable::NoSeed))
}
