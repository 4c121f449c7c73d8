//! Sends the HTTP requests of a component over the wire, to whom a link leads them: a provider that sends them out, or another
//! component that answers them. No list of hosts is asked: the link is the permission.
//!
//! # Invariants
//!
//! 1. What is here is asked before what is elsewhere, in the order of the ways.
//! 2. A request is begun once. What becomes of it is for the component to see and to decide.

use std::sync::Arc;
use std::time::Duration;

use engine::{Answer, Egress, Transmission};
use http::{Request, Response};
use http_body_util::BodyExt;
use stdx::Chain;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};
use wire::http::{ErrorCode, Handler, SendError};
use wire::{Call, InvokeError, Lanes, Letterhead, Origin, Reason};

use super::CONNECTIONS;
use super::sent::Sent;
use crate::headers;
use crate::request::Body;

/// The way of a component's requests by a link.
pub struct Linked {
    shared: Arc<Shared>,
}

struct Shared {
    /// Asked one after the other, until somebody is there.
    ways: Vec<(Lanes, Handler)>,
    letterhead: Letterhead,
    timeout: Option<Duration>,
    places: Arc<Semaphore>,
}

// === impl Linked ===

impl Linked {
    /// The first of these ways that leads to anybody. `timeout` is the longest that an answer may be waited for.
    pub fn new(ways: Vec<(Lanes, Handler)>, origin: Origin, timeout: Option<Duration>) -> Self {
        let (letterhead, places) = (origin.into(), Arc::new(Semaphore::new(CONNECTIONS)));
        Self { shared: Arc::new(Shared { ways, letterhead, timeout, places }) }
    }
}

impl Egress for Linked {
    fn send(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Answer {
        let shared = self.shared.clone();
        let wish = options.and_then(|options| options.first_byte_timeout).unwrap_or(Duration::from_secs(60));
        Box::pin(async move {
            let timeout = shared.timeout.map_or(wish, |timeout| timeout.min(wish)).max(Duration::from_millis(1));
            shared.send(request, timeout).await
        })
    }
}

// === impl Shared ===

impl Shared {
    async fn send(
        &self,
        request: Request<WasiBody>,
        timeout: Duration,
    ) -> Result<(Response<WasiBody>, Transmission), Error> {
        let place = self.places.clone().try_acquire_owned().map_err(|_full| Error::ConnectionLimitReached)?;
        let (head, body) = request.into_parts();
        let letterhead = self.letterhead.clone().within(engine::trace::of(&head.headers));
        let (body, sent) = Sent::new(body, Arc::new(place));
        let mut request = Request::from_parts(head, Some(body));
        let response = self.ask((&letterhead, timeout), &mut request).await.map_err(|error| {
            tracing::debug!(error = %Chain(&error), "a request got no answer by its link");
            as_component_sees(&error)
        })?;
        let response = response.map(|body| Body::Wire(Box::new(body)).boxed_unsync());
        let transmission = async { sent.await.unwrap_or(Err(Error::ConnectionTerminated)) };
        Ok((response, Box::pin(transmission)))
    }

