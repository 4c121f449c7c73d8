//! The pairs that a provider keeps, apart for each component that asks.

use std::collections::BTreeMap;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Encoder;
use wrpc_transport::{Deferred, DeferredFn, Encode};

/// Names of a page.
const PAGE: usize = 100;

/// Whose pair it is, in which bucket, under which key.
type Place = (String, String, String);

/// Pairs by their places, each with a number that grows: their order for who lists them.
#[derive(Default)]
pub(super) struct Pairs {
    values: BTreeMap<Place, (u64, Bytes)>,
    last: u64,
}

/// The error of `wrpc:keyvalue`.
#[derive(Debug, Clone)]
pub(super) enum Refused {
    NoSuchStore,
    AccessDenied,
    Other(&'static str),
}

/// How it is laid out.
#[derive(Debug, Default)]
pub(super) struct RefusedEncoder;

/// Buckets of some names are as one would not like them.
fn check(bucket: &str) -> Result<(), Refused> {
    match bucket {
        "missing" => Err(Refused::NoSuchStore),
        "locked" => Err(Refused::AccessDenied),
        "broken" => Err(Refused::Other("boom")),
        _ => Ok(()),
    }
}

fn place(source: &str, bucket: &str, key: &str) -> Place {
    (source.to_owned(), bucket.to_owned(), key.to_owned())
}

// === impl Pairs ===

impl Pairs {
    pub(super) fn get(&self, source: &str, bucket: &str, key: &str) -> Result<Option<Bytes>, Refused> {
        check(bucket)?;
        Ok(self.values.get(&place(source, bucket, key)).map(|(_, value)| value.clone()))
    }

    pub(super) fn set(&mut self, source: &str, bucket: &str, pairs: Vec<(String, Bytes)>) -> Result<(), Refused> {
        check(bucket)?;
        for (key, value) in pairs {
            self.last += 1;
            self.values.entry(place(source, bucket, &key)).or_insert((self.last, Bytes::new())).1 = value;
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, source: &str, bucket: &str, keys: &[String]) -> Result<(), Refused> {
        check(bucket)?;
        keys.iter().for_each(|key| drop(self.values.remove(&place(source, bucket, key))));
        Ok(())
    }

    /// A page of names in the order in which they came, and the number of its last where there are more.
    pub(super) fn list(
        &self,
        source: &str,
        bucket: &str,
        cursor: Option<u64>,
    ) -> Result<(Vec<String>, Option<u64>), Refused> {
        check(bucket)?;
        let is_meant = |(place, (number, _)): &(&Place, &(u64, Bytes))| {
            place.0 == source && place.1 == bucket && cursor.is_none_or(|cursor| *number > cursor)
        };
        let all = self.values.iter().filter(is_meant);
        let mut all: Vec<_> = all.map(|(place, (number, _))| (*number, place.2.clone())).collect();
        all.sort_unstable();
        let is_more = all.len() > PAGE;
        all.truncate(PAGE);
        let next = all.last().map(|(number, _)| *number).filter(|_| is_more);
        Ok((all.into_iter().map(|(_, name)| name).collect(), next))
    }

    pub(super) fn increment(
        &mut self,
        source: &str,
        (bucket, key): (&str, String),
        delta: u64,
    ) -> Result<u64, Refused> {
        let value = self.get(source, bucket, &key)?.unwrap_or(Bytes::from_static(b"0"));
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok());
        let sum = number.ok_or(Refused::Other("not a number"))?.checked_add(delta);
        let sum = sum.ok_or(Refused::Other("out of range"))?;
        self.set(source, bucket, vec![(key, sum.to_string().into())])?;
        Ok(sum)
    }
}

// === impl Refused ===

impl<T> Encode<T> for Refused {
    type Encoder = RefusedEncoder;
}

impl<T> Deferred<T> for RefusedEncoder {
    fn take_deferred(&mut self) -> Option<DeferredFn<T>> {
        None
    }
}

impl Encoder<Refused> for RefusedEncoder {
    type Error = io::Error;

    fn encode(&mut self, refused: Refused, out: &mut BytesMut) -> io::Result<()> {
        match refused {
            Refused::NoSuchStore => out.put_u8(0),
            Refused::AccessDenied => out.put_u8(1),
            Refused::Other(text) => {
                out.put_u8(2);
                out.put_u8(u8::try_from(text.len()).expect("it is short"));
                out.put_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}
