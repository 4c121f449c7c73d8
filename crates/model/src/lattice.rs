//! These are the values that travel on the control interface of a lattice, in the shapes of wasmCloud 1.x.
//!
//! Names of fields are those of the wire, and what this system calls otherwise keeps its own word here: a `component_ref` is where
//! a component comes from.
//!
//! # Invariants
//!
//! 1. What is read ignores fields that it does not know, and takes what older clients leave out.
//! 2. What is written has every field that the readers of that family require.
//!
//! # Not here
//!
//! What is done with them (`host`). Facts (`fact`).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::link::{Target, Terms};
use crate::secret::Secret;

/// What the names of settings begin with that a link has of its own. They are no word of a subject: nobody asks for them by name.
pub const OWN_SETTINGS: &str = "link.of/";

/// Names with values: labels, annotations, settings.
pub type Labels = BTreeMap<String, String>;

/// What the subjects begin with on which the hosts of a lattice are controlled: `wasmbus.ctl.v1.default`.
pub fn prefix(lattice: &str) -> String {
    format!("wasmbus.ctl.v1.{lattice}")
}

/// What every question is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CtlResponse<T> {
    /// Whether it is done, or will be.
    pub success: bool,
    /// What there is to say; empty where there is nothing.
    pub message: String,
    /// What was asked for.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub response: Option<T>,
}

/// What a host has for what it runs. Our own: hosts of others do not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The cores that answer requests.
    pub cores: usize,
    /// Bytes of memory, of its machine or of a group of processes that has less, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Invocations that run at once, of all components together, where that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations_max: Option<u64>,
}

/// What a change survives once a host has acknowledged it. Our own: hosts of others do not say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// `memory` is nothing, `process` that what keeps it is killed, `disk` a power cut as well.
    pub survives: String,
    /// How that is known.
    pub known: Warrant,
}

/// How something is known of what a lattice is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Warrant {
    /// It is the host's own disk.
    Own,
    /// The servers say so.
    Told,
    /// Who started the host said so of the servers, which do not tell.
    Declared,
    /// Nobody said anything, and the servers do not tell: it is what they do unless they are told otherwise.
    Assumed,
    /// In a way that is not known here.
    #[serde(other)]
    Other,
}

/// A host as it answers a ping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its public key.
    pub id: String,
    /// What people call it.
    pub friendly_name: String,
    /// The lattice that it is in.
    pub lattice: String,
    /// What it carries.
    pub labels: Labels,
    /// How long it has run.
    pub uptime_seconds: u64,
    /// The same for people.
    pub uptime_human: String,
    /// The version of its program.
    pub version: String,
    /// The bus that it is controlled over.
    pub ctl_host: String,
    /// The bus that components are called over.
    pub rpc_host: String,
    /// The domain of its buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub js_domain: Option<String>,
    /// What it has for what it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// What a change of links or settings survives that it has acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// What a host runs. Also what its heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInventory {
    /// Its public key.
    pub host_id: String,
    /// What people call it.
    pub friendly_name: String,
    /// What it carries.
    pub labels: Labels,
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// How long it has run, for people.
    #[serde(default)]
    pub uptime_human: String,
    /// How long it has run.
    #[serde(default)]
    pub uptime_seconds: u64,
    /// Its components.
    #[serde(alias = "actors")]
    pub components: Vec<ComponentDescription>,
    /// Its providers.
    pub providers: Vec<ProviderDescription>,
    /// What it has for what it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
}

/// A component that a host runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentDescription {
    /// What it is called in the lattice.
    pub id: String,
    /// Where it came from, exactly as it was asked for.
    pub image_ref: String,
    /// What it calls itself, where it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What who started it noted.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: Labels,
    /// Of its claims; zero without.
    #[serde(default)]
    pub revision: i32,
    /// How many invocations run at once.
    pub max_instances: u32,
    /// Bounds of its own.
    #[serde(default)]
    pub limits: Option<Labels>,
}

/// A provider that a host runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderDescription {
    /// What it is called in the lattice.
    pub id: String,
    /// Where it came from, without a scheme.
    #[serde(default)]
    pub image_ref: String,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of its claims.
    #[serde(default)]
    pub revision: i32,
    /// What who started it noted.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: Labels,
    /// What has become of its process. Our own: hosts of others do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The names of its settings. Our own, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Vec<String>>,
}

/// Who would run a component?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentAuctionRequest {
    /// Where it comes from.
    pub component_ref: String,
    /// What it will be called.
    pub component_id: String,
    /// Labels that the host has to carry.
    #[serde(default, deserialize_with = "or_empty")]
    pub constraints: Labels,
}

/// A host would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentAuctionAck {
    /// Where it comes from.
    pub component_ref: String,
    /// What it will be called.
    pub component_id: String,
    /// The host that bids.
    pub host_id: String,
    /// What it was asked to carry.
    #[serde(default, deserialize_with = "or_empty")]
    pub constraints: Labels,
}

/// Who would run a provider?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAuctionRequest {
    /// Where it comes from.
    pub provider_ref: String,
    /// What it will be called.
    pub provider_id: String,
    /// Labels that the host has to carry.
    #[serde(default, deserialize_with = "or_empty")]
    pub constraints: Labels,
}

/// A host would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAuctionAck {
    /// Where it comes from.
    pub provider_ref: String,
    /// What it will be called.
    pub provider_id: String,
    /// The host that bids.
    pub host_id: String,
    /// What it was asked to carry.
    #[serde(default, deserialize_with = "or_empty")]
    pub constraints: Labels,
}

