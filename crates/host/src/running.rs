//! This is a host from its configuration to its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Broker, Bus, ConnectError, Login, Loopback, LoopbackConfig, NameError, SubscribeError};
use engine::{CacheError, Engines, EnginesConfig, Layout, Limits, Room};
use http_capability::{Counts, Door, Plane, PlaneConfig, PlaneCounts, Reuse, Tls, TlsError, TlsFiles};
use lattice::{EntranceError, Identity, IdentityError};
use model::{DeclaredApplication, LinkPut, MembershipView};
use route::{Route, RouteError};
use rt::{Activity, Task, Ticker};
use stdx::{ByteSize, Code, Explain};

use crate::capabilities::{Capabilities, CapabilityConfig};
use crate::control::Control;
use crate::hands::LatticeConfig;
use crate::holder::holder_of;
use crate::linking::{self, Offer};
use crate::load::{LoadError, LoadedComponent, Loading, Prepared, Source, Step};
use crate::membership::{Membership, MembershipSetup, Place, beginning};
use crate::serving::{Busy, CallCounts};
use crate::world::{Front, World, WorldConfig};

/// Everything that a host does.
pub struct HostConfig {
    /// What it runs.
    pub sources: Vec<Source>,
    /// Where it listens for HTTP.
    pub listeners: Vec<ListenerConfig>,
    /// Where it listens for NATS clients, such as commands in a second terminal; nowhere without.
    pub bus: Option<BusConfig>,
    /// The lattice that it is in.
    pub lattice: LatticeConfig,
    /// How programs are compiled and instances laid out.
    pub engines: EnginesConfig,
    /// How the data plane is set up.
    pub plane: PlaneConfig,
    /// What each component may use.
    pub limits: Limits,
    /// Whether instances answer more than one request.
    pub reuse: Option<Reuse>,
    /// What components are linked to.
    pub capabilities: CapabilityConfig,
    /// What shall be linked otherwise than by default.
    pub links: Vec<LinkPut>,
    /// The application that these components are, where they are one.
    pub application: Option<DeclaredApplication>,
    /// The largest file that is read.
    pub size_max: ByteSize,
}

/// Where a host listens for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Which routes are for it: those that name it, or those that name none.
    pub name: Option<String>,
    /// The address.
    pub address: SocketAddr,
    /// The certificate and its key, where connections are encrypted.
    pub tls: Option<TlsFiles>,
}

/// A listener of a host that is serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Its name.
    pub name: Option<String>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The address, with the port that the system chose where any was asked for.
    pub address: SocketAddr,
}

/// Where a host listens for NATS clients.
#[derive(Clone, PartialEq, Eq)]
pub struct BusConfig {
    /// The address.
    pub address: SocketAddr,
    /// Whether the host does without where somebody else has the address.
    pub may_be_missing: bool,
    /// What a client has to show, if anything.
    pub token: Option<String>,
}

/// A host that is serving.
pub struct Running {
    plane: Plane,
    /// In the order of the plane's addresses.
    listeners: Vec<ListenerConfig>,
    world: Arc<World>,
    _control: Control,
    membership: Membership,
    loopback: Option<Loopback>,
    // Opens what could not be opened when the host started.
    _upkeep: Task,
    // Counts ticks for all deadlines while the host lives.
    _ticker: Ticker,
}

/// What became of the requests of one component.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ServedReport {
    /// The component.
    pub name: model::ComponentName,
    /// How many requests ended how.
    pub counts: Vec<(&'static str, u64)>,
}

