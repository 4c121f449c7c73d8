//! What the platform is for: an application answers without one failure while everything that it is linked to is changed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testkit::{Over, Redis, S3, Up, request};

use crate::links::linked;
use crate::{guest, route, wattle};

/// How often a link is changed.
const SWAPS: usize = 102;

/// Connections that sell at once.
const CLIENTS: u64 = 8;

/// What one client saw: the receipts of its sales, and every answer that was none.
#[derive(Default)]
struct Seen {
    receipts: BTreeSet<String>,
    prices: BTreeSet<String>,
    others: Vec<String>,
}

/// Sells on one connection until `is_over`.
fn sell(up: &Up, client: u64, sold: &AtomicU64, is_over: &AtomicBool) -> Seen {
    let (mut connection, mut seen) = (up.connect(), Seen::default());
    for receipt in (client..).step_by(CLIENTS as usize) {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let bytes = request("POST", &format!("/tea?receipt={receipt}"), &[], b"");
        connection.send(&bytes).expect("the connection stays open");
        let answer = connection.answer().expect("an answer");
        match (answer.status, answer.text().trim().split_once(" at ")) {
            (200, Some((_, price))) => {
                seen.receipts.insert(format!("{receipt:020}"));
                seen.prices.insert(price.to_owned());
                sold.fetch_add(1, Ordering::Relaxed);
            }
            (status, _) => seen.others.push(format!("{status} {}", answer.text())),
        }
    }
    seen
}

/// What is kept in the store that is linked now, read by one more sale.
fn sum(up: &Up, receipt: u64) -> u64 {
    let answer = up.ask("POST", &format!("/tea?receipt={receipt}"), b"").text();
    let (sum, _) = answer.split_once(" at ").expect("it sells");
    sum.parse().expect("a number")
}

fn receipts(up: &Up) -> BTreeSet<String> {
    up.get("/").text().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn everything_is_changed_under_load_and_nothing_fails_or_is_lost() {
    let (redis, s3) = (Redis::start(), S3::start());
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let wattle = wattle();
        let files = [route("/", "stall"), guest("price-1"), guest("price-2"), "--link=stall=price-1".into()];
        let up = wattle.up(files.into_iter().chain(flags.iter().cloned()));
        let secret = |name: &str, text: &str| format!("file:{}", wattle.write(name, text.as_bytes()).display());
        let keys = format!(
            "--set access-key={} --set secret-key={}",
            secret("id", S3::ACCESS_KEY),
            secret("key", S3::SECRET_KEY)
        );
        let to_redis = format!("put stall keyvalue/redis --set url={} --set prefix=run{}", redis.url(), up.id());
        let to_s3 = format!(
            "put stall blobstore/s3 --set bucket={} --set endpoint={} --set allow-http=true --set prefix=run{} {keys}",
            S3::BUCKET,
            s3.endpoint(),
            up.id()
        );
        let rounds = [
            [to_s3.as_str(), &to_redis, "put stall price-2"],
            ["put stall blobstore/folder", "put stall keyvalue/disk", "put stall price-1"],
        ];

        let (sold, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        let seen: Vec<Seen> = std::thread::scope(|threads| {
            let (up, sold, is_over) = (&up, &sold, &is_over);
            let over = Over(is_over);
            let clients: Vec<_> =
                (0..CLIENTS).map(|client| threads.spawn(move || sell(up, client, sold, is_over))).collect();
            for link in rounds.iter().cycle().flatten().take(SWAPS) {
                let before = sold.load(Ordering::Relaxed);
                linked(&wattle, up, link);
                // Every world is used: swaps that nobody met would show nothing.
                let patience = Instant::now() + Duration::from_secs(20);
                while sold.load(Ordering::Relaxed) < before + CLIENTS && Instant::now() < patience {
                    std::thread::yield_now();
                }
            }
            drop(over);
            clients.into_iter().map(|client| client.join().expect("a client")).collect()
        });

        let others: Vec<_> = seen.iter().flat_map(|seen| &seen.others).collect();
        assert!(others.is_empty(), "{others:?}");
        let prices: BTreeSet<_> = seen.iter().flat_map(|seen| seen.prices.iter().map(String::as_str)).collect();
        assert_eq!(prices, ["1", "2"].into(), "both versions were called");

        let (mut kept, mut counted) = (BTreeSet::new(), 0);
        for (number, round) in rounds.iter().enumerate() {
            round.iter().for_each(|link| drop(linked(&wattle, &up, link)));
            let here = receipts(&up);
            let count = sum(&up, u64::MAX - number as u64) - 1;
            assert!(!here.is_empty() && count > 0, "{round:?} were used");
            kept.extend(here);
            counted += count;
        }
        let acknowledged: BTreeSet<_> = seen.into_iter().flat_map(|seen| seen.receipts).collect();
        assert_eq!(kept, acknowledged, "every receipt is in one of the stores");
        assert_eq!(counted, acknowledged.len() as u64, "every sale is counted in one of the stores");
        let ended = up.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}
