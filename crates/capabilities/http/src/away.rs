//! Requests for a component that runs on other hosts: sent there over the wire, and answered with what comes back.
//!
//! ```text
//! connection ─▶ forward ─▶ wire ═▶ bus ═▶ wire ─▶ asked ─▶ Exchange (on the host that runs it)
//! ```
//!
//! # Invariants
//!
//! 1. A request ends within its time, in the component's answer or in one of this host's that says why there is none.
//! 2. What may have been begun is asked of nobody else, unless doing it twice is doing it once (RFC 9110, 9.2.2) and nothing of
//!    it is lost with the first attempt: it has no body.
//! 3. A client that goes away ends the request on the other host as well.

mod body;
mod next;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::Limits;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use model::ComponentName;
use rt::Tick;
use stdx::{Chain, Trace};
use wire::http::{Handler, SendError};
use wire::{Address, Again, Call, Lanes, Letterhead, Origin, Roster};

use crate::answer::{AnswerBody, Refusal};
use crate::core::Core;
use crate::exchange::Asked;
use crate::headers;
use crate::request::{Body as RequestBody, LimitedBody};
use crate::served::{Counts, Outcome};
use next::{Next, Sending, next};

pub(crate) use body::FarBody;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(5);

/// A component that runs on other hosts.
pub struct Away {
    name: ComponentName,
    lanes: Lanes,
    handler: Handler,
    /// Who runs it: one of them is asked, as calls of functions are.
    roster: Roster,
    letterhead: Letterhead,
    pub(crate) limits: Arc<Limits>,
    counts: Arc<[Counts]>,
}

/// Counts one request once, by what became of it.
pub(crate) struct Tally {
    core: Rc<Core>,
    away: Arc<Away>,
    trace: Option<Trace>,
    is_counted: bool,
}

// === impl Away ===

impl Away {
    /// The component of that name, asked over the wire by `source`. What it is asked is bounded by `limits`. `counts` are as many
    /// as there are cores.
    ///
    /// # Errors
    ///
    /// Where no component of that name can be asked.
    pub fn new(
        (lanes, address): (Lanes, &Address),
        (source, name): (&str, ComponentName),
        (limits, counts): (Arc<Limits>, Arc<[Counts]>),
    ) -> Result<Self, bus::SubjectError> {
        let handler = Handler::new(address, wire::http::Side::Incoming)?;
        let roster = lanes.common().roster(address)?;
        let target = Some(name.to_string());
        let letterhead = Origin { source: Some(source.to_owned()), target, ..Origin::default() }.into();
        Ok(Self { name, lanes, handler, roster, letterhead, limits, counts })
    }

    /// What happened to its requests.
    pub fn counts(&self) -> &Arc<[Counts]> {
        &self.counts
    }
}

/// Asks another host, and answers with what it says.
pub(crate) async fn forward(core: Rc<Core>, away: Arc<Away>, asked: Asked, deadline: Tick) -> Response<AnswerBody> {
    let Asked { request, overflow, scheme } = asked;
    let trace = engine::trace::of(request.headers());
    let tally = Tally { core, away: away.clone(), trace, is_counted: false };
    let Some(request) = addressed(request, scheme) else { return tally.refuse(Refusal::NoHost, Outcome::Failed) };
    let letterhead = away.letterhead.clone().within(tally.trace.clone());
    match send((&away, letterhead), request, deadline).await {
        _ if overflow.happened() => tally.refuse(Refusal::TooLarge, Outcome::TooLarge),
        Ok(mut response) => {
            headers::keep_end_to_end(response.headers_mut());
            response.map(|body| AnswerBody::Far(Box::new(FarBody::new(body, tally))))
        }
        Err((error, refusal)) => {
            tally.log(&error);
            let outcome = match refusal {
                Refusal::Full => Outcome::Full,
                Refusal::OutOfTime => Outcome::OutOfTime,
                _ => Outcome::Failed,
            };
            tally.refuse(refusal, outcome)
        }
    }
}

/// Sends a request until somebody answers it, as long as it may be sent again.
async fn send(
    (away, letterhead): (&Away, Letterhead),
    mut request: Request<Option<LimitedBody>>,
    deadline: Tick,
) -> Result<Response<wire::http::Incoming>, (SendError, Refusal)> {
    let has_body = request.body().as_ref().is_some_and(|body| !body.is_end_stream());
    let is_idempotent = request.method().is_idempotent();
    let again = if is_idempotent && !has_body { Again::May } else { Again::Never };
    let mut tries = 0;
    loop {
        let call = Call::new(letterhead.clone(), deadline.since(Tick::now())).among(&away.roster, again);
        let error = match away.lanes.here().send_http(&away.handler, &mut request, call).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let sending = Sending { is_whole: request.body().is_some() || !has_body, is_idempotent, tries };
        let pause = PAUSE * 2_u32.pow(tries.min(8));
        match next(&error, sending) {
            Next::Again if deadline.since(Tick::now()) > pause => tokio::time::sleep(pause).await,
            Next::Again => return Err((error, Refusal::OutOfTime)),
            Next::Refuse(refusal) => return Err((error, refusal)),
        }
        request.body_mut().get_or_insert_with(|| LimitedBody::unlimited(RequestBody::None));
        tries += 1;
    }
}

/// The request as it is for somebody who was not connected to: with where it goes, and without what is for this connection.
fn addressed(request: Request<LimitedBody>, scheme: Scheme) -> Option<Request<Option<LimitedBody>>> {
    let (mut head, body) = request.into_parts();
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    if uri.authority.is_none() {
        uri.authority = Some(head.headers.get(HOST)?.to_str().ok()?.parse().ok()?);
    }
    uri.scheme = Some(scheme);
    let path = uri.path_and_query.take();
    uri.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
    head.uri = Uri::from_parts(uri).ok().filter(|_| head.method != Method::CONNECT)?;
    headers::keep_end_to_end(&mut head.headers);
    Some(Request::from_parts(head, Some(body)))
}

// === impl Tally ===

impl Tally {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.is_counted, true) {
            self.away.counts[self.core.index()].add(outcome);
        }
    }

    fn refuse(mut self, refusal: Refusal, outcome: Outcome) -> Response<AnswerBody> {
        self.count(outcome);
        refusal.answer()
    }

    pub(crate) fn log(&self, error: &(dyn std::error::Error + 'static)) {
        self.core.log_unanswered((&self.away.name, self.trace.as_ref()), error);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.count(Outcome::Abandoned);
    }
}

impl Core {
    /// Says that a component elsewhere did not answer. A storm of it is counted, not written out.
    fn log_unanswered(
        &self,
        (component, trace): (&ComponentName, Option<&Trace>),
        error: &(dyn std::error::Error + 'static),
    ) {
        let trace = trace.map(Trace::id);
        self.log_seldom(
            || tracing::warn!(%component, trace, error = %Chain(error), "a request was not answered on another host"),
        );
    }
}
