//! These are the contracts that components speak, each in its exact version.

pub(crate) mod broker;
pub(crate) mod wasi;

use capability::Linking;
use engine::State;
use wasmtime::component::HasSelf;

/// What is offered.
pub(crate) const CONTRACTS: [&str; 5] = [
    "wasmcloud:messaging/types@0.2.0",
    "wasmcloud:messaging/consumer@0.2.0",
    "wasi:messaging/types@0.2.0-draft",
    "wasi:messaging/producer@0.2.0-draft",
    "wasi:messaging/request-reply@0.2.0-draft",
];

/// What a component exports to be called with messages: the contract and its function.
pub(crate) const HANDLERS: [(&str, &str); 2] = [
    ("wasmcloud:messaging/handler@0.2.0", "handle-message"),
    ("wasi:messaging/incoming-handler@0.2.0-draft", "handle"),
];

/// Defines the functions.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    use broker::wasmcloud::messaging::{consumer, types};
    use wasi::wasi::messaging::{producer, request_reply, types as wasi_types};
    let [of_types, of_consumer, of_wasi_types, of_producer, of_request_reply] = CONTRACTS;
    linking.define(of_types, types::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_consumer, consumer::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_wasi_types, wasi_types::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_producer, producer::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_request_reply, request_reply::add_to_linker_instance::<_, HasSelf<State>>)
}
