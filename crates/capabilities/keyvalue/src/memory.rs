//! This is a store in memory: it forgets all when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use stdx::ByteSize;

use crate::Watched;
use crate::number::{self, Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};
use crate::watch::Watchers;

/// What a pair costs beside its bytes, roughly.
const PAIR_OVERHEAD: usize = 64;

/// The backend `memory`.
pub struct MemoryBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "limit",
        about: "how much it may hold, of all components together",
        kind: Kind::Size,
        default: Unsaid::Is("256MiB"),
    },
    Watched::KEYS,
    Watched::BUCKET,
];

/// Pairs in memory, up to a limit of bytes.
pub struct Memory {
    limit: ByteSize,
    pairs: RwLock<Pairs>,
    watchers: Watchers,
}

#[derive(Default)]
struct Pairs {
    values: BTreeMap<Vec<u8>, Bytes>,
    size: usize,
}

// === impl MemoryBackend ===

#[async_trait]
impl Backend<dyn Store> for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "in the memory of this host, until it ends"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Store>, OpenError> {
        let limit = settings.size("limit").expect("it has a default");
        Ok(Arc::new(Memory::new(limit)))
    }
}

// === impl Memory ===

impl Default for Memory {
    /// Holds 256 MiB.
    fn default() -> Self {
        Self::new(ByteSize::mib(256))
    }
}

impl Memory {
    /// Holds so many bytes, of all components together.
    pub fn new(limit: ByteSize) -> Self {
        Self { limit, pairs: RwLock::default(), watchers: Watchers::default() }
    }

    /// A panic cannot leave the map half changed: each change is one insertion or one removal.
    fn read(&self) -> RwLockReadGuard<'_, Pairs> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Pairs> {
        self.pairs.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_room(&self, pairs: &Pairs, more: usize) -> Result<(), StoreError> {
        let fits = pairs.size.saturating_add(more) <= self.limit.as_usize();
        if fits { Ok(()) } else { Err(StoreError::Full { store: self.describe(), limit: self.limit }) }
    }
}

#[async_trait]
impl Store for Memory {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.read().get(key))
    }

    fn get_now(&self, key: &Key) -> Poll<Option<Bytes>> {
        Poll::Ready(self.read().get(key))
    }

    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut pairs = self.write();
        let growth = |change: &Change| match change {
            Change::Put(key, value) => pairs.growth(key, value.len()),
            Change::Delete(_) => 0,
        };
        self.check_room(&pairs, changes.iter().map(growth).sum())?;
        for change in changes {
            self.watchers.tell(change.key());
            match change {
                Change::Put(key, value) => pairs.put(key.as_bytes(), value),
                Change::Delete(key) => pairs.remove(key.as_bytes()),
            }
        }
        Ok(())
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let start = page.after.map(|name| scope.key(name));
        let start = start.as_ref().map_or(Bound::Included(scope.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let pairs = self.read();
        let names = pairs.values.range::<[u8], _>((start, Bound::Unbounded)).map_while(|(key, _)| scope.name_of(key));
        Ok(names.take(page.count_max).map(str::to_owned).collect())
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        let mut pairs = self.write();
        let sum = addend.add_to(pairs.values.get(key.as_bytes()).map(Bytes::as_ref));
        if let Sum::Is(number) = sum {
            let value = number::print(number);
            self.check_room(&pairs, pairs.growth(key, value.len()))?;
            pairs.put(key.as_bytes(), value);
            self.watchers.tell(key);
        }
        Ok(sum)
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        let mut pairs = self.write();
        if Stamp::of(pairs.values.get(key.as_bytes()).map(Bytes::as_ref)) != seen {
            return Ok(Swap::ChangedMeanwhile);
        }
        self.check_room(&pairs, pairs.growth(key, value.len()))?;
        pairs.put(key.as_bytes(), value);
        self.watchers.tell(key);
        Ok(Swap::Written)
    }

    /// Who is told reads after the change was made: nobody reads while it is.
    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        Ok(self.watchers.watch(scope))
    }
}

// === impl Pairs ===

impl Pairs {
    fn get(&self, key: &Key) -> Option<Bytes> {
        self.values.get(key.as_bytes()).cloned()
    }

    /// How much larger it is with a value of that size at `key`.
    fn growth(&self, key: &Key, value: usize) -> usize {
        match self.values.get(key.as_bytes()) {
            Some(old) => value.saturating_sub(old.len()),
            None => key.as_bytes().len() + value + PAIR_OVERHEAD,
        }
    }

    fn put(&mut self, key: &[u8], value: Bytes) {
        self.size += key.len() + value.len() + PAIR_OVERHEAD;
        if let Some(old) = self.values.insert(key.to_vec(), value) {
            self.size -= key.len() + old.len() + PAIR_OVERHEAD;
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(old) = self.values.remove(key) {
            self.size -= key.len() + old.len() + PAIR_OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use capability::conformance::run;
    use capability::settings::check;

    use super::*;
    use crate::suite::scope;

    #[test]
    fn it_holds_as_much_as_its_link_says() {
        let told = BTreeMap::from([("limit".to_owned(), "1KiB".to_owned())]);
        let settings = check("memory", MemoryBackend.settings(), &told).expect("it is a size");
        let store = run(MemoryBackend.open(&settings, &Place { folder: "nowhere".into() })).expect("it always opens");
        let key = scope("shop", "").key("a");
        run(store.put(&key, vec![0; 512].into())).expect("there is room");
        let error = run(store.put(&key, vec![0; 1_024].into())).expect_err("there is no room");
        assert!(matches!(error, StoreError::Full { limit, .. } if limit == ByteSize::kib(1)), "{error:?}");
    }
}
