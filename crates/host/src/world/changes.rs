//! Adds components to a host that runs, changes how many invocations they have at once, updates them, and takes them out.
//!
//! # Invariants
//!
//! 1. What cannot be done changes nothing: whatever ran goes on as it was.
//! 2. What runs ends with what it began with: an update or an end cuts no request off.

use std::collections::BTreeMap;
use std::mem::swap;
use std::sync::Arc;

use capability::Opened;
use engine::{ImportName, Limits};
use model::{ComponentLimits, ComponentName, Contract};
use stdx::Chain;

use super::live::{Live, Member};
use super::{World, kept};
use crate::callee;
use crate::linking::{self, Offer};
use crate::links::Shape;
use crate::load::{LoadError, Loading, Prepared, Source, Step};
use crate::serving::Serving;

impl World {
    /// Reads and compiles a component, on a thread of its own, while everything goes on.
    pub(crate) async fn prepare(&self, source: Source) -> Result<Prepared, LoadError> {
        let (offers, may_come) = self.offers().await;
        let (engines, size_max) = (self.config.engines.clone(), self.config.size_max);
        let loaded = tokio::task::spawn_blocking(move || {
            let step = Loading { engines: &engines, size_max, may_come }.load(source, &offers)?;
            match step {
                Step::Prepared(prepared) => Ok(*prepared),
                Step::Waits(source, anatomy) => {
                    let missing = linking::check(&linking::link(&anatomy.imports, &offers));
                    let missing = missing.expect_err("it waits since something is missing, see Loading::load");
                    Err(LoadError::Missing { path: source.shown(), source: missing })
                }
            }
        });
        loaded.await.map_err(|error| LoadError::Engine(error.into()))?
    }

    /// Adds a component that was prepared, and links it. Nobody has the name.
    pub(crate) async fn add(
        &self,
        prepared: Prepared,
        (count, limits): (u32, ComponentLimits),
    ) -> Result<(), LoadError> {
        let mut live = self.live.lock().await;
        let name = prepared.source.name.clone();
        let member = self.member(prepared);
        member.account.hold_to(self.within(limits));
        member.account.allow(count as usize);
        live.members.insert(name.clone(), member);
        if let Err(error) = self.link_all_with(&mut live, &name).await {
            live.members.remove(&name);
            return Err(error);
        }
        self.link_callers(&mut live, &name).await;
        self.publish(&live);
        Ok(())
    }

    /// From now on a component has so many invocations at once. Says whether it is there.
    pub(crate) async fn allow(&self, name: &ComponentName, count: u32) -> bool {
        let live = self.live.lock().await;
        let member = live.members.get(name);
        member.inspect(|member| member.account.allow(count as usize)).is_some()
    }

    /// From now on a component has these limits of its own. What runs ends with those that it began with.
    pub(crate) async fn limit(&self, name: &ComponentName, limits: ComponentLimits) -> Result<(), LoadError> {
        let mut live = self.live.lock().await;
        let Some(account) = live.members.get(name).map(|member| member.account.clone()) else { return Ok(()) };
        let before = account.limits();
        account.hold_to(self.within(limits));
        // Instances are made with the limits that are there when it is linked.
        if let Err(error) = self.link(&mut live, name).await {
            account.hold_to(before);
            return Err(error);
        }
        self.publish(&live);
        Ok(())
    }

    /// What a component may use that has these limits of its own.
    fn within(&self, own: ComponentLimits) -> Arc<Limits> {
        match own.is_none() {
            true => self.config.limits.clone(),
            false => Arc::new(self.config.limits.within(own)),
        }
    }

    /// Puts another program in the place of a component's. Requests that begin from now on are answered by it.
    pub(crate) async fn update(&self, prepared: Prepared) -> Result<(), LoadError> {
        let mut live = self.live.lock().await;
        let name = prepared.source.name.clone();
        let Some(member) = live.members.get_mut(&name) else { return Ok(()) };
        let mut other = Program::of(prepared);
        other.exchange(member);
        member.keeps = self.keeps(member);
        // What other hosts call is found out anew; until then both answer.
        let reached = member.reached.take();
        let mut linked = self.link_all_with(&mut live, &name).await;
        for caller in self.callers(&live, &name) {
            if linked.is_ok() {
                linked = self.link(&mut live, &caller).await;
            }
        }
        if let Err(error) = linked {
            live.members.get_mut(&name).into_iter().for_each(|member| {
                other.exchange(member);
                member.reached = None;
            });
            if let Err(error) = self.link_all_with(&mut live, &name).await {
                tracing::error!(component = %name, error = %Chain(&error), "what was linked before cannot be linked again");
            }
            self.link_callers(&mut live, &name).await;
            self.publish(&live);
            return Err(error);
        }
        self.publish(&live);
        drop(live);
        if let Some(reached) = reached {
            reached.end().await;
        }
        Ok(())
    }

