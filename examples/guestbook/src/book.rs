//! Keeps the entries in the key-value store.
//!
//! A counter that the store increments gives each entry a key of its own, so that two visitors at once cannot write over
//! each other. An entry is text: the time, the name and the message, a line each (the message may have more).

use std::time::{Duration, SystemTime};

use crate::book::wasi::keyvalue::store::{self, Bucket};
use crate::book::wasi::keyvalue::{atomics, batch};

wit_bindgen::generate!({ path: "../../wit/keyvalue-draft2", world: "imports", generate_all });

pub(crate) use crate::book::wasi::keyvalue::store::Error;

/// How many entries are shown.
const SHOWN_MAX: usize = 50;
const COUNTER: &str = "entries";
const PREFIX: &str = "entry-";

/// What a visitor left.
pub(crate) struct Entry {
    pub(crate) time: SystemTime,
    pub(crate) name: String,
    pub(crate) message: String,
}

/// All that visitors have left.
pub(crate) struct Book(Bucket);

impl Book {
    /// Opens the one book that there is.
    pub(crate) fn open() -> Result<Self, Error> {
        store::open("default").map(Self)
    }

    /// Adds an entry with the time of now.
    pub(crate) fn add(&self, name: &str, message: &str) -> Result<(), Error> {
        let number = atomics::increment(&self.0, COUNTER, 1)?;
        let seconds = since_epoch(SystemTime::now()).as_secs();
        let text = format!("{seconds}\n{name}\n{message}");
        self.0.set(&format!("{PREFIX}{number:012}"), text.as_bytes())
    }

    /// The last entries, the newest first.
    pub(crate) fn newest(&self) -> Result<Vec<Entry>, Error> {
        let mut keys = self.keys()?;
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.truncate(SHOWN_MAX);
        let pairs = batch::get_many(&self.0, &keys)?;
        Ok(pairs.into_iter().filter_map(|(_, value)| parse(&value?)).collect())
    }

    fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.0.list_keys(cursor.as_deref())?;
            keys.extend(page.keys.into_iter().filter(|key| key.starts_with(PREFIX)));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("no clock of a host is before 1970")
}

/// An entry from its text; none if it was not this program that wrote it.
fn parse(bytes: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut parts = text.splitn(3, '\n');
    let seconds = parts.next()?.parse().ok()?;
    Some(Entry {
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        name: parts.next()?.to_owned(),
        message: parts.next()?.to_owned(),
    })
}
