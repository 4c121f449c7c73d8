//! This is one connection: HTTP/1.1 or HTTP/2 on it, encrypted or not, and the time that a client may take.
//!
//! Timers for each request would cost more than the request. A connection notes ticks instead, and the core looks at all of
//! its connections every [`CARE`](crate::core::CARE).
//!
//! # Invariants
//!
//! 1. A client that sends its head slowly, reads its answer slowly or sends nothing at all is disconnected.
//! 2. While a component works on a request, only the component's deadline counts.
//! 3. Draining lets the running request end and takes no further one.

mod http2;
mod preface;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::header::HOST;
use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rt::{Tick, Ticker};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::answer::{AnswerBody, Refusal};
use crate::away::{self, Away};
use crate::core::{Core, Share, Way};
use crate::exchange::{Asked, Exchange};
use crate::pool::{Place, Pool};
use crate::request::{Body, limited};
use crate::served::Outcome;
use crate::tls::HTTP_2;
use preface::Spoken;

/// A client has so long for the head of a request, from its first byte.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The parser's buffer is at least so large, whatever a head may be. Its own limit of 100 headers holds.
const BUFFER_MIN: usize = 8 << 10;

/// A head and a body of together so many bytes are copied into one piece: the kernel takes that more quickly than two.
const TOGETHER_MAX: usize = 1024;

/// Requests that one connection of HTTP/2 may have at once.
const STREAMS_MAX: u32 = 128;

/// Bytes of a request's body that wait for the component, of one request of HTTP/2, and of all on its connection.
const WINDOWS: (u32, u32) = (256 << 10, 1 << 20);

/// A connection on which nothing moves is closed after so long.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// What the core sees of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where it came in.
    listener: Option<Arc<str>>,
    phase: Cell<Phase>,
    since: Cell<Tick>,
    is_closing: Cell<bool>,
    is_cut: Cell<bool>,
    /// Whether it is one request among others: then it has to end soon after its deadline, read or not.
    is_one_of_many: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests, or sending what is left of an answer.
    Open,
    /// A head has begun to arrive, or an answer whose time is over is taken: that has to end soon.
    Head,
    /// A component works, until this deadline.
    Working(Tick),
}

/// A client that has connected.
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    /// The name of the listener that it came in at, if that has one.
    pub(crate) listener: Option<Arc<str>>,
    /// What the connection is encrypted with.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// A socket that notes when something moved on it.
struct Socket<S> {
    stream: TokioIo<S>,
    link: Rc<Link>,
    /// Whether what arrives is the head of one request, which has to be complete in time.
    is_serial: bool,
}

/// A connection among those of its core, until it is dropped.
struct Listed {
    core: Rc<Core>,
    link: Rc<Link>,
    key: usize,
}

/// The answer to one request: the component's, or a refusal.
struct Answering {
    begun: Option<Result<Begun, Refusal>>,
    link: Rc<Link>,
}

/// A request that somebody works on.
enum Begun {
    /// A component of this host.
    Here(Exchange),
    /// One on another, until then.
    Away(Pin<Box<dyn Future<Output = Response<AnswerBody>>>>, Tick),
}

/// Serves one connection to its end.
pub(crate) async fn serve(core: Rc<Core>, arrival: Arrival, head_max: usize) {
    let listed = Listed::new(&core, arrival.listener);
    match (TcpStream::from_std(arrival.stream), arrival.tls) {
        (Ok(stream), None) => speak_plain(&listed, stream, head_max).await,
        (Ok(stream), Some(tls)) => speak_encrypted(&listed, stream, (head_max, tls)).await,
        (Err(error), _) => tracing::warn!(%error, "a connection was lost on its way to its core"),
    }
    core.share().connections.fetch_sub(1, Ordering::Relaxed);
}

/// Lets the client show which version of HTTP it speaks. It has as long for that as between requests, and once it has begun as for
/// their heads. As long as it has shown none it has asked for nothing, and a host that stops does not wait.
async fn speak_plain(listed: &Listed, stream: TcpStream, head_max: usize) {
    let link = &listed.link;
    let spoken = {
        let mut showing = pin!(preface::spoken_on(&stream, link));
        let shown = link.until_cut(|cx| match link.is_closing.get() {
            true => Poll::Ready(None),
            false => showing.as_mut().poll(cx).map(Result::ok),
        });
        shown.await.flatten()
    };
    match spoken {
        Some(Spoken::Http1) => speak_http1(listed, stream, (head_max, Scheme::HTTP)).await,
        Some(Spoken::Http2) => {
            link.open();
            http2::speak(listed, stream, (head_max, Scheme::HTTP)).await;
        }
        None => {}
    }
}

