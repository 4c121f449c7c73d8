//! This is a place for objects in a cloud: a bucket of S3 or of a server that speaks its language, a bucket of Google
//! Cloud Storage, or a container of Azure.
//!
//! ```text
//! PREFIX/COMPONENT/CONTAINER/OBJECT     each a piece of `scope`
//! PREFIX/COMPONENT/!CONTAINER           an empty object: the container is there
//! PREFIX/COMPONENT/!/CONTAINER/OBJECT   the name of an object whose piece is cut
//! ```
//!
//! # Invariants
//!
//! 1. No request waits longer than the timeout, nor does any piece of an object that is read.
//! 2. An upload holds 8 MiB and no more; one of less is a single request. What is dropped is aborted, as far as the
//!    server can be reached: a rule of the bucket that deletes unfinished uploads takes care of the rest, in Azure a week.
//! 3. The name of an object whose piece is cut is kept before the object is, and until its container is removed.
//!
//! # Not here
//!
//! Changes of containers are not atomic, since a bucket has none within it: what is written while one is removed may stay.

pub mod azure;
pub mod gcs;
pub mod s3;
mod upload;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use capability::settings::{Default as Unsaid, Kind};
use capability::{OpenError, Setting, Settings};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use rt::within;
use stdx::BoxError;
use tokio::runtime::Handle;

use crate::aborts::Aborts;
use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Pieces, Span, Upload};
use crate::scope::{self, Container, Object, RESERVED};
use upload::Writing;

/// A request is sent again so many times at most, within the timeout.
const RETRIES: usize = 2;

/// An upload's part. S3 and Google take 10,000 of them, Azure 50,000.
const PART: usize = 8 << 20;

/// The largest object that S3 copies in one request; the others have no such limit.
const COPY_MAX: u64 = 5 << 30;

/// Numbers from here on are no offsets for every server, and beyond the end of every object.
const END_MAX: u64 = i64::MAX as u64;

/// Objects in a bucket.
pub struct Bucket {
    connection: Arc<Connection>,
    aborts: Aborts,
}

/// The bucket, with how long it may take to answer.
struct Connection {
    store: Arc<dyn ObjectStore>,
    described: String,
    prefix: Path,
    timeout: Duration,
}

/// How a bucket is reached, of whatever kind it is.
#[derive(Clone)]
pub struct Reach {
    /// The server; that of the kind where there is none.
    pub endpoint: Option<String>,
    /// Whether the server may be one without TLS.
    pub allow_http: bool,
    /// What the path of each object begins with.
    pub prefix: String,
    /// How long one request may take.
    pub timeout: Duration,
}

/// What sends the requests to a bucket.
struct Client {
    options: ClientOptions,
    retry: RetryConfig,
    connector: SpawnedReqwestConnector,
}

const ENDPOINT: Setting = Setting {
    name: "endpoint",
    about: "the server; that of the provider where nothing is said",
    kind: Kind::Url(&["https", "http"]),
    default: Unsaid::Absent,
};

const ALLOW_HTTP: Setting = Setting {
    name: "allow-http",
    about: "whether the endpoint may be one without TLS",
    kind: Kind::Switch,
    default: Unsaid::Is("false"),
};

const PREFIX: Setting = Setting {
    name: "prefix",
    about: "what the path of each object begins with",
    kind: Kind::Text,
    default: Unsaid::Is("wattle"),
};

const TIMEOUT: Setting = Setting {
    name: "timeout",
    about: "how long one request may take, and each piece of an object",
    kind: Kind::Time,
    default: Unsaid::Is("30s"),
};

// === impl Reach ===

impl Reach {
    fn from_settings(settings: &Settings) -> Self {
        Self {
            endpoint: settings.text("endpoint").map(str::to_owned),
            allow_http: settings.is_on("allow-http"),
            prefix: settings.text("prefix").expect("it has a default").to_owned(),
            timeout: settings.time("timeout").expect("it has a default"),
        }
    }

