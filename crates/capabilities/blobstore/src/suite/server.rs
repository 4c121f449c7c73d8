//! A server that speaks S3, in the process of the tests: it keeps its buckets in a folder.

use std::path::Path;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rt::Task;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::HOME;
use crate::s3::Options;

const ID: &str = "an-id";
const KEY: &str = "a-key";

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    port: u16,
    folder: TempDir,
    _task: Task,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        std::fs::create_dir(folder.path().join("bucket")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("the folder is there"));
        service.set_auth(SimpleAuth::from_single(ID, KEY));
        let service = service.build();
        let listener = HOME.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let _home = HOME.enter();
        let task = Task::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
                connections.spawn(connection);
            }
        });
        Self { port, folder, _task: task }
    }

    /// Where its buckets are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn options(&self) -> Options {
        options(self.port)
    }
}

/// What opens the bucket of a server on that port.
pub(crate) fn options(port: u16) -> Options {
    Options {
        bucket: "bucket".into(),
        region: "us-east-1".into(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        key: Some((ID.into(), KEY.into())),
        allow_http: true,
        prefix: "wattle".into(),
        timeout: Duration::from_secs(20),
    }
}
