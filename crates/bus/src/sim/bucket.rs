//! This is a bucket at the other end of the network.
//!
//! It is in one place, as the leader of a stream is. A question can be lost before it comes there, and its answer after: then who
//! asked does not know what was done, which is what has to be tested.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

use super::carrier::{Offline, SimCarrier};
use super::changes::Watching;
use crate::bucket::{
    Backing, BucketError, BucketKey, BucketName, Change, Durability, Entry, Event, Feed, Keep, Mark, PATIENCE, Revision,
};
use crate::carrier::Carrier;

/// A bucket, from one host.
#[derive(Clone)]
pub(super) struct SimBucket {
    pub(super) carrier: SimCarrier,
    pub(super) name: BucketName,
    pub(super) keep: Keep,
}

/// What a watch on one host is told.
struct SimFeed {
    bucket: SimBucket,
    changes: Watching,
    /// What is followed where the bucket is; nothing while it is not reached.
    followed: Option<Box<dyn Feed>>,
    /// What is on its way, and when it arrives.
    coming: Option<(Event, Instant)>,
    seen: Option<Mark>,
    is_away: bool,
}

/// The question or its answer was lost.
#[derive(Debug, thiserror::Error)]
#[error("there was no answer")]
struct NoAnswer;

// === impl SimBucket ===

impl SimBucket {
    /// Makes the bucket where there is none.
    pub(super) async fn open(&self) -> Result<(), BucketError> {
        self.way().await?;
        self.kept().await?;
        self.way().await
    }

    /// The bucket where it is.
    async fn kept(&self) -> Result<Arc<dyn Backing>, BucketError> {
        let shelves = self.carrier.network.shared().lock().shelves.clone();
        shelves.bucket(&self.name, self.keep).await
    }

    /// One way of a question or an answer.
    async fn way(&self) -> Result<(), BucketError> {
        if !self.carrier.is_connected() {
            return Err(BucketError::Unavailable { bus: self.carrier.describe(), source: Offline.into() });
        }
        let (is_lost, delay) = {
            let mut state = self.carrier.network.shared().lock();
            let weather = state.weather;
            let is_lost = state.dice.falls(weather.lost) || !state.is_at_buckets(&self.carrier.node);
            (is_lost, state.dice.between(weather.delay_min, weather.delay_max))
        };
        sleep(if is_lost { PATIENCE } else { delay }).await;
        if is_lost || !self.carrier.network.shared().lock().is_at_buckets(&self.carrier.node) {
            return Err(BucketError::Unavailable { bus: self.carrier.describe(), source: NoAnswer.into() });
        }
        Ok(())
    }

    fn note(&self, what: &str) {
        let line = format!("{} {what} in {}", self.carrier.node, self.name);
        self.carrier.network.shared().lock().note(&line);
    }

    async fn make(&self, change: Change) -> Result<Revision, BucketError> {
        let what = format!("{} {:?} if {:?}", change.key, change.to, change.only_if);
        self.way().await?;
        let outcome = self.kept().await?.change(change).await;
        self.note(&format!("changes {what}: {:?}", outcome.as_ref().map_err(ToString::to_string)));
        self.way().await?;
        outcome
    }
}

impl Backing for SimBucket {
    fn describe(&self) -> String {
        self.carrier.describe()
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn get<'a>(&'a self, key: &'a BucketKey) -> BoxFuture<'a, Result<Option<Entry>, BucketError>> {
        Box::pin(async move {
            self.way().await?;
            let found = self.kept().await?.get(key).await;
            self.note(&format!("reads {key}"));
            self.way().await?;
            found
        })
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Revision, BucketError>> {
        Box::pin(self.make(change))
    }

    fn feed(&self, before: Option<Mark>) -> Box<dyn Feed> {
        let changes = self.carrier.network.shared().changes();
        let bucket = self.clone();
        Box::new(SimFeed { bucket, changes, followed: None, coming: None, seen: before, is_away: false })
    }
}

// === impl SimFeed ===

impl SimFeed {
    /// What comes next. Whatever waits here waits in `self`, since this may be dropped.
    async fn event(&mut self) -> Event {
        loop {
            if let Some((_, arrival)) = &self.coming {
                sleep_until(*arrival).await;
            }
            if let Some((event, _)) = self.coming.take() {
                return event;
            }
            if !self.is_reached() {
                self.followed = None;
                if !std::mem::replace(&mut self.is_away, true) {
                    return Event::Away;
                }
                self.changes.changed().await;
                continue;
            }
            if let Some(event) = self.follow().await {
                return event;
            }
        }
    }

    /// Lets the next event set off, or says that it was lost and that all begins again.
    async fn follow(&mut self) -> Option<Event> {
        let followed = match &mut self.followed {
            Some(followed) => followed,
            None => {
                let kept = self.bucket.kept().await.ok()?;
                self.is_away = false;
                self.changes.see();
                self.followed.insert(kept.feed(self.seen))
            }
        };
        let event = tokio::select! {
            biased;
            // It may not be reached any more, or be another one.
            () = self.changes.changed() => {
                self.followed = None;
                return None;
            }
            event = followed.next() => event?,
        };
        let mut state = self.bucket.carrier.network.shared().lock();
        let weather = state.weather;
        if state.dice.falls(weather.lost) {
            drop(state);
            self.followed = None;
            self.is_away = true;
            return Some(Event::Away);
        }
        let arrival = Instant::now() + state.dice.between(weather.delay_min, weather.delay_max);
        drop(state);
        self.see(&event);
        self.coming = Some((event, arrival));
        None
    }

    /// Remembers how far the bucket had come.
    fn see(&mut self, event: &Event) {
        match (event, &mut self.seen) {
            (Event::Current(mark), seen) => *seen = Some(*mark),
            (Event::Set(_, Entry { revision, .. }) | Event::Gone(_, revision), Some(seen)) => {
                seen.last = seen.last.max(*revision);
            }
            _ => {}
        }
    }

    fn is_reached(&self) -> bool {
        self.bucket.carrier.network.shared().lock().is_at_buckets(&self.bucket.carrier.node)
    }
}

impl Feed for SimFeed {
    fn next(&mut self) -> BoxFuture<'_, Option<Event>> {
        Box::pin(async { Some(self.event().await) })
    }
}
