//! This is the data plane: listeners, one thread a core, and the directory that all cores read.
//!
//! ```text
//! acceptor, wire (control plane) ── to the core with the fewest ───────► core 0: connections, pools, tasks, a wire of its own
//!                                                                    └─► core 1: …
//! directory: an immutable snapshot, published as a whole
//! ```
//!
//! # Invariants
//!
//! 1. A connection stays on the core that it was given to, and all that it causes happens there.
//! 2. Draining ends: what is still running after the time given to it is dropped.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use model::ComponentName;
use rt::{Activity, Cores, Task};
use stdx::ByteSize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use wire::http::Exchange;

use crate::asked::{self, AskedFor};
use crate::connection::{self, Arrival as Connection};
use crate::core::{CARE, Core, Share};
use crate::directory::Directory;
use crate::tls::Tls;

/// Where clients connect.
pub struct Door {
    /// Which routes are for it: those of its name, or those without one.
    pub name: Option<Arc<str>>,
    /// The socket.
    pub listener: std::net::TcpListener,
    /// Where connections are encrypted: with what.
    pub tls: Option<Arc<Tls>>,
}

/// How the data plane is set up.
#[derive(Debug, Clone)]
pub struct PlaneConfig {
    /// Threads that answer requests.
    pub cores: usize,
    /// Connections that are open at once; further ones are closed at once.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub request_head: ByteSize,
}

/// A data plane that is serving.
pub struct Plane {
    cores: Cores,
    shares: Arc<[Share]>,
    directory: Arc<ArcSwap<Directory>>,
    phase: watch::Sender<Phase>,
    reception: Arc<Reception>,
}

/// What happened on the data plane beside the requests of components.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PlaneCounts {
    /// Requests whose head was larger than it may be.
    pub head_too_large: u64,
    /// Requests for a path that no component is routed at.
    pub no_route: u64,
}

/// Tells whether the data plane has anything to do. Cheap, and can be asked from any thread.
#[derive(Clone)]
pub struct PlaneActivity(Arc<[Share]>);

/// Publishes who answers to all cores of a data plane.
#[derive(Clone)]
pub struct Publisher(Arc<ArcSwap<Directory>>);

/// The way into a data plane, for as long as it takes anything.
#[derive(Clone)]
pub struct Entrance(Weak<Reception>);

/// A way into a data plane that keeps it from ending: whoever has it may still bring requests.
#[derive(Clone)]
pub struct Receiving(Arc<Reception>);

/// A door that is open. Dropping it closes it.
pub struct OpenDoor {
    /// Where it is.
    pub address: SocketAddr,
    _accepting: Task,
}

/// A request goes to another core than the one that it came in on only where that has so many tasks fewer: the way there costs two
/// wakes.
const LEAD: usize = 4;

/// What comes to a core.
enum Arrival {
    Connection(Connection),
    Asked(AskedFor),
    Work(BoxFuture<'static, ()>),
}

/// Where connections and requests are given to cores.
struct Reception {
    cores: Vec<mpsc::Sender<Arrival>>,
    shares: Arc<[Share]>,
    connections_max: usize,
}

/// What a connection brings along from where it came in.
struct Entry {
    name: Option<Arc<str>>,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Over,
}

// === impl PlaneConfig ===

impl Default for PlaneConfig {
    fn default() -> Self {
        Self { cores: rt::cores_available(), connections_max: 10_000, request_head: ByteSize::kib(64) }
    }
}

// === impl Plane ===

impl Plane {
    /// Starts serving. Nobody comes in before a door is opened ([`Entrance::open`]).
    pub fn start(config: &PlaneConfig, directory: Directory) -> std::io::Result<Self> {
        let shares: Arc<[Share]> = (0..config.cores).map(|_| Share::default()).collect();
        let directory = Arc::new(ArcSwap::from_pointee(directory));
        let (phase, phases) = watch::channel(Phase::Serving);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..config.cores).map(|_| mpsc::channel(1024)).unzip();

