//! Keeps keys for another component in its own store, by `wasi:keyvalue@0.2.0-draft2`: backwards, two keys a page, and whatever is
//! wrong with it.
//!
//! | bucket or key | does |
//! | --- | --- |
//! | bucket `missing`, `locked`, `broken` | cannot be opened, for each reason of the contract |
//! | key `trap` | traps where it is read or set: of many, those before it are set |
//! | key `hang` | is never read |

use crate::exports::wasi::keyvalue::{atomics, batch, store};
use crate::wasi::keyvalue as inner;

wit_bindgen::generate!({
    inline: "
        package demo:drawer;

        world drawer {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            export wasi:keyvalue/store@0.2.0-draft2;
            export wasi:keyvalue/atomics@0.2.0-draft2;
            export wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    path: "../../wit/keyvalue-draft2",
    world: "demo:drawer/drawer",
    generate_all,
});

/// Keys of a page.
const PAGE: usize = 2;

struct Drawer;

export!(Drawer);

struct Bucket(inner::store::Bucket);

struct Attempt(inner::atomics::Cas);

impl Bucket {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        assert!(key != "trap", "the drawer was told to trap");
        if key == "hang" {
            eprintln!("the drawer was told to hang");
            loop {
                std::hint::spin_loop();
            }
        }
        self.0.get(key).map_err(refusal)
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<(), store::Error> {
        assert!(key != "trap", "the drawer was told to trap");
        self.0.set(key, value).map_err(refusal)
    }

    /// All keys, page after page.
    fn keys(&self) -> Result<Vec<String>, store::Error> {
        let (mut keys, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut page = self.0.list_keys(cursor.as_deref()).map_err(refusal)?;
            keys.append(&mut page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }
}

impl store::Guest for Drawer {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, store::Error> {
        match identifier.as_str() {
            "missing" => Err(store::Error::NoSuchStore),
            "locked" => Err(store::Error::AccessDenied),
            "broken" => Err(store::Error::Other("the drawer is stuck".to_owned())),
            _ => Ok(store::Bucket::new(Bucket(inner::store::open(&identifier).map_err(refusal)?))),
        }
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        self.read(&key)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        self.write(&key, &value)
    }

    fn delete(&self, key: String) -> Result<(), store::Error> {
        self.0.delete(&key).map_err(refusal)
    }

    fn exists(&self, key: String) -> Result<bool, store::Error> {
        self.0.exists(&key).map_err(refusal)
    }

    fn list_keys(&self, cursor: Option<String>) -> Result<store::KeyResponse, store::Error> {
        let mut keys = self.keys()?;
        keys.retain(|key| cursor.as_ref().is_none_or(|last| key < last));
        keys.sort_by(|one, other| other.cmp(one));
        let is_more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let cursor = keys.last().filter(|_| is_more).cloned();
        Ok(store::KeyResponse { keys, cursor })
    }
}

impl atomics::Guest for Drawer {
    type Cas = Attempt;

    fn increment(bucket: store::BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, store::Error> {
        inner::atomics::increment(&bucket.get::<Bucket>().0, &key, delta).map_err(refusal)
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), atomics::CasError> {
        inner::atomics::swap(cas.into_inner::<Attempt>().0, &value).map_err(|error| match error {
            inner::atomics::CasError::StoreError(error) => atomics::CasError::StoreError(refusal(error)),
            inner::atomics::CasError::CasFailed(newer) => {
                atomics::CasError::CasFailed(atomics::Cas::new(Attempt(newer)))
            }
        })
    }
}

impl atomics::GuestCas for Attempt {
    fn new(bucket: store::BucketBorrow<'_>, key: String) -> Result<atomics::Cas, store::Error> {
        let inside = inner::atomics::Cas::new(&bucket.get::<Bucket>().0, &key).map_err(refusal)?;
        Ok(atomics::Cas::new(Attempt(inside)))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, store::Error> {
        self.0.current().map_err(refusal)
    }
}

impl batch::Guest for Drawer {
    fn get_many(
        bucket: store::BucketBorrow<'_>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, store::Error> {
        let bucket = bucket.get::<Bucket>();
        keys.into_iter().map(|key| bucket.read(&key).map(|value| (key, value))).collect()
    }

    fn set_many(bucket: store::BucketBorrow<'_>, key_values: Vec<(String, Vec<u8>)>) -> Result<(), store::Error> {
        let bucket = bucket.get::<Bucket>();
        key_values.iter().try_for_each(|(key, value)| bucket.write(key, value))
    }

    fn delete_many(bucket: store::BucketBorrow<'_>, keys: Vec<String>) -> Result<(), store::Error> {
        let bucket = bucket.get::<Bucket>();
        keys.iter().try_for_each(|key| bucket.0.delete(key).map_err(refusal))
    }
}

fn refusal(error: inner::store::Error) -> store::Error {
    match error {
        inner::store::Error::NoSuchStore => store::Error::NoSuchStore,
        inner::store::Error::AccessDenied => store::Error::AccessDenied,
        inner::store::Error::Other(text) => store::Error::Other(text),
    }
}
