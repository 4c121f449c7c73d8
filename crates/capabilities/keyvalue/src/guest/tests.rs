//! What the contract promises, as a component sees it, in both versions and on each store.

use std::sync::Arc;

use bytes::Bytes;
use capability::conformance::{self, state};
use capability::{OpenLink, Place};
use engine::State;
use futures::StreamExt;
use wasmtime::component::Resource;

use super::draft::wasi::keyvalue::{atomics as atomics1, batch as batch1, store as store1};
use super::draft2::wasi::keyvalue::{atomics, batch, store};
use super::{Bucket, Failure};
use crate::memory::Memory;
use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};
use crate::suite::Fresh;
use crate::{KeyValue, Limits, Linked};
use store::HostBucket as _;

/// Small limits, so that a test reaches them.
fn limits() -> Limits {
    Limits {
        page: 10,
        batch: stdx::ByteSize::kib(64),
        value: stdx::ByteSize::kib(32),
        batch_keys: 100,
        ..Limits::default()
    }
}

fn link(store: Arc<dyn Store>) -> OpenLink {
    conformance::link(Arc::new(Linked { store, watched: None }))
}

fn instance(fresh: &Fresh, component: &str) -> State {
    instance_with(component, &[link(fresh.store.clone())])
}

fn instance_with(component: &str, links: &[OpenLink]) -> State {
    let nowhere = Place { folder: std::path::PathBuf::new() };
    state(&KeyValue::new(nowhere).with_limits(limits()), component, links)
}

/// A second handle on the same bucket: the calls take handles by value.
fn handle(bucket: &Resource<Bucket>) -> Resource<Bucket> {
    Resource::new_borrow(bucket.rep())
}

fn open(state: &mut State, name: &str) -> Resource<Bucket> {
    store::Host::open(state, name.into()).unwrap_or_else(|failure| panic!("{}", text(failure)))
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::NoSuchStore => "no such store".into(),
        Failure::AccessDenied => "access denied".into(),
        Failure::Other(text) => text,
        Failure::Trap(error) => format!("trap: {error}"),
    }
}

async fn set(state: &mut State, bucket: &Resource<Bucket>, key: &str, value: &str) {
    store::HostBucket::set(state, handle(bucket), key.into(), value.into()).await.map_err(text).expect("it is set");
}

async fn get(state: &mut State, bucket: &Resource<Bucket>, key: &str) -> Option<Vec<u8>> {
    store::HostBucket::get(state, handle(bucket), key.into()).await.map_err(text).expect("it is read")
}

mod promises {
    use super::*;

