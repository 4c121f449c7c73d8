//! Links one component as a whole: by itself, or in one piece with those that its links fuse with it.
//!
//! # Invariants
//!
//! 1. What is linked follows from the table alone: linking again without a change makes the same.
//! 2. A change of a component's links reaches every component that it is fused with.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use capability::{Capability, Linking, OpenLink};
use engine::{Bound, Egress, ImportName, Part, Settings, State};
use http_capability::{NewState, ServedParts};
use model::{ComponentName, Contract, Link, LinkId, LinkName, Reach, Target, Terms};
use stdx::Chain;
use wasmtime::component::{InstancePre, Linker};

use super::kept::is_kept;
use super::live::{Live, Member, Taken};
use super::{World, WorldConfig, as_link_error};
use crate::callee::{Callee, CalleeParts};
use crate::capabilities::OpenLinks;
use crate::fusing::{self, Fusion, Lead, NotFused, Original, Plan, PlannedPart, Recipe};
use crate::labels::Label;
use crate::linking::{self, Import, Linked, Missing};
use crate::links::{self, LinkError};
use crate::load::{LoadError, Prepared};
use crate::serving;
use crate::shim;

/// The linkers of a host: one an engine, by the kind of its settings, shared by all components whose imports lead to no other component.
#[derive(Default)]
pub(super) struct Linkers {
    made: [OnceLock<Linker<State>>; Settings::KINDS],
}

impl World {
    /// Links the component whose links have changed, and all that it is fused with. Where that cannot be, what was before is put
    /// back, and everything is linked as it was.
    pub(super) async fn relink(&self, live: &mut Live, id: &LinkId, old: Taken) -> Result<(), LinkError> {
        let Err(error) = self.link_all_with(live, &id.source).await else { return Ok(()) };
        live.restore(id, old);
        if let Err(error) = self.link_all_with(live, &id.source).await {
            tracing::error!(link = %id, error = %Chain(&error), "what was linked before cannot be linked again");
        }
        Err(as_link_error(error, id))
    }

    /// Links a component, and all that it is a part of, now or by the table.
    pub(super) async fn link_all_with(&self, live: &mut Live, name: &ComponentName) -> Result<(), LoadError> {
        for whole in self.wholes_with(live, name) {
            self.link(live, &whole).await?;
        }
        Ok(())
    }

    /// Fuses what a change of the table asks to be fused, while everything goes on as it is. What is answered is to be kept until
    /// the change is made.
    pub(super) async fn fuse_beforehand(
        &self,
        id: &LinkId,
        change: impl FnOnce(&mut Live) -> Taken,
    ) -> Result<Vec<Arc<Fusion>>, LinkError> {
        let recipes = {
            let mut live = self.live.lock().await;
            let old = change(&mut live);
            let wholes = self.wholes_with(&live, &id.source);
            // What cannot be planned is refused when the change is made.
            let plans = wholes.iter().filter_map(|whole| self.plan(&live, whole).ok());
            let recipes: Vec<_> = plans.filter(Plan::is_fused).map(|plan| self.recipe(&live, &plan)).collect();
            live.restore(id, old);
            recipes
        };
        let mut fusions = Vec::new();
        for recipe in recipes {
            let fusion = self.fusions.get(recipe, &self.config.engines, self.config.size_max).await;
            fusions.push(fusion.map_err(|source| LinkError::NotFused { name: id.source.clone(), source })?);
        }
        Ok(fusions)
    }

