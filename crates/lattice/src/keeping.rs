//! What a lattice keeps for all of its hosts, links and settings: two buckets that each host watches, and a copy on its own disk.
//!
//! ```text
//! change ─▶ bucket ─┬─▶ this host learns it, and answers
//!                   └─▶ watch ─▶ every host learns it ─▶ its copy, its State, the links of what it runs
//! ```
//!
//! The buckets are those of wasmCloud 1.x: `LATTICEDATA_…` has a `COMPONENT_…` for each component or source of links and a
//! `CLAIMS_…` for each that is signed, `CONFIGDATA_…` has settings by their names.
//!
//! # Invariants
//!
//! 1. What was acknowledged is in the bucket: a change that could not be kept is refused, and nothing follows from it.
//! 2. A host knows what it knew when it was there last before it sees its bus. That it sees nothing means nothing; what was
//!    deleted says so.
//! 3. What is learned is learned one after the other, and nothing old after something newer.
//! 4. A host that is alone and was never told anything makes no file.

mod replacing;

use std::time::Duration;

use bus::{BucketError, BucketKey, Bus, Entry, Told, patiently};
use bytes::Bytes;
use model::lattice::{Acknowledged, ComponentSpec, DeleteLink, Labels, LatticeLink, PutLink};
use model::{CLAIMS, KeptClaims};
use stdx::Chain;
use tokio::sync::Notify;

use crate::kept::{Heard, Keeps, Kept};
use crate::merge::Holdings;
use crate::role::Shared;
use crate::rules::{self, COMPONENT, Kind, Step};

/// So often a change is tried whose bucket others change at the same time.
const TRIES_MAX: u32 = 20;

/// Before a change is tried again so long is waited, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(3);

/// The buckets of a lattice, as one host sees them.
pub(crate) struct Keeping {
    settings: Kept,
    components: Kept,
    /// Held by who puts or deletes a link, from its settings up to those that nothing names any more: settings come before what
    /// names them, and nobody takes them for what is left.
    naming: tokio::sync::Mutex<()>,
    /// Held by who changes what is kept of a component, so that at least this host does not race itself.
    changing: tokio::sync::Mutex<()>,
    /// Held by who learns.
    learning: tokio::sync::Mutex<()>,
    /// There is something to see.
    begun: Notify,
    /// What this host may have known when it was there last.
    recalls: &'static [Kind],
    keeps: Keeps,
}

/// What came of a change of what is kept of a component.
struct Changed<T> {
    before: ComponentSpec,
    now: ComponentSpec,
    /// What the change itself gave.
    outcome: T,
    /// How following it went on this host.
    followed: Result<(), String>,
}

// === impl Keeping ===

impl Keeping {
    pub(crate) fn new(lattice: &str, bus: &Bus, keeps: &Keeps) -> Self {
        let is_new = matches!(keeps, Keeps::Here { is_new: true });
        let kept = |name: &str| Kept::new((name, lattice), bus, keeps);
        let keeping = Self {
            settings: kept("CONFIGDATA"),
            components: kept("LATTICEDATA"),
            naming: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            learning: tokio::sync::Mutex::default(),
            begun: Notify::new(),
            recalls: if is_new { &[] } else { &[Kind::Settings, Kind::Components] },
            keeps: keeps.clone(),
        };
        if !is_new {
            keeping.begun.notify_one();
        }
        keeping
    }