    pub(super) async fn both_versions_see_the_same_pairs(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "b");
        let other = store1::Host::open(&mut state, "b".into()).map_err(text).expect("it opens");
        set(&mut state, &bucket, "key", "x").await;
        let value = store1::HostBucket::get(&mut state, handle(&other), "key".into()).await.map_err(text);
        assert_eq!(value, Ok(Some(b"x".to_vec())));
        store1::HostBucket::delete(&mut state, handle(&other), "key".into())
            .await
            .map_err(text)
            .expect("it is deleted");
        assert_eq!(get(&mut state, &bucket, "key").await, None);
    }

    pub(super) async fn components_do_not_share_buckets(fresh: Fresh) {
        let (mut shop, mut blog) = (instance(&fresh, "shop"), instance(&fresh, "blog"));
        let [ours, theirs] = [&mut shop, &mut blog].map(|state| open(state, "default"));
        set(&mut shop, &ours, "key", "x").await;
        assert_eq!(get(&mut blog, &theirs, "key").await, None);
        let response = blog.list_keys(theirs, None).await.map_err(text).expect("keys are listed");
        assert!(response.keys.is_empty());
    }

    pub(super) async fn a_later_instance_sees_what_an_earlier_one_set(fresh: Fresh) {
        let mut first = instance(&fresh, "shop");
        let bucket = open(&mut first, "");
        set(&mut first, &bucket, "key", "x").await;
        drop(first);
        let mut second = instance(&fresh, "shop");
        let bucket = open(&mut second, "default");
        assert_eq!(get(&mut second, &bucket, "key").await, Some(b"x".to_vec()));
    }

    pub(super) async fn limits_are_said_in_words(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        assert!(matches!(state.open_named(&"n".repeat(257)), Err(Failure::NoSuchStore)));
        assert!(state.open_named(&"ü".repeat(256)).is_ok());
        let bucket = open(&mut state, "");
        let long = "k".repeat(4097);
        let outcome = state.get(handle(&bucket), long).await.map_err(text);
        assert_eq!(outcome, Err("a key's length in bytes of 4097 is above the limit of 4096".into()));
        let outcome = state.set(handle(&bucket), "key".into(), vec![0; 32 * 1024 + 1]).await.map_err(text);
        assert_eq!(outcome, Err("a value's size in bytes of 32769 is above the limit of 32768".into()));
        state
            .set(handle(&bucket), "key".into(), vec![0; 32 * 1024])
            .await
            .map_err(text)
            .expect("the limit itself is allowed");
    }

    /// A small question with a huge answer.
    pub(super) async fn a_batch_is_bounded_by_its_answer(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        set(&mut state, &bucket, "big", &"x".repeat(30 * 1024)).await;
        let keys = vec!["big".to_owned(); 3];
        let outcome = batch::Host::get_many(&mut state, handle(&bucket), keys).await.map_err(text);
        assert_eq!(outcome, Err("a batch's size in bytes of 92160 is above the limit of 65536".into()));
        let keys = vec![String::new(); 101];
        let outcome = batch::Host::delete_many(&mut state, handle(&bucket), keys).await.map_err(text);
        assert_eq!(outcome, Err("a batch's number of keys of 101 is above the limit of 100".into()));
    }

    pub(super) async fn a_batch_sets_reads_and_deletes(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let pairs = ["a", "b", "c"].map(|key| (key.to_owned(), key.as_bytes().to_vec()));
        batch::Host::set_many(&mut state, handle(&bucket), pairs.to_vec()).await.map_err(text).expect("they are set");
        let keys = || ["c", "none", "a"].map(str::to_owned).to_vec();
        let (a, c) = (b"a".to_vec(), b"c".to_vec());
        let answer = batch::Host::get_many(&mut state, handle(&bucket), keys()).await.map_err(text);
        assert_eq!(
            answer,
            Ok(vec![("c".into(), Some(c.clone())), ("none".into(), None), ("a".into(), Some(a.clone()))])
        );
        let answer = batch1::Host::get_many(&mut state, handle(&bucket), keys()).await.map_err(text);
        assert_eq!(answer, Ok(vec![Some(("c".into(), c)), None, Some(("a".into(), a))]));
        batch1::Host::delete_many(&mut state, handle(&bucket), keys()).await.map_err(text).expect("they are deleted");
        let response = state.list_keys(bucket, None).await.map_err(text).expect("keys are listed");
        assert_eq!(response.keys, ["b"]);
    }

    pub(super) async fn pages_of_both_versions_give_each_key_once(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let names: Vec<String> = (0..35).map(|index| format!("{index:03}")).collect();
        let pairs = names.iter().map(|name| (name.clone(), Vec::new())).collect();
        batch::Host::set_many(&mut state, handle(&bucket), pairs).await.map_err(text).expect("they are set");

        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let response = state.list_keys(handle(&bucket), cursor).await.map_err(text).expect("keys are listed");
            seen.extend(response.keys);
            cursor = response.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, names);

        // A handle of its own for each page, as an instance for each request has it.
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let fresh_handle = open(&mut state, "");
            let response = store1::HostBucket::list_keys(&mut state, fresh_handle, cursor).await.map_err(text);
            let response = response.expect("keys are listed");
            seen.extend(response.keys);
            cursor = response.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, names);
    }

    /// Deletes each page before it asks for the next, through one handle: nothing is skipped.
    pub(super) async fn a_page_may_be_deleted_before_the_next(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let pairs = (0..35).map(|index| (format!("{index:03}"), Vec::new())).collect();
        batch::Host::set_many(&mut state, handle(&bucket), pairs).await.map_err(text).expect("they are set");
        let (mut count, mut cursor) = (0, None);
        loop {
            let response = store1::HostBucket::list_keys(&mut state, handle(&bucket), cursor).await.map_err(text);
            let response = response.expect("keys are listed");
            count += response.keys.len();
            batch::Host::delete_many(&mut state, handle(&bucket), response.keys)
                .await
                .map_err(text)
                .expect("they are deleted");
            cursor = response.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(count, 35);
    }

    pub(super) async fn a_cursor_that_nobody_gave_does_no_harm(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        set(&mut state, &bucket, "key", "x").await;
        for cursor in [1, 2, 1 << 40, u64::MAX] {
            let response = store1::HostBucket::list_keys(&mut state, handle(&bucket), Some(cursor)).await.map_err(text);
            assert!(response.expect("keys are listed").keys.is_empty());
        }
        let response = state.list_keys(handle(&bucket), Some("\u{10ffff}".repeat(9_000))).await;
        assert!(response.is_ok() || response.is_err_and(|failure| matches!(failure, Failure::Other(_))));
    }

    pub(super) async fn increments_keep_to_their_types(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let sum = atomics1::Host::increment(&mut state, handle(&bucket), "n".into(), u64::MAX).await.map_err(text);
        assert_eq!(sum, Ok(u64::MAX));
        let sum = atomics::Host::increment(&mut state, handle(&bucket), "n".into(), -1).await.map_err(text);
        assert_eq!(sum, Err("the sum is out of range".into()));
        set(&mut state, &bucket, "n", "41").await;
        let sum = atomics::Host::increment(&mut state, handle(&bucket), "n".into(), 1).await.map_err(text);
        assert_eq!(sum, Ok(42));
        set(&mut state, &bucket, "n", "many").await;
        let sum = atomics1::Host::increment(&mut state, handle(&bucket), "n".into(), 1).await.map_err(text);
        assert_eq!(sum, Err("the value is not a number".into()));
    }

    pub(super) async fn a_lost_swap_gives_a_handle_for_another_try(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let cas =
            atomics::HostCas::new(&mut state, handle(&bucket), "key".into()).await.map_err(text).expect("an attempt");
        set(&mut state, &bucket, "key", "theirs").await;
        let outcome = atomics::Host::swap(&mut state, cas, b"ours".to_vec()).await.expect("no trap");
        let Err(atomics::CasError::CasFailed(again)) = outcome else { panic!("the swap should have been lost") };
        let now = atomics::HostCas::current(&mut state, Resource::new_borrow(again.rep())).await.map_err(text);
        assert_eq!(now, Ok(Some(b"theirs".to_vec())));
        assert!(atomics::Host::swap(&mut state, again, b"ours".to_vec()).await.expect("no trap").is_ok());
        assert_eq!(get(&mut state, &bucket, "key").await, Some(b"ours".to_vec()));
    }

    pub(super) async fn a_swap_expects_what_current_answered(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let bucket = open(&mut state, "");
        let cas =
            atomics::HostCas::new(&mut state, handle(&bucket), "key".into()).await.map_err(text).expect("an attempt");
        set(&mut state, &bucket, "key", "theirs").await;
        let now = atomics::HostCas::current(&mut state, Resource::new_borrow(cas.rep())).await.map_err(text);
        assert_eq!(now, Ok(Some(b"theirs".to_vec())));
        assert!(atomics::Host::swap(&mut state, cas, b"ours".to_vec()).await.expect("no trap").is_ok());
    }

    pub(super) async fn handles_are_bounded_and_given_back(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        state.table.set_max_capacity(20);
        for _ in 0..100 {
            let bucket = open(&mut state, "");
            store::HostBucket::drop(&mut state, bucket).expect("it is there to drop");
        }
        let outcomes: Vec<_> = (0..25).map(|_| state.open_named("").map_err(text)).collect();
        assert_eq!(outcomes.last().map(Result::is_err), Some(true));
        let first = outcomes.into_iter().find_map(Result::err);
        assert_eq!(first, Some("the component holds too many handles".into()));
    }
}