    /// Links one component as the table says.
    pub(super) async fn link(&self, live: &mut Live, name: &ComponentName) -> Result<(), LoadError> {
        let plan = self.plan(live, name)?;
        let fusion = self.fusion(live, &plan).await?;
        let member = &live.members[name];
        let pre = self.instance_pre(live, &plan, fusion.as_deref())?;
        let open_links = self.open_links(live, &plan.parts[0]).await?;
        let bound = Arc::new(self.bound(live, &plan, &open_links).await?);
        let new_state = || -> NewState {
            let (wasi, limits, bound) = (self.config.capabilities.wasi(name), member.account.limits(), bound.clone());
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
            let functions = fusion.as_ref().map_or(&member.functions, |fusion| &fusion.functions).clone();
            let parts = CalleeParts { pre, new_state: new_state(), reuse, account: account.clone(), functions };
            member.slot.fill(Some(Arc::new(Callee::new(parts))));
        }
        let abroad = live.beyond.abroad.clone();
        let member = live.members.get_mut(name).expect("it was there a moment ago");
        member.served = served;
        member.parts = plan.parts.iter().map(|part| part.name.clone()).collect();
        let target = self.target(member);
        serving::renew(&self.config.capabilities, &target, &open_links, &mut member.serving);
        if member.reached.is_none() {
            let capabilities = self.config.capabilities.all();
            let reach = |capability: &dyn Capability| serving::begin(|duty| capability.reach(&target, duty));
            let services = capabilities.filter_map(reach).collect();
            let reached = (target.clone(), &member.prepared.component);
            member.reached = abroad.reach(reached, services, self.front.clone());
        }
        self.let_ask(&abroad, member);
        Ok(())
    }

    /// The components that a component is a part of, itself among them: as they are linked now, and as the table says.
    fn wholes_with(&self, live: &Live, name: &ComponentName) -> Vec<ComponentName> {
        // Where nothing is fused each is a part of itself alone: no plan has to be made for all to see that.
        let fuses = live.table.fuses();
        let is_with = |whole: &&Member| {
            let is_planned = || fuses && self.plan(live, whole.name()).is_ok_and(|plan| plan.has(name));
            whole.name() == name || whole.parts.contains(name) || is_planned()
        };
        live.members.values().filter(is_with).map(|whole| whole.name().clone()).collect()
    }

    fn plan(&self, live: &Live, name: &ComponentName) -> Result<Plan, LoadError> {
        let not_fused = |source| LinkError::NotFused { name: name.clone(), source };
        let planned = fusing::plan(name, &mut |part| self.leads(live, &live.members[part]).map_err(NotPlanned::Load));
        let mut plan = planned.map_err(|error| match error {
            NotPlanned::Load(error) => error,
            NotPlanned::Fused(source) => LoadError::Link(not_fused(source)),
        })?;
        let counted = plan.count_labels(|part| &live.members[part].prepared.imports);
        counted.map_err(|error| LoadError::Link(not_fused(error.into())))?;
        Ok(plan)
    }

    fn recipe(&self, live: &Live, plan: &Plan) -> Recipe {
        let offered: Vec<_> = self.capabilities.iter().flat_map(|offered| &offered.contracts).cloned().collect();
        plan.recipe(|part| {
            let prepared = &live.members[&part.name].prepared;
            Original {
                name: part.name.clone(),
                path: prepared.source.path.clone(),
                digest: prepared.digest,
                own: part.own(&prepared.imports, &offered),
            }
        })
    }

    /// What a component is linked as where it is fused with others.
    async fn fusion(&self, live: &Live, plan: &Plan) -> Result<Option<Arc<Fusion>>, LoadError> {
        if !plan.is_fused() {
            return Ok(None);
        }
        let recipe = self.recipe(live, plan);
        let fusion = self.fusions.get(recipe, &self.config.engines, self.config.size_max).await;
        let name = &plan.parts[0].name;
        fusion.map(Some).map_err(|source| LoadError::Link(LinkError::NotFused { name: name.clone(), source }))
    }

