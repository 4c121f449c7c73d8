//! Programs of all sizes, and what is read from them.

use super::*;

fn inspected(text: &str) -> Inspection {
    let bytes = wat::parse_str(text).expect("a test's own text");
    inspect(&bytes, &ScanLimits::default()).expect("a program")
}

#[test]
fn a_component_has_a_world_and_a_core_module_has_none() {
    let component = inspected(r#"(component (import "wasi:io/poll@0.2.3" (instance)))"#);
    let World::Wit { text, .. } = component.world else { panic!("a world") };
    assert!(text.contains("import wasi:io/poll@0.2.3;"), "{text}");
    assert!(matches!(inspected("(module)").world, World::None));
}

#[test]
fn what_cannot_be_a_world_is_said_so() {
    let component = inspected(r#"(component (core module $m) (export "m" (core module $m)))"#);
    assert!(matches!(component.world, World::NotShown(_)));
    assert_eq!(component.exports, [Export::Item { name: "m".into(), ty: "not read".into() }]);
}

/// One interface under many names is small in the binary and large in WIT.
#[test]
fn a_world_that_grows_when_it_is_written_out_is_not() {
    let functions: String = (0..1_000).map(|n| format!(r#"(export "f{n}" (func (type $f)))"#)).collect();
    let exports: String = (0..900).map(|n| format!(r#"(export "e{n}" (instance $x))"#)).collect();
    let component = inspected(&format!(
        r#"(component (type $f (func))
            (import "a:b/c" (instance $x (alias outer 1 $f (type $f)) {functions})) {exports})"#
    ));
    let World::NotShown(why) = component.world else { panic!("it is too large") };
    assert_eq!(why, "it has 901901 functions, types and parameters, and at most 50000 are shown");
    assert_eq!(component.exports.len(), 900);
}

/// Bytes are changed one at a time: whatever comes out, nothing panics.
#[test]
fn a_damaged_program_is_read_or_refused() {
    let whole = wat::parse_str(
        r#"(component
            (import "a:b/c@1.0.0" (instance (type $r (record (field "x" u8))) (export "r" (type (eq $r)))))
            (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
            (core instance $i (instantiate $m))
            (func (export "f") (param "a" u32) (result u32) (canon lift (core func $i "f")))
            (@producers (language "Rust" "2024")))"#,
    )
    .expect("a test's own text");
    for at in 8..whole.len() {
        for value in [0, 1, 0x40, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            // Damage that the scan does not see is no error.
            drop(inspect(&changed, &ScanLimits::default()));
        }
    }
}
