//! This is what a provider gives as a stream, names or the bytes of an object, with what says at its end whether it was all.

use bytes::Bytes;
use wire::{Beside, ByteStream, Decode, Encode, ItemStream, Later, Underway};

use super::{Answer, Provider, Version, Ways};
use crate::blobs::BlobsError;
use crate::scope::Container;

/// What comes beside the answer, in each version.
const BESIDES: [Beside; 2] =
    [Beside { stream: None, answer: &[&[0, 0], &[0, 1]] }, Beside { stream: None, answer: &[&[0]] }];

/// In the newer version, the number of the path that says whether it was all.
const FATE: usize = 1;

/// A stream that a provider has begun to give.
pub(super) struct Coming<S> {
    underway: Underway,
    stream: S,
    /// In the newer version, what says whether it was all.
    fate: Option<Later<Answer<()>>>,
}

// === impl Coming ===

impl<S: Decode> Coming<S> {
    /// Asks for something in a container that comes as a stream.
    pub(super) async fn begin(
        provider: &Provider,
        (container, ways): (&Container, &Ways),
        values: &impl Encode,
    ) -> Result<Self, BlobsError> {
        let (version, mut underway) = provider.begin(container, (ways, BESIDES), values).await?;
        let failed = |error| provider.failed(error);
        let refused = |words: String| provider.refused(&words);
        let (stream, fate) = match version {
            Version::New => {
                let answer = underway.answer::<Answer<(S, Later<Answer<()>>)>>().await;
                let (stream, fate) = answer.map_err(failed)?.map_err(refused)?;
                (stream, Some(fate))
            }
            Version::Old => {
                let answer = underway.answer::<Answer<S>>().await;
                (answer.map_err(failed)?.map_err(refused)?, None)
            }
        };
        Ok(Self { underway, stream, fate })
    }
}

impl<S> Coming<S> {
    /// Whether it was all, once nothing more comes.
    async fn end(&mut self, provider: &Provider) -> Result<(), BlobsError> {
        let Some(mut fate) = self.fate.take() else { return Ok(()) };
        let fate = self.underway.later(FATE, &mut fate).await.map_err(|error| provider.broken(error))?;
        fate.map_err(|words| provider.refused(&words))
    }
}

impl Coming<ByteStream> {
    /// The next bytes; nothing after the last, when it is known that it was all.
    pub(super) async fn next(&mut self, provider: &Provider) -> Result<Option<Bytes>, BlobsError> {
        match self.underway.bytes(&mut self.stream).await.map_err(|error| provider.broken(error))? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.end(provider).await.map(|()| None),
        }
    }
}

impl Coming<ItemStream<String>> {
    /// The next names; nothing after the last, when it is known that it was all.
    pub(super) async fn next(&mut self, provider: &Provider) -> Result<Option<Vec<String>>, BlobsError> {
        match self.underway.items(&mut self.stream).await.map_err(|error| provider.broken(error))? {
            Some(names) => Ok(Some(names)),
            None => self.end(provider).await.map(|()| None),
        }
    }
}
