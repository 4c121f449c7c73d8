//! A host's lease, its record, and its looks at those of others: once with each beat.
//!
//! # Invariants
//!
//! 1. That a host is lost is decided by one change of its record: whoever makes it says so, once.
//! 2. Only the host itself puts what says that it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bucket, BucketError, BucketKey, BucketName, Bus, Entry, Keep, Revision, Told, patiently};
use bytes::Bytes;
use futures::future::join_all;
use model::fact::Fact;
use model::record::{HostCard, HostLoss, HostRecord, Lease};
use stdx::Chain;
use tokio::sync::{Notify, OnceCell};

use crate::leases::{self, Care, Look, Looks, Own};
use crate::role::Shared;

/// What a role knows of the hosts of its lattice.
pub(crate) struct Leasing {
    hosts: Place,
    leases: Place,
    known: Mutex<Known>,
    /// It is time to see whether what is kept of this host is right.
    beaten: Notify,
}

/// One bucket, which is found when it is needed.
struct Place {
    name: BucketName,
    bus: Bus,
    bucket: OnceCell<Bucket>,
}

#[derive(Default)]
struct Known {
    records: BTreeMap<String, HostRecord>,
    revisions: BTreeMap<String, Revision>,
    /// Whether that is all there is.
    is_current: bool,
    /// Whether this host has put its own, or found it as it is.
    has_put: bool,
    looks: Looks,
    /// Of records of hosts that are lost.
    memories: Looks,
    /// Whom this host tries to lose.
    losing: BTreeSet<String>,
}

// === impl Leasing ===

impl Leasing {
    pub(crate) fn new(lattice: &str, bus: &Bus) -> Self {
        let place = |name: &str| Place {
            name: format!("{name}_{lattice}").parse().expect("the name of a lattice is a word, see RoleConfig"),
            bus: bus.clone(),
            bucket: OnceCell::new(),
        };
        Self { hosts: place("HOSTS"), leases: place("LEASES"), known: Mutex::default(), beaten: Notify::new() }
    }

    /// Gives the lease back and takes the record out: nobody loses a host that left.
    pub(crate) async fn leave(&self, id: &str) -> Result<(), BucketError> {
        for bucket in [&self.leases, &self.hosts].into_iter().filter_map(|place| place.bucket.get()) {
            bucket.delete(&key(id)).await?;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// The bucket, found or made. From then on it is the one of that name, also when it is made again.
    async fn bucket(&self) -> Result<&Bucket, BucketError> {
        self.bucket.get_or_try_init(|| self.bus.bucket(self.name.clone(), Keep::default())).await
    }
}

// === impl Shared ===

impl Shared {
    /// Follows which hosts there are.
    pub(crate) async fn follow_hosts(&self, leasing: &Leasing) {
        let bucket = patiently("the hosts of the lattice are not known yet", || leasing.hosts.bucket()).await;
        let mut watch = bucket.watch();
        loop {
            let lost = tokio::select! {
                biased;
                told = watch.next() => match told {
                    Some(told) => leasing.known().learn(told, &self.id),
                    None => return,
                },
                () = leasing.beaten.notified() => None,
            };
            if let Some((host_id, heard)) = lost {
                tracing::warn!(host = host_id, heard, "a host is lost");
                self.voice.say(Fact::HostLost { host_id, heard }).await;
            }
            if let Err(error) = self.put_right(leasing).await {
                tracing::debug!(error = %Chain(&error), "what is kept of this host cannot be put right");
            }
        }
    }

    /// Puts right what the lattice keeps of this host.
    async fn put_right(&self, leasing: &Leasing) -> Result<(), BucketError> {
        let card = self.card();
        // Who has begun a while ago has said so to a lattice that may have lost it since.
        let is_new = self.age() <= self.beat();
        let own = leasing.known().own((&self.id, &card), is_new);
        if own == Own::Leave {
            return Ok(());
        }
        // In this order: who is there without a lease is lost by whoever sees that.
        self.renew(leasing).await?;
        let record = HostRecord::Present(card);
        let revision = leasing.hosts.bucket().await?.put(&key(&self.id), json(&record)).await?;
        leasing.known().have_put(&self.id, record, revision);
        if own == Own::Return {
            tracing::warn!("this host was lost to its lattice and is there again");
            self.voice.say(self.begun()).await;
        }
        Ok(())
    }

    /// Renews the lease of this host, and looks at those of the next ones.
    pub(crate) async fn renew_and_look(&self, leasing: &Leasing) {
        leasing.beaten.notify_one();
        let beat = self.beat();
        let renewing = rt::within(Some(beat * leases::BEATS), self.renew(leasing));
        let (renewed, ()) = tokio::join!(renewing, self.look_around(leasing));
        match renewed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %Chain(&error), "the lease of this host is not renewed"),
            Err(late) => tracing::debug!(error = %late, "the lease of this host is not renewed"),
        }
    }

    async fn renew(&self, leasing: &Leasing) -> Result<(), BucketError> {
        let key = key(&self.id);
        let Some(renewed) = self.voice.time_of_day(Duration::ZERO) else { return Ok(()) };
        let lease = Lease { renewed, runs: self.inventory() };
        leasing.leases.bucket().await?.put(&key, json(&lease)).await?;
        Ok(())
    }

    async fn look_around(&self, leasing: &Leasing) {
        let Care { present, lost } = leasing.known().care(&self.id);
        join_all(present.iter().map(|host| self.look(leasing, host))).await;
        for host in &lost {
            self.remember(leasing, host).await;
        }
    }

