//! This is a connection to a server: for one request after the other (HTTP/1.1), or for many at once (HTTP/2).
//!
//! # Invariants
//!
//! 1. A connection runs until it was dropped by whoever sends on it and by every answer that still arrives on it.
//! 2. What a server may send before anybody has read it is bounded, for each answer and for the connection.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::header::HOST;
use http::uri::{self, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmtime_wasi_http::Error;

use super::CONNECTIONS;
use super::connect::{Protocol, Stream};
use super::sent::Sent;
use super::target::{Scheme, Target};

/// Bytes of an answer's head, and its fields.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_FIELDS: usize = 256;

/// Bytes of one answer of HTTP/2 that wait to be read; the connection's share is such that nobody who does not read keeps the
/// others from reading.
const WINDOW: u32 = 256 << 10;
const WINDOW_CONNECTION: u32 = WINDOW * CONNECTIONS as u32;

/// A server of HTTP/2 that says nothing for so long is asked whether it is there, and has so long to answer.
const QUIET: Duration = Duration::from_secs(20);
const QUIET_ANSWER: Duration = Duration::from_secs(10);

/// A connection, with requests on it or without.
pub(super) struct Connection {
    sender: Sender,
    tasks: Tasks,
    opened: Instant,
}

enum Sender {
    /// One request at a time: whoever has the connection has it alone.
    Serial(http1::SendRequest<Sent>),
    /// Many at once.
    Shared(http2::SendRequest<Sent>),
}

/// What a connection does of its own accord. It ends with the last of its values.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Starts tasks of a connection as long as somebody has it. A task that owned the connection would never end.
#[derive(Clone)]
struct Starter(Weak<Mutex<JoinSet<()>>>);

/// A request that was not answered.
pub(super) struct Unanswered {
    pub(super) error: hyper::Error,
    /// The request, where nothing of it was sent.
    pub(super) request: Option<Box<Request<Sent>>>,
}

// === impl Connection ===

impl Connection {
    /// One on a stream that was just opened.
    pub(super) async fn open(stream: Stream, protocol: Protocol) -> Result<Self, Error> {
        let tasks = Tasks::default();
        let starter = Starter(Arc::downgrade(&tasks.0));
        let stream = TokioIo::new(stream);
        let sender = match protocol {
            Protocol::Http1 => {
                let mut settings = http1::Builder::new();
                settings.max_buf_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
                let (sender, connection) = settings.handshake(stream).await?;
                starter.execute(async move { log_end(connection.await) });
                Sender::Serial(sender)
            }
            Protocol::Http2 => {
                let mut settings = http2::Builder::new(starter.clone());
                settings
                    .timer(TokioTimer::new())
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOW_CONNECTION)
                    .max_header_list_size(HEAD_BYTES as u32)
                    .keep_alive_interval(QUIET)
                    .keep_alive_timeout(QUIET_ANSWER);
                let (sender, connection) = settings.handshake(stream).await?;
                starter.execute(async move { log_end(connection.await) });
                Sender::Shared(sender)
            }
        };
        Ok(Self { sender, tasks, opened: Instant::now() })
    }

    /// The same connection for somebody else, where it takes several requests at once.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Serial(_) => None,
            Sender::Shared(sender) => {
                let sender = Sender::Shared(sender.clone());
                Some(Self { sender, tasks: self.tasks.clone(), opened: self.opened })
            }
        }
    }

    /// Whether it takes several requests at once.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Shared(_))
    }

    /// Sends a request, and waits for the head of the answer.
    pub(super) async fn send(&mut self, request: Request<Sent>) -> Result<Response<Incoming>, Unanswered> {
        let answered = match &mut self.sender {
            Sender::Serial(sender) => sender.try_send_request(request).await,
            Sender::Shared(sender) => sender.try_send_request(request).await,
        };
        answered.map_err(|mut failed: TrySendError<_>| Unanswered {
            request: failed.take_message().map(Box::new),
            error: failed.into_error(),
        })
    }

    /// Makes the request one that is sent to a server itself, which was checked.
    pub(super) fn address(&self, request: &mut Request<Sent>, target: &Target) -> Result<(), Error> {
        let invalid = |_bad: http::Error| Error::HttpRequestUriInvalid;
        let authority = target.authority();
        let mut path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        if !path.as_str().starts_with('/') {
            path = format!("/{path}").parse().map_err(|_bad| Error::HttpRequestUriInvalid)?;
        }
        match &self.sender {
            Sender::Serial(_) => {
                *request.uri_mut() = Uri::from(path);
                *request.version_mut() = Version::HTTP_11;
                let host = HeaderValue::try_from(authority).map_err(|bad| invalid(bad.into()))?;
                request.headers_mut().insert(HOST, host);
            }
            Sender::Shared(_) => {
                let scheme = match target.scheme {
                    Scheme::Http => uri::Scheme::HTTP,
                    Scheme::Https => uri::Scheme::HTTPS,
                };
                let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
                *request.uri_mut() = uri.build().map_err(invalid)?;
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(HOST);
            }
        }
        Ok(())
    }

    /// What keeps the connection running.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// When the connection was made.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether it would take a request now.
    pub(super) fn is_free(&self) -> bool {
        match &self.sender {
            Sender::Serial(sender) => sender.is_ready(),
            Sender::Shared(sender) => sender.is_ready(),
        }
    }

    /// Whether it will never take one again.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Serial(sender) => sender.is_closed(),
            Sender::Shared(sender) => sender.is_closed(),
        }
    }

    /// Whether an answer arrives on it, or somebody else has it as well.
    pub(super) fn is_used(&self) -> bool {
        Arc::strong_count(&self.tasks.0) > 1
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a server ended");
    }
}

// === impl Starter ===

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Starter {
    fn execute(&self, task: F) {
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
