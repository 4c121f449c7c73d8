//! These are the buckets of a process: where their pairs are, and who watches them.
//!
//! # Invariants
//!
//! 1. Watchers are told in the order of changes, and nobody who changes something waits for them. Whoever has no room loses its
//!    place, and begins again by itself.
//! 2. Who watches is put down before it looks at what is there: what changes meanwhile it is told of.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use ledger::{Ledger, LedgerError};
use stdx::{BoxError, ByteSize};
use tokio::sync::{OnceCell, mpsc};

use super::PATIENCE;
use super::backing::{Backing, Change, Event, Feed, Past};
use super::error::BucketError;
use super::names::{BucketKey, BucketName};
use super::pairs::Outcome;
use super::place::{Place, Snapshot};
use super::values::{Durability, Entry, Keep, Mark, Revision};

/// Changes that wait at most for one watcher. It begins again where there are more.
const WAITING_MAX: usize = 1_024;

/// Before it is tried again to read what could not be read.
const BREATH: Duration = Duration::from_millis(100);

/// All buckets of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelves {
    /// Opened when the first bucket is asked for.
    place: Arc<OnceCell<Arc<Place>>>,
    /// Where that is; in memory, without.
    folder: Option<PathBuf>,
    watchers: Arc<Mutex<BTreeMap<BucketName, Vec<mpsc::Sender<Event>>>>>,
    value_max: ByteSize,
    /// What buckets are told apart by comes from this, where it has to be the same each time.
    seed: Option<u64>,
}

/// One of them.
#[derive(Clone)]
struct Shelf {
    shelves: Shelves,
    place: Arc<Place>,
    name: BucketName,
}

/// What one watcher is told.
struct Following {
    shelf: Shelf,
    /// What changes; nothing before it has begun.
    changes: Option<mpsc::Receiver<Event>>,
    /// What was there when it began, and what is said of that.
    there: VecDeque<Event>,
    /// How far the bucket had come when it was last seen. Of changes before that it need not be told.
    seen: Option<Mark>,
}

/// It holds as much as it may.
#[derive(Debug, thiserror::Error)]
#[error("it holds {0} and may not hold more")]
struct HoldsAll(ByteSize);

// === impl Shelves ===

impl Shelves {
    /// In this folder of this machine's disk, or in memory. Nothing is opened or made before a bucket is asked for.
    pub(crate) fn new(folder: Option<PathBuf>, value_max: ByteSize) -> Self {
        Self { place: Arc::default(), folder, watchers: Arc::default(), value_max, seed: None }
    }

    /// In memory, and the same under the same seed.
    pub(crate) fn seeded(value_max: ByteSize, seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::new(None, value_max) }
    }

    /// The bucket of that name, which is made where there is none.
    pub(crate) async fn bucket(&self, name: &BucketName, keep: Keep) -> Result<Arc<dyn Backing>, BucketError> {
        // No two that are made one after the other have the same number.
        let made = self.seed.unwrap_or_else(|| RandomState::new().hash_one(name));
        let place = self.place.get_or_try_init(|| open(self.folder.clone())).await?.clone();
        let settled = rt::within(Some(PATIENCE), place.settle(name, (keep, made))).await;
        settled.map_err(unavailable)?.map_err(classify)?;
        Ok(Arc::new(Shelf { shelves: self.clone(), place, name: name.clone() }))
    }

    /// Puts down a watcher.
    fn watch(&self, name: &BucketName) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mut watchers = self.lock();
        let watching = watchers.entry(name.clone()).or_default();
        watching.retain(|watcher| !watcher.is_closed());
        watching.push(sender);
        receiver
    }

    /// Tells all watchers of a bucket what came of a change. Where that is not known, they look for themselves.
    fn tell(&self, name: &BucketName, outcome: Option<&Outcome>) {
        let mut watchers = self.lock();
        let Some(watching) = watchers.get_mut(name) else { return };
        match outcome {
            Some(Outcome::Made(_, event)) => watching.retain(|watcher| watcher.try_send(event.clone()).is_ok()),
            Some(_) => {}
            None => watching.clear(),
        }
        if watching.is_empty() {
            watchers.remove(name);
        }
    }

    /// A panic cannot leave the lists half changed.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BucketName, Vec<mpsc::Sender<Event>>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Shelf ===

