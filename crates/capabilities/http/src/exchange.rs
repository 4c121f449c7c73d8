//! One request and its answer, driven inside the task of the connection that it came on.
//!
//! ```text
//! start ── component runs ──┬─ answers, body complete ──────── one write; what it still does afterwards goes on as a task
//!                           ├─ answers, body still coming ──── Stream: component and body are driven together
//!                           └─ fails, or its time is over ──── a refusal of the host
//! ```
//!
//! # Invariants
//!
//! 1. A request is counted once, by what became of it.
//! 2. Its place is free again when its component has ended, not when the answer is out.
//! 3. Dropping an exchange drops the instance with it: a client that goes away stops the component.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::Failure;
use http::uri::Scheme;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use rt::{TICK, Tick};
use stdx::Trace;
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::answer::{AnswerBody, Chunks, Refusal};
use crate::core::Core;
use crate::pool::{Place, Pool};
use crate::request::{LimitedBody, Overflow};
use crate::served::{Handler, Outcome};
use crate::{p2, p3};

/// An answer whose body is complete within so many bytes leaves in one write, with its length.
const WHOLE_MAX: usize = 128 << 10;

/// The component's answer, or the name of the error that it answered with.
pub(crate) type Answered = Result<Response<WasiBody>, String>;

/// The work of a component for one request.
pub(crate) type Run = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// What a component is given for one request.
pub(crate) struct Call {
    pub(crate) request: Request<LimitedBody>,
    /// Whether it came encrypted.
    pub(crate) scheme: Scheme,
    pub(crate) deadline: Tick,
    /// That it is a part of.
    pub(crate) trace: Option<Trace>,
    pub(crate) answer: oneshot::Sender<Answered>,
}

/// A request that was taken.
pub(crate) struct Asked {
    pub(crate) request: Request<LimitedBody>,
    pub(crate) overflow: Overflow,
    pub(crate) scheme: Scheme,
}

/// A request that a component is working on.
pub(crate) struct Exchange {
    core: Rc<Core>,
    pool: Rc<Pool>,
    run: Option<Run>,
    place: Option<Place>,
    deadline: Tick,
    trace: Option<Trace>,
    answer: Option<oneshot::Receiver<Answered>>,
    /// Dropped when the answer's body was taken to its end, for who makes the body in an event loop of its own.
    body_taken: Option<oneshot::Sender<()>>,
    overflow: Overflow,
    failure: Option<Failure>,
    is_counted: bool,
}

/// The rest of an answer, as it comes.
pub(crate) struct Stream {
    exchange: Option<Exchange>,
    chunks: Chunks,
    trailers: Option<HeaderMap>,
    body: WasiBody,
}

/// What became of an answer's body while it was waited for.
enum Collected {
    Whole,
    More(Option<HeaderMap>),
    Failed,
}

// === impl Exchange ===

impl Exchange {
    /// Hands the request to the component, which has until the deadline. Nothing runs until the exchange is polled.
    pub(crate) fn start((core, pool): (Rc<Core>, Rc<Pool>), place: Place, asked: Asked, deadline: Tick) -> Self {
        let Asked { request, overflow, scheme } = asked;
        let (answer, answered) = oneshot::channel();
        let trace = engine::trace::of(request.headers());
        let call = Call { request, scheme, deadline, trace: trace.clone(), answer };
        let (run, body_taken): (Run, _) = match &pool.served.handler {
            Handler::P2(_) => (Box::pin(p2::run(pool.clone(), call)), None),
            Handler::P3(_) => {
                let (body_taken, is_body_taken) = oneshot::channel();
                (p3::run(&core, &pool, call, is_body_taken), Some(body_taken))
            }
        };
        Self {
            core,
            pool,
            run: Some(run),
            place: Some(place),
            deadline,
            trace,
            answer: Some(answered),
            body_taken,
            overflow,
            failure: None,
            is_counted: false,
        }
    }

    /// When the component is stopped.
    pub(crate) fn deadline(&self) -> Tick {
        self.deadline
    }

    /// The answer: the component's, or the host's where that failed.
    pub(crate) fn answer(
        self,
        answered: Result<Response<WasiBody>, Failure>,
        cx: &mut Context<'_>,
    ) -> Response<AnswerBody> {
        match answered {
            Ok(response) => self.with_body(response, cx),
            Err(failure) => self.refuse(&failure),
        }
    }

    /// Lets the component run. Ready once it has ended, with what it failed of.
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Option<&Failure>> {
        if let Some(run) = &mut self.run {
            let ended = match run.as_mut().poll(cx) {
                Poll::Ready(ended) => ended,
                Poll::Pending if Tick::now() >= self.deadline => Err(Failure::OutOfTime),
                Poll::Pending => return Poll::Pending,
            };
            self.run = None;
            self.place = None;
            self.failure = ended.err();
        }
        Poll::Ready(self.failure.as_ref())
    }

    /// Lets the component run until it has answered or failed.
    pub(crate) fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<WasiBody>, Failure>> {
        let has_ended = self.poll_run(cx).is_ready();
        if let Some(answer) = &mut self.answer {
            match Pin::new(answer).poll(cx) {
                Poll::Ready(Ok(Ok(response))) => return Poll::Ready(Ok(response)),
                Poll::Ready(Ok(Err(error))) => {
                    return Poll::Ready(Err(Failure::Trap(format!("it answered with the error {error}"))));
                }
                // It gave up the means to answer and may still trap with a better reason.
                Poll::Ready(Err(_)) => self.answer = None,
                Poll::Pending => {}
            }
        }
        if !has_ended {
            return Poll::Pending;
        }
        let silent = || Failure::Trap("it ended without an answer".into());
        Poll::Ready(Err(self.failure.clone().unwrap_or_else(silent)))
    }

