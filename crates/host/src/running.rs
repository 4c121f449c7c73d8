//! This is a host from its configuration to its end.

mod doors;
mod error;
mod loading;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::{Broker, Bus, Loopback, Pass};
use engine::{Engines, EnginesConfig, Layout, Limits, Room};
use http_capability::{Counts, OpenDoor, Plane, PlaneConfig, PlaneCounts, Reuse, TlsFiles};
use lattice::Identity;
use model::{DeclaredApplication, LinkPut, MembershipView};
use rt::{Activity, Task, Ticker};
use stdx::ByteSize;

use self::doors::{addresses, bus_door, check_listeners, door, open_doors};
pub use self::error::HostError;
use self::loading::{check_names, load_all};
use crate::capabilities::{Capabilities, CapabilityConfig};
use crate::capacity;
use crate::control::Control;
use crate::hands::LatticeConfig;
use crate::load::{LoadedComponent, Loading, Source};
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
    /// Whether components are made one piece where links say `fused`; else such links are refused.
    pub may_fuse: bool,
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
    /// Whether the system chooses another port where somebody else has the address.
    pub may_be_elsewhere: bool,
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
    /// The token that lets clients in.
    pub token: Option<String>,
    /// What lets clients in beside it. Where there is neither, everybody is let in.
    pub passes: Vec<Pass>,
}

/// A host that is serving.
pub struct Running {
    /// One for each listener.
    doors: Vec<OpenDoor>,
    plane: Plane,
    listeners: Vec<ListenerConfig>,
    world: Arc<World>,
    control: Control,
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

// === impl Running ===

impl Running {
    /// Loads all components, links them and begins to serve them. Called within the control plane's runtime.
    pub async fn start(config: HostConfig) -> Result<Self, HostError> {
        // The port first: it is the cheapest thing to find out, and nobody else gets it meanwhile.
        let doors = config.listeners.iter().map(door).collect::<Result<Vec<_>, _>>()?;
        let identity = Identity::open(&config.capabilities.data.join("host"))?;
        let is_new = !identity.kept().exists();
        let kept = identity.kept().to_owned();
        let broker = Broker::in_folder(bus::Limits::default(), &kept.join("bus"));
        let own_bus = Bus::in_process(broker.clone());
        let (home, elsewhere) = beginning(&config.lattice, &kept, &own_bus).await?;
        let place = elsewhere.clone().unwrap_or_else(|| home.clone());
        let may_come = place.may_come;
        let capacity = capacity::of(&config);
        let room = Arc::new(Room::new(instances_max(config.engines.layout)));
        let engines = Arc::new(Engines::open(config.engines)?);
        let world = Arc::new(World::new(WorldConfig {
            capabilities: Capabilities::on(place.bus.clone(), Some(place.abroad.peers().clone()), config.capabilities),
            engines: engines.clone(),
            limits: Arc::new(config.limits),
            reuse: config.reuse,
            may_fuse: config.may_fuse,
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
        let plane = Plane::start(&config.plane, world.directory().await?).map_err(HostError::Threads)?;
        let names = config.listeners.iter().map(|listener| listener.name.clone());
        let listeners = names.zip(addresses(&doors)?).collect();
        world.open_to(Front { publisher: plane.publisher(), entrance: plane.entrance(), listeners }).await;
        // Who does not start says why, and nothing of its bus.
        let bus_door = bus_door(config.bus)?;
        let home = match &bus_door {
            Some(door) => home.open_at(door.url(), door.for_providers()),
            None => home,
        };
        let membership = Membership::start(MembershipSetup {
            world: world.clone(),
            identity,
            capacity,
            config: config.lattice,
            application: config.application,
            home: Place { is_new, ..home },
            elsewhere,
        });
        let membership = membership.await?;
        let control = Control::start(world.clone(), membership.links(), own_bus).await.map_err(HostError::Bus)?;
        let _ticker = count_epochs(engines, &plane, world.busy().clone()).map_err(HostError::Threads)?;
        let _upkeep = keep_up(world.clone());
        // Only who serves is asked something, and what is kept is linked before the first request.
        let loopback = bus_door.map(|door| door.open(broker)).transpose()?;
        let doors = open_doors(&plane, doors)?;
        let listeners = config.listeners;
        Ok(Self { doors, plane, listeners, world, control, membership, loopback, _upkeep, _ticker })
    }

    /// Where it listens for clients.
    pub fn listening(&self) -> impl Iterator<Item = Listening> {
        let shown = |(config, door): (&ListenerConfig, &OpenDoor)| Listening {
            name: config.name.clone(),
            scheme: if config.tls.is_some() { "https" } else { "http" },
            address: door.address,
        };
        self.listeners.iter().zip(&self.doors).map(shown)
    }

    /// Where its bus listens.
    pub fn bus_address(&self) -> Option<SocketAddr> {
        self.loopback.as_ref().map(Loopback::address)
    }

    /// Its key, what people call it, and its lattice.
    pub fn membership(&self) -> MembershipView {
        self.membership.view()
    }

    /// Waits until somebody in the lattice tells it to stop. Gives how long that may take, where it was said.
    pub async fn stop_asked(&self) -> Option<Duration> {
        self.membership.stop_asked().await
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
        // What is linked anew now would serve anew.
        drop((self._upkeep, self.control));
        let providers = self.membership.end().await;
        drop(self.doors);
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

fn instances_max(layout: Layout) -> usize {
    match layout {
        Layout::OnDemand => usize::MAX,
        Layout::Pooled { instances, .. } => instances as usize,
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
