//! A process that keeps a bucket is killed, again and again, and every put that it had acknowledged is there.
//!
//! The other process is this program again, started with the name of one of its tests and told where by a variable.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bus::{Bus, Keep};
use futures::future::join_all;

use crate::keeping::{self, bucket, key};
use crate::run;

/// Where the other process finds its bucket. It is not set in the one that runs the tests.
const FOLDER: &str = "BUS_TEST_FOLDER";

/// The other process: puts values, and says so when each is acknowledged.
#[test]
fn a_process_puts_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    run(async {
        let bus = Bus::in_process(keeping::open(Path::new(&folder)));
        let bucket = bucket(&bus, Keep::default()).await;
        let putting = (0..4).map(async |writer| {
            for index in 0_u64.. {
                let name = format!("{}-{writer}-{index}", std::process::id());
                bucket.put(&key(&name), name.clone().into()).await.expect("it is put");
                let mut output = std::io::stdout().lock();
                output.write_all(format!("put {name}\n").as_bytes()).expect("the parent listens");
                output.flush().expect("the parent listens");
            }
        });
        join_all(putting).await;
    });
}

#[test]
fn every_put_that_a_killed_process_acknowledged_is_there() {
    let folder = keeping::folder();
    let mut names = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "killed::a_process_puts_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program starts again");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut said: Vec<String> = lines.by_ref().take(20 + round * 23).map(|line| line.expect("text")).collect();
        child.kill().expect("it runs");
        // What it had said when it was killed is in the pipe; a line is written whole.
        said.extend(lines.map_while(Result::ok));
        child.wait().expect("it was started here");
        names.extend(said.iter().filter_map(|line| line.split_once("put ").map(|(_, name)| name.to_owned())));
        run(async {
            let bus = Bus::in_process(keeping::open(folder.path()));
            let entries = bucket(&bus, Keep::default()).await.entries().await.expect("it is read");
            let is_there =
                |name: &String| entries.iter().any(|(key, entry)| key.as_str() == name && entry.value == *name);
            assert!(names.iter().all(is_there), "what was acknowledged is gone, round {round}");
        });
    }
    assert!(names.len() > 200, "only {} puts were acknowledged", names.len());
}
