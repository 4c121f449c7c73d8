//! What the capability says of itself, and its promises over each backend.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use capability::{Capability, OpenError, settings};

use super::keep::SIZE_MAX;
use super::*;

fn secrets() -> Secrets {
    Secrets::new(Place { folder: "nowhere".into() })
}

async fn open(backend: &str, told: &[(&str, &str)]) -> Result<Arc<dyn Keep>, OpenError> {
    let told: BTreeMap<_, _> = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let info = secrets().backends().into_iter().find(|info| info.name == backend).expect("there is such a backend");
    let settings = settings::check(backend, info.settings, &told).expect("the test tells what there is");
    let opened = secrets().open(backend, &settings).await?;
    Ok(opened.target::<dyn Keep>().expect("it is what the capability works on").clone())
}

/// A folder with these files, each for its owner alone.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for (name, bytes) in files {
        put(&folder.path().join(name), bytes, 0o600);
    }
    folder
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    std::fs::write(path, bytes).expect("the folder takes a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

async fn files(folder: &Path) -> Arc<dyn Keep> {
    open("files", &[("folder", folder.to_str().expect("a text"))]).await.expect("it opens")
}

async fn get(keep: &Arc<dyn Keep>, name: &str) -> Result<Option<Vec<u8>>, KeepError> {
    let secret = keep.get(&name.parse().expect("a name")).await?;
    Ok(secret.map(|secret| secret.reveal().to_vec()))
}

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/wasmcloud-secrets");
    let linked = capability::conformance::links(&secrets(), &[&wit]);
    assert_eq!(linked, secrets().contracts().into_iter().collect());
}

#[test]
fn a_name_cannot_lead_anywhere() {
    for text in ["db-password", "a", "TLS.key", "a_b.c-d", &"x".repeat(253)] {
        assert!(text.parse::<Name>().is_ok(), "{text:?}");
    }
    for text in ["", ".", "..", ".hidden", "a/b", "../a", "a\0", "a b", "ä", "a\\b", "a=b", &"x".repeat(254)] {
        assert!(text.parse::<Name>().is_err(), "{text:?}");
    }
    let long = "p4ssw0rd!".repeat(100).parse::<Name>().expect_err("it is no name");
    assert!(long.to_string().len() < 200, "it is not repeated as a whole");
}

#[test]
fn a_secret_is_not_shown() {
    let secret = Secret::new(b"hunter2".to_vec()).expect("it is small");
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert!(matches!(Secret::new(vec![0; SIZE_MAX + 1]), Err(KeepError::TooLarge)));
}

#[tokio::test]
async fn without_a_link_there_is_no_secret() {
    let nothing = open(secrets().backends()[0].name, &[]).await.expect("it opens");
    assert_eq!(get(&nothing, "path").await.expect("it is asked"), None);
}

#[tokio::test]
async fn a_variable_is_found_by_its_prefix_and_no_other_is() {
    // Set for every process that cargo starts.
    let keep = open("environment", &[("prefix", "CARGO_")]).await.expect("it opens");
    assert_eq!(get(&keep, "pkg-name").await.expect("it is asked"), Some(b"secrets".to_vec()));
    assert_eq!(get(&keep, "pkg.name").await.expect("it is asked"), Some(b"secrets".to_vec()));
    assert_eq!(get(&keep, "path").await.expect("it is asked"), None);
    let info = secrets().backends().into_iter().find(|info| info.name == "environment").expect("it is there");
    for told in [vec![], vec![("prefix".to_owned(), String::new())]] {
        assert!(settings::check("environment", info.settings, &told.into_iter().collect()).is_err());
    }
}

#[tokio::test]
async fn a_file_is_a_secret_byte_by_byte() {
    let all: Vec<u8> = (0..=255).collect();
    let folder = folder(&[("db-password", b"hunter2\n"), ("key", &all), ("empty", b"")]);
    let keep = files(folder.path()).await;
    assert_eq!(get(&keep, "db-password").await.expect("it is asked"), Some(b"hunter2\n".to_vec()));
    assert_eq!(get(&keep, "key").await.expect("it is asked"), Some(all));
    assert_eq!(get(&keep, "empty").await.expect("it is asked"), Some(Vec::new()));
    assert_eq!(get(&keep, "none").await.expect("it is asked"), None);
    // What has changed is known to whoever asks next.
    put(&folder.path().join("db-password"), b"hunter3", 0o600);
    assert_eq!(get(&keep, "db-password").await.expect("it is asked"), Some(b"hunter3".to_vec()));
}

#[tokio::test]
async fn what_is_not_kept_as_a_secret_is_not_given() {
    let outside = folder(&[("outside", b"outside")]);
    let folder = folder(&[("real", b"inside")]);
    let at = |name: &str| folder.path().join(name);
    for mode in [0o604, 0o602, 0o666] {
        put(&at("open"), b"hunter2", mode);
        let refused = get(&files(folder.path()).await, "open").await.expect_err("everybody can read or change it");
        assert!(matches!(&refused, KeepError::Unsafe(text) if text.contains(&format!("{mode:o}"))), "{refused}");
        assert!(!refused.to_string().contains("hunter2"));
    }
    let told = [("folder", folder.path().to_str().expect("a text")), ("readable", "true")];
    let keep = open("files", &told).await.expect("it opens");
    assert_eq!(get(&keep, "open").await.expect("it was said that it may be"), Some(b"hunter2".to_vec()));

    let keep = files(folder.path()).await;
    symlink(outside.path().join("outside"), at("out")).expect("a link");
    symlink("real", at("in")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    std::fs::create_dir(at("folder")).expect("a folder");
    put(&at("large"), &vec![0; SIZE_MAX + 1], 0o600);
    put(&at("largest"), &vec![0; SIZE_MAX], 0o600);
    assert!(matches!(get(&keep, "out").await, Err(KeepError::Unsafe(_))));
    assert_eq!(get(&keep, "in").await.expect("it stays inside"), Some(b"inside".to_vec()));
    assert!(matches!(get(&keep, "loop").await, Err(KeepError::Unreadable(_))));
    assert!(matches!(get(&keep, "folder").await, Err(KeepError::Unsafe(_))));
    assert!(matches!(get(&keep, "large").await, Err(KeepError::TooLarge)));
    assert_eq!(get(&keep, "largest").await.expect("it is not too large").map(|bytes| bytes.len()), Some(SIZE_MAX));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_said() {
    let refused = open("files", &[("folder", "/nowhere/at/all")]).await.map(|_| ()).expect_err("it is not there");
    assert!(
        matches!(&refused, OpenError::Unavailable { backend, .. } if backend == "files /nowhere/at/all"),
        "{refused}"
    );
}
