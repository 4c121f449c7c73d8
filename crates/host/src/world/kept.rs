//! Links for what a capability offers whose target is a component that keeps it for others, such as keys or objects. The capability
//! calls it: the component here, where it runs here, else whoever has its name in the lattice, as a provider is called.
//!
//! # Invariants
//!
//! 1. Whether a component here can stand in is found out when the link is put, as for any link from component to component.
//! 2. A link follows its target, however it was put: when that comes to this host or goes, the component is linked anew.
//!
//! # Not here
//!
//! How it is called, and in which version of the contract (the capabilities). What is fused is called without them.

use std::collections::BTreeMap;

use capability::{Capability, OpenError, OpenLink, Opened, provider, settings};
use engine::ImportName;
use model::{ComponentName, Contract, Contracts, Link, LinkDel, LinkId, Reach, Target};

use super::linked::shape;
use super::live::{Live, Member};
use super::{Offered, World};
use crate::links::LinkError;
use crate::load::LoadError;
use crate::serving;
use crate::shim;

impl World {
    /// Sees to it that the components that an import is linked to can keep what it is about.
    pub(super) fn check_keepers(&self, live: &Live, member: &Member, import: &ImportName) -> Result<(), LinkError> {
        let Ok(contract) = import.interface().parse::<Contract>() else { return Ok(()) };
        let first = live.link_for(member, &contract, import.label());
        // An import with a label has chosen already.
        let named = live.named_links_for(member, &contract).filter(|_| import.label().is_none());
        for link in first.into_iter().chain(named) {
            let Target::Component(target) = &link.target else { continue };
            let Some(keeper) = live.keeper(link) else {
                if !live.members.contains_key(target) {
                    live.check_away(member.name(), (target, &link.terms))?;
                }
                continue;
            };
            // What it exports in another version is for its capability to call.
            let Some(export) = keeper.shape.exports.iter().find(|export| contract.is_met_by(export)) else { continue };
            let caller = (&member.prepared.component, import.as_str());
            let fits = shim::fits(caller, (&keeper.prepared.component, export.to_string().as_str()));
            fits.map_err(|why| shape(member.name(), target, why))?;
        }
        Ok(())
    }

    /// What a component keeps for others, by the capability that calls it for that.
    pub(super) fn keeps(&self, member: &Member) -> BTreeMap<&'static str, Opened> {
        let target = self.target(member);
        let kept = |capability: &dyn Capability| Some((capability.name(), capability.kept_by(&target)?));
        self.config.capabilities.all().filter_map(kept).collect()
    }

    /// What a link leads to for a capability, open; nothing where it is not for that.
    pub(super) async fn opened(
        &self,
        live: &Live,
        capability: &dyn Capability,
        link: &Link,
    ) -> Result<Option<OpenLink>, LoadError> {
        let open = |target| OpenLink { name: link.id.name.clone(), terms: link.terms.clone(), target: Some(target) };
        let by_component = || live.keeper(link)?.keeps.get(capability.name()).cloned();
        match &link.target {
            Target::Capability { capability: it, .. } if it != capability.name() => Ok(None),
            // One that runs here under the name of a provider is called without the bus.
            Target::Capability { .. } => Ok(by_component().map(open).or_else(|| live.open_link(link))),
            Target::Component(_) if !is_for(capability, link) => Ok(None),
            Target::Component(target) => match (by_component(), live.keeper(link)) {
                (Some(kept), _) => Ok(Some(open(kept))),
                (None, Some(_)) => {
                    let why = format!("it does not export all of {}", link.id.contract);
                    Err(LoadError::Link(shape(&link.id.source, target, why)))
                }
                (None, None) => {
                    let opened = self.open_peer(capability, (target, link)).await;
                    let open_error = |source| LoadError::Open { component: link.id.source.clone(), source };
                    opened.map(|opened| Some(open(opened))).map_err(open_error)
                }
            },
        }
    }

    /// Who has the name of a link's target elsewhere.
    async fn open_peer(
        &self,
        capability: &dyn Capability,
        (target, link): (&ComponentName, &Link),
    ) -> Result<Opened, OpenError> {
        let backends = capability.backends();
        let peer = backends.iter().find(|backend| backend.name == provider::NAME);
        let peer = peer.ok_or_else(|| OpenError::refused(target.as_str(), "it does not run on this host"))?;
        let told = provider::tell(target.as_str(), link.id.name.as_str());
        let told = settings::check(peer.name, peer.settings, &told);
        let told = told.map_err(|problems| OpenError::refused(peer.name, problems))?;
        self.config.capabilities.open(capability.name(), peer.name, &told).await
    }

    /// A component as capabilities and other hosts call it.
    pub(super) fn target(&self, member: &Member) -> serving::Target {
        serving::Target {
            slot: member.slot.clone(),
            functions: member.functions.clone(),
            account: member.account.clone(),
            counts: member.call_counts.clone(),
            busy: self.busy.clone(),
        }
    }

    /// The link that is meant by what is to be deleted: that of one interface is that of all where a capability calls its target.
    pub(super) fn find(&self, live: &Live, wanted: LinkDel) -> Result<LinkId, LinkError> {
        let is_kept = |contract: &&Contracts| kept(&self.capabilities).any(|offer| contract.covers(offer));
        let whole = wanted.contract.as_ref().filter(is_kept).map(|contract| LinkDel {
            contract: Some(Contracts { interface: None, ..contract.clone() }),
            ..wanted.clone()
        });
        let found = live.table.find(wanted);
        found.or_else(|missing| whole.and_then(|whole| live.table.find(whole).ok()).ok_or(missing))
    }
}

