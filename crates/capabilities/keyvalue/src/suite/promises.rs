//! What any store has to promise, each as a function of an empty one.

use bytes::Bytes;
use futures::future::join_all;

use super::{Fresh, scope};
use crate::{Addend, Change, Scope, Stamp, Sum, Swap};

/// Names that something on the way might take for something else.
fn odd_names() -> Vec<String> {
    let long = "k".repeat(4096);
    let names = [
        "", ".", "..", "../b", "/", "\\", "\0", "a\0b", " ", "\n", "*", "%2e%2e", "é", "e\u{301}", "🌿", "\u{ffff}",
        "null", &long,
    ];
    names.map(str::to_owned).to_vec()
}

pub(super) async fn an_absent_key_has_no_value(fresh: Fresh) {
    let scope = scope("shop", "");
    assert_eq!(fresh.value(&scope, "nothing").await, None);
    assert_eq!(fresh.page(&scope, None, 10).await, Vec::<String>::new());
}

pub(super) async fn a_value_is_read_as_it_was_written(fresh: Fresh) {
    let scope = scope("shop", "");
    for value in [Bytes::new(), Bytes::from_static(b"\0\xff"), Bytes::from(vec![7; 8 << 20])] {
        fresh.put(&scope, "key", value.clone()).await;
        assert_eq!(fresh.value(&scope, "key").await, Some(value));
    }
}

pub(super) async fn the_last_write_counts(fresh: Fresh) {
    let scope = scope("shop", "");
    fresh.put(&scope, "key", "long before").await;
    fresh.put(&scope, "key", "now").await;
    assert_eq!(fresh.value(&scope, "key").await.as_deref(), Some(b"now".as_slice()));
    assert_eq!(fresh.page(&scope, None, 10).await, ["key"]);
}

pub(super) async fn deleting_twice_is_deleting_once(fresh: Fresh) {
    let scope = scope("shop", "");
    fresh.put(&scope, "key", "x").await;
    for _ in 0..2 {
        fresh.store.delete(&scope.key("key")).await.expect("the store deletes");
        assert_eq!(fresh.value(&scope, "key").await, None);
    }
}

pub(super) async fn odd_names_are_names_like_any_other(fresh: Fresh) {
    let scope = scope("shop", "");
    for (index, name) in odd_names().iter().enumerate() {
        fresh.put(&scope, name, index.to_string()).await;
    }
    for (index, name) in odd_names().iter().enumerate() {
        assert_eq!(fresh.value(&scope, name).await, Some(index.to_string().into()), "{name:?}");
    }
    let mut sorted = odd_names();
    sorted.sort();
    assert_eq!(fresh.page(&scope, None, 100).await, sorted);
}

/// Each pair of scopes, with names that would meet if parts were only joined.
pub(super) async fn no_scope_sees_another(fresh: Fresh) {
    let scopes = [
        ("a", "b"),
        ("a", "bc"),
        ("ab", "c"),
        ("a", ""),
        ("a", "\0"),
        ("a", "b\0"),
        ("a.b", ""),
        ("a", "🌿"),
        ("default", "a"),
    ];
    let scopes = scopes.map(|(component, bucket)| scope(component, bucket));
    let names = ["", "x", "b", "bx", "default", "\0\0\0\u{1}b", "c"];
    for (index, scope) in scopes.iter().enumerate() {
        for name in names {
            fresh.put(scope, name, format!("{index} {name}")).await;
        }
    }
    for (index, scope) in scopes.iter().enumerate() {
        let mut sorted = names.map(str::to_owned);
        sorted.sort();
        assert_eq!(fresh.page(scope, None, 100).await, sorted);
        for name in names {
            assert_eq!(fresh.value(scope, name).await, Some(format!("{index} {name}").into()));
        }
    }
    for name in names {
        fresh.store.delete(&scopes[0].key(name)).await.expect("the store deletes");
    }
    assert!(fresh.page(&scopes[0], None, 100).await.is_empty());
    assert_eq!(fresh.page(&scopes[1], None, 100).await.len(), names.len());
}

pub(super) async fn the_bucket_without_a_name_is_the_default_one(fresh: Fresh) {
    fresh.put(&scope("shop", ""), "key", "x").await;
    assert_eq!(fresh.value(&scope("shop", "default"), "key").await, Some("x".into()));
}

pub(super) async fn pages_give_each_key_once_and_in_order(fresh: Fresh) {
    let scope = scope("shop", "");
    let names: Vec<String> = (0..25).map(|index| format!("{index:03}")).collect();
    let changes = names.iter().rev().map(|name| Change::Put(scope.key(name), Bytes::new())).collect();
    fresh.store.apply(changes).await.expect("the store writes");
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = fresh.page(&scope, seen.last().map(String::as_str), 10).await;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 10);
        seen.extend(page);
    }
    assert_eq!(seen, names);
    assert_eq!(
        fresh.page(&scope, Some("0115"), 2).await,
        ["012", "013"],
        "a page starts after a key that is not there"
    );
    assert_eq!(fresh.page(&scope, Some("\u{ffff}"), 2).await, Vec::<String>::new());
    assert_eq!(fresh.page(&scope, None, 0).await, Vec::<String>::new());
}

