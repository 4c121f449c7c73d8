//! This is where a capability defines its functions: under their own names, for one part of a fused component under that
//! part's, or for one import with a label under that label.

use engine::{Getter, Part, State};
use model::Contract;
use wasmtime::component::{Linker, LinkerInstance};

/// Takes definitions for one part of a component.
pub struct Linking<'a> {
    linker: &'a mut Linker<State>,
    part: Part,
    label: Option<Label<'a>>,
}

/// An import with a label that is to be defined, until it is.
struct Label<'a> {
    /// What it is called as an import of the whole.
    name: &'a str,
    interface: &'a Contract,
    is_defined: bool,
}

// === impl Linking ===

impl<'a> Linking<'a> {
    /// Definitions go to `linker`, for this part of the components that it links.
    pub fn new(linker: &'a mut Linker<State>, part: Part) -> Self {
        Self { linker, part, label: None }
    }

    /// Only what meets `interface` goes to `linker`, as the import `name` of the components that it links, for this part of them.
    pub fn labelled(linker: &'a mut Linker<State>, part: Part, (name, interface): (&'a str, &'a Contract)) -> Self {
        Self { linker, part, label: Some(Label { name, interface, is_defined: false }) }
    }

    /// Lets `add` define the functions of an interface. They reach for their state by the getter that `add` is given, so that it
    /// acts for the part that imports them. What `wasmtime::component::bindgen!` makes as `add_to_linker_instance` fits.
    pub fn define(
        &mut self,
        interface: &str,
        add: impl FnOnce(&mut LinkerInstance<'_, State>, Getter) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<()> {
        let name = match &mut self.label {
            None => self.part.name(interface),
            Some(label) => {
                let is_wanted = interface.parse().is_ok_and(|offered| label.interface.is_met_by(&offered));
                if !is_wanted || std::mem::replace(&mut label.is_defined, true) {
                    return Ok(());
                }
                label.name.to_owned()
            }
        };
        add(&mut self.linker.instance(&name)?, self.part.acting())
    }
}
