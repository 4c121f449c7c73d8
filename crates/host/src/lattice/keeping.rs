//! What a lattice keeps for all of its hosts, links and settings: two buckets that each host watches, and a copy on its own disk.
//!
//! ```text
//! change ─▶ bucket ─┬─▶ this host learns it, and answers
//!                   └─▶ watch ─▶ every host learns it ─▶ its copy, its State, the links of what it runs
//! ```
//!
//! The buckets are those of wasmCloud 1.x: `LATTICEDATA_…` has a `COMPONENT_…` for each component or source of links,
//! `CONFIGDATA_…` has settings by their names.
//!
//! # Invariants
//!
//! 1. What was acknowledged is in the bucket: a change that could not be kept is refused, and nothing follows from it.
//! 2. A host knows what it knew when it was there last before it sees its bus. That it sees nothing means nothing; what was
//!    deleted says so.
//! 3. What is learned is learned one after the other, and nothing old after something newer.
//! 4. A host that is alone and was never told anything makes no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{
    Bucket, BucketError, BucketKey, BucketName, Bus, Entry, Keep, Known, Mirror, MirrorError, Revision, Standing, Told,
    Watch,
};
use bytes::Bytes;
use model::lattice::{ComponentSpec, DeleteLink, Labels, LatticeLink};
use stdx::Chain;
use tokio::sync::Notify;

use super::rules::{self, State};
use super::{AGAIN, Shared};

/// So often a change is tried whose bucket others change at the same time.
const TRIES_MAX: u32 = 20;

/// Before a change is tried again so long is waited, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(3);

/// So many attempts to reach a bucket fail before it is said: a bus takes a moment to be there.
const COMPLAIN_AFTER: u32 = 10;

/// What the keys of components begin with.
const COMPONENT: &str = "COMPONENT_";

/// Which of the two buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Settings,
    Components,
}

/// The buckets of a lattice, as one host sees them.
pub(super) struct Keeping {
    settings: Kept,
    components: Kept,
    /// Held by who changes what is kept of a component, so that at least this host does not race itself.
    changing: tokio::sync::Mutex<()>,
    /// Held by who learns.
    learning: tokio::sync::Mutex<()>,
    /// There is something to see.
    begun: Notify,
}

/// One bucket, and the host's copy of it.
struct Kept {
    name: BucketName,
    bus: Bus,
    bucket: Mutex<Option<Bucket>>,
    /// The folder of the copy; nothing, where the bucket itself is on this host.
    folder: Option<PathBuf>,
    /// The copy, between its being read and its being followed.
    copy: Mutex<Option<Mirror>>,
    /// What was learned last of each key.
    known: Mutex<BTreeMap<BucketKey, Revision>>,
}

/// Where the buckets of a lattice are.
pub(crate) struct Keepers {
    /// The bus that carries the lattice.
    pub(crate) lattice: Bus,
    /// The folder for a copy, where the bus keeps nothing on this host.
    pub(crate) copy: Option<PathBuf>,
    /// Whether nothing was ever kept on this host.
    pub(crate) is_new: bool,
}

/// What this host knew cannot be read.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Copy(#[from] MirrorError),
}

// === impl Keeping ===

impl Keeping {
    pub(super) fn new(lattice: &str, keepers: &Keepers) -> Self {
        let kept = |name: &str| Kept {
            name: format!("{name}_{lattice}").parse().expect("the name of a lattice is a word, see LatticeConfig"),
            bus: keepers.lattice.clone(),
            bucket: Mutex::default(),
            folder: keepers.copy.as_ref().map(|folder| folder.join(name)),
            copy: Mutex::default(),
            known: Mutex::default(),
        };
        let keeping = Self {
            settings: kept("CONFIGDATA"),
            components: kept("LATTICEDATA"),
            changing: tokio::sync::Mutex::default(),
            learning: tokio::sync::Mutex::default(),
            begun: Notify::new(),
        };
        if keepers.copy.is_some() || !keepers.is_new {
            keeping.begun.notify_one();
        }
        keeping
    }

    /// What this host knew when it was there last.
    pub(super) async fn recall(&self, state: &mut State) {
        for (key, entry) in self.settings.recalled().await {
            if let Some(settings) = read(&key, &entry.value) {
                rules::learn_settings(state, key.as_str(), Some(settings));
            }
        }
        for (key, entry) in self.components.recalled().await {
            let id = key.as_str().strip_prefix(COMPONENT);
            if let Some((id, spec)) = id.and_then(|id| Some((id, read(&key, &entry.value)?))) {
                rules::learn_links(state, id, links_of(id, spec));
            }
        }
    }

    fn of(&self, kind: Kind) -> &Kept {
        match kind {
            Kind::Settings => &self.settings,
            Kind::Components => &self.components,
        }
    }
}

