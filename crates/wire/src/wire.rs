//! This is a bus with all that invocations on it need: an inbox, rosters, and a name.

use std::fmt;
use std::sync::Arc;

use bus::{Bus, SubjectError, SubscribeError};
use stdx::ByteSize;

use crate::address::{Address, Name};
use crate::inbox::{Hearing, Inbox};
use crate::limits::Limits;
use crate::roster::{Roster, Rosters};

/// What invocations travel on: a bus, and one inbox for all that comes back. Cheap to clone, and used from any thread.
#[derive(Clone)]
pub struct Wire {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Bus,
    limits: Limits,
    inbox: Arc<Inbox>,
    _hearing: Hearing,
    /// What this wire is called where it serves.
    name: Name,
    rosters: Rosters,
}

// === impl Wire ===

impl Wire {
    /// A wire on this bus. What it needs to run runs on the runtime that this is called in.
    pub async fn open(bus: Bus, limits: Limits) -> Result<Self, SubscribeError> {
        Self::open_as(Name::new(), (bus, limits)).await
    }

    /// Another one of the same host on this bus, with this number and the same limits.
    pub(crate) async fn beside(&self, number: usize, bus: Bus) -> Result<Self, SubscribeError> {
        Self::open_as(self.name().beside(number), (bus, *self.limits())).await
    }

    async fn open_as(name: Name, (bus, limits): (Bus, Limits)) -> Result<Self, SubscribeError> {
        let (inbox, hearing) = Inbox::open(&bus, &limits).await?;
        let rosters = Rosters::new(bus.clone());
        let shared = Shared { bus, limits, inbox, _hearing: hearing, name, rosters };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Who serves an address: for calls that choose among them, see [`Call::among`](crate::Call::among).
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
