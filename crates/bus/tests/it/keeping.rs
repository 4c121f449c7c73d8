//! What keeps the buckets that the suite runs over.

use std::path::Path;

use bus::{Broker, Bucket, BucketKey, Bus, ConnectOptions, Durability, Keep, Limits, Told, Watch};
use tempfile::TempDir;

use crate::server::{self, Server};
use crate::soon;

/// What keeps buckets, for as long as a test lasts.
pub(crate) enum Carrier {
    Memory(Broker),
    Disk(Broker, TempDir),
    Nats(testkit::Nats),
    /// An older server, and its folder.
    Old {
        server: Server,
        _folder: TempDir,
    },
}

// === impl Carrier ===

impl Carrier {
    pub(crate) fn memory() -> Self {
        Self::Memory(Broker::new(Limits::default()))
    }

    pub(crate) fn disk() -> Self {
        let folder = folder();
        Self::Disk(open(folder.path()), folder)
    }

    pub(crate) fn nats() -> Self {
        Self::Nats(testkit::Nats::start_with([]))
    }

    /// The server of the system, where there is one.
    pub(crate) fn nats_of_system() -> Option<Self> {
        let (program, folder) = (server::of_system()?, folder());
        let path = folder.path().to_str().expect("a path in text").to_owned();
        Some(Self::Old { server: Server::start(program, &["-js", "-sd", &path]), _folder: folder })
    }

    /// A bus over it. Each call makes another connection.
    pub(crate) async fn bus(&self) -> Bus {
        let address = match self {
            Self::Memory(broker) | Self::Disk(broker, _) => return Bus::in_process(broker.clone()),
            Self::Nats(server) => server.address(),
            Self::Old { server, .. } => server.address(),
        };
        Bus::connect(&format!("nats://{address}"), ConnectOptions::default()).await.expect("it lets us in")
    }

    /// A bucket on it, over a connection of its own.
    pub(crate) async fn bucket(&self) -> Bucket {
        bucket(&self.bus().await, Keep::default()).await
    }

    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Memory(_) => Durability::Memory,
            Self::Disk(..) => Durability::Disk,
            Self::Nats(_) | Self::Old { .. } => Durability::Process,
        }
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

pub(crate) fn open(folder: &Path) -> Broker {
    Broker::in_folder(Limits::default(), folder)
}

/// The bucket of the tests.
pub(crate) async fn bucket(bus: &Bus, keep: Keep) -> Bucket {
    bus.bucket("LATTICEDATA_test".parse().expect("a name"), keep).await.expect("there is a bucket")
}

pub(crate) fn key(name: &str) -> BucketKey {
    name.parse().expect("a key")
}

/// What a watch tells next, in a few characters.
pub(crate) async fn told(watch: &mut Watch) -> String {
    shown(soon("a watch tells something", watch.next()).await.expect("the bus is there"))
}

/// What a watch tells up to and with that.
pub(crate) async fn told_until(watch: &mut Watch, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|told| told != last) {
        all.push(told(watch).await);
    }
    all
}

fn shown(told: Told) -> String {
    match told {
        Told::Set { key, entry } => format!("{key}={}", String::from_utf8_lossy(&entry.value)),
        Told::Gone { key } => format!("-{key}"),
        Told::Current(_) => "current".into(),
        Told::Away => "away".into(),
        Told::Anew { .. } => "anew".into(),
    }
}
