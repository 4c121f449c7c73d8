//! Keeps objects for another component in a key-value store, each byte turned: so its streams are its own, and it exports `wasi:io`.
//!
//! | key | value |
//! | --- | --- |
//! | `box/NAME` | a container |
//! | `object/NAME/OBJECT` | where the pieces of an object are, and how many bytes it has; names have their length before them |
//! | `piece/PLACE/NUMBER` | so many bytes of an object, turned |
//!
//! At the second piece of an object that is called `trap` writing it traps, and so does reading `fall`. Of `short` half is given, and
//! `grow` has but half of its bytes until it is opened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasip2::clocks::monotonic_clock;
use wasip2::random::random;

use crate::exports::wasi::blobstore::{blobstore, container, types};
use crate::exports::wasi::io::streams::{self, GuestInputStream as _};
use crate::wasi::keyvalue::store::{self, Bucket};

wit_bindgen::generate!({
    inline: "
        package demo:vault;

        world vault {
            import wasi:keyvalue/store@0.2.0-draft;
            export wasi:io/streams@0.2.2;
            export wasi:blobstore/types@0.2.0-draft;
            export wasi:blobstore/container@0.2.0-draft;
            export wasi:blobstore/blobstore@0.2.0-draft;
        }
    ",
    path: ["../../wit/blobstore", "../../wit/keyvalue-draft"],
    world: "demo:vault/vault",
    with: {
        "wasi:io/error@0.2.2": wasip2::io::error,
        "wasi:io/poll@0.2.2": wasip2::io::poll,
    },
    generate_all,
});

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// The most that is taken or given at once where nobody says how much.
const ROOM: u64 = 4096;

struct Vault;

export!(Vault);

thread_local! {
    /// Whether `grow` was opened since it was asked how many bytes it has.
    static HAS_GROWN: Cell<bool> = const { Cell::new(false) };
}

/// What every byte is turned by.
const TURN: u8 = 0x5a;

/// A container, by its name.
struct Container(String);

/// The names that were not read yet.
struct Names(RefCell<Vec<String>>);

/// A value, which its stream writes to.
#[derive(Clone, Default)]
struct Outgoing(Rc<RefCell<Draft>>);

/// What is written.
#[derive(Default)]
struct Draft {
    /// The key of the object, and its name; nothing until it is said.
    object: Option<(String, String)>,
    place: String,
    size: usize,
    /// What is no whole piece yet.
    rest: Vec<u8>,
}

/// A part of an object, which its stream reads from.
#[derive(Clone)]
struct Incoming {
    name: String,
    place: String,
    at: Rc<Cell<usize>>,
    end: usize,
}

fn bucket() -> Result<Bucket, String> {
    store::open("vault").map_err(said)
}

fn said(error: store::Error) -> String {
    format!("{error:?}")
}

fn get(key: &str) -> Result<Option<Vec<u8>>, String> {
    bucket()?.get(key).map_err(said)
}

fn set(key: &str, value: &[u8]) -> Result<(), String> {
    bucket()?.set(key, value).map_err(said)
}

fn keys_below(start: &str) -> Result<Vec<String>, String> {
    let (bucket, mut cursor, mut below) = (bucket()?, None, Vec::new());
    loop {
        let page = bucket.list_keys(cursor).map_err(said)?;
        below.extend(page.keys.into_iter().filter(|key| key.starts_with(start)));
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(below),
        }
    }
}

/// No name can be taken for another with something behind it.
fn sized(name: &str) -> String {
    format!("{}:{name}", name.len())
}

fn objects_of(container: &str) -> String {
    format!("object/{}/", sized(container))
}

fn key_of(container: &str, object: &str) -> String {
    format!("{}{object}", objects_of(container))
}

fn piece(place: &str, number: usize) -> String {
    format!("piece/{place}/{number}")
}

/// Where an object is, and its size.
fn find(key: &str) -> Result<Option<(String, usize)>, String> {
    let Some(index) = get(key)? else { return Ok(None) };
    let index = String::from_utf8(index).map_err(|error| error.to_string())?;
    let (place, size) = index.split_once(' ').ok_or("the vault is broken")?;
    Ok(Some((place.to_owned(), size.parse().map_err(|_| "the vault is broken")?)))
}

fn remove(key: &str) -> Result<(), String> {
    let Some((place, size)) = find(key)? else { return Ok(()) };
    let bucket = bucket()?;
    bucket.delete(key).map_err(said)?;
    (0..size.div_ceil(PIECE)).try_for_each(|number| bucket.delete(&piece(&place, number)).map_err(said))
}

fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ TURN).collect()
}

