//! Programs in text, and what is read from them.

use super::*;

fn scan(text: &str) -> Result<Anatomy, ScanError> {
    Anatomy::scan(&wat::parse_str(text).expect("a test's own text"), &ScanLimits::default())
}

fn patterns(text: &str) -> Vec<Pattern> {
    scan(text).expect("a program").patterns()
}

#[test]
fn the_pattern_follows_from_the_exports() {
    assert_eq!(patterns(r#"(module (func (export "_start")))"#), [Pattern::Command]);
    assert_eq!(patterns(r#"(module (func (export "_initialize")) (func (export "add")))"#), [Pattern::Reactor]);
    assert_eq!(patterns(r#"(module (memory (export "memory") 1) (func (export "add")))"#), [Pattern::Library]);
    assert_eq!(
        patterns(r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.3" (instance $i)))"#),
        [Pattern::HttpHandler]
    );
    assert_eq!(
        patterns(
            r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)) (export "a:b/c" (instance $i)))"#
        ),
        [Pattern::Command, Pattern::Library]
    );
    assert_eq!(patterns("(component)"), []);
}

#[test]
fn the_wasi_is_the_newest_that_is_named() {
    let wasi = |text| scan(text).expect("a program").wasi();
    assert_eq!(wasi(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#), Some(Wasi::P1));
    assert_eq!(
        wasi(r#"(component (import "wasi:io/poll@0.2.0" (instance)) (import "wasi:http/types@0.3.0" (instance)))"#),
        Some(Wasi::P3)
    );
    assert_eq!(wasi(r#"(component (import "wasi:keyvalue/store@0.2.0-draft" (instance)))"#), None);
}

#[test]
fn what_is_not_wasm_is_named_for_what_it_is() {
    let kind = |bytes: &[u8]| Anatomy::scan(bytes, &ScanLimits::default()).expect_err("not WebAssembly").to_string();
    assert_eq!(kind(b""), "this is not WebAssembly: it is an empty file");
    assert_eq!(kind("Grüße, Welt".as_bytes()), "this is not WebAssembly: it is a text file");
    assert_eq!(kind(b"\x7fELF\x02\x01"), "this is not WebAssembly: it is a native program or library (ELF)");
    assert_eq!(kind(b"\0\x01\x02\xff"), "this is not WebAssembly: it is 4 B of something else");
}

#[test]
fn a_file_cut_anywhere_is_damaged_and_never_more() {
    let whole = wat::parse_str(
        r#"(component (core module (func (export "f") i32.const 1 drop)) (import "a:b/c@1.0.0" (instance)))"#,
    )
    .expect("text");
    for end in 8..whole.len() {
        // A cut between two sections leaves a shorter valid program; nothing else may pass, and nothing may panic.
        if let Err(error) = Anatomy::scan(&whole[..end], &ScanLimits::default()) {
            assert_eq!(error.code(), Code::E0103, "cut at {end}: {error}");
        }
    }
}

#[test]
fn nesting_is_refused_before_it_costs_anything() {
    let mut bytes = wat::parse_str("(component)").expect("text");
    for _ in 0..8_000 {
        let mut outer = wat::parse_str("(component)").expect("text");
        outer.push(4);
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(&bytes);
        bytes = outer;
    }
    let error = Anatomy::scan(&bytes, &ScanLimits::default()).expect_err("too deep");
    assert_eq!(error, ScanError::TooMuch { what: "nesting of depth", count: 65, limit: 64 });
}

#[test]
fn a_million_functions_are_refused() {
    let text = format!("(module {})", "(func)".repeat(250_001));
    assert!(matches!(scan(&text), Err(ScanError::TooMuch { what: "a number of functions of", .. })));
}

#[test]
fn a_label_says_which_interface_it_stands_for() {
    let text = r#"(component
        (import "a:b/c@1.0.0" (instance))
        (import "left" (implements "a:b/c@1.0.0") (instance))
        (import "plain" (instance)))"#;
    let imports = scan(text).expect("a program").imports;
    let shown: Vec<_> = imports.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a:b/c@1.0.0", "left: a:b/c@1.0.0", "plain"]);
    let labels: Vec<_> = imports.iter().map(ImportName::label).collect();
    assert_eq!(labels, [None, Some("left"), None]);
}
