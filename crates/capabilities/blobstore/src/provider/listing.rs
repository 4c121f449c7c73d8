//! Pages of what a provider lists: it has an order of its own, so that all names are looked at for each page.

use capability::provider::Least;
use wire::ItemStream;

use super::Provider;
use super::coming::Coming;
use crate::blobs::{BlobsError, Page};
use crate::scope::Container;

/// Names that are asked for at once: so many fit into what may wait to be read.
const NAMES_MAX: u64 = 10_000;

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
    let mut names =
        Coming::<ItemStream<String>>::begin(provider, (container, &provider.functions().list), &asked).await?;
    let (mut count, mut first) = (0, None);
    while let Some(more) = names.next(provider).await? {
        count += more.len() as u64;
        first = first.or_else(|| more.first().cloned());
        least.add(more);
    }
    Ok((count, first))
}
