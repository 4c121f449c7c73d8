//! Commands, as native programs in a shell: both forms of the same source, the core module and the component.

use std::io::Write;
use std::process::Stdio;

use testkit::find_guest;

use crate::{guest, wattle};

/// The exit code and standard output of a command with something to read.
fn piped(arguments: &[&str], input: &[u8]) -> (Option<i32>, String) {
    let wattle = wattle();
    let mut command = wattle.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

fn forms() -> [String; 2] {
    [guest("cat-p1"), guest("cat")]
}

#[test]
fn a_command_reads_and_writes_like_a_native_one() {
    let input: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    for file in forms() {
        assert_eq!(piped(&["run", &file], input.as_bytes()), (Some(0), input.clone()));
        assert_eq!(piped(&["run", &file, "--upper"], b"abc\n"), (Some(0), "ABC\n".into()));
    }
}

#[test]
fn a_command_in_c_reads_and_writes_like_a_native_one() {
    if let Some(file) = find_guest("hello-c") {
        let file = file.display().to_string();
        assert_eq!(piped(&["run", &file, "größe", ""], b""), (Some(0), "Hello from C!\ngröße\n\n".into()));
        let input: String = (0..20_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(piped(&["run", &file], input.as_bytes()), (Some(0), input.clone()));
    }
}

#[test]
fn a_command_complains_on_standard_error_and_nowhere_else() {
    for file in forms() {
        let ended = wattle().run(["run", &file, "err", "it rains"]);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", "it rains\n"), "{file}");
    }
}

/// What stands behind the file is the program's own, flags of `wattle` included.
#[test]
fn arguments_and_variables_arrive_as_they_were_given() {
    for file in forms() {
        assert!(piped(&["run", &file, "args", "A", "--timeout", "-V"], b"").1.contains("--timeout"));
        assert_eq!(piped(&["run", "--env", "COLOR=blue", &file, "env", "COLOR"], b""), (Some(0), "blue\n".into()));
    }
}

/// A variable that is named without a value has that of this process, if it has one; all others are not there.
#[test]
fn a_variable_without_a_value_is_taken_from_the_environment() {
    let wattle = wattle();
    for file in forms() {
        let env = |flags: &[&str], name: &str| {
            let mut command = wattle.command(["run"].iter().chain(flags).chain(&[file.as_str(), "env", name]));
            let output = command.env("COLOR", "blue").env("SIZE", "").output().expect("it starts");
            (output.status.success(), String::from_utf8(output.stdout).expect("text"))
        };
        let none = (false, String::new());
        assert_eq!(env(&["--env=COLOR", "--env=SIZE"], "COLOR"), (true, "blue\n".into()), "{file}");
        assert_eq!(env(&["--env=COLOR", "--env=SIZE"], "SIZE"), (true, "\n".into()), "{file}");
        assert_eq!(env(&["--env=TASTE"], "TASTE"), none, "{file}");
        assert_eq!(env(&["--env=SIZE"], "COLOR"), none, "{file}");
    }
}

/// WASI 0.2 knows no codes but success and failure.
#[test]
fn a_command_gives_its_own_exit_code() {
    assert_eq!(piped(&["run", &guest("cat-p1"), "exit", "7"], b"").0, Some(7));
    assert_eq!(piped(&["run", &guest("cat"), "exit", "7"], b"").0, Some(1));
    for file in forms() {
        assert_eq!(piped(&["run", &file, "exit", "0"], b"").0, Some(0));
        assert_eq!(piped(&["run", &file, "panic"], b"").0, Some(134));
        assert_eq!(piped(&["run", "--timeout=0.3", &file, "spin"], b"").0, Some(124));
    }
}

/// WASI 0.3 has codes, too: the guest ends with the number of its arguments.
#[test]
fn a_command_of_wasi_03_runs_on_every_engine() {
    let file = guest("args-p3");
    for engine in ["cranelift", "winch", "pulley"] {
        let run = |arguments: &[&str]| {
            let ended = wattle().run(["run", "--engine", engine, &file].iter().chain(arguments));
            (ended.code, ended.stdout, ended.stderr)
        };
        let none = String::new;
        assert_eq!(run(&[]), (Some(1), none(), none()), "{engine}");
        assert_eq!(run(&["größe"]), (Some(0), "größe\n".into(), none()), "{engine}");
        assert_eq!(run(&["a", "--env", "", "-V"]), (Some(4), "a\n--env\n\n-V\n".into(), none()), "{engine}");
    }
}

/// A folder that was not named is not there; one that was is, under the name that it was given.
#[test]
fn a_command_sees_the_folders_that_were_named() {
    let wattle = wattle();
    let path = wattle.write("note.txt", "written outside\n");
    let folder = path.parent().expect("a folder").display().to_string();
    for file in forms() {
        let named = format!("--dir={folder}::/notes");
        assert_eq!(
            piped(&["run", &named, &file, "read", "/notes/note.txt"], b""),
            (Some(0), "written outside\n".into())
        );
        assert_ne!(piped(&["run", &file, "read", "/notes/note.txt"], b"").0, Some(0));
    }
}

/// A folder has its own name where none is given; it is written to, too, and nothing is seen of what lies beside it.
#[test]
fn a_command_lists_and_writes_the_folders_that_were_named() {
    for file in forms() {
        let wattle = wattle();
        wattle.write("secret.txt", "not for everybody\n");
        let path = wattle.write("notes/one.txt", "written outside\n");
        let folder = path.parent().expect("a folder").display().to_string();
        let run = |dir: &str, words: &[&str]| {
            let ended = wattle.run(["run", "--dir", dir, &file].iter().chain(words));
            (ended.code, ended.stdout)
        };
        assert_eq!(run("notes", &["read", "notes/one.txt"]), (Some(0), "written outside\n".into()), "{file}");
        assert_eq!(run(&folder, &["read", &format!("{folder}/one.txt")]), (Some(0), "written outside\n".into()));
        assert_eq!(run("notes", &["write", "notes/two.txt", "written inside"]), (Some(0), String::new()), "{file}");
        let written = std::fs::read_to_string(path.with_file_name("two.txt")).expect("it was written");
        assert_eq!(written, "written inside");
        assert_eq!(run("notes::/", &["ls", "/"]), (Some(0), "one.txt\ntwo.txt\n".into()), "{file}");
        for beside in ["secret.txt", "notes/../secret.txt"] {
            assert_eq!(run("notes", &["read", beside]), (Some(1), String::new()), "{file} {beside}");
        }
    }
}

/// A reader that goes away ends the writer quietly, by the signal that ends a native program.
#[test]
fn a_command_ends_with_its_reader() {
    use std::os::unix::process::ExitStatusExt;
    for file in forms() {
        let wattle = wattle();
        let mut command = wattle.command(["run", &file]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        drop(child.stdout.take());
        let mut input = child.stdin.take().expect("piped");
        while input.write_all(&[b'y'; 4096]).is_ok() {}
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.signal(), output.stderr.len()), (Some(13), 0), "{file}");
    }
}

/// A module that wants another host: each import is named, with what it would take.
#[test]
fn imports_of_another_host_are_all_named() {
    let wattle = wattle();
    let text = r#"(module (import "rb-js-abi-host" "eval-js" (func)) (import "mine" "f" (func))
            (import "wasi_snapshot_preview1" "sock_open" (func)) (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
            (func (export "_start")))"#;
    let ended = wattle.run(["run", &wattle.write("foreign.wat", text).display().to_string()]);
    assert_eq!(ended.code, Some(65));
    for part in [
        "3 imports cannot be met",
        "Ruby's bridge to JavaScript",
        "eval-js",
        "mine: functions of another host",
        "wasi_snapshot_preview1: functions that WASI 0.1 does not have",
        "\n    sock_open\n",
        "  help: ",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

/// A module for a host that has added to WASI 0.1, as WasmEdge has: all that was added is named, and nothing else.
#[test]
fn functions_that_wasi_does_not_have_are_all_named() {
    let wattle = wattle();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (import "wasi_snapshot_preview1" "sock_connect" (func (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "f"))
        (func (export "_start") (call 1 (i32.const 0))))"#;
    let file = wattle.write("sockets.wat", text).display().to_string();
    for arguments in [&["run", &file][..], &["call", &file, "f()"]] {
        let ended = wattle.run(arguments);
        assert_eq!(ended.code, Some(65), "{}", ended.stderr);
        assert!(ended.stderr.starts_with("error[E0204]: 2 imports cannot be met:\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("such as WasmEdge's sockets; it takes "), "{}", ended.stderr);
        assert!(ended.stderr.contains("\n    sock_open\n    sock_connect\n"), "{}", ended.stderr);
    }
}
