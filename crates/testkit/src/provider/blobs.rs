//! The objects that a provider keeps, apart for each component that asks, and how it serves them: in version 0.2.0 of the contract,
//! where it counts the last byte of what it is asked for, or in 0.1.0, where it does not, as providers differ.
//!
//! An object whose stream was cut is none. Containers of some names are as one would not like them: of `broken` objects are read
//! by half and then not, of `stuck` their first piece and nothing more, of `lying` more than they have, and of `whole` all of them,
//! whatever was asked for. In `stern` it refuses to say whether an object is there that is not, to delete one, and to remove the
//! container while it has objects.

use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, stream};
use tokio::task::JoinSet;
use wrpc_transport::ServeExt;
use wrpc_transport_nats::Client;

use super::{Serving, Shared, lock};

pub(super) const NEW: &str = "wrpc:blobstore/blobstore@0.2.0";
pub(super) const OLD: &str = "wrpc:blobstore/blobstore@0.1.0";

/// Names that go in one chunk of a stream.
const CHUNK: usize = 128;

/// A container in which little is taken for granted.
const STERN: &str = "stern";

type Id = (String, String);
type Answer<T> = Result<T, String>;
type Data = Pin<Box<dyn Stream<Item = Bytes> + Send>>;
type Names = Pin<Box<dyn Stream<Item = Vec<String>> + Send>>;
type Fate = Pin<Box<dyn Future<Output = Answer<()>> + Send>>;

/// Containers by who made them and what they are called.
#[derive(Default)]
pub(super) struct Blobs {
    containers: BTreeMap<(String, String), Container>,
}

struct Container {
    created: u64,
    objects: BTreeMap<String, Object>,
}

#[derive(Clone)]
struct Object {
    created: u64,
    pieces: Vec<Bytes>,
}

/// A call that is to be answered.
struct Asked {
    shared: Arc<Shared>,
    source: String,
    /// What brings the streams among the parameters.
    coming: Option<BoxFuture<'static, io::Result<()>>>,
}

