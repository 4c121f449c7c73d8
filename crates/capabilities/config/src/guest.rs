//! This is `wasi:config` in all its versions, which differ in name only.

use std::sync::Arc;

use engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::{Settings, Source};

/// What is offered, each in its exact version.
pub(crate) const CONTRACTS: [&str; 4] = [
    "wasi:config/runtime@0.2.0-draft",
    "wasi:config/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:config/store@0.2.0-rc.1",
];

/// What one component is bound to.
pub(crate) struct Binding(pub(crate) Arc<Source>);

/// Why a setting could not be read: never, here, since all were read before the component started.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Call<'a> = StoreContextMut<'a, State>;

/// Defines the functions of all versions.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for contract in CONTRACTS {
        let mut instance = linker.instance(contract)?;
        instance.func_wrap("get", |call: Call<'_>, (name,): (String,)| {
            Ok((Ok::<_, Error>(settings(&call).and_then(|settings| settings.value(&name)).map(str::to_owned)),))
        })?;
        instance.func_wrap("get-all", |call: Call<'_>, (): ()| {
            let pairs = settings(&call).into_iter().flat_map(Settings::iter);
            Ok((Ok::<_, Error>(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()),))
        })?;
    }
    Ok(())
}

/// A component that is bound to no settings has none.
fn settings<'a>(call: &'a Call<'_>) -> Option<&'a Settings> {
    call.data().bound().part::<Binding>().map(|binding| binding.0.settings())
}
