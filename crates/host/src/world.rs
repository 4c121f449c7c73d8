//! These are the components of a host with their links, which change while everything runs.
//!
//! A component is linked as a whole: what its imports lead to becomes one `Served` for the data plane and one `Callee` for the
//! other components, made from the links as they are at one moment. Changing a link makes both anew and publishes them; what
//! runs goes on with what it began with, and the old target closes when the last that was bound to it has ended.
//!
//! # Invariants
//!
//! 1. A change that cannot be made changes nothing.
//! 2. Changes are made one after the other; a target is opened before, outside of that.
//! 3. A target that cannot be opened when a host starts does not keep the host from starting: the link is tried again.

mod changes;
mod exchanges;
mod horizon;
mod kept;
mod linked;
mod live;
mod routed;
mod shown;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;

use capability::{BackendInfo, Capability};
use engine::{Account, Engines, Limits, Room};
use futures::future::join_all;
use http_capability::{Counts, Reuse};
use model::{ComponentName, Contract, LinkId, LinkPut, Target};
use stdx::{ByteSize, Chain};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use crate::abroad::Exposed;
use crate::callee::{self, Slot};
use crate::capabilities::Capabilities;
use crate::fusing::Fusions;
use crate::linking::Offer;
use crate::links::{self, Facts, LinkError, Resolved, Said, Shape};
use crate::load::{LoadError, Prepared};
use crate::serving::{Busy, Serving};
pub(crate) use exchanges::Ready;
use kept::{is_kept, kept_by};
use linked::Linkers;
pub(crate) use live::Beyond;
use live::{LinkTarget, Live, Member, PAUSE_MIN, TargetState};

pub(crate) use routed::{Front, Fronts};

/// What all components of a host have in common.
pub(crate) struct WorldConfig {
    pub(crate) capabilities: Capabilities,
    pub(crate) engines: Arc<Engines>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) reuse: Option<Reuse>,
    /// Whether links may say `fused`.
    pub(crate) may_fuse: bool,
    pub(crate) cores: usize,
    pub(crate) room: Arc<Room>,
    /// The largest file that is taken for a component.
    pub(crate) size_max: ByteSize,
    /// What is beyond this host, at first.
    pub(crate) beyond: Beyond,
}

/// The components of a host with their links.
pub(crate) struct World {
    config: WorldConfig,
    capabilities: Vec<Offered>,
    host_offers: Vec<Offer>,
    linkers: Linkers,
    fusions: Fusions,
    busy: Arc<Busy>,
    front: Fronts,
    live: Mutex<Live>,
    /// There may be a target that has to be tried again.
    troubled: Notify,
}

/// A capability as links see it.
struct Offered {
    name: &'static str,
    contracts: Vec<Contract>,
    backends: Vec<BackendInfo>,
    calls: Vec<Contract>,
    is_kept_by_components: bool,
    tries_again: bool,
}

/// What resolving a link needs to know.
struct Known<'a> {
    capabilities: &'a [Offered],
    members: &'a BTreeMap<ComponentName, Member>,
    may_fuse: bool,
}

// === impl World ===

impl World {
    pub(crate) fn new(config: WorldConfig) -> Self {
        let offered = |capability: &dyn Capability| Offered {
            name: capability.name(),
            contracts: capability.contracts(),
            backends: capability.backends(),
            calls: capability.calls(),
            is_kept_by_components: capability.is_kept_by_components(),
            tries_again: capability.tries_again(),
        };
        let capabilities = config.capabilities.all().map(offered).collect();
        let host_offers = config.capabilities.offers();
        let (linkers, fusions) = (Linkers::default(), Fusions::default());
        let (front, live) = (Fronts::default(), Mutex::new(Live::new(config.beyond.clone())));
        let (busy, troubled) = (Arc::default(), Notify::new());
        Self { config, capabilities, host_offers, linkers, fusions, busy, front, live, troubled }
    }

    /// How many invocations a component has at once where nobody said otherwise, and at most.
    pub(crate) fn concurrency(&self) -> u32 {
        u32::try_from(self.config.limits.concurrency).unwrap_or(u32::MAX)
    }

    /// The largest file that is taken for a component.
    pub(crate) fn size_max(&self) -> ByteSize {
        self.config.size_max
    }

    /// What this host offers by itself.
    pub(crate) fn host_offers(&self) -> &[Offer] {
        &self.host_offers
    }

