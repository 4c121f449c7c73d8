//! Calls `wasi:http/incoming-handler` of WASI 0.2: one request an instance at a time.

use std::rc::Rc;

use engine::Failure;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use crate::exchange::Call;
use crate::pool::{Instance, Pool};

/// Runs the component until it returns. Its answer goes out through the call as soon as it is given.
pub(crate) async fn run(pool: Rc<Pool>, call: Call) -> Result<(), Failure> {
    let mut instance = pool.take(call.deadline).await?;
    match handle(&mut instance, call).await {
        Ok(()) => {
            pool.put_back_serial(instance);
            Ok(())
        }
        Err(error) => Err(Failure::of(&error, instance.store.data().meter.refused())),
    }
}

async fn handle(instance: &mut Instance<wasmtime_wasi_http::p2::bindings::Proxy>, call: Call) -> wasmtime::Result<()> {
    let Instance { store, handler, .. } = instance;
    let mut context = store.data_mut().http();
    let scheme = if call.scheme == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http };
    let request = context.new_incoming_request(scheme, call.request)?;
    let answer = call.answer;
    let outparam = context.new_response_outparam_from_callback(move |answered| {
        // Whoever waited for the answer may be gone.
        drop(answer.send(answered.map_err(|error| format!("{error:?}"))));
    })?;
    handler.wasi_http_incoming_handler().call_handle(store, request, outparam).await
}
