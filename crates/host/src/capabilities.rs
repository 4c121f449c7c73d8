//! These are the capabilities of a host, set up from its configuration, and what they offer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bus::{Broker, Bus};
use capability::{Capability, Linking, OpenError, OpenLink, Opened, Place, settings};
use engine::{Bound, ImportName, Part, Settings, State};
use http_capability::outgoing::{AllowList, Outgoing};
use model::{ComponentName, Contract, LinkName, Terms};
use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtxBuilder;
use wire::Peers;

use crate::labels;
use crate::linking::Offer;
use crate::targets::Targets;

/// How the capabilities of a host are set up.
pub struct CapabilityConfig {
    /// The folder that data are kept in. But for the host's own key nothing is made there before a component needs it.
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
    all: Vec<Arc<dyn Capability>>,
    targets: Targets,
    logging: Arc<logging::Logging>,
    keyvalue: Arc<keyvalue::KeyValue>,
    blobstore: Arc<blobstore::Blobstore>,
    messaging: Arc<messaging::Messaging>,
    allowed: Arc<AllowList>,
    environment: Arc<[(String, String)]>,
}

/// The open links of one component, by capability.
pub(crate) type OpenLinks = BTreeMap<&'static str, Vec<OpenLink>>;

// === impl Capabilities ===

impl Capabilities {
    /// Sets up what costs nothing; backends are opened when the first component needs them. Messages stay in this process.
    pub fn new(config: CapabilityConfig) -> Self {
        Self::on(Bus::in_process(Broker::new(bus::Limits::default())), None, config)
    }

    /// The same, where components say their messages on this bus, and call these who are outside of the host.
    pub(crate) fn on(bus: Bus, peers: Option<Peers>, config: CapabilityConfig) -> Self {
        let logging = Arc::new(logging::Logging::new(config.sink));
        let place = |name| Place { folder: config.data.join(name) };
        let keyvalue = Arc::new(keyvalue::KeyValue::new(place("keyvalue")).with_peers(peers.clone()));
        let blobstore = Arc::new(blobstore::Blobstore::new(place("blobstore")).with_peers(peers.clone()));
        let messaging = Arc::new(messaging::Messaging::new(bus).with_peers(peers));
        let all: Vec<Arc<dyn Capability>> = vec![
            keyvalue.clone(),
            blobstore.clone(),
            messaging.clone(),
            Arc::new(secrets::Secrets::new(place("secrets"))),
            Arc::new(sql::Sql::new(place("sql"))),
            logging.clone(),
            Arc::new(config::Config::new(config.settings)),
        ];
        let (allowed, environment) = (Arc::new(config.allowed), config.environment.into_iter().collect());
        Self { all, targets: Targets::default(), logging, keyvalue, blobstore, messaging, allowed, environment }
    }

    /// From now on components say their messages on this bus, and call these who are outside of the host, as soon as they are linked
    /// anew: what leads beyond the host is opened anew for that.
    pub(crate) fn face(&self, bus: &Bus, peers: &Peers) {
        self.keyvalue.face(Some(peers.clone()));
        self.blobstore.face(Some(peers.clone()));
        self.messaging.face(bus.clone(), Some(peers.clone()));
        self.targets.forget_beyond();
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &dyn Capability> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// Everything that a component may import, with what meets it where no link says otherwise.
    pub fn offers(&self) -> Vec<Offer> {
        let wasi = engine::wasi_contracts().into_iter().map(|contract| {
            let by = match (contract.package.as_str(), contract.interface.as_str()) {
                ("http", "outgoing-handler" | "client") => self.egress_text(),
                ("sockets", "ip-name-lookup") => "this host, for no name (no flag allows one)".to_owned(),
                ("sockets", _) => "this host, to no address (no flag allows one)".to_owned(),
                _ => "this host".to_owned(),
            };
            Offer { contract, by, is_linkable: false }
        });
        let others = self.all().flat_map(|capability| {
            let by = format!("{} on {}", capability.name(), capability.by_default());
            capability.contracts().into_iter().map(move |contract| Offer {
                contract,
                by: by.clone(),
                is_linkable: true,
            })
        });
        let choice = capability::contracts(&choice::CONTRACTS);
        let choice = choice.into_iter().map(|contract| Offer { contract, by: "this host".into(), is_linkable: false });
        wasi.chain(choice).chain(others).collect()
    }

    /// A linker that meets all offers, for the engine with these settings.
    pub fn linker(&self, engine: &wasmtime::Engine, settings: Settings) -> wasmtime::Result<Linker<State>> {
        let mut linker = engine::wasi_linker(engine, settings)?;
        self.define(&mut Linking::new(&mut linker, Part::FIRST))?;
        Ok(linker)
    }

    /// Defines the functions of all capabilities.
    pub(crate) fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        choice::define(linking)?;
        self.all().try_for_each(|capability| capability.define(linking))
    }