    /// Adds components with the links that were asked for, and links all of them. All that is wrong is said at once.
    pub(crate) async fn start(&self, prepared: Vec<Prepared>, wanted: Vec<LinkPut>) -> Result<(), Vec<LoadError>> {
        let mut live = self.live.lock().await;
        for prepared in prepared {
            let name = prepared.source.name.clone();
            match live.members.get_mut(&name) {
                // One component at a further path.
                Some(member) => member.routes.extend(prepared.source.route),
                None => drop(live.members.insert(name, self.member(prepared))),
            }
        }
        let mut errors = Vec::new();
        for mut wanted in wanted {
            wanted.unchecked |= live.beyond.may_come;
            match links::resolve(wanted.clone(), &self.known(&live.members), &live.table) {
                Ok(resolved) => self.declare(&mut live, wanted, resolved),
                Err(error) => errors.push(LoadError::Link(error)),
            }
        }
        self.open_all(&mut live).await;
        for name in live.members.keys().cloned().collect::<Vec<_>>() {
            errors.extend(self.link(&mut live, &name).await.err());
        }
        if errors.is_empty() {
            let is_of_use = |member: &Member| {
                let is_called_here = live.is_a_target(member) || self.may_be_called(member);
                let is_called_abroad = live.beyond.may_come && member.reached.is_some();
                member.served.is_some() || is_called_here || is_called_abroad
            };
            let is_of_no_use = |member: &&Member| !is_of_use(member);
            errors.extend(live.members.values().filter(is_of_no_use).map(|member| member.not_a_handler(None)));
            errors.extend(live.taken());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Whether capabilities call components at this moment.
    pub(crate) fn busy(&self) -> &Arc<Busy> {
        &self.busy
    }

    /// Lets capabilities and other hosts begin no further calls, and waits until those that run have ended.
    pub(crate) async fn end_serving(&self) {
        let (serving, reached): (Vec<_>, Vec<_>) = {
            let mut live = self.live.lock().await;
            live.routing.end();
            let taken = |member: &mut Member| (member.serving.take(), [member.reached.take(), member.asked.take()]);
            live.members.values_mut().map(taken).unzip()
        };
        let serving = join_all(serving.into_iter().flatten().map(Serving::end));
        tokio::join!(serving, join_all(reached.into_iter().flatten().flatten().map(Exposed::end)));
    }

    /// Whether a link can be put, as far as that is known before its target is opened.
    pub(crate) async fn check(&self, wanted: LinkPut) -> Result<(), LinkError> {
        let live = self.live.lock().await;
        links::resolve(wanted, &self.known(&live.members), &live.table).map(drop)
    }

    fn member(&self, prepared: Prepared) -> Member {
        let mut member = Member {
            routes: prepared.source.route.iter().cloned().collect(),
            shape: Shape::of(&prepared),
            account: Arc::new(Account::new(self.config.limits.clone(), self.config.room.clone())),
            counts: Counts::for_cores(self.config.cores),
            slot: Arc::new(Slot::new(prepared.source.name.clone())),
            functions: callee::functions(&prepared.component),
            keeps: BTreeMap::new(),
            parts: Vec::new(),
            served: None,
            call_counts: Arc::default(),
            serving: None,
            reached: None,
            asked: None,
            prepared,
        };
        member.keeps = self.keeps(&member);
        member
    }

    fn known<'a>(&'a self, members: &'a BTreeMap<ComponentName, Member>) -> Known<'a> {
        Known { capabilities: &self.capabilities, members, may_fuse: self.config.may_fuse }
    }

    /// Puts a link that was said at the start, and does not open its target yet.
    fn declare(&self, live: &mut Live, wanted: LinkPut, resolved: Resolved) {
        let target = resolved.settings.map(|told| LinkTarget {
            told,
            state: TargetState::Trouble { text: String::new(), pause: PAUSE_MIN, again: Instant::now() },
            complaint: None,
        });
        let id = resolved.link.id.clone();
        let again = LinkPut { contract: Some(id.contract.clone()), unchecked: true, ..wanted };
        live.declared.insert(id, again);
        live.exchange((resolved.link, Said::AtStart), target);
    }

    /// Opens what the links lead to that were asked for at the start, all at once.
    async fn open_all(&self, live: &mut Live) {
        let Live { table, targets, .. } = live;
        let open = |(id, target): (&LinkId, &LinkTarget)| {
            let (id, told) = (id.clone(), target.told.clone());
            let link = table.get(&id).cloned();
            async move {
                let Some(Target::Capability { capability, backend }) = link.map(|link| link.target) else {
                    return None;
                };
                Some((id, self.config.capabilities.open(&capability, &backend, &told).await))
            }
        };
        let opened = join_all(targets.iter().map(open)).await;
        for (id, opened) in opened.into_iter().flatten() {
            let Some(target) = targets.get_mut(&id) else { continue };
            target.state = match opened {
                Ok(opened) => TargetState::Open(opened),
                Err(error) => {
                    tracing::warn!(link = %id, error = %Chain(&error), "the target of a link cannot be opened; it is tried again");
                    TargetState::trouble(&error, PAUSE_MIN)
                }
            };
        }
    }

    /// Whether a component exports what some capability calls, if a link says so.
    fn may_be_called(&self, member: &Member) -> bool {
        let mut calls = self.capabilities.iter().flat_map(|offered| &offered.calls);
        calls.any(|call| member.shape.exports.iter().any(|export| call.is_met_by(export)))
    }
}

impl Drop for World {
    /// Components that call one another in a circle would hold one another for ever.
    fn drop(&mut self) {
        self.live.get_mut().members.values().for_each(|member| member.slot.fill(None));
    }
}

fn as_link_error(error: LoadError, id: &LinkId) -> LinkError {
    match error {
        LoadError::Link(error) => error,
        LoadError::Open { source, .. } => LinkError::Open(source),
        other => LinkError::Other { link: Box::new(id.clone()), why: Chain(&other).to_string() },
    }
}

// === impl Known ===

impl Facts for Known<'_> {
    fn component(&self, name: &ComponentName) -> Option<&Shape> {
        self.members.get(name).map(|member| &member.shape)
    }

    fn components(&self) -> Vec<&ComponentName> {
        self.members.keys().collect()
    }

    fn capability(&self, name: &str) -> Option<(&[Contract], &[BackendInfo])> {
        let offered = self.capabilities.iter().find(|offered| offered.name == name)?;
        Some((&offered.contracts, &offered.backends))
    }

    fn capabilities(&self) -> Vec<&str> {
        self.capabilities.iter().map(|offered| offered.name).collect()
    }

    fn may_fuse(&self) -> bool {
        self.may_fuse
    }

    fn tries_again(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|offered| offered.name == capability && offered.tries_again)
    }

    fn is_kept_by_components(&self, contract: &Contract) -> bool {
        is_kept(self.capabilities, contract)
    }

    fn kept_by(&self, exports: &[Contract]) -> Vec<Contract> {
        kept_by(self.capabilities, exports)
    }
}