        let head_max = config.request_head.as_usize();
        let cores = {
            let (shares, directory, phases) = (shares.clone(), directory.clone(), phases.clone());
            Cores::spawn("data", receivers, move |index, arrivals| {
                let core = Rc::new(Core::new(index, shares.clone(), directory.clone()));
                run(core, arrivals, phases.clone(), head_max)
            })?
        };
        let reception = Reception { cores: senders, shares: shares.clone(), connections_max: config.connections_max };
        Ok(Self { cores, shares, directory, phase, reception: Arc::new(reception) })
    }

    /// Where other routes are published.
    pub fn publisher(&self) -> Publisher {
        Publisher(self.directory.clone())
    }

    /// The way in.
    pub fn entrance(&self) -> Entrance {
        Entrance(Arc::downgrade(&self.reception))
    }

    /// Tells whoever counts ticks whether anyone needs them.
    pub fn activity(&self) -> PlaneActivity {
        PlaneActivity(self.shares.clone())
    }

    /// What happened beside the requests of components.
    pub fn counts(&self) -> PlaneCounts {
        PlaneCounts::of(&self.shares)
    }

    /// Lets running requests end for at most `patience`, and ends. Who is still [`Receiving`], or has a door open, may bring others
    /// meanwhile. Says whether all of them ended, and what happened beside the requests of components.
    pub async fn drain(self, patience: Duration) -> (bool, PlaneCounts) {
        drop(self.reception);
        self.phase.send_replace(Phase::Draining);
        let mut cores = tokio::task::spawn_blocking(|| self.cores.join());
        let in_time = tokio::time::timeout(patience, &mut cores).await;
        if in_time.is_err() {
            self.phase.send_replace(Phase::Over);
            // The cores end as soon as whatever runs on them gives way, at the next tick.
            drop(cores.await);
        }
        let has_drained = in_time.is_ok_and(|joined| joined.is_ok_and(|panicked| panicked == 0));
        (has_drained, PlaneCounts::of(&self.shares))
    }
}

impl Publisher {
    /// Publishes another directory. Requests that are running end with the one that they began with.
    pub fn publish(&self, directory: Directory) {
        self.0.store(Arc::new(directory));
    }
}

impl Entrance {
    /// Opens a door. Called within the control plane's runtime.
    pub fn open(&self, door: Door) -> std::io::Result<OpenDoor> {
        let address = door.listener.local_addr()?;
        let reception = self.0.upgrade().ok_or(std::io::ErrorKind::NotConnected)?;
        Ok(OpenDoor { address, _accepting: reception.open(door)? })
    }

    /// The way in for requests that come over the wire; none where the data plane takes nothing any more.
    pub fn receiving(&self) -> Option<Receiving> {
        self.0.upgrade().map(Receiving)
    }
}

impl Receiving {
    /// Lets a core do this beside what it serves. Nothing comes of it where there is no such core, or where that ends before.
    pub async fn run_on<T: Send + 'static>(
        &self,
        core: usize,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, done) = oneshot::channel();
        let work = async move {
            // Who does not wait any more wants nothing of it.
            tell.send(work.await).ok();
        };
        self.0.cores.get(core)?.send(Arrival::Work(Box::pin(work))).await.ok()?;
        done.await.ok()
    }

    /// Gives a request that came over the wire to a core: this one, unless another has far fewer tasks. Back where it has no room for it.
    pub fn give(&self, component: &ComponentName, call: Box<Exchange>) -> Result<(), Box<Exchange>> {
        let Reception { cores, shares, .. } = &*self.0;
        let here = rt::this_core();
        let tasks = |core: &usize| {
            let lead = if here == Some(*core) { 0 } else { LEAD };
            shares[*core].tasks.load(Ordering::Relaxed) + lead
        };
        let Some(core) = (0..cores.len()).min_by_key(tasks) else { return Err(call) };
        let asked = AskedFor { component: component.clone(), call };
        match cores[core].try_send(Arrival::Asked(asked)) {
            Err(mpsc::error::TrySendError::Full(Arrival::Asked(asked)))
            | Err(mpsc::error::TrySendError::Closed(Arrival::Asked(asked))) => Err(asked.call),
            _ => Ok(()),
        }
    }
}

