//! One bucket of a lattice as a host has it: found when it is needed, and with a copy on the host's own disk where the bucket is
//! elsewhere.
//!
//! # Not here
//!
//! What the values mean (`keeping`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{
    Bucket, BucketError, BucketKey, BucketName, Bus, Durability, Entry, Folder, Keep, Known, Mirror, MirrorError,
    Revision, Standing, Told, Watch,
};
use model::lattice::{Acknowledged, Warrant};
use stdx::Chain;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So long the watch has time to tell of what this host has written.
const PATIENCE: Duration = Duration::from_secs(2);

/// One bucket, and the host's copy of it.
pub(crate) struct Kept {
    name: BucketName,
    bus: Bus,
    bucket: Mutex<Option<Bucket>>,
    /// Whether others may change it without this host's knowing at once.
    is_elsewhere: bool,
    /// The folder of the copy.
    folder: Option<Folder>,
    /// The copy, between its being read and its being followed.
    copy: Mutex<Option<Mirror>>,
    /// What was learned last of each key: which change put it there or, where this host has, deleted it.
    known: Mutex<BTreeMap<BucketKey, Revision>>,
    doubts: Mutex<Doubts>,
    /// There is something to doubt.
    doubted: Notify,
}

/// What this host has written or found itself and its watch has not told it of. Another may have deleted it before the watch came to
/// it: then it never will.
#[derive(Debug, Default)]
struct Doubts {
    /// What the watch told last of each key.
    told: BTreeMap<BucketKey, Revision>,
    /// What is not told of yet, and when it is asked for.
    ahead: BTreeMap<BucketKey, (Revision, Instant)>,
}

/// What is under a key, as this host has heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This.
    There(Entry),
    /// Nothing.
    Nothing,
    /// Nothing, since this host deleted it with that change. Its answer may be late: others may have put something meanwhile.
    Deleted(Revision),
}

/// Where what a lattice keeps is.
#[derive(Debug, Clone)]
pub enum Keeps {
    /// In this process, which is the whole lattice.
    Here {
        /// Whether nothing was ever kept: then no file is made before there is something to keep.
        is_new: bool,
    },
    /// On the bus, where others change it.
    Elsewhere {
        /// The folder for a copy from which the host knows its lattice while it sees no bus; without, it has none.
        copy: Option<Folder>,
        /// What acknowledgements of the bus survive, where somebody has said it.
        declared: Option<Durability>,
    },
}

/// What this host knew cannot be read.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Copy(#[from] MirrorError),
}

// === impl Keeps ===

impl Keeps {
    /// What a change survives that is acknowledged there: as `seen` in what keeps it, where that is less than was said.
    pub fn acknowledged(&self, seen: Option<Durability>) -> Acknowledged {
        let (said, known) = match self {
            Self::Here { .. } => (Durability::Disk, Warrant::Own),
            Self::Elsewhere { declared: Some(declared), .. } => (*declared, Warrant::Declared),
            Self::Elsewhere { declared: None, .. } => (Durability::Process, Warrant::Assumed),
        };
        let (survives, known) = match seen {
            Some(seen) if seen < said => (seen, Warrant::Told),
            _ => (said, known),
        };
        Acknowledged { survives: survives.to_string(), known }
    }
}

// === impl Kept ===

impl Kept {
    /// The bucket of that name in a lattice. Nothing is opened yet.
    pub(crate) fn new((name, lattice): (&str, &str), bus: &Bus, keeps: &Keeps) -> Self {
        let folder = match keeps {
            Keeps::Here { .. } | Keeps::Elsewhere { copy: None, .. } => None,
            Keeps::Elsewhere { copy: Some(folder), .. } => Some(folder.join(name)),
        };
        Self {
            name: format!("{name}_{lattice}").parse().expect("the name of a lattice is a word, see RoleConfig"),
            bus: bus.clone(),
            bucket: Mutex::default(),
            is_elsewhere: matches!(keeps, Keeps::Elsewhere { .. }),
            folder,
            copy: Mutex::default(),
            known: Mutex::default(),
            doubts: Mutex::default(),
            doubted: Notify::new(),
        }
    }

    /// Whether others may change it without this host's knowing at once.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// The bucket, found or made.
    pub(crate) async fn bucket(&self) -> Result<Bucket, BucketError> {
        if let Some(bucket) = lock(&self.bucket).clone() {
            return Ok(bucket);
        }
        let bucket = self.bus.bucket(self.name.clone(), Keep::default()).await?;
        *lock(&self.bucket) = Some(bucket.clone());
        Ok(bucket)
    }

    /// What its acknowledgements survive, as far as it was found.
    pub(crate) fn durability(&self) -> Option<Durability> {
        lock(&self.bucket).as_ref().map(Bucket::durability)
    }

    /// What was known last; none, where there is no copy or it cannot be read, which is in the log.
    pub(crate) async fn recalled(&self) -> Option<BTreeMap<BucketKey, Entry>> {
        self.last_known().await.unwrap_or_else(|error| {
            tracing::error!(bucket = %self.name, error = %Chain(&error), "what this host knew of its lattice cannot be read");
            None
        })
    }

    async fn last_known(&self) -> Result<Option<BTreeMap<BucketKey, Entry>>, Lost> {
        let folder = match &self.folder {
            Some(folder) => folder,
            None if self.is_elsewhere => return Ok(None),
            None => return Ok(Some(self.bucket().await?.entries().await?)),
        };
        let copy = folder.mirror().await?;
        let known = copy.entries()?;
        *lock(&self.copy) = Some(copy);
        Ok(Some(known))
    }