/// Whether one of these capabilities meets an import with what components can keep.
pub(super) fn is_kept(capabilities: &[Offered], import: &Contract) -> bool {
    kept(capabilities).any(|offer| import.is_met_by(offer))
}

/// What these capabilities offer that components can keep.
fn kept(capabilities: &[Offered]) -> impl Iterator<Item = &Contract> {
    capabilities.iter().filter(|offered| offered.is_kept_by_components).flat_map(|offered| &offered.contracts)
}

/// What those of these capabilities offer that call a component with these exports, in whichever version it has what they call.
pub(super) fn kept_by(capabilities: &[Offered], exports: &[Contract]) -> Vec<Contract> {
    let is_exported = |offer: &Contract| exports.iter().any(|export| offer.is_met_by(export));
    let calls = |offered: &&Offered| offered.is_kept_by_components && offered.contracts.iter().any(is_exported);
    capabilities.iter().filter(calls).flat_map(|offered| offered.contracts.clone()).collect()
}

/// Whether a link leads to who has that name: to a component, or to a provider.
pub(super) fn leads_to(link: &Link, name: &ComponentName) -> bool {
    called(link) == Some(name.as_str())
}

/// The name of the component or the provider that a link leads to.
fn called(link: &Link) -> Option<&str> {
    match &link.target {
        Target::Component(name) => Some(name.as_str()),
        Target::Capability { backend, .. } if backend == provider::NAME => {
            link.config.get(provider::ID.name).map(String::as_str)
        }
        Target::Capability { .. } => None,
    }
}

/// Whether a link to a component is for what a capability offers, and is followed by it.
fn is_for(capability: &dyn Capability, link: &Link) -> bool {
    let is_offered = || capability.contracts().iter().any(|offer| link.id.contract.covers(offer));
    capability.is_kept_by_components() && link.terms.reach != Reach::Fused && is_offered()
}

// === impl Live ===

impl Live {
    /// The component here that a link leads to: by its name, or by that which a provider would have. One that shall run elsewhere is
    /// not here.
    pub(super) fn keeper(&self, link: &Link) -> Option<&Member> {
        if link.terms.reach == Reach::Remote {
            return None;
        }
        let name = called(link)?;
        let keeper = self.members.values().find(|member| member.name().as_str() == name)?;
        // Whoever has the name of its own provider means the provider.
        let is_provider = matches!(link.target, Target::Capability { .. }) && *keeper.name() == link.id.source;
        (!is_provider).then_some(keeper)
    }
}
