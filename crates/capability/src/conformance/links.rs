//! Proves that what a capability says it offers is what a component can import.

use std::collections::BTreeSet;
use std::path::Path;

use engine::{Part, State};
use model::Contract;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use crate::{Capability, Linking};

/// Links a component that imports all of each of these WIT packages, on an engine with concurrency support and on one
/// without. Each folder has one world, and each contract that it imports is among those that the capability says it offers;
/// `wasi:io`, whose streams some contracts use, is there for all.
/// Answers with the contracts that were linked.
///
/// # Panics
///
/// Where that is not so.
pub fn links(capability: &dyn Capability, folders: &[&Path]) -> BTreeSet<Contract> {
    let offered: BTreeSet<Contract> = capability.contracts().into_iter().collect();
    let mut linked = BTreeSet::new();
    for folder in folders {
        let bytes = importer(folder);
        for concurrency in [false, true] {
            let engine =
                Engine::new(Config::new().concurrency_support(concurrency)).expect("an engine of the default settings");
            let component = Component::new(&engine, &bytes).expect("the component is well formed");
            let mut linker = Linker::<State>::new(&engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI links");
            capability.define(&mut Linking::new(&mut linker, Part::FIRST)).expect("the capability links");
            let shape = component.component_type();
            let names = shape.imports(&engine).map(|(name, _)| name).filter(|name| !name.starts_with("wasi:io/"));
            linked.extend(names.map(|name| name.parse::<Contract>().expect("an import is a contract")));
            let instance = linker.instantiate_pre(&component);
            assert!(instance.is_ok(), "{}: {:?}", folder.display(), instance.err());
        }
    }
    let missing: Vec<_> = linked.difference(&offered).map(Contract::to_string).collect();
    assert!(missing.is_empty(), "linked, yet not among what is offered: {missing:?}");
    linked
}

/// A component that imports all of the package in that folder, and does nothing with it.
fn importer(folder: &Path) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).expect("the folder holds a WIT package");
    let world = resolve.select_world(&[package], None).expect("the package has one world");
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world fits the module");
    let mut encoder = ComponentEncoder::default().module(&module).expect("the module is well formed");
    encoder.encode().expect("the module makes a component")
}