    /// A linker for one component with these imports, where nothing leads to other components.
    pub fn linker_for(
        &self,
        engine: &wasmtime::Engine,
        settings: Settings,
        imports: &[ImportName],
    ) -> wasmtime::Result<Linker<State>> {
        let mut linker = self.linker(engine, settings)?;
        for label in labels::of(imports, 1)? {
            self.define(&mut Linking::labelled(&mut linker, label.part, (label.import.as_str(), &label.interface)))?;
        }
        Ok(linker)
    }

    /// What a component with these imports is bound to where no link says otherwise. Opens what it needs.
    pub async fn bind_by_default(
        &self,
        component: &ComponentName,
        imports: &[ImportName],
    ) -> Result<Arc<Bound>, OpenError> {
        let mut links = OpenLinks::new();
        for capability in self.imported_by(imports) {
            links.insert(capability.name(), vec![self.open_default(capability).await?]);
        }
        let bound = self.bind(component, &links);
        // Without a link that says otherwise a label leads where the import without one does.
        let labels = imports.iter().filter(|import| import.label().is_some());
        let others = labels.map(|_| Arc::new(bound.clone())).collect();
        Ok(Arc::new(bound.with_parts(others)))
    }

    /// What a component is bound to by these links.
    pub(crate) fn bind(&self, component: &ComponentName, links: &OpenLinks) -> Bound {
        let egress = Arc::new(Outgoing::new(component.clone(), self.allowed.clone()));
        let mut bound = Bound::new(egress).with_environment(self.environment.clone());
        for capability in self.all() {
            if let Some(links) = links.get(capability.name()) {
                capability.bind(component, links, &mut bound);
            }
        }
        bound
    }

    /// The capabilities that offer any of these imports.
    pub(crate) fn imported_by(&self, imports: &[ImportName]) -> impl Iterator<Item = &dyn Capability> {
        let imports: Vec<Contract> = imports.iter().filter_map(|import| import.interface().parse().ok()).collect();
        let is_offered = move |capability: &&dyn Capability| {
            capability.contracts().iter().any(|offer| imports.iter().any(|import| import.is_met_by(offer)))
        };
        self.all().filter(is_offered)
    }

    /// The link that a component gets where it has none for this capability.
    pub(crate) async fn open_default(&self, capability: &dyn Capability) -> Result<OpenLink, OpenError> {
        let backend = capability.backends().into_iter().next().expect("a capability has a backend");
        let told = settings::check(backend.name, backend.settings, &BTreeMap::new());
        let told = told.map_err(|problems| OpenError::refused(backend.name, problems))?;
        let target = self.targets.open((capability, backend.name), &told).await?;
        Ok(OpenLink { name: LinkName::default(), terms: Terms::default(), target: Some(target) })
    }

    /// Opens what a link leads to.
    pub(crate) async fn open(
        &self,
        capability: &str,
        backend: &str,
        settings: &capability::Settings,
    ) -> Result<Opened, OpenError> {
        match self.all().find(|it| it.name() == capability) {
            Some(capability) => self.targets.open((capability, backend), settings).await,
            None => Err(OpenError::refused(capability, "there is no such capability")),
        }
    }

    /// What a link leads to, opened anew where what `old` read has changed; nothing where it has not.
    pub(crate) async fn renew(
        &self,
        (capability, backend): (&str, &str),
        settings: &capability::Settings,
        old: &Opened,
    ) -> Result<Option<Opened>, OpenError> {
        match self.all().find(|it| it.name() == capability) {
            Some(capability) if capability.has_changed(old).await => {
                self.targets.open_other((capability, backend), settings, Some(old)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The WASI context of a served component's instances: streams that lead to its log.
    pub fn wasi(&self, component: &ComponentName) -> impl Fn() -> WasiCtxBuilder + Send + Sync + use<> {
        let voice = self.logging.voice(component);
        move || {
            let mut wasi = WasiCtxBuilder::new();
            wasi.stdout(logging::LineWriter::stdout(voice.clone())).stderr(logging::LineWriter::stderr(voice.clone()));
            wasi
        }
    }

    fn egress_text(&self) -> String {
        match self.allowed.is_empty() {
            true => "this host, to no host (--allow-http HOST allows one)".into(),
            false => format!("this host, to {}", self.allowed),
        }
    }
}
