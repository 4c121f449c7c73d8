//! A provider of a lattice, as the published crates of wRPC make one: key-value pairs, objects, messages, and a price, in the
//! process of the tests.
//!
//! ```no_run
//! let nats = testkit::Nats::start();
//! let provider = testkit::Provider::start(&nats.url(), "default", "kv");
//! assert!(provider.calls().is_empty());
//! ```
//!
//! # Invariants
//!
//! 1. It speaks by the crates that providers of wasmCloud 1.x use, not by ours.
//! 2. What it was asked is noted before it answers.

mod blobs;
mod pairs;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats_of_providers as nats;
use bytes::Bytes;
use futures::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wrpc_transport::{InvokeExt, ServeExt};
use wrpc_transport_nats::Client;

use blobs::Blobs;
use pairs::{Pairs, Refused};

/// Neither parameters nor results have anything beside them.
const NO_PATHS: [Box<[Option<usize>]>; 0] = [];

const STORE: &str = "wrpc:keyvalue/store@0.2.0-draft";
const ATOMICS: &str = "wrpc:keyvalue/atomics@0.2.0-draft";
const BATCH: &str = "wrpc:keyvalue/batch@0.2.0-draft";
const TAG: &str = "demo:shop/tag@1.0.0";
const CONSUMER: &str = "wasmcloud:messaging/consumer@0.2.0";

/// Which interfaces are served, and by which tasks.
type Serving<'a> = (&'a [&'a str], &'a mut JoinSet<()>);

/// A message as `wasmcloud:messaging` has it: subject, body, and where it is to be answered.
pub type BrokerMessage = (String, Bytes, Option<String>);

/// Of several keys those that are there, with their values.
pub type ManyPairs = Vec<Option<(String, Bytes)>>;

/// A provider that keeps pairs, objects and messages, until it is dropped.
pub struct Provider {
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    nats: nats::Client,
    lattice: String,
    id: String,
}

struct Shared {
    calls: Mutex<Vec<String>>,
    pairs: Mutex<Pairs>,
    blobs: Mutex<Blobs>,
    published: Mutex<Vec<BrokerMessage>>,
    is_answering: watch::Sender<bool>,
}

/// Serves functions, each in a task of its own.
macro_rules! serve {
    ($tasks:ident, $client:ident, $shared:ident, $wanted:ident; $($instance:ident $name:literal $params:ty => $result:ty = $answer:expr;)*) => { $(if $wanted.contains(&$instance) {
        let calls = $client.serve_values::<$params, ($result,)>($instance, $name, NO_PATHS).await.expect("it serves");
        let shared = $shared.clone();
        $tasks.spawn(async move {
            let mut calls = pin!(calls);
            while let Some(call) = calls.next().await {
                let Ok((headers, params, _, answer)) = call else { continue };
                let source = shared.note($name, headers).await;
                let result: $result = ($answer)(&*shared, source.as_str(), params);
                // Who asked may be gone.
                answer((result,)).await.ok();
            }
        });
    })* };
}

// === impl Provider ===

impl Provider {
    /// Starts one of this id. It is reached when this returns.
    ///
    /// # Panics
    ///
    /// Where the server does not let it in.
    pub fn start(url: &str, lattice: &str, id: &str) -> Self {
        Self::serving(url, (lattice, id), &[STORE, ATOMICS, BATCH, CONSUMER, TAG, blobs::NEW])
    }

    /// One that keeps objects, and knows the older version of their contract only.
    ///
    /// # Panics
    ///
    /// Where the server does not let it in.
    pub fn start_old(url: &str, lattice: &str, id: &str) -> Self {
        Self::serving(url, (lattice, id), &[blobs::OLD])
    }

    /// One that gives single pairs, and nothing else.
    ///
    /// # Panics
    ///
    /// Where the server does not let it in.
    pub fn start_bare(url: &str, lattice: &str, id: &str) -> Self {
        Self::serving(url, (lattice, id), &[STORE])
    }

    fn serving(url: &str, (lattice, id): (&str, &str), interfaces: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let shared = Arc::new(Shared {
            calls: Mutex::default(),
            pairs: Mutex::default(),
            blobs: Mutex::default(),
            published: Mutex::default(),
            is_answering: watch::channel(true).0,
        });
        let nats = runtime.block_on(async {
            let nats = nats::connect(url).await.expect("it lets us in");
            let prefix = format!("{lattice}.{id}");
            let group = Some(Arc::from(prefix.as_str()));
            let client = Client::new(nats.clone(), prefix, group).await.expect("it listens");
            let mut tasks = JoinSet::new();
            serve_pairs(&client, &shared, (interfaces, &mut tasks)).await;
            serve_messages(&client, &shared, (interfaces, &mut tasks)).await;
            blobs::serve(&client, &shared, (interfaces, &mut tasks)).await;
            tasks.detach_all();
            has_heard(&nats).await;
            nats
        });
        Self { runtime: Some(runtime), shared, nats, lattice: lattice.to_owned(), id: id.to_owned() }
    }