    /// Takes what there is of the body now, and decides whether that is all.
    fn with_body(mut self, response: Response<WasiBody>, cx: &mut Context<'_>) -> Response<AnswerBody> {
        let (parts, mut body) = response.into_parts();
        let mut chunks = Chunks::default();
        let collected = self.collect(&mut body, &mut chunks, cx);
        if self.overflow.happened() {
            return self.refuse_with(Refusal::TooLarge, Outcome::TooLarge);
        }
        let body = match collected {
            Collected::Failed => {
                let failure = self.body_failure();
                return self.refuse(&failure);
            }
            Collected::Whole => {
                self.count(Outcome::Answered);
                self.finish(cx);
                AnswerBody::Whole(chunks)
            }
            Collected::More(trailers) => {
                AnswerBody::Stream(Box::new(Stream { exchange: Some(self), chunks, trailers, body }))
            }
        };
        Response::from_parts(parts, body)
    }

    fn collect(&mut self, body: &mut WasiBody, chunks: &mut Chunks, cx: &mut Context<'_>) -> Collected {
        let mut is_stuck = false;
        while chunks.len() <= WHOLE_MAX {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) => {
                        chunks.push(chunk);
                        is_stuck = false;
                    }
                    Err(frame) => return Collected::More(frame.into_trailers().ok()),
                },
                Poll::Ready(Some(Err(_))) => return Collected::Failed,
                Poll::Ready(None) if self.failure.is_some() => return Collected::Failed,
                Poll::Ready(None) => return Collected::Whole,
                Poll::Pending if is_stuck => return Collected::More(None),
                // Taking a piece made room for the next: let the component write it.
                Poll::Pending => is_stuck = self.poll_run(cx).is_pending() || is_stuck,
            }
        }
        Collected::More(None)
    }

    /// The answer is complete. What the component still does, it does as a task of its own, until its deadline.
    fn finish(mut self, cx: &mut Context<'_>) {
        self.body_taken = None;
        if self.poll_run(cx).is_pending() {
            self.core.clone().spawn(self.end());
        }
    }

    /// Waits for the component's end, or ends it when its time is over. No connection watches this deadline any more.
    async fn end(mut self) {
        let left = self.deadline.since(Tick::now()) + TICK;
        let ended = std::future::poll_fn(|cx| self.poll_run(cx).map(|failure| failure.cloned()));
        let failure = tokio::time::timeout(left, ended).await.unwrap_or(Some(Failure::OutOfTime));
        failure.iter().for_each(|failure| self.log(failure));
    }

    /// Why the body of its answer ended before its end.
    fn body_failure(&self) -> Failure {
        self.failure.clone().unwrap_or_else(|| Failure::Trap("the body of its answer failed".into()))
    }

    fn refuse(self, failure: &Failure) -> Response<AnswerBody> {
        let (refusal, outcome) = match failure {
            _ if self.overflow.happened() => (Refusal::TooLarge, Outcome::TooLarge),
            Failure::OutOfTime => (Refusal::OutOfTime, Outcome::OutOfTime),
            Failure::OutOfMemory(_) => (Refusal::OutOfMemory, Outcome::OutOfMemory),
            Failure::Full => (Refusal::Full, Outcome::Full),
            Failure::Exit(_) | Failure::Trap(_) => (Refusal::Failed, Outcome::Failed),
        };
        // A body that was too large is the client's affair, whatever the component made of it.
        if outcome != Outcome::TooLarge {
            self.log(failure);
        }
        self.refuse_with(refusal, outcome)
    }

    fn log(&self, failure: &Failure) {
        self.core.log_failure(&self.pool.served, failure, self.trace.as_ref());
    }

    fn refuse_with(mut self, refusal: Refusal, outcome: Outcome) -> Response<AnswerBody> {
        self.count(outcome);
        refusal.answer()
    }

    fn count(&mut self, outcome: Outcome) {
        if !self.is_counted {
            self.is_counted = true;
            self.pool.counts().add(outcome);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.count(Outcome::Abandoned);
    }
}

// === impl Stream ===

impl Stream {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(chunk) = self.chunks.pop() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(trailers) = self.trailers.take() {
            self.end(cx);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(exchange) = &mut self.exchange else { return Poll::Ready(None) };
        let has_failed = matches!(exchange.poll_run(cx), Poll::Ready(Some(_)));
        match Pin::new(&mut self.body).poll_frame(cx) {
            // The channel of a component that trapped ends as if the body were complete.
            Poll::Ready(None) if has_failed => self.fail(),
            Poll::Pending if has_failed => self.fail(),
            Poll::Ready(Some(Err(_))) => self.fail(),
            Poll::Ready(None) => {
                self.end(cx);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                self.end(cx);
                Poll::Ready(Some(Ok(frame)))
            }
            frame => frame,
        }
    }

    /// All of it was taken. Trailers are the last of it: whoever has them does not ask for more.
    fn end(&mut self, cx: &mut Context<'_>) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.count(Outcome::Answered);
            exchange.finish(cx);
        }
    }

    /// Ends the connection, so that the client sees that the answer is cut.
    fn fail(&mut self) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(exchange) = self.exchange.take() else { return Poll::Ready(None) };
        let failure = exchange.body_failure();
        drop(exchange.refuse(&failure));
        Poll::Ready(Some(Err(Error::HttpResponseIncomplete)))
    }
}
