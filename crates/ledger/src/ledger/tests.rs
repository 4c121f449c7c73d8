//! What a ledger survives: a disk that fails, a file that was damaged, a process that was killed while it made one.
//! A killed process and a foreign lock need other processes: they are among the tests of `keyvalue`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use std::ops::Bound;

use bytes::Bytes;
use redb::StorageBackend;

use super::*;
use crate::Enough;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

fn open(folder: impl AsRef<Path>) -> Result<Ledger, OpenError> {
    Ledger::open("store", folder)
}

async fn put(ledger: &Ledger, key: &str, value: impl Into<Bytes>) -> Result<(), LedgerError> {
    let (key, value) = (key.to_owned(), value.into());
    ledger.write(key.len() + value.len(), move |pairs| pairs.put(key.as_bytes(), &value)).await
}

fn get(ledger: &Ledger, key: &str) -> Result<Option<Bytes>, LedgerError> {
    ledger.read(|state| state.get(key.as_bytes()))
}

/// A disk that outlives its databases, and fails when it is told to.
#[derive(Debug, Clone, Default)]
struct Faulty {
    content: Arc<Mutex<Vec<u8>>>,
    /// Writes and flushes until one fails, and all after it. Negative: none does.
    until: Arc<AtomicI64>,
    /// It cannot grow; what is there can be written over.
    is_full: Arc<AtomicBool>,
}

impl Faulty {
    /// A disk that is well, with an empty ledger on it.
    fn with_store() -> Self {
        let disk = Self::default();
        disk.heal();
        let database = redb::Builder::new().create_with_backend(disk.clone()).expect("it opens");
        let transaction = database.begin_write().expect("it opens");
        transaction.open_table(file::PAIRS).expect("it opens");
        transaction.commit().expect("it commits");
        disk
    }

