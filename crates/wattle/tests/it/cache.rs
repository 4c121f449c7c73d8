//! Compiled once: what is in the cache is used, what is damaged is made anew, and processes share it safely.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use testkit::{Up, Wattle, eventually};

use crate::{guest, wattle};

/// Answers once with a component of the cache, and stops.
fn answer_once(wattle: &Wattle) {
    let up = wattle.up([guest("hello-p2")]);
    assert_eq!(up.get("/").status, 200);
    assert_eq!(up.stop().code, Some(0));
}

/// The only entry of the cache.
fn entry(wattle: &Wattle) -> PathBuf {
    let names = names(wattle);
    assert_eq!(names.len(), 1, "one entry and nothing else: {names:?}");
    wattle.cache().join(&names[0])
}

fn names(wattle: &Wattle) -> Vec<String> {
    let entries = std::fs::read_dir(wattle.cache()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_second_start_compiles_nothing() {
    let wattle = wattle().with_own_cache();
    answer_once(&wattle);
    let path = entry(&wattle);
    let identity = || std::fs::metadata(&path).map(|status| (status.ino(), status.mtime(), status.mtime_nsec())).ok();
    let before = identity();
    answer_once(&wattle);
    assert_eq!(identity(), before);
    assert_eq!(entry(&wattle), path);
    let status = std::fs::metadata(wattle.cache()).expect("the folder");
    assert_eq!(status.mode() & 0o777, 0o700, "it is the user's alone");
}

/// Bytes all over the entry are changed, and it is cut and lengthened: it is never loaded, and is made anew just as it was.
#[test]
fn a_damaged_entry_is_made_anew() {
    let wattle = wattle().with_own_cache();
    answer_once(&wattle);
    let path = entry(&wattle);
    let whole = std::fs::read(&path).expect("the entry");
    let changed =
        (0..8).map(|part| part * whole.len() / 8).chain([whole.len() - 41, whole.len() - 20, whole.len() - 1]);
    let mut damaged: Vec<_> = changed
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    damaged.extend([0, 1, whole.len() / 2, whole.len() - 1].map(|end| whole[..end].to_vec()));
    damaged.push([whole.as_slice(), b"x"].concat());
    for (case, bytes) in damaged.iter().enumerate() {
        std::fs::write(&path, bytes).expect("it is ours");
        let up = wattle.up([guest("hello-p2")]);
        assert_eq!(up.get("/").status, 200, "case {case}");
        let ended = up.stop();
        assert!(ended.stderr.contains("damaged, compiling it anew"), "case {case}: {}", ended.stderr);
        assert!(std::fs::read(entry(&wattle)).expect("the entry") == whole, "case {case}");
    }
}

#[test]
fn processes_that_start_at_once_share_an_empty_cache() {
    let wattle = wattle().with_own_cache();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| answer_once(&wattle));
        }
    });
    entry(&wattle);
}

/// Killed while it compiles: what it began is never taken for an entry, and nobody waits for its lock.
#[test]
fn a_process_that_was_killed_while_compiling_leaves_nothing_in_the_way() {
    let wattle = wattle().with_own_cache();
    for _ in 0..3 {
        let mut child = wattle.up_command([guest("http-kit")]).spawn().expect("it starts");
        eventually("it compiles", || names(&wattle).iter().any(|name| name.starts_with(".draft-")));
        child.kill().and_then(|()| child.wait()).expect("it was started here");
        assert!(!names(&wattle).iter().any(|name| name.ends_with(".cwasm")), "{:?}", names(&wattle));
    }
    let up = wattle.up([guest("http-kit")]);
    assert_eq!(up.get("/").status, 200);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let wattle = wattle().with_own_cache();
    std::fs::create_dir_all(wattle.cache()).expect("a folder");
    std::fs::set_permissions(wattle.cache(), std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    let ended = wattle.try_up([guest("hello")]).expect_err("it is not safe");
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.contains("E0202") && ended.stderr.contains("others may write to it"), "{}", ended.stderr);
    assert_eq!(names(&wattle).len(), 0);
}

#[test]
fn a_cache_that_is_no_folder_is_refused() {
    let wattle = wattle().with_own_cache();
    std::fs::write(wattle.cache(), "a file").expect("written");
    let ended = wattle.try_up([guest("hello")]).expect_err("there is no folder");
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.contains("E0202"), "{}", ended.stderr);
}

/// Engines and versions never get each other's code: each has its own entry.
#[test]
fn every_engine_has_its_own_entry() {
    let wattle = wattle().with_own_cache();
    for (count, engine) in ["cranelift", "winch", "pulley"].into_iter().enumerate() {
        let up = wattle.up([&guest("hello-p2"), "--engine", engine]);
        assert_eq!(up.get("/").status, 200);
        assert_eq!(names(&wattle).len(), count + 1, "{engine}");
    }
}

#[test]
fn an_entry_can_be_forgotten() {
    let wattle = wattle().with_own_cache();
    answer_once(&wattle);
    assert_eq!(wattle.run(["cache", "path"]).stdout.trim(), wattle.cache().display().to_string());
    let clear = || wattle.run(["cache", "clear", &guest("hello-p2")]);
    assert_eq!((clear().stdout.as_str(), names(&wattle).len()), ("forgotten\n", 0));
    assert_eq!(clear().stdout, "nothing was kept of it\n");
    answer_once(&wattle);
}

/// The binary finds itself and its folders without a `PATH`, and says so where it cannot.
#[test]
fn an_empty_environment_is_enough() {
    let wattle = wattle().with_own_cache();
    let mut command = wattle.up_command([guest("hello-p2")]);
    let up = Up::start(command.env_clear());
    assert_eq!(up.get("/").status, 200);
    assert_eq!(up.stop().code, Some(0));
}
