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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use capability::{BackendInfo, Capability, Linking, OpenError, OpenLink, Opened, Settings};
use model::{ComponentName, Contract};

pub use line::{Kind, LogLine, Occasion};
pub use rate::LINES_PER_SECOND;
pub use stream::LineWriter;
pub use terminal::Terminal;

use crate::rate::{Rate, Verdict};

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

/// What one component says, whichever way it says it.
pub struct Voice {
    component: ComponentName,
    sink: Arc<dyn Sink>,
    rate: Rate,
    since: Instant,
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

// === impl Voice ===

impl Voice {
    fn new(component: ComponentName, sink: Arc<dyn Sink>) -> Self {
        Self { component, sink, rate: Rate::default(), since: Instant::now() }
    }

    /// Says a line, if the component has not said too many in this second.
    pub fn say(&self, kind: Kind, context: &str, message: &str) {
        self.say_on(Occasion::default(), kind, (context, message));
    }

    /// The same, with what it is said for.
    fn say_on(&self, occasion: Occasion<'_>, kind: Kind, (context, message): (&str, &str)) {
        let line = LogLine { component: &self.component, kind, occasion, context, message };
        self.say_at(self.since.elapsed().as_secs(), &line);
    }

    /// Lines that were left out since the component was bound.
    pub fn dropped(&self) -> u64 {
        self.rate.dropped()
    }

    fn say_at(&self, second: u64, line: &LogLine<'_>) {
        match self.rate.admit(second) {
            Verdict::Say => {}
            Verdict::SayAfter { dropped } => self.notice(&format!("{dropped} lines were left out")),
            Verdict::BeginToDrop => {
                return self.notice(&format!("more than {LINES_PER_SECOND} lines a second: leaving out the rest"));
            }
            Verdict::Drop => return,
        }
        self.sink.write(line);
    }

    fn notice(&self, message: &str) {
        let (kind, occasion) = (Kind::Notice, Occasion::default());
        self.sink.write(&LogLine { component: &self.component, kind, occasion, context: "", message });
    }
}

#[cfg(test)]
mod tests;
