//! This is how a file is read: a piece when it is asked for.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;

use super::files::{Found, read_at};
use super::off_thread;
use crate::blobs::{Blob, BlobsError, Span};

/// So much is read at once.
const PIECE: u64 = 256 << 10;

/// The bytes of a file.
pub(super) fn blob(found: Found, span: Span, store: String) -> Blob {
    let range = span.within(found.size);
    let (from, to) = (found.start + range.start, found.start + range.end);
    let pieces = stream::try_unfold((found.file, from), move |(mut file, at)| {
        let store = store.clone();
        async move {
            if at == to {
                return Ok(None);
            }
            let size = (to - at).min(PIECE);
            let asked = store.clone();
            let read = move || match read_at(&mut file, at, usize::try_from(size).expect("a piece is small")) {
                Ok(bytes) => Ok((bytes, file)),
                // A file never becomes shorter here: its name is given away only once it is whole.
                Err(source) => Err(BlobsError::Damaged { store: asked, source: source.into() }),
            };
            let (bytes, file) = off_thread(store, read).await?;
            Ok(Some((Bytes::from(bytes), (file, at + size))))
        }
    });
    Blob { size: range.end - range.start, pieces: pieces.boxed() }
}
