//! Fused components, run by the engine.

use std::collections::BTreeMap;

use model::ComponentName;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use super::{FuseError, Join, Part, fuse};

/// Adds, and tells what its own `probe:kv/store` answers.
const CALLEE: &str = r#"(component
    (import "probe:kv/store" (instance $kv (export "get" (func (result u32)))))
    (core func $get (canon lower (func $kv "get")))
    (core module $m
        (import "kv" "get" (func $get (result i32)))
        (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
        (func (export "who") (result i32) call $get))
    (core instance $i (instantiate $m (with "kv" (instance (export "get" (func $get))))))
    (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func $who (result u32) (canon lift (core func $i "who")))
    (instance (export "demo:math/ops@0.1.0") (export "add" (func $add)) (export "who" (func $who))))"#;

/// Adds by another, and tells what both stores answer: its own times 1000, and the other's.
const CALLER: &str = r#"(component
    (import "demo:math/ops@0.1.0" (instance $ops
        (export "add" (func (param "a" u32) (param "b" u32) (result u32)))
        (export "who" (func (result u32)))))
    (import "probe:kv/store" (instance $kv (export "get" (func (result u32)))))
    (core func $add (canon lower (func $ops "add")))
    (core func $who (canon lower (func $ops "who")))
    (core func $get (canon lower (func $kv "get")))
    (core module $m
        (import "o" "add" (func $add (param i32 i32) (result i32)))
        (import "o" "who" (func $who (result i32)))
        (import "o" "get" (func $get (result i32)))
        (func (export "sum") (param i32 i32) (result i32) (call $add (local.get 0) (local.get 1)))
        (func (export "ids") (result i32) (i32.add (i32.mul (call $get) (i32.const 1000)) (call $who))))
    (core instance $i (instantiate $m (with "o" (instance
        (export "add" (func $add)) (export "who" (func $who)) (export "get" (func $get))))))
    (func (export "sum") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "sum")))
    (func (export "ids") (result u32) (canon lift (core func $i "ids"))))"#;

fn name(text: &str) -> ComponentName {
    text.parse().expect("a name")
}

fn join() -> Join {
    let interface = || "demo:math/ops@0.1.0".to_owned();
    Join { from: 0, import: interface(), to: 1, export: interface() }
}

/// Fuses a caller and a callee, whose store is its own.
fn both(caller: &str, callee: &str) -> Result<Vec<u8>, FuseError> {
    let names = [name("caller"), name("callee")];
    let bytes = [caller, callee].map(|text| wat::parse_str(text).expect("it is well written"));
    let own: BTreeMap<_, _> = [("probe:kv/store".to_owned(), "part1-probe:kv/store".to_owned())].into();
    let parts = [
        Part { name: &names[0], bytes: &bytes[0], own: BTreeMap::new() },
        Part { name: &names[1], bytes: &bytes[1], own },
    ];
    fuse(&parts, &[join()])
}

#[test]
fn a_call_is_one_within_the_whole_and_each_part_has_its_own_imports() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let whole = Component::new(&engine, both(CALLER, CALLEE).expect("they fuse")).expect("it is a component");
    let mut linker: Linker<()> = Linker::new(&engine);
    for (import, answer) in [("probe:kv/store", 1_u32), ("part1-probe:kv/store", 2)] {
        let mut instance = linker.instance(import).expect("a name");
        instance.func_wrap("get", move |_, (): ()| Ok((answer,))).expect("a function");
    }
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &whole).expect("it is linked");
    let sum = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, "sum").expect("it is exported");
    assert_eq!(sum.call(&mut store, (40, 2)).expect("it runs"), (42,));
    let ids = instance.get_typed_func::<(), (u32,)>(&mut store, "ids").expect("it is exported");
    assert_eq!(ids.call(&mut store, ()).expect("it runs"), (1002,));
}

#[test]
fn what_does_not_fit_is_refused_with_both_names() {
    let other = CALLEE.replace(r#"(func $who (result u32)"#, r#"(func $who (result s32)"#);
    let error = both(CALLER, &other).expect_err("the types differ");
    assert_eq!(error.to_string(), "what callee exports as demo:math/ops@0.1.0 does not fit what caller imports");
    let without = CALLEE.replace("demo:math/ops@0.1.0", "demo:math/other@0.1.0");
    assert!(matches!(both(CALLER, &without), Err(FuseError::Join { .. })));
}

#[test]
fn what_is_no_component_is_refused() {
    let caller = name("caller");
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\x0a\xff"] {
        let own: BTreeMap<_, _> = [("a:b/c".to_owned(), "part1-a:b/c".to_owned())].into();
        let refused = fuse(&[Part { name: &caller, bytes, own }], &[]);
        assert!(matches!(refused, Err(FuseError::Part { .. })), "{refused:?}");
    }
}