    async fn ask(
        &self,
        by: (&Letterhead, Duration),
        request: &mut Request<Option<Sent>>,
    ) -> Result<Response<wire::http::Incoming>, SendError> {
        let (last, others) = self.ways.split_last().expect("a link leads somewhere, see Abroad::requests");
        for way in others {
            match ask_by(way, by, request).await {
                Err(SendError::Invoke(InvokeError::NobodyThere { .. })) => {}
                answered => return answered,
            }
        }
        ask_by(last, by, request).await
    }
}

async fn ask_by(
    (lanes, handler): &(Lanes, Handler),
    (letterhead, timeout): (&Letterhead, Duration),
    request: &mut Request<Option<Sent>>,
) -> Result<Response<wire::http::Incoming>, SendError> {
    let mut response = lanes.here().send_http(handler, request, Call::new(letterhead.clone(), timeout)).await?;
    headers::keep_end_to_end(response.headers_mut());
    Ok(response)
}

/// What a request without an answer is for the component that sent it.
fn as_component_sees(error: &SendError) -> Error {
    match error {
        SendError::Answered { code, .. } => of_code(code),
        SendError::Head { .. } => Error::HttpRequestHeaderSectionSize(None),
        SendError::Garbled { .. } => Error::HttpProtocolError,
        SendError::Invoke(error) => match error {
            InvokeError::NobodyThere { .. } | InvokeError::Left { .. } => Error::DestinationUnavailable,
            InvokeError::NotSent { .. } => Error::ConnectionRefused,
            InvokeError::Late { .. } => Error::HttpResponseTimeout,
            InvokeError::Refused { refusal, .. } if refusal.reason == Reason::Busy => Error::ConnectionLimitReached,
            InvokeError::NoRoom { .. } => Error::ConnectionLimitReached,
            InvokeError::Refused { .. } => Error::HttpResponseIncomplete,
            InvokeError::CutOff { .. }
            | InvokeError::Lost { .. }
            | InvokeError::Unheard { .. }
            | InvokeError::PieceLost { .. } => Error::ConnectionTerminated,
            InvokeError::Garbled { .. } => Error::HttpProtocolError,
            InvokeError::Values { .. } | InvokeError::TooLarge { .. } | InvokeError::AnswerTooLarge { .. } => {
                Error::HttpResponseHeaderSectionSize(None)
            }
        },
    }
}

/// The error of that name, with what stands beside it where that is a text.
fn of_code(code: &ErrorCode) -> Error {
    match code.name() {
        "DNS-timeout" => Error::DnsTimeout,
        "DNS-error" => Error::DnsError { rcode: code.text.clone(), info_code: None },
        "destination-not-found" => Error::DestinationNotFound,
        "destination-unavailable" => Error::DestinationUnavailable,
        "destination-IP-prohibited" => Error::DestinationIpProhibited,
        "destination-IP-unroutable" => Error::DestinationIpUnroutable,
        "connection-refused" => Error::ConnectionRefused,
        "connection-terminated" => Error::ConnectionTerminated,
        "connection-timeout" => Error::ConnectionTimeout,
        "connection-read-timeout" => Error::ConnectionReadTimeout,
        "connection-write-timeout" => Error::ConnectionWriteTimeout,
        "connection-limit-reached" => Error::ConnectionLimitReached,
        "TLS-protocol-error" => Error::TlsProtocolError,
        "TLS-certificate-error" => Error::TlsCertificateError,
        "HTTP-request-denied" => Error::HttpRequestDenied,
        "HTTP-request-length-required" => Error::HttpRequestLengthRequired,
        "HTTP-request-method-invalid" => Error::HttpRequestMethodInvalid,
        "HTTP-request-URI-invalid" => Error::HttpRequestUriInvalid,
        "HTTP-request-URI-too-long" => Error::HttpRequestUriTooLong,
        "HTTP-response-incomplete" => Error::HttpResponseIncomplete,
        "HTTP-response-timeout" => Error::HttpResponseTimeout,
        "HTTP-upgrade-failed" => Error::HttpUpgradeFailed,
        "HTTP-protocol-error" => Error::HttpProtocolError,
        "loop-detected" => Error::LoopDetected,
        "configuration-error" => Error::ConfigurationError,
        _ => Error::InternalError(Some(code.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_seen_as_it_was_said() {
        let seen = |code: &ErrorCode| format!("{:?}", of_code(code));
        let named = |name| ErrorCode::named(name).expect("a code");
        assert_eq!(seen(&named("connection-refused")), "ConnectionRefused");
        assert_eq!(seen(&ErrorCode::internal("boom")), r#"InternalError(Some("internal-error: boom"))"#);
        assert_eq!(seen(&named("HTTP-request-body-size")), r#"InternalError(Some("HTTP-request-body-size"))"#);
    }
}