    /// What of a component's imports leads to other components: where a link says so, and where nothing else can be meant.
    fn leads(&self, live: &Live, member: &Member) -> Result<Vec<Lead>, LoadError> {
        let mut leads = Vec::new();
        let mut missing = Vec::new();
        for import in linking::link(&member.prepared.imports, &self.host_offers) {
            let contract = import.name.interface().parse::<Contract>();
            let label = import.name.label();
            let named = contract.as_ref().ok().and_then(|contract| live.link_for(member, contract, label));
            let is_fused = named.is_some_and(|link| link.terms.reach == Reach::Fused);
            let is_kept = !is_fused && contract.as_ref().is_ok_and(|contract| is_kept(&self.capabilities, contract));
            match named.map(|link| (&link.target, &link.terms)) {
                // The capability calls whoever is linked to: see `kept`.
                _ if is_kept => {
                    self.check_keepers(live, member, &import.name)?;
                    continue;
                }
                // They are sent as any, by another way out: see `egress`.
                _ if matches!(import.linked, Linked::To { .. })
                    && contract.as_ref().is_ok_and(links::is_for_requests) =>
                {
                    continue;
                }
                Some((Target::Component(target), terms)) => {
                    leads.push(self.leads_of(live, member, (import.name, target, terms))?);
                    continue;
                }
                _ if matches!(import.linked, Linked::To { .. }) => {
                    self.check_names(live, member, &import.name)?;
                    continue;
                }
                _ => {}
            }
            let exporters = contract.map(|contract| live.exporters(member, &contract)).unwrap_or_default();
            match exporters.as_slice() {
                [only] => leads.push(self.leads_of(live, member, (import.name, only, &Terms::default()))?),
                [] if live.beyond.may_come && import.may_come() => {}
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
        Err(LoadError::Missing { path: member.prepared.source.shown(), source: Missing(missing) })
    }

    /// Where an import leads: to this component by itself, and to others by links that are chosen by name.
    fn leads_of(
        &self,
        live: &Live,
        member: &Member,
        (import, target, terms): (ImportName, &ComponentName, &Terms),
    ) -> Result<Lead, LinkError> {
        let mut lead = self.lead(live, member, (import, target, terms))?;
        // An import with a label has chosen already.
        let choosing = Some(&lead.import).filter(|import| import.label().is_none());
        let Some(contract) = choosing.and_then(|import| import.interface().parse::<Contract>().ok()) else {
            return Ok(lead);
        };
        for link in live.named_links_for(member, &contract) {
            let Target::Component(target) = &link.target else { return Err(mixed(link)) };
            let named = self.lead(live, member, (lead.import.clone(), target, &link.terms))?;
            lead.named.push((link.id.name.clone(), named));
        }
        Ok(lead)
    }

    /// Sees to it that no link for an import that the host meets leads to a component by another name.
    fn check_names(&self, live: &Live, member: &Member, import: &ImportName) -> Result<(), LinkError> {
        let choosing = Some(import).filter(|import| import.label().is_none());
        let Some(contract) = choosing.and_then(|import| import.interface().parse::<Contract>().ok()) else {
            return Ok(());
        };
        let is_elsewhere = |link: &&Link| matches!(link.target, Target::Component(_));
        live.named_links_for(member, &contract).find(is_elsewhere).map_or(Ok(()), |link| Err(mixed(link)))
    }

    fn lead(
        &self,
        live: &Live,
        member: &Member,
        (import, target, terms): (ImportName, &ComponentName, &Terms),
    ) -> Result<Lead, LinkError> {
        let refused = |why| shape(member.name(), target, why);
        let contract = import.interface().parse::<Contract>().map_err(|error| refused(error.to_string()))?;
        let export = match live.members.get(target) {
            Some(exporter) => {
                let exported = exporter.shape.exports.iter().find(|export| contract.is_met_by(export));
                exported.ok_or_else(|| refused(format!("it does not export {contract}")))?.to_string()
            }
            // It is called by the version that is wanted: which it has is known to its own host alone.
            None => {
                live.check_away(member.name(), (target, terms))?;
                contract.to_string()
            }
        };
        Ok(Lead { import, target: target.clone(), export, terms: terms.clone(), named: Vec::new() })
    }

    fn instance_pre(&self, live: &Live, plan: &Plan, fusion: Option<&Fusion>) -> Result<InstancePre<State>, LoadError> {
        let Prepared { component, settings, source, .. } = &live.members[&plan.parts[0].name].prepared;
        let (component, settings) =
            fusion.map_or((component, *settings), |fusion| (&fusion.component, fusion.settings));
        let shared = self.linkers.of(&self.config, settings)?;
        let misfit = |error| LoadError::Shape { path: source.shown(), source: error };
        let gaps = self.gaps(live, plan);
        if fusion.is_none() && gaps.is_empty() && plan.parts[0].leads.is_empty() && plan.parts[0].labels.is_empty() {
            return shared.instantiate_pre(component).map_err(misfit);
        }
        let mut linker = shared.clone();
        linker.allow_shadowing(true);
        for planned in &plan.parts {
            if planned.part != Part::FIRST {
                let mut linking = Linking::new(&mut linker, planned.part);
                self.config.capabilities.define(&mut linking).map_err(LoadError::Engine)?;
            }
            for label in &planned.labels {
                let name = planned.part.name(label.import.as_str());
                let mut linking = Linking::labelled(&mut linker, label.part, (&name, &label.interface));
                self.config.capabilities.define(&mut linking).map_err(LoadError::Engine)?;
            }
            for lead in &planned.leads {
                let to = |link: &LinkName, lead| live.to((&planned.name, link, lead));
                let leads = shim::Leads {
                    source: &planned.name,
                    import: &planned.part.name(lead.import.as_str()),
                    part: planned.part,
                    interface: without_version(lead.import.interface()),
                    first: to(&LinkName::default(), lead),
                    named: lead.named.iter().map(|(name, lead)| (name, to(name, lead))).collect(),
                };
                let refused = |why| shape(&planned.name, &lead.target, why);
                shim::define(&mut linker, component, &leads).map_err(refused)?;
            }
        }
        for gap in &gaps {
            let import = (&plan.parts[0].name, gap.as_str());
            shim::define_gap(&mut linker, component, import).map_err(LoadError::Engine)?;
        }
        linker.instantiate_pre(component).map_err(misfit)
    }

    /// What parts import that nothing gives them yet, and that may come.
    fn gaps(&self, live: &Live, plan: &Plan) -> BTreeSet<String> {
        if !live.beyond.may_come {
            return BTreeSet::new();
        }
        let of = |part: &PlannedPart| {
            let imports = linking::link(&live.members[&part.name].prepared.imports, &self.host_offers);
            let gaps = imports.into_iter().filter(|import| import.may_come() && !part.leads_elsewhere(&import.name));
            gaps.map(|import| import.name.as_str().to_owned()).collect::<Vec<_>>()
        };
        plan.parts.iter().flat_map(of).collect()
    }

    /// What all parts are bound to; the first one by these links.
    async fn bound(&self, live: &Live, plan: &Plan, first: &OpenLinks) -> Result<Bound, LoadError> {
        let capabilities = &self.config.capabilities;
        let mut others = Vec::new();
        for part in &plan.parts[1..] {
            let mut bound = capabilities.bind(&part.name, &self.open_links(live, part).await?);
            bound.insert(live.names(&part.name));
            others.push(Arc::new(bound));
        }
        for part in &plan.parts {
            for label in &part.labels {
                let links = self.open_label(live, &part.name, label).await?;
                others.push(Arc::new(capabilities.bind(&part.name, &links)));
            }
        }
        let name = &plan.parts[0].name;
        let mut bound = capabilities.bind(name, first);
        bound.insert(live.names(name));
        if let Some(egress) = self.egress(live, &live.members[name])? {
            bound = bound.through(egress);
        }
        Ok(bound.with_parts(others))
    }

    /// The way of a component's HTTP requests, where a link leads them to somebody.
    fn egress(&self, live: &Live, member: &Member) -> Result<Option<Arc<dyn Egress>>, LinkError> {
        let contracts = member.prepared.imports.iter().filter_map(|import| import.interface().parse().ok());
        for contract in contracts.filter(links::is_for_requests) {
            if let Some(link) = live.named_links_for(member, &contract).next() {
                let why = "all requests of a component go one way: put the link without a name".to_owned();
                return Err(LinkError::Other { link: Box::new(link.id.clone()), why });
            }
            if let Some(link) = live.link_for(member, &contract, None)
                && let Target::Component(target) = &link.target
            {
                let egress = live.beyond.abroad.requests(link, target);
                return egress.map(Some).map_err(|error| shape(member.name(), target, error.to_string()));
            }
        }
        Ok(None)
    }

    /// The open links of a component, with those to what the host has by itself where nobody put one.
    async fn open_links(&self, live: &Live, part: &PlannedPart) -> Result<OpenLinks, LoadError> {
        let name = &part.name;
        let is_own = |import: &&ImportName| import.label().is_none() && !part.leads_elsewhere(import);
        let imports: Vec<_> = live.members[name].prepared.imports.iter().filter(is_own).cloned().collect();
        let mut all = OpenLinks::new();
        for capability in self.config.capabilities.imported_by(&imports) {
            let mut open: Vec<OpenLink> = Vec::new();
            for link in live.table.of(name) {
                open.extend(self.opened(live, capability, link).await?);
            }
            if open.iter().all(|link| !link.name.is_default()) {
                let default = self.config.capabilities.open_default(capability).await;
                open.push(default.map_err(|source| LoadError::Open { component: name.clone(), source })?);
            }
            all.insert(capability.name(), open);
        }
        Ok(all)
    }

    /// The link that an import with a label follows, as its only one.
    async fn open_label(&self, live: &Live, name: &ComponentName, label: &Label) -> Result<OpenLinks, LoadError> {
        let link = live.link_for(&live.members[name], &label.interface, label.import.label());
        let mut all = OpenLinks::new();
        for capability in self.config.capabilities.imported_by(std::slice::from_ref(&label.import)) {
            let open = match link {
                Some(link) => self.opened(live, capability, link).await?,
                None => None,
            };
            let link = match open {
                Some(open) => OpenLink { name: LinkName::default(), ..open },
                None => {
                    let default = self.config.capabilities.open_default(capability).await;
                    default.map_err(|source| LoadError::Open { component: name.clone(), source })?
                }
            };
            all.insert(capability.name(), vec![link]);
        }
        Ok(all)
    }
}

/// Why there is no plan.
enum NotPlanned {
    Load(LoadError),
    Fused(NotFused),
}

impl From<NotFused> for NotPlanned {
    fn from(error: NotFused) -> Self {
        Self::Fused(error)
    }
}

/// A link of a name that leads elsewhere than the link without a name: to a component where that leads to a capability, or the
/// other way round.
fn mixed(link: &Link) -> LinkError {
    let why = "links for one interface lead to components or to a capability, whatever their names: \
               the one without a name is of the other kind";
    LinkError::Other { link: Box::new(link.id.clone()), why: why.into() }
}

/// An interface as a component chooses a link for it: `acme:shop/stock`.
fn without_version(import: &str) -> String {
    import.split_once('@').map_or(import, |(interface, _)| interface).to_owned()
}

pub(super) fn shape(source: &ComponentName, target: &ComponentName, why: String) -> LinkError {
    LinkError::Shape { link_source: source.clone(), target: Target::Component(target.clone()), why }
}

// === impl Linkers ===

impl Linkers {
    fn of(&self, config: &WorldConfig, settings: Settings) -> Result<&Linker<State>, LoadError> {
        let cell = &self.made[settings.kind()];
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