/// Agrees with the client on keys and on a version of HTTP. That has as long as the head of a request.
async fn speak_encrypted(listed: &Listed, stream: TcpStream, (head_max, tls): (usize, Arc<ServerConfig>)) {
    listed.link.received();
    let mut handshake = pin!(TlsAcceptor::from(tls).accept(stream));
    let Some(Ok(stream)) = listed.link.until_cut(|cx| handshake.as_mut().poll(cx)).await else { return };
    listed.link.open();
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => http2::speak(listed, stream, (head_max, Scheme::HTTPS)).await,
        _ => speak_http1(listed, stream, (head_max, Scheme::HTTPS)).await,
    }
}

async fn speak_http1<S: AsyncRead + AsyncWrite + Unpin>(
    listed: &Listed,
    stream: S,
    (head_max, scheme): (usize, Scheme),
) {
    let Listed { core, link, .. } = listed;
    let socket = Socket { stream: TokioIo::new(stream), link: link.clone(), is_serial: true };
    let service = {
        let (core, link) = (core.clone(), link.clone());
        service_fn(move |request| answer(&core, &link, (request, scheme.clone())))
    };
    let http = http1::Builder::new()
        .max_header_size(head_max)
        .max_buf_size(head_max.max(BUFFER_MIN))
        .half_close(false)
        .serve_connection(socket, service);
    let ended = link.drive(http, |http| http.graceful_shutdown()).await;
    if ended.is_some_and(|ended| ended.is_err_and(|error| error.is_parse_too_large())) {
        Share::add(&core.share().head_too_large);
    }
}

/// Begins to answer one request. What is awaited holds nothing of the request: hyper moves it about.
fn answer(core: &Rc<Core>, link: &Rc<Link>, request: (Request<Incoming>, Scheme)) -> Answering {
    Ticker::wake();
    let begun = begin(core, link.listener.as_deref(), request);
    if let Ok(begun) = &begun {
        link.phase.set(Phase::Working(begun.deadline()));
    }
    Answering { begun: Some(begun), link: link.clone() }
}

/// The host that a request is for, as its client named it.
fn host_of<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.host()),
        None => request.headers().get(HOST)?.to_str().ok(),
    }
}

/// Everything that is decided before a component runs.
fn begin(
    core: &Rc<Core>,
    listener: Option<&str>,
    (request, scheme): (Request<Incoming>, Scheme),
) -> Result<Begun, Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    // Of two, one would be believed here and the other by somebody else on the way (RFC 9112, 3.2).
    if hosts.next().is_none() && request.uri().authority().is_none() || hosts.next().is_some() {
        return Err(Refusal::NoHost);
    }
    let Some(way) = core.way_for(listener, request.uri().path(), || host_of(&request)) else {
        Share::add(&core.share().no_route);
        return Err(Refusal::NoRoute);
    };
    let asked = (request.map(Body::Client), scheme);
    match way {
        Way::Here(pool) => begin_in(core, pool, asked, None).map(Begun::Here),
        Way::Away(away) => begin_away(core, away, asked),
    }
}

fn begin_away(core: &Rc<Core>, away: Arc<Away>, (request, scheme): (Request<Body>, Scheme)) -> Result<Begun, Refusal> {
    let (parts, body) = request.into_parts();
    let Some((body, overflow)) = limited(body, away.limits.request_body.as_u64()) else {
        away.counts()[core.index()].add(Outcome::TooLarge);
        return Err(Refusal::TooLarge);
    };
    let deadline = Tick::now().after(away.limits.timeout);
    let asked = Asked { request: Request::from_parts(parts, body), overflow, scheme };
    Ok(Begun::Away(Box::pin(away::forward(core.clone(), away, asked, deadline)), deadline))
}

/// Begins with a request in a pool. It may have less time than the component's.
pub(crate) fn begin_in(
    core: &Rc<Core>,
    pool: Rc<Pool>,
    (request, scheme): (Request<Body>, Scheme),
    remaining: Option<Duration>,
) -> Result<Exchange, Refusal> {
    let Some(place) = Place::take(&pool) else {
        pool.counts().add(Outcome::Full);
        return Err(Refusal::Full);
    };
    let (parts, body) = request.into_parts();
    let Some((body, overflow)) = limited(body, pool.served.limits.request_body.as_u64()) else {
        pool.counts().add(Outcome::TooLarge);
        return Err(Refusal::TooLarge);
    };
    if let Some(keeper) = pool.keeper() {
        core.spawn(keeper);
    }
    let asked = Asked { request: Request::from_parts(parts, body), overflow, scheme };
    let own = pool.served.limits.timeout;
    let deadline = Tick::now().after(remaining.map_or(own, |remaining| remaining.min(own)));
    Ok(Exchange::start((core.clone(), pool), place, asked, deadline))
}

