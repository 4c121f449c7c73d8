//! The stores, each held to what any store has to promise.
//!
//! The second half of the suite says the same of the contract as a component sees it: `guest::tests`.

/// The backend that a page of the documents shows.
#[path = "../../../../docs/backend.rs"]
pub(crate) mod documented;
pub(crate) mod load;
pub(crate) mod log;
mod promises;
pub(crate) mod proxy;

use std::any::Any;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use capability::{Backend, Place};
use model::ComponentName;
use tokio::runtime::Runtime;
use wire::{Peers, Wire};

use self::documented::FileBackend;
use crate::disk::Disk;
use crate::memory::Memory;
use crate::nats::Nats;
use crate::redis::Redis;
use crate::{Page, Scope, Store, provider};

/// Where connections live while the threads of the tests come and go: what the control plane is to a host.
pub(crate) static HOME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system gives a runtime")
});

/// An empty store, with the folder or the server that goes away after it.
pub(crate) struct Fresh {
    pub(crate) store: Arc<dyn Store>,
    _place: Box<dyn Any + Send + Sync>,
}

impl Fresh {
    pub(crate) fn memory() -> Self {
        Self { store: Arc::new(Memory::default()), _place: Box::new(()) }
    }

    pub(crate) fn disk() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = Arc::new(Disk::open(folder.path()).expect("an empty folder opens"));
        Self { store, _place: Box::new(folder) }
    }

    pub(crate) fn documented() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self { store: open_documented(&folder.path().join("pairs")), _place: Box::new(folder) }
    }

    pub(crate) fn redis() -> Self {
        let server = testkit::Redis::start_with(["--notify-keyspace-events", "KA"]);
        let connected = HOME.block_on(Redis::connect(&redis_options(&server)));
        Self { store: Arc::new(connected.expect("the server is up")), _place: Box::new(server) }
    }

    pub(crate) fn nats() -> Self {
        let server = testkit::Nats::start();
        let connected = HOME.block_on(Nats::connect(&nats_options(&server)));
        Self { store: Arc::new(connected.expect("the server is up")), _place: Box::new(server) }
    }

    pub(crate) fn provider() -> Self {
        let kept = Kept::start([]);
        let store = kept.store("kv", Duration::from_secs(10));
        Self { store, _place: Box::new(kept) }
    }

    pub(crate) async fn value(&self, scope: &Scope, name: &str) -> Option<Bytes> {
        let key = scope.key(name);
        let value = self.store.get(&key).await.expect("the store answers");
        if let Poll::Ready(known) = self.store.get_now(&key) {
            assert_eq!(known, value, "whichever way it is read");
        }
        value
    }

    pub(crate) async fn put(&self, scope: &Scope, name: &str, value: impl Into<Bytes>) {
        self.store.put(&scope.key(name), value.into()).await.expect("the store writes");
    }

    pub(crate) async fn page(&self, scope: &Scope, after: Option<&str>, count_max: usize) -> Vec<String> {
        self.store.list(scope, Page { after, count_max }).await.expect("the store answers")
    }
}

/// A provider on a server of its own, and a way there.
pub(crate) struct Kept {
    pub(crate) provider: testkit::Provider,
    pub(crate) peers: Peers,
    pub(crate) server: testkit::Nats,
}

impl Kept {
    /// One that keeps `kv` in the lattice `default`; the server is told these lines.
    pub(crate) fn start<const N: usize>(lines: [&str; N]) -> Self {
        let server = testkit::Nats::start_with(lines);
        let peers = HOME.block_on(async {
            let bus = bus::Bus::connect(&server.url(), bus::ConnectOptions::default()).await.expect("it lets us in");
            Peers::new(Wire::open(bus, wire::Limits::default()).await.expect("it listens"), "default")
        });
        Self { provider: testkit::Provider::start(&server.url(), "default", "kv"), peers, server }
    }

    /// What the provider of that id keeps for the link `cache`.
    pub(crate) fn store(&self, id: &str, timeout: Duration) -> Arc<dyn Store> {
        let mut told = capability::provider::tell(id, "cache");
        told.insert("timeout".into(), format!("{}ms", timeout.as_millis()));
        let told = capability::settings::check("keyvalue/provider", provider::INFO.settings, &told);
        provider::open(&told.expect("they are its settings"), Some(&self.peers)).expect("it opens")
    }
}

/// The store in that file, of the backend that the documents show.
pub(crate) fn open_documented(path: &Path) -> Arc<dyn Store> {
    let told = [("path".to_owned(), path.display().to_string())].into();
    let told = capability::settings::check("file", FileBackend.settings(), &told).expect("it is a path");
    let opened = capability::conformance::run(FileBackend.open(&told, &Place { folder: "nowhere".into() }));
    opened.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn redis_options(server: &testkit::Redis) -> crate::redis::Options {
    crate::redis::Options {
        url: server.url(),
        password: None,
        prefix: "wattle".to_owned(),
        timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(2),
    }
}

pub(crate) fn nats_options(server: &testkit::Nats) -> crate::nats::Options {
    crate::nats::Options {
        reach: crate::nats::Reach { url: server.url(), credentials: None, timeout: Duration::from_secs(2) },
        bucket: "wattle".to_owned(),
        create: Some(crate::nats::NewBucket { replicas: 1, limit: None }),
    }
}

pub(crate) fn scope(component: &str, bucket: &str) -> Scope {
    let component: ComponentName = component.parse().expect("a name");
    Scope::new(&component, bucket)
}

capability::conformance! {
    promises over Fresh [
        an_absent_key_has_no_value,
        a_value_is_read_as_it_was_written,
        the_last_write_counts,
        deleting_twice_is_deleting_once,
        odd_names_are_names_like_any_other,
        no_scope_sees_another,
        the_bucket_without_a_name_is_the_default_one,
        pages_give_each_key_once_and_in_order,
        keys_that_stay_are_paged_once_while_others_come_and_go,
        all_characters_are_good_for_names,
        large_values_go_both_ways_at_once,
        large_values_are_swapped,
        changes_are_made_in_their_order,
        many_changes_are_made_at_once,
        many_increments_at_once_all_count,
        increments_from_many_threads_all_count,
        sums_are_exact_up_to_the_ends_of_their_ranges,
        an_increment_that_cannot_be_made_changes_nothing,
        of_many_swaps_from_one_value_one_wins,
        of_swaps_from_many_threads_one_wins,
        a_swap_sees_that_the_value_is_gone_or_new,
        what_is_acknowledged_is_seen_by_all_threads,
        changes_are_told_by_name,
        who_watches_no_more_is_not_told,
    ] {
        memory => Fresh::memory(),
        disk => Fresh::disk(),
        file_of_the_documents => Fresh::documented(),
        redis => Fresh::redis(),
        nats => Fresh::nats(),
    }
}

// What `wrpc:keyvalue` has words for.
capability::conformance! {
    promises over Fresh [
        an_absent_key_has_no_value,
        a_value_is_read_as_it_was_written,
        the_last_write_counts,
        deleting_twice_is_deleting_once,
        odd_names_are_names_like_any_other,
        no_scope_sees_another,
        the_bucket_without_a_name_is_the_default_one,
        pages_give_each_key_once_and_in_order,
        keys_that_stay_are_paged_once_while_others_come_and_go,
        all_characters_are_good_for_names,
        large_values_go_both_ways_at_once,
        changes_are_made_in_their_order,
        many_changes_are_made_at_once,
        many_increments_at_once_all_count,
        what_is_acknowledged_is_seen_by_all_threads,
    ] {
        kept_by_a_provider => Fresh::provider(),
    }
}
