//! A process that writes is killed, again and again, and every write that it had acknowledged is there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use capability::conformance::run;
use keyvalue::disk::Disk;
use keyvalue::{Addend, Page, Scope, Store, Sum};

const WRITERS: u64 = 8;

fn scope() -> Scope {
    Scope::new(&"shop".parse().expect("a name"), "")
}

/// The other process: several threads write a pair and add to a number, and say so when each is acknowledged.
#[test]
fn a_process_writes_until_it_is_killed() {
    let Some(folder) = super::told_folder() else { return };
    let store = Disk::open(folder).expect("the store opens after each kill");
    std::thread::scope(|threads| {
        for writer in 0..WRITERS {
            let store = &store;
            threads.spawn(move || run(write(store, writer)));
        }
    });
}

async fn write(store: &Disk, writer: u64) {
    let scope = scope();
    let process = std::process::id();
    for index in 0_u64.. {
        let name = format!("{process}-{writer}-{index}");
        let value = name.repeat(1 + usize::try_from(index % 50).expect("a small number"));
        store.put(&scope.key(&name), value.into()).await.expect("the store writes");
        say(&format!("put {name}"));
        store.increment(&scope.key("count"), Addend::unsigned(1)).await.expect("the store adds");
        say("add");
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes()).and_then(|()| output.flush()).expect("the parent listens");
}

#[test]
fn every_write_that_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (mut names, mut added) = (Vec::new(), 0);
    for round in 0..12 {
        let lines_before_kill = 20 + round * 37;
        let mut child = super::start("killed::a_process_writes_until_it_is_killed", folder.path());
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut acknowledged: Vec<String> =
            lines.by_ref().take(lines_before_kill).map(|line| line.expect("text")).collect();
        child.kill().expect("it runs");
        // What it had said when it was killed is in the pipe; its last line may be cut.
        acknowledged.extend(lines.map_while(Result::ok));
        child.wait().expect("it was started here");
        names.extend(acknowledged.iter().filter_map(|line| line.split_once("put ").map(|(_, name)| name.to_owned())));
        added += acknowledged.iter().filter(|line| line.ends_with("add")).count() as u64;
        check(folder.path(), &names, added..=added + (round as u64 + 1) * WRITERS);
    }
    assert!(names.len() > 500, "only {} writes were acknowledged", names.len());
}

/// All that was acknowledged is there, and of the rest at most what was on its way when a process was killed.
fn check(folder: &Path, names: &[String], counts: std::ops::RangeInclusive<u64>) {
    let (store, scope) = (Disk::open(folder).expect("the store opens after a kill"), scope());
    run(async {
        for name in names {
            let value = store.get(&scope.key(name)).await.expect("the store reads");
            assert!(value.is_some(), "{name} was acknowledged and is gone");
            assert!(value.is_some_and(|value| value.starts_with(name.as_bytes())), "{name} has another value");
        }
        let count = store.increment(&scope.key("count"), Addend::unsigned(0)).await.expect("the store adds");
        let fits = matches!(count, Sum::Is(count) if counts.contains(&u64::try_from(count).expect("a count")));
        assert!(fits, "{count:?} is not in {counts:?}");
        let page = store.list(&scope, Page { after: None, count_max: usize::MAX }).await.expect("the store reads");
        assert!(page.len() > names.len());
    });
}
