//! This is `wasi:config` in all its versions, which differ in name only.

use std::sync::Arc;

use capability::Linking;
use engine::{Getter, State};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

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
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    CONTRACTS.into_iter().try_for_each(|contract| linking.define(contract, define_functions))
}

fn define_functions(instance: &mut LinkerInstance<'_, State>, acting: Getter) -> wasmtime::Result<()> {
    instance.func_wrap("get", move |mut call: Call<'_>, (name,): (String,)| {
        Ok((Ok::<_, Error>(get(acting(call.data_mut()), &name)),))
    })?;
    instance
        .func_wrap("get-all", move |mut call: Call<'_>, (): ()| Ok((Ok::<_, Error>(get_all(acting(call.data_mut()))),)))
}

/// The value of that name.
pub(crate) fn get(state: &State, name: &str) -> Option<String> {
    settings(state).and_then(|settings| settings.value(name)).map(str::to_owned)
}

/// All names with their values, in order.
pub(crate) fn get_all(state: &State) -> Vec<(String, String)> {
    let pairs = settings(state).into_iter().flat_map(Settings::iter);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A component that is bound to no settings has none.
fn settings(state: &State) -> Option<&Settings> {
    state.bound().part::<Binding>().map(|binding| binding.0.settings())
}
