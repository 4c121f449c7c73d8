//! Chooses which of its links calls follow, by `wasmcloud:bus/lattice@2.0.1`.
//!
//! `POST /A,B,…` chooses one name after the other, and after each asks another component for the price and counts in a store:
//! answers `PRICE COUNT` for each, a line each. `for=tag` and `for=store` choose for one of the two interfaces alone. 409 with why, where
//! a name cannot be chosen.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::demo::shop::tag;
use crate::wasi::keyvalue::{atomics, store};
use crate::wasmcloud::bus::lattice::{CallTargetInterface, set_link_name};

wit_bindgen::generate!({
    inline: "
        package demo:chooser;

        world chooser {
            import demo:shop/tag@1.0.0;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasmcloud:bus/lattice@2.0.1;
        }
    ",
    path: ["../wit/shop", "../../wit/keyvalue-draft", "../../wit/wasmcloud-bus"],
    world: "demo:chooser/chooser",
    generate_all,
});

struct Chooser;

wasip2::http::proxy::export!(Chooser);

impl wasip2::exports::http::incoming_handler::Guest for Chooser {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let interfaces = target.text("for").unwrap_or_else(|| "tag,store".into());
        let lines = target.path.split(',').map(|name| chosen(name, &interfaces));
        match lines.collect::<Result<String, String>>() {
            Ok(lines) => answer(out, 200, lines),
            Err(error) => answer(out, 409, error),
        }
    }
}

fn chosen(name: &str, interfaces: &str) -> Result<String, String> {
    let interface = |name: &str| match name {
        "tag" => CallTargetInterface::new("demo", "shop", "tag"),
        _ => CallTargetInterface::new("wasi", "keyvalue", "store"),
    };
    set_link_name(name, interfaces.split(',').map(interface).collect())?;
    let count = store::open("").and_then(|bucket| atomics::increment(&bucket, "count", 1));
    Ok(format!("{} {}\n", tag::price(), count.map_err(|error| format!("{error:?}"))?))
}
