//! This is an object that is being written to a provider.
//!
//! # Invariants
//!
//! 1. An object that is dropped is cut, and a provider can see that. What it makes of it is its own business.
//! 2. What the provider says before all was written ends the writing: it does not want the rest.

use async_trait::async_trait;
use bytes::Bytes;
use rt::within;
use wire::{Beside, FlowError, InvokeError, Later, Pending, Underway};

use super::{Answer, Provider, Version, id};
use crate::blobs::{BlobsError, Upload};
use crate::scope::Object;

/// What goes beside the parameters and comes beside the answer, in each version.
const BESIDES: [Beside; 2] = [Beside { stream: Some(1), answer: &[&[0]] }, Beside { stream: Some(1), answer: &[] }];

/// In the newer version, the number of the path that says whether it was written.
const FATE: usize = 0;

/// An object that is being written.
pub(super) struct Writing {
    provider: Provider,
    version: Version,
    /// Nothing once nobody waits for it any more.
    underway: Option<Underway>,
    /// In the newer version, what comes once the provider has taken it upon itself.
    taken: Option<Later<Answer<()>>>,
    is_broken: bool,
}

/// Why it is not known what became of the object.
enum Unknown {
    Invoke(InvokeError),
    Flow(FlowError),
}

// === impl Writing ===

impl Writing {
    pub(super) async fn begin(provider: Provider, object: &Object) -> Result<Self, BlobsError> {
        let (ways, values) = (&provider.functions().write, (id(object), Pending));
        let (version, underway) = provider.begin(object.container(), (ways, BESIDES), &values).await?;
        Ok(Self { provider, version, underway: Some(underway), taken: None, is_broken: false })
    }

    async fn say(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        let Some(underway) = &mut self.underway else { return Err(self.provider.unavailable("it was finished")) };
        while is_ready(underway, self.taken.as_ref()) {
            match fate(self.version, underway, &mut self.taken).await {
                Ok(None) => {}
                Ok(Some(Ok(()))) => return Err(self.provider.unavailable("it wants no more before all was written")),
                Ok(Some(Err(words))) => return Err(self.provider.refused(&words)),
                Err(unknown) => return Err(unknown.of(&self.provider)),
            }
        }
        let said = within(Some(self.provider.timeout()), underway.say(bytes)).await;
        let said = said.map_err(|late| self.provider.unavailable(late))?;
        said.map_err(|error| self.provider.unavailable(error))
    }
}

/// Whether there is something to hear at once.
fn is_ready(underway: &Underway, taken: Option<&Later<Answer<()>>>) -> bool {
    match taken {
        Some(taken) => taken.is_here() || underway.has_come(FATE),
        None => underway.is_answered(),
    }
}

/// What became of the object; nothing where the provider has only taken it upon itself.
async fn fate(
    version: Version,
    underway: &mut Underway,
    taken: &mut Option<Later<Answer<()>>>,
) -> Result<Option<Answer<()>>, Unknown> {
    if let Some(taken) = taken {
        return underway.later(FATE, taken).await.map(Some).map_err(Unknown::Flow);
    }
    match version {
        Version::Old => underway.answer().await.map(Some).map_err(Unknown::Invoke),
        Version::New => match underway.answer::<Answer<Later<Answer<()>>>>().await.map_err(Unknown::Invoke)? {
            Ok(later) => {
                *taken = Some(later);
                Ok(None)
            }
            Err(words) => Ok(Some(Err(words))),
        },
    }
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        // Until it is taken whole: whoever stops to wait for that has an object with a hole.
        let was_broken = std::mem::replace(&mut self.is_broken, true);
        if was_broken {
            return Err(self.provider.unavailable("an earlier piece was not written"));
        }
        self.say(bytes).await?;
        self.is_broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobsError> {
        if self.is_broken {
            return Err(self.provider.unavailable("a piece was not written"));
        }
        // From here on it is whole, whoever waits for it.
        let Some(mut underway) = self.underway.take() else { return Ok(()) };
        let limit = Some(self.provider.timeout());
        let ended = within(limit, underway.end()).await.map_err(|late| self.provider.unavailable(late))?;
        ended.map_err(|error| self.provider.unavailable(error))?;
        loop {
            let fate = within(limit, fate(self.version, &mut underway, &mut self.taken)).await;
            match fate.map_err(|late| self.provider.unavailable(late))? {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome.map_err(|words| self.provider.refused(&words)),
                Err(unknown) => return Err(unknown.of(&self.provider)),
            }
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut underway) = self.underway.take() else { return };
        let provider = self.provider.clone();
        self.provider.shared.aborts.push(async move {
            match within(Some(provider.timeout()), underway.cut()).await {
                Ok(cut) => cut.map_err(|error| provider.unavailable(error)),
                Err(late) => Err(provider.unavailable(late)),
            }
        });
    }
}

// === impl Unknown ===

impl Unknown {
    fn of(self, provider: &Provider) -> BlobsError {
        match self {
            Self::Invoke(error) => provider.failed(error),
            Self::Flow(error) => provider.broken(error),
        }
    }
}
