//! This is `wasi:keyvalue@0.2.0-draft`: unsigned increments, and numbers as cursors.
//!
//! A cursor counts the keys of the pages before. It is good for any handle of the bucket, in any instance; keys that come or
//! go meanwhile shift the next page, unless it is asked for through the handle that gave the cursor.

use engine::State;
use wasmtime::component::Resource;

use self::wasi::keyvalue::{atomics, batch, store};
use super::{Bucket, Failure};
use crate::number::Addend;

wasmtime::component::bindgen!({
    path: "../../../wit/keyvalue-draft",
    world: "wasi:keyvalue/imports",
    imports: {
        "wasi:keyvalue/store.open": trappable,
        "wasi:keyvalue/store.[drop]bucket": trappable,
        default: async | trappable,
    },
    with: { "wasi:keyvalue/store.bucket": super::Bucket },
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
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Failure> {
        let bucket = super::bucket(self, &bucket)?;
        let start = cursor.unwrap_or(0);
        let after = key_before(bucket, start).await?;
        let (keys, may_be_more) = bucket.page(after.as_deref()).await?;
        let end = start.saturating_add(keys.len() as u64);
        bucket.page_end = keys.last().map(|last| (end, last.clone()));
        Ok(store::KeyResponse { keys, cursor: may_be_more.then_some(end) })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

/// The key after which the page at `cursor` starts: remembered where this handle gave the cursor, else counted, with a pause
/// after each page so that nobody waits for a long count.
async fn key_before(bucket: &Bucket, cursor: u64) -> Result<Option<String>, Failure> {
    if let Some((_, key)) = bucket.page_end.as_ref().filter(|(end, _)| *end == cursor) {
        return Ok(Some(key.clone()));
    }
    let (mut counted, mut after) = (0, None);
    while counted < cursor {
        let (mut names, may_be_more) = bucket.page(after.as_deref()).await?;
        names.truncate(usize::try_from(cursor - counted).unwrap_or(usize::MAX));
        counted += names.len() as u64;
        after = names.pop().or(after);
        if !may_be_more {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(after)
}

impl atomics::Host for State {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Result<u64, Failure> {
        let sum = super::bucket(self, &bucket)?.increment(&key, Addend::unsigned(delta)).await?;
        Ok(u64::try_from(sum).expect("Addend::unsigned keeps the sum in the range of u64"))
    }
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Failure> {
        let pairs = super::bucket(self, &bucket)?.get_many(keys).await?;
        Ok(pairs.into_iter().map(|(key, value)| value.map(|value| (key, value))).collect())
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, key_values: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.set_many(key_values).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Failure> {
        super::bucket(self, &bucket)?.delete_many(&keys).await
    }
}
