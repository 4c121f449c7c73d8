//! What every bucket promises, whatever carries it.

use bus::{Bucket, BucketError, Keep, Revision};
use bytes::Bytes;
use futures::future::join_all;
use stdx::{ByteSize, Code, Explain};

use crate::keeping::{Carrier, bucket, key, told, told_until};
use crate::run;
use crate::suite::promises;

promises! {
    [
        what_was_put_is_there_until_it_is_deleted,
        of_two_who_saw_the_same_one_is_faster,
        of_many_who_race_one_wins_each_time,
        all_keys_are_listed,
        buckets_are_apart_and_found_again,
        a_watch_tells_what_is_there_and_then_what_changes,
        a_watch_that_is_dropped_while_it_waits_loses_nothing,
        who_does_not_keep_up_is_told_of_the_last_change_of_each_key,
        a_value_that_is_too_large_is_refused,
        a_full_bucket_refuses_and_goes_on,
        it_says_what_an_acknowledgement_survives,
    ] {
        memory => Some(Carrier::memory()),
        disk => Some(Carrier::disk()),
        nats_newest => Some(Carrier::nats()),
        nats_of_the_system => Carrier::nats_of_system(),
    }
}

/// Puts a value, which has to go well.
async fn put(bucket: &Bucket, name: &str, value: &str) -> Revision {
    bucket.put(&key(name), value.to_owned().into()).await.expect("it is put")
}

async fn value(bucket: &Bucket, name: &str) -> Option<Bytes> {
    bucket.get(&key(name)).await.expect("it is read").map(|entry| entry.value)
}

fn is_conflict<T>(outcome: Result<T, BucketError>) -> bool {
    outcome.is_err_and(|error| matches!(error, BucketError::Conflict { .. }) && error.code() == Code::E0706)
}

async fn what_was_put_is_there_until_it_is_deleted(carrier: Carrier) {
    let (one, other) = (carrier.bucket().await, carrier.bucket().await);
    assert_eq!(value(&one, "a").await, None);
    let first = put(&one, "a", "1").await;
    let second = put(&other, "a", "2").await;
    assert!(second > first);
    let entry = one.get(&key("a")).await.expect("it is read").expect("it is there");
    assert_eq!((entry.value, entry.revision), ("2".into(), second));
    put(&one, "COMPONENT_a.b/c=d-e", "").await;
    assert_eq!(value(&other, "COMPONENT_a.b/c=d-e").await, Some(Bytes::new()), "an empty value is a value");
    for _ in 0..2 {
        one.delete(&key("a")).await.expect("it is deleted, or was");
        assert_eq!(value(&other, "a").await, None);
    }
    one.delete(&key("never")).await.expect("nothing is there");
    let third = put(&other, "a", "3").await;
    assert!(third > second);
    for _ in 0..2 {
        one.purge(&key("a")).await.expect("it is purged, or was");
        assert_eq!(value(&other, "a").await, None);
    }
    assert!(one.create(&key("a"), "4".into()).await.expect("what was purged can be made again") > third);
}

async fn of_two_who_saw_the_same_one_is_faster(carrier: Carrier) {
    let (one, other) = (carrier.bucket().await, carrier.bucket().await);
    let made = one.create(&key("a"), "1".into()).await.expect("there is none");
    assert!(is_conflict(other.create(&key("a"), "2".into()).await));
    let updated = other.update(&key("a"), "3".into(), made).await.expect("it is as it was seen");
    assert!(is_conflict(one.update(&key("a"), "4".into(), made).await));
    assert!(is_conflict(one.delete_if(&key("a"), made).await));
    assert_eq!(value(&one, "a").await, Some("3".into()), "who lost has changed nothing");
    other.delete_if(&key("a"), updated).await.expect("it is as it was seen");
    assert!(is_conflict(one.update(&key("a"), "5".into(), updated).await));
    assert!(is_conflict(one.update(&key("b"), "5".into(), made).await));
    one.create(&key("a"), "6".into()).await.expect("what was deleted can be made again");
    assert!(is_conflict(one.create(&key("a"), "7".into()).await));
    assert_eq!(value(&other, "a").await, Some("6".into()));
}