pub(super) async fn changes_are_made_in_their_order(fresh: Fresh) {
    let scope = scope("shop", "");
    let put = |name: &str, value: &'static str| Change::Put(scope.key(name), value.into());
    let changes = vec![
        put("a", "1"),
        put("b", "1"),
        put("a", "2"),
        Change::Delete(scope.key("b")),
        Change::Delete(scope.key("c")),
    ];
    fresh.store.apply(changes).await.expect("the store writes");
    fresh.store.apply(Vec::new()).await.expect("nothing is written too");
    assert_eq!(fresh.value(&scope, "a").await, Some("2".into()));
    assert_eq!(fresh.value(&scope, "b").await, None);
}

pub(super) async fn many_increments_at_once_all_count(fresh: Fresh) {
    let (scope, each) = (scope("shop", ""), 25_u64);
    let key = scope.key("count");
    let increments = (0..40).map(|_| async {
        for _ in 0..each {
            fresh.store.increment(&key, Addend::unsigned(3)).await.expect("the store adds");
        }
    });
    join_all(increments).await;
    assert_eq!(fresh.value(&scope, "count").await, Some((3 * 40 * each).to_string().into()));
}

pub(super) async fn an_increment_that_cannot_be_made_changes_nothing(fresh: Fresh) {
    let scope = scope("shop", "");
    fresh.put(&scope, "word", "seven").await;
    fresh.put(&scope, "most", u64::MAX.to_string()).await;
    let add =
        async |name: &str, addend| fresh.store.increment(&scope.key(name), addend).await.expect("the store answers");
    assert_eq!(add("word", Addend::unsigned(1)).await, Sum::NotANumber);
    assert_eq!(add("most", Addend::unsigned(1)).await, Sum::OutOfRange);
    assert_eq!(add("most", Addend::signed(-1)).await, Sum::OutOfRange);
    assert_eq!(add("new", Addend::signed(-7)).await, Sum::Is(-7));
    assert_eq!(add("new", Addend::unsigned(9)).await, Sum::OutOfRange);
    assert_eq!(fresh.value(&scope, "word").await, Some("seven".into()));
    assert_eq!(fresh.value(&scope, "most").await, Some(u64::MAX.to_string().into()));
    assert_eq!(fresh.value(&scope, "new").await, Some("-7".into()));
}

pub(super) async fn of_many_swaps_from_one_value_one_wins(fresh: Fresh) {
    let scope = scope("shop", "");
    let key = scope.key("key");
    for round in 0..5 {
        let now = fresh.value(&scope, "key").await;
        let seen = Stamp::of(now.as_deref());
        let swaps = (0..20).map(|index| fresh.store.swap(&key, seen, format!("{round} {index}").into()));
        let outcomes = join_all(swaps).await.into_iter().map(|outcome| outcome.expect("the store answers"));
        assert_eq!(outcomes.filter(|outcome| *outcome == Swap::Written).count(), 1);
    }
}

pub(super) async fn a_swap_sees_that_the_value_is_gone_or_new(fresh: Fresh) {
    let scope = scope("shop", "");
    let key = scope.key("key");
    let swap = async |seen: Option<&[u8]>| {
        fresh.store.swap(&key, Stamp::of(seen), "new".into()).await.expect("the store answers")
    };
    assert_eq!(swap(Some(b"")).await, Swap::ChangedMeanwhile);
    assert_eq!(swap(None).await, Swap::Written);
    assert_eq!(swap(None).await, Swap::ChangedMeanwhile);
    fresh.put(&scope, "key", "").await;
    assert_eq!(swap(None).await, Swap::ChangedMeanwhile);
    assert_eq!(swap(Some(b"")).await, Swap::Written);
}

/// Threads of their own, as the data plane has them: what one was told is done, all can read.
pub(super) async fn what_is_acknowledged_is_seen_by_all_threads(fresh: Fresh) {
    let scope = scope("shop", "");
    std::thread::scope(|threads| {
        for writer in ["a", "b", "c", "d"] {
            let write = write_and_read(&fresh, &scope, writer);
            threads.spawn(|| capability::conformance::run(write));
        }
    });
}

async fn write_and_read(fresh: &Fresh, scope: &Scope, name: &str) {
    for round in 0..50 {
        fresh.put(scope, name, round.to_string()).await;
        assert_eq!(fresh.value(scope, name).await, Some(round.to_string().into()));
    }
}
