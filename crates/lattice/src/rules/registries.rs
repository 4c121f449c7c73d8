//! What hosts are told to show to registries.

use std::collections::BTreeMap;

use model::Registry;
use model::lattice::{PutRegistries, RegistryCredential};

/// What each registry is to be shown; or why nothing of it is taken.
pub(crate) fn logins(said: PutRegistries) -> Result<BTreeMap<Registry, RegistryCredential>, String> {
    let login = |(address, credential): (String, RegistryCredential)| {
        let registry = Registry::of_address(&address).map_err(|error| error.to_string())?;
        match credential.registry_type.as_deref() {
            None | Some("oci") => Ok((registry, credential)),
            Some(other) => {
                Err(format!("{registry} is said to be a registry of the kind {other:?}; this host knows oci"))
            }
        }
    };
    said.into_iter().map(login).collect()
}