trait OpenNamed {
    fn open_named(&mut self, name: &str) -> Result<Resource<Bucket>, Failure>;
}

impl OpenNamed for State {
    fn open_named(&mut self, name: &str) -> Result<Resource<Bucket>, Failure> {
        store::Host::open(self, name.into())
    }
}

capability::conformance! {
    promises over Fresh [
        both_versions_see_the_same_pairs,
        components_do_not_share_buckets,
        a_later_instance_sees_what_an_earlier_one_set,
        limits_are_said_in_words,
        a_batch_is_bounded_by_its_answer,
        a_batch_sets_reads_and_deletes,
        pages_of_both_versions_give_each_key_once,
        a_page_may_be_deleted_before_the_next,
        a_cursor_that_nobody_gave_does_no_harm,
        increments_keep_to_their_types,
        a_lost_swap_gives_a_handle_for_another_try,
        a_swap_expects_what_current_answered,
        handles_are_bounded_and_given_back,
    ] {
        memory => Fresh::memory(),
        disk => Fresh::disk(),
        redis => Fresh::redis(),
        nats => Fresh::nats(),
    }
}

#[test]
fn a_component_that_is_bound_to_no_store_is_refused() {
    let mut state = State::new(
        &mut wasmtime_wasi::WasiCtxBuilder::new(),
        &Arc::new(engine::Limits::default()),
        Arc::new(engine::Bound::new(Arc::new(engine::NoEgress))),
    );
    assert!(matches!(state.open_named(""), Err(Failure::AccessDenied)));
}

