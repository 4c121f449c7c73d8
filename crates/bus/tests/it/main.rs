//! The bus from outside: its promises over each carrier, its listener under attack and beside a real NATS server.

#![expect(clippy::panic, reason = "a panic fails a test")]

mod attacks;
mod buckets;
mod carriers;
mod cores;
mod disks;
mod domains;
mod elections;
mod encrypted;
mod files;
mod keeping;
mod kept;
mod killed;
mod logins;
mod lost;
mod mirrors;
mod operators;
mod python;
mod raw;
mod server;
mod simulated;
mod slow;
mod strangers;
mod suite;
mod words;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test fails of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test to its end on a runtime of its own.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

/// Asks again and again until the answer is yes, letting everything else on this thread go on.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

/// What it comes to, which has to be soon.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}