    /// What it was asked, in order: function, `source-id`, `link-name`, and `traceparent` where that was said.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.shared.calls).clone()
    }

    /// What was published, in order.
    pub fn published(&self) -> Vec<BrokerMessage> {
        lock(&self.shared.published).clone()
    }

    /// From now on it takes calls and answers none.
    pub fn pause(&self) {
        self.shared.is_answering.send_replace(false);
    }

    /// It answers again, also what it was asked meanwhile.
    pub fn resume(&self) {
        self.shared.is_answering.send_replace(true);
    }

    /// Calls a component with a message.
    ///
    /// # Errors
    ///
    /// What came instead of an answer.
    pub fn handle(&self, component: &str, message: BrokerMessage) -> Result<Result<(), String>, String> {
        self.block_on(async {
            let (client, headers) = self.caller(component).await;
            let answer = client.invoke_values_blocking::<_, (BrokerMessage,), (Result<(), String>,)>(
                Some(headers),
                "wasmcloud:messaging/handler@0.2.0",
                "handle-message",
                (message,),
                NO_PATHS,
            );
            answer.await.map(|(answer,)| answer).map_err(|error| format!("{error:#}"))
        })
    }

    /// Tells a component of a value that was set.
    ///
    /// # Errors
    ///
    /// What came instead of an answer.
    pub fn tell_set(&self, component: &str, (bucket, key): (&str, &str), value: Bytes) -> Result<(), String> {
        self.block_on(async {
            let (client, headers) = self.caller(component).await;
            let told = client.invoke_values_blocking::<_, (&str, &str, Bytes), ()>(
                Some(headers),
                "wrpc:keyvalue/watcher@0.2.0-draft",
                "on-set",
                (bucket, key, value),
                NO_PATHS,
            );
            told.await.map_err(|error| format!("{error:#}"))
        })
    }

    /// Tells a component of a value that was deleted.
    ///
    /// # Errors
    ///
    /// What came instead of an answer.
    pub fn tell_deleted(&self, component: &str, (bucket, key): (&str, &str)) -> Result<(), String> {
        self.block_on(async {
            let (client, headers) = self.caller(component).await;
            let told = client.invoke_values_blocking::<_, (&str, &str), ()>(
                Some(headers),
                "wrpc:keyvalue/watcher@0.2.0-draft",
                "on-delete",
                (bucket, key),
                NO_PATHS,
            );
            told.await.map_err(|error| format!("{error:#}"))
        })
    }

    /// Asks a component that keeps keys for many of them. What it refuses is said by the number of its reason.
    ///
    /// # Errors
    ///
    /// What came instead of an answer.
    pub fn get_many(&self, component: &str, (bucket, keys): (&str, &[&str])) -> Result<Result<ManyPairs, u8>, String> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        self.block_on(async {
            let (client, headers) = self.caller(component).await;
            let asked = client.invoke_values_blocking::<_, (String, Vec<String>), (Result<ManyPairs, u8>,)>(
                Some(headers),
                BATCH,
                "get-many",
                (bucket.to_owned(), keys),
                NO_PATHS,
            );
            asked.await.map(|(answer,)| answer).map_err(|error| format!("{error:#}"))
        })
    }

    /// Asks a component that keeps keys whether it has one. What it refuses is said by the number of its reason.
    ///
    /// # Errors
    ///
    /// What came instead of an answer.
    pub fn has(&self, component: &str, (bucket, key): (&str, &str)) -> Result<Result<bool, u8>, String> {
        self.block_on(async {
            let (client, headers) = self.caller(component).await;
            let asked = client.invoke_values_blocking::<_, (&str, &str), (Result<bool, u8>,)>(
                Some(headers),
                STORE,
                "exists",
                (bucket, key),
                NO_PATHS,
            );
            asked.await.map(|(answer,)| answer).map_err(|error| format!("{error:#}"))
        })
    }

    async fn caller(&self, component: &str) -> (Client, nats::HeaderMap) {
        let mut headers = nats::HeaderMap::new();
        headers.insert("source-id", self.id.as_str());
        headers.insert("target-id", component);
        let prefix = format!("{}.{component}", self.lattice);
        (Client::new(self.nats.clone(), prefix, None).await.expect("it listens"), headers)
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is there until the provider is dropped").block_on(work)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may be dropped by a task of another runtime.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn serve_pairs(client: &Client, shared: &Arc<Shared>, (interfaces, tasks): Serving<'_>) {
    serve! { tasks, client, shared, interfaces;
        STORE "get" (String, String) => Result<Option<Bytes>, Refused> =
            |shared: &Shared, source: &str, (bucket, key): (String, String)| shared.pairs().get(source, &bucket, &key);
        STORE "set" (String, String, Bytes) => Result<(), Refused> =
            |shared: &Shared, source: &str, (bucket, key, value): (String, String, Bytes)| {
                shared.pairs().set(source, &bucket, vec![(key, value)])
            };
        STORE "delete" (String, String) => Result<(), Refused> =
            |shared: &Shared, source: &str, (bucket, key): (String, String)| {
                shared.pairs().delete(source, &bucket, &[key])
            };
        STORE "exists" (String, String) => Result<bool, Refused> =
            |shared: &Shared, source: &str, (bucket, key): (String, String)| {
                shared.pairs().get(source, &bucket, &key).map(|value| value.is_some())
            };
        STORE "list-keys" (String, Option<u64>) => Result<(Vec<String>, Option<u64>), Refused> =
            |shared: &Shared, source: &str, (bucket, cursor): (String, Option<u64>)| {
                shared.pairs().list(source, &bucket, cursor)
            };
        ATOMICS "increment" (String, String, u64) => Result<u64, Refused> =
            |shared: &Shared, source: &str, (bucket, key, delta): (String, String, u64)| {
                shared.pairs().increment(source, (&bucket, key), delta)
            };
        BATCH "set-many" (String, Vec<(String, Bytes)>) => Result<(), Refused> =
            |shared: &Shared, source: &str, (bucket, pairs): (String, Vec<(String, Bytes)>)| {
                shared.pairs().set(source, &bucket, pairs)
            };
        BATCH "delete-many" (String, Vec<String>) => Result<(), Refused> =
            |shared: &Shared, source: &str, (bucket, keys): (String, Vec<String>)| {
                shared.pairs().delete(source, &bucket, &keys)
            };
    }
}

