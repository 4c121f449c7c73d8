//! These are the contracts of WASI that the engine itself meets, and the linker that carries them.

use model::Contract;
use wasmtime::component::Linker;
use wasmtime::{Engine, StoreContextMut};

use crate::body;
use crate::settings::Settings;
use crate::state::State;

/// The version of WASI 0.2 that is met: all earlier ones of its series are, too.
pub(crate) const P2: &str = "0.2.12";

/// The version of WASI 0.3 that is met.
const P3: &str = "0.3.0";

const P2_INTERFACES: [&str; 26] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
];

const P2_MORE: [&str; 3] = ["sockets/udp-create-socket", "http/outgoing-handler", "http/types"];

const P3_INTERFACES: [&str; 21] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/types",
    "clocks/monotonic-clock",
    "clocks/system-clock",
    "clocks/types",
    "filesystem/preopens",
    "filesystem/types",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/ip-name-lookup",
    "sockets/types",
];

const P3_MORE: [&str; 2] = ["http/client", "http/types"];

/// The interfaces of WASI that every component may import.
pub fn wasi_contracts() -> Vec<Contract> {
    let versions = [(P2, P2_INTERFACES.iter().chain(&P2_MORE)), (P3, P3_INTERFACES.iter().chain(&P3_MORE))];
    let names =
        versions.into_iter().flat_map(|(version, names)| names.map(move |name| format!("wasi:{name}@{version}")));
    names.map(|name| name.parse().expect("the tables above hold names of interfaces")).collect()
}

/// A linker that meets [`wasi_contracts`], for the engine with these settings. What WASI 0.3 needs is only there with
/// concurrency support.
pub fn wasi_linker(engine: &Engine, settings: Settings) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    body::add_to_linker(&mut linker)?;
    share_environment(&mut linker, P2)?;
    if settings.has_concurrency {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        share_environment(&mut linker, P3)?;
    }
    Ok(linker)
}

/// Takes the place of the library's function, whose variables are an instance's own: a copy of all of them for each request.
fn share_environment(linker: &mut Linker<State>, version: &str) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker
        .instance(&format!("wasi:cli/environment@{version}"))?
        .func_wrap("get-environment", |store: StoreContextMut<'_, State>, (): ()| {
            Ok((store.data().bound().environment().clone(),))
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

#[cfg(test)]
mod tests;
