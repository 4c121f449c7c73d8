//! Answers with the configuration's values, by `wasi:config/store@0.2.0-rc.1`, and logs each request.
//!
//! `GET /KEY` answers a value, 404 without one; `GET /` answers all, a line each. `level=warn` chooses the level of the
//! log message, `context=TEXT` its context, and `times=2` says it twice.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasi::config::store;
use crate::wasi::logging::logging::{Level, log};

wit_bindgen::generate!({
    path: ["../../wit/config-store", "../../wit/logging"],
    inline: "
        package guests:settings;

        world settings {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
        }
    ",
    generate_all,
});

struct Settings;

wasip2::http::proxy::export!(Settings);

impl wasip2::exports::http::incoming_handler::Guest for Settings {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let context = target.text("context").unwrap_or_else(|| "settings".to_owned());
        for _ in 0..target.number("times", 1) {
            log(level(&target), &context, &format!("{} /{}", target.method, target.path));
        }
        match value(&target.path) {
            Ok(Some(text)) => answer(out, 200, text),
            Ok(None) => answer(out, 404, ""),
            Err(store::Error::Upstream(text) | store::Error::Io(text)) => answer(out, 500, text),
        }
    }
}

fn value(key: &str) -> Result<Option<String>, store::Error> {
    if !key.is_empty() {
        return store::get(key);
    }
    let mut pairs = store::get_all()?;
    pairs.sort();
    Ok(Some(pairs.iter().map(|(key, value)| format!("{key}={value}\n")).collect()))
}

fn level(target: &Target) -> Level {
    match target.text("level").as_deref() {
        Some("trace") => Level::Trace,
        Some("debug") => Level::Debug,
        Some("warn") => Level::Warn,
        Some("error") => Level::Error,
        Some("critical") => Level::Critical,
        _ => Level::Info,
    }
}
