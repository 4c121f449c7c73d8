//! This is a store in Redis, 6 or newer: what it acknowledges is as safe as the server's own settings make it.
//!
//! Each value is a string under a name of its own, and the names of a bucket's keys are in one sorted set beside them: Redis
//! gives its names in no order, and a set that is kept sorted gives a page for the cost of the page. A hash for each bucket
//! would be smaller and have no order. Both are changed by one script, so that they cannot differ; on a cluster both lie in
//! one slot (`names`). The price is that a name is kept twice.
//!
//! ```text
//! get                  GET                                      1 round trip
//! put, delete, apply   script                                   1
//! list                 ZRANGEBYLEX                              1
//! increment            script; above 18 digits as a swap        1; 2 for each attempt
//! swap                 GET, then a script that compares         2
//! ```
//!
//! # Invariants
//!
//! 1. Every call ends within `timeout`. Where that ends it, later calls get a new connection.
//! 2. What changes something is sent once. After no answer nobody knows whether it was made, and it is not made again.
//!
//! # Not here
//!
//! Clusters of several nodes: the names are made for them, but the connection follows no redirection. Eviction: a server that
//! drops keys when it is full (`maxmemory-policy allkeys-*`) loses what it acknowledged; `backend` says so when it is opened.

mod backend;
mod connect;
mod failure;
mod names;
mod script;
mod watching;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, Cmd, FromRedisValue, InfoDict, cmd};
use async_trait::async_trait;
use bytes::Bytes;
use line::Lanes;
use rt::within;
use stdx::ByteSize;

use crate::number::{self, Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};

use self::connect::Server;
use self::failure::{Failure, Odd};
use self::names::Prefix;

pub use self::backend::RedisBackend;
pub use self::connect::Options;
pub use line::ConnectError;

/// The largest number, without its sign, that the server is asked to add.
const DELTA_MAX: u128 = 999_999_999_999_999_999;

/// Pairs in Redis.
pub struct Redis {
    described: String,
    prefix: Prefix,
    timeout: std::time::Duration,
    lines: Lanes<Server>,
    /// For connections of their own.
    client: Client,
}

// === impl Redis ===

impl Redis {
    /// Connects, and answers once the server has answered. Must be called within the runtime that the connection is to live on.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        connect::connect(options).await
    }

    /// Makes one call, of however many questions, within its time, and says so where it shows that the connection is lost.
    async fn call<T>(&self, call: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut used = None;
        let whole = async {
            let (connection, loss) = self.lines.connection().await?;
            used = Some(loss);
            call(connection).await
        };
        let outcome = within(Some(self.timeout), whole).await.unwrap_or_else(|late| Err(late.into()));
        if let (Some(loss), Err(failure)) = (used, &outcome)
            && failure.ends_connection()
        {
            loss.tell();
        }
        outcome
    }

    /// Asks one question.
    async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, Failure> {
        self.call(async |mut connection| Ok(question.query_async(&mut connection).await?)).await
    }

    /// What the server says of itself; nothing where it does not.
    async fn info(&self) -> Option<InfoDict> {
        self.ask(&cmd("INFO")).await.ok()
    }

    /// The failure by its class. How much a full server may hold has to be asked.
    async fn classify(&self, failure: Failure) -> StoreError {
        let store = self.describe();
        if failure.is_full()
            && let Some(limit) = self.info().await.and_then(|info| info.get("maxmemory"))
        {
            return StoreError::Full { store, limit: ByteSize::bytes(limit) };
        }
        if failure.is_damage() {
            StoreError::Damaged { store, source: failure.into() }
        } else {
            StoreError::Unavailable { store, source: failure.into() }
        }
    }

    /// Makes changes to the keys of one bucket, whose index stands beside each, in one step.
    async fn apply_to_bucket(&self, changes: &[(Vec<u8>, Change)]) -> Result<(), Failure> {
        let values: Vec<_> = changes.iter().map(|(_, change)| self.prefix.value(change.key())).collect();
        let index = changes.iter().take(1).map(|(index, _)| index.as_slice());
        let keys: Vec<_> = index.chain(values.iter().map(Vec::as_slice)).collect();
        let letter = |(_, change): &(_, Change)| if matches!(change, Change::Put(..)) { b'p' } else { b'd' };
        let letters: Vec<u8> = changes.iter().map(letter).collect();
        let mut others: Vec<&[u8]> = vec![&letters];
        for (_, change) in changes {
            others.push(change.key().parts().name);
            if let Change::Put(_, value) = change {
                others.push(value);
            }
        }
        self.call(async |mut connection| Ok(script::APPLY.run(&mut connection, &keys, &others).await?)).await
    }

    async fn names(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, Failure> {
        let first = page.after.map_or_else(|| "-".to_owned(), |name| format!("({name}"));
        let mut question = cmd("ZRANGEBYLEX");
        question.arg(self.prefix.index(scope)).arg(first).arg("+");
        question.arg("LIMIT").arg(0).arg(i64::try_from(page.count_max).unwrap_or(i64::MAX));
        let names: Vec<Vec<u8>> = self.ask(&question).await?;
        Ok(names.into_iter().map(String::from_utf8).collect::<Result<_, _>>().map_err(Odd::NoText)?)
    }

    async fn add(&self, key: &Key, addend: Addend) -> Result<Sum, Failure> {
        let (index, value) = (self.prefix.index_of(key), self.prefix.value(key));
        self.call(async |mut connection| {
            let mut now = match add_by_script(&mut connection, (&index, &value), key, addend).await? {
                Added::Sum(sum) => return Ok(sum),
                Added::Not(now) => now,
            };
            // Each time that this one loses, another one has won; the call's time bounds it.
            loop {
                let sum = addend.add_to(now.as_deref());
                let Sum::Is(number) = sum else { return Ok(sum) };
                let change = Compared { key, now: now.as_deref(), new: &number::print(number) };
                if change.make(&mut connection, (&index, &value)).await? {
                    return Ok(sum);
                }
                now = get(&mut connection, &value).await?;
            }
        })
        .await
    }
}

