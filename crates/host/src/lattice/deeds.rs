//! Carries out what was answered: on components, and on what they are linked to.
//!
//! # Invariants
//!
//! 1. What is done to one component is done one after the other; what is done to several does not wait for each other.
//! 2. A component is among those that run when it does, and not before.

use std::path::PathBuf;
use std::sync::PoisonError;

use futures::FutureExt;
use model::fact::{Fact, Scaled};
use model::lattice::{LatticeLink, ScaleComponent, UpdateComponent};
use model::{ComponentName, LinkDel, LinkPut};
use stdx::Chain;

use super::Shared;
use super::answers::{Task, Work};
use super::rules::{self, Deed, Relinked, Runs};
use crate::links::LinkError;
use crate::load::Source;

impl Shared {
    /// Takes a place and a turn for a change of a component.
    pub(super) fn queue(&self, id: &ComponentName, what: Task) -> Result<Work, String> {
        let place = self.works.clone().try_acquire_owned();
        let _place = place.map_err(|_full| "this host carries out too many commands already; try again".to_owned())?;
        let lock = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|name, turn| name == id || std::sync::Arc::strong_count(turn) > 1);
            turns.entry(id.clone()).or_default().clone()
        };
        let mut turn = lock.lock_owned().boxed();
        // Polled once, it has its place in the line.
        let turn = match (&mut turn).now_or_never() {
            Some(guard) => std::future::ready(guard).boxed(),
            None => turn,
        };
        Ok(Work { what, _place, turn })
    }

    /// Waits for its turn, does it, and says what it came to.
    pub(super) async fn carry_out(&self, work: Work) {
        let Work { what, _place, turn } = work;
        let _turn = turn.await;
        match what {
            Task::Scale(id, command) => self.scale(&id, command).await,
            Task::Update(id, command) => self.update(&id, command).await,
        }
    }

    async fn scale(&self, id: &ComponentName, command: ScaleComponent) {
        let wanted = Runs::from(&command);
        let running = self.state().components.get(id).cloned();
        let outcome = match (rules::scale(running.as_ref(), &command), running) {
            (Deed::Stop, Some(runs)) => {
                self.world.remove(id).await;
                self.state().components.remove(id);
                Ok(Some(Runs { count: 0, ..runs }))
            }
            (Deed::Start, _) => self.start(id, &wanted).await.map(|()| Some(wanted.clone())),
            (Deed::Change { is_other, update }, Some(runs)) => self.change(id, &wanted, (runs, is_other, update)).await,
            (Deed::Nothing | Deed::Stop | Deed::Change { .. }, _) => Ok(Some(wanted.clone())),
        };
        match outcome {
            Ok(now) => {
                if let Some(runs) = now {
                    self.say(Fact::ComponentScaled(runs.scaled(&self.id, id.as_str()))).await;
                }
            }
            Err(error) => self.say_failed(wanted.scaled(&self.id, id.as_str()), error).await,
        }
    }

    /// Changes a component that runs. Gives what is to be said of it, unless an update says it.
    async fn change(
        &self,
        id: &ComponentName,
        wanted: &Runs,
        (runs, is_other, update): (Runs, bool, bool),
    ) -> Result<Option<Runs>, String> {
        let mut now = runs;
        if is_other {
            if now.config != wanted.config {
                self.look_for_settings(&wanted.config).await;
                rules::check_names(&self.state(), &wanted.config)?;
                self.tell(id, &wanted.config).await?;
            }
            self.world.allow(id, wanted.count).await;
            let annotations = wanted.annotations.clone();
            now = Runs { count: wanted.count, config: wanted.config.clone(), annotations, ..now };
            self.state().components.insert(id.clone(), now.clone());
        }
        if update {
            self.exchange(id, now, wanted.image_ref.clone()).await?;
            return Ok(None);
        }
        Ok(Some(now))
    }

    async fn update(&self, id: &ComponentName, command: UpdateComponent) {
        let Some(runs) = self.state().components.get(id).cloned() else { return };
        let wanted = Runs { annotations: command.annotations, ..runs };
        let failed = Runs { image_ref: command.new_component_ref.clone(), ..wanted.clone() };
        if let Err(error) = self.exchange(id, wanted, command.new_component_ref).await {
            self.say_failed(failed.scaled(&self.id, id.as_str()), error).await;
        }
    }

    /// Runs a component from elsewhere: the new one begins, then the old one ends, and both are said.
    async fn exchange(&self, id: &ComponentName, runs: Runs, image_ref: String) -> Result<(), String> {
        let source = self.source(id, &image_ref)?;
        let prepared = self.world.prepare(source).await.map_err(|error| Chain(&error).to_string())?;
        self.world.update(prepared).await.map_err(|error| Chain(&error).to_string())?;
        let now = Runs { image_ref, ..runs.clone() };
        let before = Runs { count: 0, ..runs };
        self.state().components.insert(id.clone(), now.clone());
        self.note_origin(id.as_str(), &now.image_ref).await;
        for runs in [now, before] {
            self.say(Fact::ComponentScaled(runs.scaled(&self.id, id.as_str()))).await;
        }
        Ok(())
    }

    async fn start(&self, id: &ComponentName, wanted: &Runs) -> Result<(), String> {
        // What is wrong with its settings is found before anything is compiled.
        self.look_for_settings(&wanted.config).await;
        rules::check_names(&self.state(), &wanted.config)?;
        let source = self.source(id, &wanted.image_ref)?;
        let prepared = self.world.prepare(source).await.map_err(|error| Chain(&error).to_string())?;
        self.world.add(prepared, wanted.count).await.map_err(|error| Chain(&error).to_string())?;
        self.state().components.insert(id.clone(), wanted.clone());
        if let Err(error) = self.link_started(id, wanted).await {
            self.world.remove(id).await;
            self.state().components.remove(id);
            return Err(error);
        }
        self.note_origin(id.as_str(), &wanted.image_ref).await;
        Ok(())
    }

    /// Links what the host was started with as the lattice does, as far as that is known.
    pub(super) async fn link_as_known(&self) {
        let running: Vec<_> = {
            let state = self.state();
            state.components.keys().filter(|id| state.links.contains_key(id.as_str())).cloned().collect()
        };
        for id in running {
            let (own, _) = rules::links_with(&self.state(), &id);
            for link in own {
                if let Err(error) = self.put(&link).await {
                    tracing::warn!(source = link.source_id, target = link.target, error, "cannot be linked as before");
                }
            }
        }
    }

    /// Puts all links of the lattice that a component is part of, now that it runs.
    async fn link_started(&self, id: &ComponentName, wanted: &Runs) -> Result<(), String> {
        self.tell(id, &wanted.config).await?;
        let (own, to_it) = rules::links_with(&self.state(), id);
        for link in own {
            self.put(&link).await?;
        }
        for link in to_it {
            if let Err(error) = self.put(&link).await {
                tracing::warn!(source = link.source_id, target = %id, error, "cannot be linked to what has come");
            }
        }
        Ok(())
    }

    /// The file of a reference.
    fn source(&self, id: &ComponentName, image_ref: &str) -> Result<Source, String> {
        let Some(path) = image_ref.strip_prefix("file://") else {
            return Err(format!("{image_ref:?} is not fetched by this host: it takes file:///PATH"));
        };
        if !self.config.allows_files {
            return Err("this host runs no files that are named over the bus; start it with --allow-file-load".into());
        }
        Ok(Source { name: id.clone(), path: PathBuf::from(path), route: None })
    }

    /// Gives a component the settings of these names, or those of the host where there are none.
    async fn tell(&self, id: &ComponentName, names: &[String]) -> Result<(), String> {
        let link = rules::config_link(&self.state(), id, names);
        match link {
            Some(link) => match self.world.put(link).await {
                // What asks for no settings has none.
                Ok(_) | Err(LinkError::NothingInCommon { .. }) => Ok(()),
                Err(error) => Err(Chain(&error).to_string()),
            },
            None => {
                let contract = Some("wasi:config".parse().expect("these are contracts"));
                let settings = LinkDel { source: id.clone(), name: Default::default(), contract };
                match self.world.delete(settings).await {
                    Ok(_) | Err(LinkError::Missing(_)) => Ok(()),
                    Err(error) => Err(Chain(&error).to_string()),
                }
            }
        }
    }

    /// Tells those anew that have the settings of this name.
    pub(super) async fn renew_settings(&self, name: &String) {
        let (components, links) = {
            let state = self.state();
            let has = |runs: &Runs| runs.config.contains(name);
            let components = state.components.iter().filter(|(_, runs)| has(runs));
            let components: Vec<_> = components.map(|(id, runs)| (id.clone(), runs.config.clone())).collect();
            let links = state.links.values().flatten().filter(|link| link.target_config.contains(name));
            (components, links.cloned().collect::<Vec<_>>())
        };
        for (id, names) in components {
            if let Err(error) = self.tell(&id, &names).await {
                tracing::warn!(component = %id, error, "has no new settings");
            }
        }
        for link in links {
            if let Err(error) = self.put(&link).await {
                tracing::warn!(error, "a link has no new settings");
            }
        }
    }

    /// Does for what runs here what follows from other links of a source. Says the first thing that went wrong.
    pub(super) async fn relink(&self, Relinked { gone, put }: Relinked) -> Result<(), String> {
        for link in gone {
            let puts = rules::mapped(&self.state(), &link).unwrap_or_default();
            for LinkPut { source, name, contract, .. } in puts {
                match self.world.delete(LinkDel { source, name, contract }).await {
                    Ok(_) | Err(LinkError::Missing(_)) => {}
                    Err(error) => tracing::warn!(error = %Chain(&error), "a link cannot be deleted"),
                }
            }
        }
        let mut outcome = Ok(());
        for link in put {
            outcome = outcome.and(self.put(&link).await);
        }
        outcome
    }

    /// Whether a link of the lattice could be put here, as far as that is known before it is.
    pub(super) async fn check(&self, link: &LatticeLink) -> Result<(), String> {
        let (puts, leads_away) = self.mapped(link)?;
        for put in puts {
            match self.world.check(put).await {
                Err(error) if !leads_away => return Err(Chain(&error).to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a link of the lattice among those of this host, where that is anything to it.
    async fn put(&self, link: &LatticeLink) -> Result<(), String> {
        let (puts, leads_away) = self.mapped(link)?;
        for put in puts {
            match self.world.put(put).await {
                Ok(_) => {}
                // The link is the lattice's all the same: it may be for a provider of a kind that this host has no way to.
                Err(error) if leads_away => {
                    let (source, target) = (&link.source_id, &link.target);
                    tracing::warn!(source, target, error = %Chain(&error), "a link leads nowhere from here");
                }
                Err(error) => return Err(Chain(&error).to_string()),
            }
        }
        Ok(())
    }

    fn mapped(&self, link: &LatticeLink) -> Result<(Vec<LinkPut>, bool), String> {
        let state = self.state();
        Ok((rules::mapped(&state, link)?, rules::leads_away(&state, link)))
    }

    async fn say_failed(&self, scaled: Scaled, error: String) {
        tracing::warn!(component = scaled.component_id, error, "does not run as was asked");
        self.say(Fact::ComponentScaleFailed { scaled, error }).await;
    }
}