/// What became of all requests.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Of those that a component was found for.
    pub components: Vec<ServedReport>,
    /// Of the others.
    pub plane: PlaneCounts,
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Components that cannot be served, all of them.
    #[error("{} of the components cannot be served", .0.len())]
    Load(Vec<LoadError>),
    /// Two files that would be one component.
    #[error("two components would be called {name}: {} and {}; the name comes from the file, and data are kept by it", files.0.display(), files.1.display())]
    SameName {
        /// The name.
        name: model::ComponentName,
        /// The files.
        files: (std::path::PathBuf, std::path::PathBuf),
    },
    /// Two components at one path.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A route at a listener that is not there.
    #[error("{route} is at a listener that there is not; {}", if known.is_empty() { "none has a name".into() } else { format!("there is {}", known.join(", ")) })]
    NoListener {
        /// The route.
        route: Route,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It cannot be shown who it is.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken.
    #[error("cannot listen on {address}: {}", holder.as_ref().map_or("it is in use".to_owned(), |holder| format!("{holder} listens there")))]
    AddressInUse {
        /// The address.
        address: SocketAddr,
        /// Who has it, where the system tells.
        holder: Option<String>,
    },
    /// The address cannot be had for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(SubscribeError),
    /// There is no bus that carries the lattice.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It does not know which lattice it is in.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// It remembers what is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It was told of one lattice, and joined another.
    #[error("the host was told of lattice {told}, and remembers that it joined {joined}")]
    Elsewhere {
        /// By the flag.
        told: String,
        /// By what it remembers.
        joined: String,
    },
    /// A thread cannot be started.
    #[error("the host cannot start its threads")]
    Threads(#[source] std::io::Error),
    /// There is no randomness for a key.
    #[error("the key that providers know the host by cannot be made")]
    NoKey(#[source] std::io::Error),
}

impl Explain for HostError {
    fn code(&self) -> Code {
        match self {
            Self::Cache(error) => error.code(),
            Self::Load(errors) => errors.first().map_or(Code::E0203, Explain::code),
            Self::SameName { .. } | Self::NoListener { .. } => Code::E0302,
            Self::Route(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::AddressInUse { .. } | Self::Listen { .. } => Code::E0301,
            Self::Bus(error) => error.code(),
            Self::Connect(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Entrance(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Elsewhere { .. } => Code::E1004,
            Self::Threads(_) => Code::E0209,
            Self::NoKey(_) => Code::E1001,
        }
    }
}

// === impl Running ===

impl Running {
    /// Loads all components, links them and begins to serve them. Called within the control plane's runtime.
    pub async fn start(config: HostConfig) -> Result<Self, HostError> {
        // The port first: it is the cheapest thing to find out, and nobody else gets it meanwhile.
        let doors = config.listeners.iter().map(door).collect::<Result<_, _>>()?;
        let identity = Identity::open(&config.capabilities.data.join("host"))?;
        let is_new = !identity.kept().exists();
        let kept = identity.kept().to_owned();
        let broker = Broker::in_folder(bus::Limits::default(), &kept.join("bus"));
        let own_bus = Bus::in_process(broker.clone());
        let own_token = config.bus.as_ref().and_then(|bus| bus.token.clone());
        let own_login = own_token.map_or(Login::Anyone, Login::Token);
        let loopback = open_bus(broker, config.bus)?;
        let own_address = loopback.as_ref().map(|own| format!("nats://{}", own.address()));
        let (home, elsewhere) = beginning(&config.lattice, &kept, &own_bus).await?;
        let home = Place {
            providers_at: own_address.clone().map(|address| (address, own_login)),
            address: own_address.unwrap_or_else(|| own_bus.describe()),
            is_new,
            ..home
        };
        let place = elsewhere.clone().unwrap_or_else(|| home.clone());
        let may_come = place.may_come;
        let room = Arc::new(Room::new(instances_max(config.engines.layout)));
        let engines = Arc::new(Engines::open(config.engines)?);
        let world = Arc::new(World::new(WorldConfig {
            capabilities: Capabilities::on(place.bus.clone(), Some(place.abroad.peers().clone()), config.capabilities),
            engines: engines.clone(),
            limits: Arc::new(config.limits),
            reuse: config.reuse,
            cores: config.plane.cores,
            room,
            size_max: config.size_max,
            beyond: place.beyond(),
        }));
        check_names(&config.sources)?;
        check_listeners(&config.sources, &config.listeners)?;
        let loading = Loading { engines: &engines, size_max: config.size_max, may_come };
        let prepared = load_all(&loading, config.plane.cores, world.host_offers(), config.sources)?;
        world.start(prepared, config.links).await.map_err(HostError::Load)?;
        let plane = Plane::start(&config.plane, doors, world.directory().await?).map_err(HostError::Threads)?;
        let names = config.listeners.iter().map(|listener| listener.name.clone());
        let listeners = names.zip(plane.addresses().iter().copied()).collect();
        world.open_to(Front { publisher: plane.publisher(), entrance: plane.entrance(), listeners }).await;
        let control = Control::start(world.clone(), own_bus).await.map_err(HostError::Bus)?;
        let membership = Membership::start(MembershipSetup {
            world: world.clone(),
            identity,
            config: config.lattice,
            application: config.application,
            home,
            elsewhere,
        });
        let membership = membership.await?;
        let ticker = count_epochs(engines, &plane, world.busy().clone()).map_err(HostError::Threads)?;
        let upkeep = keep_up(world.clone());
        Ok(Self {
            plane,
            listeners: config.listeners,
            world,
            _control: control,
            membership,
            loopback,
            _upkeep: upkeep,
            _ticker: ticker,
        })
    }

    /// Where it listens for clients.
    pub fn listening(&self) -> impl Iterator<Item = Listening> {
        let shown = |(config, address): (&ListenerConfig, &SocketAddr)| Listening {
            name: config.name.clone(),
            scheme: if config.tls.is_some() { "https" } else { "http" },
            address: *address,
        };
        self.listeners.iter().zip(self.plane.addresses()).map(shown)
    }

    /// Where its bus listens.
    pub fn bus_address(&self) -> Option<SocketAddr> {
        self.loopback.as_ref().map(Loopback::address)
    }

    /// Its key, what people call it, and its lattice.
    pub fn membership(&self) -> MembershipView {
        self.membership.view()
    }

    /// Waits until somebody in the lattice tells it to stop.
    pub async fn stop_asked(&self) {
        self.membership.stop_asked().await;
    }

    /// Its components, as they are linked now.
    pub async fn components(&self) -> Vec<LoadedComponent> {
        self.world.components().await
    }

    /// What became of all requests so far.
    pub async fn report(&self) -> Report {
        Report { components: report(&self.world).await, plane: self.plane.counts() }
    }

    /// Takes no further requests, lets the running ones end for at most `patience`, and ends. Says whether all of them ended,
    /// and what became of all requests.
    pub async fn drain(self, patience: Duration) -> (bool, Report) {
        let providers = self.membership.end().await;
        let calls = rt::within(Some(patience), self.world.end_serving());
        let ((has_drained, plane), calls) = tokio::join!(self.plane.drain(patience), calls);
        // Whoever called them has ended.
        if let Some(providers) = providers {
            providers.end().await;
        }
        (has_drained && calls.is_ok(), Report { components: report(&self.world).await, plane })
    }
}

/// Opens what could not be opened when the host started, and what has changed since.
fn keep_up(world: Arc<World>) -> Task {
    Task::spawn(async move {
        tokio::join!(world.keep_opening(), world.keep_fresh());
    })
}

async fn report(world: &World) -> Vec<ServedReport> {
    let report = |(name, counts, calls): (_, Arc<[Counts]>, Arc<CallCounts>)| {
        let counts = Counts::totals(&counts).into_iter().chain(calls.totals()).collect();
        ServedReport { name, counts }
    };
    world.counts().await.into_iter().map(report).collect()
}

/// Opens the bus inside this process to others.
fn open_bus(broker: Broker, config: Option<BusConfig>) -> Result<Option<Loopback>, HostError> {
    let Some(BusConfig { address, may_be_missing, token }) = config else { return Ok(None) };
    let listener = match listen(address) {
        Ok(listener) => listener,
        Err(error @ HostError::AddressInUse { .. }) if may_be_missing => {
            tracing::warn!("this host has no bus: {error} (--bus ADDR gives it one elsewhere)");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let loopback = Loopback::start(listener, broker, LoopbackConfig { token, ..LoopbackConfig::default() });
    loopback.map(Some).map_err(|source| HostError::Listen { address, source })
}

fn instances_max(layout: Layout) -> usize {
    match layout {
        Layout::OnDemand => usize::MAX,
        Layout::Pooled { instances, .. } => instances as usize,
    }
}

/// Key-value data, settings and logs go by name, so a name stands for one file.
fn check_names(sources: &[Source]) -> Result<(), HostError> {
    let mut files = std::collections::BTreeMap::new();
    for source in sources {
        let first: &std::path::PathBuf = files.entry(&source.name).or_insert(&source.path);
        if *first != source.path {
            return Err(HostError::SameName { name: source.name.clone(), files: (first.clone(), source.path.clone()) });
        }
    }
    Ok(())
}

fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => HostError::AddressInUse { address, holder: holder_of(address) },
        _ => HostError::Listen { address, source },
    })
}

/// A socket for clients.
fn door(ListenerConfig { name, address, tls }: &ListenerConfig) -> Result<Door, HostError> {
    let listener = listen(*address)?;
    let tls = tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    Ok(Door { name: name.as_deref().map(Arc::from), listener, tls })
}

/// What is routed at a listener that is not there would never be asked.
fn check_listeners(sources: &[Source], listeners: &[ListenerConfig]) -> Result<(), HostError> {
    let named = |route: &Route| listeners.iter().any(|listener| listener.name.as_deref() == route.listener());
    let missing = sources
        .iter()
        .filter_map(|source| source.route.as_ref())
        .find(|route| route.listener().is_some() && !named(route));
    match missing {
        None => Ok(()),
        Some(route) => Err(HostError::NoListener {
            route: route.clone(),
            known: listeners.iter().filter_map(|listener| listener.name.clone()).collect(),
        }),
    }
}

/// Loads all components: first those that need no other, then those that import what others export.
fn load_all(
    loading: &Loading<'_>,
    threads: usize,
    offers: &[Offer],
    sources: Vec<Source>,
) -> Result<Vec<Prepared>, HostError> {
    let steps = load_with(loading, threads, offers, sources)?;
    let exported: Vec<Offer> = steps.iter().flat_map(|step| step.exports()).collect();
    let offers: Vec<Offer> = offers.iter().cloned().chain(exported).collect();
    let (mut prepared, mut waiting) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Prepared(done) => prepared.push(*done),
            Step::Waits(source, _) => waiting.push(source),
        }
    }
    let mut errors = Vec::new();
    for step in load_with(loading, threads, &offers, waiting)? {
        match step {
            Step::Prepared(done) => prepared.push(*done),
            Step::Waits(source, anatomy) => {
                let missing = linking::check(&linking::link(&anatomy.imports, &offers));
                errors.extend(missing.err().map(|missing| LoadError::Missing { path: source.path, source: missing }));
            }
        }
    }
    if errors.is_empty() { Ok(prepared) } else { Err(HostError::Load(errors)) }
}

/// Loads components on so many threads, and gathers what went wrong with any of them.
fn load_with(
    loading: &Loading<'_>,
    threads: usize,
    offers: &[Offer],
    sources: Vec<Source>,
) -> Result<Vec<Step>, HostError> {
    let threads = threads.min(sources.len()).max(1);
    let queue = Mutex::new(sources.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, source)) = next else { return done };
            done.push((index, loading.load(source, offers)));
        }
    };
    let mut done = match threads {
        1 => work(),
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("loading returns its errors")).collect()
        }),
    };
    done.sort_by_key(|(index, _)| *index);
    let (loaded, failed): (Vec<_>, Vec<_>) = done.into_iter().map(|(_, result)| result).partition(Result::is_ok);
    let errors: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() {
        Ok(loaded.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(HostError::Load(errors))
    }
}

fn count_epochs(engines: Arc<Engines>, plane: &Plane, busy: Arc<Busy>) -> std::io::Result<Ticker> {
    let activity = plane.activity();
    Ticker::spawn(move || {
        let activity = match (activity.now(), busy.now()) {
            (Activity::Idle, Activity::Idle) => Activity::Idle,
            _ => Activity::Busy,
        };
        if activity == Activity::Busy {
            engines.made().for_each(wasmtime::Engine::increment_epoch);
        }
        activity
    })
}
