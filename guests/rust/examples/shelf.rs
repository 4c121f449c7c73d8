//! Keeps objects for another component, in the blob store that it is itself linked to: every container gets `shelf-` before its name.
//!
//! It exports what it imports, and hands the host's streams on: bytes pass it by. Objects of some names are as one would not like
//! them: `no` is refused, and finishing `trap` or reading it traps.

use std::cell::RefCell;

use crate::exports::wasi::blobstore::{blobstore, container, types};
use crate::wasi::blobstore as inner;

wit_bindgen::generate!({
    inline: "
        package demo:shelf;

        world shelf {
            import wasi:blobstore/blobstore@0.2.0-draft;
            export wasi:blobstore/types@0.2.0-draft;
            export wasi:blobstore/container@0.2.0-draft;
            export wasi:blobstore/blobstore@0.2.0-draft;
        }
    ",
    path: "../../wit/blobstore",
    world: "demo:shelf/shelf",
    with: {
        "wasi:io/error@0.2.2": wasip2::io::error,
        "wasi:io/poll@0.2.2": wasip2::io::poll,
        "wasi:io/streams@0.2.2": wasip2::io::streams,
    },
    generate_all,
});

struct Shelf;

export!(Shelf);

/// A container with the name that others know it by.
struct Container {
    inside: inner::container::Container,
    name: String,
}

struct Names(inner::container::StreamObjectNames);

/// A value with the name of the object that it becomes.
struct Outgoing {
    inside: inner::types::OutgoingValue,
    object: RefCell<String>,
}

struct Incoming(inner::types::IncomingValue);

impl types::Guest for Shelf {
    type OutgoingValue = Outgoing;
    type IncomingValue = Incoming;
}

impl container::Guest for Shelf {
    type Container = Container;
    type StreamObjectNames = Names;
}

impl blobstore::Guest for Shelf {
    fn create_container(name: String) -> Result<blobstore::Container, String> {
        let inside = inner::blobstore::create_container(&inside(&name))?;
        Ok(blobstore::Container::new(Container { inside, name }))
    }

    fn get_container(name: String) -> Result<blobstore::Container, String> {
        let inside = inner::blobstore::get_container(&inside(&name))?;
        Ok(blobstore::Container::new(Container { inside, name }))
    }

    fn delete_container(name: String) -> Result<(), String> {
        inner::blobstore::delete_container(&inside(&name))
    }

    fn container_exists(name: String) -> Result<bool, String> {
        inner::blobstore::container_exists(&inside(&name))
    }

    fn copy_object(src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Result<(), String> {
        inner::blobstore::copy_object(&id(src), &id(dest))
    }

    fn move_object(src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Result<(), String> {
        inner::blobstore::move_object(&id(src), &id(dest))
    }
}

/// What a container is called where it really is.
fn inside(name: &str) -> String {
    format!("shelf-{name}")
}

fn id(id: blobstore::ObjectId) -> inner::types::ObjectId {
    inner::types::ObjectId { container: inside(&id.container), object: id.object }
}

impl container::GuestContainer for Container {
    fn name(&self) -> Result<String, String> {
        Ok(self.name.clone())
    }

    fn info(&self) -> Result<container::ContainerMetadata, String> {
        let info = self.inside.info()?;
        Ok(container::ContainerMetadata { name: self.name.clone(), created_at: info.created_at })
    }

    fn get_data(&self, name: String, start: u64, end: u64) -> Result<container::IncomingValue, String> {
        assert!(name != "trap", "the shelf was told to trap");
        let inside = self.inside.get_data(&name, start, end)?;
        Ok(container::IncomingValue::new(Incoming(inside)))
    }

    fn write_data(&self, name: String, data: container::OutgoingValueBorrow<'_>) -> Result<(), String> {
        if name == "no" {
            return Err("the shelf was told to refuse".to_owned());
        }
        let value = data.get::<Outgoing>();
        self.inside.write_data(&name, &value.inside)?;
        *value.object.borrow_mut() = name;
        Ok(())
    }

    fn list_objects(&self) -> Result<container::StreamObjectNames, String> {
        Ok(container::StreamObjectNames::new(Names(self.inside.list_objects()?)))
    }

    fn delete_object(&self, name: String) -> Result<(), String> {
        self.inside.delete_object(&name)
    }

    fn delete_objects(&self, names: Vec<String>) -> Result<(), String> {
        self.inside.delete_objects(&names)
    }

    fn has_object(&self, name: String) -> Result<bool, String> {
        self.inside.has_object(&name)
    }

    fn object_info(&self, name: String) -> Result<container::ObjectMetadata, String> {
        let info = self.inside.object_info(&name)?;
        let container = self.name.clone();
        Ok(container::ObjectMetadata { name, container, created_at: info.created_at, size: info.size })
    }

    fn clear(&self) -> Result<(), String> {
        self.inside.clear()
    }
}

impl container::GuestStreamObjectNames for Names {
    fn read_stream_object_names(&self, len: u64) -> Result<(Vec<String>, bool), String> {
        self.0.read_stream_object_names(len)
    }

    fn skip_stream_object_names(&self, num: u64) -> Result<(u64, bool), String> {
        self.0.skip_stream_object_names(num)
    }
}

impl types::GuestOutgoingValue for Outgoing {
    fn new_outgoing_value() -> types::OutgoingValue {
        let inside = inner::types::OutgoingValue::new_outgoing_value();
        types::OutgoingValue::new(Outgoing { inside, object: RefCell::default() })
    }

    fn outgoing_value_write_body(&self) -> Result<types::OutputStream, ()> {
        self.inside.outgoing_value_write_body()
    }

    fn finish(this: types::OutgoingValue) -> Result<(), String> {
        let value = this.into_inner::<Outgoing>();
        assert!(value.object.borrow().as_str() != "trap", "the shelf was told to trap");
        inner::types::OutgoingValue::finish(value.inside)
    }
}

impl types::GuestIncomingValue for Incoming {
    fn incoming_value_consume_sync(this: types::IncomingValue) -> Result<Vec<u8>, String> {
        inner::types::IncomingValue::incoming_value_consume_sync(this.into_inner::<Incoming>().0)
    }

    fn incoming_value_consume_async(this: types::IncomingValue) -> Result<types::InputStream, String> {
        inner::types::IncomingValue::incoming_value_consume_async(this.into_inner::<Incoming>().0)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }
}
