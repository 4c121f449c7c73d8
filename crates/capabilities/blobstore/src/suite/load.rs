//! Writes without a pause while a server is killed under it.

use std::time::Duration;

use testkit::Mortal;

use super::{HOME, container, read};
use crate::{Blobs, BlobsError, Object, Span};

/// A server that is killed under load costs only the objects of that time, each of which is known to be there or not within `limit`:
/// what was acknowledged is there, whole.
pub(crate) fn survives_kills(blobs: &dyn Blobs, server: &mut impl Mortal, limit: Duration) {
    let files = container("shop", "files");
    HOME.block_on(blobs.create(&files)).expect("it is created");
    let acknowledged = testkit::survives_kills(server, limit, |name| {
        let object = files.object(&name);
        async move {
            let outcome = write(blobs, &object, name).await;
            assert!(matches!(outcome, Ok(()) | Err(BlobsError::Unavailable { .. })), "{outcome:?}");
            outcome.is_ok()
        }
    });
    for name in acknowledged {
        let bytes = HOME.block_on(read(blobs, &files.object(&name), Span::ALL));
        assert_eq!(bytes.as_deref(), Some(name.as_bytes()), "{name} was acknowledged and is gone");
    }
}

async fn write(blobs: &dyn Blobs, object: &Object, bytes: String) -> Result<(), BlobsError> {
    let mut upload = blobs.write(object).await?;
    upload.write(bytes.into()).await?;
    upload.finish().await
}
