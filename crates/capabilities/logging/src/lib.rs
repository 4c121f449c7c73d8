//! `wasi:logging` for components, and their standard output as lines.
//!
//! What a component says becomes a [`LogLine`] with the component's name and goes to a [`Sink`]. A component's lines are bounded
//! in length and in number, so that one which never stops talking neither fills a disk nor hides the others.
//!
//! ```text
//! wasi:logging ─┐
//! stdout ───────┼─▶ Voice (name, rate) ─▶ dyn Sink ─▶ Terminal
//! stderr ───────┘
//! ```
//!
//! # Invariants
//!
//! 1. Nothing that a component says can move the cursor, change colours or begin a new line: see [`LogLine`].
//! 2. What is left out is counted, and the count is said.
//! 3. No call of a component waits for a terminal: a sink takes a line or drops it.

mod guest;
mod line;
mod rate;
mod stream;
mod terminal;
mod voice;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use capability::{BackendInfo, Capability, Linking, OpenError, OpenLink, Opened, Settings};
use model::{ComponentName, Contract};

pub use line::{Kind, LogLine, Occasion};
pub use rate::LINES_PER_SECOND;
pub use stream::LineWriter;
pub use terminal::Terminal;
pub use voice::Voice;

/// Where lines go.
pub trait Sink: Send + Sync {
    /// The sink in a few words: `terminal`.
    fn describe(&self) -> String;

    /// Takes a line, or drops and counts it. Never waits.
    fn write(&self, line: &LogLine<'_>);
}

/// The capability `logging` on one sink.
pub struct Logging {
    sink: Arc<dyn Sink>,
    voices: Mutex<BTreeMap<ComponentName, Arc<Voice>>>,
}

// === impl Logging ===

impl Logging {
    /// All components' lines go to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self { sink, voices: Mutex::default() }
    }

    /// The voice of a component: one for all its instances, however often it is asked for.
    pub fn voice(&self, component: &ComponentName) -> Arc<Voice> {
        let mut voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner);
        let voice = voices.entry(component.clone());
        voice.or_insert_with(|| Arc::new(Voice::new(component.clone(), self.sink.clone()))).clone()
    }
}

#[async_trait]
impl Capability for Logging {
    fn name(&self) -> &'static str {
        "logging"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        vec![BackendInfo { name: "host", about: "the host's own log", settings: &[] }]
    }

    fn by_default(&self) -> String {
        self.sink.describe()
    }

    async fn open(&self, _: &str, _: &Settings) -> Result<Opened, OpenError> {
        Ok(Opened::new(self.sink.clone()))
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, component: &ComponentName, _: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(guest::Binding(self.voice(component)));
    }
}

#[cfg(test)]
mod tests;
