//! A component in text that gives back the environment that it sees.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmtime::component::Component;
use wasmtime_wasi::WasiCtxBuilder;

use super::*;
use crate::call::{self, Instance, Request};
use crate::egress::NoEgress;
use crate::engines::Loaded;
use crate::settings::{Compiler, Layout};
use crate::state::Bound;

const MIRROR: &str = r#"(component
    (import "wasi:cli/environment@VERSION" (instance $environment
        (export "get-environment" (func (result (list (tuple string string)))))))
    (core module $memory
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at)))
    (core instance $memory (instantiate $memory))
    (core func $get (canon lower (func $environment "get-environment")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core module $mirror
        (import "environment" "get" (func $get (param i32)))
        (func (export "variables") (result i32) (call $get (i32.const 16)) (i32.const 16)))
    (core instance $mirror (instantiate $mirror
        (with "environment" (instance (export "get" (func $get))))))
    (func (export "variables") (result (list (tuple string string)))
        (canon lift (core func $mirror "variables") (memory (core memory $memory "memory")))))"#;

/// What a component sees that imports this version, bound to these variables. What its WASI context has is not for it.
async fn seen(version: &str, variables: &[(&str, &str)]) -> Value {
    let settings =
        Settings { compiler: Compiler::Cranelift, has_concurrency: version.starts_with("0.3"), has_inlining: false };
    let engine = settings.config(Layout::OnDemand).and_then(|config| Engine::new(&config)).expect("an engine");
    let text = wat::parse_str(MIRROR.replace("VERSION", version)).expect("text");
    let component = Component::new(&engine, text).expect("a component");
    let functions = call::functions(&Loaded::Component(component.clone()));
    let linker = wasi_linker(&engine, settings).expect("a linker");
    let pre = linker.instantiate_pre(&component).expect("the types agree");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let bound = Arc::new(Bound::new(Arc::new(NoEgress)).with_environment(variables));
    let state = State::new(WasiCtxBuilder::new().env("OTHER", "1"), &Arc::default(), bound);
    let mut instance = Instance::of_component(&pre, state).await.expect("an instance");
    let request = Request::parse("variables()").expect("a call");
    let call = call::find(&functions, "variables").and_then(|function| function.call(&request)).expect("a right call");
    instance.call(&call).await.expect("a result").to_json()
}

#[tokio::test(flavor = "current_thread")]
async fn a_component_sees_the_environment_that_it_is_bound_to() {
    for version in ["0.2.0", "0.2.12", "0.3.0"] {
        let variables = [("LANG", "C"), ("NAME", "J\u{fc}rgen"), ("NOTHING", "")];
        let said = json!([["LANG", "C"], ["NAME", "J\u{fc}rgen"], ["NOTHING", ""]]);
        assert_eq!(seen(version, &variables).await, said, "{version}");
        assert_eq!(seen(version, &[]).await, json!([]), "{version}");
    }
}
