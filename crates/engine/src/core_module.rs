//! Core modules as they are: WASI 0.1 and no more.
//!
//! A command made for WASI 0.1 behaves most like itself when nothing is put between it and WASI 0.1. Whatever else a core module
//! imports belongs to the host that it was made for, which is not this one; some hosts have added functions of their own to
//! WASI 0.1, under its name.

use std::collections::BTreeSet;
use std::sync::Arc;

use rt::Tick;
use wasmtime::{Engine, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;

use crate::anatomy::{Anatomy, Form, ImportName};
use crate::meter::{Limits, Meter};
use crate::store::Metered;

/// The first name of what WASI 0.1 gives.
const WASI: &str = "wasi_snapshot_preview1";

/// All functions that WASI 0.1 has, in the order of the alphabet.
const FUNCTIONS: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

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

/// The imports of a core module that are not WASI 0.1, in order. A component has none. Of a core module that carries the world
/// that it is made into a component of, what it imports beside WASI 0.1 is that world's.
pub fn foreign_imports(anatomy: &Anatomy) -> Vec<ForeignImport> {
    let foreign = two_names(anatomy).filter(|(module, name)| match *module {
        WASI => !is_wasi(anatomy, name),
        _ => !anatomy.has_world,
    });
    foreign.map(|(module, name)| ForeignImport { module: module.into(), name: name.into() }).collect()
}

/// How many imports of a core module are functions of WASI 0.1.
pub fn wasi_imports(anatomy: &Anatomy) -> usize {
    two_names(anatomy).filter(|(module, name)| *module == WASI && is_wasi(anatomy, name)).count()
}

/// The interfaces that a core module imports of the world that it carries, each once.
pub fn world_imports(anatomy: &Anatomy) -> Vec<ImportName> {
    if !anatomy.has_world {
        return Vec::new();
    }
    // What begins otherwise is no interface: `[export]…` is what the component model itself gives, `$root` single functions.
    let is_interface = |module: &&str| module.contains(':') && !module.starts_with(['[', '$']);
    let modules: BTreeSet<&str> = two_names(anatomy).map(|(module, _)| module).filter(is_interface).collect();
    modules.into_iter().map(ImportName::from).collect()
}

/// The imports of a core module, by their two names. A component has none such.
fn two_names(anatomy: &Anatomy) -> impl Iterator<Item = (&str, &str)> {
    let imports: &[ImportName] = if anatomy.form == Form::CoreModule { &anatomy.imports } else { &[] };
    imports.iter().filter_map(|import| import.as_str().split_once(' '))
}

/// Whether WASI 0.1 has this function, or, for what is made into a component, the adapter that stands for WASI 0.1 there.
fn is_wasi(anatomy: &Anatomy, name: &str) -> bool {
    let is_of_adapter = name.starts_with("adapter_") || name == "reset_adapter_state";
    FUNCTIONS.binary_search(&name).is_ok() || anatomy.has_world && is_of_adapter
}

#[cfg(test)]
mod tests;
