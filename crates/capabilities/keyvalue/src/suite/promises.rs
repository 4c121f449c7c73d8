//! What any store has to promise, each as a function of an empty one.

use bytes::Bytes;
use futures::StreamExt;
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

/// Whatever is stored and whatever is added: the sum is that of [`Addend::add_to`], and what is stored is its digits.
pub(super) async fn sums_are_exact_up_to_the_ends_of_their_ranges(fresh: Fresh) {
    let scope = scope("shop", "");
    let stored = [
        "0",
        "1",
        "-1",
        "007",
        "+7",
        "-0",
        "-007",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "",
        "-",
        "x",
        "999999999999999998",
        "999999999999999999",
        "-999999999999999999",
        "1000000000000000000",
        "9007199254740993",
        "9223372036854775806",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551614",
        "18446744073709551615",
        "18446744073709551616",
    ];
    let big = 1_000_000_000_000_000_000;
    let unsigned = [0, 1, 2, 9_007_199_254_740_993, big - 1, big, u64::MAX - 1, u64::MAX].map(Addend::unsigned);
    let edge = i64::MAX;
    let signed = [0, 1, -1, -2, 1 - edge, edge - 1, edge, i64::MIN].map(Addend::signed);
    for addend in unsigned.into_iter().chain(signed) {
        for text in stored.iter().map(|text| Some(*text)).chain([None]) {
            let key = scope.key("count");
            match text {
                Some(text) => fresh.put(&scope, "count", text).await,
                None => fresh.store.delete(&key).await.expect("the store deletes"),
            }
            let wanted = addend.add_to(text.map(str::as_bytes));
            let sum = fresh.store.increment(&key, addend).await.expect("the store answers");
            assert_eq!(sum, wanted, "{text:?} and {addend:?}");
            let left = match sum {
                Sum::Is(sum) => Some(sum.to_string()),
                Sum::NotANumber | Sum::OutOfRange => text.map(ToOwned::to_owned),
            };
            assert_eq!(fresh.value(&scope, "count").await, left.map(Into::into), "{text:?} and {addend:?}");
        }
    }
}

/// Eight threads add, each on a runtime of its own.
pub(super) async fn increments_from_many_threads_all_count(fresh: Fresh) {
    let (key, each) = (scope("shop", "").key("count"), 50);
    let add = async || {
        for _ in 0..each {
            fresh.store.increment(&key, Addend::signed(-2)).await.expect("the store adds");
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| capability::conformance::run(add()));
        }
    });
    let sum = fresh.store.increment(&key, Addend::signed(0)).await.expect("the store adds");
    assert_eq!(sum, Sum::Is(-2 * 8 * each));
}

/// Eight threads see the same value, and each tries to put its own in its place.
pub(super) async fn of_swaps_from_many_threads_one_wins(fresh: Fresh) {
    let key = scope("shop", "").key("key");
    let seen = Stamp::of(None);
    let (store, key) = (fresh.store.as_ref(), &key);
    let outcomes = std::thread::scope(|threads| {
        let swap = |index: u8| capability::conformance::run(store.swap(key, seen, vec![index; 100].into()));
        let swaps: Vec<_> = (0..8).map(|index| threads.spawn(move || swap(index))).collect();
        swaps.into_iter().map(|swap| swap.join().expect("no panic").expect("the store answers")).collect::<Vec<_>>()
    });
    let winner = outcomes.iter().position(|outcome| *outcome == Swap::Written).expect("one wins");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Swap::Written).count(), 1);
    let value = store.get(key).await.expect("the store answers").expect("there is a value");
    assert_eq!(value, vec![u8::try_from(winner).expect("a small number"); 100]);
}

/// A thousand keys are paged through while others come and go between them: each is seen once, and all is in order.
pub(super) async fn keys_that_stay_are_paged_once_while_others_come_and_go(fresh: Fresh) {
    let scope = scope("shop", "");
    let staying: Vec<String> = (0..1_000).map(|index| format!("key {index:04}")).collect();
    let puts = staying.iter().map(|name| Change::Put(scope.key(name), Bytes::new())).collect();
    fresh.store.apply(puts).await.expect("the store writes");
    let is_done = std::cell::Cell::new(false);
    let page_through = async {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = fresh.page(&scope, seen.last().map(String::as_str), 64).await;
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            tokio::task::yield_now().await;
        }
        is_done.set(true);
        seen
    };
    let come_and_go = async {
        let mut count = 0;
        while !is_done.get() {
            let name = format!("key {:04} not for long", count * 37 % 1_000);
            fresh.put(&scope, &name, "x").await;
            fresh.store.delete(&scope.key(&name)).await.expect("the store deletes");
            count += 1;
            tokio::task::yield_now().await;
        }
        count
    };
    let (seen, changes) = tokio::join!(page_through, come_and_go);
    assert!(changes > 0, "nothing came and went");
    assert!(seen.is_sorted_by(|a, b| a < b), "each key once, and in order");
    let stayed: Vec<_> = seen.into_iter().filter(|name| !name.ends_with("long")).collect();
    assert_eq!(stayed, staying);
}

