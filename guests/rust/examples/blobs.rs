//! Keeps files in the container `files`, by `wasi:blobstore@0.2.0-draft`.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /` | lists the names, a line each |
//! | `GET /NAME?start=N&end=N` | streams the file or that part of it, both ends included; 404 without one |
//! | `PUT /NAME` | streams the body into the file |
//! | `DELETE /NAME` | deletes it |

use guests::{Target, answer};
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::wasi::blobstore::blobstore;
use crate::wasi::blobstore::container::Container;
use crate::wasi::blobstore::types::{IncomingValue, OutgoingValue};

wit_bindgen::generate!({
    path: "../../wit/blobstore",
    world: "imports",
    with: {
        "wasi:io/error@0.2.2": wasip2::io::error,
        "wasi:io/poll@0.2.2": wasip2::io::poll,
        "wasi:io/streams@0.2.2": wasip2::io::streams,
    },
    generate_all,
});

struct Blobs;

wasip2::http::proxy::export!(Blobs);

impl wasip2::exports::http::incoming_handler::Guest for Blobs {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let container = match blobstore::create_container("files") {
            Ok(container) => container,
            Err(error) => return answer(out, 503, format!("{error}\n")),
        };
        let done = match (target.method.as_str(), target.path.as_str()) {
            ("GET", "") => names(&container).map(|names| (200, names)),
            ("GET", name) => match container.has_object(name) {
                Ok(true) => return send(&container, &target, out),
                Ok(false) => Ok((404, String::new())),
                Err(error) => Err(error),
            },
            ("PUT", name) if !name.is_empty() => keep(&container, name, &request).map(|()| (204, String::new())),
            ("DELETE", name) if !name.is_empty() => container.delete_object(name).map(|()| (204, String::new())),
            _ => Ok((405, String::new())),
        };
        let (status, body) = done.unwrap_or_else(|error| (503, format!("{error}\n")));
        answer(out, status, body);
    }
}

/// All names, page after page.
fn names(container: &Container) -> Result<String, String> {
    let names = container.list_objects()?;
    let mut lines = String::new();
    loop {
        let (page, is_end) = names.read_stream_object_names(100)?;
        page.iter().for_each(|name| lines.extend([name.as_str(), "\n"]));
        if is_end {
            return Ok(lines);
        }
    }
}

/// Makes the body of a request an object.
fn keep(container: &Container, name: &str, request: &IncomingRequest) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(name, &value)?;
    let body = request.consume().map_err(|()| "the body is gone".to_owned())?;
    let source = body.stream().map_err(|()| "the body is gone".to_owned())?;
    let target = value.outgoing_value_write_body().map_err(|()| "the stream is gone".to_owned())?;
    pour(&source, &target)?;
    drop(target);
    OutgoingValue::finish(value)
}

/// Answers with an object, or the part that the request asks for.
fn send(container: &Container, target: &Target, out: ResponseOutparam) {
    let (start, end) = (target.number("start", 0), target.number("end", u64::MAX));
    let opened = container.get_data(&target.path, start, end).and_then(IncomingValue::incoming_value_consume_async);
    let source = match opened {
        Ok(source) => source,
        Err(error) => return answer(out, 503, format!("{error}\n")),
    };
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("it is asked for once");
    ResponseOutparam::set(out, Ok(response));
    let target = body.write().expect("it is asked for once");
    // A body that is not finished is cut: whoever reads it sees that.
    if pour(&source, &target).is_ok() {
        drop(target);
        OutgoingBody::finish(body, None).expect("it has no length to miss");
    }
}

/// Moves all bytes, as fast as the slower side takes them.
fn pour(source: &InputStream, target: &OutputStream) -> Result<(), String> {
    loop {
        match source.blocking_read(64 << 10) {
            Ok(bytes) => bytes.chunks(4096).try_for_each(|piece| {
                target.blocking_write_and_flush(piece).map_err(|error| format!("the stream takes no more: {error:?}"))
            })?,
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}