impl Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.place.is_empty() {
            self.place = format!("{:016x}", random::get_random_u64());
        }
        self.size += bytes.len();
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= PIECE {
            let rest = self.rest.split_off(PIECE);
            let whole = std::mem::replace(&mut self.rest, rest);
            self.keep((self.size - self.rest.len()) / PIECE - 1, &whole)?;
        }
        Ok(())
    }

    fn keep(&self, number: usize, bytes: &[u8]) -> Result<(), String> {
        let is_trap = self.object.as_ref().is_some_and(|(_, name)| name == "trap");
        assert!(!is_trap || number == 0, "the vault was told to trap");
        set(&piece(&self.place, number), &turned(bytes))
    }

    fn finish(&mut self) -> Result<(), String> {
        let Some((key, _)) = self.object.clone() else { return Err("nobody said what it becomes".to_owned()) };
        self.write(&[])?;
        if !self.rest.is_empty() {
            self.keep(self.size / PIECE, &self.rest)?;
        }
        remove(&key)?;
        set(&key, format!("{} {}", self.place, self.size).as_bytes())
    }
}

impl Incoming {
    /// The next bytes, at most so many; nothing after the last.
    fn next(&self, most: usize) -> Result<Option<Vec<u8>>, String> {
        let at = self.at.get();
        if at >= self.end {
            return Ok(None);
        }
        let (number, start) = (at / PIECE, at % PIECE);
        assert!(self.name != "fall" || number == 0, "the vault was told to trap");
        let piece = get(&piece(&self.place, number))?.ok_or("a piece is missing")?;
        let count = most.min(piece.len() - start).min(self.end - at);
        self.at.set(at + count);
        Ok(Some(turned(&piece[start..start + count])))
    }
}

impl types::Guest for Vault {
    type OutgoingValue = Outgoing;
    type IncomingValue = Incoming;
}

impl container::Guest for Vault {
    type Container = Container;
    type StreamObjectNames = Names;
}

impl streams::Guest for Vault {
    type InputStream = Incoming;
    type OutputStream = Outgoing;
}

impl blobstore::Guest for Vault {
    fn create_container(name: String) -> Result<blobstore::Container, String> {
        set(&format!("box/{name}"), b"")?;
        Ok(blobstore::Container::new(Container(name)))
    }

    fn get_container(name: String) -> Result<blobstore::Container, String> {
        match Self::container_exists(name.clone())? {
            true => Ok(blobstore::Container::new(Container(name))),
            false => Err("no such box".to_owned()),
        }
    }

    fn delete_container(name: String) -> Result<(), String> {
        keys_below(&objects_of(&name))?.iter().try_for_each(|key| remove(key))?;
        bucket()?.delete(&format!("box/{name}")).map_err(said)
    }

    fn container_exists(name: String) -> Result<bool, String> {
        bucket()?.exists(&format!("box/{name}")).map_err(said)
    }

    fn copy_object(_: blobstore::ObjectId, _: blobstore::ObjectId) -> Result<(), String> {
        Err("the vault makes no copies".to_owned())
    }

    fn move_object(_: blobstore::ObjectId, _: blobstore::ObjectId) -> Result<(), String> {
        Err("the vault moves nothing".to_owned())
    }
}

impl container::GuestContainer for Container {
    fn name(&self) -> Result<String, String> {
        Ok(self.0.clone())
    }

    fn info(&self) -> Result<container::ContainerMetadata, String> {
        Ok(container::ContainerMetadata { name: self.0.clone(), created_at: 0 })
    }

    fn get_data(&self, name: String, start: u64, end: u64) -> Result<container::IncomingValue, String> {
        let (place, size) = find(&key_of(&self.0, &name))?.ok_or("no such object")?;
        let end = if name == "short" { size / 2 } else { size.min(end.saturating_add(1) as usize) };
        HAS_GROWN.set(name == "grow");
        let at = Rc::new(Cell::new(start as usize));
        Ok(container::IncomingValue::new(Incoming { name, place, at, end }))
    }

    fn write_data(&self, name: String, data: container::OutgoingValueBorrow<'_>) -> Result<(), String> {
        data.get::<Outgoing>().0.borrow_mut().object = Some((key_of(&self.0, &name), name));
        Ok(())
    }

    fn list_objects(&self) -> Result<container::StreamObjectNames, String> {
        let start = objects_of(&self.0);
        let names = keys_below(&start)?.iter().map(|key| key[start.len()..].to_owned()).collect();
        Ok(container::StreamObjectNames::new(Names(RefCell::new(names))))
    }

    fn delete_object(&self, name: String) -> Result<(), String> {
        remove(&key_of(&self.0, &name))
    }

    fn delete_objects(&self, names: Vec<String>) -> Result<(), String> {
        names.iter().try_for_each(|name| remove(&key_of(&self.0, name)))
    }

    fn has_object(&self, name: String) -> Result<bool, String> {
        bucket()?.exists(&key_of(&self.0, &name)).map_err(said)
    }

