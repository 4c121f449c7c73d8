//! Takes what one host keeps along into a lattice, and back: reads what is there, has it decided, and writes on that alone.
//!
//! # Invariants
//!
//! 1. Nothing is written before all contradictions are known to be none.
//! 2. What others changed since it was read is read again, and decided again.
//! 3. It may end at any moment and be done again: what was written already is the same then.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Bucket, BucketError, BucketKey, Bus, Entry, Folder, Keep, MirrorError, NameError, Told};
use bytes::Bytes;
use model::Prefer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::{BoxError, Code, Explain};

use crate::merge::{Contradiction, Holdings, merge};
use crate::rules::COMPONENT;

/// So often it is tried to write where others write at the same time.
const TRIES_MAX: usize = 20;

/// How long it may take to copy a bucket.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a host keeps could not be taken along.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The host and the lattice contradict each other.
    #[error("the host and the lattice contradict each other:{}", .0.iter().map(|it| format!("\n  {it}")).collect::<String>())]
    Contradictions(Vec<Contradiction>),
    /// A bucket cannot be read or written.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Something has a name that a bucket cannot have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is there is none of ours.
    #[error("what is kept under {key} in the lattice cannot be read")]
    Unreadable {
        /// Where.
        key: BucketKey,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The host cannot have a copy.
    #[error("what the lattice keeps cannot be copied to {folder}")]
    Copy {
        /// Where.
        folder: Folder,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// Others were always faster.
    #[error("others change what the lattice keeps at the same time")]
    Busy,
}

/// Values of one bucket, with their keys' beginning left out.
struct Read<T>(BTreeMap<String, (T, Entry)>);

/// The buckets of a lattice.
struct Buckets {
    settings: Bucket,
    components: Bucket,
}

/// Sees to it that this lattice keeps what a host does as well.
pub async fn take_along(
    (bus, lattice): (&Bus, &str),
    host: &Holdings,
    prefer: Option<Prefer>,
) -> Result<(), MoveError> {
    let buckets = Buckets::open(bus, lattice).await?;
    for _ in 0..TRIES_MAX {
        let (settings, components) = (read(&buckets.settings, "").await?, read(&buckets.components, COMPONENT).await?);
        let there = Holdings { settings: settings.values(), components: components.values() };
        let written = merge(host, &there, prefer).map_err(MoveError::Contradictions)?;
        let all = async {
            settings.write((&buckets.settings, ""), &written.settings).await?;
            components.write((&buckets.components, COMPONENT), &written.components).await
        };
        match all.await {
            Err(MoveError::Bucket(BucketError::Conflict { .. })) => {}
            outcome => return outcome,
        }
    }
    Err(MoveError::Busy)
}

/// Has a copy in this folder of what a lattice keeps, in the place of whatever was there.
pub async fn copy((bus, lattice): (&Bus, &str), folder: &Folder) -> Result<(), MoveError> {
    folder.clear().map_err(|source| MoveError::Copy { folder: folder.clone(), source: source.into() })?;
    let buckets = Buckets::open(bus, lattice).await?;
    for (name, bucket) in [("CONFIGDATA", &buckets.settings), ("LATTICEDATA", &buckets.components)] {
        let copied = rt::within(Some(PATIENCE), copy_bucket(bucket, &folder.join(name))).await;
        let copied = copied.map_err(BoxError::from).and_then(|copied| copied.map_err(BoxError::from));
        copied.map_err(|source| MoveError::Copy { folder: folder.clone(), source })?;
    }
    Ok(())
}

/// Up to the moment when it has all that is there. A bus that was given up ends it, too: then it has what was told until then.
async fn copy_bucket(bucket: &Bucket, folder: &Folder) -> Result<(), MirrorError> {
    let mut mirror = folder.mirror().await?;
    let mut watch = bucket.watch_from(mirror.known());
    while let Some(told) = watch.next().await {
        mirror.apply(&told).await?;
        if matches!(told, Told::Current(_)) {
            break;
        }
    }
    watch.end().await;
    Ok(())
}

/// Sees to it that a host which is alone keeps this, and nothing else.
pub async fn keep_only((bus, lattice): (&Bus, &str), host: &Holdings) -> Result<(), MoveError> {
    let buckets = Buckets::open(bus, lattice).await?;
    replace((&buckets.settings, ""), &host.settings).await?;
    replace((&buckets.components, COMPONENT), &host.components).await
}

// === impl Buckets ===

impl Buckets {
    async fn open(bus: &Bus, lattice: &str) -> Result<Self, MoveError> {
        let at = (bus, lattice);
        Ok(Self { settings: bucket(at, "CONFIGDATA").await?, components: bucket(at, "LATTICEDATA").await? })
    }
}

async fn bucket((bus, lattice): (&Bus, &str), name: &str) -> Result<Bucket, MoveError> {
    Ok(bus.bucket(format!("{name}_{lattice}").parse()?, Keep::default()).await?)
}

async fn read<T: DeserializeOwned>(bucket: &Bucket, prefix: &str) -> Result<Read<T>, MoveError> {
    let mut all = BTreeMap::new();
    for (key, entry) in bucket.entries().await? {
        let Some(name) = key.as_str().strip_prefix(prefix).map(ToOwned::to_owned) else { continue };
        let value = serde_json::from_slice(&entry.value);
        all.insert(name, (value.map_err(|source| MoveError::Unreadable { key, source })?, entry));
    }
    Ok(Read(all))
}

// === impl Read ===

impl<T: Clone + Serialize> Read<T> {
    fn values(&self) -> BTreeMap<String, T> {
        self.0.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// Writes these in the place of what was read.
    async fn write(&self, (bucket, prefix): (&Bucket, &str), values: &BTreeMap<String, T>) -> Result<(), MoveError> {
        for (name, value) in values {
            let key = format!("{prefix}{name}").parse()?;
            match self.0.get(name) {
                Some((_, seen)) => bucket.update(&key, bytes(value), seen.revision).await?,
                None => bucket.create(&key, bytes(value)).await?,
            };
        }
        Ok(())
    }
}

async fn replace<T: Serialize>(
    (bucket, prefix): (&Bucket, &str),
    values: &BTreeMap<String, T>,
) -> Result<(), MoveError> {
    for (name, value) in values {
        bucket.put(&format!("{prefix}{name}").parse()?, bytes(value)).await?;
    }
    for key in bucket.keys().await? {
        if key.as_str().strip_prefix(prefix).is_some_and(|name| !values.contains_key(name)) {
            bucket.delete(&key).await?;
        }
    }
    Ok(())
}

fn bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("it is a value").into()
}

// === impl MoveError ===

impl Explain for MoveError {
    fn code(&self) -> Code {
        match self {
            Self::Contradictions(_) | Self::Unreadable { .. } => Code::E1004,
            Self::Bucket(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Copy { .. } => Code::E0401,
            Self::Busy => Code::E0706,
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::{Broker, Limits};
    use model::lattice::{ComponentSpec, Labels};

    use super::*;

    fn settings(value: &str) -> Labels {
        [("k".to_owned(), value.to_owned())].into()
    }

    fn holdings(name: &str, value: &str) -> Holdings {
        let spec = ComponentSpec { url: format!("file:///{name}"), links: Vec::new() };
        Holdings { settings: [(name.to_owned(), settings(value))].into(), components: [(name.to_owned(), spec)].into() }
    }

    async fn kept(bus: &Bus) -> Holdings {
        let buckets = Buckets::open(bus, "l").await.expect("they are there");
        Holdings {
            settings: read(&buckets.settings, "").await.expect("it is read").values(),
            components: read(&buckets.components, COMPONENT).await.expect("it is read").values(),
        }
    }

    #[tokio::test]
    async fn what_two_hosts_keep_is_there_once_and_a_contradiction_changes_nothing() {
        let bus = Bus::in_process(Broker::new(Limits::default()));
        let at = (&bus, "l");
        for host in [holdings("a", "1"), holdings("b", "2"), holdings("a", "1")] {
            take_along(at, &host, None).await.expect("they do not contradict");
        }
        let both = kept(&bus).await;
        assert_eq!(both.settings.keys().collect::<Vec<_>>(), ["a", "b"]);
        let mut other = holdings("c", "3");
        other.settings.insert("a".into(), settings("other"));
        assert!(matches!(take_along(at, &other, None).await, Err(MoveError::Contradictions(all)) if all.len() == 1));
        assert_eq!(kept(&bus).await, both);
        take_along(at, &other, Some(Prefer::Host)).await.expect("the host's word counts");
        assert_eq!(kept(&bus).await.settings["a"], settings("other"));
        keep_only(at, &holdings("b", "4")).await.expect("it is kept");
        assert_eq!(kept(&bus).await, holdings("b", "4"));
    }
}