// === impl Kept ===

impl Kept {
    /// The bucket, found or made.
    async fn bucket(&self) -> Result<Bucket, BucketError> {
        if let Some(bucket) = lock(&self.bucket).clone() {
            return Ok(bucket);
        }
        let bucket = self.bus.bucket(self.name.clone(), Keep::default()).await?;
        *lock(&self.bucket) = Some(bucket.clone());
        Ok(bucket)
    }

    /// What was known last; nothing, where that cannot be read, which is in the log.
    async fn recalled(&self) -> BTreeMap<BucketKey, Entry> {
        self.last_known().await.unwrap_or_else(|error| {
            tracing::error!(bucket = %self.name, error = %Chain(&error), "what this host knew of its lattice cannot be read");
            BTreeMap::new()
        })
    }

    async fn last_known(&self) -> Result<BTreeMap<BucketKey, Entry>, Lost> {
        let Some(folder) = &self.folder else { return Ok(self.bucket().await?.entries().await?) };
        let copy = open(folder).await?;
        let known = copy.entries()?;
        *lock(&self.copy) = Some(copy);
        Ok(known)
    }

    /// A watch that tells what is not as the copy has it, and the copy.
    async fn watch(&self, bucket: &Bucket) -> (Watch, Option<Mirror>) {
        let read_before = lock(&self.copy).take();
        let copy = match (read_before, &self.folder) {
            (None, Some(folder)) => {
                let opened = open(folder).await;
                opened.inspect_err(|error| tracing::error!(error = %Chain(error), "this host has no copy")).ok()
            }
            (copy, _) => copy,
        };
        let known = copy.as_ref().map_or_else(Known::default, Mirror::known);
        (bucket.watch_from(known), copy)
    }

    /// Notes what was learned of a key; says whether it is news.
    fn note(&self, key: &BucketKey, entry: Option<&Entry>) -> bool {
        let mut known = lock(&self.known);
        match entry {
            Some(entry) if known.get(key).is_some_and(|known| *known >= entry.revision) => return false,
            Some(entry) => drop(known.insert(key.clone(), entry.revision)),
            None => drop(known.remove(key)),
        }
        true
    }

    /// What is kept begins anew: later numbers may be lower.
    fn forget_numbers(&self) {
        lock(&self.known).clear();
    }

    /// After this failure the bucket is looked for again.
    fn words(&self, error: BucketError) -> String {
        *lock(&self.bucket) = None;
        format!("it cannot be kept: {}", Chain(&error))
    }
}

// === impl Shared ===

impl Shared {
    /// Follows what the lattice keeps, whoever changes it.
    pub(super) async fn follow(&self) {
        self.keeping.begun.notified().await;
        tokio::join!(self.follow_bucket(Kind::Settings), self.follow_bucket(Kind::Components));
    }

    async fn follow_bucket(&self, kind: Kind) {
        let kept = self.keeping.of(kind);
        let mut failed = 0;
        let bucket = loop {
            match kept.bucket().await {
                Ok(bucket) => break bucket,
                Err(error) if failed == COMPLAIN_AFTER => {
                    tracing::warn!(bucket = %kept.name, error = %Chain(&error), "the lattice keeps nothing yet");
                }
                Err(_) => {}
            }
            failed += 1;
            tokio::time::sleep(AGAIN).await;
        };
        let (mut watch, mut copy) = kept.watch(&bucket).await;
        while let Some(told) = watch.next().await {
            if let Some(copy) = &mut copy {
                write_down(copy, &told, &kept.name).await;
            }
            match told {
                Told::Set { key, entry } => self.learn_from_others(kind, key, Some(entry)).await,
                Told::Gone { key } => self.learn_from_others(kind, key, None).await,
                Told::Anew { .. } => kept.forget_numbers(),
                Told::Current(_) | Told::Away => {}
            }
        }
    }

    async fn learn_from_others(&self, kind: Kind, key: BucketKey, entry: Option<Entry>) {
        if let Err(error) = self.learn(kind, &key, entry).await {
            tracing::warn!(%key, error, "what the lattice keeps cannot be followed here");
        }
    }

