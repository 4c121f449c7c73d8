//! This is one thing that a component which keeps keys is asked for, in an instance of its own.
//!
//! # Invariants
//!
//! 1. A bucket is open while something is asked of it, and no longer.
//! 2. What one version of the contract can say and another cannot is an error, never another number.

use capability::provider::Least;
use capability::{Instance, Keeper, Said, Seat};
use futures::FutureExt;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower, ResourceAny};

use super::{Trouble, Version};
use crate::guest::{Error, NamedPage, NumberedPage};
use crate::store::{Refusal, Stamp, Swap};

/// A component that is asked for one thing.
pub(super) struct Asking {
    pub(super) keeper: Keeper,
    /// Where it is asked.
    pub(super) seat: Seat,
    pub(super) version: Version,
}

/// Some keys, and how many there were before the next of them.
type Page = (Vec<String>, Option<u64>);

/// Why a value was not swapped.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum NotSwapped {
    #[component(name = "store-error")]
    Refused(Error),
    /// With what stands for the newer value.
    #[component(name = "cas-failed")]
    Changed(ResourceAny),
}

/// The number of what opens a bucket among the exports that are called: see `Version::keeper`.
const OPEN: usize = 0;

/// The number of what is asked.
const CALLED: usize = 1;

/// The numbers of what compares and swaps.
const ATTEMPT: usize = 1;
const CURRENT: usize = 2;
const SWAP: usize = 3;

// === impl Asking ===

impl Asking {
    pub(super) async fn get(self, bucket: String, key: String) -> Result<Option<Vec<u8>>, Trouble> {
        self.ask(bucket, |bucket| (bucket, key)).await
    }

    pub(super) async fn set(self, bucket: String, (key, value): (String, Vec<u8>)) -> Result<(), Trouble> {
        self.ask(bucket, |bucket| (bucket, key, value)).await
    }

    pub(super) async fn delete(self, bucket: String, key: String) -> Result<(), Trouble> {
        self.ask(bucket, |bucket| (bucket, key)).await
    }

    pub(super) async fn exists(self, bucket: String, key: String) -> Result<bool, Trouble> {
        self.ask(bucket, |bucket| (bucket, key)).await
    }

    pub(super) async fn list(self, bucket: String, cursor: Option<u64>) -> Result<Page, Trouble> {
        match self.version {
            Version::Draft => {
                let page: NumberedPage = self.ask(bucket, move |bucket| (bucket, cursor)).await?;
                Ok((page.keys, page.cursor))
            }
            Version::Draft2 => self.list_behind(bucket, cursor.unwrap_or(0)).await,
        }
    }

    /// The least keys that come after another, at most so many. All are looked at: their order is the component's.
    pub(super) async fn least(
        self,
        bucket: String,
        (after, count_max): (Option<String>, usize),
    ) -> Result<Vec<String>, Trouble> {
        let version = self.version;
        let listed = self.keeper.ask_at(self.seat, move |mut instance| {
            async move {
                let bucket = open(&mut instance, bucket).await?;
                let mut least = Least::new(after.as_deref(), count_max);
                let listed = match version {
                    Version::Draft => look_at_all(&mut instance, bucket, &mut least, numbered).await,
                    Version::Draft2 => look_at_all(&mut instance, bucket, &mut least, named).await,
                };
                instance.close(bucket, listed.map(|()| least.into_names())).await
            }
            .boxed()
        });
        listed.await.map_err(refused)
    }

    pub(super) async fn increment(self, bucket: String, (key, delta): (String, u64)) -> Result<u64, Trouble> {
        match self.version {
            Version::Draft => self.ask(bucket, move |bucket| (bucket, key, delta)).await,
            Version::Draft2 => {
                let delta = i64::try_from(delta).map_err(|_too_large| no_number())?;
                let sum = self.increment_signed(bucket, (key, delta)).await?;
                u64::try_from(sum).map_err(|_below_zero| no_number())
            }
        }
    }

    /// The same with a number that has a sign, as the newer version has them.
    pub(super) async fn increment_signed(self, bucket: String, (key, delta): (String, i64)) -> Result<i64, Trouble> {
        self.ask(bucket, move |bucket| (bucket, key, delta)).await
    }

    /// Writes a value where what is there is what was seen.
    pub(super) async fn swap(
        self,
        bucket: String,
        (key, seen): (String, Stamp),
        value: Vec<u8>,
    ) -> Result<Swap, Trouble> {
        let swapped = self.keeper.ask_at(self.seat, move |mut instance| {
            async move {
                let bucket = open(&mut instance, bucket).await?;
                let swapped = attempt(&mut instance, (bucket, key), (seen, value)).await;
                instance.close(bucket, swapped).await
            }
            .boxed()
        });
        swapped.await.map_err(refused)
    }

