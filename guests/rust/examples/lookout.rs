//! Keeps pairs for whoever asks over HTTP, and notes what it is told of their changes, by `wasi:keyvalue/watcher`.
//!
//! | request | does |
//! | --- | --- |
//! | `PUT /KEY` | sets the key to the body |
//! | `DELETE /KEY` | deletes it |
//! | `GET /KEY` | answers what it was told of the key last: its value, or `(deleted)`; and after a space how often it was told |
//!
//! A value `trap` makes the call that tells of it fail, one `slow` makes it take a moment.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::exports::wasi::keyvalue::watcher;
use crate::wasi::keyvalue::store::{self, Bucket, Error};

wit_bindgen::generate!({
    inline: "
        package demo:lookout;

        world lookout {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            export wasi:keyvalue/watcher@0.2.0-draft;
        }
    ",
    path: "../../wit/keyvalue-draft",
    world: "demo:lookout/lookout",
    generate_all,
});

struct Lookout;

export!(Lookout);
wasip2::http::proxy::export!(Lookout);

impl watcher::Guest for Lookout {
    fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        assert!(value != b"trap", "the lookout was told to trap");
        if value == b"slow" {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        note(&bucket, &key, &value);
    }

    fn on_delete(bucket: Bucket, key: String) {
        note(&bucket, &key, b"(deleted)");
    }
}

fn note(bucket: &Bucket, key: &str, seen: &[u8]) {
    bucket.set(&format!("seen/{key}"), seen).expect("it is noted");
    wasi::keyvalue::atomics::increment(bucket, &format!("count/{key}"), 1).expect("it is counted");
}

impl wasip2::exports::http::incoming_handler::Guest for Lookout {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let key = target.path.trim_start_matches('/').to_owned();
        match answered(&target.method, &key, &body_of(&request)) {
            Ok(text) => answer(out, 200, text),
            Err(error) => answer(out, 503, format!("{error:?}")),
        }
    }
}

fn answered(method: &str, key: &str, body: &[u8]) -> Result<String, Error> {
    let bucket = store::open("")?;
    match method {
        "PUT" => bucket.set(key, body).map(|()| String::new()),
        "DELETE" => bucket.delete(key).map(|()| String::new()),
        _ => {
            let seen = bucket.get(&format!("seen/{key}"))?.unwrap_or_default();
            let count = wasi::keyvalue::atomics::increment(&bucket, &format!("count/{key}"), 0)?;
            Ok(format!("{} {count}", String::from_utf8_lossy(&seen)))
        }
    }
}