    /// What a change survives that this host has acknowledged.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        let seen = [&self.settings, &self.components].into_iter().filter_map(Kept::durability).min();
        self.keeps.acknowledged(seen)
    }

    fn of(&self, kind: Kind) -> &Kept {
        match kind {
            Kind::Settings => &self.settings,
            Kind::Components => &self.components,
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Knows what this host knew when it was there last, and has what it was started with, and had elsewhere, be as the lattice says.
    pub(crate) async fn recall(&self, had: &Holdings) {
        let mut steps = Vec::new();
        for kind in self.keeping.recalls {
            let Some(known) = self.keeping.of(*kind).recalled().await else { continue };
            for (key, entry) in &known {
                // What follows is done once, when all is known.
                rules::learned(&mut self.state(), *kind, key.as_str(), Some(&entry.value));
            }
            steps.extend(rules::recalled(&self.state(), *kind, (had, known.keys().map(BucketKey::as_str))));
        }
        steps.extend(rules::as_known(&self.state()));
        self.attempt(steps).await.expect("what the lattice knew fails at leisure");
    }

    /// Follows what the lattice keeps, whoever changes it.
    pub(crate) async fn follow_kept(&self) {
        self.keeping.begun.notified().await;
        let own: Vec<_> = rules::own_claims(&self.state()).collect();
        let keep_own = async {
            if !own.is_empty() {
                patiently("the lattice keeps no claims yet", || self.keeping.components.bucket()).await;
            }
            for claims in own {
                self.keep_claims(&claims).await;
            }
        };
        tokio::join!(self.follow_bucket(Kind::Settings), self.follow_bucket(Kind::Components), keep_own);
    }

    async fn follow_bucket(&self, kind: Kind) {
        let kept = self.keeping.of(kind);
        let bucket = patiently("the lattice keeps nothing yet", || kept.bucket()).await;
        let (mut watch, mut copy) = kept.watch(&bucket).await;
        loop {
            let told = tokio::select! {
                biased;
                told = watch.next() => told,
                keys = kept.in_doubt() => {
                    self.ask_for(kind, keys).await;
                    continue;
                }
            };
            let Some(told) = told else { return };
            kept.told(&told);
            if let Some(copy) = &mut copy {
                kept.write_down(copy, &told).await;
            }
            match told {
                Told::Set { key, entry } => self.learn_from_others(kind, key, Heard::There(entry)).await,
                Told::Gone { key } => self.learn_from_others(kind, key, Heard::Nothing).await,
                Told::Anew { .. } => kept.forget_numbers(),
                Told::Current(_) | Told::Away => {}
            }
        }
    }

    /// Asks for what this host knows and was not told of.
    async fn ask_for(&self, kind: Kind, keys: Vec<BucketKey>) {
        let kept = self.keeping.of(kind);
        for key in keys {
            let found = async { kept.bucket().await?.get(&key).await };
            match found.await {
                Ok(entry) => {
                    kept.found(&key, entry.as_ref().map(|entry| entry.revision));
                    self.learn_from_others(kind, key, entry.map_or(Heard::Nothing, Heard::There)).await;
                }
                Err(error) => tracing::debug!(%key, error = %Chain(&error), "what is in doubt cannot be asked for"),
            }
        }
    }

    async fn learn_from_others(&self, kind: Kind, key: BucketKey, heard: Heard) {
        // Who was answered that it is kept is another: there is nobody whom this host could refuse it.
        let taken: fn(Step) -> Step = match kind {
            Kind::Components => Step::into_kept,
            // A link that was told something else goes on as it was where its target does not take that.
            Kind::Settings => std::convert::identity,
        };
        if let Err(error) = self.learn_as((kind, &key), heard, taken).await {
            tracing::warn!(%key, error, "what the lattice keeps cannot be followed here");
        }
    }

    /// Learns what is under a key now, and does what follows from it. Says what went wrong with that.
    async fn learn(&self, kind: Kind, key: &BucketKey, heard: Heard) -> Result<(), String> {
        self.learn_as((kind, key), heard, std::convert::identity).await
    }

    /// The same, where each step is taken like that.
    async fn learn_as(
        &self,
        (kind, key): (Kind, &BucketKey),
        heard: Heard,
        taken: fn(Step) -> Step,
    ) -> Result<(), String> {
        let _turn = self.keeping.learning.lock().await;
        if !self.keeping.of(kind).note(key, &heard) {
            return Ok(());
        }
        let value = match &heard {
            Heard::There(entry) => Some(entry.value.as_ref()),
            Heard::Nothing | Heard::Deleted(_) => None,
        };
        let steps = rules::learned(&mut self.state(), kind, key.as_str(), value);
        let steps = steps.into_iter().map(taken).collect();
        // Boxed, since of steps in general some are learned from.
        Box::pin(self.attempt(steps)).await
    }

    /// Learns what this host has written or found, of which its watch may never tell it.
    async fn learn_ahead(&self, kind: Kind, key: &BucketKey, entry: Entry) -> Result<(), String> {
        self.keeping.of(kind).ran_ahead(key, entry.revision);
        self.learn(kind, key, Heard::There(entry)).await
    }

    /// Puts a link of the lattice. Where its source runs here, it is followed when this returns. Gives those that led any of the same
    /// elsewhere until then.
    pub(crate) async fn link(&self, wanted: &PutLink) -> Result<Vec<LatticeLink>, String> {
        let link = &wanted.link;
        self.look_for_settings(link.source_config.iter().chain(&link.target_config)).await;
        rules::check_settings(&self.state(), link)?;
        let checks = rules::checks(&self.state(), link);
        self.go(checks).await?;
        let _naming = self.keeping.naming.lock().await;
        let before = self.put_with(link, |links| rules::put_link(links, wanted)).await?;
        self.forget_settings_of(&before.links).await;
        Ok(rules::displaced(&before.links, wanted))
    }

    /// Puts a link by this change of the links of its source, and gives what was kept before. One that cannot be followed here is not
    /// put.
    async fn put_with(
        &self,
        link: &LatticeLink,
        put: impl Fn(&mut Vec<LatticeLink>) -> Result<(), String>,
    ) -> Result<ComponentSpec, String> {
        let put = |spec: &mut ComponentSpec| put(&mut spec.links);
        let Changed { before, now, followed, .. } = self.change_spec(&link.source_id, put).await?;
        if followed.is_err() {
            // Nobody shall find a link that cannot be followed.
            let back = |spec: &mut ComponentSpec| {
                if *spec == now {
                    spec.clone_from(&before);
                }
                Ok(())
            };
            if let Err(error) = self.change_spec(&link.source_id, back).await?.followed {
                tracing::warn!(source = link.source_id, error, "cannot be linked as before");
            }
        }
        followed.map(|()| before)
    }

    /// Deletes a link of the lattice, and gives it; nothing where the source never had any.
    pub(crate) async fn unlink(&self, wanted: &DeleteLink) -> Result<Option<Option<LatticeLink>>, String> {
        let _naming = self.keeping.naming.lock().await;
        let take = |spec: &mut ComponentSpec| Ok(rules::take_link(&mut spec.links, wanted));
        let Changed { before, outcome, followed, .. } = self.change_spec(&wanted.source_id, take).await?;
        followed?;
        self.forget_settings_of(&before.links).await;
        Ok((before != ComponentSpec::default()).then_some(outcome))
    }

    /// Notes where a component comes from. That it could not be noted keeps nobody from running it.
    pub(crate) async fn note_origin(&self, id: &str, url: &str) {
        let note = |spec: &mut ComponentSpec| {
            url.clone_into(&mut spec.url);
            Ok(())
        };
        if let Err(error) = self.change_spec(id, note).await.and_then(|changed| changed.followed) {
            tracing::warn!(component = id, error, "where it comes from could not be noted");
        }
    }

    /// Keeps claims. That they could not be kept keeps nobody from running what they are about: this host answers with them anyway.
    pub(crate) async fn keep_claims(&self, claims: &KeptClaims) {
        if let Err(error) = self.try_keep_claims(claims).await {
            tracing::warn!(subject = claims.subject, error, "its claims could not be kept");
        }
    }

    async fn try_keep_claims(&self, claims: &KeptClaims) -> Result<(), String> {
        let (key, kept) = (key(&format!("{CLAIMS}{}", claims.subject))?, &self.keeping.components);
        self.keeping.begun.notify_one();
        let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
        let there = bucket.get(&key).await.map_err(|error| kept.words(error))?;
        if there.is_some_and(|entry| rules::read(key.as_str(), &entry.value).as_ref() == Some(claims)) {
            return Ok(());
        }
        let value = Bytes::from(serde_json::to_vec(claims).map_err(|error| error.to_string())?);
        let revision = bucket.put(&key, value.clone()).await.map_err(|error| kept.words(error))?;
        self.learn_ahead(Kind::Components, &key, Entry { value, revision }).await
    }

    /// Changes what is kept of a component, on what is there when it is written: `change` may be asked several times.
    async fn change_spec<T>(
        &self,
        id: &str,
        change: impl Fn(&mut ComponentSpec) -> Result<T, String>,
    ) -> Result<Changed<T>, String> {
        let key = key(&format!("{COMPONENT}{id}"))?;
        let (kind, kept) = (Kind::Components, &self.keeping.components);
        self.keeping.begun.notify_one();
        let _turn = self.keeping.changing.lock().await;
        for attempt in 1..=TRIES_MAX {
            let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
            let there = bucket.get(&key).await.map_err(|error| kept.words(error))?;
            let before = match &there {
                Some(entry) => rules::read(key.as_str(), &entry.value)
                    .ok_or_else(|| format!("what is kept of {id} cannot be read"))?,
                None => ComponentSpec::default(),
            };
            let mut now = before.clone();
            let outcome = change(&mut now)?;
            if now == before {
                let followed = match there {
                    Some(entry) => self.learn_ahead(kind, &key, entry).await,
                    None => Ok(()),
                };
                return Ok(Changed { before, now, outcome, followed });
            }
            let value = Bytes::from(serde_json::to_vec(&now).map_err(|error| error.to_string())?);
            let written = match &there {
                Some(entry) => bucket.update(&key, value.clone(), entry.revision).await,
                None => bucket.create(&key, value.clone()).await,
            };
            match written {
                Ok(revision) => {
                    let followed = self.learn_ahead(kind, &key, Entry { value, revision }).await;
                    return Ok(Changed { before, now, outcome, followed });
                }
                Err(BucketError::Conflict { .. }) => tokio::time::sleep(PAUSE * attempt).await,
                Err(error) => return Err(kept.words(error)),
            }
        }
        Err(format!("others change the links of {id} at the same time; try again"))
    }

    /// Puts settings in the place of those by that name.
    pub(crate) async fn put_settings(&self, name: &str, settings: &Labels) -> Result<(), String> {
        let (key, kept) = (key(name)?, &self.keeping.settings);
        self.keeping.begun.notify_one();
        let value = Bytes::from(serde_json::to_vec(settings).map_err(|error| error.to_string())?);
        let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
        let revision = bucket.put(&key, value.clone()).await.map_err(|error| kept.words(error))?;
        self.learn_ahead(Kind::Settings, &key, Entry { value, revision }).await
    }

    /// Purges the settings of that name, if there are any, as hosts of wasmCloud do: where somebody made the bucket with a history,
    /// nothing of them is left there.
    pub(crate) async fn delete_settings(&self, name: &str) -> Result<(), String> {
        let (key, kept) = (key(name)?, &self.keeping.settings);
        self.keeping.begun.notify_one();
        let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
        let revision = bucket.purge(&key).await.map_err(|error| kept.words(error))?;
        self.learn(Kind::Settings, &key, Heard::Deleted(revision)).await
    }

    /// Looks for those of these settings that this host does not know: it may be told of them in a moment.
    pub(crate) async fn look_for_settings(&self, names: impl IntoIterator<Item = &String>) {
        if !self.keeping.settings.is_elsewhere() {
            return;
        }
        let unknown = rules::unknown(&self.state(), names);
        for key in unknown.iter().filter_map(|name| key(name).ok()) {
            let found = async { self.keeping.settings.bucket().await?.get(&key).await };
            match found.await {
                Ok(Some(entry)) => {
                    self.keeping.settings.ran_ahead(&key, entry.revision);
                    self.learn_from_others(Kind::Settings, key, Heard::There(entry)).await;
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%key, error = %Chain(&error), "settings cannot be looked for"),
            }
        }
    }

    /// The settings of that name: as they are kept or, where that cannot be seen, as this host knows them.
    pub(crate) async fn settings(&self, name: &str) -> Option<Labels> {
        let known = || self.state().config.get(name).cloned();
        let (true, Ok(key)) = (self.keeping.settings.is_elsewhere(), key(name)) else { return known() };
        let kept = async { self.keeping.settings.bucket().await?.get(&key).await };
        match kept.await {
            Ok(entry) => entry.and_then(|entry| rules::read(key.as_str(), &entry.value)),
            Err(error) => {
                tracing::debug!(%key, error = %Chain(&error), "settings are answered as they were known last");
                known()
            }
        }
    }

    /// All links of the lattice: as they are kept or, where that cannot be seen, as this host knows them.
    pub(crate) async fn links(&self) -> Vec<LatticeLink> {
        let known = || self.state().links.values().flatten().cloned().collect();
        if !self.keeping.components.is_elsewhere() {
            return known();
        }
        let kept = async { self.keeping.components.bucket().await?.entries().await };
        match kept.await {
            Ok(entries) => {
                let links = entries.iter().filter_map(|(key, entry)| {
                    let id = key.as_str().strip_prefix(COMPONENT)?;
                    // What cannot be read changes nothing.
                    let known = || self.state().links.get(id).cloned().unwrap_or_default();
                    Some(rules::read(key.as_str(), &entry.value).map_or_else(known, |spec| rules::links_of(id, spec)))
                });
                links.flatten().collect()
            }
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "links are answered as they were known last");
                known()
            }
        }
    }

    /// All claims of the lattice, as they are answered: as they are kept or, where that cannot be seen, as this host knows them.
    pub(crate) async fn claims(&self) -> Vec<Labels> {
        let mut claims = rules::known_claims(&self.state());
        if self.keeping.components.is_elsewhere() {
            let kept = async { self.keeping.components.bucket().await?.entries().await };
            match kept.await {
                Ok(entries) => {
                    let kept = entries.iter().filter_map(|(key, entry)| rules::kept_claims(key.as_str(), &entry.value));
                    claims.extend(kept.map(|claims| (claims.subject.clone(), claims)));
                }
                Err(error) => tracing::debug!(error = %Chain(&error), "claims are answered as they were known last"),
            }
        }
        claims.values().map(KeptClaims::answered).collect()
    }
}

fn key(text: &str) -> Result<BucketKey, String> {
    text.parse().map_err(|error| Chain(&error).to_string())
}
