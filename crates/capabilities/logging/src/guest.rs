//! This is `wasi:logging`, with its version and, as some components have it, without.

use std::sync::Arc;

use capability::Linking;
use engine::{Getter, State};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use crate::{Kind, Occasion, Voice};

/// What is offered, each in its exact version.
pub(crate) const CONTRACTS: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// What one component is bound to.
pub(crate) struct Binding(pub(crate) Arc<Voice>);

/// How much a message matters, as the contract has it.
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by lifting only")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

/// Defines the functions of all versions. A component that is bound to no sink is not heard.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    CONTRACTS.into_iter().try_for_each(|contract| linking.define(contract, define_log))
}

fn define_log(instance: &mut LinkerInstance<'_, State>, acting: Getter) -> wasmtime::Result<()> {
    type Message = (Level, String, String);
    instance.func_wrap("log", move |mut call: StoreContextMut<'_, State>, (level, context, message): Message| {
        let state = acting(call.data_mut());
        let numbers = state.numbers();
        if let Some(Binding(voice)) = state.bound().part::<Binding>() {
            let occasion = Occasion { numbers: Some(numbers), trace: state.trace().map(|trace| trace.id()) };
            voice.say_on(occasion, level.into(), (&context, &message));
        }
        Ok(())
    })
}

impl From<Level> for Kind {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}
