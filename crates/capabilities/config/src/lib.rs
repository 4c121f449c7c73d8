//! `wasi:config` for components: settings that whoever starts them gives.
//!
//! Settings come from flags, from the environment and from files, and become one ordered map before anything runs. What is
//! wrong with them is found out all at once, while they are read, so a component's question never fails. A component has those of
//! the host, or what its links name instead ([`BACKENDS`]).
//!
//! ```
//! use config::Settings;
//!
//! let file = Settings::parse("greeting = 'hello'\nretries = 3", config::Format::Toml)?;
//! let flags = Settings::from_pairs(["greeting=good day"])?;
//! let settings = flags.over(file);
//! assert_eq!(settings.value("greeting"), Some("good day"));
//! assert_eq!(settings.value("retries"), Some("3"));
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! # Invariants
//!
//! 1. All versions of the contract answer the same from the same map.
//! 2. Reads the world in two functions only, [`read`] and [`read_environment`]: the rest takes text.
//! 3. What a component is bound to never changes: a file that changes is another source, and components are bound anew.

mod backends;
mod guest;
mod parse;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use capability::{BackendInfo, Capability, Linking, OpenError, OpenLink, Opened, Place};
use model::{ComponentName, Contract};

pub use backends::BACKENDS;
pub use parse::{ConfigError, ENVIRONMENT_PREFIX, Format, Problem, Wrong, read, read_environment};
pub use source::Source;

/// Names with their values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// The backend of a component without links: the settings of the host.
const HOST: BackendInfo =
    BackendInfo { name: "host", about: "the settings that the host was started with", settings: &[] };

/// The capability `config`.
pub struct Config {
    host: Arc<Source>,
}

// === impl Settings ===

impl Settings {
    /// The value of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These, and those of `other` that are not among them: flags over environment over file.
    pub fn over(self, other: Settings) -> Settings {
        let mut all = other.0;
        all.extend(self.0);
        Settings(all)
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

// === impl Config ===

impl Config {
    /// Components without links see these settings.
    pub fn new(settings: Settings) -> Self {
        Self { host: Arc::new(Source::from(settings)) }
    }
}

#[async_trait]
impl Capability for Config {
    fn name(&self) -> &'static str {
        "config"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        [HOST].into_iter().chain(BACKENDS.infos()).collect()
    }

    async fn open(&self, backend: &str, settings: &capability::Settings) -> Result<Opened, OpenError> {
        match backend == HOST.name {
            true => Ok(Opened::new(self.host.clone())),
            false => BACKENDS.open(backend, settings, &Place { folder: "config".into() }).await,
        }
    }

    async fn has_changed(&self, opened: &Opened) -> bool {
        match opened.target::<Source>() {
            Some(source) => source.has_changed().await,
            None => false,
        }
    }

    fn by_default(&self) -> String {
        match self.host.settings().len() {
            0 => "no settings".into(),
            1 => "1 setting".into(),
            count => format!("{count} settings"),
        }
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, _: &ComponentName, links: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(guest::Binding(source::together(links)));
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