    /// Takes a component out. Who calls it here calls it on other hosts from then on, or finds nobody, but for invocations that have
    /// called it before; what runs ends by itself.
    pub(crate) async fn remove(&self, name: &ComponentName) {
        let (serving, reached, asked) = {
            let mut live = self.live.lock().await;
            let callers = self.callers(&live, name);
            let Some(mut member) = live.members.remove(name) else { return };
            let ids: Vec<_> = live.table.of(name).map(|link| link.id.clone()).collect();
            ids.iter().for_each(|id| drop(live.take(id)));
            live.declared.retain(|id, _| id.source != *name);
            if live.beyond.may_come {
                self.link_each(&mut live, callers, name).await;
            }
            self.publish(&live);
            member.slot.fill(None);
            (member.serving.take(), member.reached.take(), member.asked.take())
        };
        if let Some(serving) = serving {
            Serving::end(serving).await;
        }
        for reached in [reached, asked].into_iter().flatten() {
            reached.end().await;
        }
    }

    /// What there is to import, and whether more may come.
    async fn offers(&self) -> (Vec<Offer>, bool) {
        let live = self.live.lock().await;
        let exported = live.members.values().flat_map(|member| {
            let by = member.name().to_string();
            let offer =
                move |contract: &Contract| Offer { contract: contract.clone(), by: by.clone(), is_linkable: true };
            member.shape.exports.iter().map(offer)
        });
        (self.host_offers.iter().cloned().chain(exported).collect(), live.beyond.may_come)
    }

    /// The components whose imports lead to this one, or may.
    fn callers(&self, live: &Live, name: &ComponentName) -> Vec<ComponentName> {
        let Some(target) = live.members.get(name) else { return Vec::new() };
        let is_led = |caller: &Member| {
            let mut links = live.table.of(caller.name());
            let mut imports = caller.shape.imports.iter();
            links.any(|link| kept::leads_to(link, name))
                || imports.any(|import| target.shape.exports.iter().any(|export| import.is_met_by(export)))
        };
        let others = live.members.values().filter(|caller| caller.name() != name && is_led(caller));
        others.map(|caller| caller.name().clone()).collect()
    }

    /// Links those anew that call a component. Who cannot be linked goes on as it was.
    async fn link_callers(&self, live: &mut Live, name: &ComponentName) {
        let callers = self.callers(live, name);
        self.link_each(live, callers, name).await;
    }

    async fn link_each(&self, live: &mut Live, callers: Vec<ComponentName>, target: &ComponentName) {
        for caller in callers {
            if let Err(error) = self.link(live, &caller).await {
                tracing::warn!(component = %caller, %target, error = %Chain(&error), "cannot be linked anew");
            }
        }
    }
}

/// What of a component an update changes.
struct Program {
    prepared: Prepared,
    shape: Shape,
    functions: callee::Functions,
    keeps: BTreeMap<&'static str, Opened>,
}

impl Program {
    fn of(prepared: Prepared) -> Self {
        let (shape, functions) = (Shape::of(&prepared), callee::functions(&prepared.component));
        Self { prepared, shape, functions, keeps: BTreeMap::new() }
    }

    fn exchange(&mut self, member: &mut Member) {
        swap(&mut self.prepared, &mut member.prepared);
        swap(&mut self.shape, &mut member.shape);
        swap(&mut self.functions, &mut member.functions);
        swap(&mut self.keeps, &mut member.keeps);
    }
}

impl Shape {
    /// What a component that is compiled imports and exports.
    pub(crate) fn of(prepared: &Prepared) -> Self {
        let imports =
            prepared.imports.iter().filter_map(|import: &ImportName| import.interface().parse().ok()).collect();
        let shape = prepared.component.component_type();
        let exports = shape.exports(prepared.component.engine()).filter_map(|(name, _)| name.parse().ok()).collect();
        Self { imports, exports }
    }
}
