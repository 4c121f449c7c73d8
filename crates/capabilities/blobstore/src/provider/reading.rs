//! This is an object of a provider that is being read, part after part.
//!
//! The protocol lets a provider send as fast as it can, and whoever reads cannot stop it. So it is asked for no more at once than
//! may wait here. Some send the whole object whatever they are asked for: so what comes behind the first part of an object is read
//! on, and one of theirs is read from its beginning, in one part. Elsewhere they are refused.
//!
//! # Invariants
//!
//! 1. The pieces together are as long as they were said to be, or the last is an error: an object that has another size or
//!    another time than at the beginning is not read on. A provider that says the same of another object is believed.

use std::ops::Range;

use bytes::Bytes;
use wire::ByteStream;

use super::coming::Coming;
use super::{Provider, id};
use crate::blobs::{Blobs, BlobsError, Facts};
use crate::scope::Object;

/// So much is asked for at once.
const PART: u64 = 1 << 20;

/// A provider may give so much more than it was asked for: the last byte, where it is included.
const MORE: u64 = 1;

/// An object between two of its pieces.
pub(super) struct Reading {
    provider: Provider,
    object: Object,
    facts: Facts,
    /// What is to be read still.
    span: Range<u64>,
    part: Option<Part>,
    /// Whether it is read in more than one part.
    is_parted: bool,
}

/// A part that is coming.
struct Part {
    coming: Coming<ByteStream>,
    /// How much of it is taken still, where it comes.
    left: u64,
    /// How much of it has to come.
    due: u64,
    /// How much may come behind it.
    more: u64,
    /// Whether it may reach to the end of the object, behind which there is nothing.
    is_last: bool,
}

// === impl Reading ===

impl Reading {
    pub(super) fn new(provider: Provider, (object, facts): (&Object, Facts), span: Range<u64>) -> Self {
        let is_parted = span.end - span.start > PART;
        Self { provider, object: object.clone(), facts, span, part: None, is_parted }
    }

    /// The next piece; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BlobsError> {
        loop {
            let Some(part) = &mut self.part else {
                if self.span.is_empty() {
                    return Ok(None);
                }
                self.part = Some(begin(&self.provider, (&self.object, self.facts.size), &self.span).await?);
                continue;
            };
            if let Some(piece) = part.next(&self.provider).await? {
                self.span.start += piece.len() as u64;
                return Ok(Some(piece));
            }
            self.part = None;
            if self.is_parted {
                self.check().await?;
            }
        }
    }

    /// Whether it is the same object still.
    async fn check(&mut self) -> Result<(), BlobsError> {
        match self.provider.facts(&self.object).await? {
            Some(facts) if facts == self.facts => Ok(()),
            _ => Err(changed(&self.provider)),
        }
    }
}

/// Asks for the first part of a span of an object.
async fn begin(provider: &Provider, (object, size): (&Object, u64), span: &Range<u64>) -> Result<Part, BlobsError> {
    let end = span.end.min(span.start.saturating_add(PART));
    // What does not count its end is asked for it, and at the end of the object whether there is more.
    let beyond = u64::from(end == size);
    let asked = (id(object), span.start, end.saturating_add(beyond));
    let coming =
        Coming::<ByteStream>::begin(provider, (object.container(), &provider.functions().read), &asked).await?;
    let due = end - span.start;
    // At the beginning of an object it does not matter whether all of it comes.
    let (left, more, is_last) = match span.start {
        0 if span.end == size => (size, u64::MAX, true),
        0 => (span.end, size - span.end, false),
        _ => (due, MORE + beyond, end == size),
    };
    Ok(Part { coming, left, due, more, is_last })
}

// === impl Part ===

impl Part {
    /// The next piece; nothing after the last, when it is known that it was whole.
    async fn next(&mut self, provider: &Provider) -> Result<Option<Bytes>, BlobsError> {
        while let Some(mut bytes) = self.coming.next(provider).await? {
            let count = self.left.min(bytes.len() as u64);
            let piece = bytes.split_to(usize::try_from(count).expect("it is no more than a piece, which is in memory"));
            self.left -= count;
            self.due = self.due.saturating_sub(count);
            self.behind(provider, bytes.len() as u64)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        if self.due > 0 { Err(changed(provider)) } else { Ok(None) }
    }

    /// So much has come behind it.
    fn behind(&mut self, provider: &Provider, count: u64) -> Result<(), BlobsError> {
        let too_much = "it gives more of an object than it was asked for: \
             of one that gives the whole whatever it is asked for, objects can be read from their beginning only";
        self.more = self.more.checked_sub(count).ok_or_else(|| provider.damaged(too_much))?;
        if count > 0 && self.is_last { Err(changed(provider)) } else { Ok(()) }
    }
}

fn changed(provider: &Provider) -> BlobsError {
    provider.unavailable("the object is not what it was when it was begun to be read")
}