    fn fail_after(&self, count: i64) {
        self.until.store(count, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.fail_after(-1);
    }

    fn check(&self) -> std::io::Result<()> {
        let next = |until: i64| if until > 0 { Some(until - 1) } else { None };
        match self.until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) {
            Err(0) => Err(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    fn content(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.content.lock().expect("no test panics here")
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.content().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let start = usize::try_from(offset).expect("a small disk");
        out.copy_from_slice(&self.content()[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.check()?;
        let length = usize::try_from(length).expect("a small disk");
        if length > self.content().len() && self.is_full.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.content().resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check()?;
        let start = usize::try_from(offset).expect("a small disk");
        self.content()[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn on(disk: &Faulty, folder: &Path) -> Ledger {
    let lock = file::lock("store", folder).expect("the lock is free");
    let disk = disk.clone();
    let opener = move |_| Ok(redb::Builder::new().create_with_backend(disk.clone())?);
    Ledger::start("store", folder, lock, Box::new(opener)).expect("it opens")
}

/// The n-th write or flush fails, for every n until all go well: what was acknowledged is there, reads go on, and when the
/// disk is well again so is the store, in the same process.
#[test]
fn a_disk_that_fails_at_any_write_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for fail_after in 0..60 {
        let disk = Faulty::with_store();
        let faulty = disk.clone();
        let store = on(&disk, folder.path());
        run(async {
            put(&store, "before", "1").await.expect("the disk is well");
            faulty.fail_after(fail_after);
            let mut acknowledged = Vec::new();
            for index in 0..6 {
                let name = format!("during {index}");
                if put(&store, &name, "2").await.is_ok() {
                    acknowledged.push(name);
                }
            }
            faulty.heal();
            put(&store, "after", "3").await.expect("the disk is well again");
            acknowledged.extend(["before".into(), "after".into()]);
            for name in &acknowledged {
                assert!(get(&store, name).expect("it reads").is_some(), "{name} is gone, fault {fail_after}");
            }
        });
    }
}

#[test]
fn a_failed_write_says_that_the_store_is_unavailable() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let disk = Faulty::with_store();
    let store = on(&disk, folder.path());
    disk.fail_after(0);
    let error = run(put(&store, "a", "1")).expect_err("the disk fails");
    assert!(matches!(error, LedgerError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.code(), Code::E0401);
}

/// Reads until the store answers: after a failed write it is opened again by its own thread.
fn read_again(store: &Ledger, name: &str) -> Option<Bytes> {
    let tries = std::iter::repeat_with(|| {
        std::thread::yield_now();
        get(store, name)
    });
    tries.take(1_000_000).find_map(Result::ok).expect("it is opened again")
}

#[test]
fn who_only_reads_is_answered_again_when_the_disk_is_well() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let disk = Faulty::with_store();
    let store = on(&disk, folder.path());
    run(put(&store, "a", "1")).expect("the disk is well");
    disk.fail_after(0);
    run(put(&store, "a", "2")).expect_err("the disk fails");
    disk.heal();
    assert_eq!(read_again(&store, "a"), Some("1".into()));
}

#[test]
fn a_full_disk_is_read_and_written_again_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let disk = Faulty::with_store();
    let store = on(&disk, folder.path());
    run(put(&store, "a", "1")).expect("there is room");
    disk.is_full.store(true, Ordering::SeqCst);
    let error = run(put(&store, "b", vec![0; 4 << 20])).expect_err("there is no room");
    assert!(matches!(error, LedgerError::Unavailable { .. }), "{error:?}");
    assert_eq!(read_again(&store, "a"), Some("1".into()), "reads go on");
    disk.is_full.store(false, Ordering::SeqCst);
    run(put(&store, "b", "2")).expect("there is room again");
}

/// A file of a few hundred pairs, and what is in them.
fn written(folder: &Path) -> Vec<u8> {
    let store = open(folder).expect("an empty folder opens");
    run(async {
        for group in 0..4 {
            let fifty = move |pairs: &mut Pairs<'_>| {
                (0..50)
                    .map(|index| format!("{:03}", group * 50 + index))
                    .try_for_each(|name| pairs.put(name.as_bytes(), name.repeat(20).as_bytes()))
            };
            store.write(1_000, fifty).await.expect("it writes");
        }
    });
    drop(store);
    std::fs::read(folder.join("pairs.redb")).expect("the file is there")
}

/// Opens a folder and reads all of it: either the file is refused or every pair is right.
fn is_refused_or_right(folder: &Path) -> bool {
    let store = match open(folder) {
        Ok(store) => store,
        Err(OpenError::Damaged { .. } | OpenError::Unreadable { .. }) => return true,
        Err(error) => panic!("{error}"),
    };
    let mut count = 0;
    let scanned = store.read(|state| {
        state.scan(Bound::Unbounded, |key, value| {
            let name = std::str::from_utf8(key).expect("a key is wrong and nobody said so");
            assert_eq!(value, name.repeat(20).as_bytes(), "a value is wrong and nobody said so");
            count += 1;
            Enough::NotYet
        })
    });
    scanned.expect("what opened is read");
    assert_eq!(count, 200, "pairs are missing and nobody said so");
    false
}

#[test]
fn a_flipped_bit_is_noticed_or_does_not_matter() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let sound = written(folder.path());
    let path = folder.path().join("pairs.redb");
    let mut refused = 0;
    // All of the head, then some bits of each part of the rest.
    let places = (0..320).chain((320..sound.len()).step_by(331));
    for (index, place) in places.enumerate() {
        let mut damaged = sound.clone();
        damaged[place] ^= 1 << (index % 8);
        std::fs::write(&path, damaged).expect("the file can be written");
        refused += usize::from(is_refused_or_right(folder.path()));
    }
    assert!(refused > 50, "only {refused} were noticed");
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let sound = written(folder.path());
    let path = folder.path().join("pairs.redb");
    for length in (0..sound.len()).step_by(1_777).chain([1, 8, 64, 320, 4_096]) {
        std::fs::write(&path, &sound[..length]).expect("the file can be written");
        let error = open(folder.path()).expect_err("a part of a file is not a file");
        assert!(matches!(error, OpenError::Damaged { .. }), "{length}: {error:?}");
        assert_eq!(error.code(), Code::E0401);
        assert_eq!(std::fs::metadata(&path).expect("the file is there").len(), length as u64, "it is left as it is");
    }
}

#[test]
fn a_file_of_something_else_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for content in [vec![0; 100_000], b"hello".to_vec(), vec![0xff; 4_096]] {
        std::fs::write(folder.path().join("pairs.redb"), content).expect("the file can be written");
        assert!(matches!(open(folder.path()), Err(OpenError::Damaged { .. })));
    }
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let database = redb::Database::create(folder.path().join("pairs.redb")).expect("it opens");
    let transaction = database.begin_write().expect("it opens");
    let about = redb::TableDefinition::<&str, u64>::new("about");
    transaction.open_table(about).expect("it opens").insert("format", 2).expect("it writes");
    transaction.open_table(file::PAIRS).expect("it opens");
    transaction.commit().expect("it commits");
    drop(database);
    let error = open(folder.path()).expect_err("its format is unknown");
    assert!(
        stdx::Chain(&error).to_string().contains("its format is Some(2), this version knows 1"),
        "{}",
        stdx::Chain(&error)
    );
}

#[test]
fn what_a_killed_process_left_of_a_new_file_is_removed() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    std::fs::write(folder.path().join("pairs.redb.new"), b"half a fi").expect("the file can be written");
    let store = open(folder.path()).expect("there is no store yet");
    run(put(&store, "a", "1")).expect("it writes");
    assert!(!folder.path().join("pairs.redb.new").exists());
}

#[test]
fn a_closed_ledger_is_opened_again_with_all_that_was_in_it() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for round in 0..3 {
        let store = open(folder.path()).expect("it opens");
        let count = run(store.write(1, |pairs| {
            let count = pairs.look(b"rounds", |value| value.map_or(0, <[u8]>::len))?;
            pairs.put(b"rounds", &vec![b'i'; count + 1])?;
            Ok(count)
        }));
        assert_eq!(count.expect("it writes"), round);
    }
}

#[test]
fn a_second_ledger_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let first = open(folder.path()).expect("it opens");
    let error = open(folder.path()).expect_err("the folder is in use");
    assert_eq!(error.code(), Code::E0402);
    drop(first);
    open(folder.path()).expect("the folder is free again");
}

#[cfg(unix)]
#[test]
fn a_new_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder for the test");
    let deep = folder.path().join("a/b");
    drop(open(&deep).expect("the folders are made"));
    let mode = std::fs::metadata(&deep).expect("the folder is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("the file can be written");
    assert!(matches!(open(file.join("store")), Err(OpenError::Unreadable { .. })));
}
