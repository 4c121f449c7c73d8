//! Puts and deletes links as who asks the host means them: each is done here, and the lattice that the host is in keeps it.
//!
//! Also a host that is alone is a lattice: what it keeps is put again at its next start, shown to whoever asks for the links of the
//! lattice, and taken along where the host joins another.
//!
//! # Invariants
//!
//! 1. What was answered is done and kept. What cannot be kept is undone, and refused.
//! 2. One change at a time, and none while the host joins a lattice or leaves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lattice::Role;
use model::lattice::LatticeLink;
use model::{Contracts, Link, LinkChange, LinkDel, LinkId, LinkPut, LinkView, Target, Terms};

use super::Shared;
use super::errors::JoinError;
use crate::control::{Failed, boxed};
use crate::links::LinkError;
use crate::world::Ready;

/// What changes the links of a host, whichever lattice it is in.
#[derive(Clone)]
pub(crate) struct Links(pub(super) Arc<Shared>);

// === impl Links ===

impl Links {
    /// Puts a link in the place of whatever leads the same imports elsewhere.
    pub(crate) async fn put(&self, wanted: LinkPut) -> Result<LinkChange, Failed> {
        let Self(shared) = self;
        let wanted = self.meant(wanted).await;
        // Before it is its turn: what is opened may take its time.
        let ready = shared.world.ready(wanted.clone()).await;
        let member = shared.member.lock().await;
        let role = &member.as_ref().ok_or_else(|| boxed(JoinError::Ending))?.role;
        let ready = match ready {
            Ok(ready) => ready,
            Err(LinkError::NoSuchComponent { name, .. }) if name == wanted.source && role.is_source(&name) => {
                return put_from(role, wanted).await;
            }
            Err(error) => return Err(boxed(error)),
        };
        let kept = kept_as(&wanted, &ready);
        let exchanged = shared.world.put_ready(ready).await.map_err(boxed)?;
        if let Err(error) = role.put_link(kept, &wanted.config).await {
            shared.world.undo(exchanged).await;
            return Err(boxed(error));
        }
        tracing::info!(link = %exchanged.id, target = %wanted.target, "linked");
        Ok(LinkChange { now: exchanged.now, before: exchanged.before })
    }

    /// The same link, put as it is where it leads to a provider that runs here: that is no component which could be looked at.
    async fn meant(&self, wanted: LinkPut) -> LinkPut {
        let Target::Component(name) = &wanted.target else { return wanted };
        let member = self.0.member.lock().await;
        let providers = member.as_ref().map(|member| member.role.providers()).unwrap_or_default();
        let unchecked = wanted.unchecked || providers.iter().any(|id| id == name.as_str());
        LinkPut { unchecked, ..wanted }
    }

    /// Deletes a link. What the host was started with for the same imports counts again.
    pub(crate) async fn delete(&self, wanted: LinkDel) -> Result<LinkChange, Failed> {
        let Self(shared) = self;
        let member = shared.member.lock().await;
        let role = &member.as_ref().ok_or_else(|| boxed(JoinError::Ending))?.role;
        let exchanged = match shared.world.delete(wanted.clone()).await {
            Ok(exchanged) => exchanged,
            Err(error) if is_unknown(&error) => {
                // Of what does not run here a link may be kept all the same.
                let kept = role.delete_link(&wanted).await.map_err(boxed)?;
                let before = kept.as_ref().and_then(view_of).ok_or_else(|| boxed(error))?;
                return Ok(LinkChange { now: None, before: Some(before) });
            }
            Err(error) => return Err(boxed(error)),
        };
        let LinkId { source, name, contract } = exchanged.id.clone();
        let meant = LinkDel { source, name, contract: Some(contract) };
        if exchanged.was_put()
            && let Err(error) = role.delete_link(&meant).await
        {
            shared.world.undo(exchanged).await;
            return Err(boxed(error));
        }
        tracing::info!(link = %exchanged.id, "link deleted");
        Ok(LinkChange { now: exchanged.now, before: exchanged.before })
    }
}

