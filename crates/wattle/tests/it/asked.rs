//! Functions of components that run in a lattice, called by the component's name.

use serde_json::{Value, json};
use testkit::{Ended, Nats, Wattle, eventually};

use crate::lattice::{host, tell};
use crate::{guest, wattle};

/// `wattle call` of what runs behind this bus.
fn call(wattle: &Wattle, bus: &str, words: &[&str]) -> Ended {
    wattle.run(["call"].iter().chain(words).chain(&["--nats", bus]))
}

/// Why a call is not made: the exit code, and what is said.
fn refused(wattle: &Wattle, bus: &str, words: &[&str]) -> (Option<i32>, String) {
    let ended = call(wattle, bus, words);
    assert_eq!(ended.stdout, "", "{words:?}");
    (ended.code, ended.stderr)
}

#[test]
fn a_component_that_runs_is_called_as_a_file_is() {
    let wattle = wattle();
    let up = host(&wattle, &["--bus", "127.0.0.1:0"]);
    let bus = up.bus();
    tell(&wattle, &bus, &["start", "component", &guest("calc")]);
    let called = |words: &[&str]| {
        let ended = call(&wattle, &bus, words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
        ended.stdout
    };
    eventually("it is called", || call(&wattle, &bus, &["calc", "add(1, 2)"]).code == Some(0));
    assert_eq!(called(&["calc", "add(1, 2)", "demo:calc/ops.divide(1.0, 0.0)"]), "3\nerr(\"division by zero\")\n");
    assert_eq!(called(&["calc", "divide", "--json", "[1, 4]"]), "{\"ok\":0.25}\n");
    assert_eq!(called(&["calc", "add(1, 2)", "-o", "json", "--repeat", "2"]), "3\n3\n");
    // An instance for each call: none sees what another left.
    assert_eq!(called(&["calc", "bump()", "bump()"]), "1\n1\n");

    for (words, code, said) in [
        (["calc", "nothing()"], 65, "there is no function nothing; there are:"),
        (["calc", "add(1, \"two\")"], 65, "add: parameter"),
        (["calc", "add(1"], 65, "is not a call"),
        (["calc", "fail()"], 134, "error[E0206]: fail in calc trapped"),
        (
            ["calk", "add(1, 2)"],
            65,
            "no host of lattice default runs calk, and there is no file of that name here; did you mean calc?",
        ),
        (["a/b", "add(1, 2)"], 65, "no component can be meant"),
    ] {
        let (found, text) = refused(&wattle, &bus, &words);
        assert!(found == Some(code) && text.contains(said), "{words:?}: {found:?} {text}");
    }
    let (code, text) = refused(&wattle, &bus, &["calc", "spin()", "--timeout=0.3"]);
    assert!(code == Some(124) && text.contains("spin in calc was stopped after 0.3 s"), "{text}");
    let (code, text) = refused(&wattle, &bus, &["calc", "add(1, 2)", "--fresh"]);
    assert!(code == Some(65) && text.contains("leave --fresh out"), "{text}");
    assert_eq!(up.stop().code, Some(0));
}

/// What a word is taken for is said, and what is written as a file is missed as one.
#[test]
fn a_word_that_is_no_file_is_a_component_and_that_is_said() {
    let wattle = wattle();
    let up = host(&wattle, &["--bus", "127.0.0.1:0"]);
    let bus = up.bus();
    tell(&wattle, &bus, &["start", "component", &guest("calc")]);
    assert_eq!(wattle.run(["ctx", "put", "here", "--nats", &bus]).code, Some(0));
    eventually("it is called", || wattle.run(["call", "calc", "add(1, 2)"]).code == Some(0));
    let called = wattle.run(["call", "calc", "add(1, 2)"]);
    assert_eq!(called.stdout, "3\n");
    assert!(
        called.stderr.contains("there is no file calc here: the component calc in lattice default"),
        "{}",
        called.stderr
    );
    assert_eq!(wattle.run(["call", "calc", "add(1, 2)", "-o", "json"]).stderr, "");
    let missing = wattle.run(["call", "calc.wasm", "add(1, 2)"]);
    assert!(missing.code == Some(65) && missing.stderr.contains("E0101"), "{}", missing.stderr);
    // A file of that name is nearer.
    wattle.write("calc", "no program");
    assert!(wattle.run(["call", "calc", "add(1, 2)"]).stderr.contains("E0102"));
    assert_eq!(wattle.run(["call", "calc", "add(1, 2)", "--ctx", "here"]).stdout, "3\n");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn any_host_that_runs_a_component_answers_for_it() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let hosts = [(&ada, "ada"), (&bob, "bob")].map(|(wattle, name)| host(wattle, &["--nats", &bus, "--name", name]));
    let start = |name: &str| ada.run(["start", "component", &guest("calc"), "--host", name, "--nats", &bus]).code;
    eventually("ada runs it", || start("ada") == Some(0));
    eventually("bob runs it", || start("bob") == Some(0));
    let sum = || -> Option<Value> { call(&ada, &bus, &["calc", "add(1, 2)", "-o", "json"]).values().pop() };
    eventually("it is called", || sum() == Some(json!(3)));
    let [first, second] = hosts;
    second.kill();
    // The server may not have seen yet that one is gone: that call goes unanswered.
    eventually("the other answers", || sum() == Some(json!(3)));
    for _ in 0..10 {
        assert_eq!(sum(), Some(json!(3)));
    }
    assert_eq!(tell(&ada, &bus, &["stop", "component", "calc"])["count"], 0);
    let (code, text) = refused(&ada, &bus, &["calc", "add(1, 2)"]);
    assert!(code == Some(65) && text.contains("no component runs there"), "{text}");
    assert_eq!(first.stop().code, Some(0));
}
