//! What there is in a lattice: the hosts that answer, and those that do not, as far as the lattice keeps what they were.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bus::{BucketError, Keep};
use model::lattice::{Host, HostInventory};
use model::record::{HostRecord, Lease};
use serde::de::DeserializeOwned;
use stdx::Chain;
use view::{HostView, Lattice, News, Presence};

use crate::failure::Failure;
use crate::reach::Reached;

/// The hosts of a lattice at this moment.
pub(crate) struct Seen {
    now: SystemTime,
    lattice: Lattice,
    answered: Vec<Host>,
    name: String,
}

/// What the lattice keeps of its hosts, by their keys.
#[derive(Default)]
struct Kept {
    records: BTreeMap<String, HostRecord>,
    leases: BTreeMap<String, Lease>,
}

/// Asks all hosts, and looks at what is kept of those that do not answer.
pub(crate) async fn look(reached: &Reached) -> Result<Seen, Failure> {
    let (answered, kept) = tokio::join!(reached.hosts(), kept(reached));
    let answered = match answered {
        Err(_nobody) if !kept.records.is_empty() => Vec::new(),
        answered => answered?,
    };
    let (now, mut lattice) = (SystemTime::now(), Lattice::default());
    for (id, record) in &kept.records {
        lattice.apply(now, News::Recorded(id, Some(record)));
    }
    for (id, lease) in kept.leases.iter().filter(|(id, _)| kept.records.contains_key(*id)) {
        lattice.apply(now, News::Leased(id, lease));
    }
    for host in &answered {
        lattice.apply(now, News::Answered(host));
    }
    Ok(Seen { now, lattice, answered, name: reached.lattice.clone() })
}

/// What is kept; nothing where that cannot be seen: the bus may be one that keeps nothing.
async fn kept(reached: &Reached) -> Kept {
    let kept = async {
        Ok::<_, BucketError>(Kept { records: all(reached, "HOSTS").await?, leases: all(reached, "LEASES").await? })
    };
    match rt::within(Some(reached.timeout), kept).await {
        Ok(Ok(kept)) => kept,
        Ok(Err(error)) => {
            tracing::debug!(error = %Chain(&error), "what is kept of hosts cannot be seen");
            Kept::default()
        }
        Err(late) => {
            tracing::debug!(error = %late, "what is kept of hosts cannot be seen");
            Kept::default()
        }
    }
}

/// All that can be read in a bucket of the lattice.
async fn all<T: DeserializeOwned>(reached: &Reached, bucket: &str) -> Result<BTreeMap<String, T>, BucketError> {
    let name = format!("{bucket}_{}", reached.lattice).parse().expect("the name of a lattice is a word");
    let entries = reached.bus.bucket(name, Keep::default()).await?.entries().await?;
    let read = |value: &[u8]| serde_json::from_slice(value).ok();
    Ok(entries.iter().filter_map(|(key, entry)| Some((key.to_string(), read(&entry.value)?))).collect())
}

// === impl Seen ===

impl Seen {
    /// The hosts by what people call them, each with whether it is there.
    pub(crate) fn hosts(&self) -> Vec<(Host, Presence)> {
        let known = self.lattice.hosts().iter().map(|(id, view)| (self.host(id, view), view.presence(self.now)));
        let mut hosts: Vec<_> = known.collect();
        hosts.sort_by(|(one, _), (other, _)| (&one.friendly_name, &one.id).cmp(&(&other.friendly_name, &other.id)));
        hosts
    }

    /// What a host runs, or ran when it was heard last.
    pub(crate) fn inventory(&self, id: &str) -> HostInventory {
        self.lattice.hosts().get(id).map(|view| view.inventory(id)).expect("it is among those that there are")
    }

    /// A host as it answers, or would.
    fn host(&self, id: &str, view: &HostView) -> Host {
        let answered = self.answered.iter().find(|host| host.id == id).cloned();
        answered.unwrap_or_else(|| Host {
            id: id.to_owned(),
            friendly_name: view.friendly_name.clone(),
            lattice: self.name.clone(),
            labels: view.labels.clone(),
            uptime_seconds: view.uptime_seconds,
            uptime_human: view.uptime_human.clone(),
            version: view.version.clone(),
            capacity: view.capacity,
            ..Host::default()
        })
    }

    /// Learns what a host has answered that it runs.
    pub(crate) fn learn(&mut self, inventory: &HostInventory) {
        self.lattice.apply(self.now, News::Described(inventory));
    }
}
