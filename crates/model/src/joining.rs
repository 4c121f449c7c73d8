//! These are the values by which a host that runs is told to join a lattice, or to leave it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ask::{LATTICE, control_prefix};
use crate::lattice::Acknowledged;

/// What a host is told about its lattice, on its own bus: `join`, `leave`, `get`.
pub fn lattice_subject(what: &str) -> String {
    format!("{}.lattice.{what}", control_prefix(LATTICE))
}

/// Where a lattice is, and what is shown to be let in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    /// The NATS servers that carry it.
    pub nats: String,
    /// The lattice.
    pub lattice: String,
    /// Who connects, and how.
    #[serde(default)]
    pub login: NatsLogin,
}

/// Who connects to NATS servers, and how: by files of the host's machine, which are read for each connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct NatsLogin {
    /// The token that these servers ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<PathBuf>,
    /// A user's credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creds: Option<PathBuf>,
    /// The seed of a user who is known by an nkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<PathBuf>,
    /// The authorities that are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The certificate that is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Whether it is encrypted from the first byte on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls_first: bool,
    /// The domain of JetStream that the lattice is kept in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Whose word counts where a host and its lattice contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// The host's.
    Host,
    /// The lattice's.
    Lattice,
}

/// A host shall join a lattice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinLattice {
    /// Which.
    pub entrance: Entrance,
    /// Whose word counts; nobody's where nothing is said: a contradiction is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Prefer>,
}

/// Which lattice a host is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipView {
    /// The host's public key.
    pub host: String,
    /// What people call it.
    pub host_name: String,
    /// The lattice.
    pub lattice: String,
    /// What carries it, without a password.
    pub bus: String,
    /// How it came there.
    pub standing: Standing,
    /// What a change of links or settings survives that it has acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// The links of components here that lead to what does not run here: `till -> price`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads_away: Vec<String>,
}

/// How a host came to be in its lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is alone, on its own bus.
    Alone,
    /// It was told to join while it ran, and remembers that.
    Joined,
    /// It was started so.
    Started,
}

impl std::fmt::Debug for Entrance {
    /// An address, which may have a password in it, is not for a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance").field("lattice", &self.lattice).finish_non_exhaustive()
    }
}
