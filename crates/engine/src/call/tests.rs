//! Calls of small programs in text.

use std::sync::Arc;

use expect_test::{Expect, expect};
use wasmtime::{Engine, Module, component::Component};
use wasmtime_wasi::WasiCtxBuilder;

use super::*;
use crate::core_module::{CoreState, core_linker};
use crate::engines::Loaded;
use crate::meter::Limits;
use crate::settings::{Layout, Settings};
use crate::state::{Bound, State};
use crate::store::Failure;

const LIBRARY: &str = r#"(component
    (core module $m
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
    (core instance $i (instantiate $m))
    (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (component $ops
        (import "add" (func $add (param "a" u32) (param "b" u32) (result u32)))
        (export "add" (func $add))
        (export "sum" (func $add)))
    (instance $one (instantiate $ops (with "add" (func $add))))
    (export "demo:one/ops@1.2.0" (instance $one))
    (export "demo:two/ops" (instance $one)))"#;

const CORE: &str = r#"(module
    (global $count (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $count (i32.const 40)))
    (func (export "bump") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (global.get $count))
    (func (export "swap") (param i64 f32) (result f32 i64) (local.get 1) (local.get 0))
    (func (export "vector") (param v128))
    (func (export "nothing"))
    (func (export "fail") unreachable)
    (func (export "spin") (loop $again (br $again)))
    (memory (export "memory") 1))"#;

fn engine() -> Engine {
    engine_with(false)
}

fn engine_with(has_concurrency: bool) -> Engine {
    let settings = Settings { compiler: crate::Compiler::Cranelift, has_concurrency, has_inlining: false };
    settings.config(Layout::OnDemand).and_then(|config| Engine::new(&config)).expect("an engine")
}

fn component(engine: &Engine) -> Component {
    Component::new(engine, wat::parse_str(LIBRARY).expect("text")).expect("a component")
}

fn core_module(engine: &Engine) -> Module {
    Module::new(engine, wat::parse_str(CORE).expect("text")).expect("a module")
}

fn library() -> Vec<Function> {
    functions(&Loaded::Component(component(&engine())))
}

fn found(name: &str) -> String {
    let functions = library();
    find(&functions, name).map_or_else(|error| error.to_string(), |function| function.path())
}

