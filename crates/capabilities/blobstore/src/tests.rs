//! What the capability says of itself, and that it is so.

use std::path::Path;

use capability::Capability;

use crate::Blobstore;

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let blobstore = Blobstore::new(capability::Place { folder: std::path::PathBuf::new() });
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/blobstore");
    let linked = capability::conformance::links(&blobstore, &[&wit]);
    assert_eq!(linked, blobstore.contracts().into_iter().collect());
}
