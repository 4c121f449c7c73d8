//! Sends the HTTP requests of components, to the hosts that someone allowed and no others.
//!
//! ```text
//! request ─▶ Target ─▶ AllowList ─▶ resolve ─▶ each address checked ─▶ connect ─▶ TLS ─▶ HTTP/1.1
//!            (one spelling)  (or refused, with the flag that would allow it)
//! ```
//!
//! # Invariants
//!
//! 1. What was checked is what is connected to: a name is resolved here and each address is judged before the attempt.
//! 2. A host has one spelling. What a resolver might read otherwise (octal, hexadecimal, short addresses) is refused.
//! 3. Follows no redirect, asks no proxy, reads no variable: each request goes where the component sent it.
//! 4. Every wait has an end, and a component's connections are bounded.
//!
//! # Not here
//!
//! Requests from one component to another inside the host (`route`).

mod address;
mod allow;
mod body;
mod connect;
mod host;
mod target;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Answer, Egress, Transmission};
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::ComponentName;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use self::body::Received;
use self::connect::{Connector, Stream};
use self::target::Target;

pub use self::allow::{Allow, AllowList, NotAllowable};
pub use self::host::{BadHost, Host};

/// Requests of one component that may be on their way at once.
const CONNECTIONS: usize = 128;

/// Bytes of an answer's head, and its fields.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_FIELDS: usize = 256;

/// Refusals that are logged; a component that makes up hosts cannot fill a log.
const REFUSALS_LOGGED: usize = 64;

/// The way out for the HTTP requests of one component.
pub struct Outgoing {
    shared: Arc<Shared>,
}

struct Shared {
    component: ComponentName,
    connector: Connector,
    connections: Arc<Semaphore>,
    counts: Arc<OutgoingCounts>,
    /// What was refused and logged already.
    refused: Mutex<BTreeSet<String>>,
}

/// What became of a component's requests.
#[derive(Debug, Default)]
pub struct OutgoingCounts {
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    received: AtomicU64,
}

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patience {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

/// Why a request was not sent, in words for whoever could allow it.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// Nobody allowed the host.
    Host(String),
    /// The host was allowed, and leads to an address that is not public.
    Address(String),
}

// === impl Outgoing ===

impl Outgoing {
    /// A component may send requests to what is on the list.
    pub fn new(component: ComponentName, allowed: Arc<AllowList>) -> Self {
        Self::with_connector(component, Connector::new(allowed))
    }

    fn with_connector(component: ComponentName, connector: Connector) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let shared = Shared { component, connector, connections, counts: Arc::default(), refused: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// What became of the requests so far.
    pub fn counts(&self) -> &Arc<OutgoingCounts> {
        &self.shared.counts
    }
}

impl Egress for Outgoing {
    fn send(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Answer {
        let shared = self.shared.clone();
        Box::pin(async move {
            let outcome = shared.send(request, Patience::new(options)).await;
            let counter = match &outcome {
                Ok(_) => &shared.counts.answered,
                Err(Error::HttpRequestDenied | Error::DestinationIpProhibited) => &shared.counts.refused,
                Err(_) => &shared.counts.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            outcome
        })
    }
}

// === impl Shared ===

impl Shared {
    async fn send(
        &self,
        mut request: Request<WasiBody>,
        patience: Patience,
    ) -> Result<(Response<WasiBody>, Transmission), Error> {
        let target = Target::of(request.uri()).map_err(|_bad| Error::HttpRequestUriInvalid)?;
        if !self.connector.allowed.allows(&target) {
            self.log(Refusal::Host(target.as_allowed()));
            return Err(Error::HttpRequestDenied);
        }
        address_to(&mut request, &target)?;
        let permit = self.connections.clone().try_acquire_owned().map_err(|_full| Error::ConnectionLimitReached)?;
        let stream = timeout(patience.connect, self.connector.connect(&target))
            .await
            .map_err(|_elapsed| Error::ConnectionTimeout)?;
        let stream = stream.inspect_err(|error| {
            if let Error::DestinationIpProhibited = error {
                self.log(Refusal::Address(target.as_allowed()));
            }
        })?;
        let (response, connection) = exchange(stream, request, patience.first_byte).await?;
        let response = response
            .map(|incoming| Received::new(incoming, patience.between_bytes, self.counts.clone()).boxed_unsync());
        let transmission = async move {
            let _permit = permit;
            match connection {
                Some(connection) => connection.await.map_err(Error::from),
                None => Ok(()),
            }
        };
        Ok((response, Box::pin(transmission)))
    }

    /// Says once what was refused and what would allow it.
    fn log(&self, refusal: Refusal) {
        let text = refusal.to_string();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSALS_LOGGED && !refused.contains(&text) {
            warn!(component = %self.component, "outgoing HTTP request refused: {text}");
            refused.insert(text);
        }
    }
}

type Connection = http1::Connection<TokioIo<Stream>, WasiBody>;

/// Makes the request one that is sent to a server itself: a path in its first line, and the host that was checked.
fn address_to(request: &mut Request<WasiBody>, target: &Target) -> Result<(), Error> {
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    *request.uri_mut() = Uri::try_from(path).map_err(|_bad| Error::HttpRequestUriInvalid)?;
    *request.version_mut() = Version::HTTP_11;
    let host = HeaderValue::try_from(target.authority()).map_err(|_bad| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// Sends the request and waits for the head of the answer, driving the connection meanwhile. The connection is handed on
/// unless it has ended already.
async fn exchange(
    stream: Stream,
    request: Request<WasiBody>,
    first_byte: Duration,
) -> Result<(Response<hyper::body::Incoming>, Option<Connection>), Error> {
    let mut settings = http1::Builder::new();
    settings.max_buf_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
    let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await?;
    let mut connection = Some(connection);
    let answer = async {
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        loop {
            let Some(running) = connection.as_mut() else { return answer.await };
            tokio::select! {
                biased;
                response = &mut answer => return response,
                ended = running => {
                    connection = None;
                    ended?;
                }
            }
        }
    };
    let response = timeout(first_byte, answer).await.map_err(|_elapsed| Error::ConnectionReadTimeout)??;
    Ok((response, connection))
}

// === impl Patience ===

impl Patience {
    /// What the component asked for, within reason: neither no time at all nor for ever.
    fn new(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        let within = |wish: Option<Duration>, usual: u64| {
            wish.unwrap_or(Duration::from_secs(usual)).clamp(Duration::from_millis(1), Duration::from_secs(600))
        };
        Self {
            connect: within(options.connect_timeout, 10),
            first_byte: within(options.first_byte_timeout, 60),
            between_bytes: within(options.between_bytes_timeout, 60),
        }
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host} is not allowed; --allow-http {host} would allow it"),
            Self::Address(host) => write!(
                f,
                "{host} leads to an address that is not public; --allow-http with that address would allow it"
            ),
        }
    }
}

// === impl OutgoingCounts ===

impl OutgoingCounts {
    /// Requests whose answer began to arrive.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests to where nobody allowed them.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests that were allowed and got no answer.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Bytes of the bodies of answers.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
