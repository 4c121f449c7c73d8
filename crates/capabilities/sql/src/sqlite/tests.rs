//! What holds of files: their own limits, their ends, and that no statement leaves its own.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use capability::conformance::link;

use super::*;
use crate::suite::{HOME, ask, connection, refused, run, sqlite_options};
use crate::value::Value;

fn sqlite(options: Options) -> Arc<Sqlite> {
    let _home = HOME.enter();
    Arc::new(Sqlite::new(options))
}

fn linked(database: &Arc<Sqlite>, component: &str) -> crate::guest::Connection {
    let database: Arc<dyn Database> = database.clone();
    connection(component, &[link(database)], "default").unwrap_or_else(|_| panic!("the link is there"))
}

fn shop(folder: &Path) -> crate::guest::Connection {
    linked(&sqlite(sqlite_options(folder)), "shop")
}

#[tokio::test]
async fn a_statement_reaches_its_own_file_and_session_alone() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let database = shop(folder.path());
    run(&database, "create table pair (name text)", &[]).await;
    let other = folder.path().join("other.sqlite");
    for statement in [
        format!("attach '{}' as other", other.display()),
        format!("vacuum into '{}'", other.display()),
        "detach main".into(),
        "create temporary table other (x)".into(),
        "create temp view other as select 1".into(),
        "create temp trigger other after insert on pair begin select 1; end".into(),
        "pragma journal_mode = off".into(),
        "pragma synchronous = 0".into(),
        "pragma foreign_keys = off".into(),
        "pragma temp_store_directory = '/'".into(),
        "pragma writable_schema = on".into(),
        "pragma query_only = on".into(),
    ] {
        assert_eq!(refused(&database, &statement, &[]).await, "unsupported", "{statement}");
    }
    for statement in ["select load_extension('x')", "select readfile('/etc/passwd')", "select * from fsdir('/')"] {
        assert!(refused(&database, statement, &[]).await.starts_with("statement"), "{statement}");
    }
    assert!(refused(&database, "update sqlite_master set sql = ''", &[]).await.starts_with("statement"));
    assert!(!other.exists());
    assert_eq!(ask(&database, "pragma table_info(pair)", &[]).await.len(), 1);
}

#[tokio::test]
async fn components_have_their_own_databases_or_share_one() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let own = sqlite(sqlite_options(folder.path()));
    run(&linked(&own, "shop"), "create table a (x text)", &[]).await;
    assert_eq!(refused(&linked(&own, "blog"), "select * from a", &[]).await, "statement 42P01");
    let shared = "books".parse().expect("a name");
    let shared = sqlite(Options { database: Some(shared), ..sqlite_options(folder.path()) });
    run(&linked(&shared, "shop"), "create table a (x text)", &[]).await;
    assert_eq!(refused(&linked(&shared, "blog"), "select * from a", &[]).await, "changed 0");
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .expect("it is there")
        .map(|file| file.expect("it is there").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with(".sqlite"))
        .collect();
    files.sort();
    assert_eq!(files, ["blog.sqlite", "books.sqlite", "shop.sqlite"]);
}

#[tokio::test]
async fn a_full_database_says_so_and_is_read_further() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let options = Options { limit: Some(ByteSize::kib(256)), ..sqlite_options(folder.path()) };
    let database = linked(&sqlite(options), "shop");
    run(&database, "create table pair (value blob)", &[]).await;
    let mut count = 0;
    let full = loop {
        match refused(&database, "insert into pair values ($1)", &[Value::Bytes(vec![7; 10_000])]).await {
            changed if changed == "changed 1" => count += 1,
            refused => break refused,
        }
    };
    assert_eq!(full, "full");
    assert!((10..26).contains(&count), "{count}");
    assert_eq!(ask(&database, "select count(*) from pair", &[]).await, [[Value::Integer(count)]]);
}

/// A file that is none is left as it is: nobody's data are taken for an empty database.
#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("shop.sqlite");
    fs::write(&path, [b'x'; 8192]).expect("the folder is ours");
    assert_eq!(refused(&shop(folder.path()), "create table a (x text)", &[]).await, "damaged");
    assert_eq!(fs::read(&path).expect("it is there"), [b'x'; 8192]);

    fs::remove_file(&path).expect("it is there");
    let database = shop(folder.path());
    run(&database, "create table pair (name text, value text)", &[]).await;
    for name in 0..500 {
        let parameters = [Value::Integer(name), Value::Text("x".repeat(100))];
        run(&database, "insert into pair values ($1, $2)", &parameters).await;
    }
    drop(database);
    testkit::eventually("the file is closed", || !folder.path().join("shop.sqlite-wal").exists());
    let mut file = fs::File::options().write(true).open(&path).expect("it is there");
    file.seek(SeekFrom::Start(4096)).and_then(|_| file.write_all(&[0xff; 4096])).expect("the folder is ours");
    assert_eq!(refused(&shop(folder.path()), "select * from pair", &[]).await, "damaged");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_for_who_comes_next() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let first = shop(folder.path());
    run(&first, "create table pair (name text)", &[]).await;
    run(&first, "insert into pair values ('a')", &[]).await;
    // The first is still open.
    assert_eq!(ask(&shop(folder.path()), "select name from pair", &[]).await, [[Value::Text("a".into())]]);
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let database = sqlite(sqlite_options(folder.path()));
    run(&linked(&database, "shop"), "create table pair (name text)", &[]).await;
    let open = || database.shared.files.lock().expect("nobody panicked").len();
    assert_eq!(open(), 1);
    database.shared.close_unused_for(IDLE);
    assert_eq!(open(), 1, "it was used a moment ago");
    database.shared.close_unused_for(Duration::ZERO);
    assert_eq!(open(), 0);
    testkit::eventually("the file is closed", || !folder.path().join("shop.sqlite-wal").exists());
    run(&linked(&database, "shop"), "insert into pair values ('a')", &[]).await;
}
