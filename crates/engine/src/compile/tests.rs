//! Children that end in every way: a script stands in for the binary that compiles.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const LIMITS: CompileLimits =
    CompileLimits { memory: ByteSize::mib(2048), processor: Duration::from_secs(60), wall: Duration::from_secs(600) };

/// What comes of a child that does this, for whoever asked for the artefact.
fn compiled(script: &str, limits: CompileLimits) -> Result<(), CompileError> {
    let folder = tempfile::tempdir().expect("a folder");
    let child = folder.path().join("child");
    let written = std::fs::write(&child, format!("#!/bin/sh\nulimit -c 0\n{script}\n"));
    written.and_then(|()| std::fs::set_permissions(&child, Permissions::from_mode(0o700))).expect("the folder is ours");
    let settings = Settings { compiler: Compiler::Cranelift, has_concurrency: false, has_inlining: false };
    let recipe = Recipe { target: Target::CoreModule, settings };
    let artefact = tempfile::tempfile_in(folder.path()).expect("the folder is ours");
    let key = Key::new(&blake3::hash(b"program"), 0);
    compile((&child, folder.path()), b"program", (recipe, limits), (&key, artefact))
}

/// What is exhausted is remembered, since it will happen again; all else is tried again.
#[test]
fn how_a_child_ends_says_what_became_of_the_program() {
    let given_up = "compiling it was given up: it took more than ";
    for (script, is_exhausted, said) in [
        ("echo 'unknown opcode' >&2; exit 65", false, "it is not a valid program: unknown opcode".to_owned()),
        ("kill -XCPU $$", true, format!("{given_up}60 s of processor time")),
        ("kill -ABRT $$", true, format!("{given_up}2 GiB of memory")),
        ("echo 'memory allocation of 9 bytes failed' >&2; exit 1", true, format!("{given_up}2 GiB of memory")),
        ("kill -KILL $$", false, "the compiling process was killed by someone else".to_owned()),
    ] {
        let error = compiled(script, LIMITS).expect_err(script);
        assert_eq!((matches!(error, CompileError::Exhausted(_)), error.to_string()), (is_exhausted, said), "{script}");
    }
    let defect = compiled("echo 'a defect' >&2; exit 101", LIMITS).expect_err("it failed");
    assert!(matches!(&defect, CompileError::Exhausted(why) if why.ends_with("exit status: 101: a defect")), "{defect}");
    // It reads the program, and has been told its limits beside what it shall make.
    let told =
        r#"[ "$(cat)" = program ] && [ "$*" = "__compile core-module cranelift serial plain 2147483648 60 $8" ]"#;
    compiled(told, LIMITS).expect("it was told");
}

#[test]
fn a_child_that_does_not_end_is_ended_when_its_time_is_over() {
    let started = Instant::now();
    let wall = Duration::from_secs(1);
    let error = compiled("exec /bin/sleep 600", CompileLimits { wall, ..LIMITS }).expect_err("it does not end");
    assert_eq!(error.to_string(), "compiling it was given up: it took more than 1 s");
    assert!(matches!(error, CompileError::Exhausted(_)), "it is remembered");
    assert!((wall..Duration::from_secs(300)).contains(&started.elapsed()), "{:?}", started.elapsed());
}

#[test]
fn a_large_program_may_cost_more() {
    let (small, large) = (CompileLimits::for_size(1), CompileLimits::for_size(64 << 20));
    assert_eq!(small.memory, ByteSize::mib(2096));
    assert!(large.memory > small.memory && large.processor > small.processor && large.wall > small.wall);
}
