//! These are the streams of a component that keeps objects: the host's own, or such that it makes itself.
//!
//! # Invariants
//!
//! 1. A stream that the component has from the host is taken from it and used without it, at the speed of whoever is behind it.
//! 2. One that it makes itself is read and written in pieces by what it exports. What it gives beyond what was asked for is dropped.

use std::ops::Range;

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, ResourceAny, ResourceType};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError};

use super::{Export, Inside, Said, Trouble};

/// So many bytes are read at once.
const PIECE: u64 = 64 << 10;

/// The most that may be written at once by `blocking-write-and-flush`.
const WRITTEN_MAX: usize = 4096;

/// What an object is read from.
pub(in crate::component) enum Source {
    Host(DynInputStream),
    Own(ResourceAny),
}

/// What an object is written to.
pub(in crate::component) enum Sink {
    Host(DynOutputStream),
    Own(ResourceAny),
}

/// Why a stream that the component makes itself does not go on.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum Ended {
    #[component(name = "last-operation-failed")]
    Failed(ResourceAny),
    #[component(name = "closed")]
    Closed,
}

// === impl Inside ===

impl Inside<'_> {
    /// Begins to read a part of an object, which is not empty.
    pub(in crate::component) async fn source(
        &mut self,
        container: ResourceAny,
        (object, span): (String, Range<u64>),
    ) -> Said<Source> {
        // The contract counts the last byte.
        let data = (container, object, span.start, span.end - 1);
        let value: ResourceAny = self.ask(Export::GetData, data).await?;
        let stream: ResourceAny = self.ask(Export::Consume, (value,)).await?;
        if stream.ty() != ResourceType::host::<DynInputStream>() {
            return Ok(Source::Own(stream));
        }
        Ok(Source::Host(self.input(stream)?))
    }

    /// The next bytes of an object, at most so many; nothing after the last.
    pub(in crate::component) async fn read(&mut self, source: &mut Source, most: u64) -> Said<Option<Bytes>> {
        let most = most.min(PIECE);
        match source {
            Source::Host(stream) => loop {
                match stream.read(most as usize) {
                    Ok(bytes) if bytes.is_empty() => stream.ready().await,
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(StreamError::Closed) => return Ok(None),
                    Err(error) => return Err(broken(error)),
                }
            },
            Source::Own(stream) => loop {
                let read = self.call::<_, (Result<Vec<u8>, Ended>,)>(Export::ReadStream, (*stream, most)).await?;
                match read.0 {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(mut bytes) => {
                        bytes.truncate(most as usize);
                        return Ok(Some(bytes.into()));
                    }
                    Err(Ended::Closed) => return Ok(None),
                    Err(Ended::Failed(error)) => return self.close(error, Err(stopped())).await,
                }
            },
        }
    }

    /// Reads no more, whatever came of it.
    pub(in crate::component) async fn close_source<T>(&mut self, source: Source, outcome: Said<T>) -> Said<T> {
        match source {
            Source::Host(_) => outcome,
            Source::Own(stream) => self.close(stream, outcome).await,
        }
    }

    /// The stream by which a value is written.
    pub(in crate::component) async fn sink(&mut self, value: ResourceAny) -> Said<Sink> {
        let (body,) = self.call::<_, (Result<ResourceAny, ()>,)>(Export::WriteBody, (value,)).await?;
        let Ok(stream) = body else { return Err(Trouble::Said("it gives no stream to write an object to".into())) };
        if stream.ty() != ResourceType::host::<DynOutputStream>() {
            return Ok(Sink::Own(stream));
        }
        Ok(Sink::Host(self.output(stream)?))
    }

    /// Writes to an object; returns when there is room for more.
    pub(in crate::component) async fn write(&mut self, sink: &mut Sink, mut bytes: Bytes) -> Said<()> {
        while !bytes.is_empty() {
            match sink {
                Sink::Host(stream) => {
                    let room = stream.write_ready().await.map_err(broken)?;
                    let piece = bytes.split_to(bytes.len().min(room));
                    stream.write(piece).map_err(broken)?;
                }
                Sink::Own(stream) => {
                    let piece = bytes.split_to(bytes.len().min(WRITTEN_MAX)).to_vec();
                    let written = self.call::<_, (Result<(), Ended>,)>(Export::WriteStream, (*stream, piece)).await?;
                    match written.0 {
                        Ok(()) => {}
                        Err(Ended::Closed) => return Err(stopped()),
                        Err(Ended::Failed(error)) => return self.close(error, Err(stopped())).await,
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes no more. What was written is on its way where that ended well.
    pub(in crate::component) async fn close_sink(&mut self, sink: Sink, outcome: Said<()>) -> Said<()> {
        match sink {
            Sink::Host(stream) => match outcome {
                Ok(()) => flushed(stream).await,
                outcome => outcome,
            },
            Sink::Own(stream) => self.close(stream, outcome).await,
        }
    }

    fn input(&mut self, stream: ResourceAny) -> wasmtime::Result<DynInputStream> {
        let store = self.instance.store();
        let handle = stream.try_into_resource::<DynInputStream>(&mut *store)?;
        Ok(store.data_mut().table.delete(handle)?)
    }

    fn output(&mut self, stream: ResourceAny) -> wasmtime::Result<DynOutputStream> {
        let store = self.instance.store();
        let handle = stream.try_into_resource::<DynOutputStream>(&mut *store)?;
        Ok(store.data_mut().table.delete(handle)?)
    }
}

/// Waits until all that was written is where it goes.
async fn flushed(mut stream: DynOutputStream) -> Said<()> {
    match stream.flush() {
        Ok(()) | Err(StreamError::Closed) => {}
        Err(error) => return Err(broken(error)),
    }
    match stream.write_ready().await {
        Ok(_) | Err(StreamError::Closed) => Ok(()),
        Err(error) => Err(broken(error)),
    }
}

/// What it is for the component that a stream of the host does not go on.
fn broken(error: StreamError) -> Trouble<wasmtime::Error> {
    match error {
        StreamError::Closed => stopped(),
        StreamError::LastOperationFailed(error) => Trouble::Said(format!("{error:#}")),
        StreamError::Trap(error) => Trouble::Failed(error),
    }
}

fn stopped() -> Trouble<wasmtime::Error> {
    Trouble::Said("its stream takes or gives no more".into())
}
