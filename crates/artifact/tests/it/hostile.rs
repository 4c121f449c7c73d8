//! A server that answers whatever a test wants, and remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What the server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
}

pub(crate) type Answer = Response<Full<Bytes>>;

type Answering = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server. It ends when it is dropped.
pub(crate) struct Hostile {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    runtime: Option<Runtime>,
}

/// An answer with these headers.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let answer =
        headers.iter().fold(Response::builder().status(status), |answer, (name, value)| answer.header(*name, *value));
    answer.body(Full::new(body.into())).expect("an answer")
}

// === impl Hostile ===

impl Hostile {
    pub(crate) fn start(answering: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        runtime.spawn(serve(listener, Arc::new(answering), asked.clone()));
        Self { address, asked, runtime: Some(runtime) }
    }

    /// `HOST:PORT`, as references name it.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn serve(listener: TcpListener, answering: Answering, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (answering, asked) = (answering.clone(), asked.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let authorization =
                request.headers().get("authorization").map(|value| value.to_str().expect("text").to_owned());
            let question =
                Asked { method: request.method().to_string(), target: request.uri().to_string(), authorization };
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(question.clone());
            std::future::ready(Ok::<_, Infallible>(answering(&question)))
        });
        connections.spawn(http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(socket), service));
    }
}
