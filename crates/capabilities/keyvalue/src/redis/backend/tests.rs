//! What a link says is what the server gets, and what is wrong is said without a password.

use std::collections::BTreeMap;

use capability::conformance::run;
use capability::settings::check as check_settings;
use stdx::{Chain, Code, Explain};

use super::*;
use crate::suite::{HOME, log, scope};

const PASSWORD: &str = "hunter2-and-a-half";

fn open(told: &[(&str, &str)]) -> Result<Arc<dyn Store>, OpenError> {
    let told: BTreeMap<_, _> = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = check_settings("redis", RedisBackend.settings(), &told).expect("they are well formed");
    HOME.block_on(RedisBackend.open(&settings, &Place { folder: "nowhere".into() }))
}

fn secret(content: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("a file for the test");
    std::fs::write(file.path(), content).expect("it can be written");
    let place = format!("file:{}", file.path().display());
    (file, place)
}

fn with_login(url: &str, login: &str) -> String {
    url.replace("redis://", &format!("redis://{login}@"))
}

#[test]
fn a_link_opens_with_its_address_alone_and_its_stores_are_kept_apart_by_prefix() {
    let server = testkit::Redis::start();
    let store = open(&[("url", &server.url())]).expect("the server is up");
    assert_eq!(store.describe(), format!("redis {}/0 wattle", server.url()));
    let other = open(&[("url", &server.url()), ("prefix", "other")]).expect("the server is up");
    let numbered = open(&[("url", &format!("{}/3", server.url()))]).expect("the server is up");
    let key = scope("shop", "").key("a");
    run(store.put(&key, "1".into())).expect("it writes");
    for other in [&other, &numbered] {
        assert_eq!(run(other.get(&key)).expect("it reads"), None);
    }
}

#[test]
fn a_password_is_taken_from_its_place_or_from_the_address() {
    let server = testkit::Redis::start_with_password(PASSWORD);
    let (_file, place) = secret(&format!("{PASSWORD}\n"));
    for told in [
        vec![("url", server.url()), ("password", place.clone())],
        vec![("url", with_login(&server.url(), &format!(":{PASSWORD}")))],
        vec![("url", with_login(&server.url(), "default:something%20else")), ("password", place)],
    ] {
        let told: Vec<_> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let store = open(&told).expect("the password is right");
        assert!(!store.describe().contains(PASSWORD));
    }
}

/// The wrong password, given in each way there is: it is refused in words that help, which never hold it.
#[test]
fn a_wrong_password_is_refused_and_not_repeated() {
    log::keep();
    let server = testkit::Redis::start_with_password("another");
    let (_file, place) = secret(PASSWORD);
    let in_address = with_login(&server.url(), &format!("default:{PASSWORD}"));
    for told in
        [vec![("url", server.url()), ("password", place)], vec![("url", in_address)], vec![("url", server.url())]]
    {
        let told: Vec<_> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let error = open(&told).map(|_| ()).expect_err("it is the wrong one, or none");
        assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
        assert_eq!(error.code(), Code::E0601);
        let said = Chain(&error).to_string();
        assert!(said.contains("WRONGPASS") || said.contains("NOAUTH"), "{said}");
        assert!(!said.contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD), "{said}");
    }
    assert!(!log::kept().contains(PASSWORD), "{}", log::kept());
}

#[test]
fn what_cannot_be_used_is_refused_and_what_is_not_there_is_unavailable() {
    let server = testkit::Redis::start();
    let url = server.url();
    let refused: [&[(&str, &str)]; 5] = [
        &[("url", &url), ("prefix", "a{b}")],
        &[("url", &format!("{url}/no-number"))],
        &[("url", &format!("{url}/9999"))],
        &[("url", &url), ("password", "file:/there/is/no/such/file")],
        &[("url", "redis://:x@")],
    ];
    for told in refused {
        let error = open(told).map(|_| ()).expect_err("it cannot be used");
        assert!(matches!(error, OpenError::Refused { .. }), "{told:?}: {error:?}");
    }
    let gone = format!("redis://127.0.0.1:{}", testkit::Redis::start().address().port());
    let encrypted = url.replace("redis://", "rediss://");
    for url in [gone.as_str(), &encrypted, "redis://no-such-host.invalid"] {
        let told = [("url", url), ("connect-timeout", "500ms"), ("timeout", "500ms")];
        let error = open(&told).map(|_| ()).expect_err("nobody is there, or nobody who speaks so");
        assert!(matches!(error, OpenError::Unavailable { .. }), "{url}: {error:?}");
        assert_eq!(error.code(), Code::E0603);
    }
}

#[test]
fn a_node_of_a_cluster_is_refused() {
    let bus = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let bus_port = bus.expect("a port is free").port().to_string();
    let server = testkit::Redis::start_with(["--cluster-enabled", "yes", "--cluster-port", &bus_port]);
    let error = open(&[("url", &server.url())]).map(|_| ()).expect_err("it holds a part of the keys");
    assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
    assert!(Chain(&error).to_string().contains("cluster"), "{}", Chain(&error));
}

#[test]
fn a_server_that_drops_keys_is_warned_of() {
    log::keep();
    let server = testkit::Redis::start_with(["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"]);
    open(&[("url", &server.url())]).expect("it can be used");
    assert!(log::kept().contains("drops keys when it is full"), "{}", log::kept());
}

/// Who may not ask the server about itself may use it all the same.
#[test]
fn a_user_with_few_rights_is_enough() {
    let server = testkit::Redis::start_with([
        "--user",
        "wattle",
        "on",
        ">secret",
        "~wattle:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+ping",
        "+hello",
    ]);
    let store = open(&[("url", &with_login(&server.url(), "wattle:secret"))]).expect("the user may do what is needed");
    let key = scope("shop", "").key("a");
    run(store.put(&key, "1".into())).expect("it writes");
    assert_eq!(run(store.get(&key)).expect("it reads"), Some("1".into()));
}
