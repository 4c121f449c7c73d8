//! This is a fact: something that happened in a lattice, as the event that says so.
//!
//! Events are CloudEvents 1.0 in JSON on `wasmbus.evt.LATTICE.NAME`, in the shapes of wasmCloud 1.x.
//!
//! # Invariants
//!
//! 1. `source` of an event is the bare key of the host that says it.
//! 2. `annotations` are always there, also where there are none.

use serde::{Deserialize, Serialize};

use crate::lattice::{HostInventory, Labels, LatticeLink, or_empty};

/// A fact with who says it, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `1.0`.
    pub specversion: String,
    /// Tells it from all others.
    pub id: String,
    /// The host that says it.
    pub source: String,
    /// `application/json`.
    pub datacontenttype: String,
    /// When it was said, as RFC 3339 has it.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Fact {
    /// A host has started.
    #[serde(rename = "com.wasmcloud.lattice.host_started")]
    HostStarted {
        /// What people call it.
        friendly_name: String,
        /// What it carries.
        labels: Labels,
        /// Zero.
        uptime_seconds: u64,
        /// The version of its program.
        version: String,
    },
    /// A host is there, with all that it runs.
    #[serde(rename = "com.wasmcloud.lattice.host_heartbeat")]
    HostHeartbeat(HostInventory),
    /// A host has stopped.
    #[serde(rename = "com.wasmcloud.lattice.host_stopped")]
    HostStopped {
        /// What it carried.
        labels: Labels,
    },
    /// A host is there no more, and has not said so: the lattice has lost it. Our own: tools of others do not know it.
    #[serde(rename = "wattle.lattice.host_lost")]
    HostLost {
        /// The host.
        host_id: String,
        /// When it was heard last, as RFC 3339 has it, by the clock of who says this.
        heard: String,
    },
    /// A host carries other labels.
    #[serde(rename = "com.wasmcloud.lattice.labels_changed")]
    LabelsChanged {
        /// The host.
        host_id: String,
        /// All of them.
        labels: Labels,
    },
    /// A component runs with so many invocations at once; zero says that it has ended.
    #[serde(rename = "com.wasmcloud.lattice.component_scaled")]
    ComponentScaled(Scaled),
    /// A component does not run as was asked.
    #[serde(rename = "com.wasmcloud.lattice.component_scale_failed")]
    ComponentScaleFailed {
        /// What was asked.
        #[serde(flatten)]
        scaled: Scaled,
        /// Why not.
        error: String,
    },
    /// A provider runs.
    #[serde(rename = "com.wasmcloud.lattice.provider_started")]
    ProviderStarted {
        /// The host.
        host_id: String,
        /// The provider.
        provider_id: String,
        /// Where it comes from, without a scheme.
        image_ref: String,
        /// What was noted.
        annotations: Labels,
        /// What is said of it by who signed it.
        #[serde(flatten)]
        signed: Option<SignedProvider>,
    },
    /// A provider does not run as was asked.
    #[serde(rename = "com.wasmcloud.lattice.provider_start_failed")]
    ProviderStartFailed {
        /// The host.
        host_id: String,
        /// The provider.
        provider_id: String,
        /// Where it comes from, exactly as it was asked for.
        provider_ref: String,
        /// `default`.
        link_name: String,
        /// Why not.
        error: String,
    },
    /// A provider was stopped.
    #[serde(rename = "com.wasmcloud.lattice.provider_stopped")]
    ProviderStopped {
        /// The host.
        host_id: String,
        /// The provider.
        provider_id: String,
        /// The same, as hosts of early versions said it.
        instance_id: String,
        /// The same.
        public_key: String,
        /// `default`.
        link_name: String,
        /// What was noted.
        annotations: Labels,
        /// `stop`.
        reason: String,
    },
    /// A provider is well, and was not or was not known to be.
    #[serde(rename = "com.wasmcloud.lattice.health_check_passed")]
    HealthCheckPassed(Checked),
    /// A provider was well, and is not.
    #[serde(rename = "com.wasmcloud.lattice.health_check_failed")]
    HealthCheckFailed(Checked),
    /// A provider is as it was.
    #[serde(rename = "com.wasmcloud.lattice.health_check_status")]
    HealthCheckStatus(Checked),
    /// A link was put.
    #[serde(rename = "com.wasmcloud.lattice.linkdef_set")]
    LinkdefSet(LatticeLink),
    /// A link was not put.
    #[serde(rename = "com.wasmcloud.lattice.linkdef_set_failed")]
    LinkdefSetFailed {
        /// Which.
        #[serde(flatten)]
        link: LatticeLink,
        /// Why not.
        error: String,
    },
    /// A link is gone.
    #[serde(rename = "com.wasmcloud.lattice.linkdef_deleted")]
    LinkdefDeleted {
        /// What imported.
        source_id: String,
        /// Which of several links.
        name: String,
        /// `wasi` in `wasi:keyvalue`.
        wit_namespace: String,
        /// `keyvalue` in `wasi:keyvalue`.
        wit_package: String,
        /// What it led to, where there was a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        /// For which interfaces, where there was a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interfaces: Option<Vec<String>>,
    },
    /// Settings were put.
    #[serde(rename = "com.wasmcloud.lattice.config_set")]
    ConfigSet {
        /// Their name.
        config_name: String,
    },
    /// Settings are gone.
    #[serde(rename = "com.wasmcloud.lattice.config_deleted")]
    ConfigDeleted {
        /// Their name.
        config_name: String,
    },
}