impl Shelf {
    async fn make(&self, change: Change) -> Result<Revision, BucketError> {
        let (bucket, key) = (self.name.clone(), change.key.clone());
        let limit = self.shelves.value_max;
        let size = ByteSize::bytes(change.to.as_ref().map_or(0, |value| value.len() as u64));
        if size > limit {
            return Err(BucketError::TooLarge { key, size, limit });
        }
        let (shelves, name) = (self.shelves.clone(), self.name.clone());
        let told = move |outcome: Option<&Outcome>| shelves.tell(&name, outcome);
        let made = self.place.change(&self.name, change, told);
        let outcome = rt::within(Some(PATIENCE), made).await.map_err(unavailable)?.map_err(classify)?;
        match outcome {
            Outcome::Made(revision, _) => Ok(revision),
            Outcome::Unchanged => Ok(Revision::new(0)),
            Outcome::Conflict => Err(BucketError::Conflict { bucket, key }),
            Outcome::Full(limit) => Err(BucketError::Full { bucket, source: HoldsAll(limit).into() }),
        }
    }
}

impl Backing for Shelf {
    fn describe(&self) -> String {
        "the bus of this process".into()
    }

    fn durability(&self) -> Durability {
        self.place.durability()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn get<'a>(&'a self, key: &'a BucketKey) -> BoxFuture<'a, Result<Option<Entry>, BucketError>> {
        let found = self.place.get(&self.name, key).map_err(classify);
        Box::pin(std::future::ready(found))
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Revision, BucketError>> {
        Box::pin(self.make(change))
    }

    fn feed(&self, before: Option<Mark>) -> Box<dyn Feed> {
        let (shelf, there) = (self.clone(), VecDeque::new());
        Box::new(Following { shelf, changes: None, there, seen: before })
    }
}

// === impl Following ===

impl Following {
    async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.there.pop_front() {
                return event;
            }
            match &mut self.changes {
                None => self.begin().await,
                Some(changes) => match changes.recv().await {
                    Some(event) if self.is_new(&event) => return event,
                    Some(_) => {}
                    None => self.changes = None,
                },
            }
        }
    }

    /// Looks at what is there. What was read counts only when all of it is: this may be dropped while it waits.
    async fn begin(&mut self) {
        let changes = self.shelf.shelves.watch(&self.shelf.name);
        match self.shelf.place.snapshot(&self.shelf.name) {
            Ok(Snapshot { mark, entries }) => {
                let past = Past::of(self.seen.replace(mark), mark);
                self.changes = Some(changes);
                self.there.push_back(Event::Begun(past));
                self.there.extend(entries.into_iter().map(|(key, entry)| Event::Set(key, entry)));
                self.there.push_back(Event::Current(mark));
            }
            Err(error) => {
                tracing::debug!(error = %stdx::Chain(&error), "what is in a bucket cannot be read yet");
                drop(changes);
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    fn is_new(&self, event: &Event) -> bool {
        match event {
            Event::Set(_, Entry { revision, .. }) | Event::Gone(_, revision) => {
                self.seen.is_none_or(|seen| *revision > seen.last)
            }
            Event::Begun(_) | Event::Current(_) | Event::Away => true,
        }
    }
}

impl Feed for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Event>> {
        Box::pin(async { Some(self.event().await) })
    }
}

/// Opens what is in a folder. The disk is waited for, on a thread that may wait.
async fn open(folder: Option<PathBuf>) -> Result<Arc<Place>, BucketError> {
    let Some(folder) = folder else { return Ok(Arc::new(Place::Memory(Mutex::default()))) };
    let opened = tokio::task::spawn_blocking(move || Ledger::open("store of the bus", folder)).await;
    let ledger = opened.map_err(unavailable)?.map_err(|error| BucketError::Disk(error.into()))?;
    Ok(Arc::new(Place::Disk(ledger)))
}

fn unavailable(source: impl Into<BoxError>) -> BucketError {
    BucketError::Unavailable { bus: "the bus of this process".into(), source: source.into() }
}

fn classify(error: LedgerError) -> BucketError {
    BucketError::Disk(error.into())
}
