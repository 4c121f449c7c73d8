//! Keeps counters and values in a store, by `wasi:keyvalue@0.2.0-draft`.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /` | lists the keys, a line each |
//! | `GET /NAME?times=N` | the value, 404 without one, asked for so often; `HEAD` only asks whether it exists |
//! | `POST /NAME?by=N` | adds to a counter (1 without `by`) and answers the sum |
//! | `PUT /NAME`, `DELETE /NAME` | sets the value to the body, removes it |
//! | `GET`, `PUT`, `DELETE /?many=A,B` | the same for many keys in one call |
//!
//! `bucket=NAME` chooses another bucket than `default`.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasi::keyvalue::store::{Bucket, Error};
use crate::wasi::keyvalue::{atomics, batch, store};

wit_bindgen::generate!({ path: "../../wit/keyvalue-draft", world: "imports", generate_all });

struct Counter;

wasip2::http::proxy::export!(Counter);

impl wasip2::exports::http::incoming_handler::Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let (status, body) = respond(&target, &request).unwrap_or_else(|error| refusal(&error));
        answer(out, status, body);
    }
}

type Reply = (u16, Vec<u8>);

fn respond(target: &Target, request: &IncomingRequest) -> Result<Reply, Error> {
    let bucket = store::open(target.text("bucket").as_deref().unwrap_or("default"))?;
    let name = target.path.as_str();
    if let Some(many) = target.text("many") {
        let keys = many.split(',').map(str::to_owned).collect();
        return respond_many(&bucket, keys, target, request);
    }
    match (target.method.as_str(), name) {
        ("GET", "") => Ok((200, lines(&keys(&bucket)?))),
        (_, "") => Ok((405, b"give a name\n".to_vec())),
        ("GET", _) => {
            (1..target.number("times", 1)).try_for_each(|_| bucket.get(name).map(drop))?;
            Ok(bucket.get(name)?.map_or((404, Vec::new()), |value| (200, value)))
        }
        ("HEAD", _) => Ok((if bucket.exists(name)? { 200 } else { 404 }, Vec::new())),
        ("POST", _) => {
            let sum = atomics::increment(&bucket, name, target.number("by", 1))?;
            Ok((200, format!("{sum}\n").into_bytes()))
        }
        ("PUT", _) => bucket.set(name, &body_of(request)).map(|()| (204, Vec::new())),
        ("DELETE", _) => bucket.delete(name).map(|()| (204, Vec::new())),
        _ => Ok((405, Vec::new())),
    }
}

fn respond_many(
    bucket: &Bucket,
    keys: Vec<String>,
    target: &Target,
    request: &IncomingRequest,
) -> Result<Reply, Error> {
    match target.method.as_str() {
        "GET" => {
            let pairs = batch::get_many(bucket, &keys)?;
            let texts: Vec<String> = pairs
                .iter()
                .map(|pair| match pair {
                    Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(value)),
                    None => "none".to_owned(),
                })
                .collect();
            Ok((200, lines(&texts)))
        }
        "PUT" => {
            let value = body_of(request);
            let pairs: Vec<_> = keys.into_iter().map(|key| (key, value.clone())).collect();
            batch::set_many(bucket, &pairs).map(|()| (204, Vec::new()))
        }
        "DELETE" => batch::delete_many(bucket, &keys).map(|()| (204, Vec::new())),
        _ => Ok((405, Vec::new())),
    }
}

/// All the keys in order, page after page.
fn keys(bucket: &Bucket) -> Result<Vec<String>, Error> {
    let mut page = bucket.list_keys(None)?;
    let mut keys = page.keys;
    while let Some(cursor) = page.cursor {
        page = bucket.list_keys(Some(cursor))?;
        keys.append(&mut page.keys);
    }
    keys.sort();
    Ok(keys)
}

fn lines(texts: &[String]) -> Vec<u8> {
    texts.iter().map(|text| format!("{text}\n")).collect::<String>().into_bytes()
}

fn refusal(error: &Error) -> Reply {
    match error {
        Error::NoSuchStore => (404, b"no such store\n".to_vec()),
        Error::AccessDenied => (403, b"access denied\n".to_vec()),
        Error::Other(text) => (500, format!("{text}\n").into_bytes()),
    }
}
