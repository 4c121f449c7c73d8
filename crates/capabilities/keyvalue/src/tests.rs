//! What the capability says of itself, and that it is so.

use std::path::Path;

use capability::Capability;

use crate::KeyValue;

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let keyvalue = KeyValue::new(capability::Place { folder: std::path::PathBuf::new() });
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    let linked =
        capability::conformance::links(&keyvalue, &[&wit.join("keyvalue-draft"), &wit.join("keyvalue-draft2")]);
    assert_eq!(linked, keyvalue.contracts().into_iter().collect());
}