    /// What is reached, for messages.
    fn describe(&self, what: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{what} at {}", capability::settings::without_password(endpoint)),
            None => what.to_owned(),
        }
    }

    /// Requests are made on the runtime in which it is opened: the cores that run components never wait for each other.
    fn client(&self) -> Client {
        // The client of requests asks for the process's own choice, and panics where there is none.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            rustls::crypto::ring::default_provider().install_default().ok();
        }
        let timeout = self.timeout;
        Client {
            options: ClientOptions::new().with_timeout_disabled().with_connect_timeout(timeout),
            retry: RetryConfig { max_retries: RETRIES, retry_timeout: timeout, ..RetryConfig::default() },
            connector: SpawnedReqwestConnector::new(Handle::current()),
        }
    }

    /// Looks into a bucket, and has it if it is there.
    async fn look_into(
        &self,
        described: String,
        store: object_store::Result<impl ObjectStore>,
    ) -> Result<Bucket, OpenError> {
        let refused = |error: object_store::Error| OpenError::refused(described.clone(), error);
        let store = Arc::new(store.map_err(refused)?);
        let prefix = Path::parse(&self.prefix).map_err(|error| refused(error.into()))?;
        let connection = Connection { store, described: described.clone(), prefix, timeout: self.timeout };
        let bucket = Bucket::new(connection);
        let mut listed = bucket.connection.store.list(Some(&bucket.connection.prefix));
        match bucket.connection.ask_for(listed.try_next()).await {
            Ok(Some(_)) => Ok(bucket),
            Ok(None) => Err(OpenError::refused(described, "there is no such bucket")),
            Err(error) => Err(OpenError::unavailable(described, error)),
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn new(connection: Connection) -> Self {
        Self { connection: Arc::new(connection), aborts: Aborts::new() }
    }

    /// On a store that is no server.
    #[cfg(test)]
    pub(crate) fn on(store: Arc<dyn ObjectStore>, prefix: &str, timeout: Duration) -> Self {
        let prefix = Path::parse(prefix).expect("a test names its prefix well");
        Self::new(Connection { store, described: "the bucket of a test".into(), prefix, timeout })
    }
}

// === impl Connection ===

impl Connection {
    fn failed(&self, source: impl Into<BoxError>) -> BlobsError {
        BlobsError::Unavailable { store: self.described.clone(), source: source.into() }
    }

    /// What the server says, where it says something in time.
    async fn ask<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, BlobsError> {
        self.ask_for(request).await?.ok_or_else(|| self.failed("the bucket is not there"))
    }

    /// The same; `None` where there is no such thing.
    async fn ask_for<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Option<T>, BlobsError> {
        match within(Some(self.timeout), request).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(late) => Err(self.failed(late)),
        }
    }

    fn path(&self, pieces: &[&str]) -> Path {
        let path = [&[self.prefix.as_ref()], pieces].concat().join("/");
        Path::parse(path).expect("pieces are printable ASCII, see scope")
    }

    fn path_of(&self, object: &Object) -> Path {
        let [component, container] = object.container().pieces();
        self.path(&[component, container, object.piece()])
    }

    fn folder_of(&self, container: &Container) -> Path {
        self.path(&container.pieces())
    }

    /// Where the names are that cannot be told from a container's pieces. No sign is only the mark.
    fn names_of(&self, container: &Container) -> Path {
        let [component, container] = container.pieces();
        self.path(&[component, RESERVED, container])
    }

    fn name_path(&self, container: &Container, piece: &str) -> Path {
        let [component, container] = container.pieces();
        self.path(&[component, RESERVED, container, piece])
    }

    /// The object that says that a container is there.
    fn sign_of(&self, container: &Container) -> Path {
        let [component, container] = container.pieces();
        self.path(&[component, &format!("{RESERVED}{container}")])
    }

    async fn name_of(&self, container: &Container, path: Path) -> Result<Option<String>, BlobsError> {
        let Some(piece) = path.filename() else { return Ok(None) };
        if !scope::is_cut(piece) {
            return Ok(scope::name_of(piece));
        }
        let kept = self.name_path(container, piece);
        let name = match self.ask_for(self.store.get(&kept)).await? {
            Some(kept) => self.ask(kept.bytes()).await?,
            None => Bytes::new(),
        };
        // What is there has its name kept: it is gone only with the container.
        let name = String::from_utf8(name.into()).ok().filter(|name| !name.is_empty());
        let damaged = || BlobsError::Damaged {
            store: self.described.clone(),
            source: format!("{path} has no name at {kept}").into(),
        };
        name.ok_or_else(damaged).map(Some)
    }

    /// Keeps the name of an object that cannot be told from its piece.
    async fn keep_name(&self, object: &Object) -> Result<(), BlobsError> {
        if !object.is_cut() {
            return Ok(());
        }
        let path = self.name_path(object.container(), object.piece());
        let name = PutPayload::from(object.name().to_owned());
        self.ask(self.store.put(&path, name)).await.map(drop)
    }

    /// Deletes all below a path.
    async fn delete_below(&self, folder: &Path) -> Result<(), BlobsError> {
        loop {
            let listed = self.store.list(Some(folder)).map_ok(|object| object.location);
            let paths: Vec<Path> = self.ask(listed.take(1_000).try_collect()).await?;
            if paths.is_empty() {
                return Ok(());
            }
            self.delete(paths).await?;
        }
    }

    async fn delete(&self, paths: Vec<Path>) -> Result<(), BlobsError> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.store.delete_stream(paths);
        // Where one was not there, the answer is that it is not there.
        while self.ask_for(deleted.try_next()).await? != Some(None) {}
        Ok(())
    }
}

#[async_trait]
impl Blobs for Bucket {
    fn describe(&self) -> String {
        self.connection.described.clone()
    }

