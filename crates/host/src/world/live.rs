//! This is what of a host's components and links changes, and what follows from it as it is at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use capability::{OpenError, OpenLink, Opened, Settings};
use engine::{Account, Pattern};
use http_capability::{Counts, Served};
use model::{ComponentName, Contract, Link, LinkId, LinkName, LinkPut, LinkView, Reach, Terms};
use stdx::Chain;
use tokio::time::Instant;

use super::horizon::AllExposed;
use super::linked::shape;
use crate::abroad::{Abroad, Exposed};
use crate::callee::{Functions, Slot};
use crate::fusing::Lead;
use crate::links::{LinkError, LinkTable, Said, Shape};
use crate::load::{LoadError, Prepared, describe};
use crate::serving::{CallCounts, Serving};
use crate::shim;

use super::routed::Routing;

/// A link whose target could not be opened is tried again after so long, and then after twice as long each time.
pub(super) const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What changes.
pub(super) struct Live {
    pub(super) beyond: Beyond,
    pub(super) members: BTreeMap<ComponentName, Member>,
    pub(super) table: LinkTable,
    /// What was said at the start: it counts again when what was said since is deleted.
    pub(super) declared: BTreeMap<LinkId, LinkPut>,
    pub(super) targets: BTreeMap<LinkId, LinkTarget>,
    pub(super) routing: Routing,
}

/// What is beyond a host: it changes when the host joins a lattice or leaves it.
#[derive(Clone)]
pub(crate) struct Beyond {
    /// The way there.
    pub(crate) abroad: Abroad,
    /// Whether there may be other hosts: then components there may meet what nothing here does.
    pub(crate) may_come: bool,
}

/// A component that is there.
pub(super) struct Member {
    pub(super) prepared: Prepared,
    pub(super) routes: Vec<route::Route>,
    pub(super) shape: Shape,
    pub(super) account: Arc<Account>,
    pub(super) counts: Arc<[Counts]>,
    pub(super) slot: Arc<Slot>,
    pub(super) functions: Functions,
    /// What it keeps for others, by the capability that calls it for that.
    pub(super) keeps: BTreeMap<&'static str, Opened>,
    /// What it is linked as: itself, and those that are fused with it.
    pub(super) parts: Vec<ComponentName>,
    pub(super) served: Option<Arc<Served>>,
    pub(super) call_counts: Arc<CallCounts>,
    pub(super) serving: Option<Serving>,
    /// How other hosts call it, where it exports anything that they can call.
    pub(super) reached: Option<Exposed>,
    /// How other hosts ask it over HTTP, where it answers that.
    pub(super) asked: Option<Exposed>,
}

/// What a link to a backend leads to.
pub(super) struct LinkTarget {
    pub(super) told: Settings,
    pub(super) state: TargetState,
    /// Why it is not as it should be now, where it is open as it was before.
    pub(super) complaint: Option<String>,
}

pub(super) enum TargetState {
    Open(Opened),
    Trouble { text: String, pause: Duration, again: Instant },
}

// === impl Live ===

/// A link with its target, taken out to be put back if need be.
pub(super) type Taken = (Option<(Link, Said)>, Option<LinkTarget>);

impl Live {
    pub(super) fn new(beyond: Beyond) -> Self {
        let (members, table, declared) = (BTreeMap::new(), LinkTable::default(), BTreeMap::new());
        Self { beyond, members, table, declared, targets: BTreeMap::new(), routing: Routing::default() }
    }

    /// What reaches the components here, taken out: who links them anew makes it anew.
    pub(super) fn take_reached(&mut self) -> AllExposed {
        let take = |(name, member): (&ComponentName, &mut Member)| {
            (name.clone(), (member.reached.take(), member.asked.take()))
        };
        self.members.iter_mut().map(take).collect()
    }

    /// Puts a link in the place of one of the same identity.
    pub(super) fn exchange(&mut self, (link, said): (Link, Said), target: Option<LinkTarget>) -> Taken {
        let id = link.id.clone();
        let old_target = self.targets.remove(&id);
        let old = self.table.put(link, said);
        target.map(|target| self.targets.insert(id, target));
        (old, old_target)
    }

    pub(super) fn take(&mut self, id: &LinkId) -> Taken {
        (self.table.take(id), self.targets.remove(id))
    }

    pub(super) fn restore(&mut self, id: &LinkId, (link, target): Taken) {
        self.take(id);
        link.map(|(link, said)| self.table.put(link, said));
        target.map(|target| self.targets.insert(id.clone(), target));
    }

    /// What was said at the start under a link that was said since.
    pub(super) fn beneath(&self, id: &LinkId) -> Option<LinkPut> {
        self.declared.get(id).filter(|_| self.table.said(id) == Some(Said::Since)).cloned()
    }

