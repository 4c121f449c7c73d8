//! The wires that calls leave this host by: one for each thread of the data plane, over a connection of its own.
//!
//! A call is made on its caller's thread. Over a connection that lives on another one it would wake that thread to be sent, and be
//! woken by it when the answer is there, which takes longer than all else that is done for it here.
//!
//! # Invariants
//!
//! 1. A connection is made by the first call of its thread, and no call waits for it: until it is there, and while it is lost, calls
//!    go by the wire that all share.
//! 2. All of them end with the lanes.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bus::{Bus, ConnectOptions, patiently};
use rt::Task;
use wire::Wire;

/// Where connections lead, and how they are made.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) url: String,
    pub(crate) options: ConnectOptions,
}

/// The wires that calls leave by. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    /// That of all other threads, and of those that have none yet.
    common: Wire,
    line: Option<Line>,
    lanes: Box<[Lane]>,
}

/// That of one thread.
#[derive(Default)]
struct Lane {
    wire: OnceLock<Wire>,
    opening: Mutex<Option<Task>>,
}

// === impl Lanes ===

impl Lanes {
    /// Calls leave by `common`, and where a line leads there, each thread of the data plane gets a wire of its own.
    pub(super) fn new(common: Wire, line: Option<Line>) -> Self {
        let lanes = (0..rt::cores_available()).map(|_| Lane::default()).collect();
        Self { shared: Arc::new(Shared { common, line, lanes }) }
    }

    /// What a call that is made here leaves by.
    pub(super) fn wire(&self) -> &Wire {
        let Shared { common, line, lanes } = &*self.shared;
        let (Some(line), Some(core)) = (line, rt::this_core()) else { return common };
        let Some(lane) = lanes.get(core) else { return common };
        match lane.wire.get() {
            Some(wire) if wire.is_connected() => wire,
            Some(_) => common,
            None => {
                self.open(core, lane, line);
                common
            }
        }
    }

    /// Lets a thread have its own, on this thread.
    fn open(&self, core: usize, lane: &Lane, line: &Line) {
        let mut opening = lane.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if opening.is_some() {
            return;
        }
        let (shared, line) = (Arc::downgrade(&self.shared), line.clone());
        *opening = Some(Task::spawn(async move {
            let connect = || Bus::connect(&line.url, line.options.clone());
            let bus = patiently("calls share one connection", connect).await;
            let listen = || Wire::open(bus.clone(), wire::Limits::default());
            let wire = patiently("calls share one connection", listen).await;
            if let Some(shared) = shared.upgrade() {
                // It is opened once: by the task that is put down here.
                shared.lanes[core].wire.set(wire).ok();
            }
        }));
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("common", &self.shared.common).finish_non_exhaustive()
    }
}
