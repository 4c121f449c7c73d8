//! These are the capabilities of a host, set up from its configuration, and what they offer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use capability::Capability;
use engine::{Bound, Settings, State};
use http_capability::outgoing::{AllowList, Outgoing};
use model::ComponentName;
use stdx::{Code, Explain};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;

use crate::linking::Offer;

/// How the capabilities of a host are set up.
pub struct CapabilityConfig {
    /// The folder that data are kept in. Nothing is made there before a component needs it.
    pub data: PathBuf,
    /// What `wasi:config` answers.
    pub settings: config::Settings,
    /// Where components' requests may go.
    pub allowed: AllowList,
    /// Where components' lines go.
    pub sink: Arc<dyn logging::Sink>,
    /// The environment that components see.
    pub environment: BTreeMap<String, String>,
}

/// The capabilities of a host.
pub struct Capabilities {
    data: PathBuf,
    keyvalue: OnceLock<keyvalue::KeyValue>,
    // Components are loaded on several threads: the first opens the store, the others wait for it.
    opening: Mutex<()>,
    logging: logging::Logging,
    config: config::Config,
    allowed: Arc<AllowList>,
    environment: Arc<BTreeMap<String, String>>,
}

/// A capability cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the key-value store cannot be opened")]
pub struct CapabilityError(#[from] keyvalue::disk::OpenError);

impl Explain for CapabilityError {
    fn code(&self) -> Code {
        self.0.code()
    }
}

// === impl Capabilities ===

impl Capabilities {
    /// Sets up what costs nothing; stores are opened when the first component needs them.
    pub fn new(config: CapabilityConfig) -> Self {
        Self {
            data: config.data,
            keyvalue: OnceLock::new(),
            opening: Mutex::new(()),
            logging: logging::Logging::new(config.sink),
            config: config::Config::new(config.settings),
            allowed: Arc::new(config.allowed),
            environment: Arc::new(config.environment),
        }
    }

    /// Everything that a component may import.
    pub fn offers(&self) -> Vec<Offer> {
        let wasi = engine::wasi_contracts().into_iter().map(|contract| {
            let by = match contract.interface.as_str() {
                "outgoing-handler" | "client" => self.egress_text(),
                _ => "this host".to_owned(),
            };
            Offer { contract, by }
        });
        let keyvalue = capability_offers(&keyvalue::CONTRACTS, || {
            format!("keyvalue on disk {}", self.keyvalue_folder().display())
        });
        let others = [&self.logging as &dyn Capability, &self.config].into_iter().flat_map(|capability| {
            let by = format!("{} on {}", capability.name(), capability.backend());
            capability.contracts().into_iter().map(move |contract| Offer { contract, by: by.clone() })
        });
        wasi.chain(keyvalue).chain(others).collect()
    }

    /// Opens what these imports need and is not open yet.
    pub fn open_for(&self, imports: &[String]) -> Result<(), CapabilityError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_keyvalue = imports.iter().any(|import| import.starts_with("wasi:keyvalue/"));
        if needs_keyvalue && self.keyvalue.get().is_none() {
            let disk = keyvalue::disk::Disk::open(self.keyvalue_folder())?;
            self.keyvalue.get_or_init(|| keyvalue::KeyValue::new(Arc::new(disk)));
        }
        Ok(())
    }

    /// A linker that meets all offers, for the engine with these settings.
    pub fn linker(&self, engine: &wasmtime::Engine, settings: Settings) -> wasmtime::Result<Linker<State>> {
        let mut linker = engine::wasi_linker(engine, settings)?;
        keyvalue::add_to_linker(&mut linker)?;
        self.logging.add_to_linker(&mut linker)?;
        self.config.add_to_linker(&mut linker)?;
        Ok(linker)
    }

    /// What a component is bound to.
    pub fn bind(&self, component: &ComponentName) -> Arc<Bound> {
        let mut bound = Bound::new(Arc::new(Outgoing::new(component.clone(), self.allowed.clone())));
        self.keyvalue.get().into_iter().for_each(|keyvalue| keyvalue.bind(component, &mut bound));
        self.logging.bind(component, &mut bound);
        self.config.bind(component, &mut bound);
        Arc::new(bound)
    }

    /// The WASI context of a served component's instances: the environment, and streams that lead to its log.
    pub fn wasi(&self, component: &ComponentName) -> impl Fn() -> WasiCtxBuilder + Send + Sync + use<> {
        let voice = self.logging.voice(component);
        let environment = self.environment.clone();
        move || {
            let mut wasi = WasiCtxBuilder::new();
            wasi.stdout(logging::LineWriter::stdout(voice.clone())).stderr(logging::LineWriter::stderr(voice.clone()));
            environment.iter().for_each(|(name, value)| {
                wasi.env(name, value);
            });
            wasi
        }
    }

    fn egress_text(&self) -> String {
        match self.allowed.is_empty() {
            true => "this host, to no host (--allow-http HOST allows one)".into(),
            false => format!("this host, to {}", self.allowed),
        }
    }

    fn keyvalue_folder(&self) -> PathBuf {
        self.data.join("keyvalue")
    }
}

fn capability_offers(names: &[&str], by: impl Fn() -> String) -> Vec<Offer> {
    capability::contracts(names).into_iter().map(|contract| Offer { contract, by: by() }).collect()
}
