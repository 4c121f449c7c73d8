//! Sends the HTTP requests of components, to the hosts that someone allowed and no others, or to whom a link leads them
//! ([`Linked`]).
//!
//! ```text
//! request ─▶ Target ─▶ AllowList ─▶ a connection that is kept ────────────────────────────────▶ HTTP/1.1 or 2
//!     (one spelling)  (or refused)  └▶ resolve ─▶ each address checked ─▶ connect ─▶ TLS ─▶ a new one
//! ```
//!
//! # Invariants
//!
//! 1. What was checked is what is connected to: a name is resolved here, once, and each address is judged before the attempt.
//! 2. A host has one spelling. What a resolver might read otherwise (octal, hexadecimal, short addresses) is refused.
//! 3. Follows no redirect, asks no proxy, reads no variable: each request goes where the component sent it.
//! 4. Every wait has an end, and a component's requests and connections are bounded.
//! 5. A request is sent twice only where nothing of it was sent before, or where it does the same when done twice, has no body,
//!    and was lost with a connection that had been kept.
//!
//! # Not here
//!
//! HTTP/2 without TLS to whom nobody said that it is spoken there (`h2c://`): a component cannot.

mod address;
mod allow;
mod body;
mod connect;
mod connection;
mod host;
mod linked;
mod pool;
mod range;
mod sent;
mod target;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Answer, Egress, Transmission};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use model::ComponentName;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use self::body::Received;
use self::connect::Connector;
use self::connection::{Connection, Tasks, Unanswered};
use self::pool::Pool;
use self::sent::Sent;
use self::target::Target;

pub use self::allow::{Allow, AllowList, NotAllowable};
pub use self::host::{BadHost, Host};
pub use self::linked::Linked;

/// Requests of one component that may be on their way at once.
const CONNECTIONS: usize = 128;

/// Refusals that are logged; a component that makes up hosts cannot fill a log.
const REFUSALS_LOGGED: usize = 64;

/// The way out for the HTTP requests of one component.
pub struct Outgoing {
    shared: Arc<Shared>,
}

struct Shared {
    component: ComponentName,
    connector: Connector,
    pool: Pool,
    /// Places of requests that are on their way.
    places: Arc<Semaphore>,
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

/// Where a request goes, and how long that may take.
struct Errand {
    target: Target,
    patience: Patience,
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
    /// The host was not allowed, and leads to no address of a range that was.
    Range(String),
}

// === impl Outgoing ===

impl Outgoing {
    /// A component may send requests to what is on the list.
    pub fn new(component: ComponentName, allowed: Arc<AllowList>) -> Self {
        Self::with_connector(component, Connector::new(allowed))
    }

    fn with_connector(component: ComponentName, connector: Connector) -> Self {
        let shared = Shared {
            component,
            connector,
            pool: Pool::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            counts: Arc::default(),
            refused: Mutex::default(),
        };
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
        request: Request<WasiBody>,
        patience: Patience,
    ) -> Result<(Response<WasiBody>, Transmission), Error> {
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let target = Target::of(request.uri()).map_err(|_bad| Error::HttpRequestUriInvalid)?;
        if !self.connector.allowed.allows(&target) {
            self.log(Refusal::Host(target.as_allowed()));
            return Err(Error::HttpRequestDenied);
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_full| Error::ConnectionLimitReached)?;
        let place = Arc::new(place);
        let (head, body) = request.into_parts();
        let (body, sent) = Sent::new(body, place.clone());
        let (response, tasks) = self.exchange(Request::from_parts(head, body), &Errand { target, patience }).await?;
        let held = (place, tasks);
        let response = response
            .map(|incoming| Received::new(incoming, patience.between_bytes, self.counts.clone(), held).boxed_unsync());
        let transmission = async { sent.await.unwrap_or(Err(Error::ConnectionTerminated)) };
        Ok((response, Box::pin(transmission)))
    }

    /// Sends the request on a connection that was kept, or else on a new one.
    async fn exchange(
        &self,
        mut request: Request<Sent>,
        errand: &Errand,
    ) -> Result<(Response<Incoming>, Tasks), Error> {
        let Errand { target, patience } = errand;
        if let Some(connection) = self.pool.take(target) {
            let twin = twin(&request);
            match self.send_on(connection, request, errand).await? {
                Ok(answered) => return Ok(answered),
                Err(Unanswered { request: Some(unsent), .. }) => request = *unsent,
                Err(Unanswered { error, .. }) => match twin {
                    Some(twin) if !(error.is_parse() || error.is_user()) => request = twin,
                    _ => return Err(error.into()),
                },
            }
        }
        let connected = timeout(patience.connect, async {
            let (stream, protocol) = self.connector.connect(target).await?;
            Connection::open(stream, protocol).await
        });
        let connection = connected.await.map_err(|_elapsed| Error::ConnectionTimeout)?.inspect_err(|error| {
            if let Error::DestinationIpProhibited = error {
                let host = target.as_allowed();
                let is_named = self.connector.allowed.names(target);
                self.log(if is_named { Refusal::Address(host) } else { Refusal::Range(host) });
            }
        })?;
        self.send_on(connection, request, errand).await?.map_err(|unanswered| unanswered.error.into())
    }

    /// Sends the request, waits for the head of the answer, and keeps the connection.
    async fn send_on(
        &self,
        mut connection: Connection,
        mut request: Request<Sent>,
        Errand { target, patience }: &Errand,
    ) -> Result<Result<(Response<Incoming>, Tasks), Unanswered>, Error> {
        connection.address(&mut request, target)?;
        let answered = timeout(patience.first_byte, connection.send(request));
        let answered = answered.await.map_err(|_elapsed| Error::ConnectionReadTimeout)?;
        Ok(answered.map(|response| {
            let tasks = connection.tasks().clone();
            self.pool.keep(target, connection);
            (response, tasks)
        }))
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

/// The same request once more, where doing it twice is doing it once (RFC 9110, 9.2.2).
fn twin(request: &Request<Sent>) -> Option<Request<Sent>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut twin = Request::new(request.body().twin(nothing));
    *twin.method_mut() = request.method().clone();
    *twin.uri_mut() = request.uri().clone();
    *twin.headers_mut() = request.headers().clone();
    Some(twin)
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
            Self::Range(host) => write!(
                f,
                "{host} leads to no address of the ranges that are allowed; --allow-http {host} would allow it"
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
