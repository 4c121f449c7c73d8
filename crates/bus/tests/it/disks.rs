//! A server whose disk is full: what it does not store is not called stored, and after a restart it goes on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bus::{Bucket, BucketError, Bus, ConnectOptions, Keep};
use stdx::{Code, Explain};
use tempfile::TempDir;
use testkit::{Lack, skip};

use crate::keeping::{self, bucket, key, told, told_until};
use crate::server::{self, Server};
use crate::{eventually, run};

/// What something else writes to the disk. A server takes three quarters of what is free when it starts for its own, and says so when it
/// has used that; it does not know of what others take later.
const BALLAST: usize = 10 << 20;

/// A small disk of its own.
struct Disk(TempDir);

// === impl Disk ===

impl Disk {
    /// One of 16 MiB; nothing where this process may not mount one.
    fn mount() -> Option<Self> {
        let folder = keeping::folder();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            skip(Lack::Permission, "this process may not mount a disk");
            return None;
        }
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Something else takes most of it.
    fn take(&self) {
        std::fs::write(self.ballast(), vec![1; BALLAST]).expect("it has room");
    }

    /// Makes room again.
    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was written");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: its server may still be about to end.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} may still be mounted", self.path().display());
        }
    }
}

/// Puts values until one is not acknowledged; how many were, and what is said of that one.
async fn fill(bucket: &Bucket) -> (usize, BucketError) {
    for number in 0..200 {
        if let Err(error) = bucket.put(&key(&format!("k{number}")), vec![0; 100_000].into()).await {
            return (number, error);
        }
    }
    panic!("20 MB were put on a disk of 16 MB");
}

async fn has_all(bucket: &Bucket, count: usize) -> bool {
    let keys = bucket.keys().await.expect("they are read");
    (0..count).all(|number| keys.contains(&key(&format!("k{number}"))))
}

async fn a_full_disk_loses_nothing_and_is_recovered_from(program: PathBuf, answers: bool) {
    let Some(disk) = Disk::mount() else { return };
    let path = disk.path().to_str().expect("a path in text");
    let mut server = Server::start(program, &["-js", "-sd", path]);
    let options = ConnectOptions { patience: Duration::from_secs(2), ..ConnectOptions::default() };
    let bus = Bus::connect(&server.url(), options).await.expect("it lets us in");
    let bucket = bucket(&bus, Keep::default()).await;
    let mut watch = bucket.watch();
    assert_eq!(told(&mut watch).await, "current");

    disk.take();
    let (count, refused) = fill(&bucket).await;
    assert!(count > 10, "only {count} fit");
    let is_refused = |error: &BucketError| match answers {
        true => matches!(error, BucketError::Stuck { .. }) && error.code() == Code::E0708,
        // An old one answers nothing more at all.
        false => matches!(error, BucketError::Stuck { .. } | BucketError::Unavailable { .. }),
    };
    assert!(is_refused(&refused), "{refused:?}");
    if answers {
        assert!(has_all(&bucket, count).await, "what is there is read");
    }
    disk.free();
    let refused = bucket.put(&key("small"), "1".into()).await.expect_err("it does not look again");
    assert!(is_refused(&refused), "{refused:?}");

    server.restart();
    eventually("it stores again", async || bucket.put(&key("small"), "2".into()).await.is_ok()).await;
    assert!(has_all(&bucket, count).await, "all that was acknowledged is there");
    let told = told_until(&mut watch, "small=2").await;
    assert!(!told.iter().any(|told| told == "anew" || told.starts_with('-')), "{told:?}");
}

#[test]
fn a_full_disk_loses_nothing_and_is_recovered_from_nats_newest() {
    run(a_full_disk_loses_nothing_and_is_recovered_from(server::newest(), true));
}

#[test]
fn a_full_disk_loses_nothing_and_is_recovered_from_nats_of_the_system() {
    let Some(program) = server::of_system() else { return };
    run(a_full_disk_loses_nothing_and_is_recovered_from(program, false));
}
