//! Serves a guestbook: a page with a form, and the entries as JSON.
//!
//! This file speaks HTTP. What an entry is and where it is kept is in `book`, how it looks in `page`.

mod book;
mod form;
mod page;

use std::io::{Read as _, Write as _};

use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::book::Book;

/// Room for a long message in any script; a larger body is cut off and then refused.
const BODY_MAX: u64 = 16 * 1024;

struct Guestbook;

wasip2::http::proxy::export!(Guestbook);

impl wasip2::exports::http::incoming_handler::Guest for Guestbook {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = respond(&request).unwrap_or_else(|error| Answer::text(500, format!("{error}\n")));
        send(out, &answer);
    }
}

/// What goes back to the browser.
struct Answer {
    status: u16,
    header: (&'static str, &'static str),
    body: String,
}

impl Answer {
    fn new(media: &'static str, body: String) -> Self {
        Self { status: 200, header: ("content-type", media), body }
    }

    fn text(status: u16, body: String) -> Self {
        Self { status, header: ("content-type", "text/plain; charset=utf-8"), body }
    }

    /// Sends the browser back to the page, so that loading it again does not add the entry again.
    fn back() -> Self {
        Self { status: 303, header: ("location", "./"), body: String::new() }
    }
}

fn respond(request: &IncomingRequest) -> Result<Answer, book::Error> {
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    match (request.method(), path) {
        (Method::Get, "/api/entries") => {
            let entries = Book::open()?.newest()?;
            Ok(Answer::new("application/json", page::json(&entries)))
        }
        (Method::Get, "/") => {
            let entries = Book::open()?.newest()?;
            Ok(Answer::new("text/html; charset=utf-8", page::html(&entries)))
        }
        (Method::Post, "/") => match form::read(&body_of(request)) {
            Ok((name, message)) => Book::open()?.add(&name, &message).map(|()| Answer::back()),
            Err(problem) => Ok(Answer::text(400, format!("{problem}\n"))),
        },
        (_, "/" | "/api/entries") => Ok(Answer::text(405, "not that way\n".to_owned())),
        _ => Ok(Answer::text(404, "there is no such page\n".to_owned())),
    }
}

fn body_of(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    match stream.take(BODY_MAX).read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

fn send(out: ResponseOutparam, answer: &Answer) {
    let (name, value) = answer.header;
    let headers = Fields::new();
    headers.append(name, value.as_bytes()).expect("the name and the value are constants of this file");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status).expect("the status is a constant of this file");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    // A visitor who has left does not need the rest.
    let sent = stream.write_all(answer.body.as_bytes()).is_ok() && stream.blocking_flush().is_ok();
    drop(stream);
    if sent && let Err(error) = OutgoingBody::finish(body, None) {
        eprintln!("the answer could not be ended: {error:?}");
    }
}
