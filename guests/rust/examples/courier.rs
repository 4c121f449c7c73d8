//! Sends messages for whoever asks over HTTP, by `wasmcloud:messaging@0.2.0`.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /SUBJECT?times=N&reply=R` | publishes the body N times, to be answered at R; answers how many were taken, or why not |
//! | `PUT /SUBJECT?wait=MS` | asks, and answers with the answer's body, or why there is none |
//!
//! `subject=S` takes the place of the path, for subjects that no path can be.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasmcloud::messaging::consumer;
use crate::wasmcloud::messaging::types::BrokerMessage;

wit_bindgen::generate!({ path: "../../wit/wasmcloud-messaging", world: "imports", generate_all });

struct Courier;

wasip2::http::proxy::export!(Courier);

impl wasip2::exports::http::incoming_handler::Guest for Courier {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let subject = target.text("subject").unwrap_or_else(|| target.path.clone());
        let body = body_of(&request);
        let outcome = match target.method.as_str() {
            "PUT" => consumer::request(&subject, &body, target.number("wait", 1_000)).map(|answer| answer.body),
            _ => publish(&target, subject, body),
        };
        match outcome {
            Ok(body) => answer(out, 200, body),
            Err(text) => answer(out, 503, text),
        }
    }
}

fn publish(target: &Target, subject: String, body: Vec<u8>) -> Result<Vec<u8>, String> {
    let message = BrokerMessage { subject, body, reply_to: target.text("reply") };
    let times = target.number("times", 1);
    (0..times).try_for_each(|_| consumer::publish(&message))?;
    Ok(format!("{times}\n").into_bytes())
}
