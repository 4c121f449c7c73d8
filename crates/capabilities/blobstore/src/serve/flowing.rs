//! What a component that keeps objects is asked by others, where something flows: objects, in both directions, and listings.
//!
//! # Invariants
//!
//! 1. What the component says of what it could not go on with is said as the contract has it; where it failed, the answer is cut.
//! 2. An object whose stream was cut is not finished: nothing of it is there.
//! 3. Whoever gives or takes slowly, or has gone, has a place of the component for as long as one invocation may take, and no longer.

use bytes::Bytes;
use capability::refusal;
use stdx::BoxError;
use wire::{
    AnswerError, Answered, Answering, ByteStream, Coming, Decode, DecodeError, EncodeError, Following, Function,
    Pending, Reader, Streaming, WriteError, encode,
};

use super::asked::{Id, id, no_container, no_object};
use crate::blobs::Span;
use crate::component::{Component, Trouble, Writing};
use crate::provider::{INSTANCES, Version};

/// What flows, with where among its parameters a stream is.
const NAMES: [(&str, &[&[u32]]); 3] =
    [("list-container-objects", &[]), ("get-container-data", &[]), ("write-container-data", &[&[1]])];

/// Something that is asked.
pub(super) enum Flowing {
    /// The names of a container: how many of them at most, behind how many.
    List(String, Option<u64>, Option<u64>),
    /// An object, from the one number to the other.
    Read(Id, u64, u64),
    Write(Id, ByteStream),
}

