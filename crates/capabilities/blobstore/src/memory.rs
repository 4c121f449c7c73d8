//! This is a store in memory: it forgets all when the process ends.
//!
//! # Invariants
//!
//! 1. What it holds, with what is being written, is never more than its limit.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use futures::StreamExt;
use stdx::ByteSize;

use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload};
use crate::scope::{Container, Object};

/// What an object or a container costs beside its bytes, roughly.
const OVERHEAD: u64 = 256;

/// What a piece costs beside its bytes, roughly.
const PIECE_OVERHEAD: u64 = 64;

/// The backend `memory`.
pub struct MemoryBackend;

const SETTINGS: &[Setting] = &[Setting {
    name: "limit",
    about: "how much it may hold, of all components together",
    kind: Kind::Size,
    default: Unsaid::Is("256MiB"),
}];

/// Objects in memory, up to a limit of bytes.
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    limit: ByteSize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    containers: BTreeMap<[String; 2], Kept>,
    size: u64,
}

/// A container.
struct Kept {
    created: SystemTime,
    /// By their pieces, which sort as their names do.
    objects: BTreeMap<String, Value>,
}

#[derive(Clone)]
struct Value {
    name: String,
    created: SystemTime,
    size: u64,
    cost: u64,
    pieces: Arc<[Bytes]>,
}

/// An object that is being written. What it took is given back with it.
struct Writing {
    shared: Arc<Shared>,
    object: Object,
    pieces: Vec<Bytes>,
    size: u64,
    cost: u64,
}

// === impl MemoryBackend ===

#[async_trait]
impl Backend<dyn Blobs> for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "in the memory of this host, until it ends"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Blobs>, OpenError> {
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
        Self { shared: Arc::new(Shared { limit, held: Mutex::default() }) }
    }

    fn value(&self, object: &Object) -> Option<Value> {
        let held = self.shared.held();
        held.containers.get(&key(object.container()))?.objects.get(object.piece()).cloned()
    }
}

fn key(container: &Container) -> [String; 2] {
    container.pieces().map(str::to_owned)
}

#[async_trait]
impl Blobs for Memory {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        let mut held = self.shared.held();
        let key = key(container);
        if !held.containers.contains_key(&key) {
            self.shared.take(&mut held, OVERHEAD)?;
            held.containers.insert(key, Kept { created: SystemTime::now(), objects: BTreeMap::new() });
        }
        Ok(())
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        Ok(self.shared.held().containers.get(&key(container)).map(|kept| kept.created))
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        let mut held = self.shared.held();
        if let Some(kept) = held.containers.remove(&key(container)) {
            held.size -= OVERHEAD + kept.objects.values().map(|value| value.cost).sum::<u64>();
        }
        Ok(())
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        let mut held = self.shared.held();
        if let Some(kept) = held.containers.get_mut(&key(container)) {
            let objects = std::mem::take(&mut kept.objects);
            held.size -= objects.values().map(|value| value.cost).sum::<u64>();
        }
        Ok(())
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        let held = self.shared.held();
        let Some(kept) = held.containers.get(&key(container)) else { return Ok(Vec::new()) };
        let after = page.after.map(|name| container.object(name));
        let start = after.as_ref().map_or(Bound::Unbounded, |object| Bound::Excluded(object.piece()));
        let values = kept.objects.range::<str, _>((start, Bound::Unbounded)).map(|(_, value)| value);
        Ok(values.take(page.count_max).map(|value| value.name.clone()).collect())
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        Ok(self.value(object).map(|value| Facts { size: value.size, created: value.created }))
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let Some(value) = self.value(object) else { return Ok(None) };
        let range = span.within(value.size);
        let mut start = 0;
        let mut parts = Vec::new();
        for piece in value.pieces.iter() {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
            if from < to {
                let offset = |at: u64| usize::try_from(at - start).expect("it is within a piece, which is in memory");
                parts.push(piece.slice(offset(from)..offset(to)));
            }
            start = end;
        }
        let pieces = futures::stream::iter(parts.into_iter().map(Ok)).boxed();
        Ok(Some(Blob { size: range.end - range.start, pieces }))
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        let mut held = self.shared.held();
        if !held.containers.contains_key(&key(object.container())) {
            return Err(BlobsError::no_container_of(object));
        }
        let cost = OVERHEAD + object.name().len() as u64;
        self.shared.take(&mut held, cost)?;
        let shared = self.shared.clone();
        Ok(Box::new(Writing { shared, object: object.clone(), pieces: Vec::new(), size: 0, cost }))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        let mut held = self.shared.held();
        for object in objects {
            let kept = held.containers.get_mut(&key(object.container()));
            if let Some(value) = kept.and_then(|kept| kept.objects.remove(object.piece())) {
                held.size -= value.cost;
            }
        }
        Ok(())
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let value = self.value(source).ok_or_else(|| BlobsError::no_object(source))?;
        let mut upload = self.write(target).await?;
        // Each copy is counted as if it had bytes of its own, since it keeps them when the other is gone.
        for piece in value.pieces.iter() {
            upload.write(piece.clone()).await?;
        }
        upload.finish().await
    }
}

