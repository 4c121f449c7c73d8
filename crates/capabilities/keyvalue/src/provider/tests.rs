//! A provider that the published crates make, beside what every store has to promise (`suite`): how it is asked, and how it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capability::Cause;
use capability::conformance::run;
use stdx::Explain;
use testkit::eventually;

use crate::suite::{Kept, scope};
use crate::{Addend, Change, Key, Page, Refusal, Stamp, Store, StoreError, Sum};

/// For what has to be known at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// For a call that nobody answers.
const SHORT: Duration = Duration::from_millis(300);

const PATIENT: Duration = Duration::from_secs(10);

fn key(name: &str) -> Key {
    scope("shop", "cart").key(name)
}

/// What went wrong, and after how long.
fn timed<T: std::fmt::Debug>(outcome: impl Future<Output = Result<T, StoreError>>) -> (StoreError, Duration) {
    let begun = Instant::now();
    let error = run(outcome).expect_err("it fails");
    (error, begun.elapsed())
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: impl Future<Output = Result<T, StoreError>>, limit: Duration) {
    let (error, time) = timed(outcome);
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(time < limit, "it took {time:?}");
    assert_eq!(error.code(), stdx::Code::E0401);
}

#[test]
fn a_provider_is_told_who_asks_and_by_which_link() {
    let kept = Kept::start([]);
    let store = kept.store("kv", PATIENT);
    assert_eq!(store.describe(), "provider kv");
    run(async {
        store.put(&key("a"), "1".into()).await.expect("it is set");
        store.get(&scope("till", "").key("a")).await.expect("it is read");
        store.list(&scope("shop", "cart"), Page { after: None, count_max: 1 }).await.expect("it is listed");
        store.increment(&key("count"), Addend::unsigned(1)).await.expect("it is added");
        let both = vec![Change::Put(key("b"), "1".into()), Change::Delete(key("a"))];
        store.apply(both).await.expect("it is changed");
        store.delete(&key("b")).await.expect("it is deleted");
    });
    let asked = [
        "set shop",
        "get till",
        "list-keys shop",
        "increment shop",
        "set-many shop",
        "delete-many shop",
        "delete shop",
    ];
    assert_eq!(kept.provider.calls(), asked.map(|asked| format!("{asked} cache")));
}

#[test]
fn a_provider_is_told_for_which_trace_it_is_asked() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let kept = Kept::start([]);
    let store = kept.store("kv", PATIENT);
    let traced = Cause { trace: stdx::Trace::read(PARENT, []), ..Cause::default() };
    let traced = store.within(&traced).expect("it tells of it");
    run(traced.put(&key("a"), "1".into())).expect("it is set");
    run(store.get(&key("a"))).expect("it is read");
    let none = traced.within(&Cause::default()).expect("it tells of it");
    run(none.get(&key("a"))).expect("it is read");
    assert_eq!(
        kept.provider.calls(),
        [format!("set shop cache {PARENT}").as_str(), "get shop cache", "get shop cache"]
    );
}

#[test]
fn what_a_provider_refuses_is_told_by_its_class() {
    let kept = Kept::start([]);
    let store = kept.store("kv", PATIENT);
    let refused = |bucket: &str| match run(store.get(&scope("shop", bucket).key("a"))) {
        Err(StoreError::Refused { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("missing"), Refusal::NoSuchStore);
    assert_eq!(refused("locked"), Refusal::AccessDenied);
    assert_eq!(refused("broken"), Refusal::Other("boom".into()));
    run(store.put(&key("word"), "seven".into())).expect("it is set");
    let sum = run(store.increment(&key("word"), Addend::unsigned(1)));
    assert!(matches!(sum, Err(StoreError::Refused { source: Refusal::Other(_), .. })), "{sum:?}");
}

#[test]
fn what_the_contract_has_no_words_for_changes_nothing_and_is_said() {
    let kept = Kept::start([]);
    let store = kept.store("kv", PATIENT);
    let outcomes = [
        run(store.swap(&key("a"), Stamp::of(None), "1".into())).map(drop),
        run(store.increment(&key("a"), Addend::signed(-1))).map(drop),
        run(store.increment(&key("a"), Addend::signed(1))).map(drop),
        run(store.watch(&scope("shop", "cart"))).map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Unable { .. })), "{outcome:?}");
    }
    assert!(kept.provider.calls().is_empty());
}