async fn serve_messages(client: &Client, shared: &Arc<Shared>, (interfaces, tasks): Serving<'_>) {
    serve! { tasks, client, shared, interfaces;
        CONSUMER "publish" (BrokerMessage,) => Result<(), String> =
            |shared: &Shared, _: &str, (message,): (BrokerMessage,)| match message.0.as_str() {
                "refused" => Err("this one is not taken".to_owned()),
                _ => {
                    lock(&shared.published).push(message);
                    Ok(())
                }
            };
        CONSUMER "request" (String, Bytes, u32) => Result<BrokerMessage, String> =
            |_: &Shared, _: &str, (subject, body, _): (String, Bytes, u32)| match subject.as_str() {
                "refused" => Err("this one is not answered".to_owned()),
                _ => Ok((format!("answer.{subject}"), body, None)),
            };
        TAG "price" () => u32 = |_: &Shared, _: &str, (): ()| 7;
    }
}

/// Waits until the server has all that was said so far: what is said on a connection is heard in order.
async fn has_heard(nats: &nats::Client) {
    let inbox = nats.new_inbox();
    let mut own = nats.subscribe(inbox.clone()).await.expect("it subscribes");
    nats.publish(inbox, Bytes::new()).await.expect("it publishes");
    own.next().await.expect("its own message");
}

// === impl Shared ===

impl Shared {
    /// Notes a call; gives who makes it, once it may be answered.
    async fn note(&self, function: &str, headers: Option<nats::HeaderMap>) -> String {
        let header = |name| headers.as_ref()?.get(name).map(ToString::to_string);
        let (source, link) = (header("source-id").unwrap_or_default(), header("link-name").unwrap_or_default());
        let trace = header("traceparent").map(|parent| format!(" {parent}")).unwrap_or_default();
        lock(&self.calls).push(format!("{function} {source} {link}{trace}"));
        let mut is_answering = self.is_answering.subscribe();
        is_answering.wait_for(|is_answering| *is_answering).await.expect("its sender is here");
        source
    }

    fn pairs(&self) -> MutexGuard<'_, Pairs> {
        lock(&self.pairs)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