// === impl Shared ===

impl Shared {
    /// A panic cannot leave it half changed: what can fail comes before what changes.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, held: &mut Held, more: u64) -> Result<(), BlobsError> {
        let size = held.size.saturating_add(more);
        if size > self.limit.as_u64() {
            return Err(BlobsError::Full { store: "memory".into(), limit: self.limit });
        }
        held.size = size;
        Ok(())
    }
}

// === impl Writing ===

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        let (size, cost) = (bytes.len() as u64, bytes.len() as u64 + PIECE_OVERHEAD);
        self.shared.take(&mut self.shared.held(), cost)?;
        self.size += size;
        self.cost += cost;
        self.pieces.push(bytes);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobsError> {
        let shared = self.shared.clone();
        let mut held = shared.held();
        let Some(kept) = held.containers.get_mut(&key(self.object.container())) else {
            // What this took is given back when it is dropped, which needs the lock.
            drop(held);
            return Err(BlobsError::no_container_of(&self.object));
        };
        let value = Value {
            name: self.object.name().to_owned(),
            created: SystemTime::now(),
            size: self.size,
            cost: std::mem::take(&mut self.cost),
            pieces: std::mem::take(&mut self.pieces).into(),
        };
        if let Some(old) = kept.objects.insert(self.object.piece().to_owned(), value) {
            held.size -= old.cost;
        }
        drop(held);
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.shared.held().size -= self.cost;
    }
}

#[cfg(test)]
mod tests {
    use capability::conformance::run;
    use capability::settings::check;

    use super::*;
    use crate::suite::{container, put};

    #[test]
    fn it_holds_as_much_as_its_link_says_and_no_dropped_upload() {
        let told = BTreeMap::from([("limit".to_owned(), "1MiB".to_owned())]);
        let settings = check("memory", MemoryBackend.settings(), &told).expect("it is a size");
        let files = container("shop", "files");
        run(async {
            let blobs = MemoryBackend.open(&settings, &Place { folder: "nowhere".into() }).await.expect("it opens");
            blobs.create(&files).await.expect("there is room");
            let half = Bytes::from(vec![0; 600 << 10]);
            for round in 0..3 {
                let mut upload = blobs.write(&files.object("a")).await.expect("it begins");
                upload.write(half.clone()).await.unwrap_or_else(|error| panic!("{round}: {error}"));
                let error = upload.write(half.clone()).await.expect_err("there is no room");
                assert!(matches!(error, BlobsError::Full { limit, .. } if limit == ByteSize::mib(1)), "{error:?}");
            }
            put(&*blobs, &files.object("a"), &half).await;
            blobs.clear(&files).await.expect("it is cleared");
            put(&*blobs, &files.object("b"), &half).await;
            blobs.remove(&files).await.expect("it is removed");
            blobs.create(&files).await.expect("there is room");
            put(&*blobs, &files.object("c"), &half).await;
        });
    }
}
