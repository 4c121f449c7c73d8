//! Sells something: asks another component for the price, and counts in a store.
//!
//! `POST /NAME` counts one more of NAME and answers `SUM at PRICE`. `GET /?times=N` asks N times, and answers the sum of what was
//! said. `PUT /` asks for each byte of its body when that comes, and answers a line with what was said.

use guests::{Answer, Target, answer};
use wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};

use crate::demo::shop::tag;
use crate::wasi::keyvalue::{atomics, store};

wit_bindgen::generate!({
    inline: "
        package demo:till;

        world till {
            import demo:shop/tag@1.0.0;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
        }
    ",
    path: ["../wit/shop", "../../wit/keyvalue-draft"],
    world: "demo:till/till",
    generate_all,
});

struct Till;

wasip2::http::proxy::export!(Till);

impl wasip2::exports::http::incoming_handler::Guest for Till {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        if target.method == "GET" {
            let sum: u64 = (0..target.number("times", 1)).map(|_| u64::from(tag::price())).sum();
            return answer(out, 200, format!("{sum}\n"));
        }
        if target.method == "PUT" {
            return prices(&request, out);
        }
        let sold = store::open("sales").and_then(|bucket| atomics::increment(&bucket, &target.path, 1));
        match sold {
            Ok(sum) => answer(out, 200, format!("{sum} at {}\n", tag::price())),
            Err(error) => answer(out, 503, format!("{error:?}\n")),
        }
    }
}

/// Asks for each byte that comes, within one invocation.
fn prices(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut answer = Answer::begin(out, 200, Fields::new());
    while let Ok(bytes) = stream.blocking_read(1) {
        for _ in bytes {
            if !(answer.write(format!("{}\n", tag::price()).as_bytes()) && answer.flush()) {
                return;
            }
        }
    }
    answer.finish();
}
