//! Programs with claims in them, put there by hand.

use super::*;

const PROGRAM: &str = r#"(component
    (core module (func (export "f") i32.const 1 drop) (memory 1) (data (i32.const 0) "some bytes"))
    (component (core module (func (export "g"))))
    (import "a:b/c@1.0.0" (instance)))"#;

fn program() -> Vec<u8> {
    wat::parse_str(PROGRAM).expect("a test's own text")
}

/// A custom section whose length takes so many bytes.
fn section(name: &str, data: &[u8], width: usize) -> Vec<u8> {
    let mut content = vec![name.len() as u8];
    content.extend(name.as_bytes());
    content.extend(data);
    let mut section = vec![0];
    section.extend((0..width).map(|index| {
        let more = if index + 1 < width { 0x80 } else { 0 };
        (content.len() >> (7 * index)) as u8 & 0x7f | more
    }));
    section.extend(content);
    section
}

fn with(sections: &[Vec<u8>]) -> Vec<u8> {
    [program(), sections.concat()].concat()
}

/// What stands in the claims of a program that is written in the shortest way is the digest of the bytes as they are.
fn plain_digest(bytes: &[u8]) -> String {
    HEXUPPER.encode(digest(&SHA256, bytes).as_ref())
}

#[test]
fn claims_are_found_and_are_no_part_of_the_digest() {
    let unsigned = carried(&program());
    assert_eq!(unsigned, Carried { tokens: Vec::new(), digest: plain_digest(&program()) });
    let signed = carried(&with(&[section("wasmcloud_jwt", b"a.b.c", 1)]));
    assert_eq!(signed, Carried { tokens: vec!["a.b.c".into()], digest: unsigned.digest.clone() });
    let twice = carried(&with(&[section("jwt", b"a", 1), section("wasmcloud_jwt", b"b", 5)]));
    assert_eq!(twice, Carried { tokens: vec!["a".into(), "b".into()], digest: unsigned.digest });
}

#[test]
fn how_a_length_is_written_changes_nothing_and_all_else_does() {
    let plain = carried(&with(&[section("x", b"data", 1)])).digest;
    assert_eq!(carried(&with(&[section("x", b"data", 5)])).digest, plain);
    assert_ne!(carried(&with(&[section("x", b"date", 1)])).digest, plain);
    assert_ne!(carried(&with(&[section("y", b"data", 1)])).digest, plain);
    let whole = with(&[section("wasmcloud_jwt", b"a.b.c", 1)]);
    let signed_at = program().len();
    for at in 8..signed_at {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert_ne!(carried(&changed).digest, plain_digest(&program()), "changed at {at}");
    }
}

#[test]
fn claims_of_the_early_name_lie_at_any_level() {
    let inside = |name: &str| {
        let text = format!(r#"(component (core module (@custom "{name}" "a.b.c")))"#);
        carried(&wat::parse_str(text).expect("text"))
    };
    let bare = carried(&wat::parse_str("(component (core module))").expect("text")).digest;
    assert_eq!(inside("jwt"), Carried { tokens: vec!["a.b.c".into()], digest: bare.clone() });
    assert_eq!(inside("wasmcloud_jwt"), Carried { tokens: Vec::new(), digest: bare });
}

#[test]
fn bytes_of_anybody_are_read_without_harm() {
    let whole = with(&[section("wasmcloud_jwt", &[0xff; 100], 1), section("jwt", b"a.b.c", 1)]);
    for end in 0..whole.len() {
        carried(&whole[..end]);
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[end] = byte;
            carried(&changed);
        }
    }
    let long = with(&[section("jwt", &vec![b'a'; 1 << 20], 4)]);
    assert_eq!(carried(&long).tokens[0].len(), TOKEN_MAX, "more is not looked at");
}

#[test]
fn the_anatomy_says_that_there_are_claims() {
    let has = |bytes: &[u8]| crate::Anatomy::scan(bytes, &crate::ScanLimits::default()).expect("a program").has_claims;
    assert!(!has(&program()));
    assert!(has(&with(&[section("wasmcloud_jwt", b"a", 1)])) && has(&with(&[section("jwt", b"", 1)])));
}
