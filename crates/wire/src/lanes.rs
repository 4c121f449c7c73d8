//! The wires to one bus: one that all threads share, and one for each thread of the data plane, over a connection of its own.
//!
//! A call is made on its caller's thread, and worked on where whoever is called runs. Over a connection that lives on another thread
//! it would wake that one to be sent, and be woken by it when the answer is there, which takes longer than all else that is done for
//! it here.
//!
//! # Invariants
//!
//! 1. No call waits for the connection of its thread: until it is there, and while it is lost, calls go by the wire that all share.

use std::fmt;
use std::sync::Arc;

use bus::{Bus, ConnectOptions, patiently};
use rt::Task;
use tokio::sync::SetOnce;

use crate::Wire;

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
    wires: Arc<rt::Lanes<Wire, Own>>,
}

/// That of one thread, from when it is wanted there.
struct Own {
    wire: Arc<SetOnce<Wire>>,
    _opening: Task,
}

// === impl Lanes ===

impl Lanes {
    /// What is common is a wire to these servers, and each thread of the data plane can have its own there.
    pub fn to(servers: Servers, common: Wire) -> Self {
        let beside = common.clone();
        let begin = move |core| Own::begin(core, beside.clone(), servers.clone());
        Self { wires: Arc::new(rt::Lanes::new(common, begin)) }
    }

    /// The wire that all threads share.
    pub fn common(&self) -> &Wire {
        self.wires.common()
    }

    /// What is said on this thread goes by this one.
    pub fn here(&self) -> &Wire {
        let own = self.wires.own().and_then(|own| own.wire.get());
        own.filter(|wire| wire.is_connected()).unwrap_or(self.common())
    }

    /// How many threads can have a wire of their own.
    pub fn threads(&self) -> usize {
        self.wires.threads()
    }

    /// That of this thread, as soon as it is there; nothing where there is none but the common one.
    pub async fn own(&self) -> Option<&Wire> {
        Some(self.wires.own()?.wire.wait().await)
    }
}

impl From<Wire> for Lanes {
    /// All threads share this one.
    fn from(common: Wire) -> Self {
        Self { wires: Arc::new(rt::Lanes::shared(common)) }
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("common", self.common()).finish_non_exhaustive()
    }
}

// === impl Own ===

impl Own {
    /// Connects to these servers by and by, as another one of the host that the common one is of.
    fn begin(core: usize, common: Wire, servers: Servers) -> Self {
        let wire = Arc::new(SetOnce::new());
        let opened = wire.clone();
        let _opening = Task::spawn(async move {
            let connect = || Bus::connect(&servers.url, servers.options.clone());
            let bus = patiently("calls share one connection", connect).await;
            let listen = || common.beside(core, bus.clone());
            let wire = patiently("calls share one connection", listen).await;
            // Nobody else puts one there.
            opened.set(wire).ok();
        });
        Self { wire, _opening }
    }
}
