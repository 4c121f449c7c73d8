//! What a bucket promises beside what any store does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use capability::settings::check;
use capability::{Backend, OpenError, Place};
use testkit::{Azurite, Gcs, S3 as Server};
use tokio::net::TcpListener;

use super::PART;
use super::azure::AzureBackend;
use super::gcs::GcsBackend;
use super::s3::S3Backend;
use crate::blobs::Blobs;
use crate::suite::{HOME, container, gcs_options, load, options, put, read};
use crate::{BlobsError, Span};

/// The parts of unfinished uploads that the server keeps.
fn parts(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("it is a folder");
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains("upload")))
        .count()
}

#[test]
fn an_upload_that_is_dropped_is_aborted() {
    let server = Server::start();
    HOME.block_on(async {
        let blobs = options(&server.endpoint()).open().await.expect("the server is up");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        let mut upload = blobs.write(&files.object("a")).await.expect("it begins");
        upload.write(Bytes::from(vec![0; PART + 1])).await.expect("it is taken");
        assert!(parts(server.folder()) > 0, "a part is there");
        drop(upload);
        let aborted = async {
            while parts(server.folder()) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), aborted).await.expect("it is aborted");
    });
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    HOME.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let accept = async {
            let mut held = Vec::new();
            while let Ok(socket) = listener.accept().await {
                held.push(socket);
            }
        };
        let mut options = options(&format!("http://127.0.0.1:{port}"));
        options.reach.timeout = Duration::from_millis(300);
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = options.open() => outcome,
            () = accept => panic!("the port is open"),
        };
        assert!(matches!(outcome.map(drop), Err(OpenError::Unavailable { .. })));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    });
}

#[test]
fn a_server_that_stops_to_answer_is_an_error_of_each_call() {
    let server = Server::start();
    HOME.block_on(async {
        let blobs = options(&server.endpoint()).open().await.expect("the server is up");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        put(&blobs, &files.object("a"), b"x").await;
        drop(server);
        let outcomes = [
            blobs.create(&container("shop", "new")).await,
            blobs.read(&files.object("a"), Span::ALL).await.map(drop),
            blobs.write(&files.object("a")).await.map(drop),
            blobs.delete(&[files.object("a")]).await,
            blobs.clear(&files).await,
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(BlobsError::Unavailable { .. })), "{outcome:?}");
        }
    });
}

/// How long a request of these tests may take, of which an object takes two, and how much longer on a machine that is busy.
const HASTE: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(4);

#[test]
fn a_server_killed_under_load_costs_only_the_objects_of_that_time() {
    let mut server = Server::start();
    let mut options = options(&server.endpoint());
    options.reach.timeout = HASTE;
    let blobs = HOME.block_on(options.open()).expect("the server is up");
    load::survives_kills(&blobs, &mut server, 2 * HASTE + GRACE);
}

#[test]
fn a_server_of_google_killed_under_load_costs_only_the_objects_of_that_time() {
    let mut server = Gcs::start();
    let mut options = gcs_options(&server);
    options.reach.timeout = HASTE;
    let blobs = HOME.block_on(options.open()).expect("the server is up");
    load::survives_kills(&blobs, &mut server, 2 * HASTE + GRACE);
}

