//! A server that speaks S3, in the process of the tests: it keeps its buckets in a folder.

use std::path::Path;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// A server that speaks S3, with one empty bucket. It ends when it is dropped.
#[derive(Debug)]
pub struct S3 {
    port: u16,
    folder: TempDir,
    runtime: Option<Runtime>,
}

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
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("the folder is there"));
        service.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY, Self::SECRET_KEY));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.set_nonblocking(true).expect("the socket is ours");
        let port = listener.local_addr().expect("it is bound").port();
        runtime.spawn(serve(listener, service.build()));
        Self { port, folder, runtime: Some(runtime) }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where its buckets are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // Not waited for: a test may drop it within a runtime of its own.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) {
    let listener = TcpListener::from_std(listener).expect("the socket is ours");
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone()));
    }
}
