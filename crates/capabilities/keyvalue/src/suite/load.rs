//! Writes without a pause while a server is killed under it, and keeps book.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use capability::conformance::run;
use futures::future::join_all;
use testkit::eventually;

use super::scope;
use crate::{Key, Store, StoreError};

/// What one writer saw.
#[derive(Default)]
struct Book {
    acknowledged: Vec<String>,
    failed: usize,
    slowest: Duration,
}

fn key(name: &str) -> Key {
    scope("shop", "").key(name)
}

/// Eight writers, and three times the server is killed under them and started again: each call ends within `limit`, the store
/// is well again within five seconds by itself, and what was acknowledged is there.
pub(crate) fn survives_kills(store: &dyn Store, server: &mut testkit::Server, limit: Duration) {
    let is_over = AtomicBool::new(false);
    let books = std::thread::scope(|threads| {
        let writers = threads.spawn(|| run(join_all((0..8).map(|writer| write(store, writer, &is_over)))));
        for round in 0..3 {
            let last = format!("0 {}", (round + 1) * 60);
            eventually("many writes", || run(store.get(&key(&last))).is_ok_and(|value| value.is_some()));
            server.kill();
            eventually("the store says so", || run(store.get(&key("any"))).is_err());
            server.restart();
            let recovery = until_well(store);
            assert!(recovery < Duration::from_secs(5), "it took {recovery:?}");
        }
        is_over.store(true, Ordering::Relaxed);
        writers.join().expect("no panic")
    });
    assert!(books.iter().any(|book| book.failed > 0), "no call met the dead server");
    for book in books {
        assert!(book.slowest < limit, "a call took {:?}", book.slowest);
        for name in book.acknowledged {
            let value = run(store.get(&key(&name))).expect("the server is up");
            assert_eq!(value, Some(name.clone().into()), "{name} was acknowledged and is gone");
        }
    }
}

/// Asks until the store answers; how long that took.
pub(crate) fn until_well(store: &dyn Store) -> Duration {
    let started = Instant::now();
    eventually("the store answers again", || run(store.get(&key("any"))).is_ok());
    started.elapsed()
}

async fn write(store: &dyn Store, writer: usize, is_over: &AtomicBool) -> Book {
    let mut book = Book::default();
    let mut index = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (started, name) = (Instant::now(), format!("{writer} {index}"));
        match store.put(&key(&name), name.clone().into()).await {
            Ok(()) => {
                book.acknowledged.push(name);
                index += 1;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
                book.failed += 1;
                // As somebody would who is told that it may work in a moment.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        book.slowest = book.slowest.max(started.elapsed());
    }
    book
}
