//! These are the components of a host with their links, which change while everything runs.
//!
//! A component is linked as a whole: what its imports lead to becomes one [`Served`] for the data plane and one `Callee` for the
//! other components, made from the links as they are at one moment. Changing a link makes both anew and publishes them; what
//! runs goes on with what it began with, and the old target closes when the last that was bound to it has ended.
//!
//! # Invariants
//!
//! 1. A change that cannot be made changes nothing.
//! 2. Changes are made one after the other; a target is opened before, outside of that.
//! 3. A target that cannot be opened when a host starts does not keep the host from starting: the link is tried again.

mod live;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use capability::{BackendInfo, Capability, OpenError};
use engine::{Account, Engines, Limits, Room, Settings, State};
use http_capability::{Counts, NewState, Publisher, Reuse, Served, ServedParts};
use model::{ComponentName, Contract, Link, LinkDel, LinkId, LinkPut, LinkView, Target, Terms};
use route::{RouteError, Routes};
use stdx::Chain;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use wasmtime::component::{InstancePre, Linker};

use crate::callee::{self, Callee, CalleeParts, Slot};
use crate::capabilities::{Capabilities, OpenLinks};
use crate::linking::{self, Import, Linked, Missing, Offer};
use crate::links::{self, Facts, LinkError, Resolved, Shape};
use crate::load::{LoadError, LoadedComponent, Prepared};
use crate::serving::{self, Busy, CallCounts};
use crate::shim;
use live::{LinkTarget, Live, Member, PAUSE_MIN, TargetState};

/// What all components of a host have in common.
pub(crate) struct WorldConfig {
    pub(crate) capabilities: Capabilities,
    pub(crate) engines: Arc<Engines>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) reuse: Option<Reuse>,
    pub(crate) cores: usize,
    pub(crate) room: Arc<Room>,
}

/// The components of a host with their links.
pub(crate) struct World {
    config: WorldConfig,
    capabilities: Vec<Offered>,
    host_offers: Vec<Offer>,
    linkers: Linkers,
    busy: Arc<Busy>,
    publisher: OnceLock<Publisher>,
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
}

/// What resolving a link needs to know.
struct Known<'a> {
    capabilities: &'a [Offered],
    members: &'a BTreeMap<ComponentName, Member>,
}

/// One of a component's imports that leads to another component.
struct Lead {
    import: String,
    target: ComponentName,
    terms: Terms,
}

/// The linkers of a host: one an engine, shared by all components whose imports lead to no other component.
#[derive(Default)]
struct Linkers {
    serial: OnceLock<Linker<State>>,
    concurrent: OnceLock<Linker<State>>,
}

// === impl World ===

