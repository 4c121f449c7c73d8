//! This is one connection: HTTP/1.1 or HTTP/2 on it, encrypted or not.
//!
//! ```text
//! Arrival ─▶ serve ─▶ preface | TLS ─▶ HTTP/1.1 or HTTP/2 on a Socket ─▶ Answering, for each request
//!                                          └── Link: what the core sees of it ──┘
//! ```
//!
//! # Invariants
//!
//! 1. Draining lets the running request end and takes no further one.
//!
//! # Not here
//!
//! The time that a client may take (`link`). What is decided for a request (`answering`).

mod answering;
mod http2;
mod link;
mod preface;
mod socket;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use http::uri::Scheme;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::core::{Core, Share};
use crate::tls::HTTP_2;
use answering::answer;
use preface::Spoken;
use socket::Socket;

pub(crate) use answering::begin_in;
pub(crate) use link::Link;

/// The parser's buffer is at least so large, whatever a head may be. Its own limit of 100 headers holds.
const BUFFER_MIN: usize = 8 << 10;

/// A client that has connected.
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    /// The name of the listener that it came in at, if that has one.
    pub(crate) listener: Option<Arc<str>>,
    /// What the connection is encrypted with.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// A connection among those of its core, until it is dropped.
struct Listed {
    core: Rc<Core>,
    link: Rc<Link>,
    key: usize,
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
