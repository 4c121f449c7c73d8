//! One request, from its head to its answer: what is decided before anybody works on it, and who does.
//!
//! # Invariants
//!
//! 1. What is refused is answered as well, and has cost no instance.
//! 2. What is awaited holds nothing of the request: hyper moves it about.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::HOST;
use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use rt::{Tick, Ticker};

use super::link::{Link, Phase};
use crate::answer::{AnswerBody, Refusal};
use crate::away::{self, Away};
use crate::core::{Core, Share, Way};
use crate::exchange::{Asked, Exchange};
use crate::pool::{Place, Pool};
use crate::request::{Body, limited};
use crate::served::Outcome;

/// The answer to one request: the component's, or a refusal.
pub(super) struct Answering {
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

/// Begins to answer one request.
pub(super) fn answer(core: &Rc<Core>, link: &Rc<Link>, request: (Request<Incoming>, Scheme)) -> Answering {
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