/// Whether it is for the reason that nothing which could be meant is linked here: of several the one that is meant has to be
/// said.
fn is_unknown(error: &LinkError) -> bool {
    match error {
        LinkError::Missing(_) => true,
        LinkError::WhichOne { known, .. } => known.is_empty(),
        _ => false,
    }
}

/// Puts a link whose source is no component here: a provider, or the hosts themselves.
async fn put_from(role: &Role, wanted: LinkPut) -> Result<LinkChange, Failed> {
    let named = wanted.contract.clone().filter(|contract| contract.interface.is_some());
    let Contracts { namespace, package, interface } =
        named.ok_or_else(|| boxed(LinkError::NoInterface(wanted.source.clone())))?;
    let link = LatticeLink { interfaces: interface.into_iter().collect(), ..described(&wanted, (namespace, package)) };
    let kept = role.put_link(link, &wanted.config).await.map_err(boxed)?;
    Ok(LinkChange { now: view_of(&kept), before: None })
}

/// A link as the lattice keeps it.
fn kept_as(wanted: &LinkPut, ready: &Ready) -> LatticeLink {
    let Contracts { namespace, package, interface } = ready.id().contract.clone();
    LatticeLink {
        interfaces: ready.interfaces().to_vec(),
        is_whole: interface.is_none() && matches!(wanted.target, Target::Component(_)),
        ..described(wanted, (namespace, package))
    }
}

fn described(wanted: &LinkPut, (wit_namespace, wit_package): (String, String)) -> LatticeLink {
    LatticeLink {
        source_id: wanted.source.to_string(),
        target: wanted.target.to_string(),
        name: wanted.name.to_string(),
        wit_namespace,
        wit_package,
        interfaces: Vec::new(),
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: Some(wanted.terms.clone()).filter(|terms| *terms != Terms::default()),
        is_whole: false,
    }
}

/// A link of the lattice as the host shows its own: nothing of what its target is told.
fn view_of(kept: &LatticeLink) -> Option<LinkView> {
    let interface = match kept.interfaces.as_slice() {
        [only] if !kept.is_whole => Some(only.clone()),
        _ => None,
    };
    let (namespace, package) = (kept.wit_namespace.clone(), kept.wit_package.clone());
    let contract = Contracts { namespace, package, interface };
    let id = LinkId { source: kept.source_id.parse().ok()?, name: kept.name.parse().ok()?, contract };
    let terms = kept.terms.clone().unwrap_or_default();
    let link = Link { id, target: kept.target.parse().ok()?, config: BTreeMap::new(), terms };
    Some(LinkView { link, is_put: true, trouble: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_links_that_are_here_none_is_looked_for_elsewhere() {
        let which_one = |known: &[&str]| LinkError::WhichOne {
            name: "till".parse().expect("a name"),
            known: known.iter().map(|known| known.parse().expect("contracts")).collect(),
        };
        assert!(is_unknown(&which_one(&[])), "what does not run here may have links that are kept");
        assert!(!is_unknown(&which_one(&["demo:shop/a", "demo:shop/b"])));
    }

    #[test]
    fn a_link_is_kept_without_what_its_target_is_told() {
        let put: LinkPut =
            "till=keyvalue/redis,url=redis://:hunter2@a,name=cache,terms=timeout=2s".parse().expect("a link");
        let kept = described(&put, ("wasi".into(), "keyvalue".into()));
        assert!(!serde_json::to_string(&kept).expect("it is a value").contains("hunter2"));
        let view = view_of(&kept).expect("it can be shown");
        assert_eq!(
            format!("{} -> {} [{}]", view.link.id, view.link.target, view.link.terms),
            "till wasi:keyvalue (cache) -> keyvalue/redis [prefer-local,timeout=2s]"
        );
    }
}
