//! This is `wasi:blobstore@0.2.0-draft`, as wasmCloud 1 and its components have it.

use engine::State;
use wasmtime::bail;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use self::wasi::blobstore::{blobstore, container, types};
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::{Container, Failure, Names};
use crate::blobs::Span;

wasmtime::component::bindgen!({
    path: "../../../wit/blobstore",
    world: "wasi:blobstore/imports",
    imports: {
        "wasi:blobstore/types.[static]outgoing-value.new-outgoing-value": trappable,
        "wasi:blobstore/types.[method]outgoing-value.outgoing-value-write-body": trappable,
        "wasi:blobstore/types.[drop]outgoing-value": trappable,
        "wasi:blobstore/types.[static]incoming-value.incoming-value-consume-async": trappable,
        "wasi:blobstore/types.[method]incoming-value.size": trappable,
        "wasi:blobstore/types.[drop]incoming-value": trappable,
        "wasi:blobstore/container.[method]container.name": trappable,
        "wasi:blobstore/container.[drop]container": trappable,
        "wasi:blobstore/container.[drop]stream-object-names": trappable,
        default: async | trappable,
    },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:blobstore/types.outgoing-value": super::outgoing::Outgoing,
        "wasi:blobstore/types.incoming-value": super::incoming::Incoming,
        "wasi:blobstore/container.container": super::Container,
        "wasi:blobstore/container.stream-object-names": super::Names,
    },
});

/// What a call answers: an error in words, or a trap.
type Answer<T> = wasmtime::Result<Result<T, String>>;

/// A component's handle is taken while its stream is there, which the contract forbids.
const STREAM_IS_THERE: &str =
    "the output-stream of an outgoing-value has to be dropped before the value is finished or dropped";

// === impl Failure ===

impl Failure {
    fn answer<T>(self) -> Answer<T> {
        match self {
            Self::Told(text) => Ok(Err(text)),
            Self::Trap(error) => Err(error),
        }
    }

    /// In words, where nothing else is possible.
    pub(super) fn text(self) -> String {
        match self {
            Self::Told(text) => text,
            Self::Trap(error) => error.to_string(),
        }
    }
}

fn answer<T>(outcome: Result<T, Failure>) -> Answer<T> {
    outcome.map_or_else(Failure::answer, |value| Ok(Ok(value)))
}

impl types::Host for State {}

impl types::HostOutgoingValue for State {
    fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<Outgoing>> {
        Ok(self.table.push(Outgoing::new())?)
    }

    fn outgoing_value_write_body(
        &mut self,
        value: Resource<Outgoing>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let Some(stream) = self.table.get_mut(&value)?.stream() else { return Ok(Err(())) };
        let stream: DynOutputStream = Box::new(stream);
        Ok(Ok(self.table.push(stream)?))
    }

    async fn finish(&mut self, value: Resource<Outgoing>) -> Answer<()> {
        let value = self.table.delete(value)?;
        if value.has_stream() {
            bail!(STREAM_IS_THERE);
        }
        answer(value.finish().await)
    }

    fn drop(&mut self, value: Resource<Outgoing>) -> wasmtime::Result<()> {
        if self.table.delete(value)?.has_stream() {
            bail!(STREAM_IS_THERE);
        }
        Ok(())
    }
}

impl types::HostIncomingValue for State {
    async fn incoming_value_consume_sync(&mut self, value: Resource<Incoming>) -> Answer<Vec<u8>> {
        answer(self.table.delete(value)?.whole().await)
    }

    fn incoming_value_consume_async(&mut self, value: Resource<Incoming>) -> Answer<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(self.table.delete(value)?.into_stream());
        Ok(Ok(self.table.push(stream)?))
    }

    fn size(&mut self, value: Resource<Incoming>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&value)?.size())
    }

    fn drop(&mut self, value: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}

impl container::Host for State {}

impl container::HostContainer for State {
    fn name(&mut self, container: Resource<Container>) -> Answer<String> {
        Ok(Ok(self.table.get(&container)?.place.name().to_owned()))
    }

