//! Fetches what `?url=` names, by `wasi:http/outgoing-handler`, and relays the status and the body.
//!
//! A failure is answered with 502 and the name of the error, as `ErrorCode` prints it; a URL that is none with 400.

use guests::{Answer, Target, answer};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

struct Fetch;

wasip2::http::proxy::export!(Fetch);

impl wasip2::exports::http::incoming_handler::Guest for Fetch {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let url = Target::of(&request).text("url").unwrap_or_default();
        let Some(wanted) = outgoing(&url) else {
            return answer(out, 400, format!("not a URL: {url:?}\n"));
        };
        match fetch(wanted) {
            Ok(response) => relay(&response, out),
            Err(error) => answer(out, 502, format!("{error:?}\n")),
        }
    }
}

/// The request for a URL; none if it is not one.
fn outgoing(url: &str) -> Option<OutgoingRequest> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(path)).ok()?;
    Some(request)
}

fn fetch(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    let body = request.body().expect("the body is taken once");
    let pending = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    pending.subscribe().block();
    pending.get().expect("it was waited for").expect("the answer is taken once")
}

fn relay(response: &IncomingResponse, out: ResponseOutparam) {
    let headers = Fields::new();
    let media = response.headers().get("content-type");
    if headers.set("content-type", &media).is_err() {
        eprintln!("the content type could not be passed on");
    }
    let body = response.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut answer = Answer::begin(out, response.status(), headers);
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) if answer.write(&bytes) => {}
            Ok(_) => return,
            Err(StreamError::Closed) => return answer.finish(),
            // Not finishing the body tells the client that it is incomplete.
            Err(StreamError::LastOperationFailed(error)) => return eprintln!("{}", error.to_debug_string()),
        }
    }
}