    /// A watch that tells what is not as the copy has it, and the copy.
    pub(crate) async fn watch(&self, bucket: &Bucket) -> (Watch, Option<Mirror>) {
        let read_before = lock(&self.copy).take();
        let copy = match (read_before, &self.folder) {
            (None, Some(folder)) => {
                let opened = folder.mirror().await;
                opened.inspect_err(|error| tracing::error!(error = %Chain(error), "this host has no copy")).ok()
            }
            (copy, _) => copy,
        };
        let known = copy.as_ref().map_or_else(Known::default, Mirror::known);
        // Of that the watch will not tell.
        for (key, revision) in &known.revisions {
            lock(&self.doubts).see(key, *revision);
        }
        (bucket.watch_from(known), copy)
    }

    /// Notes what was heard of a key; says whether it is news.
    pub(crate) fn note(&self, key: &BucketKey, heard: &Heard) -> bool {
        let mut known = lock(&self.known);
        let number = match heard {
            Heard::There(entry) => entry.revision,
            Heard::Deleted(revision) => *revision,
            Heard::Nothing => {
                known.remove(key);
                return true;
            }
        };
        if known.get(key).is_some_and(|known| *known >= number) {
            return false;
        }
        known.insert(key.clone(), number);
        true
    }

    /// What is kept begins anew: later numbers may be lower.
    pub(crate) fn forget_numbers(&self) {
        lock(&self.known).clear();
        *lock(&self.doubts) = Doubts::default();
    }

    /// This host has written or found that, whatever its watch has told so far.
    pub(crate) fn ran_ahead(&self, key: &BucketKey, revision: Revision) {
        lock(&self.doubts).run_ahead(key, revision);
        self.doubted.notify_one();
    }

    /// The watch has told that.
    pub(crate) fn told(&self, told: &Told) {
        lock(&self.doubts).tell(told);
    }

    /// What is to be asked for, since the watch should have told of it. May be dropped and called again.
    pub(crate) async fn in_doubt(&self) -> Vec<BucketKey> {
        loop {
            let next = lock(&self.doubts).next();
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => self.doubted.notified().await,
            }
            let due = lock(&self.doubts).take_due(Instant::now());
            if !due.is_empty() {
                return due;
            }
        }
    }

    /// It was asked for, and this was there.
    pub(crate) fn found(&self, key: &BucketKey, found: Option<Revision>) {
        lock(&self.doubts).find(key, found);
    }

    /// After this failure the bucket is looked for again.
    pub(crate) fn words(&self, error: BucketError) -> String {
        *lock(&self.bucket) = None;
        format!("it cannot be kept: {}", Chain(&error))
    }

    /// Has the copy know what was told.
    pub(crate) async fn write_down(&self, copy: &mut Mirror, told: &Told) {
        match copy.apply(told).await {
            Ok(Standing::WentBack { doubted, .. }) if matches!(told, Told::Current(_)) => {
                let doubted: Vec<_> = doubted.iter().map(ToString::to_string).collect();
                let doubted = doubted.join(", ");
                tracing::warn!(bucket = %self.name, doubted, "the bucket was made again or has gone back; what this host knows stays");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(bucket = %self.name, error = %Chain(&error), "this host could not write down what it has learned");
            }
        }
    }
}

// === impl Doubts ===

impl Doubts {
    fn run_ahead(&mut self, key: &BucketKey, revision: Revision) {
        if self.told.get(key).is_none_or(|told| *told < revision) {
            self.ahead.insert(key.clone(), (revision, Instant::now() + PATIENCE));
        }
    }

    fn tell(&mut self, told: &Told) {
        match told {
            Told::Set { key, entry } => self.see(key, entry.revision),
            Told::Gone { key } => drop(self.told.remove(key)),
            Told::Anew { .. } | Told::Current(_) | Told::Away => {}
        }
    }

    /// The watch has told that, or does not have to.
    fn see(&mut self, key: &BucketKey, revision: Revision) {
        self.told.insert(key.clone(), revision);
        if self.ahead.get(key).is_some_and(|(ahead, _)| *ahead <= revision) {
            self.ahead.remove(key);
        }
    }

    fn next(&self) -> Option<Instant> {
        self.ahead.values().map(|(_, at)| *at).min()
    }

    /// What is asked for now; and again, unless something is found out meanwhile.
    fn take_due(&mut self, now: Instant) -> Vec<BucketKey> {
        let due = self.ahead.iter_mut().filter(|(_, (_, at))| *at <= now);
        due.map(|(key, (_, at))| {
            *at = now + PATIENCE;
            key.clone()
        })
        .collect()
    }

    /// What is there the watch will tell of.
    fn find(&mut self, key: &BucketKey, found: Option<Revision>) {
        if found.is_none() {
            self.ahead.remove(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_acknowledgement_survives_is_what_was_said_unless_what_keeps_it_survives_less() {
        let elsewhere = |declared| Keeps::Elsewhere { copy: None, declared };
        let said = |keeps: &Keeps, seen| {
            let Acknowledged { survives, known } = keeps.acknowledged(seen);
            format!("{survives} {known:?}")
        };
        assert_eq!(said(&Keeps::Here { is_new: true }, None), "disk Own");
        assert_eq!(said(&elsewhere(None), None), "process Assumed");
        assert_eq!(said(&elsewhere(Some(Durability::Disk)), Some(Durability::Disk)), "disk Declared");
        assert_eq!(said(&elsewhere(Some(Durability::Disk)), Some(Durability::Memory)), "memory Told");
        assert_eq!(said(&elsewhere(None), Some(Durability::Memory)), "memory Told");
    }
}