impl PlaneCounts {
    fn of(shares: &[Share]) -> Self {
        shares.iter().fold(PlaneCounts::default(), |counts, share| PlaneCounts {
            head_too_large: counts.head_too_large + share.head_too_large.load(Ordering::Relaxed),
            no_route: counts.no_route + share.no_route.load(Ordering::Relaxed),
        })
    }
}

impl PlaneActivity {
    /// Whether any task is there: a connection, a keeper of spares, a component that works on after its answer.
    pub fn now(&self) -> Activity {
        let is_busy = self.0.iter().any(|share| share.tasks.load(Ordering::Relaxed) > 0);
        if is_busy { Activity::Busy } else { Activity::Idle }
    }
}

// === impl Reception ===

impl Reception {
    fn open(self: &Arc<Self>, door: Door) -> std::io::Result<Task> {
        door.listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(door.listener)?;
        let entry = Entry { name: door.name, tls: door.tls };
        Ok(Task::spawn(self.clone().accept(listener, entry)))
    }

    /// Gives each connection to the core that has the fewest.
    async fn accept(self: Arc<Self>, listener: TcpListener, entry: Entry) {
        let renewing = async {
            match &entry.tls {
                Some(tls) => tls.keep_fresh().await,
                None => std::future::pending().await,
            }
        };
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => self.receive(stream, &entry),
                    Err(error) => {
                        // Most often there is no descriptor left: waiting lets others be closed.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(CARE).await;
                    }
                }
            }
        };
        tokio::join!(accepting, renewing);
    }

    fn receive(&self, stream: TcpStream, entry: &Entry) {
        let Self { cores, shares, connections_max } = self;
        let open: usize = shares.iter().map(|share| share.connections.load(Ordering::Relaxed)).sum();
        if open >= *connections_max {
            return;
        }
        let fewest = (0..cores.len()).min_by_key(|core| shares[*core].connections.load(Ordering::Relaxed));
        let (Some(core), Ok(stream)) = (fewest, unhook(stream)) else { return };
        shares[core].connections.fetch_add(1, Ordering::Relaxed);
        let tls = entry.tls.as_deref().map(Tls::current);
        let connection = Connection { stream, listener: entry.name.clone(), tls };
        if cores[core].try_send(Arrival::Connection(connection)).is_err() {
            // The core is a thousand connections behind: closing this one is the kindest that is left.
            shares[core].connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Takes a socket off this runtime, so that a core can put it on its own.
fn unhook(stream: TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}

/// The life of a core.
async fn run(
    core: Rc<Core>,
    mut arrivals: mpsc::Receiver<Arrival>,
    mut phases: watch::Receiver<Phase>,
    head_max: usize,
) {
    let mut care = tokio::time::interval(CARE);
    care.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_closed = false;
    loop {
        tokio::select! {
            arrival = arrivals.recv(), if !is_closed => match arrival {
                Some(Arrival::Connection(arrival)) => core.spawn(connection::serve(core.clone(), arrival, head_max)),
                Some(Arrival::Asked(asked)) => core.spawn(asked::answer(core.clone(), asked)),
                Some(Arrival::Work(work)) => core.run(work),
                None => is_closed = true,
            },
            _ = care.tick() => core.tick(),
            _ = phases.changed() => {}
        }
        let is_over = match *phases.borrow() {
            Phase::Serving => false,
            Phase::Draining => core.drain() && is_closed,
            Phase::Over => true,
        };
        if is_over {
            return;
        }
    }
}
