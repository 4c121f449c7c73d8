//! Writes without a pause while a server is killed under it.

use std::time::{Duration, Instant};

use capability::conformance::run;
use testkit::eventually;

use super::scope;
use crate::{Key, Store, StoreError};

fn key(name: &str) -> Key {
    scope("shop", "").key(name)
}

/// A server that is killed under load costs only the calls of that time, each of which ends within `limit`: what was acknowledged
/// is there.
pub(crate) fn survives_kills(store: &dyn Store, server: &mut testkit::Server, limit: Duration) {
    let acknowledged = testkit::survives_kills(server, limit, |name| async move {
        let outcome = store.put(&key(&name), name.into()).await;
        assert!(matches!(outcome, Ok(()) | Err(StoreError::Unavailable { .. })), "{outcome:?}");
        outcome.is_ok()
    });
    for name in acknowledged {
        let value = run(store.get(&key(&name))).expect("the server is up");
        assert_eq!(value, Some(name.clone().into()), "{name} was acknowledged and is gone");
    }
}

/// Asks until the store answers; how long that took.
pub(crate) fn until_well(store: &dyn Store) -> Duration {
    let started = Instant::now();
    eventually("the store answers again", || run(store.get(&key("any"))).is_ok());
    started.elapsed()
}