    async fn create(&self, container: &Container) -> Result<(), BlobsError> {
        if self.created_at(container).await?.is_some() {
            return Ok(());
        }
        let sign = self.connection.sign_of(container);
        self.connection.ask(self.connection.store.put(&sign, PutPayload::new())).await.map(drop)
    }

    async fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        let sign = self.connection.sign_of(container);
        let found = self.connection.ask_for(self.connection.store.head(&sign)).await?;
        Ok(found.map(|sign| sign.last_modified.into()))
    }

    async fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        self.connection.delete(vec![self.connection.sign_of(container)]).await?;
        self.clear(container).await?;
        self.connection.delete_below(&self.connection.names_of(container)).await
    }

    async fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        self.connection.delete_below(&self.connection.folder_of(container)).await
    }

    async fn list(&self, container: &Container, page: Page<'_>) -> Result<Vec<String>, BlobsError> {
        let folder = self.connection.folder_of(container);
        let after = page.after.map(|name| self.connection.path_of(&container.object(name)));
        let listed = match &after {
            Some(after) => self.connection.store.list_with_offset(Some(&folder), after),
            None => self.connection.store.list(Some(&folder)),
        };
        // A server that cannot begin there begins at the beginning.
        let is_next = |path: &Path| after.as_ref().is_none_or(|after| path > after);
        let listed = listed.map_ok(|object| object.location);
        let listed = listed.try_filter(|path| std::future::ready(is_next(path))).take(page.count_max);
        let paths: Vec<Path> = self.connection.ask(listed.try_collect()).await?;
        let mut names = Vec::with_capacity(paths.len());
        for path in paths {
            names.extend(self.connection.name_of(container, path).await?);
        }
        Ok(names)
    }

    async fn facts(&self, object: &Object) -> Result<Option<Facts>, BlobsError> {
        let path = self.connection.path_of(object);
        let found = self.connection.ask_for(self.connection.store.head(&path)).await?;
        Ok(found.map(|found| Facts { size: found.size, created: found.last_modified.into() }))
    }

    async fn read(&self, object: &Object, span: Span) -> Result<Option<Blob>, BlobsError> {
        let path = self.connection.path_of(object);
        let options = GetOptions { range: range(span), ..GetOptions::default() };
        let found = match self.connection.ask_for(self.connection.store.get_opts(&path, options)).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // A range that begins beyond the end is an error of S3 and none here.
            Err(error) if range(span).is_some() => {
                return match self.facts(object).await? {
                    Some(facts) if facts.size <= span.first => {
                        Ok(Some(Blob { size: 0, pieces: stream::empty().boxed() }))
                    }
                    Some(_) => Err(error),
                    None => Ok(None),
                };
            }
            Err(error) => return Err(error),
        };
        let size = found.range.end - found.range.start;
        Ok(Some(Blob { size, pieces: pieces(self.connection.clone(), found) }))
    }

    async fn write(&self, object: &Object) -> Result<Box<dyn Upload>, BlobsError> {
        if self.created_at(object.container()).await?.is_none() {
            return Err(BlobsError::no_container_of(object));
        }
        self.connection.keep_name(object).await?;
        Ok(Box::new(Writing::new(self.connection.clone(), object, self.aborts.clone())))
    }

    async fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        self.connection.delete(objects.iter().map(|object| self.connection.path_of(object)).collect()).await
    }

    async fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let facts = self.facts(source).await?.ok_or_else(|| BlobsError::no_object(source))?;
        if source == target {
            return Ok(());
        }
        if facts.size > COPY_MAX {
            let blob = self.read(source, Span::ALL).await?.ok_or_else(|| BlobsError::no_object(source))?;
            return blob.pour(self.write(target).await?).await;
        }
        if self.created_at(target.container()).await?.is_none() {
            return Err(BlobsError::no_container_of(target));
        }
        self.connection.keep_name(target).await?;
        let [from, to] = [source, target].map(|object| self.connection.path_of(object));
        self.connection.ask(self.connection.store.copy(&from, &to)).await
    }
}

fn range(span: Span) -> Option<GetRange> {
    match (span.first, span.last) {
        (0, END_MAX..) => None,
        (first, END_MAX..) => Some(GetRange::Offset(first)),
        (first, last) => Some(GetRange::Bounded(first..last + 1)),
    }
}

/// The bytes of an answer, each piece in time.
fn pieces(connection: Arc<Connection>, found: object_store::GetResult) -> Pieces {
    let next = |(connection, mut pieces): (Arc<Connection>, stream::BoxStream<'static, _>)| async move {
        let piece = connection.ask(pieces.try_next()).await?;
        Ok(piece.map(|piece| (piece, (connection, pieces))))
    };
    stream::try_unfold((connection, found.into_stream()), next).boxed()
}

#[cfg(test)]
mod tests;
