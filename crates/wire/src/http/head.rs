//! These are requests and responses as `wrpc:http` lays them out: what comes before their bodies, and their trailers.
//!
//! ```text
//! request    body | trailers | method | path and query | scheme | authority | headers
//! response   0 | body | trailers | status | headers         or   1 | error code
//! ```
//!
//! Body and trailers are streams beside the values, or stand here as a whole.
//!
//! # Invariants
//!
//! 1. What is read is HTTP: a name, a value, a path or a status that cannot be one is an error, not passed on.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, StatusCode, Uri, request, response};
use stdx::ByteSize;

use super::error_code::ErrorCode;
use crate::shapes::{DecodeError, Reader, write_bytes, write_leb};

/// The methods that have a number.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// What it takes to keep a name or a value.
const COST: usize = 64;

/// What something that comes beside the values is at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beside<T> {
    /// It comes on its own path.
    Pending,
    /// It is this.
    Whole(T),
}

/// What comes after a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) body: Beside<Bytes>,
    pub(super) trailers: Beside<Option<HeaderMap>>,
}

/// Bytes are not the head of a request or of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// They are not its values.
    #[error("the bytes are not those of the type")]
    Values(#[source] DecodeError),
    /// They are values that HTTP does not have.
    #[error("there is no such {what} in HTTP")]
    NotHttp {
        /// Which: a method, a header.
        what: &'static str,
    },
}

type Result<T> = std::result::Result<T, HeadError>;

/// Lays out a request whose body and trailers come beside it. Nothing where a part of it is larger than can be said.
pub(super) fn write_request<B>(head: &Request<B>) -> Option<Vec<u8>> {
    let mut out = vec![0, 0];
    let method = METHODS.iter().position(|method| method == head.method());
    write_leb(&mut out, method.unwrap_or(METHODS.len()) as u64);
    if method.is_none() {
        write_bytes(&mut out, head.method().as_str().as_bytes())?;
    }
    write_maybe(&mut out, head.uri().path_and_query().map(PathAndQuery::as_str))?;
    match head.uri().scheme() {
        None => out.push(0),
        Some(scheme) if *scheme == Scheme::HTTP => out.extend([1, 0]),
        Some(scheme) if *scheme == Scheme::HTTPS => out.extend([1, 1]),
        Some(scheme) => {
            out.extend([1, 2]);
            write_bytes(&mut out, scheme.as_str().as_bytes())?;
        }
    }
    write_maybe(&mut out, head.uri().authority().map(Authority::as_str))?;
    write_fields(&mut out, head.headers())?;
    Some(out)
}

/// Reads a request. [`DecodeError::Incomplete`] where there may be more to come.
pub(super) fn read_request(bytes: &[u8], memory_max: ByteSize) -> Result<(request::Parts, Rest)> {
    let mut reader = Reader::new(bytes, memory_max);
    let rest = read_rest(&mut reader)?;
    let method = reader.case(METHODS.len() + 1)?;
    let method = match METHODS.get(method) {
        Some(method) => method.clone(),
        None => Method::from_bytes(reader.bytes()?).map_err(not_http("method"))?,
    };
    let path = read_maybe(&mut reader)?;
    let scheme = match reader.flag()? {
        false => None,
        true => Some(match reader.case(3)? {
            0 => Scheme::HTTP,
            1 => Scheme::HTTPS,
            _ => reader.text()?.parse().map_err(not_http("scheme"))?,
        }),
    };
    let authority = read_maybe(&mut reader)?;
    let headers = read_fields(&mut reader)?;
    reader.end()?;
    let mut head = http::Request::new(()).into_parts().0;
    (head.method, head.uri, head.headers) = (method, uri(path, scheme, authority)?, headers);
    Ok((head, rest))
}

/// Lays out a response whose body and trailers come beside it, or why there is none.
pub(super) fn write_response(response: std::result::Result<&response::Parts, &ErrorCode>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    match response {
        Ok(head) => {
            out.extend([0, 0, 0]);
            write_leb(&mut out, head.status.as_u16().into());
            write_fields(&mut out, &head.headers)?;
        }
        Err(code) => {
            out.push(1);
            code.write(&mut out);
        }
    }
    Some(out)
}