/// A component shall run with so many invocations at once: none ends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleComponent {
    /// Where it comes from.
    #[serde(default)]
    pub component_ref: String,
    /// What it is called.
    pub component_id: String,
    /// How many invocations run at once; `u32::MAX` is no bound but the host's own.
    #[serde(default, alias = "max_instances")]
    pub count: u32,
    /// The host that is asked.
    #[serde(default)]
    pub host_id: String,
    /// What is to be noted.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: Labels,
    /// The names of its settings.
    #[serde(default, deserialize_with = "or_empty")]
    pub config: Vec<String>,
    /// Bounds of its own.
    #[serde(default)]
    pub component_limits: Option<Labels>,
    /// Whether a component that runs from elsewhere is updated.
    #[serde(default)]
    pub allow_update: bool,
}

/// A component shall run from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateComponent {
    /// What it is called.
    pub component_id: String,
    /// Where it comes from now.
    pub new_component_ref: String,
    /// The host that is asked.
    #[serde(default)]
    pub host_id: String,
    /// What is to be noted.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: Labels,
}

/// A provider shall start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartProvider {
    /// What it will be called.
    pub provider_id: String,
    /// Where it comes from.
    #[serde(default)]
    pub provider_ref: String,
    /// The host that is asked.
    #[serde(default)]
    pub host_id: String,
    /// The names of its settings.
    #[serde(default, deserialize_with = "or_empty")]
    pub config: Vec<String>,
    /// What is to be noted.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: Labels,
}

/// A provider shall stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopProvider {
    /// What it is called.
    #[serde(alias = "provider_ref")]
    pub provider_id: String,
    /// The host that is asked.
    #[serde(default)]
    pub host_id: String,
}

/// A link of a lattice, between whatever has these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatticeLink {
    /// What imports.
    pub source_id: String,
    /// What it leads to.
    pub target: String,
    /// Which of several links.
    #[serde(default = "default_name")]
    pub name: String,
    /// `wasi` in `wasi:keyvalue`.
    pub wit_namespace: String,
    /// `keyvalue` in `wasi:keyvalue`.
    pub wit_package: String,
    /// The interfaces of the package.
    pub interfaces: Vec<String>,
    /// The names of the source's settings.
    #[serde(default)]
    pub source_config: Vec<String>,
    /// The names of the target's settings.
    #[serde(default)]
    pub target_config: Vec<String>,
    /// How far it may reach, and how long it may take. Our own: hosts of others do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Whether it is for all that its source imports of the package: `interfaces` are those that were known when it was put. Our own:
    /// hosts of others go by the interfaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_whole: bool,
}

/// A link of a lattice shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutLink {
    /// The link.
    #[serde(flatten)]
    pub link: LatticeLink,
    /// Whether it takes the place of whatever gives its source the same by its name now, wherever that leads. Our own: hosts of
    /// others do not know it, and refuse a link for what leads elsewhere already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
}

/// What a lattice keeps of a component: where it comes from, and the links that it is the source of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentSpec {
    /// Where it comes from; empty where nobody has started it yet.
    #[serde(default)]
    pub url: String,
    /// In the order in which they were put.
    #[serde(default, deserialize_with = "or_empty")]
    pub links: Vec<LatticeLink>,
}

/// A link shall be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteLink {
    /// What imports.
    pub source_id: String,
    /// Which of several links.
    #[serde(default = "default_name")]
    pub name: String,
    /// `wasi` in `wasi:keyvalue`.
    pub wit_namespace: String,
    /// `keyvalue` in `wasi:keyvalue`.
    pub wit_package: String,
    /// The one interface that is meant; nothing where it is the link for all of the package, or the only one. Our own: hosts of
    /// others do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// A label shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutLabel {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// A host shall stop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopHost {
    /// Which; the one that is asked where nothing is said.
    #[serde(default)]
    pub host_id: Option<String>,
    /// How long it may take, in milliseconds.
    #[serde(default)]
    pub timeout: Option<u64>,
}

/// What each registry is to be shown, by its name.
pub type PutRegistries = BTreeMap<String, RegistryCredential>;

/// What a registry is shown by who fetches from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegistryCredential {
    /// Who.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// In the place of both.
    pub token: Option<Secret>,
    /// `oci`, which is meant where nothing is said.
    pub registry_type: Option<String>,
}

// === impl CtlResponse ===

impl<T> CtlResponse<T> {
    /// What was asked for.
    pub fn with(response: T) -> Self {
        Self { success: true, message: String::new(), response: Some(response) }
    }

    /// It is done, or will be.
    pub fn done(message: impl Into<String>) -> Self {
        Self { success: true, message: message.into(), response: None }
    }

    /// It is not done.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { success: false, message: message.into(), response: None }
    }
}

// === impl LatticeLink ===

impl LatticeLink {
    /// Whether the other link is for the same imports: of the same source, name and package.
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.source_id, &self.name, &self.wit_namespace, &self.wit_package)
            == (&other.source_id, &other.name, &other.wit_namespace, &other.wit_package)
    }

    /// Whether it is for all of its package: one to a backend is, which keeps its contracts together.
    pub fn is_for_package(&self) -> bool {
        self.is_whole || self.interfaces.is_empty() || matches!(self.target.parse(), Ok(Target::Capability { .. }))
    }
}

fn default_name() -> String {
    "default".into()
}

/// `null` is nothing.
pub(crate) fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod stock;
#[cfg(test)]
mod tests;
