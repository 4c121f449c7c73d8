//! Reports of programs in text.

use engine::ScanLimits;
use engine::inspect::inspect;
use expect_test::{Expect, expect};

use super::*;

fn report(text: &str) -> Report {
    let bytes = wat::parse_str(text).expect("a test's own text");
    let inspection = inspect(&bytes, &ScanLimits::default()).expect("a program");
    let offer = Offer {
        contract: "wasi:io/poll@0.2.12".parse().expect("a contract"),
        by: "this host".into(),
        is_linkable: false,
    };
    Report::new(Path::new("it.wasm"), inspection, &[offer], SystemTime::UNIX_EPOCH)
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&report(text).to_string());
}

#[test]
fn a_component_is_shown_with_its_functions_and_what_its_imports_are_linked_to() {
    check(
        r#"(component
            (import "wasi:io/poll@0.2.3" (instance))
            (import "acme:weather/forecast" (instance))
            (core module $m (func (export "f") (param i32 i32) (result i32) (local.get 0)))
            (core instance $i (instantiate $m))
            (type $point' (record (field "x" s32) (field "y" s32)))
            (component $c
                (import "f" (func $f (param "a" u32) (param "b" u32) (result u32)))
                (export "add" (func $f)))
            (func $f (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f")))
            (instance $ops (instantiate $c (with "f" (func $f))))
            (export "demo:calc/ops@0.1.0" (instance $ops))
            (export "add" (func $f))
            (@producers (language "Rust" "2024") (processed-by "wit\1b[2Jbindgen" "0.50")))"#,
        &expect![[r#"
            it.wasm: component, library, WASI 0.2, 417 B
              use           wattle call it.wasm 'FUNCTION(ARGUMENTS)'
              blake3        86b3817b4b04bc4770adf55d74665c43180ed351cb1812bf467d59fe339a9aec
            imports
              wasi:io/poll@0.2.3     -> this host
              acme:weather/forecast  -> nothing on this host offers it
            exports
              demo:calc/ops@0.1.0
                add: func(a: u32, b: u32) -> u32
              add: func(a: u32, b: u32) -> u32
            made with
              language      Rust 2024
              processed-by  wit\u{1b}[2Jbindgen 0.50
            consists of 3 parts, 1 function; sections: 1 alias, 1 canonical function, 1 component, 1 core instance, 2 custom, 1 export, 2 import, 1 instance, 1 module, 4 type"#]],
    );
}

#[test]
fn a_core_module_is_shown_with_numbers() {
    check(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "env" "log" (func (param i32)))
            (func (export "_initialize"))
            (func (export "add") (param i32 i64) (result i32 f64) (local.get 0) (f64.const 1))
            (memory (export "memory") 1)
            (@custom "version" "1.2.3"))"#,
        &expect![[r#"
            it.wasm: core module, reactor, WASI 0.1, 192 B
              use           wattle call it.wasm 'FUNCTION(ARGUMENTS)'
              blake3        6d59075645107ac50bf21fcefd10d19391fa6ab096156b7e4be650038caec8eb
              version       1.2.3
            imports
              wasi_snapshot_preview1 (2 functions)  -> this host
              env log  -> nothing on this host offers it
            exports
              _initialize: func()
              add: func(i32, i64) -> (i32, f64)
              memory: memory
            consists of 1 part, 2 functions; sections: 1 code, 1 custom, 1 export, 1 function, 1 import, 1 memory, 1 type"#]],
    );
}

/// Functions that a host added to WASI 0.1 under its name are no more satisfied than others that are not here.
#[test]
fn what_wasi_does_not_have_is_not_counted_as_linked() {
    let json = report(
        r#"(module
            (import "wasi_snapshot_preview1" "sock_open" (func))
            (import "wasi_snapshot_preview1" "sock_send" (func)))"#,
    )
    .to_json();
    assert_eq!(json["wasi_p1_functions"], 1);
    assert_eq!(json["foreign_imports"], serde_json::json!(["wasi_snapshot_preview1 sock_open"]));
}

#[test]
fn a_core_module_with_a_world_is_shown_with_the_interfaces_that_it_imports() {
    let json = report(
        r#"(module
            (import "wasi:io/poll@0.2.3" "poll" (func))
            (import "wasi:io/poll@0.2.3" "[resource-drop]pollable" (func))
            (import "[export]demo:a/b" "[resource-new]c" (func))
            (@custom "component-type:it" ""))"#,
    )
    .to_json();
    assert_eq!(json["imports"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["imports"][0]["name"], "wasi:io/poll@0.2.3");
    assert_eq!(json["imports"][0]["target"], "this host");
}

#[test]
fn claims_say_no_more_than_was_checked() {
    let claims = |text: &str| report(text).claims.expect("claims").to_string();
    expect![[r#"

        claims cannot be read: it is not three parts of base64url with dots between"#]]
    .assert_eq(&claims(r#"(module (@custom "jwt" "a.b.c"))"#));
    expect![[r#"

        claims cannot be read: there are 2, and there may be one"#]]
    .assert_eq(&claims(r#"(module (@custom "jwt" "a") (@custom "wasmcloud_jwt" "b"))"#));
    let nested = r#"(component (core module (@custom "jwt" "a.b.c")))"#;
    assert!(report(nested).claims.is_none());
}

#[test]
fn text_and_json_say_the_same() {
    let json = report(r#"(module (func (export "_start")))"#).to_json();
    assert_eq!(json["patterns"][0]["command"], "wattle run it.wasm");
    assert_eq!(json["exports"][0]["type"], "func()");
    assert_eq!(json["form"], "core-module");
}
