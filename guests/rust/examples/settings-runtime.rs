//! Answers with the configuration's values, by `wasi:config/runtime@0.2.0-draft` as wasmCloud 1.x has it.
//!
//! `GET /KEY` answers a value, 404 without one; `GET /` answers all, a line each.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasi::config::runtime::{self, ConfigError};

wit_bindgen::generate!({
    path: "../../wit/config-runtime",
    inline: "
        package guests:settings-runtime;

        world settings-runtime {
            import wasi:config/runtime@0.2.0-draft;
        }
    ",
    generate_all,
});

struct Settings;

wasip2::http::proxy::export!(Settings);

impl wasip2::exports::http::incoming_handler::Guest for Settings {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match value(&Target::of(&request).path) {
            Ok(Some(text)) => answer(out, 200, text),
            Ok(None) => answer(out, 404, ""),
            Err(ConfigError::Upstream(text) | ConfigError::Io(text)) => answer(out, 500, text),
        }
    }
}

fn value(key: &str) -> Result<Option<String>, ConfigError> {
    if !key.is_empty() {
        return runtime::get(key);
    }
    let mut pairs = runtime::get_all()?;
    pairs.sort();
    Ok(Some(pairs.iter().map(|(key, value)| format!("{key}={value}\n")).collect()))
}
