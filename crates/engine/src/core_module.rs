//! Core modules as they are: WASI 0.1 and no more.
//!
//! A command made for WASI 0.1 behaves most like itself when nothing is put between it and WASI 0.1. Whatever else a core module
//! imports belongs to the host that it was made for, which is not this one.

use std::sync::Arc;

use rt::Tick;
use wasmtime::{Engine, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;

use crate::anatomy::{Anatomy, Form};
use crate::meter::{Limits, Meter};
use crate::store::Metered;

/// The host's side of an instance of a core module.
pub struct CoreState {
    wasi: WasiP1Ctx,
    meter: Meter,
    deadline: Tick,
}

/// An import that this host cannot give.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ForeignImport {
    /// The first of its two names.
    pub module: String,
    /// The second.
    pub name: String,
}

// === impl CoreState ===

impl CoreState {
    /// An instance's state.
    pub fn new(wasi: &mut WasiCtxBuilder, limits: &Arc<Limits>) -> Self {
        let mut wasi = wasi.max_random_size(limits.random_bytes.as_u64()).build_p1();
        wasi.set_hostcall_fuel(limits.hostcall_bytes.as_usize());
        Self { wasi, meter: Meter::new(limits.clone()), deadline: Tick::NEVER }
    }
}

impl Metered for CoreState {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn deadline(&mut self) -> &mut Tick {
        &mut self.deadline
    }
}

/// A linker with WASI 0.1.
pub fn core_linker(engine: &Engine) -> wasmtime::Result<Linker<CoreState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |state: &mut CoreState| &mut state.wasi)?;
    Ok(linker)
}

/// The imports of a core module that are not WASI 0.1, in order. A component has none, and neither has a core module that
/// carries the world that it is made into a component of.
pub fn foreign_imports(anatomy: &Anatomy) -> Vec<ForeignImport> {
    if anatomy.form == Form::Component || anatomy.has_world {
        return Vec::new();
    }
    let named = anatomy.imports.iter().filter_map(|import| import.as_str().split_once(' '));
    let foreign = named.filter(|(module, _)| *module != "wasi_snapshot_preview1");
    foreign.map(|(module, name)| ForeignImport { module: module.into(), name: name.into() }).collect()
}