    /// Learns what is under a key now, and does what follows from it. Says what went wrong with that.
    async fn learn(&self, kind: Kind, key: &BucketKey, entry: Option<Entry>) -> Result<(), String> {
        let _turn = self.keeping.learning.lock().await;
        if !self.keeping.of(kind).note(key, entry.as_ref()) {
            return Ok(());
        }
        match kind {
            Kind::Settings => {
                let settings = entry.map(|entry| read::<Labels>(key, &entry.value));
                // What cannot be read changes nothing.
                let Some(settings) = settings.map_or(Some(None), |read| read.map(Some)) else { return Ok(()) };
                let name = key.as_str().to_owned();
                let is_other = rules::learn_settings(&mut self.state(), &name, settings);
                if is_other {
                    self.renew_settings(&name).await;
                }
                Ok(())
            }
            Kind::Components => {
                let Some(id) = key.as_str().strip_prefix(COMPONENT) else { return Ok(()) };
                let spec = entry.map(|entry| read::<ComponentSpec>(key, &entry.value));
                let Some(spec) = spec.unwrap_or_else(|| Some(ComponentSpec::default())) else { return Ok(()) };
                let relinked = rules::learn_links(&mut self.state(), id, links_of(id, spec));
                self.relink(relinked).await
            }
        }
    }

    /// Puts a link of the lattice. Where its source runs here, it is followed when this returns.
    pub(super) async fn link(&self, link: &LatticeLink) -> Result<(), String> {
        self.look_for_settings(link.source_config.iter().chain(&link.target_config)).await;
        rules::check_settings(&self.state(), link)?;
        self.check(link).await?;
        let put = |spec: &mut ComponentSpec| rules::put_link(&mut spec.links, link);
        let (before, written, followed) = self.change_spec(&link.source_id, put).await?;
        if followed.is_err() {
            // Nobody shall find a link that cannot be followed.
            let back = |spec: &mut ComponentSpec| {
                if *spec == written {
                    *spec = before.clone();
                }
                Ok(())
            };
            let (_, _, undone) = self.change_spec(&link.source_id, back).await?;
            if let Err(error) = undone {
                tracing::warn!(source = link.source_id, error, "cannot be linked as before");
            }
        }
        followed
    }

    /// Deletes a link of the lattice, and gives it; nothing where the source never had any.
    pub(super) async fn unlink(&self, wanted: &DeleteLink) -> Result<Option<Option<LatticeLink>>, String> {
        let taken = Mutex::new(None);
        let take = |spec: &mut ComponentSpec| {
            *lock(&taken) = rules::take_link(&mut spec.links, wanted);
            Ok(())
        };
        let (before, _, followed) = self.change_spec(&wanted.source_id, take).await?;
        followed?;
        let taken = lock(&taken).take();
        Ok((before != ComponentSpec::default()).then_some(taken))
    }

    /// Notes where a component comes from. That it could not be noted keeps nobody from running it.
    pub(super) async fn note_origin(&self, id: &str, url: &str) {
        let note = |spec: &mut ComponentSpec| {
            url.clone_into(&mut spec.url);
            Ok(())
        };
        if let Err(error) = self.change_spec(id, note).await.and_then(|(_, _, followed)| followed) {
            tracing::warn!(component = id, error, "where it comes from could not be noted");
        }
    }

    /// Changes what is kept of a component: gives what was kept before, what is now, and how following that went here.
    async fn change_spec(
        &self,
        id: &str,
        change: impl Fn(&mut ComponentSpec) -> Result<(), String>,
    ) -> Result<(ComponentSpec, ComponentSpec, Result<(), String>), String> {
        let key = key(&format!("{COMPONENT}{id}"))?;
        let (kind, kept) = (Kind::Components, &self.keeping.components);
        self.keeping.begun.notify_one();
        let _turn = self.keeping.changing.lock().await;
        for attempt in 1..=TRIES_MAX {
            let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
            let there = bucket.get(&key).await.map_err(|error| kept.words(error))?;
            let before = match &there {
                Some(entry) => {
                    read(&key, &entry.value).ok_or_else(|| format!("what is kept of {id} cannot be read"))?
                }
                None => ComponentSpec::default(),
            };
            let mut spec = before.clone();
            change(&mut spec)?;
            if spec == before {
                let followed = if there.is_some() { self.learn(kind, &key, there).await } else { Ok(()) };
                return Ok((before, spec, followed));
            }
            let value = Bytes::from(serde_json::to_vec(&spec).map_err(|error| error.to_string())?);
            let written = match &there {
                Some(entry) => bucket.update(&key, value.clone(), entry.revision).await,
                None => bucket.create(&key, value.clone()).await,
            };
            match written {
                Ok(revision) => {
                    let followed = self.learn(kind, &key, Some(Entry { value, revision })).await;
                    return Ok((before, spec, followed));
                }
                Err(BucketError::Conflict { .. }) => tokio::time::sleep(PAUSE * attempt).await,
                Err(error) => return Err(kept.words(error)),
            }
        }
        Err(format!("others change the links of {id} at the same time; try again"))
    }