    /// The link that an import follows: the one that is named as its label, else the one without a name; of each, the one with the
    /// highest rank.
    pub(super) fn link_for<'a>(
        &'a self,
        member: &'a Member,
        contract: &Contract,
        label: Option<&str>,
    ) -> Option<&'a Link> {
        let covers = |link: &&Link| link.id.contract.covers(contract);
        let covering = || self.table.of(member.name()).filter(covers);
        let rank = |link: &&Link| self.table.rank(link);
        let labelled =
            label.and_then(|label| covering().filter(|link| link.id.name.as_str() == label).max_by_key(rank));
        labelled.or_else(|| covering().filter(|link| link.id.name.is_default()).max_by_key(rank))
    }

    /// The links that an import follows where they are chosen by name: one for each, as [`link_for`](Self::link_for) finds it.
    pub(super) fn named_links_for<'a>(
        &'a self,
        member: &'a Member,
        contract: &'a Contract,
    ) -> impl Iterator<Item = &'a Link> {
        let covering = self.table.of(member.name()).filter(move |link| link.id.contract.covers(contract));
        covering.filter(move |link| !link.id.name.is_default() && !self.is_hidden_for(contract, link))
    }

    /// Whether another link of the same name is followed for this import.
    fn is_hidden_for(&self, contract: &Contract, link: &Link) -> bool {
        let mut others = self.table.of(&link.id.source).filter(|other| other.id.contract.covers(contract));
        others.any(|other| other.id.name == link.id.name && self.table.rank(other) > self.table.rank(link))
    }

    /// Whether others are followed for all that a link is for.
    pub(super) fn is_hidden(&self, member: &Member, link: &Link) -> bool {
        let mut imports = member.shape.imports.iter().filter(|import| link.id.contract.covers(import)).peekable();
        imports.peek().is_some() && imports.all(|import| self.is_hidden_for(import, link))
    }

    /// The names that a component can choose by.
    pub(super) fn names(&self, name: &ComponentName) -> choice::Names {
        choice::Names::new(self.table.of(name).map(|link| (link.id.contract.clone(), link.id.name.clone())))
    }

    /// Whether a component that does not run here can be linked to one on another host.
    pub(super) fn check_away(
        &self,
        source: &ComponentName,
        (target, terms): (&ComponentName, &Terms),
    ) -> Result<(), LinkError> {
        let refused = |why: &str| Err(shape(source, target, why.into()));
        match terms.reach {
            _ if !self.beyond.may_come => refused("it is not there"),
            Reach::Fused | Reach::Local => refused("it does not run on this host, which the terms of the link demand"),
            Reach::PreferLocal | Reach::Remote => Ok(()),
        }
    }

    /// The target of a lead by the link of that name: here, unless the link's terms want another host.
    pub(super) fn to<'a>(&'a self, (source, link, lead): (&ComponentName, &LinkName, &'a Lead)) -> shim::To<'a> {
        let here = self.members.get(&lead.target).filter(|_| lead.terms.reach != Reach::Remote);
        let place = match here {
            Some(target) => shim::Place::Here(&target.slot, &target.prepared.component),
            None => shim::Place::Abroad(self.beyond.abroad.road(source, link, &lead.target)),
        };
        shim::To { place, export: &lead.export, terms: &lead.terms }
    }

    /// The other components that export what meets `contract`.
    pub(super) fn exporters(&self, member: &Member, contract: &Contract) -> Vec<ComponentName> {
        let exports = |other: &&Member| {
            let is_other = other.name() != member.name();
            is_other && other.shape.exports.iter().any(|export| contract.is_met_by(export))
        };
        self.members.values().filter(exports).map(|other| other.name().clone()).collect()
    }

    /// Whether links can lead to a component: now or, where there are others that import, later.
    pub(super) fn is_a_target(&self, member: &Member) -> bool {
        let patterns = member.prepared.anatomy.patterns();
        let is_called = |pattern: &Pattern| matches!(pattern, Pattern::Library | Pattern::Reactor);
        self.members.len() > 1 && patterns.iter().any(is_called)
    }

    pub(super) fn open_link(&self, link: &Link) -> Option<OpenLink> {
        let target = match &self.targets.get(&link.id)?.state {
            TargetState::Open(opened) => Some(opened.clone()),
            TargetState::Trouble { .. } => None,
        };
        Some(OpenLink { name: link.id.name.clone(), terms: link.terms.clone(), target })
    }

    pub(super) fn link_of(&self, id: &LinkId) -> Option<(Link, Settings)> {
        Some((self.table.get(id)?.clone(), self.targets.get(id)?.told.clone()))
    }

    /// A link that was put, as it is shown: what its target was told has no password in it.
    pub(super) fn view(&self, id: &LinkId) -> Option<LinkView> {
        let link = self.table.get(id)?;
        let target = self.targets.get(id);
        let shown = target.map(|target| target.told.shown()).unwrap_or_default();
        let told = link.config.keys().filter_map(|name| shown.get_key_value(name.as_str()));
        let config = told.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let trouble = target.and_then(|target| match &target.state {
            TargetState::Open(_) => target.complaint.clone(),
            TargetState::Trouble { text, .. } => Some(text.clone()),
        });
        Some(LinkView { link: Link { config, ..link.clone() }, is_put: true, trouble })
    }
}

// === impl Member ===

impl Member {
    pub(super) fn name(&self) -> &ComponentName {
        &self.prepared.source.name
    }

    pub(super) fn not_a_handler(&self, source: Option<http_capability::NotAHandler>) -> LoadError {
        let Prepared { source: file, anatomy, .. } = &self.prepared;
        LoadError::NotAHandler { path: file.shown(), what: describe(anatomy), source }
    }
}

// === impl LinkTarget ===

impl LinkTarget {
    pub(super) fn again(&self) -> Option<Instant> {
        match &self.state {
            TargetState::Open(_) => None,
            TargetState::Trouble { again, .. } => Some(*again),
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.again().is_some_and(|again| again <= Instant::now())
    }
}

// === impl TargetState ===

impl TargetState {
    pub(super) fn trouble(error: &OpenError, pause: Duration) -> Self {
        Self::Trouble { text: Chain(error).to_string(), pause, again: Instant::now() + pause }
    }

    /// After another attempt that failed.
    pub(super) fn after(&self, error: &OpenError) -> Self {
        match self {
            Self::Trouble { pause, .. } => Self::trouble(error, (*pause * 2).min(PAUSE_MAX)),
            Self::Open(_) => Self::trouble(error, PAUSE_MIN),
        }
    }
}
