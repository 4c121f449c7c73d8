//! What hosts are told to show to registries.

use std::collections::BTreeMap;

use model::Registry;
use model::lattice::{PutRegistries, RegistryCredential};

/// So many registries are told of at once.
const REGISTRIES_MAX: usize = 256;

/// What each registry is to be shown; or why nothing of it is taken.
pub(crate) fn logins(said: PutRegistries) -> Result<BTreeMap<Registry, RegistryCredential>, String> {
    if said.len() > REGISTRIES_MAX {
        return Err(format!("{} registries are named at once, and {REGISTRIES_MAX} may be", said.len()));
    }
    let login = |(address, credential): (String, RegistryCredential)| {
        let registry = Registry::of_address(&address).map_err(|error| error.to_string())?;
        let is_user = credential.username.is_some() && credential.password.is_some();
        match credential.registry_type.as_deref() {
            None | Some("oci") if is_user || credential.token.is_some() => Ok((registry, credential)),
            None | Some("oci") => {
                Err(format!("nobody is named to be shown to {registry}: give a user name with a password, or a token"))
            }
            Some(other) => {
                Err(format!("{registry} is said to be a registry of the kind {other:?}; this host knows oci"))
            }
        }
    };
    said.into_iter().map(login).collect()
}
