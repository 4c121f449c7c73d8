//! Pages of what a provider lists: it has an order of its own, so that all names are looked at for each page.

use capability::provider::Least;
use wire::{Beside, FlowError, ItemStream, Later};

use super::{Answer, Provider, Version};
use crate::blobs::{BlobsError, Page};
use crate::scope::Container;

/// Names that are asked for at once: so many fit into what may wait to be read.
const NAMES_MAX: u64 = 10_000;

/// What comes beside the answer, in each version.
const BESIDES: [Beside; 2] =
    [Beside { stream: None, answer: &[&[0, 0], &[0, 1]] }, Beside { stream: None, answer: &[&[0]] }];

/// In the newer version, the number of the path that says whether it was all.
const FATE: usize = 1;

/// The least names of a container that come after another.
pub(super) async fn page(
    provider: &Provider,
    container: &Container,
    page: Page<'_>,
) -> Result<Vec<String>, BlobsError> {
    let mut least = Least::new(page.after, page.count_max);
    let (mut offset, mut before) = (0, None);
    loop {
        let (count, first) = look_at(provider, container, (&mut least, offset)).await?;
        offset += count;
        // More than were asked for is all, from one who counts nothing; and the same again is all, from one who skips nothing.
        if count != NAMES_MAX || first == before {
            return Ok(least.into_names());
        }
        before = first;
    }
}

/// Looks at the names behind so many others: how many there are, and which is the first.
async fn look_at(
    provider: &Provider,
    container: &Container,
    (least, offset): (&mut Least<'_>, u64),
) -> Result<(u64, Option<String>), BlobsError> {
    let asked = (container.name(), Some(NAMES_MAX), Some(offset));
    let (version, mut underway) = provider.begin(container, (&provider.functions().list, BESIDES), &asked).await?;
    let failed = |error| provider.failed(error);
    let broken = |error: FlowError| provider.broken(error);
    let refused = |words: String| provider.refused(&words);
    let (mut names, fate) = match version {
        Version::New => {
            let answer = underway.answer::<Answer<(ItemStream<String>, Later<Answer<()>>)>>().await;
            let (names, fate) = answer.map_err(failed)?.map_err(refused)?;
            (names, Some(fate))
        }
        Version::Old => {
            let answer = underway.answer::<Answer<ItemStream<String>>>().await;
            (answer.map_err(failed)?.map_err(refused)?, None)
        }
    };
    let (mut count, mut first) = (0, None);
    while let Some(more) = underway.items(&mut names).await.map_err(broken)? {
        count += more.len() as u64;
        first = first.or_else(|| more.first().cloned());
        least.add(more);
    }
    if let Some(mut fate) = fate {
        underway.later(FATE, &mut fate).await.map_err(broken)?.map_err(refused)?;
    }
    Ok((count, first))
}