impl World {
    pub(crate) fn new(config: WorldConfig) -> Self {
        let offered = |capability: &dyn Capability| Offered {
            name: capability.name(),
            contracts: capability.contracts(),
            backends: capability.backends(),
            calls: capability.calls(),
        };
        let capabilities = config.capabilities.all().map(offered).collect();
        let host_offers = config.capabilities.offers();
        let (linkers, publisher, live) = (Linkers::default(), OnceLock::new(), Mutex::default());
        let (busy, troubled) = (Arc::default(), Notify::new());
        Self { config, capabilities, host_offers, linkers, busy, publisher, live, troubled }
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
                Some(member) => member.prefixes.push(prepared.source.prefix),
                None => drop(live.members.insert(name, self.member(prepared))),
            }
        }
        let mut errors = Vec::new();
        for wanted in wanted {
            match links::resolve(wanted, &self.known(&live.members), &live.table) {
                Ok(resolved) => self.put_unopened(&mut live, resolved),
                Err(error) => errors.push(LoadError::Link(error)),
            }
        }
        self.open_all(&mut live).await;
        for name in live.members.keys().cloned().collect::<Vec<_>>() {
            errors.extend(self.link(&mut live, &name).await.err());
        }
        if errors.is_empty() {
            let is_of_no_use =
                |member: &&Member| member.served.is_none() && !live.is_a_target(member) && !self.may_be_called(member);
            errors.extend(live.members.values().filter(is_of_no_use).map(|member| member.not_a_handler(None)));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The routes of all components that are served.
    pub(crate) async fn routes(&self) -> Result<Routes<Arc<Served>>, RouteError> {
        self.live.lock().await.routes()
    }

    /// From now on changes are published there.
    pub(crate) fn publish_to(&self, publisher: Publisher) {
        // It is set once, when the data plane has started.
        drop(self.publisher.set(publisher));
    }

    /// All components, as they are shown.
    pub(crate) async fn components(&self) -> Vec<LoadedComponent> {
        let live = self.live.lock().await;
        let shown = |member: &Member| {
            let Prepared { source, anatomy, .. } = &member.prepared;
            let component = LoadedComponent {
                source: source.clone(),
                anatomy: anatomy.clone(),
                imports: self.imports(&live, member),
                is_served: member.served.is_some(),
            };
            let at = |prefix: &route::Prefix| {
                let source = crate::Source { prefix: prefix.clone(), ..component.source.clone() };
                LoadedComponent { source, ..component.clone() }
            };
            member.prefixes.iter().map(at).collect::<Vec<_>>()
        };
        live.members.values().flat_map(shown).collect()
    }

    /// What became of all requests, and of all calls that capabilities made, by component.
    pub(crate) async fn counts(&self) -> Vec<(ComponentName, Arc<[Counts]>, Arc<CallCounts>)> {
        let live = self.live.lock().await;
        let counts = |(name, member): (&ComponentName, &Member)| {
            (name.clone(), member.counts.clone(), member.call_counts.clone())
        };
        live.members.iter().map(counts).collect()
    }

    /// Whether capabilities call components at this moment.
    pub(crate) fn busy(&self) -> &Arc<Busy> {
        &self.busy
    }

    /// The broker of this host's bus.
    pub(crate) fn broker(&self) -> &bus::Broker {
        self.config.capabilities.broker()
    }

    /// Lets capabilities begin no further calls, and waits until those that run have ended.
    pub(crate) async fn end_serving(&self) {
        let ending: Vec<_> = {
            let mut live = self.live.lock().await;
            live.members.values_mut().filter_map(|member| member.serving.take()).collect()
        };
        futures::future::join_all(ending.into_iter().map(serving::Serving::end)).await;
    }

    /// Puts a link. Its target is opened first: one that cannot be opened leaves everything as it was, unless that is wanted.
    pub(crate) async fn put(&self, wanted: LinkPut) -> Result<(LinkView, Option<LinkView>), LinkError> {
        let is_unchecked = wanted.unchecked;
        let resolved = {
            let live = self.live.lock().await;
            links::resolve(wanted, &self.known(&live.members), &live.table)?
        };
        let target = match (&resolved.link.target, &resolved.settings) {
            (Target::Capability { capability, backend }, Some(told)) => {
                let state = match self.config.capabilities.open(capability, backend, told).await {
                    Ok(opened) => TargetState::Open(opened),
                    Err(error @ OpenError::Refused { .. }) => return Err(error.into()),
                    Err(error) if is_unchecked => TargetState::trouble(&error, PAUSE_MIN),
                    Err(error) => return Err(error.into()),
                };
                Some(LinkTarget { told: told.clone(), state, complaint: None })
            }
            _ => None,
        };
        let id = resolved.link.id.clone();
        let mut live = self.live.lock().await;
        let before = live.view(&id);
        let old = live.exchange(resolved.link, target);
        if let Err(error) = self.link(&mut live, &id.source).await {
            live.restore(&id, old);
            return Err(as_link_error(error, &id));
        }
        self.publish(&live);
        self.troubled.notify_one();
        Ok((live.view(&id).expect("it was put a moment ago"), before))
    }

    /// Takes a link out; the import leads to what the host has by itself again, where it has something.
    pub(crate) async fn delete(&self, wanted: LinkDel) -> Result<LinkView, LinkError> {
        let mut live = self.live.lock().await;
        let id = live.table.find(wanted)?;
        let before = live.view(&id).expect("it was found a moment ago");
        let old = live.take(&id);
        if let Err(error) = self.link(&mut live, &id.source).await {
            live.restore(&id, old);
            return Err(as_link_error(error, &id));
        }
        self.publish(&live);
        Ok(before)
    }

    /// The links of one component, or of all: those that were put, and those that the host made.
    pub(crate) async fn query(&self, source: Option<&ComponentName>) -> Result<Vec<LinkView>, LinkError> {
        let live = self.live.lock().await;
        let known = self.known(&live.members);
        if let Some(name) = source.filter(|name| known.component(name).is_none()) {
            let known = known.components().into_iter().map(ToString::to_string).collect();
            return Err(LinkError::NoSuchComponent { name: name.clone(), known });
        }
        let is_wanted = |name: &ComponentName| source.is_none_or(|source| source == name);
        let of = |(name, member): (&ComponentName, &Member)| {
            let put: Vec<_> = live.table.of(name).filter_map(|link| live.view(&link.id)).collect();
            put.into_iter().chain(self.made_by_host(&live, member)).collect::<Vec<_>>()
        };
        Ok(live.members.iter().filter(|(name, _)| is_wanted(name)).flat_map(of).collect())
    }

    /// Every backend that a link can lead to.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&'static str, &BackendInfo)> {
        self.capabilities.iter().flat_map(|offered| offered.backends.iter().map(|backend| (offered.name, backend)))
    }

    fn member(&self, prepared: Prepared) -> Member {
        let contracts = |names: &[String]| names.iter().filter_map(|name| name.parse().ok()).collect();
        let exports = prepared.component.component_type();
        let exports: Vec<_> = exports.exports(prepared.component.engine()).map(|(name, _)| name.to_owned()).collect();
        Member {
            prefixes: vec![prepared.source.prefix.clone()],
            shape: Shape { imports: contracts(&prepared.imports), exports: contracts(&exports) },
            account: Arc::new(Account::new(self.config.limits.clone(), self.config.room.clone())),
            counts: Counts::for_cores(self.config.cores),
            slot: Arc::new(Slot::new(prepared.source.name.clone())),
            functions: callee::functions(&prepared.component),
            served: None,
            call_counts: Arc::default(),
            serving: None,
            prepared,
        }
    }

    fn known<'a>(&'a self, members: &'a BTreeMap<ComponentName, Member>) -> Known<'a> {
        Known { capabilities: &self.capabilities, members }
    }

    fn put_unopened(&self, live: &mut Live, resolved: Resolved) {
        let target = resolved.settings.map(|told| LinkTarget {
            told,
            state: TargetState::Trouble { text: String::new(), pause: PAUSE_MIN, again: Instant::now() },
            complaint: None,
        });
        live.exchange(resolved.link, target);
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
        let opened = futures::future::join_all(targets.iter().map(open)).await;
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

    /// Links one component as the table says.
    async fn link(&self, live: &mut Live, name: &ComponentName) -> Result<(), LoadError> {
        let member = &live.members[name];
        let leads = self.leads(live, member)?;
        let pre = self.instance_pre(live, member, &leads)?;
        let open_links = self.open_links(live, member, &leads).await?;
        let bound = self.config.capabilities.bind(name, &open_links);
        let new_state = || -> NewState {
            let (wasi, limits, bound) =
                (self.config.capabilities.wasi(name), self.config.limits.clone(), bound.clone());
            Box::new(move || State::new(&mut wasi(), &limits, bound.clone()))
        };
        let (account, reuse) = (&member.account, self.config.reuse);
        let served = if member.prepared.anatomy.patterns().contains(&engine::Pattern::HttpHandler) {
            let (name, counts) = (name.clone(), member.counts.clone());
            let parts = ServedParts { name, reuse, new_state: new_state(), account: account.clone(), counts };
            Some(Arc::new(parts.with(pre.clone()).map_err(|error| member.not_a_handler(Some(error)))?))
        } else {
            None
        };
        if !member.functions.is_empty() {
            let callee = Callee::new(CalleeParts {
                pre,
                new_state: new_state(),
                reuse,
                account: account.clone(),
                functions: member.functions.clone(),
            });
            member.slot.fill(Some(Arc::new(callee)));
        }
        let member = live.members.get_mut(name).expect("it was there a moment ago");
        member.served = served;
        let target = serving::Target {
            slot: member.slot.clone(),
            functions: member.functions.clone(),
            account: member.account.clone(),
            counts: member.call_counts.clone(),
            busy: self.busy.clone(),
        };
        serving::renew(&self.config.capabilities, &target, &open_links, &mut member.serving);
        Ok(())
    }

    /// Whether a component exports what some capability calls, if a link says so.
    fn may_be_called(&self, member: &Member) -> bool {
        let mut calls = self.capabilities.iter().flat_map(|offered| &offered.calls);
        calls.any(|call| member.shape.exports.iter().any(|export| call.is_met_by(export)))
    }

    /// What of a component's imports leads to other components: where a link says so, and where nothing else can be meant.
    fn leads(&self, live: &Live, member: &Member) -> Result<Vec<Lead>, LoadError> {
        let mut leads = Vec::new();
        let mut missing = Vec::new();
        for import in linking::link(&member.prepared.imports, &self.host_offers) {
            let contract = import.name.parse::<Contract>();
            let named = contract.as_ref().ok().and_then(|contract| live.link_for(member, contract));
            match named.map(|link| (&link.target, &link.terms)) {
                Some((Target::Component(target), terms)) => {
                    leads.push(Lead { import: import.name, target: target.clone(), terms: terms.clone() });
                    continue;
                }
                _ if matches!(import.linked, Linked::To { .. }) => continue,
                _ => {}
            }
            let exporters = contract.map(|contract| live.exporters(member, &contract)).unwrap_or_default();
            match exporters.as_slice() {
                [only] => leads.push(Lead { import: import.name, target: only.clone(), terms: Terms::default() }),
                [] => missing.push(import),
                several => {
                    let linked = Linked::Several { exporters: several.to_vec() };
                    missing.push(Import { linked, ..import });
                }
            }
        }
        if missing.is_empty() {
            return Ok(leads);
        }
        Err(LoadError::Missing { path: member.prepared.source.path.clone(), source: Missing(missing) })
    }

    fn instance_pre(&self, live: &Live, member: &Member, leads: &[Lead]) -> Result<InstancePre<State>, LoadError> {
        let Prepared { component, settings, source, .. } = &member.prepared;
        let shared = self.linkers.of(&self.config, *settings)?;
        let shape = |error| LoadError::Shape { path: source.path.clone(), source: error };
        if leads.is_empty() {
            return shared.instantiate_pre(component).map_err(shape);
        }
        let mut linker = shared.clone();
        linker.allow_shadowing(true);
        for lead in leads {
            let refused = |why| LinkError::Shape {
                link_source: source.name.clone(),
                target: Target::Component(lead.target.clone()),
                why,
            };
            let target = live.members.get(&lead.target).ok_or_else(|| refused("it is not there".into()))?;
            let contract = lead.import.parse::<Contract>().map_err(|error| refused(error.to_string()))?;
            let exported = target.shape.exports.iter().find(|export| contract.is_met_by(export));
            let exported = exported.ok_or_else(|| refused(format!("it does not export {contract}")))?;
            let leads = shim::Leads {
                import: &lead.import,
                slot: &target.slot,
                callee: &target.prepared.component,
                export: &exported.to_string(),
                terms: &lead.terms,
            };
            shim::define(&mut linker, component, &leads).map_err(refused)?;
        }
        linker.instantiate_pre(component).map_err(shape)
    }

    /// The open links of a component, with those to what the host has by itself where nobody put one.
    async fn open_links(&self, live: &Live, member: &Member, leads: &[Lead]) -> Result<OpenLinks, LoadError> {
        let is_led = |import: &&String| leads.iter().any(|lead| lead.import == **import);
        let imports: Vec<_> = member.prepared.imports.iter().filter(|import| !is_led(import)).cloned().collect();
        let name = member.name();
        let mut all = OpenLinks::new();
        for capability in self.config.capabilities.imported_by(&imports) {
            let is_of = |link: &&Link| matches!(&link.target, Target::Capability { capability: it, .. } if it == capability.name());
            let put = live.table.of(name).filter(is_of);
            let mut open: Vec<_> = put.filter_map(|link| live.open_link(link)).collect();
            if open.iter().all(|link| !link.name.is_default()) {
                let default = self.config.capabilities.open_default(capability).await;
                open.push(default.map_err(|source| LoadError::Open { component: name.clone(), source })?);
            }
            all.insert(capability.name(), open);
        }
        Ok(all)
    }

    fn publish(&self, live: &Live) {
        let Some(publisher) = self.publisher.get() else { return };
        match live.routes() {
            Ok(routes) => publisher.publish(routes),
            Err(error) => tracing::error!(%error, "routes that were free are taken"),
        }
    }

    /// What each import of a component leads to.
    fn imports(&self, live: &Live, member: &Member) -> Vec<Import> {
        let mut imports = linking::link(&member.prepared.imports, &self.host_offers);
        for import in &mut imports {
            let Ok(contract) = import.name.parse::<Contract>() else { continue };
            let to = |target: &Target| Linked::To { target: target.to_string(), offered: contract.clone() };
            match live.link_for(member, &contract) {
                Some(link) => import.linked = to(&link.target),
                None if matches!(import.linked, Linked::To { .. }) => {}
                None => {
                    if let [only] = live.exporters(member, &contract).as_slice() {
                        import.linked = to(&Target::Component(only.clone()));
                    }
                }
            }
        }
        imports
    }

    /// The links that the host made for a component, since nobody put one.
    fn made_by_host<'a>(&'a self, live: &'a Live, member: &'a Member) -> impl Iterator<Item = LinkView> + 'a {
        let mut seen = BTreeSet::new();
        let unlinked = member.shape.imports.iter().filter(|import| live.link_for(member, import).is_none());
        let made = unlinked.filter_map(|import| {
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
}

// === impl Linkers ===

impl Linkers {
    fn of(&self, config: &WorldConfig, settings: Settings) -> Result<&Linker<State>, LoadError> {
        let cell = if settings.has_concurrency { &self.concurrent } else { &self.serial };
        if let Some(linker) = cell.get() {
            return Ok(linker);
        }
        let engine = config.engines.engine(settings).map_err(|error| match error {
            engine::PrepareError::Engine(error) => LoadError::Engine(error),
            other => LoadError::Engine(wasmtime::Error::new(other)),
        })?;
        let mut linker = config.capabilities.linker(engine, settings).map_err(LoadError::Engine)?;
        engine::drop_streams_at_once(&mut linker).map_err(LoadError::Engine)?;
        Ok(cell.get_or_init(|| linker))
    }
}
