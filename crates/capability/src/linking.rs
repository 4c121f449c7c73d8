//! This is where a capability defines its functions: under their own names, or for one part of a fused component under that
//! part's.

use engine::{Getter, Part, State};
use wasmtime::component::{Linker, LinkerInstance};

/// Takes definitions for one part of a component.
pub struct Linking<'a> {
    linker: &'a mut Linker<State>,
    part: Part,
}

// === impl Linking ===

impl<'a> Linking<'a> {
    /// Definitions go to `linker`, for this part of the components that it links.
    pub fn new(linker: &'a mut Linker<State>, part: Part) -> Self {
        Self { linker, part }
    }

    /// Lets `add` define the functions of an interface. They reach for their state by the getter that `add` is given, so that it
    /// acts for the part that imports them. What `wasmtime::component::bindgen!` makes as `add_to_linker_instance` fits.
    pub fn define(
        &mut self,
        interface: &str,
        add: impl FnOnce(&mut LinkerInstance<'_, State>, Getter) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<()> {
        let mut instance = self.linker.instance(&self.part.name(interface))?;
        add(&mut instance, self.part.acting())
    }
}