/// A name of each character of ASCII, alone and between others, and of each length in UTF-8.
pub(super) async fn all_characters_are_good_for_names(fresh: Fresh) {
    let scope = scope("shop", "");
    let ascii = (0..128_u8).map(char::from);
    let mut names: Vec<String> = ascii.flat_map(|c| [c.to_string(), format!("a{c}b")]).collect();
    names.extend(["\u{80}", "\u{7ff}", "\u{800}", "\u{ffff}", "\u{10000}", "\u{10ffff}", "ß", "SS"].map(str::to_owned));
    names.sort();
    let puts = names.iter().map(|name| Change::Put(scope.key(name), name.clone().into())).collect();
    fresh.store.apply(puts).await.expect("the store writes");
    assert_eq!(fresh.page(&scope, None, 1_000).await, names);
    for name in &names {
        assert_eq!(fresh.value(&scope, name).await, Some(name.clone().into()), "{name:?}");
        assert_eq!(fresh.page(&scope, Some(name), 1).await.first(), names.iter().find(|other| *other > name));
    }
}

/// What a component may write at most, several at once, there and back.
pub(super) async fn large_values_go_both_ways_at_once(fresh: Fresh) {
    let scope = scope("shop", "");
    let value = |index: u8| Bytes::from(vec![index; 4 << 20]);
    join_all((0..4).map(|index| fresh.put(&scope, ["a", "b", "c", "d"][usize::from(index)], value(index)))).await;
    let values = join_all(["a", "b", "c", "d"].map(|name| fresh.value(&scope, name))).await;
    assert!(values.into_iter().eq((0..4).map(|index| Some(value(index)))));
}

pub(super) async fn large_values_are_swapped(fresh: Fresh) {
    let (scope, value) = (scope("shop", ""), |index: u8| Bytes::from(vec![index; 4 << 20]));
    fresh.put(&scope, "a", value(0)).await;
    let seen = Stamp::of(Some(&value(0)));
    let swapped = fresh.store.swap(&scope.key("a"), seen, value(9)).await.expect("the store answers");
    assert_eq!(swapped, Swap::Written);
    assert!(fresh.value(&scope, "a").await == Some(value(9)));
}

/// As many changes as a component may make at once, of two buckets.
pub(super) async fn many_changes_are_made_at_once(fresh: Fresh) {
    let scopes = [scope("shop", "a"), scope("shop", "b")];
    let change = |index: usize| Change::Put(scopes[index % 2].key(&format!("{index:05}")), index.to_string().into());
    fresh.store.apply((0..10_000).map(change).collect()).await.expect("the store writes");
    assert_eq!(fresh.page(&scopes[1], Some("09990"), 10).await, ["09991", "09993", "09995", "09997", "09999"]);
    let gone = |index: usize| Change::Delete(scopes[index % 2].key(&format!("{index:05}")));
    fresh.store.apply((0..10_000).map(gone).collect()).await.expect("the store writes");
    assert!(fresh.page(&scopes[0], None, 1).await.is_empty() && fresh.page(&scopes[1], None, 1).await.is_empty());
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

pub(super) async fn changes_are_told_by_name(fresh: Fresh) {
    let (ours, theirs) = (scope("shop", ""), scope("shop2", ""));
    let mut told = fresh.store.watch(&ours).await.expect("it is watched");
    let odd = ["", "a*b", "[x]", "\\", "a b", "é", "a.b", ">", "user:42", &"k".repeat(2_000)];
    fresh.put(&theirs, "not ours", "1").await;
    fresh.put(&scope("shop", "other"), "of another bucket", "1").await;
    for name in odd {
        fresh.put(&ours, name, "1").await;
    }
    fresh.store.increment(&ours.key("sum"), Addend::unsigned(1)).await.expect("it adds");
    fresh.store.swap(&ours.key("new"), Stamp::of(None), "1".into()).await.expect("it answers");
    let batch = ["one", "two"].map(|name| Change::Put(ours.key(name), "1".into()));
    fresh.store.apply(batch.into()).await.expect("it writes");
    fresh.store.delete(&ours.key("user:42")).await.expect("it deletes");
    fresh.store.delete(&ours.key(odd[9])).await.expect("it deletes");

    let ours: Vec<&str> = odd.into_iter().chain(["sum", "new", "one", "two", "user:42", odd[9]]).collect();
    let mut wanted = ours.clone();
    while !wanted.is_empty() {
        let name = tokio::time::timeout(std::time::Duration::from_secs(20), told.next()).await;
        let name = name.unwrap_or_else(|_| panic!("not told: {wanted:?}")).expect("it goes on");
        assert!(ours.contains(&name.as_str()), "{name:?} was not to be told");
        if let Some(which) = wanted.iter().position(|wanted| *wanted == name) {
            wanted.remove(which);
        }
    }
}

pub(super) async fn who_watches_no_more_is_not_told(fresh: Fresh) {
    let ours = scope("shop", "");
    for _ in 0..3 {
        drop(fresh.store.watch(&ours).await.expect("it is watched"));
        fresh.put(&ours, "a", "1").await;
    }
    let mut told = fresh.store.watch(&ours).await.expect("it is watched");
    fresh.put(&ours, "b", "1").await;
    let name = tokio::time::timeout(std::time::Duration::from_secs(20), told.next()).await.expect("in time");
    assert_eq!(name.as_deref(), Some("b"), "what was before is not told");
}
