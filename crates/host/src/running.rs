//! This is a host from its configuration to its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{CacheError, Engines, EnginesConfig, Layout, Limits};
use http_capability::{Plane, PlaneConfig, PlaneCounts, Reuse, Room};
use route::{RouteError, Routes};
use rt::{Activity, Ticker};
use stdx::{ByteSize, Code, Explain};

use crate::capabilities::{Capabilities, CapabilityConfig};
use crate::holder::holder_of;
use crate::load::{Linkers, LoadError, LoadedComponent, Loading, Source};

/// Everything that a host does.
pub struct HostConfig {
    /// What it runs.
    pub sources: Vec<Source>,
    /// Where it listens for HTTP.
    pub http: SocketAddr,
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
    /// The largest file that is read.
    pub size_max: ByteSize,
}

/// A host that is serving.
pub struct Running {
    plane: Plane,
    components: Vec<LoadedComponent>,
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
    /// A thread cannot be started.
    #[error("the host cannot start its threads")]
    Threads(#[source] std::io::Error),
}

impl Explain for HostError {
    fn code(&self) -> Code {
        match self {
            Self::Cache(error) => error.code(),
            Self::Load(errors) => errors.first().map_or(Code::E0203, Explain::code),
            Self::SameName { .. } => Code::E0302,
            Self::Route(error) => error.code(),
            Self::AddressInUse { .. } | Self::Listen { .. } => Code::E0301,
            Self::Threads(_) => Code::E0209,
        }
    }
}

// === impl Running ===

impl Running {
    /// Loads all components and begins to serve them. Called within the control plane's runtime.
    pub fn start(config: HostConfig) -> Result<Self, HostError> {
        // The port first: it is the cheapest thing to find out, and nobody else gets it meanwhile.
        let listener = listen(config.http)?;
        let room = Arc::new(Room::new(instances_max(config.engines.layout)));
        let engines = Arc::new(Engines::open(config.engines)?);
        let capabilities = Capabilities::new(config.capabilities);
        let loading = Loading {
            engines: &engines,
            offers: &capabilities.offers(),
            capabilities: &capabilities,
            limits: &Arc::new(config.limits),
            reuse: config.reuse,
            cores: config.plane.cores,
            size_max: config.size_max,
            linkers: &Linkers::default(),
            room: &room,
        };
        check_names(&config.sources)?;
        let components = load_all(&loading, config.sources)?;
        let routes = components.iter().map(|component| (component.source.prefix.clone(), component.served.clone()));
        let plane = Plane::start(&config.plane, listener, Routes::new(routes)?).map_err(HostError::Threads)?;
        let ticker = count_epochs(engines, &plane).map_err(HostError::Threads)?;
        Ok(Self { plane, components, _ticker: ticker })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.plane.address()
    }

    /// What it serves.
    pub fn components(&self) -> &[LoadedComponent] {
        &self.components
    }

    /// What became of all requests so far.
    pub fn report(&self) -> Report {
        Report { components: report(&self.components), plane: self.plane.counts() }
    }

    /// Takes no further requests, lets the running ones end for at most `patience`, and ends. Says whether all of them ended,
    /// and what became of all requests.
    pub async fn drain(self, patience: Duration) -> (bool, Report) {
        let (has_drained, plane) = self.plane.drain(patience).await;
        (has_drained, Report { components: report(&self.components), plane })
    }
}

fn report(components: &[LoadedComponent]) -> Vec<ServedReport> {
    let report = |component: &LoadedComponent| ServedReport {
        name: component.source.name.clone(),
        counts: component.served.totals().to_vec(),
    };
    components.iter().map(report).collect()
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

/// Loads components on as many threads as there are cores, and gathers what went wrong with any of them.
fn load_all(loading: &Loading<'_>, sources: Vec<Source>) -> Result<Vec<LoadedComponent>, HostError> {
    let threads = loading.cores.min(sources.len()).max(1);
    let queue = Mutex::new(sources.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, source)) = next else { return done };
            done.push((index, loading.load(source)));
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

fn count_epochs(engines: Arc<Engines>, plane: &Plane) -> std::io::Result<Ticker> {
    let activity = plane.activity();
    Ticker::spawn(move || {
        let activity = activity.now();
        if activity == Activity::Busy {
            engines.made().for_each(wasmtime::Engine::increment_epoch);
        }
        activity
    })
}
