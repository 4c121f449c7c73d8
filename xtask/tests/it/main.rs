//! The repository is tidy. This is how the test suite runs the layer check and the other rules.

use std::process::{Command, Output};

fn xtask(task: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(task).output().expect("xtask starts")
}

#[test]
fn the_repository_keeps_its_own_rules() {
    let output = xtask(&["tidy"]);
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "\n{told}{failed}");
    assert!(told.contains("tidy: 0 problems"), "\n{told}{failed}");
}

#[test]
fn layers_are_printed_lowest_first() {
    let output = xtask(&["layers"]);
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"L0  stdx\nL1  model"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn an_unknown_task_is_answered_with_what_there_is() {
    let output = xtask(&["fly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.starts_with(b"Usage: cargo xtask"));
}
