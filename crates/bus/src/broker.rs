//! This is the carrier inside a process.
//!
//! Who publishes finds the subscribers in a table that nobody changes while it is read, and puts the message into the queue
//! of each, on its own thread. Who subscribes makes a new table and puts it in the place of the old one. So publishers on many
//! cores share nothing that any of them writes to but the queues that they meet in.
//!
//! # Invariants
//!
//! 1. Publishing takes no lock that another publisher or a subscriber holds, and never waits.
//! 2. What is published after [`Broker::subscribe_sink`] returned is seen; what is after the hold was dropped is not.
//! 3. A message that no member of a queue group has room for is dropped for one of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use futures::future::{self, BoxFuture, Either};
use rt::Task;
use stdx::ByteSize;

use crate::bucket::{Backing, BucketError, BucketName, Keep, Shelves};
use crate::carrier::{Answer, Carrier, FlushError, Held, Hold, PublishError, Reason, Sink, SubscribeError};
use crate::drops::Drops;
use crate::limits::Limits;
use crate::message::Message;
use crate::subject::{Interest, Pattern};
use crate::table::Table;

/// Carries messages inside this process. Cheap to clone: clones are the same broker.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    table: ArcSwap<Table<Arc<Subscriber>>>,
    /// Held by who changes the table.
    changing: Mutex<()>,
    numbers: AtomicU64,
    drops: Drops,
    shelves: Shelves,
}

/// Who is told of messages.
pub(crate) struct Subscriber {
    pattern: Pattern,
    origin: Origin,
    sink: Box<dyn Sink>,
}

/// Who said something, or subscribed: a connection that does not want to hear itself can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) u64);

/// Whether who says something hears it too, where it subscribed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Yes,
    No(Origin),
}

/// A subscription. Dropping it unsubscribes.
pub(crate) struct Subscribed {
    broker: Broker,
    pattern: Pattern,
    number: u64,
}

// === impl Origin ===

impl Origin {
    /// Whoever is in this process.
    pub(crate) const HERE: Origin = Origin(0);
}

// === impl Broker ===

impl Broker {
    /// A broker that nobody subscribed to yet. Its buckets are in memory.
    pub fn new(limits: Limits) -> Self {
        Self::with(limits, None)
    }

    /// A broker that nobody subscribed to yet. Its buckets are in `folder`, which is made when the first of them is asked for, and
    /// which no other broker may use from then on.
    pub fn in_folder(limits: Limits, folder: &Path) -> Self {
        Self::with(limits, Some(folder.to_owned()))
    }

    fn with(limits: Limits, folder: Option<PathBuf>) -> Self {
        let (table, changing, numbers) = (ArcSwap::default(), Mutex::default(), AtomicU64::new(0));
        let shelves = Shelves::new(folder, limits.payload_max);
        Self { shared: Arc::new(Shared { limits, table, changing, numbers, drops: Drops::default(), shelves }) }
    }

    /// What a message and a subscriber may use.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// How many messages were dropped because a subscriber did not keep up.
    pub fn dropped(&self) -> u64 {
        self.shared.drops.count()
    }

    /// Gives a message to all who subscribed to its subject. Says how many of them listen, whether or not they had room.
    pub(crate) fn deliver(&self, message: Message, echo: Echo) -> usize {
        let table = self.shared.table.load();
        let found = table.find(&message.subject);
        let hears = |subscriber: &&Arc<Subscriber>| echo != Echo::No(subscriber.origin);
        let mut alone = found.alone.iter().copied().filter(hears).peekable();
        let mut groups = found.groups().peekable();
        let mut listeners = 0;
        // The last one gets the message itself, the others a copy of what points to it.
        while let Some(subscriber) = alone.next() {
            if alone.peek().is_none() && groups.peek().is_none() {
                return listeners + self.offer(std::iter::once(subscriber), message);
            }
            listeners += self.offer(std::iter::once(subscriber), message.clone());
        }
        while let Some(members) = groups.next() {
            if groups.peek().is_none() {
                return listeners + self.offer(members.filter(hears), message);
            }
            listeners += self.offer(members.filter(hears), message.clone());
        }
        listeners
    }

    /// Gives messages to `sink` until the hold is dropped.
    pub(crate) fn subscribe_sink(&self, interest: Interest, origin: Origin, sink: Box<dyn Sink>) -> Subscribed {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(Subscriber { pattern: interest.pattern.clone(), origin, sink });
        self.change(|table| table.insert(&interest, number, subscriber));
        Subscribed { broker: self.clone(), pattern: interest.pattern, number }
    }

    /// A number that nobody else has.
    pub(crate) fn origin(&self) -> Origin {
        Origin(self.shared.numbers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Gives the message to the first that takes it. Says how many listen: one or none.
    fn offer<'a>(&self, candidates: impl Iterator<Item = &'a Arc<Subscriber>>, mut message: Message) -> usize {
        let mut first_full: Option<&Arc<Subscriber>> = None;
        for candidate in candidates {
            let Err(refused) = candidate.sink.accept(message) else { return 1 };
            message = refused.message;
            if refused.reason == Reason::Full {
                first_full.get_or_insert(candidate);
            }
        }
        usize::from(first_full.inspect(|subscriber| self.count_drop(subscriber)).is_some())
    }

    fn count_drop(&self, subscriber: &Subscriber) {
        subscriber.sink.missed();
        self.shared.drops.add(&subscriber.pattern);
    }

    fn change(&self, change: impl FnOnce(&mut Table<Arc<Subscriber>>)) {
        let _changing: MutexGuard<'_, ()> = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&self.shared.table.load());
        change(&mut table);
        self.shared.table.store(Arc::new(table));
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Carrier for Broker {
    fn describe(&self) -> String {
        "the bus of this process".into()
    }

    fn is_connected(&self) -> bool {
        true
    }

    fn payload_max(&self) -> ByteSize {
        self.shared.limits.payload_max
    }

    fn dropped(&self) -> u64 {
        Broker::dropped(self)
    }

    fn publish(&self, message: Message) -> Answer<'_, Result<(), PublishError>> {
        let reply = message.reply.clone();
        if self.deliver(message, Echo::Yes) == 0
            && let Some(reply) = reply
        {
            self.deliver(Message::no_responders(reply), Echo::Yes);
        }
        Either::Left(future::ready(Ok(())))
    }

    fn subscribe(&self, interest: Interest, sink: Box<dyn Sink>) -> Answer<'_, Result<Hold, SubscribeError>> {
        let hold = self.subscribe_sink(interest, Origin::HERE, sink);
        Either::Left(future::ready(Ok(Box::new(hold))))
    }

    fn bucket(&self, name: BucketName, keep: Keep) -> BoxFuture<'_, Result<Arc<dyn Backing>, BucketError>> {
        Box::pin(async move { self.shared.shelves.bucket(&name, keep).await })
    }

    fn flush(&self) -> Answer<'_, Result<(), FlushError>> {
        Either::Left(future::ready(Ok(())))
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

// === impl Subscribed ===

impl Held for Subscribed {
    fn end(self: Box<Self>) -> Option<Task> {
        // What was said before is in the queue already.
        None
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.broker.change(|table| table.remove(&self.pattern, self.number));
    }
}

#[cfg(test)]
mod tests;
