//! Calls functions that take and give streams and futures, and answers with what came of it.
//!
//! | request | answers |
//! | --- | --- |
//! | `POST /upper` | the request's body in capitals, as it comes |
//! | `POST /length` | how long the request's body is |
//! | `GET /many?N` | N bytes |
//! | `GET /fails?N` | N bytes, and then nothing more because the callee failed |
//! | `GET /count?N` | how many of N bytes came |
//! | `GET /first?N` | how many came before it had enough of N bytes: it lets go after the first |
//! | `GET /words?TEXT` | the words of a text, a line each, and their number |
//! | `GET /add?N` | the sum of the numbers to N, and one more |
//! | `GET /break` | nothing: it fails while the callee reads what it writes |
//! | `POST /same` | the request's body, by a function that is not asynchronous |

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::{StreamReader, StreamResult, spawn_local};

use crate::demo::pipes::lines;

wasip3::wit_bindgen::generate!({
    path: "../wit/pipes",
    world: "plumber",
    runtime_path: "wasip3::wit_bindgen::rt",
    generate_all,
});

struct Plumber;

wasip3::http::service::export!(Plumber);

impl wasip3::exports::http::handler::Guest for Plumber {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        let number: u64 = argument.parse().unwrap_or(0);
        Ok(match path {
            "/upper" => stream(lines::upper(body(request)).await),
            "/length" => text(lines::length(body(request)).await),
            "/many" => stream(lines::many(number, false).await),
            "/fails" => stream(lines::many(number, true).await),
            "/count" => text(count(lines::many(number, false).await).await),
            "/first" => text(first(lines::many(number, false).await).await),
            "/words" => text(words(argument).await),
            "/add" => text(add(number as u32).await),
            "/break" => fail().await,
            "/same" => stream(lines::same(body(request))),
            _ => text("nothing"),
        })
    }
}

async fn count(mut bytes: StreamReader<u8>) -> usize {
    let mut count = 0;
    loop {
        let (result, read) = bytes.read(Vec::with_capacity(4096)).await;
        count += read.len();
        if !matches!(result, StreamResult::Complete(_)) {
            return count;
        }
    }
}

async fn first(mut bytes: StreamReader<u8>) -> usize {
    let (_, read) = bytes.read(Vec::with_capacity(10)).await;
    read.len()
}

async fn words(sentence: &str) -> String {
    let (mut words, count) = lines::words(sentence.replace('+', " ")).await;
    let mut lines = String::new();
    while let Some(word) = words.next().await {
        lines += &format!("{word}\n");
    }
    lines + &count.await.to_string()
}

async fn add(to: u32) -> u64 {
    let (one, more) = wit_future::new(|| 0);
    let numbers = (to > 0).then(|| {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            for number in 1..=to {
                writer.write_all(vec![number]).await;
            }
        });
        reader
    });
    spawn_local(async move { drop(one.write(1).await) });
    lines::add(numbers, more).await
}

/// Fails while its stream is being read.
async fn fail() -> Response {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(vec![b'x'; 100]).await;
        panic!("asked to");
    });
    text(lines::length(reader).await)
}

fn body(request: Request) -> StreamReader<u8> {
    let (_, outcome) = wasip3::wit_future::new(|| Ok(()));
    Request::consume_body(request, outcome).0
}

fn stream(contents: StreamReader<u8>) -> Response {
    let (_, trailers) = wasip3::wit_future::new(|| Ok(None));
    Response::new(Fields::new(), Some(contents), trailers).0
}

fn text(text: impl ToString) -> Response {
    let (mut body, contents) = wit_stream::new();
    let text = format!("{}\n", text.to_string());
    spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    stream(contents)
}