/// Reads a response, or why there is none.
pub(super) fn read_response(
    bytes: &[u8],
    memory_max: ByteSize,
) -> Result<std::result::Result<(response::Parts, Rest), ErrorCode>> {
    let mut reader = Reader::new(bytes, memory_max);
    if reader.flag()? {
        let code = ErrorCode::read(&mut reader)?;
        reader.end()?;
        return Ok(Err(code));
    }
    let rest = read_rest(&mut reader)?;
    let status = StatusCode::from_u16(reader.leb(16)? as u16).map_err(not_http("status"))?;
    let headers = read_fields(&mut reader)?;
    reader.end()?;
    let mut head = http::Response::new(()).into_parts().0;
    (head.status, head.headers) = (status, headers);
    Ok(Ok((head, rest)))
}

/// Lays out trailers: whether there are any, and which.
pub(super) fn write_trailers(trailers: Option<&HeaderMap>) -> Option<Vec<u8>> {
    let mut out = vec![u8::from(trailers.is_some())];
    trailers.map_or(Some(()), |trailers| write_fields(&mut out, trailers))?;
    Some(out)
}

/// Reads trailers as they come on their own path.
pub(super) fn read_trailers(bytes: &[u8], memory_max: ByteSize) -> Result<Option<HeaderMap>> {
    let mut reader = Reader::new(bytes, memory_max);
    let trailers = reader.flag()?.then(|| read_fields(&mut reader)).transpose()?;
    reader.end()?;
    Ok(trailers)
}

fn read_rest(reader: &mut Reader<'_>) -> Result<Rest> {
    let body = match reader.bytes()? {
        [] => Beside::Pending,
        whole => Beside::Whole(Bytes::copy_from_slice(whole)),
    };
    let trailers = match reader.flag()? {
        false => Beside::Pending,
        true => Beside::Whole(reader.flag()?.then(|| read_fields(reader)).transpose()?),
    };
    Ok(Rest { body, trailers })
}

/// A uri that has what it needs: a path where there is a scheme, no scheme where there is nowhere to go to.
fn uri(path: Option<&str>, scheme: Option<Scheme>, authority: Option<&str>) -> Result<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path.unwrap_or("/").parse().map_err(not_http("path"))?);
    if let Some(authority) = authority {
        parts.authority = Some(authority.parse().map_err(not_http("authority"))?);
        parts.scheme = Some(scheme.unwrap_or(Scheme::HTTP));
    }
    Uri::from_parts(parts).map_err(not_http("uri"))
}

/// The values of a name stand together.
fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap) -> Option<()> {
    write_leb(out, fields.keys_len() as u64);
    fields.keys().try_for_each(|name| {
        write_bytes(out, name.as_str().as_bytes())?;
        let values = fields.get_all(name);
        write_leb(out, values.iter().count() as u64);
        values.iter().try_for_each(|value| write_bytes(out, value.as_bytes()))
    })
}

fn read_fields(reader: &mut Reader<'_>) -> Result<HeaderMap> {
    let fields = reader.list(|reader| Ok((read_field(reader)?, reader.list(read_field)?)))?;
    let mut map = HeaderMap::new();
    for (name, values) in fields {
        let name = HeaderName::from_bytes(name).map_err(not_http("header"))?;
        for value in values {
            let value = HeaderValue::from_bytes(value).map_err(not_http("header"))?;
            map.try_append(name.clone(), value).map_err(not_http("number of headers"))?;
        }
    }
    Ok(map)
}

/// A name or a value.
fn read_field<'a>(reader: &mut Reader<'a>) -> std::result::Result<&'a [u8], DecodeError> {
    reader.pay(COST)?;
    reader.bytes()
}

fn write_maybe(out: &mut Vec<u8>, text: Option<&str>) -> Option<()> {
    out.push(u8::from(text.is_some()));
    text.map_or(Some(()), |text| write_bytes(out, text.as_bytes()))
}

fn read_maybe<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>> {
    Ok(reader.flag()?.then(|| reader.text()).transpose()?)
}

fn not_http<E>(what: &'static str) -> impl Fn(E) -> HeadError {
    move |_error| HeadError::NotHttp { what }
}

impl From<DecodeError> for HeadError {
    fn from(error: DecodeError) -> Self {
        Self::Values(error)
    }
}

#[cfg(test)]
mod tests;
