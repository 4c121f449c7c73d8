//! Functions that are called from the command line.

use crate::{guest, wattle};

/// The exit code and the lines that a call printed.
fn called(arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let ended = wattle().run(["call"].iter().chain(arguments));
    (ended.code, ended.stdout.lines().map(ToOwned::to_owned).collect())
}

fn lines(lines: &[&str]) -> (Option<i32>, Vec<String>) {
    (Some(0), lines.iter().map(ToString::to_string).collect())
}

#[test]
fn functions_of_a_component_and_of_its_interfaces_are_called() {
    let calc = guest("calc");
    assert_eq!(called(&[&calc, "add(1, 2)"]), lines(&["3"]));
    assert_eq!(called(&[&calc, "demo:calc/ops.divide(1.0, 0.0)"]), lines(&[r#"err("division by zero")"#]));
    assert_eq!(called(&[&calc, "divide", "--json", "[1, 4]"]), lines(&[r#"{"ok":0.25}"#]));
}

/// State stays in one instance, and is gone in a fresh one.
#[test]
fn a_reactor_keeps_its_state_and_a_fresh_instance_has_none() {
    let reactor = guest("reactor");
    assert_eq!(called(&[&reactor, "bump()", "bump()", "add(2, 3)"]), lines(&["101", "102", "5"]));
    assert_eq!(called(&[&reactor, "--fresh", "bump()", "--repeat", "2"]), lines(&["101", "101"]));
    assert_eq!(called(&[&guest("calc"), "bump()", "bump()"]), lines(&["1", "2"]));
}

#[test]
fn a_call_that_cannot_be_made_says_why_by_its_exit_code() {
    let calc = guest("calc");
    for (call, code) in [("nothing()", 65), ("add(1)", 65), ("add(1, \"two\")", 65), ("fail()", 134)] {
        assert_eq!(called(&[&calc, call]).0, Some(code), "{call}");
    }
    assert_eq!(called(&[&calc, "--timeout=0.3", "spin()"]).0, Some(124));
}