    /// Looks at the lease of a host, and loses the host where it has expired.
    async fn look(&self, leasing: &Leasing, host: &str) {
        let asked = self.age();
        let found = async { leasing.leases.bucket().await?.get(&key(host)).await }.await;
        let answered = self.age();
        let entry = match found {
            Ok(entry) => entry,
            Err(error) => return tracing::debug!(host, error = %Chain(&error), "a lease cannot be seen"),
        };
        let look = Look { asked, answered, found: entry.as_ref().map(|entry| entry.revision.as_u64()) };
        let expired = leasing.known().look(host, look, leases::apart_max(self.beat()));
        let Some((since, card, record)) = expired else { return };
        let Some(heard) = self.voice.time_of_day(answered.saturating_sub(since)) else { return };
        let ran = entry.as_ref().and_then(|entry| serde_json::from_slice::<Lease>(&entry.value).ok());
        let loss = HostLoss { card, heard, noticed_by: self.id.clone(), ran: ran.map(|lease| lease.runs) };
        match self.lose(leasing, host, (entry, record, loss)).await {
            Ok(()) => {}
            Err(BucketError::Conflict { .. }) => {
                tracing::debug!(host, "it has renewed its lease, or another has lost it")
            }
            Err(error) => tracing::debug!(host, error = %Chain(&error), "a host cannot be lost"),
        }
    }

    /// Takes the lease, and then the record, of a host whose lease has expired. That it is lost is said when it is seen.
    async fn lose(
        &self,
        leasing: &Leasing,
        host: &str,
        (entry, record, loss): (Option<Entry>, Revision, HostLoss),
    ) -> Result<(), BucketError> {
        if let Some(entry) = entry {
            leasing.leases.bucket().await?.delete_if(&key(host), entry.revision).await?;
        }
        leasing.known().losing.insert(host.to_owned());
        leasing
            .hosts
            .bucket()
            .await?
            .update(&key(host), json(&HostRecord::Lost(Box::new(loss))), record)
            .await
            .map(drop)
    }

    /// Forgets a host that has been lost for long.
    async fn remember(&self, leasing: &Leasing, host: &str) {
        let Some(record) = leasing.known().outlived(host, self.age()) else { return };
        let forgotten = async { leasing.hosts.bucket().await?.delete_if(&key(host), record).await }.await;
        if let Err(error) = forgotten {
            tracing::debug!(host, error = %Chain(&error), "a host that is lost cannot be forgotten");
        }
    }

    /// What this host says of itself.
    fn card(&self) -> HostCard {
        HostCard {
            friendly_name: self.friendly_name.clone(),
            labels: self.state().labels.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            capacity: self.capacity,
            lease_millis: (self.beat() * leases::BEATS).as_millis() as u64,
        }
    }
}

// === impl Known ===

impl Known {
    /// Learns what was told of the records. Gives a host, and when it was heard last, if this host has lost it.
    fn learn(&mut self, told: Told, own: &str) -> Option<(String, String)> {
        match told {
            Told::Set { key, entry } => {
                let record: HostRecord = serde_json::from_slice(&entry.value)
                    .inspect_err(|error| tracing::warn!(%key, %error, "what is kept of a host cannot be read"))
                    .ok()?;
                let host = key.as_str().to_owned();
                self.know(&host, record.clone(), entry.revision);
                let was_losing = self.losing.remove(&host);
                match record {
                    HostRecord::Lost(loss) if was_losing && loss.noticed_by == own => Some((host, loss.heard)),
                    HostRecord::Lost(_) | HostRecord::Present(_) => None,
                }
            }
            Told::Gone { key } => {
                self.records.remove(key.as_str());
                self.revisions.remove(key.as_str());
                None
            }
            Told::Anew { .. } => {
                self.records.clear();
                self.revisions.clear();
                self.is_current = false;
                None
            }
            Told::Current(_) => {
                self.is_current = true;
                None
            }
            Told::Away => {
                self.is_current = false;
                None
            }
        }
    }

    fn know(&mut self, host: &str, record: HostRecord, revision: Revision) {
        self.revisions.insert(host.to_owned(), revision);
        self.records.insert(host.to_owned(), record);
    }

    fn have_put(&mut self, own: &str, record: HostRecord, revision: Revision) {
        self.has_put = true;
        self.know(own, record, revision);
    }

    fn own(&mut self, (id, card): (&str, &HostCard), is_new: bool) -> Own {
        if !self.is_current {
            return Own::Leave;
        }
        let own = leases::own(self.records.get(id), card, self.has_put || !is_new);
        // What it left when it was there last says now that it is there: from here on it can be lost.
        self.has_put |= own == Own::Leave;
        own
    }

    fn care(&mut self, own: &str) -> Care {
        let care = leases::care(own, &self.records);
        self.looks.keep_only(&care.present);
        self.memories.keep_only(&care.lost);
        care
    }

    /// Takes a look into account. Where the host is to be lost: since when it was not heard, its card, and the record to change.
    fn look(&mut self, host: &str, look: Look, apart_max: Duration) -> Option<(Duration, HostCard, Revision)> {
        let (Some(HostRecord::Present(card)), Some(record)) = (self.records.get(host), self.revisions.get(host)) else {
            return None;
        };
        let since = self.looks.take(host, look, (card.lease(), apart_max))?;
        Some((since, card.clone(), *record))
    }

    /// The record of a host that has been lost for so long that it is forgotten.
    fn outlived(&mut self, host: &str, now: Duration) -> Option<Revision> {
        let record = *self.revisions.get(host)?;
        let look = Look { asked: now, answered: now, found: Some(record.as_u64()) };
        self.memories.take(host, look, (leases::REMEMBERED, Duration::MAX)).map(|_| record)
    }
}

fn key(id: &str) -> BucketKey {
    id.parse().expect("the key of a host is a word, see RoleSetup")
}

fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("text, numbers and maps of text have JSON").into()
}