    async fn info(&mut self, container: Resource<Container>) -> Answer<container::ContainerMetadata> {
        let container = super::opened(self, &container)?;
        let name = container.place.name().to_owned();
        answer(container.created_at().await.map(|created_at| container::ContainerMetadata { name, created_at }))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> Answer<Resource<Incoming>> {
        let container = super::opened(self, &container)?.clone();
        match container.get(&name, Span { first: start, last: end }).await {
            Ok(blob) => answer(self.table.push(Incoming::new(container.link, blob)).map_err(Failure::from)),
            Err(failure) => failure.answer(),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        data: Resource<Outgoing>,
    ) -> Answer<()> {
        let container = super::opened(self, &container)?.clone();
        if self.table.get(&data)?.has_target() {
            return Ok(Err("the value goes somewhere already".into()));
        }
        let target = match container.target(&name).await {
            Ok(target) => target,
            Err(failure) => return failure.answer(),
        };
        self.table.get(&data)?.send_to(target);
        Ok(Ok(()))
    }

    async fn list_objects(&mut self, container: Resource<Container>) -> Answer<Resource<Names>> {
        let container = super::opened(self, &container)?.clone();
        match container.exists().await {
            Ok(true) => answer(self.table.push(Names { container, after: None }).map_err(Failure::from)),
            Ok(false) => container.is_absent().answer(),
            Err(failure) => failure.answer(),
        }
    }

    async fn delete_object(&mut self, container: Resource<Container>, name: String) -> Answer<()> {
        answer(super::opened(self, &container)?.delete(&[name]).await)
    }

    async fn delete_objects(&mut self, container: Resource<Container>, names: Vec<String>) -> Answer<()> {
        answer(super::opened(self, &container)?.delete(&names).await)
    }

    async fn has_object(&mut self, container: Resource<Container>, name: String) -> Answer<bool> {
        answer(super::opened(self, &container)?.has(&name).await)
    }

    async fn object_info(&mut self, container: Resource<Container>, name: String) -> Answer<container::ObjectMetadata> {
        let container = super::opened(self, &container)?;
        let facts = container.facts(&name).await;
        answer(facts.and_then(|facts| facts.ok_or_else(|| super::no_object(&name))).map(|facts| {
            container::ObjectMetadata {
                container: container.place.name().to_owned(),
                created_at: super::seconds(facts.created),
                size: facts.size,
                name,
            }
        }))
    }

    async fn clear(&mut self, container: Resource<Container>) -> Answer<()> {
        answer(super::opened(self, &container)?.clear().await)
    }

    fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.table.delete(container)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for State {
    async fn read_stream_object_names(&mut self, names: Resource<Names>, count: u64) -> Answer<(Vec<String>, bool)> {
        answer(super::listing(self, &names)?.next(count).await)
    }

    async fn skip_stream_object_names(&mut self, names: Resource<Names>, count: u64) -> Answer<(u64, bool)> {
        answer(super::listing(self, &names)?.skip(count).await)
    }

    fn drop(&mut self, names: Resource<Names>) -> wasmtime::Result<()> {
        self.table.delete(names)?;
        Ok(())
    }
}

impl blobstore::Host for State {
    async fn create_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let created = match super::container(self, &name) {
            Ok(container) => container.create().await.map(|()| container),
            Err(failure) => Err(failure),
        };
        answer(created.and_then(|container| Ok(self.table.push(container)?)))
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let found = match super::container(self, &name) {
            Ok(container) => container.exists().await.map(|exists| (exists, container)),
            Err(failure) => Err(failure),
        };
        answer(found.and_then(|(exists, container)| match exists {
            true => Ok(self.table.push(container)?),
            false => Err(container.is_absent()),
        }))
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        match super::container(self, &name) {
            Ok(container) => answer(container.remove().await),
            Err(failure) => failure.answer(),
        }
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        match super::container(self, &name) {
            Ok(container) => answer(container.exists().await),
            Err(failure) => failure.answer(),
        }
    }

    async fn copy_object(&mut self, source: blobstore::ObjectId, target: blobstore::ObjectId) -> Answer<()> {
        match ends(self, &source, &target) {
            Ok((from, to)) => answer(from.copy(&source.object, &to, &target.object).await),
            Err(failure) => failure.answer(),
        }
    }

    async fn move_object(&mut self, source: blobstore::ObjectId, target: blobstore::ObjectId) -> Answer<()> {
        match ends(self, &source, &target) {
            Ok((from, to)) => answer(from.move_to(source.object, &to, &target.object).await),
            Err(failure) => failure.answer(),
        }
    }
}

fn ends(
    state: &State,
    source: &blobstore::ObjectId,
    target: &blobstore::ObjectId,
) -> Result<(Container, Container), Failure> {
    Ok((super::container(state, &source.container)?, super::container(state, &target.container)?))
}
