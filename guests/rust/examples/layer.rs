//! Keeps keys for another component, in the store that it is itself linked to: every key gets `layer/` before it.
//!
//! It exports what it imports: a component as the target of a capability's contract.

use std::cell::Cell;

use crate::exports::wasi::keyvalue::{atomics, store};
use crate::wasi::keyvalue as inner;

wit_bindgen::generate!({
    inline: "
        package demo:layer;

        world layer {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            export wasi:keyvalue/store@0.2.0-draft;
            export wasi:keyvalue/atomics@0.2.0-draft;
        }
    ",
    path: "../../wit/keyvalue-draft",
    world: "demo:layer/layer",
    generate_all,
});

struct Layer;

export!(Layer);

struct Bucket {
    inside: inner::store::Bucket,
    calls: Cell<u32>,
}

impl Bucket {
    fn key(&self, key: &str) -> String {
        self.calls.set(self.calls.get() + 1);
        format!("layer/{key}")
    }
}

impl store::Guest for Layer {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, store::Error> {
        let inside = inner::store::open(&identifier).map_err(refusal)?;
        Ok(store::Bucket::new(Bucket { inside, calls: Cell::new(0) }))
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        assert!(key != "trap", "the layer was told to trap");
        self.inside.get(&self.key(&key)).map_err(refusal)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        self.inside.set(&self.key(&key), &value).map_err(refusal)
    }

    fn delete(&self, key: String) -> Result<(), store::Error> {
        self.inside.delete(&self.key(&key)).map_err(refusal)
    }

    fn exists(&self, key: String) -> Result<bool, store::Error> {
        self.inside.exists(&self.key(&key)).map_err(refusal)
    }

    fn list_keys(&self, cursor: Option<u64>) -> Result<store::KeyResponse, store::Error> {
        let page = self.inside.list_keys(cursor).map_err(refusal)?;
        let keys = page.keys.iter().filter_map(|key| key.strip_prefix("layer/")).map(str::to_owned).collect();
        Ok(store::KeyResponse { keys, cursor: page.cursor })
    }
}

impl atomics::Guest for Layer {
    fn increment(bucket: store::BucketBorrow<'_>, key: String, delta: u64) -> Result<u64, store::Error> {
        let bucket = bucket.get::<Bucket>();
        inner::atomics::increment(&bucket.inside, &bucket.key(&key), delta).map_err(refusal)
    }
}

fn refusal(error: inner::store::Error) -> store::Error {
    match error {
        inner::store::Error::NoSuchStore => store::Error::NoSuchStore,
        inner::store::Error::AccessDenied => store::Error::AccessDenied,
        inner::store::Error::Other(text) => store::Error::Other(text),
    }
}
