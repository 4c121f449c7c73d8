//! HTTP/2 on one connection: several requests at once, each a task of the core.
//!
//! # Invariants
//!
//! 1. A request has a [`Link`] of its own among those that the core looks at. What does not end by its deadline, since nobody
//!    takes the answer, is cut off soon after.
//! 2. The connection itself is idle only while it has no request.
//! 3. What a client may have going on is bounded: requests, their heads, bodies that wait, requests that it takes back.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use http::header::CONTENT_LENGTH;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rt::Tick;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Listed;
use super::answering::{Answering, answer};
use super::link::{Link, Phase};
use super::socket::Socket;
use crate::answer::{AnswerBody, Chunks};
use crate::core::Core;

/// Requests that one connection of HTTP/2 may have at once.
const STREAMS_MAX: u32 = 128;

/// Bytes of a request's body that wait for the component, of one request of HTTP/2, and of all on its connection.
const WINDOWS: (u32, u32) = (256 << 10, 1 << 20);

/// Bytes of an answer that wait for one client to take them.
const SEND_MAX: usize = 128 << 10;

/// The requests of one connection.
#[derive(Clone)]
struct Requests(Rc<Inner>);

struct Inner {
    core: Rc<Core>,
    connection: Rc<Link>,
    scheme: Scheme,
    running: Cell<usize>,
    /// Of the request that was taken last: the library lets its task begin right after.
    begun: RefCell<Option<Running>>,
}

/// One request, until it is dropped.
struct Running {
    listed: Listed,
    requests: Rc<Inner>,
}

/// Serves one connection to its end.
pub(super) async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    listed: &Listed,
    stream: S,
    (head_max, scheme): (usize, Scheme),
) {
    let Listed { core, link, .. } = listed;
    let socket = Socket { stream: TokioIo::new(stream), link: link.clone(), is_serial: false };
    let requests = Requests(Rc::new(Inner {
        core: core.clone(),
        connection: link.clone(),
        scheme,
        running: Cell::new(0),
        begun: RefCell::default(),
    }));
    let service = {
        let requests = requests.clone();
        service_fn(move |request| {
            let is_head = request.method() == Method::HEAD;
            let answering = requests.begin(request);
            async move { answering.await.map(|response| without_body_where_none_may_be(response, is_head)) }
        })
    };
    let http = http2::Builder::new(requests)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(head_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_MAX)
        .serve_connection(socket, service);
    if let Some(Err(error)) = link.drive(http, |http| http.graceful_shutdown()).await {
        tracing::debug!(%error, "a connection of HTTP/2 ended");
    }
}

/// An answer to `HEAD`, and one that says itself that it has no content, ends with its head. For HTTP/1.1 the library sees to that.
fn without_body_where_none_may_be(mut response: Response<AnswerBody>, is_head: bool) -> Response<AnswerBody> {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !is_head && !has_none {
        return response;
    }
    if let Some(length) = response.body().size_hint().exact().filter(|_| !has_none) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    response.map(|_| AnswerBody::Whole(Chunks::default()))
}

// === impl Requests ===

impl Requests {
    fn begin(&self, request: Request<Incoming>) -> Answering {
        let Inner { core, connection, scheme, running, begun } = &*self.0;
        let listed = Listed::new(core, connection.listener.clone());
        listed.link.is_one_of_many.set(true);
        running.set(running.get() + 1);
        connection.phase.set(Phase::Working(Tick::NEVER));
        let answering = answer(core, &listed.link, (request, scheme.clone()));
        begun.replace(Some(Running { listed, requests: self.0.clone() }));
        answering
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Requests {
    fn execute(&self, task: F) {
        let running = self.0.begun.take();
        self.0.core.spawn(async move {
            let Some(running) = running else { return task.await };
            let mut task = pin!(task);
            running.listed.link.until_cut(|cx| task.as_mut().poll(cx)).await;
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Inner { running, connection, .. } = &*self.requests;
        running.set(running.get() - 1);
        if running.get() == 0 {
            connection.open();
        }
    }
}
