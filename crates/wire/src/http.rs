//! HTTP as an invocation: `wrpc:http`, which providers of wasmCloud call and serve.
//!
//! A request is the only parameter of `handle` and a response its only result, both with bodies beside the values. So bodies and
//! trailers flow in both directions at once, as they do between HTTP client and server.
//!
//! # Invariants
//!
//! 1. There is no task: a request's body is sent by whoever waits for the response and then reads it.
//! 2. Heads are small, at most 1 MiB; bodies are as long as they are, and wait within the limits of the wire.
//!
//! # Not here
//!
//! Which headers may be sent on: that is for whoever serves or sends HTTP.

mod body;
mod error_code;
mod head;

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bus::{Headers, Message, PublishError, Subject, SubjectError};
use bytes::{Buf, Bytes};
use futures::future::{BoxFuture, Either, select};
use http::{Request, Response};
use http_body::Body;
use stdx::{BoxError, ByteSize, Code, Explain};

use self::head::HeadError as Head;
use crate::Wire;
use crate::address::{Address, Function};
use crate::allowance::{self, Allowance, Allowed, Receipts};
use crate::asked::Asked;
use crate::caller::{Caller, NotTaken};
use crate::desk::{Desk, Reception, ServeError};
use crate::flow::Flow;
use crate::inbox;
use crate::invoke::{Call, InvokeError, Opening};
use crate::offer::Offer;
use crate::origin::{self, Origin};
use crate::outbound;
use crate::patience::Patience;
use crate::refusal::{Reason, Refusal};
use crate::shapes::DecodeError;

pub use body::{Incoming, IncomingError, OutgoingError};
pub use error_code::ErrorCode;
pub use head::HeadError;

/// What a head, or trailers, may take.
const HEAD_MAX: ByteSize = ByteSize::mib(1);

/// Where requests are handled: the first of these that anybody serves.
#[derive(Debug, Clone)]
pub struct Handler {
    ways: Vec<(Subject, Side)>,
}

/// On which side of HTTP a handler stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It answers requests that came in: a component, called by a provider that listens.
    Incoming,
    /// It sends requests out, as a provider does.
    Outgoing,
}

/// A request got no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It could not be said: a part of it is larger than can be.
    #[error("the request cannot be sent to {handler}")]
    Head {
        /// Who was to handle it.
        handler: Subject,
    },
    /// The call of the handler failed.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// The handler answered with an error.
    #[error("{handler} answers {code}")]
    Answered {
        /// Who handled it.
        handler: Subject,
        /// What it says.
        code: ErrorCode,
    },
    /// What it answered is no response.
    #[error("what {handler} answers is no response")]
    Garbled {
        /// Who handled it.
        handler: Subject,
        /// What is wrong with it.
        #[source]
        source: Head,
    },
}

/// Requests that are handed out. Dropping it ends that.
pub struct Accepting {
    desk: Desk<Exchange>,
}

/// A request that came in.
#[derive(Debug)]
pub struct Exchange {
    /// The request. Its body comes while it is read.
    pub request: Request<Incoming>,
    /// Who calls, as he says.
    pub origin: Origin,
    /// How it is answered.
    pub respond: Respond,
}

/// Where the response of a request goes. Dropped without one, the request is refused as [`Reason::Silent`].
pub struct Respond {
    caller: Caller,
    allowance: Allowance,
}

/// Whoever waited for a response does not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for a response any more")]
pub struct Unwanted;

