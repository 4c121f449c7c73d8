//! Bad input: one sentence of what is wrong, one of what to do, an exit code by kind, and never a panic.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::json;
use testkit::{Ended, Up, Wattle};

use crate::{guest, wattle};

/// Runs `wattle` and compares what it says; what differs between machines is replaced by a word.
fn check(wattle: &Wattle, arguments: &[&str], code: i32, said: Expect) {
    let ended = wattle.run(arguments);
    let text = plain(wattle, &ended.stderr);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {text}");
    assert_calm(&ended);
    assert_eq!(text.matches("error[").count(), 1, "{text}");
    assert_eq!(text.matches("\n  help: ").count(), 1, "{text}");
    said.assert_eq(&text);
    check_json(wattle, arguments, &ended);
}

/// The same as JSON: one value with the same code, text and help.
fn check_json(wattle: &Wattle, arguments: &[&str], as_text: &Ended) {
    let ended = wattle.run(arguments.iter().chain(&["-o", "json"]));
    assert_eq!(ended.code, as_text.code);
    let value: serde_json::Value = serde_json::from_str(&ended.stderr).expect("one JSON value");
    let word = |name: &str| value["error"][name].as_str().expect("text").to_owned();
    assert_eq!(format!("error[{}]: {}\n  help: {}\n", word("code"), word("message"), word("help")), as_text.stderr);
}

fn assert_calm(ended: &Ended) {
    for word in ["panicked", "stack backtrace", "RUST_BACKTRACE"] {
        assert!(!ended.stderr.contains(word), "{}", ended.stderr);
    }
}

fn plain(wattle: &Wattle, text: &str) -> String {
    let guests = testkit::guest("hello").parent().map(Path::to_owned).expect("it lies in a folder");
    text.replace(&wattle.home().display().to_string(), "HOME").replace(&guests.display().to_string(), "GUESTS")
}

fn check_file(content: impl AsRef<[u8]>, said: Expect) {
    let wattle = wattle();
    wattle.write("app.wasm", content);
    check(&wattle, &["up", "app.wasm", "--http=127.0.0.1:0"], 65, said);
}

fn check_guest(name: &str, said: Expect) {
    check(&wattle(), &["up", &guest(name), "--http=127.0.0.1:0"], 65, said);
}

#[test]
fn a_file_that_is_missing() {
    check(
        &wattle(),
        &["up", "app.wasm", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0101]: cannot read app.wasm: No such file or directory (os error 2)
          help: Check the path: it is read as given, relative to the folder that the command was started in.
    "#]],
    );
}

#[test]
fn a_folder_without_components() {
    let wattle = wattle();
    std::fs::create_dir(wattle.home().join("empty")).expect("a folder");
    check(
        &wattle,
        &["up", "empty", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0101]: empty has no file that ends in .wasm or .wat
          help: Check the path: it is read as given, relative to the folder that the command was started in.
    "#]],
    );
}