/// A provider that was asked how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The host.
    pub host_id: String,
    /// The provider.
    pub provider_id: String,
}

/// A component on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// The component.
    pub component_id: String,
    /// The host.
    pub host_id: String,
    /// Where it comes from, exactly as it was asked for.
    pub image_ref: String,
    /// How many invocations run at once.
    pub max_instances: u32,
    /// What was noted.
    pub annotations: Labels,
    /// Its key, where it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// What is said of it by who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<SaidClaims>,
}

/// What is said of a provider that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedProvider {
    /// By who signed it.
    pub claims: SaidClaims,
    /// The provider, as hosts of early versions said it.
    pub instance_id: String,
    /// The same.
    pub public_key: String,
    /// `default`.
    pub link_name: String,
}

/// What who signed a component or provider says of it. Readers want texts in all of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidClaims {
    /// What components of early wasmCloud call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_alias: Option<String>,
    /// Who: the public key of an account.
    pub issuer: String,
    /// Labels; of a provider none.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// What it is called.
    #[serde(default, deserialize_with = "or_empty")]
    pub name: String,
    /// Its version in words.
    #[serde(default, deserialize_with = "or_empty")]
    pub version: String,
    /// Its version as a number; of a component only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// From when on it holds, in seconds since 1970, or `never`.
    #[serde(default, deserialize_with = "or_empty")]
    pub not_before_human: String,
    /// Until when it holds, in seconds since 1970, or `never`.
    #[serde(default, deserialize_with = "or_empty")]
    pub expires_human: String,
}

// === impl Fact ===

impl Fact {
    /// The last word of the subject that it is said on.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HostStarted { .. } => "host_started",
            Self::HostHeartbeat(_) => "host_heartbeat",
            Self::HostStopped { .. } => "host_stopped",
            Self::HostLost { .. } => "host_lost",
            Self::LabelsChanged { .. } => "labels_changed",
            Self::ComponentScaled(_) => "component_scaled",
            Self::ComponentScaleFailed { .. } => "component_scale_failed",
            Self::ProviderStarted { .. } => "provider_started",
            Self::ProviderStartFailed { .. } => "provider_start_failed",
            Self::ProviderStopped { .. } => "provider_stopped",
            Self::HealthCheckPassed(_) => "health_check_passed",
            Self::HealthCheckFailed(_) => "health_check_failed",
            Self::HealthCheckStatus(_) => "health_check_status",
            Self::LinkdefSet(_) => "linkdef_set",
            Self::LinkdefSetFailed { .. } => "linkdef_set_failed",
            Self::LinkdefDeleted { .. } => "linkdef_deleted",
            Self::ConfigSet { .. } => "config_set",
            Self::ConfigDeleted { .. } => "config_deleted",
        }
    }
}

#[cfg(test)]
mod tests;