async fn of_many_who_race_one_wins_each_time(carrier: Carrier) {
    let racers = [carrier.bucket().await, carrier.bucket().await, carrier.bucket().await];
    let mut seen = put(&racers[0], "a", "start").await;
    for round in 0..30 {
        let race = racers.iter().enumerate().map(async |(racer, bucket)| {
            let value = format!("{round} {racer}");
            bucket.update(&key("a"), value.clone().into(), seen).await.map(|revision| (revision, value))
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(race).await.into_iter().partition(Result::is_ok);
        assert!(won.len() == 1 && lost.into_iter().all(is_conflict), "round {round}: {won:?}");
        let (revision, winner) = won.into_iter().find_map(Result::ok).expect("one has won");
        assert_eq!(value(&racers[0], "a").await, Some(winner.into()));
        seen = revision;
    }
}

async fn all_keys_are_listed(carrier: Carrier) {
    let bucket = carrier.bucket().await;
    assert_eq!(bucket.keys().await.expect("they are listed"), []);
    for number in 0..300 {
        put(&bucket, &format!("k{number:03}"), &number.to_string()).await;
    }
    bucket.delete(&key("k007")).await.expect("it is deleted");
    let entries = bucket.entries().await.expect("they are listed");
    assert_eq!(entries.len(), 299);
    assert!(
        entries.iter().all(|(key, entry)| key.as_str() == format!("k{:0>3}", String::from_utf8_lossy(&entry.value)))
    );
    let keys = bucket.keys().await.expect("they are listed");
    assert!(keys.is_sorted() && keys.len() == 299 && !keys.contains(&key("k007")));
}

async fn buckets_are_apart_and_found_again(carrier: Carrier) {
    let bus = carrier.bus().await;
    let open = async |name: &str| {
        let name = name.parse().expect("a name");
        bus.bucket(name, Keep::default()).await.expect("there is a bucket")
    };
    let (one, other) = (open("CONFIGDATA_a").await, open("CONFIGDATA_a-b").await);
    put(&one, "x", "1").await;
    put(&other, "x", "2").await;
    other.delete(&key("y")).await.expect("nothing is there");
    assert_eq!(value(&open("CONFIGDATA_a").await, "x").await, Some("1".into()));
    assert_eq!(one.keys().await.expect("they are listed"), [key("x")]);
    one.delete(&key("x")).await.expect("it is deleted");
    assert_eq!(value(&open("CONFIGDATA_a-b").await, "x").await, Some("2".into()));
}

async fn a_watch_tells_what_is_there_and_then_what_changes(carrier: Carrier) {
    let (one, other) = (carrier.bucket().await, carrier.bucket().await);
    let mut from_start = one.watch();
    assert_eq!(told(&mut from_start).await, "current", "nothing is there");
    // One after the other: of two changes to one key that follow at once the first may not be told.
    for (name, value) in [("a", "1"), ("b", "2"), ("b", "3")] {
        put(&other, name, value).await;
        assert_eq!(told(&mut from_start).await, format!("{name}={value}"));
    }
    other.delete(&key("a")).await.expect("it is deleted");
    assert_eq!(told(&mut from_start).await, "-a");
    let mut later = one.watch();
    assert_eq!(told_until(&mut later, "current").await, ["b=3", "current"]);
    other.delete(&key("never")).await.expect("nothing is there");
    put(&other, "c", "4").await;
    for watch in [&mut from_start, &mut later] {
        assert_eq!(told(watch).await, "c=4", "of what never was nothing is told");
    }
    later.end().await;
    put(&other, "c", "5").await;
    assert_eq!(told(&mut from_start).await, "c=5");
}

async fn a_watch_that_is_dropped_while_it_waits_loses_nothing(carrier: Carrier) {
    let bucket = carrier.bucket().await;
    let mut watch = bucket.watch();
    let mut heard = Vec::new();
    let putting = async {
        for number in 0..50 {
            put(&bucket, "a", &number.to_string()).await;
        }
    };
    let mut putting = std::pin::pin!(putting);
    let mut is_put = false;
    while heard.last().is_none_or(|last| last != "a=49") {
        // Whichever is not ready first is dropped, and asked again.
        tokio::select! {
            biased;
            () = &mut putting, if !is_put => is_put = true,
            told = told(&mut watch) => heard.push(told),
            () = tokio::task::yield_now() => {}
        }
    }
    let numbers: Vec<u32> = heard.iter().filter_map(|told| told.strip_prefix("a=")?.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{heard:?}");
}

async fn who_does_not_keep_up_is_told_of_the_last_change_of_each_key(carrier: Carrier) {
    let (writer, reader) = (carrier.bucket().await, carrier.bucket().await);
    let mut watch = reader.watch();
    told_until(&mut watch, "current").await;
    for round in 0..60 {
        let value = if round == 59 { "last" } else { "x" };
        join_all((0..64).map(async |number| put(&writer, &format!("k{number}"), value).await)).await;
    }
    let mut last = std::collections::BTreeSet::new();
    while last.len() < 64 {
        if let Some(key) = told(&mut watch).await.strip_suffix("=last") {
            last.insert(key.to_owned());
        }
    }
}

async fn a_value_that_is_too_large_is_refused(carrier: Carrier) {
    let bucket = carrier.bucket().await;
    let large = Bytes::from(vec![b'x'; 1_000_000]);
    bucket.put(&key("large"), large.clone()).await.expect("it is put");
    assert_eq!(value(&bucket, "large").await, Some(large));
    let refused = bucket.put(&key("large"), vec![b'x'; 3 << 20].into()).await.expect_err("it is too large");
    assert!(matches!(refused, BucketError::TooLarge { .. }), "{refused:?}");
    assert_eq!(refused.code(), Code::E0703);
}

async fn a_full_bucket_refuses_and_goes_on(carrier: Carrier) {
    let bus = carrier.bus().await;
    let bucket = bucket(&bus, Keep { bytes_max: Some(ByteSize::kib(64)) }).await;
    let chunk = || Bytes::from(vec![b'x'; 10_000]);
    let mut count = 0;
    let refused = loop {
        match bucket.put(&key(&format!("k{count}")), chunk()).await {
            Ok(_) if count < 10 => count += 1,
            Ok(_) => panic!("64 KiB have no room for this"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, BucketError::Full { .. }) && count > 3, "{count}: {refused:?}");
    assert_eq!(refused.code(), Code::E0708);
    bucket.delete(&key("k0")).await.expect("there is always room to delete");
    bucket.put(&key("other"), chunk()).await.expect("there is room again");
    assert_eq!(bucket.keys().await.expect("they are listed").len(), count);
}

async fn it_says_what_an_acknowledgement_survives(carrier: Carrier) {
    assert_eq!(carrier.bucket().await.durability(), carrier.durability());
}
