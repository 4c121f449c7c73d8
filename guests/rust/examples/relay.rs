//! Passes on what it is asked to whatever its import is linked to: for components that call one another in a circle.
//!
//! `GET /?times=N` answers how many steps were made, `GET /fall?times=N` traps after so many.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::demo::shop::hop;

wit_bindgen::generate!({ path: "../wit/shop", world: "relay" });

struct Relay;

export!(Relay);
wasip2::http::proxy::export!(Relay);

impl exports::demo::shop::hop::Guest for Relay {
    fn hop(times: u32) -> u32 {
        if times == 0 { 0 } else { 1 + hop::hop(times - 1) }
    }

    fn fall(times: u32) {
        assert!(times > 0, "asked to");
        hop::fall(times - 1);
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Relay {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let times = target.number("times", 1);
        if target.path == "fall" {
            hop::fall(times);
        }
        answer(out, 200, format!("{}\n", hop::hop(times)));
    }
}
