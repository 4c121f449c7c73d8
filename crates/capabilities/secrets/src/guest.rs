//! This is `wasmcloud:secrets@0.1.0-draft` as a component imports it.
//!
//! # Invariants
//!
//! 1. Why a secret cannot be read is for the log: a component is told that it cannot.

use std::sync::Arc;

use capability::{Linking, OpenLink};
use engine::State;
use model::{ComponentName, LinkName, Terms};
use stdx::Chain;
use tracing::warn;
use wasmtime::component::{HasSelf, Resource};

use self::wasmcloud::secrets::store::{SecretValue, SecretsError};
use self::wasmcloud::secrets::{reveal, store};
use crate::keep::{Keep, Name, Secret};

wasmtime::component::bindgen!({
    path: "../../../wit/wasmcloud-secrets",
    world: "wasmcloud:secrets/imports",
    imports: { default: async | trappable },
    with: { "wasmcloud:secrets/store.secret": crate::keep::Secret },
});

/// What is offered, each in its exact version.
pub(crate) const CONTRACTS: [&str; 2] = ["wasmcloud:secrets/store@0.1.0-draft", "wasmcloud:secrets/reveal@0.1.0-draft"];

/// Defines the functions.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    let [of_store, of_reveal] = CONTRACTS;
    linking.define(of_store, store::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(of_reveal, reveal::add_to_linker_instance::<_, HasSelf<State>>)
}

/// What one component is bound to.
pub(crate) struct Binding {
    component: ComponentName,
    /// In the order in which they are asked.
    links: Vec<Link>,
}

/// Where secrets come from, and on what terms.
struct Link {
    name: LinkName,
    keep: Option<Arc<dyn Keep>>,
    terms: Terms,
}

impl store::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Resource<Secret>, SecretsError>> {
        let bound = self.bound().clone();
        let found = match bound.part::<Binding>() {
            Some(binding) => binding.get(&key, self.chosen("wasmcloud:secrets/store")).await,
            None => Err(SecretsError::NotFound),
        };
        match found {
            Ok(secret) => Ok(Ok(self.table.push(secret)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl store::HostSecret for State {
    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

impl reveal::Host for State {
    async fn reveal(&mut self, secret: Resource<Secret>) -> wasmtime::Result<SecretValue> {
        let bytes = self.table.get(&secret)?.reveal();
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => SecretValue::String(text.to_owned()),
            Err(_) => SecretValue::Bytes(bytes.to_vec()),
        })
    }
}

// === impl Binding ===

impl Binding {
    /// The link without a name is asked first, then the others by their names.
    pub(crate) fn new(component: &ComponentName, links: &[OpenLink]) -> Self {
        let mut links: Vec<_> = links.iter().collect();
        links.sort_by_key(|link| (!link.name.is_default(), link.name.as_str()));
        let link = |link: &OpenLink| Link {
            name: link.name.clone(),
            keep: link.target.as_ref().and_then(|target| target.target()).cloned(),
            terms: link.terms.clone(),
        };
        Self { component: component.clone(), links: links.into_iter().map(link).collect() }
    }

    /// Asks the link that was chosen first.
    async fn get(&self, key: &str, chosen: &str) -> Result<Secret, SecretsError> {
        let name: Name = key.parse().map_err(|error| SecretsError::Upstream(format!("{error}")))?;
        let (first, others): (Vec<_>, Vec<_>) = self.links.iter().partition(|link| link.name.as_str() == chosen);
        for link in first.into_iter().chain(others) {
            let Some(keep) = &link.keep else {
                return Err(SecretsError::Upstream("where secrets come from is not available".into()));
            };
            match rt::within(link.terms.timeout, keep.get(&name)).await {
                Ok(Ok(Some(secret))) => return Ok(secret),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(self.failed(&name, &error)),
                Err(late) => return Err(self.failed(&name, &late)),
            }
        }
        Err(SecretsError::NotFound)
    }

    fn failed(&self, name: &Name, error: &(dyn std::error::Error + 'static)) -> SecretsError {
        warn!(component = %self.component, secret = name.as_str(), error = %Chain(error), "a secret cannot be given");
        SecretsError::Io("the secret cannot be read".into())
    }
}
