//! This is `wasi:keyvalue@0.2.0-draft2`: signed increments, text as cursors, and compare-and-swap.
//!
//! A cursor is the last key of the page before. An attempt holds a digest of the value that it saw last: `current` reads anew,
//! and the swap expects what `current` answered.

use capability::Cause;
use engine::State;
use wasmtime::component::Resource;

use self::wasi::keyvalue::{atomics, batch, store};
use super::{Attempt, Bucket, Failure};
use crate::number::Addend;
use crate::store::Swap;

wasmtime::component::bindgen!({
    path: "../../../wit/keyvalue-draft2",
    world: "wasi:keyvalue/imports",
    imports: {
        "wasi:keyvalue/store.open": trappable,
        "wasi:keyvalue/store.[drop]bucket": trappable,
        "wasi:keyvalue/atomics.[drop]cas": trappable,
        default: async | trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": super::Bucket,
        "wasi:keyvalue/atomics.cas": super::Attempt,
    },
    trappable_error_type: { "wasi:keyvalue/store.error" => super::Failure },
});

impl store::Host for State {
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Failure> {
        super::open(self, &identifier)
    }

    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<store::Error> {
        match failure {
            Failure::NoSuchStore => Ok(store::Error::NoSuchStore),
            Failure::AccessDenied => Ok(store::Error::AccessDenied),
            Failure::Other(text) => Ok(store::Error::Other(text)),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Failure> {
        Ok(super::bucket(self, &bucket)?.get(&key).await?.map(Vec::from))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.set(&key, value).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.delete(&key).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Failure> {
        Ok(super::bucket(self, &bucket)?.get(&key).await?.is_some())
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<store::KeyResponse, Failure> {
        let (keys, may_be_more) = super::bucket(self, &bucket)?.page(cursor.as_deref()).await?;
        let cursor = if may_be_more { keys.last().cloned() } else { None };
        Ok(store::KeyResponse { keys, cursor })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Result<i64, Failure> {
        let sum = super::bucket(self, &bucket)?.increment(&key, Addend::signed(delta)).await?;
        Ok(i64::try_from(sum).expect("Addend::signed keeps the sum in the range of i64"))
    }

    async fn swap(
        &mut self,
        cas: Resource<Attempt>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let attempt = self.table.delete(cas)?;
        match swap_or_look_again(self, attempt, value).await {
            Ok(None) => Ok(Ok(())),
            Ok(Some(newer)) => Ok(Err(atomics::CasError::CasFailed(newer))),
            Err(failure) => {
                let error = store::Host::convert_error(self, failure)?;
                Ok(Err(atomics::CasError::StoreError(error)))
            }
        }
    }
}

/// Swaps, or answers with an attempt that has seen the newest value.
async fn swap_or_look_again(
    state: &mut State,
    mut attempt: Attempt,
    value: Vec<u8>,
) -> Result<Option<Resource<Attempt>>, Failure> {
    super::follow(&mut attempt.link, Cause::of(state));
    match attempt.swap(value).await? {
        Swap::Written => Ok(None),
        Swap::ChangedMeanwhile => {
            attempt.look().await?;
            Ok(Some(state.table.push(attempt)?))
        }
    }
}

impl atomics::HostCas for State {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Resource<Attempt>, Failure> {
        let attempt = super::bucket(self, &bucket)?.attempt(&key).await?;
        Ok(self.table.push(attempt)?)
    }

    async fn current(&mut self, cas: Resource<Attempt>) -> Result<Option<Vec<u8>>, Failure> {
        Ok(super::attempt(self, &cas)?.look().await?.map(Vec::from))
    }

    fn drop(&mut self, cas: Resource<Attempt>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        super::bucket(self, &bucket)?.get_many(keys).await
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, key_values: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.set_many(key_values).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.delete_many(&keys).await
    }
}
