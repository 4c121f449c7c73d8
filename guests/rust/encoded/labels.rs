//! Imports one interface several times, each under a label of its own (`implements` of the component model).
//!
//! `POST /` counts in the store `left`, in the store `right` and in the store without a label, and asks `near` and `far` for
//! their price: answers `LEFT RIGHT PLAIN NEAR FAR`.

use guests::answer;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package demo:labels;

        world labels {
            import left: wasi:keyvalue/store@0.2.0-draft;
            import right: wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft;
            import near: demo:shop/tag@1.0.0;
            import far: demo:shop/tag@1.0.0;
        }
    ",
    path: ["../wit/shop", "../../wit/keyvalue-draft"],
    world: "demo:labels/labels",
    generate_all,
});

struct Labels;

wasip2::http::proxy::export!(Labels);

/// Counts under `count` in one store; all stores are alike, and of different types.
macro_rules! count {
    ($store:path) => {{
        use $store as store;
        let count = || -> Result<u64, store::Error> {
            let bucket = store::open("")?;
            let old = bucket.get("count")?.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
            let new = old.unwrap_or(0) + 1;
            bucket.set("count", new.to_string().as_bytes())?;
            Ok(new)
        };
        count().map_or_else(|error| format!("{error:?}"), |count| count.to_string())
    }};
}

impl wasip2::exports::http::incoming_handler::Guest for Labels {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let stores = [count!(crate::left), count!(crate::right), count!(crate::wasi::keyvalue::store)];
        answer(out, 200, format!("{} {} {}\n", stores.join(" "), near::price(), far::price()));
    }
}