#[test]
fn a_function_is_found_by_as_much_of_its_name_as_it_takes() {
    assert_eq!(found("add"), "add");
    for name in ["demo:one/ops@1.2.0.add", "demo:one/ops.add", "demo:one/ops.add@1.2.0"] {
        assert_eq!(found(name), "demo:one/ops@1.2.0.add");
    }
    assert_eq!(found("demo:two/ops.sum"), "demo:two/ops.sum");
    expect![[r#"
        sum is the name of several functions; there are:
          demo:one/ops@1.2.0.sum: func(a: u32, b: u32) -> u32
          demo:two/ops.sum: func(a: u32, b: u32) -> u32"#]]
    .assert_eq(&found("sum"));
    expect![[r#"
        there is no function demo:one/ops@2.0.0.add; there are:
          add: func(a: u32, b: u32) -> u32
          demo:one/ops@1.2.0.add: func(a: u32, b: u32) -> u32
          demo:one/ops@1.2.0.sum: func(a: u32, b: u32) -> u32
          demo:two/ops.add: func(a: u32, b: u32) -> u32
          demo:two/ops.sum: func(a: u32, b: u32) -> u32"#]]
    .assert_eq(&found("demo:one/ops@2.0.0.add"));
}

fn refused(text: &str, expected: &Expect) {
    let functions = library();
    let request = Request::parse(text);
    let call = request.and_then(|request| find(&functions, &request.name)?.call(&request).map(|_| ()));
    expected.assert_eq(&call.expect_err("not a call").to_string());
}

#[test]
fn wrong_arguments_are_named() {
    refused("add(1, x)", &expect!["add: parameter b wants u32, and was given x; one call of it is 'add(1, 1)'"]);
    refused("add(1)", &expect!["add: func(a: u32, b: u32) -> u32 was given 1 argument; one call of it is 'add(1, 1)'"]);
    refused(
        "add(1, 2, 3)",
        &expect!["add: func(a: u32, b: u32) -> u32 was given 3 arguments; one call of it is 'add(1, 1)'"],
    );
    refused("add(1, -2)", &expect!["add: parameter b wants u32, and was given -2; one call of it is 'add(1, 1)'"]);
    refused("add(1, 2", &expect![[r#""add(1, 2" is not a call: unexpected end of input"#]]);
    refused("(1)", &expect![[r#""(1)" is not a call: it has no name"#]]);
    refused("add(1 2)", &expect![[r#""add(1 2)" is not a call: unexpected token at "2)""#]]);
    let json = Request::with_json("add", "{}").expect_err("an object");
    assert_eq!(json.to_string(), r#""{}" is not a call: arguments in JSON are an array, as in '[1, "two"]'"#);
}

/// What the calls give, one after the other in one instance, as WAVE.
async fn called(calls: &[&str]) -> Vec<Result<String, Failure>> {
    let engine = engine();
    let module = core_module(&engine);
    let functions = functions(&Loaded::CoreModule(module.clone()));
    let limits = Arc::new(Limits { timeout: std::time::Duration::from_millis(200), ..Limits::default() });
    let ticking = engine.clone();
    let ticker = rt::Ticker::spawn(move || {
        ticking.increment_epoch();
        rt::Activity::Busy
    });
    let pre = core_linker(&engine).and_then(|linker| linker.instantiate_pre(&module)).expect("no imports");
    let state = CoreState::new(&mut WasiCtxBuilder::new(), &limits);
    let mut instance = Instance::of_core_module(&pre, state).await.expect("an instance");
    let mut results = Vec::new();
    for text in calls {
        let request = Request::parse(text).expect("a call");
        let call = find(&functions, &request.name).and_then(|function| function.call(&request)).expect("a right call");
        results.push(instance.call(&call).await.map(|results| results.to_wave()));
    }
    drop(ticker);
    results
}

#[tokio::test(flavor = "current_thread")]
async fn a_reactor_is_initialised_once_and_keeps_its_state() {
    let results = called(&["bump()", "bump", "swap(18446744073709551615, 1.5)", "nothing()", "swap(-1, nan)"]).await;
    let texts: Vec<_> = results.into_iter().map(|result| result.expect("a result")).collect();
    assert_eq!(texts, ["41", "42", "(1.5, -1)", "()", "(nan, -1)"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_trap_and_an_endless_loop_end() {
    assert!(matches!(called(&["fail()"]).await[..], [Err(Failure::Trap(_))]));
    assert_eq!(called(&["spin()"]).await, [Err(Failure::OutOfTime)]);
}

/// No instruction runs while a function waits for the host, so the clock of the engine cannot end it.
#[tokio::test(flavor = "current_thread")]
async fn a_function_that_waits_for_ever_ends() {
    let engine = engine();
    let text = r#"(module (import "env" "wait" (func $wait)) (func (export "f") (call $wait)))"#;
    let module = Module::new(&engine, wat::parse_str(text).expect("text")).expect("a module");
    let functions = functions(&Loaded::CoreModule(module.clone()));
    let mut linker = core_linker(&engine).expect("a linker");
    linker.func_wrap_async("env", "wait", |_, ()| Box::new(std::future::pending::<()>())).expect("a new name");
    let pre = linker.instantiate_pre(&module).expect("no other imports");
    let limits = Arc::new(Limits { timeout: std::time::Duration::from_millis(20), ..Limits::default() });
    let state = CoreState::new(&mut WasiCtxBuilder::new(), &limits);
    let mut instance = Instance::of_core_module(&pre, state).await.expect("an instance");
    let request = Request::parse("f()").expect("a call");
    let call = find(&functions, "f").and_then(|function| function.call(&request)).expect("a right call");
    assert!(matches!(instance.call(&call).await, Err(Failure::OutOfTime)));
}

/// What one call of a component without imports gives.
async fn called_in(engine: &Engine, text: &str, request: &Request) -> serde_json::Value {
    let component = Component::new(engine, wat::parse_str(text).expect("text")).expect("a component");
    let functions = functions(&Loaded::Component(component.clone()));
    let linker = wasmtime::component::Linker::new(engine);
    let pre = linker.instantiate_pre(&component).expect("no imports");
    let bound = Arc::new(Bound::new(Arc::new(crate::NoEgress)));
    let state = State::new(&mut WasiCtxBuilder::new(), &Arc::default(), bound);
    let mut instance = Instance::of_component(&pre, state).await.expect("an instance");
    let call = find(&functions, &request.name).and_then(|function| function.call(request)).expect("a right call");
    instance.call(&call).await.expect("a result").to_json()
}

#[tokio::test(flavor = "current_thread")]
async fn a_function_of_a_component_is_called_through_its_interface() {
    let request = Request::with_json("demo:one/ops.sum", "[40, 2]").expect("a call");
    assert_eq!(called_in(&engine(), LIBRARY, &request).await, 42);
    assert_eq!(called_in(&engine_with(true), LIBRARY, &request).await, 42);
}

#[tokio::test(flavor = "current_thread")]
async fn an_asynchronous_function_is_called_like_any_other() {
    let text = r#"(component
        (core func $return (canon task.return (result u32)))
        (core module $m
            (import "" "return" (func $return (param i32)))
            (func (export "double") (param i32) (result i32)
                (call $return (i32.mul (local.get 0) (i32.const 2)))
                (i32.const 0))
            (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m (with "" (instance (export "return" (func $return))))))
        (func (export "double") async (param "n" u32) (result u32)
            (canon lift (core func $i "double") async (callback (core func $i "callback")))))"#;
    let request = Request::parse("double(21)").expect("a call");
    assert_eq!(called_in(&engine_with(true), text, &request).await, 42);
}

#[test]
fn what_has_no_text_is_refused_before_it_is_called() {
    let module = core_module(&engine());
    let functions = functions(&Loaded::CoreModule(module));
    let refusal = find(&functions, "vector").expect("there").refusal().expect("refused").to_string();
    assert_eq!(
        refusal,
        "vector: func(v128) cannot be called from text: it takes or gives a vector (v128), which only another component can hold"
    );
    assert!(find(&functions, "_initialize").is_err());
}
