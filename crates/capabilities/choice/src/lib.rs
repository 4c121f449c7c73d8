//! `wasmcloud:bus/lattice` for components: which of several links for one interface their later calls follow.
//!
//! ```text
//! set-link-name("cache", [wasi:keyvalue/store])  ─▶  engine::State::choose
//! wasi:keyvalue/store open("")                   ─▶  engine::State::chosen ─▶ the link named cache
//! ```
//!
//! # Invariants
//!
//! 1. A name is chosen only where there is a link of that name: see [`Names`].
//! 2. A choice is its instance's own, as its memory is: it lasts as long, and nobody else's calls go elsewhere for it.
//!
//! # Not here
//!
//! Following a choice: that is done by whoever has several links to choose from.

use capability::Linking;
use engine::State;
use model::{Contract, Contracts, LinkName};
use wasmtime::component::{HasSelf, Resource};

mod first {
    wasmtime::component::bindgen!({
        path: "../../../wit/wasmcloud-bus-1",
        world: "wasmcloud:bus/imports",
        imports: { default: trappable },
        with: { "wasmcloud:bus/lattice.call-target-interface": super::Interface },
    });
}

mod second {
    wasmtime::component::bindgen!({
        path: "../../../wit/wasmcloud-bus",
        world: "wasmcloud:bus/imports",
        imports: { default: trappable },
        with: { "wasmcloud:bus/lattice.call-target-interface": super::Interface },
    });
}

use first::wasmcloud::bus::lattice as lattice1;
use second::wasmcloud::bus::lattice as lattice2;

/// What is offered, each in its exact version.
pub const CONTRACTS: [&str; 2] = ["wasmcloud:bus/lattice@1.0.0", "wasmcloud:bus/lattice@2.0.1"];

/// The links of one component, by what they are for and their names.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<(Contracts, LinkName)>);

/// An interface as a component names it: `wasi:keyvalue/store`.
pub struct Interface(Contract);

/// There is no link to choose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no link {name} for {interface}; put one with `wattle link put … --name {name}`")]
pub struct NoSuchLink {
    name: String,
    interface: String,
}

/// Defines the functions.
pub fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    let [first, second] = CONTRACTS;
    linking.define(first, lattice1::add_to_linker_instance::<_, HasSelf<State>>)?;
    linking.define(second, lattice2::add_to_linker_instance::<_, HasSelf<State>>)
}

// === impl Names ===

impl Names {
    /// These links, of which one without a name is there for every interface.
    pub fn new(links: impl IntoIterator<Item = (Contracts, LinkName)>) -> Self {
        Self(links.into_iter().collect())
    }

    fn check(&self, name: &LinkName, interface: &Contract) -> Result<(), NoSuchLink> {
        let is_it = |(contracts, other): &(Contracts, LinkName)| other == name && contracts.covers(interface);
        if name.is_default() || self.0.iter().any(is_it) {
            return Ok(());
        }
        Err(NoSuchLink { name: name.as_str().to_owned(), interface: interface.to_string() })
    }
}

fn interface((namespace, package, interface): (String, String, String)) -> Interface {
    Interface(Contract { namespace, package, interface, version: None })
}

/// Chooses the link of that name for all interfaces, or for none where one has no such link. The handles are the caller's no more.
fn choose(
    state: &mut State,
    name: &str,
    interfaces: Vec<Resource<Interface>>,
) -> wasmtime::Result<Result<(), NoSuchLink>> {
    let interfaces = interfaces.into_iter().map(|interface| state.table.delete(interface).map(|interface| interface.0));
    let interfaces: Vec<Contract> = interfaces.collect::<Result<_, _>>()?;
    let name = if name.is_empty() { State::DEFAULT_NAME } else { name };
    let links = state.bound().part::<Names>().cloned().unwrap_or_default();
    let checked = interfaces.iter().try_for_each(|interface| match name.parse() {
        Ok(name) => links.check(&name, interface),
        Err(_) => Err(NoSuchLink { name: name.to_owned(), interface: interface.to_string() }),
    });
    if checked.is_ok() {
        interfaces.iter().for_each(|interface| state.choose(&interface.to_string(), name));
    }
    Ok(checked)
}

impl lattice1::Host for State {
    /// This version has no error: who chooses what is not there is stopped, before a call goes where it should not.
    fn set_link_name(&mut self, name: String, interfaces: Vec<Resource<Interface>>) -> wasmtime::Result<()> {
        Ok(choose(self, &name, interfaces)??)
    }
}

impl lattice1::HostCallTargetInterface for State {
    fn new(&mut self, namespace: String, package: String, name: String) -> wasmtime::Result<Resource<Interface>> {
        Ok(self.table.push(interface((namespace, package, name)))?)
    }

    fn drop(&mut self, this: Resource<Interface>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl lattice2::Host for State {
    fn set_link_name(
        &mut self,
        name: String,
        interfaces: Vec<Resource<Interface>>,
    ) -> wasmtime::Result<Result<(), String>> {
        Ok(choose(self, &name, interfaces)?.map_err(|error| error.to_string()))
    }
}

impl lattice2::HostCallTargetInterface for State {
    fn new(&mut self, namespace: String, package: String, name: String) -> wasmtime::Result<Resource<Interface>> {
        Ok(self.table.push(interface((namespace, package, name)))?)
    }

    fn drop(&mut self, this: Resource<Interface>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