fn told(server: &Server, more: &[(&str, String)]) -> BTreeMap<String, String> {
    let options = options(&server.endpoint());
    let (id, key) = options.key.expect("the server asks for a key");
    for (name, text) in [("id", &id), ("key", &key)] {
        std::fs::write(server.folder().join(name), format!("{text}\n")).expect("it is written");
    }
    let place = |name: &str| format!("file:{}", server.folder().join(name).display());
    let told = [
        ("bucket", options.bucket),
        ("endpoint", options.reach.endpoint.expect("it has a port")),
        ("access-key", place("id")),
        ("secret-key", place("key")),
        ("allow-http", "true".to_owned()),
    ];
    told.iter().chain(more).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

async fn open(told: &BTreeMap<String, String>) -> Result<std::sync::Arc<dyn Blobs>, OpenError> {
    let settings = check("s3", S3Backend.settings(), told).expect("they are well formed");
    S3Backend.open(&settings, &Place { folder: "nowhere".into() }).await
}

#[test]
fn a_link_says_where_the_bucket_is_and_what_opens_it() {
    let server = Server::start();
    HOME.block_on(async {
        let one = open(&told(&server, &[])).await.expect("it opens");
        let other = open(&told(&server, &[("prefix", "other/place".to_owned())])).await.expect("it opens");
        assert!(one.describe().starts_with("s3 bucket at http://127.0.0.1:"), "{}", one.describe());
        let files = container("shop", "files");
        for blobs in [&one, &other] {
            blobs.create(&files).await.expect("it is created");
        }
        put(&*one, &files.object("a"), b"x").await;
        assert_eq!(read(&*other, &files.object("a"), Span::ALL).await, None, "a prefix is a store of its own");

        let plain = open(&told(&server, &[("allow-http", "false".to_owned())])).await;
        assert!(plain.is_err(), "a server without TLS is not asked unless that is allowed");
        let mut half = told(&server, &[]);
        half.remove("secret-key");
        assert!(matches!(open(&half).await.map(drop), Err(OpenError::Refused { .. })));
        std::fs::write(server.folder().join("wrong"), "wrong").expect("it is written");
        let wrong = format!("file:{}", server.folder().join("wrong").display());
        assert!(open(&told(&server, &[("secret-key", wrong)])).await.is_err(), "a wrong key opens nothing");
        assert!(open(&told(&server, &[("bucket", "none".to_owned())])).await.is_err(), "there is no such bucket");
    });
}

/// The settings of a link to this server, with a key in a file.
fn told_azure(server: &Azurite, folder: &Path, key: &str) -> BTreeMap<String, String> {
    let place = folder.join("key");
    std::fs::write(&place, format!("{key}\n")).expect("the folder is ours");
    let told = [
        ("account", Azurite::ACCOUNT.to_owned()),
        ("container", Azurite::CONTAINER.to_owned()),
        ("endpoint", server.endpoint()),
        ("key", format!("file:{}", place.display())),
        ("allow-http", "true".to_owned()),
        ("timeout", "5s".to_owned()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn open_azure(
    told: &BTreeMap<String, String>,
    (name, value): (&str, &str),
) -> Result<std::sync::Arc<dyn Blobs>, OpenError> {
    let mut told = told.clone();
    if !name.is_empty() {
        told.insert(name.into(), value.into());
    }
    let settings = check("azure", AzureBackend.settings(), &told).expect("they are well formed");
    AzureBackend.open(&settings, &Place { folder: "nowhere".into() }).await
}

#[test]
fn a_link_says_where_the_container_is_and_what_opens_it() {
    let (server, folder) = (Azurite::start(), tempfile::tempdir().expect("a folder for the test"));
    HOME.block_on(async {
        let right = told_azure(&server, folder.path(), Azurite::KEY);
        let blobs = open_azure(&right, ("", "")).await.expect("it opens");
        let described = blobs.describe();
        assert!(described.starts_with("azure devstoreaccount1/data at http://127.0.0.1:"), "{described}");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        assert!(open_azure(&right, ("allow-http", "false")).await.is_err(), "it has no TLS");
        assert!(open_azure(&right, ("container", "none")).await.is_err(), "there is no such container");
        for wrong in ["bm90IHRoZSBrZXk=", "no key at all"] {
            let told = told_azure(&server, folder.path(), wrong);
            let error = open_azure(&told, ("", "")).await.map(drop).expect_err("it opens nothing");
            assert!(!stdx::Chain(&error).to_string().contains(wrong), "{error}");
        }
        drop(server);
        let away = blobs.read(&files.object("a"), Span::ALL).await.map(drop);
        assert!(matches!(away, Err(BlobsError::Unavailable { .. })), "{away:?}");
    });
}

/// The settings of a link to this server, with a service account in a file.
fn told_gcs(server: &Gcs, account: &str) -> BTreeMap<String, String> {
    let place = server.folder().join("account");
    std::fs::write(&place, account).expect("the folder is ours");
    let told = [
        ("bucket", Gcs::BUCKET.to_owned()),
        ("endpoint", format!("{}/", server.endpoint())),
        ("account", format!("file:{}", place.display())),
        ("allow-http", "true".to_owned()),
        ("timeout", "5s".to_owned()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn open_gcs(told: &BTreeMap<String, String>) -> Result<std::sync::Arc<dyn Blobs>, OpenError> {
    let settings = check("gcs", GcsBackend.settings(), told).expect("they are well formed");
    GcsBackend.open(&settings, &Place { folder: "nowhere".into() }).await
}

#[test]
fn a_link_says_where_the_bucket_of_google_is_and_who_asks() {
    let server = Gcs::start();
    HOME.block_on(async {
        let right = told_gcs(&server, server.account());
        let blobs = open_gcs(&right).await.expect("it opens");
        let described = blobs.describe();
        assert!(described.starts_with("gcs bucket at http://127.0.0.1:"), "{described}");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        for (name, value, why) in
            [("allow-http", "false", "it has no TLS"), ("bucket", "none", "there is no such bucket")]
        {
            let mut told = right.clone();
            told.insert(name.into(), value.into());
            assert!(open_gcs(&told).await.is_err(), "{why}");
        }
        let damaged = server.account().replace("MII", "MOO");
        for wrong in [Gcs::stranger(), damaged, "a-password".to_owned(), "{}".to_owned()] {
            let told = told_gcs(&server, &wrong);
            let error = open_gcs(&told).await.map(drop).expect_err("it opens nothing");
            let said = stdx::Chain(&error).to_string();
            assert!(!said.contains("PRIVATE KEY") && !said.contains("a-password"), "{said}");
        }
        drop(server);
        let away = blobs.read(&files.object("a"), Span::ALL).await.map(drop);
        assert!(matches!(away, Err(BlobsError::Unavailable { .. })), "{away:?}");
    });
}
