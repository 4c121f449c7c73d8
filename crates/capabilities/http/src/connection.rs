//! This is one connection: HTTP/1.1 on it, and the time that a client may take.
//!
//! Timers for each request would cost more than the request. A connection notes ticks instead, and the core looks at all of
//! its connections every [`CARE`](crate::core::CARE).
//!
//! # Invariants
//!
//! 1. A client that sends its head slowly, reads its answer slowly or sends nothing at all is disconnected.
//! 2. While a component works on a request, only the component's deadline counts.
//! 3. Draining lets the running request end and takes no further one.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rt::{Tick, Ticker};
use tokio::net::TcpStream;

use crate::answer::{AnswerBody, Refusal};
use crate::core::{Core, Share};
use crate::exchange::Exchange;
use crate::pool::Place;
use crate::request::limited;
use crate::served::Outcome;

/// A client has so long for the head of a request, from its first byte.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The parser's buffer is at least so large, whatever a head may be. Its own limit of 100 headers holds.
const BUFFER_MIN: usize = 8 << 10;

/// A head and a body of together so many bytes are copied into one piece: the kernel takes that more quickly than two.
const TOGETHER_MAX: usize = 1024;

/// A connection on which nothing moves is closed after so long.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// What the core sees of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    phase: Cell<Phase>,
    since: Cell<Tick>,
    is_closing: Cell<bool>,
    is_cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests, or sending what is left of an answer.
    Open,
    /// A head has begun to arrive.
    Head,
    /// A component works, until this deadline.
    Working(Tick),
}

/// A socket that notes when something moved on it.
struct Socket {
    stream: TokioIo<TcpStream>,
    link: Rc<Link>,
}

/// The answer to one request: the component's, or a refusal.
struct Answering {
    begun: Option<Result<Exchange, Refusal>>,
    link: Rc<Link>,
}

/// Serves one connection to its end.
pub(crate) async fn serve(core: Rc<Core>, stream: TcpStream, head_max: usize) {
    let link = Rc::new(Link::new());
    let key = core.connections.borrow_mut().insert(link.clone());
    let socket = Socket { stream: TokioIo::new(stream), link: link.clone() };
    let service = {
        let (core, link) = (core.clone(), link.clone());
        service_fn(move |request| answer(&core, &link, request))
    };
    let http = http1::Builder::new()
        .max_header_size(head_max)
        .max_buf_size(head_max.max(BUFFER_MIN))
        .half_close(false)
        .serve_connection(socket, service);
    let mut http = pin!(http);
    let mut is_closing = false;
    let ended = std::future::poll_fn(|cx| {
        link.remember(cx);
        if link.is_cut.get() {
            return Poll::Ready(Ok(()));
        }
        if link.is_closing.get() && !is_closing {
            is_closing = true;
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(cx)
    })
    .await;
    if ended.is_err_and(|error| error.is_parse_too_large()) {
        Share::add(&core.share().head_too_large);
    }
    core.connections.borrow_mut().remove(key);
    core.share().connections.fetch_sub(1, Ordering::Relaxed);
}

/// Begins to answer one request. What is awaited holds nothing of the request: hyper moves it about.
fn answer(core: &Rc<Core>, link: &Rc<Link>, request: Request<Incoming>) -> Answering {
    Ticker::wake();
    let begun = begin(core, request);
    if let Ok(exchange) = &begun {
        link.phase.set(Phase::Working(exchange.deadline()));
    }
    Answering { begun: Some(begun), link: link.clone() }
}

/// Everything that is decided before a component runs.
fn begin(core: &Rc<Core>, request: Request<Incoming>) -> Result<Exchange, Refusal> {
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        return Err(Refusal::NoHost);
    }
    let Some(pool) = core.pool_for(request.uri().path()) else {
        Share::add(&core.share().no_route);
        return Err(Refusal::NoRoute);
    };
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
    Ok(Exchange::start(core.clone(), pool, place, (Request::from_parts(parts, body), overflow)))
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
    fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Open),
            since: Cell::new(Tick::now()),
            is_closing: Cell::new(false),
            is_cut: Cell::new(false),
            waker: RefCell::default(),
        }
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

// === impl Answering ===

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.begun {
            Some(Ok(exchange)) => Some(ready!(exchange.poll_answered(cx))),
            _ => None,
        };
        let response = match (self.begun.take(), answered) {
            (Some(Ok(exchange)), Some(answered)) => exchange.answer(answered, cx),
            (Some(Err(refusal)), _) => refusal.answer(),
            _ => unreachable!("an answer is not polled again once it was given"),
        };
        if matches!(response.body(), AnswerBody::Whole(_)) {
            self.link.open();
        }
        Poll::Ready(Ok(response))
    }
}

// === impl Socket ===

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.link.received();
        }
        read
    }
}

impl Write for Socket {
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

impl Socket {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.link.since.set(Tick::now());
        }
        written
    }
}
