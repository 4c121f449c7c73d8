//! A server that speaks S3, in the process of the tests: it keeps its buckets in a folder.

use std::path::Path;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::load::Mortal;
use crate::wait::eventually;

/// A server that speaks S3, with one empty bucket. It ends when it is dropped.
#[derive(Debug)]
pub struct S3 {
    listening: Listening,
    folder: TempDir,
}

/// What answers requests on a port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    port: u16,
    runtime: Option<Runtime>,
}

// === impl S3 ===

impl S3 {
    /// Its bucket.
    pub const BUCKET: &str = "bucket";

    /// The id of the key that it asks for.
    pub const ACCESS_KEY: &str = "an-id";

    /// The key that it asks for.
    pub const SECRET_KEY: &str = "a-key";

    /// Starts one.
    ///
    /// # Panics
    ///
    /// Where the system gives no folder, port or thread.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        std::fs::create_dir(folder.path().join(Self::BUCKET)).expect("a bucket");
        Self { listening: Listening::start(service(folder.path())), folder }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }

    /// Where its buckets are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Mortal for S3 {
    fn kill(&mut self) {
        self.listening.end();
    }

    fn restart(&mut self) {
        self.listening.start_again(service(self.folder.path()));
    }
}

/// What answers with the buckets in a folder, to whoever has the key.
fn service(folder: &Path) -> S3Service {
    let mut service = buckets(folder);
    service.set_auth(SimpleAuth::from_single(S3::ACCESS_KEY, S3::SECRET_KEY));
    service.build()
}

/// The buckets in a folder, which do not ask who asks.
pub(crate) fn buckets(folder: &Path) -> S3ServiceBuilder {
    S3ServiceBuilder::new(FileSystem::new(folder).expect("the folder is there"))
}

// === impl Listening ===

impl Listening {
    /// Answers with a service, on a thread of its own.
    pub(crate) fn start(service: impl HttpService) -> Self {
        Self::start_on(std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port"), service)
    }

    fn start_on(listener: std::net::TcpListener, service: impl HttpService) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives a runtime");
        listener.set_nonblocking(true).expect("the socket is ours");
        let port = listener.local_addr().expect("it is bound").port();
        runtime.spawn(serve(listener, service));
        Self { port, runtime: Some(runtime) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Cuts all connections, and takes no more.
    pub(crate) fn end(&mut self) {
        self.runtime.take().into_iter().for_each(|runtime| runtime.shutdown_timeout(Duration::from_secs(5)));
    }

    /// Answers with a service on the port that it had.
    pub(crate) fn start_again(&mut self, service: impl HttpService) {
        self.end();
        let mut listener = None;
        // The port may be in somebody else's hands for a moment.
        eventually("the port is free", || {
            listener = std::net::TcpListener::bind(("127.0.0.1", self.port)).ok();
            listener.is_some()
        });
        *self = Self::start_on(listener.expect("the port was free"), service);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Not waited for: a test may drop it within a runtime of its own.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// What answers the requests of a connection.
pub(crate) trait HttpService:
    Service<Request<Incoming>, Response = Response<Body>, Error = HttpError, Future: Send> + Clone + Send + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = HttpError, Future: Send> + Clone + Send + 'static
{
}

async fn serve(listener: std::net::TcpListener, service: impl HttpService) {
    let listener = TcpListener::from_std(listener).expect("the socket is ours");
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone()));
    }
}