    pub(super) async fn get_many(
        self,
        bucket: String,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Trouble> {
        match self.version {
            Version::Draft => self.ask(bucket, |bucket| (bucket, keys)).await,
            Version::Draft2 => {
                let pairs: Vec<(String, Option<Vec<u8>>)> = self.ask(bucket, |bucket| (bucket, keys)).await?;
                Ok(pairs.into_iter().map(|(key, value)| value.map(|value| (key, value))).collect())
            }
        }
    }

    pub(super) async fn set_many(self, bucket: String, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Trouble> {
        self.ask(bucket, |bucket| (bucket, pairs)).await
    }

    pub(super) async fn delete_many(self, bucket: String, keys: Vec<String>) -> Result<(), Trouble> {
        self.ask(bucket, |bucket| (bucket, keys)).await
    }

    /// Asks for something in a bucket.
    async fn ask<P, T>(
        self,
        bucket: String,
        params: impl FnOnce(ResourceAny) -> P + Send + 'static,
    ) -> Result<T, Trouble>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        T: Lift + Send + Sync + 'static,
    {
        let asked = self.keeper.ask_at(self.seat, move |mut instance| {
            async move {
                let bucket = open(&mut instance, bucket).await?;
                let asked = instance.ask::<P, T, Error>(CALLED, params(bucket)).await;
                instance.close(bucket, asked).await
            }
            .boxed()
        });
        asked.await.map_err(refused)
    }

    /// The keys behind so many. Cursors of the newer version have no place on the wire: the pages before are passed over.
    async fn list_behind(self, bucket: String, count: u64) -> Result<Page, Trouble> {
        let listed = self.keeper.ask_at(self.seat, move |mut instance| {
            async move {
                let bucket = open(&mut instance, bucket).await?;
                let listed = page_behind(&mut instance, (bucket, count)).await;
                instance.close(bucket, listed).await
            }
            .boxed()
        });
        listed.await.map_err(refused)
    }
}

async fn open(instance: &mut Instance<'_>, bucket: String) -> Said<ResourceAny, Error> {
    instance.ask(OPEN, (bucket,)).await
}

/// Looks at all keys, page after page.
async fn look_at_all<P, C>(
    instance: &mut Instance<'_>,
    bucket: ResourceAny,
    least: &mut Least<'_>,
    parts: fn(P) -> (Vec<String>, Option<C>),
) -> Said<(), Error>
where
    P: Lift + Send + Sync + 'static,
    C: ComponentType + Lower + Send + Sync + 'static,
{
    let mut cursor = None::<C>;
    loop {
        let page: P = instance.ask::<_, _, Error>(CALLED, (bucket, cursor)).await?;
        let (keys, next) = parts(page);
        least.add(keys);
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}

fn numbered(page: NumberedPage) -> (Vec<String>, Option<u64>) {
    (page.keys, page.cursor)
}

fn named(page: NamedPage) -> (Vec<String>, Option<String>) {
    (page.keys, page.cursor)
}

/// Compares and swaps, by an attempt that is gone afterwards.
async fn attempt(
    instance: &mut Instance<'_>,
    (bucket, key): (ResourceAny, String),
    (seen, value): (Stamp, Vec<u8>),
) -> Said<Swap, Error> {
    let attempt: ResourceAny = instance.ask::<_, _, Error>(ATTEMPT, (bucket, key)).await?;
    let current: Said<Option<Vec<u8>>, Error> = instance.ask(CURRENT, (attempt,)).await;
    let is_seen = matches!(&current, Ok(current) if Stamp::of(current.as_deref()) == seen);
    if !is_seen {
        return instance.close(attempt, current.map(|_| Swap::ChangedMeanwhile)).await;
    }
    // The attempt is given away.
    match instance.ask::<_, (), NotSwapped>(SWAP, (attempt, value)).await {
        Ok(()) => Ok(Swap::Written),
        Err(capability::Trouble::Said(NotSwapped::Changed(newer))) => {
            instance.close(newer, Ok(Swap::ChangedMeanwhile)).await
        }
        Err(capability::Trouble::Said(NotSwapped::Refused(error))) => Err(capability::Trouble::Said(error)),
        Err(capability::Trouble::Failed(error)) => Err(capability::Trouble::Failed(error)),
    }
}

/// The page in which the key behind so many is; what is before that is left out.
async fn page_behind(instance: &mut Instance<'_>, (bucket, count): (ResourceAny, u64)) -> Said<Page, Error> {
    let (mut passed, mut cursor) = (0_u64, None::<String>);
    loop {
        let NamedPage { mut keys, cursor: next } = instance.ask::<_, _, Error>(CALLED, (bucket, cursor)).await?;
        let end = passed.saturating_add(keys.len() as u64);
        if end > count || next.is_none() {
            let before = usize::try_from(count - passed).unwrap_or(usize::MAX);
            keys.drain(..before.min(keys.len()));
            return Ok((keys, next.map(|_| end)));
        }
        (passed, cursor) = (end, next);
    }
}

/// The same in words that all versions have.
fn refused(trouble: capability::Trouble<Error>) -> Trouble {
    match trouble {
        capability::Trouble::Said(Error::NoSuchStore) => Trouble::Said(Refusal::NoSuchStore),
        capability::Trouble::Said(Error::AccessDenied) => Trouble::Said(Refusal::AccessDenied),
        capability::Trouble::Said(Error::Other(words)) => Trouble::Said(Refusal::Other(words)),
        capability::Trouble::Failed(error) => Trouble::Failed(error),
    }
}

fn no_number() -> Trouble {
    Trouble::Said(Refusal::Other("the number is out of range".into()))
}
