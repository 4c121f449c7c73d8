//! Streams the request's body back, by `wasi:http/handler@0.3.0`.
//!
//! The paths `/count` (a counter, which shows reuse), `/slow?ms=N` (sleeps, so that many calls can be in one instance
//! at a time) and `/trap` are here too, since a concurrent instance is what WASI 0.3 adds.

use std::sync::atomic::{AtomicU64, Ordering};

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

static CALLS: AtomicU64 = AtomicU64::new(0);

struct Echo;

wasip3::http::service::export!(Echo);

impl wasip3::exports::http::handler::Guest for Echo {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let number = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.get_path_with_query().unwrap_or_default();
        match target.split_once("?ms=") {
            Some(("/slow", milliseconds)) => {
                monotonic_clock::wait_for(milliseconds.parse().unwrap_or(100) * 1_000_000).await;
                Ok(text("slept\n".to_owned()))
            }
            _ if target == "/trap" => panic!("asked to"),
            _ if target == "/count" => Ok(text(format!("{number}\n"))),
            _ => Ok(echo(request)),
        }
    }
}

/// Hands the request's stream on as the answer's, without looking at what is in it. Trailers that the request has announced are
/// announced as well, without which HTTP/1.1 has none.
fn echo(request: Request) -> Response {
    let announced: Vec<_> =
        request.get_headers().get("trailer").into_iter().map(|names| ("trailer".to_owned(), names)).collect();
    let fields = Fields::from_list(&announced).expect("the request had them");
    let (_, outcome) = wit_future::new(|| Ok(()));
    let (contents, trailers) = Request::consume_body(request, outcome);
    Response::new(fields, Some(contents), trailers).0
}

fn text(text: String) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    Response::new(Fields::new(), Some(contents), trailers).0
}