/// A response could not be given.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// Its head could not be sent.
    #[error("the response could not be sent")]
    NotSent(#[source] PublishError),
    /// It has a part that is larger than can be said. The caller was told that it failed.
    #[error("the head of the response is too large")]
    Head,
    /// Its body could not be sent, and was cut.
    #[error(transparent)]
    Body(#[from] OutgoingError),
}

// === impl Handler ===

impl Handler {
    /// What handles requests at an address.
    pub fn new(address: &Address, side: Side) -> Result<Self, SubjectError> {
        Ok(Self { ways: vec![(address.subject(&side.function())?, side)] })
    }

    /// Whatever handles requests at an address: one who sends them out, or else one who answers them.
    pub fn any(address: &Address) -> Result<Self, SubjectError> {
        let way = |side: Side| Ok((address.subject(&side.function())?, side));
        Ok(Self { ways: [Side::Outgoing, Side::Incoming].into_iter().map(way).collect::<Result<_, _>>()? })
    }
}

// === impl Side ===

impl Side {
    fn function(self) -> Function {
        match self {
            Self::Incoming => Function::of("wrpc:http/incoming-handler@0.1.0", "handle"),
            Self::Outgoing => Function::of("wrpc:http/outgoing-handler@0.1.0", "handle"),
        }
    }
}

// === impl Wire ===

impl Wire {
    /// Sends a request, and waits for the head of its response for as long as the call says. The request's body is sent while the
    /// response is waited for, and while its body is read. Where it is still there after an error, nothing of it was sent. Both
    /// bodies last as long as they move: nothing is waited for whose sender is silent for 5 s longer than the call says. To be
    /// called where there is a runtime that has timers.
    pub async fn send_http<B>(
        &self,
        handler: &Handler,
        request: &mut Request<Option<B>>,
        Call { letterhead, timeout, roster, again }: Call,
    ) -> Result<Response<Incoming>, SendError>
    where
        B: Body<Data: Buf + Send, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
    {
        let headers = letterhead.headers((origin::REMAINING, Some(timeout)));
        let (last, others) = handler.ways.split_last().expect("a handler has a way, see its impl");
        let asked = |(remote, _): &(Subject, Side)| Asked::one_of(roster.as_ref(), remote, again);
        let sent = async {
            for way in others {
                match self.exchange_http((&asked(way), way.1), request, (&headers, timeout)).await {
                    Err(SendError::Invoke(InvokeError::NobodyThere { .. })) => {}
                    sent => return sent,
                }
            }
            self.exchange_http((&asked(last), last.1), request, (&headers, timeout)).await
        };
        let response = rt::within(Some(timeout), sent).await;
        response.map_err(|late| InvokeError::Late { remote: last.0.clone(), late })?
    }

    async fn exchange_http<B>(
        &self,
        (asked, side): (&Asked, Side),
        request: &mut Request<Option<B>>,
        (headers, timeout): (&Headers, Duration),
    ) -> Result<Response<Incoming>, SendError>
    where
        B: Body<Data: Buf + Send, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
    {
        let remote = &asked.remote;
        let handler = || remote.clone();
        let mut params = head::write_request(request).ok_or_else(|| SendError::Head { handler: handler() })?;
        if side == Side::Outgoing {
            // No options.
            params.push(0);
        }
        let opening = Opening { params: params.into(), headers: headers.clone() };
        let patience = Patience::in_call(Some(timeout), self.limits());
        let (peer, mut flow) = self.open_flow(asked, opening, (&body::PATHS, patience)).await?;
        let body = peer.and_then(|peer| Some((flow.allowance(Some(&peer)), peer, request.body_mut().take()?)));
        let sending = body.map(|(allowance, peer, body)| self.sending(peer, body, allowance));
        let (values, sending) = meanwhile(flow.values(), sending).await;
        let bytes = values.map_err(|fault| {
            flow.end();
            asked.failed(self.fault(remote, fault))
        })?;
        match head::read_response(&bytes, HEAD_MAX) {
            Ok(Ok((head, rest))) => Ok(Response::from_parts(head, Incoming::new(flow, rest).beside(sending))),
            Ok(Err(code)) => {
                flow.end();
                Err(SendError::Answered { handler: handler(), code })
            }
            Err(HeadError::Values(DecodeError::Incomplete)) if bytes.is_empty() => {
                flow.end();
                Err(InvokeError::silent(remote).into())
            }
            Err(source) => Err(SendError::Garbled { handler: handler(), source }),
        }
    }

    /// Sends a body to its end, whatever becomes of it: who reads it notices where it was cut.
    fn sending<B>(&self, peer: Subject, body: B, allowance: Allowance) -> BoxFuture<'static, ()>
    where
        B: Body<Data: Buf + Send, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
    {
        let bus = self.bus().clone();
        Box::pin(async move {
            // A peer whose address has no room for a word was told so, see `open_call`.
            let Ok(params) = outbound::below(&peer, "params") else { return };
            if let Err(error) = body::say(&bus, &params, body, allowance).await {
                tracing::debug!(error = %stdx::Chain(&error), "the body of a request was cut");
            }
        })
    }

    /// Accepts requests at an address, together with all others who do. Requests reach it when this returns.
    pub async fn accept_http(&self, address: &Address) -> Result<Accepting, ServeError> {
        let function = Side::Incoming.function();
        Ok(Accepting { desk: Desk::open(self.clone(), address, vec![Offer::exact(&function)?]).await? })
    }
}

/// Waits for the one and goes on with the other, which is given back where it has not ended.
async fn meanwhile<T>(
    wanted: impl Future<Output = T>,
    sending: Option<BoxFuture<'static, ()>>,
) -> (T, Option<BoxFuture<'static, ()>>) {
    let wanted = pin!(wanted);
    let Some(sending) = sending else { return (wanted.await, None) };
    match select(wanted, sending).await {
        Either::Left((wanted, sending)) => (wanted, Some(sending)),
        Either::Right(((), wanted)) => (wanted.await, None),
    }
}

// === impl Accepting ===

impl Accepting {
    /// The next request; none after [`end`](Self::end), when all that came before was handed out. Whoever serves has to go on
    /// asking while requests are answered: that is when callers are told that there are too many.
    pub async fn next(&mut self) -> Option<Exchange> {
        std::future::poll_fn(|cx| self.desk.poll_next(cx, begin)).await
    }

    /// Takes no more requests: others who serve the address get them. To be called where there is a runtime.
    pub fn end(&mut self) {
        self.desk.end();
    }

    /// How many requests were taken and are not answered to their end yet.
    pub fn running(&self) -> usize {
        self.desk.running()
    }

    /// Ends, and waits until all requests that were handed out have been answered.
    pub async fn drain(mut self) {
        self.end();
        self.desk.idle().await;
    }
}

fn begin(_function: usize, call: Message, mut caller: Caller) -> Reception<Exchange> {
    Box::pin(async move {
        let origin = Origin::read(&call.headers);
        match take(&call, &origin, &mut caller).await {
            Ok((request, allowance)) => Some(Exchange { request, origin, respond: Respond { caller, allowance } }),
            Err(why) => {
                caller.give_up(&why).await;
                None
            }
        }
    })
}

/// The request of a call, once all of its head is there, and how much may be answered at once.
async fn take(
    Message { payload: first, headers, .. }: &Message,
    origin: &Origin,
    caller: &mut Caller,
) -> Result<(Request<Incoming>, Allowance), NotTaken> {
    let wire = caller.wire().clone();
    let limits = wire.limits();
    let read = |bytes: &Bytes| head::read_request(bytes, HEAD_MAX);
    let mailbox = wire.inbox().expect(inbox::PARAMS, &body::PATHS);
    let allowed = Allowed::by(headers);
    // Who says a window understands what he is told of ours.
    let is_told = allowed.is_told();
    let heard = if is_told { allowance::with_window(Headers::default(), limits) } else { Headers::default() };
    mailbox.post().ask(|known| *known = allowed);
    let receipts = Receipts::to(wire.bus(), limits, caller.subject().filter(|_| is_told));
    let garbled = |error: HeadError| NotTaken::Garbled(error.into());
    let (head, rest) = match read(first) {
        Ok(whole) => {
            caller.accept(mailbox.subject.clone(), heard).await?;
            whole
        }
        Err(HeadError::Values(DecodeError::Incomplete)) => {
            caller.accept(mailbox.subject.clone(), heard).await?;
            let time = origin.remaining.unwrap_or(limits.params_max).min(limits.params_max);
            read(&caller.rest(first, &mailbox, time).await?).map_err(garbled)?
        }
        Err(error) => return Err(garbled(error)),
    };
    let flow = Flow::new(mailbox, receipts, (wire.bus(), Patience::in_call(origin.remaining, limits)));
    let allowance = flow.allowance(caller.subject());
    Ok((Request::from_parts(head, Incoming::new(flow, rest)), allowance))
}

// === impl Respond ===

impl Respond {
    /// Whether who asks knows what a refusal is, and may ask somebody else. A stranger sees an answer that failed.
    pub fn knows_refusals(&self) -> bool {
        self.allowance.is_told()
    }

    /// Works for a response as long as anybody wants one.
    pub async fn while_wanted<T>(&self, work: impl Future<Output = T>) -> Result<T, Unwanted> {
        self.allowance.while_wanted(work).await.ok_or(Unwanted)
    }

    /// Answers with a response, and returns when all of its body is sent.
    pub async fn with<B>(mut self, response: Response<B>) -> Result<(), RespondError>
    where
        B: Body<Data: Buf, Error: Into<BoxError>> + Unpin,
    {
        let (head, body) = response.into_parts();
        let Some(bytes) = head::write_response(Ok(&head)) else {
            self.caller.refuse(&Refusal::new(Reason::Failed, "the head of its response is too large")).await;
            return Err(RespondError::Head);
        };
        let Some(subject) = self.say(bytes).await? else { return Ok(()) };
        let bus = self.caller.wire().bus().clone();
        Ok(body::say(&bus, &subject, body, self.allowance).await?)
    }

    /// Answers that there is no response, and why.
    pub async fn with_error(mut self, code: &ErrorCode) -> Result<(), RespondError> {
        let bytes = head::write_response(Err(code)).ok_or(RespondError::Head)?;
        self.say(bytes).await.map(drop)
    }

    /// Says that nobody handles the request, and why.
    pub async fn refuse(mut self, refusal: &Refusal) {
        self.caller.refuse(refusal).await;
    }

    async fn say(&mut self, bytes: Vec<u8>) -> Result<Option<Subject>, RespondError> {
        let Some(subject) = self.caller.results() else { return Ok(None) };
        let said = outbound::say_whole(self.caller.wire().bus(), subject.clone(), bytes.into()).await;
        said.map_err(RespondError::NotSent)?;
        Ok(Some(subject))
    }
}

impl fmt::Debug for Respond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond").field("caller", &self.caller).finish_non_exhaustive()
    }
}

// === impl errors ===

impl Explain for SendError {
    fn code(&self) -> Code {
        match self {
            Self::Head { .. } => Code::E1105,
            Self::Invoke(source) => source.code(),
            Self::Answered { .. } => Code::E1103,
            Self::Garbled { .. } => Code::E1104,
        }
    }
}