#[test]
fn a_provider_that_is_not_there_is_known_at_once_and_may_come_later() {
    let kept = Kept::start([]);
    let store = kept.store("other", PATIENT);
    assert_unavailable(store.get(&key("a")), AT_ONCE);
    assert_unavailable(store.put(&key("a"), "1".into()), AT_ONCE);
    let other = testkit::Provider::start(&kept.server.url(), "default", "other");
    run(store.put(&key("a"), "1".into())).expect("it is there now");
    drop(other);
    eventually("it is gone", || run(store.get(&key("a"))).is_err());
    assert_unavailable(store.get(&key("a")), AT_ONCE);
    let _again = testkit::Provider::start(&kept.server.url(), "default", "other");
    assert_eq!(run(store.get(&key("a"))).expect("it is there again"), None, "what it kept it had in its memory");
}

/// After no answer nobody knows whether it was done.
#[test]
fn what_is_not_answered_fails_in_time_and_is_not_asked_again() {
    let kept = Kept::start([]);
    let store = kept.store("kv", SHORT);
    kept.provider.pause();
    assert_unavailable(store.put(&key("a"), "1".into()), SHORT + AT_ONCE);
    assert_unavailable(store.increment(&key("count"), Addend::unsigned(1)), SHORT + AT_ONCE);
    assert_unavailable(store.get(&key("a")), SHORT + AT_ONCE);
    assert_unavailable(store.list(&scope("shop", "cart"), Page { after: None, count_max: 1 }), SHORT + AT_ONCE);
    assert_eq!(kept.provider.calls().len(), 4);
    kept.provider.resume();
    eventually("the late answers have come", || {
        run(store.increment(&key("count"), Addend::unsigned(1))).is_ok_and(|sum| sum == Sum::Is(2))
    });
    assert_eq!(run(store.get(&key("a"))).expect("it is read"), Some("1".into()), "it was done all the same");
    // Whoever brings an answer has hold of its place a moment longer than who waited there.
    eventually("nothing is left", || kept.peers.wire().waiting() == 0);
}

#[test]
fn a_provider_without_a_way_to_change_several_is_asked_for_each() {
    let kept = Kept::start([]);
    let bare = testkit::Provider::start_bare(&kept.server.url(), "default", "bare");
    let store: Arc<dyn Store> = kept.store("bare", PATIENT);
    run(async {
        let changes = ["a", "b"].map(|name| Change::Put(key(name), name.to_owned().into()));
        store.apply(changes.to_vec()).await.expect("they are set");
        store.apply(vec![Change::Delete(key("a")), Change::Delete(key("c"))]).await.expect("they are deleted");
        assert_eq!(store.get(&key("a")).await.expect("it is read"), None);
        assert_eq!(store.get(&key("b")).await.expect("it is read"), Some("b".into()));
    });
    let asked = ["set", "set", "delete", "delete", "get", "get"];
    assert_eq!(bare.calls(), asked.map(|asked| format!("{asked} shop cache")));
    assert_unavailable(store.increment(&key("count"), Addend::unsigned(1)), AT_ONCE);
}

#[test]
fn values_larger_than_a_message_of_the_server_go_both_ways() {
    let kept = Kept::start(["max_payload: 65536"]);
    let store = kept.store("kv", PATIENT);
    let value = bytes::Bytes::from(vec![7; 4 << 20]);
    run(store.put(&key("a"), value.clone())).expect("it is set");
    assert!(run(store.get(&key("a"))).expect("it is read") == Some(value));
}
