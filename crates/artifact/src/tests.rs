//! Files of every kind, and what is fetched of them.

use super::*;

fn fetched(bytes: &[u8]) -> Result<Vec<u8>, FetchError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).expect("written");
    fetch(&path, ByteSize::kib(1))
}

#[test]
fn text_becomes_the_binary_that_it_stands_for() {
    let text = ";; a comment\n (module)";
    assert!(fetched(text.as_bytes()).expect("a program").starts_with(b"\0asm"));
}

#[test]
fn a_mistake_in_text_is_named_with_its_line() {
    let error = fetched(b"(module\n  (func\n    i32.nonsense))").expect_err("a mistake").to_string();
    assert!(
        error.ends_with("is WebAssembly text with a mistake in line 3: unknown operator or unexpected token"),
        "{error}"
    );
}

#[test]
fn other_bytes_are_left_as_they_are() {
    assert_eq!(fetched(b"hello").expect("bytes"), b"hello");
    assert_eq!(fetched(b"").expect("bytes"), b"");
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    assert!(matches!(fetched(&[0; 1025]), Err(FetchError::TooLarge { .. })));
    let endless = fetch(Path::new("/dev/zero"), ByteSize::kib(1));
    assert!(matches!(endless, Err(FetchError::TooLarge { .. })));
}

#[test]
fn a_folder_is_listed_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["b.wasm", "a.wat", "notes.txt"] {
        std::fs::write(folder.path().join(name), "").expect("written");
    }
    let names: Vec<_> =
        list(folder.path()).expect("files").iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(names, [Some("a.wat".into()), Some("b.wasm".into())]);
}