#[test]
fn an_empty_file() {
    check_file(
        "",
        expect![[r#"
        error[E0102]: app.wasm cannot be run: this is not WebAssembly: it is an empty file
          help: Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d).
    "#]],
    );
}

#[test]
fn a_text_file() {
    check_file(
        "hello, this is no program\n",
        expect![[r#"
        error[E0102]: app.wasm cannot be run: this is not WebAssembly: it is a text file
          help: Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d).
    "#]],
    );
}

#[test]
fn a_native_program() {
    check_file(
        b"\x7fELF\x02\x01\x01\x00\x00\x00\x00",
        expect![[r#"
        error[E0102]: app.wasm cannot be run: this is not WebAssembly: it is a native program or library (ELF)
          help: Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d).
    "#]],
    );
}

#[test]
fn text_with_a_mistake() {
    check_file(
        "(module\n  (func (i32.nonsense)))\n",
        expect![[r#"
        error[E0106]: app.wasm is WebAssembly text with a mistake in line 2: unknown operator or unexpected token
          help: Correct the WebAssembly text, or give the binary that it stands for.
    "#]],
    );
}

#[test]
fn a_component_that_is_cut_off() {
    let whole = std::fs::read(testkit::guest("hello-p2")).expect("a component");
    check_file(
        &whole[..whole.len() - 100],
        expect![[r#"
        error[E0103]: app.wasm cannot be run: this WebAssembly file is damaged or cut off at byte 3197 of 3376: unexpected end-of-file
          help: The file ends too early or is damaged: build or download it again.
    "#]],
    );
}

/// As long as it should be, so that it is not told to end too early.
#[test]
fn a_component_that_is_damaged() {
    let mut bytes = std::fs::read(testkit::guest("hello-p2")).expect("a component");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xff);
    check_file(
        &bytes,
        expect![[r#"
        error[E0115]: app.wasm cannot be run: it is not a valid program: failed to parse WebAssembly module: invalid leading byte (0xff) for component external kind (at offset 0x6ca)
          help: The file is complete, but breaks a rule of WebAssembly or uses what this engine does not know: compare it with the original or build it again, and leave --engine out; `wasm-tools validate FILE` says where.
    "#]],
    );
}

/// Sound section by section, so that only the compiler finds out: a function that owes a number and gives none.
#[test]
fn a_component_that_is_not_valid() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/wat/start-trap.wat"));
    let text = text.expect("its source").replace("(func $start unreachable)", "(func $start (result i32))");
    check_file(
        text,
        expect![[r#"
        error[E0115]: app.wasm cannot be run: it is not a valid program: failed to parse WebAssembly module: invalid start function type (at offset 0xa9)
          help: The file is complete, but breaks a rule of WebAssembly or uses what this engine does not know: compare it with the original or build it again, and leave --engine out; `wasm-tools validate FILE` says where.
    "#]],
    );
}

#[test]
fn a_component_with_an_import_that_nobody_offers() {
    check_guest(
        "unknown-import",
        expect![[r#"
        error[E0204]: GUESTS/unknown-import.wasm cannot be linked: 1 import cannot be met:
          acme:weather/forecast@1.2.0: nothing on this host offers it
          help: Rebuild the component against a version that is offered, or give what it imports by composing it with a component that exports it.
    "#]],
    );
}

#[test]
fn a_core_module_of_another_host() {
    check_file(
        r#"(module (import "env" "log" (func)) (func (export "_start")))"#,
        expect![[r#"
        error[E0204]: app.wasm cannot be linked: 1 import cannot be met:
          env: functions of the host that it was linked for, such as Emscripten's; it takes a rebuild for WASI
            log
          help: Rebuild the component against a version that is offered, or give what it imports by composing it with a component that exports it.
    "#]],
    );
}

#[test]
fn a_component_of_another_version() {
    check_guest(
        "old-http",
        expect![[r#"
        error[E0204]: GUESTS/old-http.wasm cannot be linked: 1 import cannot be met:
          wasi:http/types@0.1.0: not in this version; this host offers 0.2.12 and 0.3.0
          help: Rebuild the component against a version that is offered, or give what it imports by composing it with a component that exports it.
    "#]],
    );
}

#[test]
fn a_command_instead_of_a_handler() {
    check_guest(
        "cat",
        expect![[r#"
        error[E0303]: GUESTS/cat.wasm cannot be served: it is a component, command
          help: Give a component that exports wasi:http/incoming-handler or wasi:http/handler; `wattle run` starts a command, `wattle call` calls a function.
    "#]],
    );
}

#[test]
fn a_core_module_instead_of_a_handler() {
    check_guest(
        "cat-p1",
        expect![[r#"
        error[E0303]: GUESTS/cat-p1.wasm cannot be served: it is a core module, command
          help: Give a component that exports wasi:http/incoming-handler or wasi:http/handler; `wattle run` starts a command, `wattle call` calls a function.
    "#]],
    );
}

#[test]
fn a_file_that_is_too_large() {
    let wattle = wattle();
    let file = File::create(wattle.home().join("app.wasm")).expect("a file");
    file.set_len(300_000_000).expect("a sparse file");
    check(
        &wattle,
        &["up", "app.wasm", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0104]: app.wasm is larger than 128 MiB
          help: If this file is meant to be so large, raise the limit with --max-component-size.
    "#]],
    );
}

#[test]
fn a_large_file_of_nothing() {
    let wattle = wattle();
    let file = File::create(wattle.home().join("app.wasm")).expect("a file");
    file.set_len(200_000_000).expect("a sparse file");
    check(
        &wattle,
        &["up", "app.wasm", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0104]: app.wasm is larger than 128 MiB
          help: If this file is meant to be so large, raise the limit with --max-component-size.
    "#]],
    );
}

#[test]
fn two_components_at_one_path() {
    let (one, two) = (format!("--route=/a={}", guest("hello")), format!("--route=/a/={}", guest("hello-p2")));
    check(
        &wattle(),
        &["up", &one, &two, "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0302]: hello and hello-p2 are both routed at /a
          help: Give each component a name and a path of its own, as in --route /shop=shop.wasm.
    "#]],
    );
}

#[test]
fn all_routes_that_are_taken_are_said_at_once() {
    let routes = ["/a=hello", "/b=hello", "/b=hello", "example.com/=hello-p2", "/a=hello-p2", "example.com/=hello"];
    let routes = routes.map(|route| {
        let (path, name) = route.split_once('=').expect("a file");
        format!("--route={path}={}", guest(name))
    });
    let ended = wattle().run(["up", "--http=127.0.0.1:0"].into_iter().chain(routes.iter().map(String::as_str)));
    assert_eq!(ended.code, Some(65), "{}", ended.stderr);
    for taken in ["hello is twice routed at /b", "both routed at /a\n", "both routed at example.com/\n"] {
        assert!(ended.stderr.contains(taken), "{taken} in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("error[E0302]").count(), 3, "{}", ended.stderr);
}

#[test]
fn a_route_without_a_file() {
    check(
        &wattle(),
        &["up", "--route=shop", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
        error[E0302]: "shop" is not a route, which is written PATH=FILE or HOST/PATH=FILE, as in /shop=shop.wasm
          help: Give each component a name and a path of its own, as in --route /shop=shop.wasm.
    "#]],
    );
}

#[test]
fn a_route_that_is_no_path() {
    check(
        &wattle(),
        &["up", "--route=shop=app.wasm", "--http=127.0.0.1:0"],
        65,
        expect![[r#"
            error[E0302]: "shop" is no route; one is a path that starts with '/', with or without LISTENER@ or a host before it, and has no '?', '#', spaces or '//', and '*' only for a whole part
              help: Give each component a name and a path of its own, as in --route /shop=shop.wasm.
        "#]],
    );
}

/// All problems are said at once, each with its help.
#[test]
fn several_files_that_cannot_be_served() {
    let wattle = wattle();
    wattle.write("apps/a.wasm", "");
    wattle.write("apps/b.wasm", "text");
    wattle.write("apps/c.wasm", std::fs::read(testkit::guest("hello-p2")).expect("a component"));
    let ended = wattle.run(["up", "apps", "--http=127.0.0.1:0"]);
    assert_eq!(ended.code, Some(65));
    assert_calm(&ended);
    expect![[r#"
        error[E0102]: apps/a.wasm cannot be run: this is not WebAssembly: it is an empty file
          help: Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d).
        error[E0102]: apps/b.wasm cannot be run: this is not WebAssembly: it is a text file
          help: Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d).
    "#]].assert_eq(&plain(&wattle, &ended.stderr));
}

#[test]
fn a_port_that_is_in_use_names_its_holder() {
    let (first, second) = (wattle(), wattle());
    let up = first.up([guest("hello")]);
    let ended = second.run(["up", &guest("hello"), &format!("--http={}", up.address())]);
    assert_eq!(ended.code, Some(69));
    assert_calm(&ended);
    let text = ended.stderr.replace(&up.address().to_string(), "ADDRESS").replace(&up.id().to_string(), "ID");
    expect![[r#"
        error[E0301]: cannot listen on ADDRESS: wattle (process ID) listens there
          help: Stop the program that listens there, or choose another address with --http.
    "#]]
    .assert_eq(&text);
}

/// A port that another program holds, in the other family of addresses: this test itself.
#[test]
fn a_port_of_another_program_names_it() {
    let listener = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let ended = wattle().run(["up", &guest("hello"), "--http", &address]);
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.contains(&format!("(process {}) listens there", std::process::id())), "{}", ended.stderr);
}

#[test]
fn an_address_of_another_machine() {
    check(
        &wattle(),
        &["up", &guest("hello"), "--http=192.0.2.1:8000"],
        69,
        expect![[r#"
        error[E0301]: cannot listen on 192.0.2.1:8000: Cannot assign requested address (os error 99)
          help: Stop the program that listens there, or choose another address with --http.
    "#]],
    );
}

#[test]
fn flags_that_are_wrong() {
    let component = guest("hello");
    let wrong: [&[&str]; 18] = [
        &["up"],
        &["up", &component, "--nonsense"],
        &["up", &component, "--http=nowhere"],
        &["up", &component, "--http=8000"],
        &["up", &component, "--http=admin=off"],
        &["up", &component, "--http=a b=127.0.0.1:0"],
        &["up", &component, "--https=admin=127.0.0.1:0"],
        &["up", &component, "--memory=lots"],
        &["up", &component, "--timeout=0"],
        &["up", &component, "--timeout=NaN"],
        &["up", &component, "--timeout=1e300"],
        &["up", &component, "--instances=0"],
        &["up", &component, "--instances-total=0"],
        &["up", &component, "--concurrency=0"],
        &["up", &component, "--threads=0"],
        &["up", &component, "--engine=v8"],
        &["up", &component, "--allow-http=http://a b/"],
        &["nonsense"],
    ];
    for arguments in wrong {
        let wattle = wattle();
        let started = Up::try_start(wattle.command(arguments).args(["-o", "json"]));
        let ended = started.err().unwrap_or_else(|| panic!("{arguments:?} is taken for right"));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_calm(&ended);
        let value: serde_json::Value = serde_json::from_str(&ended.stderr).expect("one JSON value");
        let error = &value["error"];
        assert_eq!((&error["code"], &error["blame"]), (&json!(null), &json!("you")), "{arguments:?}");
        let (message, help) = (error["message"].as_str().expect("text"), error["help"].as_str().expect("text"));
        assert!(
            !message.ends_with('\n') && !message.contains("--help'") && help.contains("--help"),
            "{arguments:?}: {value}"
        );
        // The first line: what is said of usage names the flags that were given.
        let as_text = wattle.run(arguments);
        let said = message.lines().next().map(|line| format!("error: {line}"));
        assert_eq!((as_text.code, as_text.stderr.lines().next()), (Some(2), said.as_deref()), "{arguments:?}");
    }
}

/// Extreme values of flags that are allowed: it starts and stops, or refuses with a sentence that blames nobody wrongly.
#[test]
fn extreme_limits_never_panic() {
    let component = guest("hello");
    let extremes: [&[&str]; 9] = [
        &["--memory=64KiB"],
        &["--memory=0"],
        &["--memory=4GiB"],
        &["--memory=16777216TiB"],
        &["--max-body=0"],
        &["--max-head=0"],
        &["--timeout=0.000001"],
        &["--timeout=1e9"],
        &["--instances-total=20000", "--threads=512"],
    ];
    for flags in extremes {
        match wattle().try_up([component.as_str()].iter().chain(flags)) {
            Ok(up) => {
                up.get("/");
                let ended = up.stop();
                assert_eq!(ended.code, Some(0), "{flags:?}: {}", ended.stderr);
                assert_calm(&ended);
            }
            Err(ended) => {
                assert!(matches!(ended.code, Some(2 | 65 | 69)), "{flags:?}: {:?} {}", ended.code, ended.stderr);
                assert_calm(&ended);
            }
        }
    }
}

#[test]
fn a_component_that_traps_at_its_start_fails_each_request_alone() {
    let up = wattle().up([guest("start-trap")]);
    for _ in 0..3 {
        assert_eq!(up.get("/").status, 500);
    }
    let ended = up.stop();
    assert_eq!((ended.code, ended.requests("start-trap")["failed"].as_u64()), (Some(0), Some(3)));
    assert_calm(&ended);
    assert!(ended.stderr.contains("unreachable"), "{}", ended.stderr);
}

/// The neighbour shares the only thread with a component that never gets done being made.
#[test]
fn a_component_that_never_starts_is_stopped() {
    let (spin, hello) =
        (format!("--route=/spin={}", guest("start-spin")), format!("--route=/hello={}", guest("hello")));
    let up = wattle().up([&spin, &hello, "--timeout=0.3", "--threads=1"]);
    for _ in 0..2 {
        assert_eq!(up.get("/spin").status, 504);
        assert_eq!(up.get("/hello").status, 200);
    }
    assert_eq!(up.stop().code, Some(0));
}
