//! An invocation as bytes: wRPC over the bus, as wasmCloud 1.x speaks it.
//!
//! A component that calls another on some other host, and an external provider on either side of a call, meet here.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use wire::{Address, Call, Function, Limits, Origin, Remote, Shape, Shapes, Signature, Wire};
//! # async fn example(bus: bus::Bus) -> Result<(), Box<dyn std::error::Error>> {
//! let wire = Wire::open(bus, Limits::default()).await?;
//! let shop = Address { lattice: "default".into(), id: "shop".into() };
//! let text = || Shapes::new(vec![Shape::String]);
//! let signature = Signature { params: text()?, results: text()? };
//! let greet = Remote::new(&shop, &Function::of("my:shop/desk@1.0.0", "greet"), signature)?;
//! let you = [wasmtime::component::Val::String("you".into())];
//! let answer = wire.invoke(&greet, &you, Call::new(Origin::default(), Duration::from_secs(5))).await?;
//! # Ok(()) }
//! ```
//!
//! # Invariants
//!
//! 1. What strangers send costs memory within [`Limits`], whatever it says of itself.
//! 2. An invocation leaves nothing behind, however it ends: no subscription, no task, no room taken.
//!
//! # Not here
//!
//! Which target a link leads to (`host`), who may call what (`trust`), and how messages travel (`bus`).

mod address;
mod limits;
mod origin;
mod refusal;
mod shapes;
mod typed;

mod allowance;
mod brief;
mod flow;
mod inbound;
mod inbox;
mod outbound;
mod pieces;
mod writer;

mod asked;
mod roster;

mod caller;
mod desk;
mod offer;

mod invoke;
mod lanes;
mod peers;
mod served;
mod underway;

pub mod http;

use std::fmt;
use std::sync::Arc;

use bus::{Bus, Listening, SubjectError, SubscribeError};
use stdx::ByteSize;

use crate::address::Name;
use crate::inbox::Inbox;
use crate::roster::Rosters;

pub use address::{Address, Function};
pub use desk::ServeError;
pub use flow::{ByteStream, FlowError, ItemStream, Later};
pub use invoke::{Again, Call, InvokeError, Remote};
pub use lanes::{Lanes, Servers};
pub use limits::Limits;
pub use origin::Origin;
pub use peers::{Peer, Peers};
pub use refusal::{Reason, Refusal};
pub use roster::Roster;
pub use served::{AnswerError, Invocation, Reply, Served};
pub use shapes::{DecodeError, EncodeError, Reader, Shape, Shapes, Signature, Unsupported};
pub use typed::{Decode, Encode, decode, encode};
pub use underway::{Beside, Pending, Underway};
pub use writer::WriteError;

/// What invocations travel on: a bus, and one inbox for all that comes back. Cheap to clone, and used from any thread.
#[derive(Clone)]
pub struct Wire {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Bus,
    limits: Limits,
    inbox: Arc<Inbox>,
    _listening: Listening,
    /// What this wire is called where it serves.
    name: Name,
    rosters: Rosters,
}

// === impl Wire ===

impl Wire {
    /// A wire on this bus. What it needs to run runs on the runtime that this is called in.
    pub async fn open(bus: Bus, limits: Limits) -> Result<Self, SubscribeError> {
        let (inbox, listening) = Inbox::open(&bus, &limits).await?;
        let rosters = Rosters::new(bus.clone());
        let shared = Shared { bus, limits, inbox, _listening: listening, name: Name::new(), rosters };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Who serves an address: for calls that choose among them, see [`Call::among`].
    pub fn roster(&self, address: &Address) -> Result<Roster, SubjectError> {
        self.shared.rosters.of(address)
    }

    /// Whether what is said by it now reaches its bus.
    pub fn is_connected(&self) -> bool {
        self.bus().is_connected()
    }

    /// How many invocations wait for something to come: an answer, or more parameters.
    pub fn waiting(&self) -> usize {
        self.inbox().waiting()
    }

    /// How many more bytes may wait for those who read them: [`Limits::waiting_max`] where nothing waits.
    pub fn room(&self) -> ByteSize {
        ByteSize::bytes(self.inbox().room() as u64)
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn name(&self) -> &Name {
        &self.shared.name
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.shared.inbox
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("bus", self.bus()).field("limits", self.limits()).finish_non_exhaustive()
    }
}
