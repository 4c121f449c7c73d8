//! Sends messages for whoever asks over HTTP, and counts those that it is called with, by `wasi:messaging@0.2.0-draft`.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /SUBJECT?times=N&mood=M&link=L` | sends the body N times with this metadata; answers how many were taken, or why not |
//! | `PUT /SUBJECT?wait=MS&replies=N` | asks, and answers with the answers' bodies, a line each, or why there is none |
//! | `DELETE /?size=BYTES&times=N` | keeps so many messages of that size at once |
//! | `GET /…/SUBJECT` | answers how many messages on it were handled; `/…/all` all of them; `/…/mood` the mood of the last |
//!
//! A message `fail` is answered with an error, any other with its body backwards, as `text/plain`.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::exports::wasi::messaging::incoming_handler;
use crate::wasi::keyvalue::{atomics, store};
use crate::wasi::messaging::types::{Client, Error, Message};
use crate::wasi::messaging::{producer, request_reply};

wit_bindgen::generate!({
    inline: "
        package demo:herald;

        world herald {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:messaging/producer@0.2.0-draft;
            import wasi:messaging/request-reply@0.2.0-draft;
            export wasi:messaging/incoming-handler@0.2.0-draft;
        }
    ",
    path: ["../../wit/wasi-messaging", "../../wit/keyvalue-draft"],
    world: "demo:herald/herald",
    generate_all,
});

struct Herald;

export!(Herald);
wasip2::http::proxy::export!(Herald);

impl incoming_handler::Guest for Herald {
    fn handle(message: Message) -> Result<(), Error> {
        let (data, topic) = (message.data(), message.topic().unwrap_or_default());
        if data == b"fail" {
            return Err(Error::Other("the herald was told to fail".into()));
        }
        let reply = Message::new(&data.iter().rev().copied().collect::<Vec<_>>());
        reply.set_content_type("text/plain");
        request_reply::reply(&message, reply)?;
        let about = message.metadata().unwrap_or_default();
        let mood = about.iter().find(|(key, _)| key == "mood").map_or("none", |(_, mood)| mood.as_str());
        let kept = store::open("").and_then(|bucket| {
            bucket.set("mood", format!("{mood} {}", message.content_type().unwrap_or_default()).as_bytes())?;
            atomics::increment(&bucket, &topic, 1)?;
            atomics::increment(&bucket, "all", 1)
        });
        kept.map(drop).map_err(|error| Error::Other(format!("{error:?}")))
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Herald {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let body = body_of(&request);
        let outcome = match target.method.as_str() {
            "GET" => counted(target.path.rsplit('/').next().unwrap_or_default()),
            "PUT" => ask(&target, &body),
            "DELETE" => keep(&target),
            _ => send(&target, &body),
        };
        match outcome {
            Ok(text) => answer(out, 200, text),
            Err(text) => answer(out, 503, text),
        }
    }
}

fn counted(name: &str) -> Result<String, String> {
    let bucket = store::open("").map_err(|error| format!("{error:?}"))?;
    match name {
        "mood" => bucket.get("mood").map(|mood| String::from_utf8_lossy(&mood.unwrap_or_default()).into_owned()),
        _ => atomics::increment(&bucket, name, 0).map(|sum| sum.to_string()),
    }
    .map_err(|error| format!("{error:?}"))
}

fn send(target: &Target, body: &[u8]) -> Result<String, String> {
    let client = Client::connect(&target.text("link").unwrap_or_default()).map_err(told)?;
    let times: u32 = target.number("times", 1);
    for _ in 0..times {
        let message = Message::new(b"");
        message.set_data(body);
        message.set_content_type("text/html");
        message.set_metadata(&[("mood".into(), "old".into()), ("gone".into(), "x".into())]);
        message.remove_metadata("gone");
        message.add_metadata("mood", &target.text("mood").unwrap_or_default());
        producer::send(&client, &target.path, message).map_err(told)?;
    }
    client.disconnect().map_err(told)?;
    Ok(times.to_string())
}

fn ask(target: &Target, body: &[u8]) -> Result<String, String> {
    let client = Client::connect("").map_err(told)?;
    let options = request_reply::RequestOptions::new();
    options.set_timeout_ms(target.number("wait", 5_000u32));
    options.set_expected_replies(target.number("replies", 1u32));
    let question = Message::new(body);
    let answers = request_reply::request(&client, &target.path, &question, Some(options)).map_err(told)?;
    let line = |answer: Message| {
        format!("{} {}\n", String::from_utf8_lossy(&answer.data()), answer.content_type().unwrap_or_default())
    };
    Ok(answers.into_iter().map(line).collect())
}

fn keep(target: &Target) -> Result<String, String> {
    let data = vec![0; target.number("size", 1usize)];
    let kept: Vec<_> = (0..target.number("times", 1u32)).map(|_| Message::new(&data)).collect();
    Ok(kept.len().to_string())
}

fn told(error: Error) -> String {
    match error {
        Error::Timeout => "timeout".into(),
        Error::Connection(text) => format!("connection: {text}"),
        Error::PermissionDenied(text) => format!("denied: {text}"),
        Error::Other(text) => text,
    }
}