/// The slices as one, where they fit into `room`.
fn gather<'r>(slices: &[io::IoSlice<'_>], room: &'r mut [u8; TOGETHER_MAX]) -> Option<&'r [u8]> {
    let mut end = 0;
    for slice in slices {
        room.get_mut(end..end + slice.len())?.copy_from_slice(slice);
        end += slice.len();
    }
    room.get(..end)
}

// === impl Link ===

impl Link {
    fn new(listener: Option<Arc<str>>) -> Self {
        Self {
            listener,
            phase: Cell::new(Phase::Open),
            since: Cell::new(Tick::now()),
            is_closing: Cell::new(false),
            is_cut: Cell::new(false),
            is_one_of_many: Cell::new(false),
            waker: RefCell::default(),
        }
    }

    /// Lets `poll` run until it is ready or the connection is cut.
    async fn until_cut<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        std::future::poll_fn(|cx| {
            self.remember(cx);
            if self.is_cut.get() { Poll::Ready(None) } else { poll(cx).map(Some) }
        })
        .await
    }

    /// Drives a connection to its end, or until it is cut. `wind_down` tells it once that nothing further shall begin on it.
    async fn drive<C: Future>(&self, connection: C, wind_down: impl Fn(Pin<&mut C>)) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut is_closing = false;
        self.until_cut(|cx| {
            if self.is_closing.get() && !is_closing {
                is_closing = true;
                wind_down(connection.as_mut());
            }
            connection.as_mut().poll(cx)
        })
        .await
    }

    /// Ends the connection after the request that runs on it.
    pub(crate) fn close(&self) {
        self.is_closing.set(true);
        self.wake();
    }

    /// Looks whether the client or the component has taken too long.
    pub(crate) fn check(&self, now: Tick) {
        let quiet = now.since(self.since.get());
        match self.phase.get() {
            // The exchange finds out itself what its deadline means.
            Phase::Working(deadline) if now >= deadline => {
                // Once a streamed answer is cut off the connection is an open one again.
                self.open();
                if self.is_one_of_many.get() {
                    self.phase.set(Phase::Head);
                }
                self.wake();
            }
            Phase::Head if quiet >= HEAD_TIME => self.cut(),
            Phase::Open if quiet >= IDLE_TIME => self.cut(),
            _ => {}
        }
    }

    fn cut(&self) {
        self.is_cut.set(true);
        self.wake();
    }

    fn open(&self) {
        self.phase.set(Phase::Open);
        self.since.set(Tick::now());
    }

    fn remember(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        self.waker.borrow().iter().for_each(Waker::wake_by_ref);
    }

    fn received(&self) {
        if self.phase.get() == Phase::Open {
            self.phase.set(Phase::Head);
            self.since.set(Tick::now());
        }
    }
}

// === impl Listed ===

impl Listed {
    fn new(core: &Rc<Core>, listener: Option<Arc<str>>) -> Self {
        let link = Rc::new(Link::new(listener));
        let key = core.connections.borrow_mut().insert(link.clone());
        Self { core: core.clone(), link, key }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.core.connections.borrow_mut().remove(self.key);
    }
}

// === impl Answering ===

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.begun {
            Some(Ok(Begun::Here(exchange))) => Some(ready!(exchange.poll_answered(cx))),
            Some(Ok(Begun::Away(response, _))) => {
                let response = ready!(response.as_mut().poll(cx));
                return Poll::Ready(Ok(self.given(response)));
            }
            _ => None,
        };
        let response = match (self.begun.take(), answered) {
            (Some(Ok(Begun::Here(exchange))), Some(answered)) => exchange.answer(answered, cx),
            (Some(Err(refusal)), _) => refusal.answer(),
            _ => unreachable!("an answer is not polled again once it was given"),
        };
        Poll::Ready(Ok(self.given(response)))
    }
}

impl Answering {
    /// Notes that there is an answer.
    fn given(&mut self, response: Response<AnswerBody>) -> Response<AnswerBody> {
        self.begun = None;
        if matches!(response.body(), AnswerBody::Whole(_)) {
            self.link.open();
        }
        response
    }
}

// === impl Begun ===

impl Begun {
    /// When it is over.
    fn deadline(&self) -> Tick {
        match self {
            Self::Here(exchange) => exchange.deadline(),
            Self::Away(_, deadline) => *deadline,
        }
    }
}

// === impl Socket ===

impl<S: AsyncRead + Unpin> Read for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match self.is_serial {
            true if read.is_ready() => self.link.received(),
            false if read.is_ready() => self.link.since.set(Tick::now()),
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut together = [0; TOGETHER_MAX];
        let written = match gather(slices, &mut together) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Socket<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.link.since.set(Tick::now());
        }
        written
    }
}
