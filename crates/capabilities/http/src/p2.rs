//! Calls `wasi:http/incoming-handler` of WASI 0.2: one request an instance at a time.

use std::rc::Rc;

use engine::{Failure, State};
use wasmtime::Store;
use wasmtime::component::Resource;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use crate::exchange::Call;
use crate::pool::{Instance, Pool};

/// Runs the component until it returns. Its answer goes out through the call as soon as it is given.
pub(crate) async fn run(pool: Rc<Pool>, call: Call) -> Result<(), Failure> {
    let mut instance: Box<Instance<Proxy>> = pool.take(call.deadline).await?;
    let ended = match hand_over(&mut instance.store, call) {
        Ok((request, outparam)) => {
            let Instance { store, handler, .. } = &mut *instance;
            handler.wasi_http_incoming_handler().call_handle(store, request, outparam).await
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => {
            pool.put_back_serial(instance);
            Ok(())
        }
        Err(error) => Err(Failure::of(&error, instance.store.data().meter.refused())),
    }
}

/// Puts the request where the component finds it, and the means to answer it. Done before anything is waited for, so that what
/// waits holds no request.
fn hand_over(
    store: &mut Store<State>,
    call: Call,
) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>)> {
    store.data_mut().follow(call.trace);
    let mut context = store.data_mut().http();
    let scheme = if call.scheme == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http };
    let request = context.new_incoming_request(scheme, call.request)?;
    let answer = call.answer;
    let outparam = context.new_response_outparam_from_callback(move |answered| {
        // Whoever waited for the answer may be gone.
        drop(answer.send(answered.map_err(|error| format!("{error:?}"))));
    })?;
    Ok((request, outparam))
}
