//! Answers with the length and a digest of a secret, by `wasmcloud:secrets@0.1.0-draft`: never with the secret.
//!
//! `GET /NAME` answers `KIND LENGTH SUM`, 404 where there is none of that name, 503 with why it cannot be had. `name=N` takes the
//! place of the path. `GET /NAME?tell` answers with the secret itself.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasmcloud::secrets::store::{SecretValue, SecretsError};
use crate::wasmcloud::secrets::{reveal, store};

wit_bindgen::generate!({ path: "../../wit/wasmcloud-secrets", world: "imports", generate_all });

struct Keeper;

wasip2::http::proxy::export!(Keeper);

impl wasip2::exports::http::incoming_handler::Guest for Keeper {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let name = target.text("name").unwrap_or_else(|| target.path.clone());
        match store::get(&name) {
            Ok(secret) => answer(out, 200, told(&reveal::reveal(&secret), target.text("tell").is_some())),
            Err(SecretsError::NotFound) => answer(out, 404, ""),
            Err(SecretsError::Io(text) | SecretsError::Upstream(text)) => answer(out, 503, text),
        }
    }
}

fn told(value: &SecretValue, all_of_it: bool) -> Vec<u8> {
    let (kind, bytes) = match value {
        SecretValue::String(text) => ("string", text.as_bytes()),
        SecretValue::Bytes(bytes) => ("bytes", bytes.as_slice()),
    };
    if all_of_it {
        return bytes.to_vec();
    }
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    format!("{kind} {} {sum}\n", bytes.len()).into_bytes()
}
