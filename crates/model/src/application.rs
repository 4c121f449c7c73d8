//! This is an application as a lattice knows it: what was declared, and on which host.

use serde::{Deserialize, Serialize};

use crate::ask::control_prefix;
use crate::name::ComponentName;

/// What hosts are asked about for the applications of their lattice.
pub fn applications_subject(lattice: &str) -> String {
    format!("{}.applications.get", control_prefix(lattice))
}

/// An application that was declared. What links are told is not in it, since that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredApplication {
    /// What it is called.
    pub name: String,
    /// Which version of it this is, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What runs.
    pub components: Vec<DeclaredComponent>,
    /// What is linked to what, in words.
    pub links: Vec<String>,
}

/// A component of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredComponent {
    /// What it is called.
    pub name: ComponentName,
    /// Where it comes from.
    pub from: String,
}

/// An application that a host was told to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// What.
    pub application: DeclaredApplication,
    /// The host's public key.
    pub host: String,
    /// What people call the host.
    pub host_name: String,
    /// Since when it runs it, as RFC 3339 has it.
    pub since: String,
}
