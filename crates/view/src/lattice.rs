//! This is the fold: news go in one after the other, and a lattice is what they come to.

use std::collections::BTreeMap;
use std::time::SystemTime;

use model::fact::{Event, Fact, Scaled};
use model::lattice::{ComponentDescription, Host, HostInventory, ProviderDescription};
use model::record::{HostRecord, Lease};

use crate::host::HostView;

/// What there is in a lattice, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lattice {
    hosts: BTreeMap<String, HostView>,
}

/// Something that was learned of a lattice.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A host has said a fact.
    Said(&'a Event),
    /// A host has answered.
    Answered(&'a Host),
    /// A host has answered what it runs.
    Described(&'a HostInventory),
    /// The lattice keeps this of a host; or nothing any more.
    Recorded(&'a str, Option<&'a HostRecord>),
    /// A host has renewed its lease like that at some time.
    Leased(&'a str, &'a Lease),
}

// === impl Lattice ===

impl Lattice {
    /// Takes what was learned at that time, by the clock of who learns.
    pub fn apply(&mut self, now: SystemTime, news: News<'_>) {
        match news {
            News::Said(event) => self.said(now, event),
            News::Answered(host) => {
                self.heard(now, &host.id).know_answer(host);
            }
            News::Described(inventory) => self.heard(now, &inventory.host_id).know_inventory(inventory),
            News::Recorded(host, None) => drop(self.hosts.remove(host)),
            News::Recorded(host, Some(HostRecord::Lost(loss))) => self.host(host).know_loss(loss),
            News::Recorded(host, Some(HostRecord::Present(card))) => {
                let view = self.host(host);
                view.know_card(card);
                view.come();
            }
            News::Leased(host, lease) => {
                let view = self.host(host);
                view.know_renewal(&lease.renewed);
                view.know_inventory(&lease.runs);
            }
        }
    }

    /// The hosts by their keys: also those that are silent, and those that are lost until they are forgotten.
    pub fn hosts(&self) -> &BTreeMap<String, HostView> {
        &self.hosts
    }

    fn said(&mut self, now: SystemTime, event: &Event) {
        let host = &event.source;
        match &event.fact {
            Fact::HostStarted { friendly_name, labels, version, .. } => {
                let view = self.heard(now, host);
                view.friendly_name.clone_from(friendly_name);
                view.labels.clone_from(labels);
                view.version.clone_from(version);
            }
            Fact::HostHeartbeat(inventory) => self.heard(now, host).know_inventory(inventory),
            Fact::HostStopped { .. } => drop(self.hosts.remove(host)),
            Fact::HostLost { host_id, heard } => self.host(host_id).lose(heard, host),
            Fact::LabelsChanged { labels, .. } => self.heard(now, host).labels.clone_from(labels),
            Fact::ComponentScaled(scaled) => {
                scale(&mut self.heard(now, host).components, scaled);
            }
            Fact::ProviderStarted { provider_id, image_ref, annotations, .. } => {
                let provider = ProviderDescription {
                    id: provider_id.clone(),
                    image_ref: image_ref.clone(),
                    name: None,
                    revision: 0,
                    annotations: annotations.clone(),
                    condition: None,
                    config: None,
                };
                self.heard(now, host).providers.insert(provider_id.clone(), provider);
            }
            Fact::ProviderStopped { provider_id, .. } => {
                self.heard(now, host).providers.remove(provider_id);
            }
            Fact::ComponentScaleFailed { .. }
            | Fact::ProviderStartFailed { .. }
            | Fact::HealthCheckPassed(_)
            | Fact::HealthCheckFailed(_)
            | Fact::HealthCheckStatus(_)
            | Fact::LinkdefSet(_)
            | Fact::LinkdefSetFailed { .. }
            | Fact::LinkdefDeleted { .. }
            | Fact::ConfigSet { .. }
            | Fact::ConfigDeleted { .. } => self.host(host).hear(now),
        }
    }

    fn host(&mut self, id: &str) -> &mut HostView {
        self.hosts.entry(id.to_owned()).or_default()
    }

    fn heard(&mut self, now: SystemTime, id: &str) -> &mut HostView {
        let view = self.host(id);
        view.hear(now);
        view
    }
}

/// A component runs with so many invocations at once. That it has ended is said of where it came from: it may run from elsewhere.
fn scale(components: &mut BTreeMap<String, ComponentDescription>, scaled: &Scaled) {
    let Scaled { component_id: id, image_ref, max_instances, annotations, claims, .. } = scaled;
    match (components.get(id), max_instances) {
        (Some(known), 0) if known.image_ref == *image_ref => drop(components.remove(id)),
        (_, 0) => {}
        _ => {
            let component = ComponentDescription {
                id: id.clone(),
                image_ref: image_ref.clone(),
                name: claims.as_ref().map(|claims| claims.name.clone()).filter(|name| !name.is_empty()),
                annotations: annotations.clone(),
                revision: claims.as_ref().and_then(|claims| claims.revision).unwrap_or(0),
                max_instances: *max_instances,
                // An event does not say them; the next beat does.
                limits: components.get(id).and_then(|known| known.limits.clone()),
            };
            components.insert(id.clone(), component);
        }
    }
}

#[cfg(test)]
mod tests;
