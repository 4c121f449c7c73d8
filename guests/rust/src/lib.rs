//! Reads a request's target and writes an answer, for the HTTP guests of WASI 0.2.
//!
//! A guest's file should hold what is particular to it. Writing stops without a word when the client has gone, as a
//! careful component would, so that a guest that traps has trapped for the reason that a test wanted.
#![cfg(target_env = "p2")]

use std::io::{Read, Write};

use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::OutputStream;

/// What a request asks for: its method, its path without the leading slash, and its query.
pub struct Target {
    /// The method's name, in capitals.
    pub method: String,
    /// The path without its leading slash; empty for the root.
    pub path: String,
    query: String,
}

impl Target {
    /// Takes the target from a request.
    pub fn of(request: &IncomingRequest) -> Self {
        let whole = request.path_with_query().unwrap_or_default();
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        Self {
            method: method_name(&request.method()),
            path: decoded(path.strip_prefix('/').unwrap_or(path)),
            query: query.to_owned(),
        }
    }

    /// The value of a parameter of the query; empty for one without `=`.
    pub fn text(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| decoded(value))
    }

    /// The value of a parameter that is a number, or `otherwise` where it is missing or none.
    pub fn number<N: std::str::FromStr>(&self, name: &str, otherwise: N) -> N {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    }
}

/// The name of a method, in capitals.
fn method_name(method: &Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
    .to_owned()
}

/// Undoes percent-encoding. What is not well-formed stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        match escaped.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The whole body of a request; what came before an error, if there is one.
pub fn body_of(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("nobody else has taken the body");
    read_all(&body)
}

/// The whole of a body; what came before an error, if there is one.
pub fn read_all(body: &IncomingBody) -> Vec<u8> {
    let mut stream = body.stream().expect("nobody else has taken the stream");
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).is_err() {
        eprintln!("the body ended early, after {} bytes", bytes.len());
    }
    bytes
}

/// Answers with a status and one piece of bytes.
pub fn answer(out: ResponseOutparam, status: u16, body: impl AsRef<[u8]>) {
    let mut answer = Answer::begin(out, status, Fields::new());
    answer.write(body.as_ref());
    answer.finish();
}

/// An answer whose status and headers are on their way, and whose body is being written.
pub struct Answer {
    // The stream is a child of the body and must go first: fields are dropped in this order.
    stream: OutputStream,
    body: OutgoingBody,
    open: bool,
}

impl Answer {
    /// Sends the status and the headers.
    pub fn begin(out: ResponseOutparam, status: u16, headers: Fields) -> Self {
        let response = OutgoingResponse::new(headers);
        if response.set_status_code(status).is_err() {
            panic!("{status} is not a status");
        }
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        Self { stream, body, open: true }
    }

    /// Sends some bytes; says whether there is still somebody who wants more.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.open = self.open && self.stream.write_all(bytes).is_ok();
        self.open
    }

    /// Sees to it that what was written is on its way.
    pub fn flush(&mut self) -> bool {
        self.open = self.open && self.stream.blocking_flush().is_ok();
        self.open
    }

    /// Ends the body.
    pub fn finish(mut self) {
        let complete = self.flush();
        drop(self.stream);
        if complete && let Err(error) = OutgoingBody::finish(self.body, None) {
            eprintln!("the answer could not be ended: {error:?}");
        }
    }
}
