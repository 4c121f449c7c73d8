//! Says what something costs, and more each time: the price is kept where `till` keeps its sales, if both had one store.
//!
//! A price is the sum of `step` (a setting; 10 where there is none) over all times that it was asked for. It logs each, and then
//! takes its time: so many milliseconds as `pause` says (a setting; none where there is none).

use std::time::Duration;

use crate::exports::demo::shop::tag;
use crate::wasi::config::store as config;
use crate::wasi::keyvalue::{atomics, store};
use crate::wasi::logging::logging::{Level, log};

wit_bindgen::generate!({
    inline: "
        package demo:haggle;

        world haggle {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            export demo:shop/tag@1.0.0;
        }
    ",
    path: ["../wit/shop", "../../wit/keyvalue-draft", "../../wit/config-store", "../../wit/logging"],
    world: "demo:haggle/haggle",
    generate_all,
});

struct Haggle;

export!(Haggle);

impl tag::Guest for Haggle {
    fn price() -> u32 {
        let bucket = store::open("sales").expect("there is a store");
        let price = atomics::increment(&bucket, "tea", number("step").unwrap_or(10)).expect("it counts");
        log(Level::Warn, "haggle", &format!("tea is {price} now"));
        std::thread::sleep(Duration::from_millis(number("pause").unwrap_or(0)));
        u32::try_from(price).expect("it is not sold so often")
    }
}

/// A setting that is a number.
fn number(name: &str) -> Option<u64> {
    config::get(name).ok().flatten()?.parse().ok()
}