#[test]
fn a_full_store_says_so_and_goes_on() {
    let store = Arc::new(Memory::new(stdx::ByteSize::kib(4)));
    let mut state = instance_with("shop", &[link(store)]);
    capability::conformance::run(async {
        let bucket = open(&mut state, "");
        set(&mut state, &bucket, "key", &"x".repeat(2_000)).await;
        let outcome = state.set(handle(&bucket), "other".into(), vec![0; 3_000]).await.map_err(text);
        assert_eq!(outcome, Err("the key-value store is full".into()));
        set(&mut state, &bucket, "key", &"y".repeat(2_000)).await;
        store::HostBucket::delete(&mut state, handle(&bucket), "key".into())
            .await
            .map_err(text)
            .expect("it is deleted");
        let value = Bytes::from(vec![0; 3_000]);
        state.set(handle(&bucket), "other".into(), value.into()).await.map_err(text).expect("there is room again");
    });
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::default())
}

fn named(name: &str, link: OpenLink) -> OpenLink {
    OpenLink { name: name.parse().expect("a name"), ..link }
}

#[test]
fn a_component_chooses_among_its_links_by_name() {
    let (first, second) = (memory(), memory());
    let links = [link(first.clone()), named("cache", link(second.clone()))];
    let mut state = instance_with("shop", &links);
    capability::conformance::run(async {
        let (here, there) = (open(&mut state, ""), open(&mut state, "cache"));
        set(&mut state, &here, "key", "one").await;
        assert_eq!(get(&mut state, &there, "key").await, None);
        set(&mut state, &there, "key", "two").await;
        let bucket = open(&mut state, "other");
        set(&mut state, &bucket, "key", "three").await;
    });
    let mut alone = instance_with("shop", &[link(second)]);
    capability::conformance::run(async {
        let bucket = open(&mut alone, "");
        assert_eq!(
            get(&mut alone, &bucket, "key").await.as_deref(),
            Some(b"two".as_slice()),
            "a link is a whole store"
        );
        let bucket = open(&mut alone, "other");
        assert_eq!(get(&mut alone, &bucket, "key").await, None, "any other name is a bucket of the default link");
    });
}

#[test]
fn a_target_that_is_not_open_is_not_available() {
    let mut state = instance_with("shop", &[OpenLink { target: None, ..link(memory()) }]);
    capability::conformance::run(async {
        let bucket = open(&mut state, "");
        let outcome = state.set(handle(&bucket), "key".into(), vec![]).await.map_err(text);
        assert_eq!(outcome, Err("the key-value store is not available".into()));
    });
}

/// Answers nothing for the first calls, then nothing is there.
struct Sleepy {
    asleep: std::sync::atomic::AtomicU32,
}

#[async_trait::async_trait]
impl Store for Sleepy {
    fn describe(&self) -> String {
        "sleepy".into()
    }

    async fn get(&self, _: &Key) -> Result<Option<Bytes>, StoreError> {
        let is_asleep = |left: u32| left.checked_sub(1);
        let order = std::sync::atomic::Ordering::Relaxed;
        match self.asleep.fetch_update(order, order, is_asleep) {
            Ok(_) => std::future::pending().await,
            Err(_) => Ok(None),
        }
    }

    async fn apply(&self, _: Vec<Change>) -> Result<(), StoreError> {
        self.get(&Scope::new(&"shop".parse().expect("a name"), "").key("")).await.map(drop)
    }

    async fn list(&self, _: &Scope, _: Page<'_>) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn increment(&self, _: &Key, _: Addend) -> Result<Sum, StoreError> {
        Ok(Sum::NotANumber)
    }

    async fn swap(&self, _: &Key, _: Stamp, _: Bytes) -> Result<Swap, StoreError> {
        Ok(Swap::ChangedMeanwhile)
    }

    async fn watch(&self, _: &Scope) -> Result<Changes, StoreError> {
        Ok(futures::stream::pending().boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn the_terms_of_a_link_bound_a_call_and_repeat_only_what_changes_nothing() {
    let sleepy = |asleep: u32, terms: &str| {
        let store: Arc<dyn Store> = Arc::new(Sleepy { asleep: asleep.into() });
        instance_with("shop", &[OpenLink { terms: terms.parse().expect("terms"), ..link(store) }])
    };
    let unavailable = "the key-value store is not available";

    let mut state = sleepy(3, "timeout=1s,retry=2");
    let bucket = open(&mut state, "");
    let outcome = state.get(handle(&bucket), "key".into()).await.map_err(text);
    assert_eq!(outcome, Err(unavailable.into()), "three times are not enough");
    let started = tokio::time::Instant::now();

    let mut state = sleepy(2, "timeout=1s,retry=2");
    let bucket = open(&mut state, "");
    let outcome = state.get(handle(&bucket), "key".into()).await.map_err(text);
    assert_eq!(outcome, Ok(None));
    assert!((2_000..2_100).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());

    let mut state = sleepy(1, "timeout=1s,retry=2");
    let bucket = open(&mut state, "");
    let outcome = state.set(handle(&bucket), "key".into(), vec![]).await.map_err(text);
    assert_eq!(outcome, Err(unavailable.into()), "a change is made once");
}