/// Serves functions; each call is answered in a task of its own.
macro_rules! serve {
    ($tasks:ident, $client:ident, $shared:ident, $instance:ident;
        $($name:literal $params:ty => $result:ty = |$asked:ident, $given:pat_param| $answer:expr;)*) => { $(
        let calls = $client.serve_values::<$params, ($result,)>($instance, $name, paths($name)).await.expect("it serves");
        let shared: Arc<Shared> = $shared.clone();
        $tasks.spawn(async move {
            let mut calls = pin!(calls);
            let mut answers = JoinSet::new();
            while let Some(call) = calls.next().await {
                let Ok((headers, $given, coming, answer)) = call else { continue };
                let shared = shared.clone();
                answers.spawn(async move {
                    let source = shared.note($name, headers).await;
                    let coming = coming.map(|coming| Box::pin(coming) as BoxFuture<'static, io::Result<()>>);
                    let $asked = Asked { shared, source, coming };
                    let result: $result = $answer;
                    // Who asked may be gone.
                    answer((result,)).await.ok();
                });
            }
        });
    )* };
}

/// Where among the parameters of a function streams are.
fn paths(function: &str) -> Arc<[Box<[Option<usize>]>]> {
    let paths: Vec<Box<[Option<usize>]>> = match function {
        "write-container-data" => vec![Box::from([Some(1)])],
        _ => Vec::new(),
    };
    paths.into()
}

/// Serves what is wanted of both versions.
pub(super) async fn serve(client: &Client, shared: &Arc<Shared>, (interfaces, tasks): Serving<'_>) {
    if interfaces.contains(&NEW) {
        serve_all(client, shared, (NEW, &mut *tasks)).await;
        serve! { tasks, client, shared, NEW;
            "list-container-objects" (String, Option<u64>, Option<u64>) => Answer<(Names, Fate)> =
                |asked, (container, limit, offset)| {
                    asked.names(container, (limit, offset)).map(|names| (names, fine()))
                };
            "get-container-data" (Id, u64, u64) => Answer<(Data, Fate)> =
                |asked, (id, start, end)| asked.read(id, (start, end.saturating_add(1)));
            "write-container-data" (Id, Data) => Answer<Fate> =
                |asked, (id, data)| Ok(Box::pin(asked.write(id, data)));
        }
    }
    if interfaces.contains(&OLD) {
        serve_all(client, shared, (OLD, &mut *tasks)).await;
        serve! { tasks, client, shared, OLD;
            "list-container-objects" (String, Option<u64>, Option<u64>) => Answer<Names> =
                |asked, (container, limit, offset)| asked.names(container, (limit, offset));
            "get-container-data" (Id, u64, u64) => Answer<Data> =
                |asked, (id, start, end)| asked.read(id, (start, end)).map(|(data, _)| data);
            "write-container-data" (Id, Data) => Answer<()> = |asked, (id, data)| asked.write(id, data).await;
        }
    }
}

/// Serves what both versions have.
async fn serve_all(client: &Client, shared: &Arc<Shared>, (instance, tasks): (&'static str, &mut JoinSet<()>)) {
    serve! { tasks, client, shared, instance;
        "create-container" (String,) => Answer<()> =
            |asked, (container,)| asked.blobs().create(&asked.source, container);
        "container-exists" (String,) => Answer<bool> =
            |asked, (container,)| Ok(asked.blobs().container(&asked.source, &container).is_ok());
        "get-container-info" (String,) => Answer<u64> =
            |asked, (container,)| asked.blobs().container(&asked.source, &container).map(|container| container.created);
        "delete-container" (String,) => Answer<()> =
            |asked, (container,)| asked.blobs().remove(&asked.source, container);
        "clear-container" (String,) => Answer<()> =
            |asked, (container,)| asked.blobs().container(&asked.source, &container).map(|it| it.objects.clear());
        "has-object" (Id,) => Answer<bool> = |asked, (id,)| match asked.blobs().object(&asked.source, &id) {
            Err(refused) if id.0 == STERN => Err(refused),
            object => Ok(object.is_ok()),
        };
        "get-object-info" (Id,) => Answer<(u64, u64)> =
            |asked, (id,)| asked.blobs().object(&asked.source, &id).map(|object| (object.created, object.size()));
        "delete-objects" (String, Vec<String>) => Answer<()> = |asked, (container, names)| {
            let mut blobs = asked.blobs();
            blobs.container(&asked.source, &container).and_then(|it| {
                if container == STERN && names.iter().any(|name| !it.objects.contains_key(name)) {
                    return Err("no such object".into());
                }
                it.objects.retain(|name, _| !names.contains(name));
                Ok(())
            })
        };
        "copy-object" (Id, Id) => Answer<()> = |asked, (source, target)| {
            let mut blobs = asked.blobs();
            blobs.object(&asked.source, &source).and_then(|object| blobs.put(&asked.source, target, object))
        };
    }
}

fn fine() -> Fate {
    Box::pin(std::future::ready(Ok(())))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// === impl Asked ===

impl Asked {
    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        lock(&self.shared.blobs)
    }

    /// Names in an order of its own.
    fn names(&self, container: String, (limit, offset): (Option<u64>, Option<u64>)) -> Answer<Names> {
        let number = |number: Option<u64>, other: usize| number.map_or(other, |number| number as usize);
        let mut blobs = self.blobs();
        let names = blobs.container(&self.source, &container)?.objects.keys().rev().cloned();
        let names: Vec<String> = names.skip(number(offset, 0)).take(number(limit, usize::MAX)).collect();
        let chunks: Vec<Vec<String>> = names.chunks(CHUNK).map(<[String]>::to_vec).collect();
        Ok(Box::pin(stream::iter(chunks)))
    }

    /// The bytes from the one number to before the other.
    fn read(&self, id: Id, asked: (u64, u64)) -> Answer<(Data, Fate)> {
        let object = self.blobs().object(&self.source, &id)?;
        let mut pieces = object.part(if id.0 == "whole" { (0, u64::MAX) } else { asked });
        let (data, fate): (Data, Fate) = match id.0.as_str() {
            "broken" => {
                pieces.truncate(pieces.len() / 2);
                (Box::pin(stream::iter(pieces)), Box::pin(std::future::ready(Err("boom".to_owned()))))
            }
            "stuck" => (Box::pin(stream::iter(pieces.into_iter().take(1)).chain(stream::pending())), fine()),
            "lying" => (Box::pin(stream::iter(pieces).chain(stream::iter([Bytes::from_static(b"and more")]))), fine()),
            _ => (Box::pin(stream::iter(pieces)), fine()),
        };
        Ok((data, fate))
    }

    /// Keeps what comes, where all of it does.
    async fn write(self, id: Id, data: Data) -> Answer<()> {
        let Self { shared, source, coming } = self;
        let coming = async {
            match coming {
                Some(coming) => coming.await,
                None => Ok(()),
            }
        };
        let (pieces, whole) = futures::future::join(data.collect::<Vec<Bytes>>(), coming).await;
        whole.map_err(|error| format!("the object did not come whole: {error}"))?;
        lock(&shared.blobs).put(&source, id, Object { created: now(), pieces })
    }
}

// === impl Blobs ===

impl Blobs {
    fn create(&mut self, source: &str, container: String) -> Answer<()> {
        if self.container(source, &container).is_ok() {
            return Err("there is such a container".into());
        }
        let made = Container { created: now(), objects: BTreeMap::new() };
        self.containers.insert((source.to_owned(), container), made);
        Ok(())
    }

    fn remove(&mut self, source: &str, container: String) -> Answer<()> {
        if container == STERN && !self.container(source, &container)?.objects.is_empty() {
            return Err("the container is not empty".into());
        }
        self.containers.remove(&(source.to_owned(), container)).map(drop).ok_or_else(|| "no such container".into())
    }

    fn container(&mut self, source: &str, container: &str) -> Answer<&mut Container> {
        let place = (source.to_owned(), container.to_owned());
        self.containers.get_mut(&place).ok_or_else(|| "no such container".into())
    }

    fn object(&mut self, source: &str, (container, name): &Id) -> Answer<Object> {
        self.container(source, container)?.objects.get(name).cloned().ok_or_else(|| "no such object".into())
    }

    fn put(&mut self, source: &str, (container, name): Id, object: Object) -> Answer<()> {
        self.container(source, &container)?.objects.insert(name, object);
        Ok(())
    }
}

// === impl Object ===

impl Object {
    fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    fn part(&self, (start, end): (u64, u64)) -> Vec<Bytes> {
        let (mut at, mut part) = (0, Vec::new());
        for piece in &self.pieces {
            let within = |number: u64| number.saturating_sub(at).min(piece.len() as u64) as usize;
            let (from, to) = (within(start), within(end));
            if from < to {
                part.push(piece.slice(from..to));
            }
            at += piece.len() as u64;
        }
        part
    }
}
