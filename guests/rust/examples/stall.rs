//! Sells something, and keeps a receipt: needs a store of keys, a store of blobs and another component at once.
//!
//! `POST /NAME?receipt=N` counts one more of NAME, keeps the receipt N, and answers `SUM at PRICE`. `GET /` lists the receipts, a
//! line each.

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::demo::shop::tag;
use crate::wasi::blobstore::blobstore;
use crate::wasi::blobstore::container::Container;
use crate::wasi::blobstore::types::OutgoingValue;
use crate::wasi::keyvalue::{atomics, store};

wit_bindgen::generate!({
    inline: "
        package demo:stall;

        world stall {
            import demo:shop/tag@1.0.0;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:blobstore/blobstore@0.2.0-draft;
        }
    ",
    path: ["../wit/shop", "../../wit/keyvalue-draft", "../../wit/blobstore"],
    world: "demo:stall/stall",
    with: {
        "wasi:io/error@0.2.2": wasip2::io::error,
        "wasi:io/poll@0.2.2": wasip2::io::poll,
        "wasi:io/streams@0.2.2": wasip2::io::streams,
    },
    generate_all,
});

struct Stall;

wasip2::http::proxy::export!(Stall);

impl wasip2::exports::http::incoming_handler::Guest for Stall {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let said = match target.method.as_str() {
            "GET" => receipts(),
            _ => sell(&target),
        };
        match said {
            Ok(text) => answer(out, 200, text),
            Err(error) => answer(out, 503, format!("{error}\n")),
        }
    }
}

fn sell(target: &Target) -> Result<String, String> {
    let sum = store::open("sales").and_then(|bucket| atomics::increment(&bucket, &target.path, 1));
    let sum = sum.map_err(|error| format!("{error:?}"))?;
    let price = tag::price();
    let receipt = OutgoingValue::new_outgoing_value();
    container()?.write_data(&format!("{:020}", target.number("receipt", 0)), &receipt)?;
    let paper = receipt.outgoing_value_write_body().map_err(|()| "the stream is gone".to_owned())?;
    let text = format!("{} for {price}\n", target.path);
    paper.blocking_write_and_flush(text.as_bytes()).map_err(|error| format!("{error:?}"))?;
    drop(paper);
    OutgoingValue::finish(receipt)?;
    Ok(format!("{sum} at {price}\n"))
}

fn receipts() -> Result<String, String> {
    let names = container()?.list_objects()?;
    let mut lines = String::new();
    loop {
        let (page, is_end) = names.read_stream_object_names(1000)?;
        page.iter().for_each(|name| lines.extend([name.as_str(), "\n"]));
        if is_end {
            return Ok(lines);
        }
    }
}

fn container() -> Result<Container, String> {
    blobstore::create_container("receipts")
}
