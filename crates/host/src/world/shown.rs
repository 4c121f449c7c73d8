//! What there is to say of a host's components and links, as they are at one moment: for lists, reports and counters.
//!
//! # Invariants
//!
//! 1. Nothing is changed here, and nothing is opened.
//! 2. What an import is shown to lead to is what its component is linked to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use capability::BackendInfo;
use http_capability::Counts;
use model::{ComponentName, Contract, Link, LinkId, LinkView, Target, Terms};
use trust::ClaimsView;

use super::live::{Live, Member};
use super::{Offered, World};
use crate::linking::{self, Import, Linked};
use crate::links::{Facts, LinkError};
use crate::load::{LoadedComponent, Prepared};
use crate::serving::CallCounts;

impl World {
    /// All components, as they are shown.
    pub(crate) async fn components(&self) -> Vec<LoadedComponent> {
        let live = self.live.lock().await;
        let shown = |member: &Member| {
            let Prepared { source, anatomy, .. } = &member.prepared;
            let component = LoadedComponent {
                source: source.clone(),
                anatomy: anatomy.clone(),
                imports: self.imports(&live, member),
                is_served: member.served.is_some() && !member.routes.is_empty(),
                claims: member.prepared.claims.clone(),
            };
            let at = |route: &route::Route| {
                let source = crate::Source { route: Some(route.clone()), ..component.source.clone() };
                LoadedComponent { source, ..component.clone() }
            };
            let shown: Vec<_> = member.routes.iter().map(at).collect();
            if shown.is_empty() { vec![component] } else { shown }
        };
        live.members.values().flat_map(shown).collect()
    }

    /// What is said of a component by who signed it.
    pub(crate) async fn claims(&self, name: &ComponentName) -> Option<Arc<ClaimsView>> {
        self.live.lock().await.members.get(name)?.prepared.claims.clone()
    }

    /// What became of all requests, and of all calls that capabilities made, by component.
    pub(crate) async fn counts(&self) -> Vec<(ComponentName, Arc<[Counts]>, Arc<CallCounts>)> {
        let live = self.live.lock().await;
        let counts = |(name, member): (&ComponentName, &Member)| {
            (name.clone(), member.counts.clone(), member.call_counts.clone())
        };
        let away = live.counts_away().map(|(name, counts)| (name, counts, Arc::default()));
        live.members.iter().map(counts).chain(away).collect()
    }

    /// The links of one component, or of all: those that were put and are followed, and those that the host made.
    pub(crate) async fn query(&self, source: Option<&ComponentName>) -> Result<Vec<LinkView>, LinkError> {
        let live = self.live.lock().await;
        let known = self.known(&live.members);
        if let Some(name) = source.filter(|name| known.component(name).is_none()) {
            let known = known.components().into_iter().map(ToString::to_string).collect();
            return Err(LinkError::NoSuchComponent { name: name.clone(), known });
        }
        let is_wanted = |name: &ComponentName| source.is_none_or(|source| source == name);
        let of = |(name, member): (&ComponentName, &Member)| {
            let followed = live.table.of(name).filter(|link| !live.is_hidden(member, link));
            let put: Vec<_> = followed.filter_map(|link| live.view(&link.id)).collect();
            put.into_iter().chain(self.made_by_host(&live, member)).collect::<Vec<_>>()
        };
        Ok(live.members.iter().filter(|(name, _)| is_wanted(name)).flat_map(of).collect())
    }

    /// Every backend that a link can lead to.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&'static str, &BackendInfo)> {
        self.capabilities.iter().flat_map(|offered| offered.backends.iter().map(|backend| (offered.name, backend)))
    }

    /// What each import of a component leads to.
    fn imports(&self, live: &Live, member: &Member) -> Vec<Import> {
        let mut imports = linking::link(&member.prepared.imports, &self.host_offers);
        for import in &mut imports {
            let Ok(contract) = import.name.interface().parse::<Contract>() else { continue };
            if import.linked == Linked::OneOnly {
                continue;
            }
            let to = |target: &Target| Linked::To { target: target.to_string(), offered: contract.clone() };
            match live.link_for(member, &contract, import.name.label()) {
                Some(link) => import.linked = to(&link.target),
                None if matches!(import.linked, Linked::To { .. }) => {}
                None => {
                    if let [only] = live.exporters(member, &contract).as_slice() {
                        import.linked = to(&Target::Component(only.clone()));
                    } else if live.beyond.may_come && import.may_come() {
                        import.linked = Linked::Awaited;
                    }
                }
            }
        }
        imports
    }

    /// The links that the host made for a component, since nobody put one.
    fn made_by_host<'a>(&'a self, live: &'a Live, member: &'a Member) -> impl Iterator<Item = LinkView> + 'a {
        let mut seen = BTreeSet::new();
        let imports = member.prepared.imports.iter();
        let wanted = imports.filter_map(|import| Some((import.interface().parse::<Contract>().ok()?, import.label())));
        let unlinked = wanted.filter(|(import, label)| live.link_for(member, import, *label).is_none());
        let made = unlinked.filter_map(|(import, _)| {
            let import = &import;
            let offers = |offered: &&Offered| offered.contracts.iter().any(|offer| import.is_met_by(offer));
            if let Some(offered) = self.capabilities.iter().find(offers) {
                let target =
                    Target::Capability { capability: offered.name.into(), backend: offered.backends[0].name.into() };
                return Some((model::Contracts::of_package(import), target));
            }
            match live.exporters(member, import).as_slice() {
                [only] => Some((model::Contracts::of_interface(import), Target::Component(only.clone()))),
                _ => None,
            }
        });
        let once = made.filter(move |(contract, _)| seen.insert(contract.clone()));
        once.map(|(contract, target)| {
            let id = LinkId { source: member.name().clone(), name: Default::default(), contract };
            let link = Link { id, target, config: BTreeMap::new(), terms: Terms::default() };
            LinkView { link, is_put: false, trouble: None }
        })
    }
}
