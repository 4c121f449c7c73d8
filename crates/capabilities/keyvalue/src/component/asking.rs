//! This is one thing that a component which keeps keys is asked for, in an instance of its own.
//!
//! # Invariants
//!
//! 1. A bucket is open while something is asked of it, and no longer.
//! 2. What the newer version of the contract can say and the wire cannot is an error, never another number.

use capability::{Instance, Keeper, Said, Seat};
use futures::FutureExt;
use wasmtime::component::{ComponentNamedList, Lift, Lower, ResourceAny};

use super::{Trouble, Version};
use crate::guest::{Error, NamedPage, NumberedPage};
use crate::store::Refusal;

/// A component that is asked for one thing.
pub(super) struct Asking {
    pub(super) keeper: Keeper,
    /// Where it is asked.
    pub(super) seat: Seat,
    pub(super) version: Version,
}

/// Some keys, and how many there were before the next of them.
type Page = (Vec<String>, Option<u64>);

/// The number of what opens a bucket among the exports that are called: see `Component::exported`.
const OPEN: usize = 0;

/// The number of what is asked.
const CALLED: usize = 1;

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

    pub(super) async fn increment(self, bucket: String, (key, delta): (String, u64)) -> Result<u64, Trouble> {
        match self.version {
            Version::Draft => self.ask(bucket, move |bucket| (bucket, key, delta)).await,
            Version::Draft2 => {
                let delta = i64::try_from(delta).map_err(|_too_large| no_number())?;
                let sum: i64 = self.ask(bucket, move |bucket| (bucket, key, delta)).await?;
                u64::try_from(sum).map_err(|_below_zero| no_number())
            }
        }
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
