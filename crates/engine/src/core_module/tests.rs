//! Core modules in text, and what of their imports is WASI 0.1.

use wasmtime::Store;

use super::*;
use crate::anatomy::ScanLimits;
use crate::settings::{Compiler, Layout, Settings};

fn anatomy(text: &str) -> Anatomy {
    let bytes = wat::parse_str(text).expect("a test's own text");
    Anatomy::scan(&bytes, &ScanLimits::default()).expect("a program")
}

fn foreign(text: &str) -> Vec<String> {
    foreign_imports(&anatomy(text)).into_iter().map(|import| format!("{} {}", import.module, import.name)).collect()
}

/// What is called a function of WASI 0.1 is there when an instance is made, and nothing that is there is called foreign.
#[test]
fn the_functions_of_wasi_are_those_of_the_linker() {
    let settings = Settings { compiler: Compiler::Cranelift, has_concurrency: false, has_inlining: false };
    let engine = settings.config(Layout::OnDemand).and_then(|config| Engine::new(&config)).expect("an engine");
    let linker = core_linker(&engine).expect("a linker");
    let mut store = Store::new(&engine, CoreState::new(&mut WasiCtxBuilder::new(), &Arc::default()));
    let there: BTreeSet<(String, String)> =
        linker.iter(&mut store).map(|(module, name, _)| (module.to_owned(), name.to_owned())).collect();
    assert_eq!(there, BTreeSet::from(FUNCTIONS.map(|name| (WASI.to_owned(), name.to_owned()))));
    assert!(FUNCTIONS.is_sorted());
}

#[test]
fn what_another_host_added_to_wasi_is_foreign() {
    let text = r#"(module
        (import "env" "log" (func))
        (import "wasi_snapshot_preview1" "fd_write" (func))
        (import "wasi_snapshot_preview1" "sock_open" (func))
        (import "wasi_snapshot_preview1" "adapter_open_badfd" (func)))"#;
    let named = ["env log", "wasi_snapshot_preview1 sock_open", "wasi_snapshot_preview1 adapter_open_badfd"];
    assert_eq!(foreign(text), named);
    assert_eq!(wasi_imports(&anatomy(text)), 1);
}

/// What is made into a component has its world's imports, and what the adapter gives beside WASI 0.1.
#[test]
fn what_a_world_imports_is_not_foreign() {
    let text = r#"(module
        (import "a:b/c@1.0.0" "f" (func))
        (import "$root" "g" (func))
        (import "wasi_snapshot_preview1" "sock_open" (func))
        (import "wasi_snapshot_preview1" "adapter_open_badfd" (func))
        (import "wasi_snapshot_preview1" "reset_adapter_state" (func))
        (@custom "component-type:it" ""))"#;
    assert_eq!(foreign(text), ["wasi_snapshot_preview1 sock_open"]);
    assert_eq!(world_imports(&anatomy(text)), [ImportName::from("a:b/c@1.0.0")]);
    assert!(foreign("(component)").is_empty());
}