#[async_trait]
impl Store for Redis {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let value = self.prefix.value(key);
        match self.call(async |mut connection| get(&mut connection, &value).await).await {
            Ok(value) => Ok(value),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    /// The changes to one bucket are made in one step. Several buckets are several steps.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut changes: Vec<_> =
            changes.into_iter().map(|change| (self.prefix.index_of(change.key()), change)).collect();
        // Those to one bucket stay in their order.
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        for bucket in changes.chunk_by(|a, b| a.0 == b.0) {
            if let Err(failure) = self.apply_to_bucket(bucket).await {
                return Err(self.classify(failure).await);
            }
        }
        Ok(())
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        if page.count_max == 0 {
            return Ok(Vec::new());
        }
        match self.names(scope, page).await {
            Ok(names) => Ok(names),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        match self.add(key, addend).await {
            Ok(sum) => Ok(sum),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        let place = (self.prefix.index_of(key), self.prefix.value(key));
        let swapped = self.call(async |mut connection| {
            let now = get(&mut connection, &place.1).await?;
            if Stamp::of(now.as_deref()) != seen {
                return Ok(false);
            }
            let change = Compared { key, now: now.as_deref(), new: &value };
            change.make(&mut connection, (&place.0, &place.1)).await
        });
        match swapped.await {
            Ok(true) => Ok(Swap::Written),
            Ok(false) => Ok(Swap::ChangedMeanwhile),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        let changes = within(Some(self.timeout), self.changes(scope)).await.unwrap_or_else(|late| Err(late.into()));
        match changes {
            Ok(changes) => Ok(changes),
            Err(failure) => Err(self.classify(failure).await),
        }
    }
}

/// Where a key is: the index that its name is in, and its value.
type Place<'a> = (&'a [u8], &'a [u8]);

/// What came of an addition by script.
enum Added {
    Sum(Sum),
    /// The numbers are too large for a script, or it is none: this is there.
    Not(Option<Bytes>),
}

/// A change that is made only where a key has that value, or none.
struct Compared<'a> {
    key: &'a Key,
    now: Option<&'a [u8]>,
    new: &'a [u8],
}

impl Compared<'_> {
    /// Whether it was made.
    async fn make(&self, connection: &mut MultiplexedConnection, place: Place<'_>) -> Result<bool, Failure> {
        let mut others = vec![self.key.parts().name, self.new];
        others.extend(self.now);
        Ok(script::SWAP.run(connection, &[place.0, place.1], &others).await?)
    }
}

async fn get(connection: &mut MultiplexedConnection, value: &[u8]) -> Result<Option<Bytes>, Failure> {
    Ok(cmd("GET").arg(value).query_async(connection).await?)
}

async fn add_by_script(
    connection: &mut MultiplexedConnection,
    place: Place<'_>,
    key: &Key,
    addend: Addend,
) -> Result<Added, Failure> {
    if addend.delta().unsigned_abs() > DELTA_MAX {
        return Ok(Added::Not(get(connection, place.1).await?));
    }
    let delta = addend.delta().to_string();
    let sign: &[u8] = if addend.has_sign() { b"s" } else { b"u" };
    let others = [key.parts().name, delta.as_bytes(), sign];
    let (is_added, now): (bool, Bytes) = script::INCREMENT.run(connection, &[place.0, place.1], &others).await?;
    if !is_added {
        return Ok(Added::Not(Some(now)));
    }
    number::parse(&now).map(|sum| Added::Sum(Sum::Is(sum))).ok_or_else(|| Odd::NoNumber.into())
}

#[cfg(test)]
mod tests;