    /// Puts settings in the place of those by that name.
    pub(super) async fn put_settings(&self, name: &str, settings: &Labels) -> Result<(), String> {
        let (key, kept) = (key(name)?, &self.keeping.settings);
        self.keeping.begun.notify_one();
        let value = Bytes::from(serde_json::to_vec(settings).map_err(|error| error.to_string())?);
        let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
        let revision = bucket.put(&key, value.clone()).await.map_err(|error| kept.words(error))?;
        self.learn(Kind::Settings, &key, Some(Entry { value, revision })).await
    }

    /// Deletes the settings of that name, if there are any.
    pub(super) async fn delete_settings(&self, name: &str) -> Result<(), String> {
        let (key, kept) = (key(name)?, &self.keeping.settings);
        self.keeping.begun.notify_one();
        let bucket = kept.bucket().await.map_err(|error| kept.words(error))?;
        bucket.delete(&key).await.map_err(|error| kept.words(error))?;
        self.learn(Kind::Settings, &key, None).await
    }

    /// Looks for those of these settings that this host does not know: it may be told of them in a moment.
    pub(super) async fn look_for_settings(&self, names: impl IntoIterator<Item = &String>) {
        if self.keeping.settings.folder.is_none() {
            return;
        }
        let unknown: Vec<_> = {
            let state = self.state();
            names.into_iter().filter(|name| !state.config.contains_key(*name)).cloned().collect()
        };
        for key in unknown.iter().filter_map(|name| key(name).ok()) {
            let found = async { self.keeping.settings.bucket().await?.get(&key).await };
            match found.await {
                Ok(Some(entry)) => self.learn_from_others(Kind::Settings, key, Some(entry)).await,
                Ok(None) => {}
                Err(error) => tracing::debug!(%key, error = %Chain(&error), "settings cannot be looked for"),
            }
        }
    }

    /// The settings of that name: as they are kept or, where that cannot be seen, as this host knows them.
    pub(super) async fn settings(&self, name: &str) -> Option<Labels> {
        let known = || self.state().config.get(name).cloned();
        let (Some(_), Ok(key)) = (&self.keeping.settings.folder, key(name)) else { return known() };
        let kept = async { self.keeping.settings.bucket().await?.get(&key).await };
        match kept.await {
            Ok(entry) => entry.and_then(|entry| read(&key, &entry.value)),
            Err(error) => {
                tracing::debug!(%key, error = %Chain(&error), "settings are answered as they were known last");
                known()
            }
        }
    }

    /// All links of the lattice: as they are kept or, where that cannot be seen, as this host knows them.
    pub(super) async fn links(&self) -> Vec<LatticeLink> {
        let known = || self.state().links.values().flatten().cloned().collect();
        if self.keeping.components.folder.is_none() {
            return known();
        }
        let kept = async { self.keeping.components.bucket().await?.entries().await };
        match kept.await {
            Ok(entries) => {
                let links = entries.iter().filter_map(|(key, entry)| {
                    let id = key.as_str().strip_prefix(COMPONENT)?;
                    // What cannot be read changes nothing.
                    let known = || self.state().links.get(id).cloned().unwrap_or_default();
                    Some(read(key, &entry.value).map_or_else(known, |spec| links_of(id, spec)))
                });
                links.flatten().collect()
            }
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "links are answered as they were known last");
                known()
            }
        }
    }
}

/// Opens a copy. The disk is waited for, on a thread that may wait.
async fn open(folder: &Path) -> Result<Mirror, MirrorError> {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || Mirror::open(&folder)).await;
    opened.expect("opening returns its errors")
}

/// Has the copy know what was told.
async fn write_down(copy: &mut Mirror, told: &Told, bucket: &BucketName) {
    match copy.apply(told).await {
        Ok(Standing::WentBack { doubted, .. }) if matches!(told, Told::Current(_)) => {
            let doubted: Vec<_> = doubted.iter().map(ToString::to_string).collect();
            let doubted = doubted.join(", ");
            tracing::warn!(%bucket, doubted, "the bucket was made again or has gone back; what this host knows stays");
        }
        Ok(_) => {}
        Err(error) => {
            tracing::error!(%bucket, error = %Chain(&error), "this host could not write down what it has learned");
        }
    }
}

/// The links of a component: those that others have there are nobody's.
fn links_of(id: &str, spec: ComponentSpec) -> Vec<LatticeLink> {
    spec.links.into_iter().filter(|link| link.source_id == id).collect()
}

fn key(text: &str) -> Result<BucketKey, String> {
    text.parse().map_err(|error| Chain(&error).to_string())
}

/// What a value says; nothing, where it says nothing that can be read.
fn read<T: serde::de::DeserializeOwned>(key: &BucketKey, value: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(value);
    read.inspect_err(|error| tracing::warn!(%key, %error, "what the lattice keeps there cannot be read")).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
