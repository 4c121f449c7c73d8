//! Counts the messages that it is called with by `wasmcloud:messaging@0.2.0`, and tells the counts over HTTP.
//!
//! | body of a message | what the clerk does beside counting it under its subject |
//! | --- | --- |
//! | `fail`, `trap`, `spin` | answers with an error, traps, never ends |
//! | `work N` | turns N million times before it counts |
//! | `tell SUBJECT` | publishes there, and counts what came of it as `told` or `refused` |
//! | any other | answers with the body backwards, where an answer is expected |
//!
//! `GET /…/SUBJECT` answers how many messages on it were handled; `GET /…/all` all of them.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::exports::wasmcloud::messaging::handler;
use crate::wasi::keyvalue::{atomics, store};
use crate::wasmcloud::messaging::consumer;
use crate::wasmcloud::messaging::types::BrokerMessage;

wit_bindgen::generate!({
    inline: "
        package demo:clerk;

        world clerk {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasmcloud:messaging/consumer@0.2.0;
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    path: ["../../wit/wasmcloud-messaging", "../../wit/keyvalue-draft"],
    world: "demo:clerk/clerk",
    generate_all,
});

struct Clerk;

export!(Clerk);
wasip2::http::proxy::export!(Clerk);

impl handler::Guest for Clerk {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("fail", _) => return Err("the clerk was told to fail".into()),
            ("trap", _) => panic!("the clerk was told to trap"),
            ("spin", _) => loop {
                std::hint::spin_loop();
            },
            ("work", millions) => work(millions.parse().unwrap_or(1)),
            ("tell", subject) => {
                let told = publish(subject, b"told");
                count(if told.is_ok() { "told" } else { "refused" })?;
            }
            _ => {
                let backwards: Vec<u8> = message.body.iter().rev().copied().collect();
                message.reply_to.iter().try_for_each(|reply| publish(reply, &backwards))?;
            }
        }
        count(&message.subject)
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Clerk {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let name = Target::of(&request).path;
        // What comes before the last part is where the clerk is served.
        let name = name.rsplit('/').next().unwrap_or_default();
        match store::open("").and_then(|bucket| atomics::increment(&bucket, name, 0)) {
            Ok(sum) => answer(out, 200, format!("{sum}\n")),
            Err(error) => answer(out, 503, format!("{error:?}\n")),
        }
    }
}

fn work(millions: u64) {
    for turn in 0..millions * 1_000_000 {
        std::hint::black_box(turn);
    }
}

fn publish(subject: &str, body: &[u8]) -> Result<(), String> {
    consumer::publish(&BrokerMessage { subject: subject.into(), body: body.into(), reply_to: None })
}

fn count(subject: &str) -> Result<(), String> {
    let bucket = store::open("").map_err(|error| format!("{error:?}"))?;
    for name in [subject, "all"] {
        atomics::increment(&bucket, name, 1).map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}