    fn object_info(&self, name: String) -> Result<container::ObjectMetadata, String> {
        let (_, size) = find(&key_of(&self.0, &name))?.ok_or("no such object")?;
        let size = if name == "grow" && !HAS_GROWN.take() { size / 2 } else { size };
        let container = self.0.clone();
        Ok(container::ObjectMetadata { name, container, created_at: 0, size: size as u64 })
    }

    fn clear(&self) -> Result<(), String> {
        keys_below(&objects_of(&self.0))?.iter().try_for_each(|key| remove(key))
    }
}

impl container::GuestStreamObjectNames for Names {
    fn read_stream_object_names(&self, len: u64) -> Result<(Vec<String>, bool), String> {
        let mut names = self.0.borrow_mut();
        let count = names.len().min(len as usize);
        let read = names.drain(..count).collect();
        Ok((read, names.is_empty()))
    }

    fn skip_stream_object_names(&self, num: u64) -> Result<(u64, bool), String> {
        let (skipped, is_end) = self.read_stream_object_names(num)?;
        Ok((skipped.len() as u64, is_end))
    }
}

impl types::GuestOutgoingValue for Outgoing {
    fn new_outgoing_value() -> types::OutgoingValue {
        types::OutgoingValue::new(Outgoing::default())
    }

    fn outgoing_value_write_body(&self) -> Result<types::OutputStream, ()> {
        Ok(streams::OutputStream::new(self.clone()))
    }

    fn finish(this: types::OutgoingValue) -> Result<(), String> {
        this.into_inner::<Outgoing>().0.borrow_mut().finish()
    }
}

impl types::GuestIncomingValue for Incoming {
    fn incoming_value_consume_sync(this: types::IncomingValue) -> Result<Vec<u8>, String> {
        let (value, mut bytes) = (this.into_inner::<Incoming>(), Vec::new());
        while let Some(more) = value.next(PIECE)? {
            bytes.extend(more);
        }
        Ok(bytes)
    }

    fn incoming_value_consume_async(this: types::IncomingValue) -> Result<types::InputStream, String> {
        Ok(streams::InputStream::new(this.into_inner::<Incoming>()))
    }

    fn size(&self) -> u64 {
        self.end.saturating_sub(self.at.get()) as u64
    }
}

/// A stream that failed is closed: there is no way to make an error of the host.
fn closed(words: String) -> streams::StreamError {
    eprintln!("{words}");
    streams::StreamError::Closed
}

impl streams::GuestInputStream for Incoming {
    fn read(&self, len: u64) -> Result<Vec<u8>, streams::StreamError> {
        self.next(len as usize).map_err(closed)?.ok_or(streams::StreamError::Closed)
    }

    fn blocking_read(&self, len: u64) -> Result<Vec<u8>, streams::StreamError> {
        self.read(len)
    }

    fn skip(&self, len: u64) -> Result<u64, streams::StreamError> {
        self.read(len).map(|bytes| bytes.len() as u64)
    }

    fn blocking_skip(&self, len: u64) -> Result<u64, streams::StreamError> {
        self.skip(len)
    }

    fn subscribe(&self) -> streams::Pollable {
        monotonic_clock::subscribe_duration(0)
    }
}

impl streams::GuestOutputStream for Outgoing {
    fn check_write(&self) -> Result<u64, streams::StreamError> {
        Ok(ROOM)
    }

    fn write(&self, contents: Vec<u8>) -> Result<(), streams::StreamError> {
        self.0.borrow_mut().write(&contents).map_err(closed)
    }

    fn blocking_write_and_flush(&self, contents: Vec<u8>) -> Result<(), streams::StreamError> {
        self.write(contents)
    }

    fn flush(&self) -> Result<(), streams::StreamError> {
        Ok(())
    }

    fn blocking_flush(&self) -> Result<(), streams::StreamError> {
        Ok(())
    }

    fn subscribe(&self) -> streams::Pollable {
        monotonic_clock::subscribe_duration(0)
    }

    fn write_zeroes(&self, len: u64) -> Result<(), streams::StreamError> {
        self.write(vec![0; len as usize])
    }

    fn blocking_write_zeroes_and_flush(&self, len: u64) -> Result<(), streams::StreamError> {
        self.write_zeroes(len)
    }

    fn splice(&self, src: streams::InputStreamBorrow<'_>, len: u64) -> Result<u64, streams::StreamError> {
        let bytes = src.get::<Incoming>().read(len)?;
        let count = bytes.len() as u64;
        self.write(bytes).map(|()| count)
    }

    fn blocking_splice(&self, src: streams::InputStreamBorrow<'_>, len: u64) -> Result<u64, streams::StreamError> {
        self.splice(src, len)
    }
}
