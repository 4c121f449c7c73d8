//! Requests that other hosts, and providers, hand on over the wire: answered on a core as those of a connection are.
//!
//! # Invariants
//!
//! 1. Each is answered or refused, within the component's time and that of who asks.
//! 2. Who asks and does not wait any more ends the component's work.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use engine::Failure;
use http::uri::Scheme;
use http::{Request, Response};
use model::ComponentName;
use rt::{STRIDE, Tick, Ticker};
use stdx::Chain;
use wire::http::{Exchange as Call, Incoming, Respond};
use wire::{Reason, Refusal as Refused};

use crate::answer::{AnswerBody, Refusal};
use crate::connection::begin_in;
use crate::core::Core;
use crate::exchange::Exchange;
use crate::headers;
use crate::request::Body;

/// A request of a component of this host.
pub(crate) struct AskedFor {
    pub(crate) component: ComponentName,
    pub(crate) call: Box<Call>,
}

/// What a component made of a request.
enum Made {
    Response(Response<AnswerBody>),
    /// Nothing, since there was no room for it.
    NoRoom,
}

/// Answers a request to its end.
pub(crate) async fn answer(core: Rc<Core>, AskedFor { component, call }: AskedFor) {
    Ticker::wake();
    let Call { mut request, origin, respond } = *call;
    // Who asks may say it of the call alone.
    if let Some(trace) = &origin.trace {
        engine::trace::add(trace, request.headers_mut());
    }
    match begin(&core, &component, request, origin.remaining) {
        Ok(exchange) => work(exchange, respond).await,
        Err(refusal) => refuse(respond, refusal).await,
    }
}

fn begin(
    core: &Rc<Core>,
    component: &ComponentName,
    request: Request<Incoming>,
    remaining: Option<Duration>,
) -> Result<Exchange, Refusal> {
    let pool = core.pool_of(component).ok_or(Refusal::NoRoute)?;
    let scheme = request.uri().scheme().filter(|scheme| **scheme == Scheme::HTTPS).cloned().unwrap_or(Scheme::HTTP);
    begin_in(core, pool, (request.map(|body| Body::Wire(Box::new(body))), scheme), remaining)
}

async fn work(exchange: Exchange, respond: Respond) {
    // No connection looks at this deadline: the alarm lets the exchange see that it is over.
    let mut alarm = pin!(tokio::time::sleep(exchange.deadline().since(Tick::now())));
    let mut answering = pin!(answer_with(exchange, respond));
    std::future::poll_fn(|cx| {
        // The clock that the exchange looks at may be behind: the alarm rings until it has seen it.
        while alarm.as_mut().poll(cx).is_ready() {
            alarm.as_mut().reset(tokio::time::Instant::now() + STRIDE);
        }
        answering.as_mut().poll(cx)
    })
    .await;
}

async fn answer_with(exchange: Exchange, respond: Respond) {
    let mut exchange = Some(exchange);
    let made = std::future::poll_fn(|cx| {
        let answered = ready!(exchange.as_mut().expect("it is polled until it is ready").poll_answered(cx));
        let exchange = exchange.take().expect("it was there a line ago");
        let has_no_room = matches!(answered, Err(Failure::Full));
        let response = exchange.answer(answered, cx);
        Poll::Ready(if has_no_room { Made::NoRoom } else { Made::Response(response) })
    });
    match respond.while_wanted(made).await {
        Ok(Made::Response(mut response)) => {
            headers::keep_end_to_end(response.headers_mut());
            say(respond, response).await;
        }
        Ok(Made::NoRoom) => refuse(respond, Refusal::Full).await,
        Err(unwanted) => tracing::debug!(error = %unwanted, "a component's work was ended"),
    }
}

/// One of ours asks somebody else where there is no room; to others it is an answer as any.
async fn refuse(respond: Respond, refusal: Refusal) {
    match refusal {
        Refusal::Full | Refusal::NoRoute if respond.knows_refusals() => {
            respond.refuse(&Refused::new(Reason::Busy, "")).await;
        }
        refusal => say(respond, refusal.answer()).await,
    }
}

async fn say(respond: Respond, response: Response<AnswerBody>) {
    if let Err(error) = respond.with(response).await {
        tracing::debug!(error = %Chain(&error), "an answer was not taken to its end");
    }
}
