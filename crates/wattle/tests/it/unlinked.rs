//! What a capability costs where nobody is linked to it: no thread, no socket, no file. Told by the process itself, beside one with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use testkit::{Redis, Up, Wattle, eventually};

use crate::links::linked;
use crate::{route, wattle};

/// What a host has: its threads by their names, and its sockets. Those of the runtime come and go with what waits for the disk.
fn held(up: &Up) -> (BTreeMap<String, usize>, usize) {
    let mut threads = BTreeMap::new();
    let names =
        entries(&format!("/proc/{}/task", up.id())).filter_map(|task| std::fs::read_to_string(task.join("comm")).ok());
    for name in names.filter(|name| !name.starts_with("tokio-")) {
        *threads.entry(name.trim().to_owned()).or_default() += 1;
    }
    let sockets = open(up).filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    (threads, sockets)
}

/// What the descriptors of a host lead to.
fn open(up: &Up) -> impl Iterator<Item = PathBuf> {
    // One may be closed in this moment.
    entries(&format!("/proc/{}/fd", up.id())).filter_map(|descriptor| std::fs::read_link(descriptor).ok())
}

fn entries(folder: &str) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).expect("the system tells").filter_map(|entry| Some(entry.ok()?.path()))
}

/// The files that a host has open among the data of capabilities.
fn data_files(wattle: &Wattle, up: &Up) -> Vec<PathBuf> {
    let data = wattle.home().canonicalize().expect("it is there").join(".local/share/wattle");
    let own = data.join("host");
    open(up).filter(|file| file.starts_with(&data) && !file.starts_with(&own)).collect()
}

/// The folders that were made for data.
fn data_folders(wattle: &Wattle) -> Vec<PathBuf> {
    let data: &Path = &wattle.home().join(".local/share/wattle");
    let mut folders: Vec<_> = entries(&data.display().to_string()).collect();
    folders.sort();
    folders.into_iter().filter_map(|folder| Some(folder.strip_prefix(data).ok()?.to_owned())).collect()
}

#[test]
fn a_capability_costs_nothing_where_nobody_is_linked_to_it() {
    let (without, with, redis) = (wattle(), wattle(), Redis::start());
    let alone = without.up([route("/", "hello"), "--threads=1".into()]);
    let up = with.up([route("/", "hello"), route("/keys", "counter"), route("/blobs", "blobs"), "--threads=1".into()]);
    assert_eq!((alone.get("/").status, up.get("/").status), (200, 200));
    assert_eq!(up.ask("POST", "/keys/a", b"").text(), "1\n");
    assert_eq!(up.ask("PUT", "/blobs/a", b"x").status, 204);

    let mut expected = held(&alone).0;
    *expected.entry("ledger".to_owned()).or_default() += 1;
    assert_eq!(held(&up).0, expected, "the keys have a thread that writes, and nothing else has one");
    assert!(data_files(&without, &alone).is_empty() && !data_files(&with, &up).is_empty());
    assert_eq!(data_folders(&without), [Path::new("host")]);
    assert_eq!(data_folders(&with), ["blobstore", "host", "keyvalue"].map(Path::new));

    // What is linked elsewhere leaves nothing behind either. Such a link is kept by the host itself, whose thread it is that writes.
    let kept = |(mut threads, sockets): (BTreeMap<String, usize>, usize)| {
        threads.insert("ledger".to_owned(), 1);
        (threads, sockets)
    };
    let has_as_much = || held(&up) == kept(held(&alone)) && data_files(&with, &up).is_empty();
    linked(&with, &up, "put counter keyvalue/memory");
    assert_eq!(up.ask("POST", "/keys/a", b"").text(), "1\n");
    eventually("the store on the disk is closed", has_as_much);
    linked(&with, &up, &format!("put counter keyvalue/redis --set url={}", redis.url()));
    assert_eq!(up.ask("POST", "/keys/a", b"").text(), "1\n");
    assert!(held(&up).1 > held(&alone).1, "it is connected");
    linked(&with, &up, "put counter keyvalue/memory");
    eventually("the connections are closed", has_as_much);
    assert_eq!((alone.stop().code, up.stop().code), (Some(0), Some(0)));
}