/// An answer was not given to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotGiven {
    #[error("it could not be answered")]
    Answer(#[from] AnswerError),
    #[error("what is beside the answer could not be said")]
    Write(#[from] WriteError),
    #[error("what comes beside the answer cannot be said")]
    Values(#[from] EncodeError),
    /// The caller is told that it is cut.
    #[error("the component failed, or what it was to keep did not come")]
    Cut(#[source] BoxError),
}

/// The functions of all versions.
pub(super) fn functions() -> Vec<(Function, &'static [&'static [u32]])> {
    let of = |instance: &'static str| NAMES.map(|(name, besides)| (Function::of(instance, name), besides));
    INSTANCES.into_iter().flat_map(of).collect()
}

/// Reads what the function of that number is asked.
pub(super) fn read(number: usize, reader: &mut Reader<'_>) -> Result<Flowing, DecodeError> {
    Ok(match number % NAMES.len() {
        0 => {
            let (container, limit, offset) = Decode::read(reader)?;
            Flowing::List(container, limit, offset)
        }
        1 => {
            let (object, start, end) = Decode::read(reader)?;
            Flowing::Read(object, start, end)
        }
        _ => {
            let (object, data) = Decode::read(reader)?;
            Flowing::Write(object, data)
        }
    })
}

/// Answers a call.
pub(super) async fn flow(component: &Component, call: Streaming<Flowing>) -> Result<(), NotGiven> {
    let Streaming { function, params, coming, answering, .. } = call;
    let version = if function < NAMES.len() { Version::New } else { Version::Old };
    match params {
        Flowing::List(container, limit, offset) => {
            let asked = (offset.unwrap_or(0), limit.unwrap_or(u64::MAX));
            list(component, (container, asked), (version, answering)).await
        }
        Flowing::Read(object, start, end) => {
            // The last byte is counted, as in the contract of components.
            let span = Span { first: start, last: end.max(start) };
            give(component, (object, span), (version, answering)).await
        }
        Flowing::Write(object, data) => {
            let written = answering.while_wanted(component.write(id(&object))).await?;
            let written = written.and_then(|writing| writing.ok_or_else(|| no_container(&object.0)));
            take(written, (coming, data), (version, answering)).await
        }
    }
}

/// Gives the names of a container.
async fn list(
    component: &Component,
    (container, asked): (String, (u64, u64)),
    (version, answering): (Version, Answering),
) -> Result<(), NotGiven> {
    let names = answering.while_wanted(component.names(&container, asked)).await?;
    let names = names.and_then(|names| names.ok_or_else(|| no_container(&container)));
    let Some((mut names, mut answered)) = begin(names, (version, answering)).await? else { return Ok(()) };
    let outcome = loop {
        match answered.while_wanted(names.next()).await? {
            // Where the component fails meanwhile, the next says so.
            Ok(Some(chunk)) => names.beside(answered.say_items(encode(&chunk)?)).await.unwrap_or(Ok(()))?,
            Ok(None) => break Ok(()),
            Err(trouble) => break Err(trouble),
        }
    };
    end(outcome, (version, answered)).await
}

/// Gives an object, or a part of it.
async fn give(
    component: &Component,
    (object, span): (Id, Span),
    (version, answering): (Version, Answering),
) -> Result<(), NotGiven> {
    let read = answering.while_wanted(component.read(id(&object), span)).await?;
    let read = read.and_then(|reading| reading.ok_or_else(|| no_object(&object)));
    let Some(((_, mut reading), mut answered)) = begin(read, (version, answering)).await? else { return Ok(()) };
    let outcome = loop {
        match answered.while_wanted(reading.next()).await? {
            // Where the component fails meanwhile, the next says so.
            Ok(Some(piece)) => reading.beside(answered.say(piece)).await.unwrap_or(Ok(()))?,
            Ok(None) => break Ok(()),
            Err(trouble) => break Err(trouble),
        }
    };
    end(outcome, (version, answered)).await
}

/// Takes an object. In the newer version it is said that it is taken before it is known what becomes of it.
async fn take(
    written: Result<Writing, Trouble>,
    (coming, data): (Coming, ByteStream),
    (version, answering): (Version, Answering),
) -> Result<(), NotGiven> {
    let writing = match written {
        Ok(writing) => writing,
        Err(trouble) => return refuse(trouble, answering).await,
    };
    match version {
        Version::New => {
            let following = Following { later: Some(&[0]), ..Following::default() };
            let mut answered = answering.begin(encode(&Ok::<_, String>(Pending)), following).await?;
            let fate = fate(pour((coming, data), writing).await)?;
            Ok(answered.later(fate).await?)
        }
        Version::Old => match pour((coming, data), writing).await {
            Ok(()) => Ok(answering.answer(encode(&Ok::<(), String>(()))).await?),
            Err(trouble) => refuse(trouble, answering).await,
        },
    }
}

/// Writes what comes, to its end.
async fn pour((mut coming, mut data): (Coming, ByteStream), mut writing: Writing) -> Result<(), Trouble> {
    loop {
        match writing.beside(coming.bytes(&mut data)).await {
            Some(Ok(Some(bytes))) => writing.say(bytes).await?,
            // All has come, or the component has failed, which is what it ends with.
            Some(Ok(None)) | None => return writing.finish().await,
            Some(Err(error)) => return Err(Trouble::Failed(error.into())),
        }
    }
}

/// Begins an answer of which a stream is the first, where there is something to be answered with.
async fn begin<T>(
    outcome: Result<T, Trouble>,
    (version, answering): (Version, Answering),
) -> Result<Option<(T, Answered)>, NotGiven> {
    let begun = match outcome {
        Ok(begun) => begun,
        Err(trouble) => return refuse(trouble, answering).await.map(|()| None),
    };
    let (values, following) = match version {
        Version::New => {
            let following = Following { stream: Some(&[0, 0]), later: Some(&[0, 1]) };
            (encode(&Ok::<_, String>((Pending, Pending))), following)
        }
        Version::Old => {
            let following = Following { stream: Some(&[0]), later: None };
            (encode(&Ok::<_, String>(Pending)), following)
        }
    };
    Ok(Some((begun, answering.begin(values, following).await?)))
}

/// Says that the stream was all, or what the component says of why it is not. The older version has no words for that: it is cut.
async fn end(outcome: Result<(), Trouble>, (version, mut answered): (Version, Answered)) -> Result<(), NotGiven> {
    match (version, outcome) {
        (Version::Old, Err(Trouble::Said(words))) => Err(NotGiven::Cut(words.into())),
        (_, outcome) => {
            let fate = fate(outcome)?;
            answered.end().await?;
            Ok(answered.later(fate).await?)
        }
    }
}

/// What became of what flowed, as the contract says it.
fn fate(outcome: Result<(), Trouble>) -> Result<Bytes, NotGiven> {
    match outcome {
        Ok(()) => Ok(encode(&Ok::<(), String>(()))?),
        Err(Trouble::Said(words)) => Ok(encode(&Err::<(), String>(words))?),
        Err(Trouble::Failed(error)) => Err(NotGiven::Cut(error)),
    }
}

/// Answers with what the component says, or says that it failed.
async fn refuse(trouble: Trouble, answering: Answering) -> Result<(), NotGiven> {
    match trouble {
        Trouble::Said(words) => Ok(answering.answer(encode(&Err::<(), String>(words))).await?),
        Trouble::Failed(error) => {
            answering.refuse(&refusal(&*error)).await;
            Ok(())
        }
    }
}
