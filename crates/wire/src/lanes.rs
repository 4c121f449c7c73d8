//! The wires to one bus: one that all threads share, and one for each thread of the data plane, over a connection of its own.
//!
//! A call is made on its caller's thread, and worked on where whoever is called runs. Over a connection that lives on another thread
//! it would wake that one to be sent, and be woken by it when the answer is there, which takes longer than all else that is done for
//! it here.
//!
//! # Invariants
//!
//! 1. A connection is made by the first who wants it on its thread, and no call waits for it: until it is there, and while it is lost,
//!    calls go by the wire that all share.
//! 2. All of them end with the lanes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Bus, ConnectOptions, patiently};
use rt::Task;
use tokio::sync::SetOnce;

use crate::Wire;

/// Threads of one host that have a connection of their own, at most: what a machine has beyond them calls by the shared wire.
const THREADS_MAX: usize = 16;

/// Where connections lead, and how they are made.
#[derive(Clone)]
pub struct Servers {
    /// The address of a server of NATS, or of several.
    pub url: String,
    /// How who connects logs in, and the rest of it.
    pub options: ConnectOptions,
}

/// The wires to one bus. Cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    /// That of all other threads, and of those that have none yet.
    common: Wire,
    servers: Option<Servers>,
    threads: Box<[Lane]>,
}

/// That of one thread.
#[derive(Default)]
struct Lane {
    wire: SetOnce<Wire>,
    opening: Mutex<Option<Task>>,
}

// === impl Lanes ===

impl Lanes {
    /// What is common is a wire to these servers, and each thread of the data plane can have its own there.
    pub fn to(servers: Servers, common: Wire) -> Self {
        let threads = (0..rt::cores_available().min(THREADS_MAX)).map(|_| Lane::default()).collect();
        Self { shared: Arc::new(Shared { common, servers: Some(servers), threads }) }
    }

    /// The wire that all threads share.
    pub fn common(&self) -> &Wire {
        &self.shared.common
    }

    /// What is said on this thread goes by this one.
    pub fn here(&self) -> &Wire {
        let own = self.lane().map(|(core, lane, servers)| {
            self.open(core, lane, servers);
            lane.wire.get()
        });
        own.flatten().filter(|wire| wire.is_connected()).unwrap_or(self.common())
    }

    /// How many threads can have a wire of their own.
    pub fn threads(&self) -> usize {
        self.shared.threads.len()
    }

    /// That of this thread, as soon as it is there; nothing where there is none but the common one.
    pub async fn own(&self) -> Option<&Wire> {
        let (core, lane, servers) = self.lane()?;
        self.open(core, lane, servers);
        Some(lane.wire.wait().await)
    }

    fn lane(&self) -> Option<(usize, &Lane, &Servers)> {
        let Shared { servers, threads, .. } = &*self.shared;
        let core = rt::this_core()?;
        Some((core, threads.get(core)?, servers.as_ref()?))
    }

    /// Lets this thread have its own, unless it has.
    fn open(&self, core: usize, lane: &Lane, servers: &Servers) {
        if lane.wire.initialized() {
            return;
        }
        let mut opening = lane.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if opening.is_some() {
            return;
        }
        let (shared, common, servers) = (Arc::downgrade(&self.shared), self.common().clone(), servers.clone());
        *opening = Some(Task::spawn(async move {
            let connect = || Bus::connect(&servers.url, servers.options.clone());
            let bus = patiently("calls share one connection", connect).await;
            let listen = || common.beside(core, bus.clone());
            let wire = patiently("calls share one connection", listen).await;
            if let Some(shared) = shared.upgrade() {
                // It is opened once: by the task that is put down here.
                shared.threads[core].wire.set(wire).ok();
            }
        }));
    }
}

impl From<Wire> for Lanes {
    /// All threads share this one.
    fn from(common: Wire) -> Self {
        Self { shared: Arc::new(Shared { common, servers: None, threads: Box::default() }) }
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("common", &self.shared.common).finish_non_exhaustive()
    }
}
