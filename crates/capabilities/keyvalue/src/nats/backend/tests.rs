//! What a link says is what the server gets, and what is wrong is said without a password.

use std::collections::BTreeMap;

use async_nats::jetstream::{kv, stream};
use capability::conformance::run;
use capability::settings::check;
use stdx::{Chain, Code, Explain};

use super::*;
use crate::suite::{HOME, log, scope};

const PASSWORD: &str = "hunter2@half";

fn open(told: &[(&str, &str)]) -> Result<Arc<dyn Store>, OpenError> {
    let told: BTreeMap<_, _> = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = check("nats", NatsBackend.settings(), &told).expect("they are well formed");
    HOME.block_on(NatsBackend.open(&settings, &Place { folder: "nowhere".into() }))
}

fn refusal(told: &[(&str, &str)]) -> String {
    let error = open(told).map(|_| ()).expect_err("it cannot be used");
    assert!(matches!(error, OpenError::Refused { .. }), "{told:?}: {error:?}");
    assert_eq!(error.code(), Code::E0601);
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    Chain(&error).to_string()
}

#[test]
fn a_link_opens_with_its_address_alone_and_its_stores_are_kept_apart_by_bucket() {
    let server = testkit::Nats::start();
    let store = open(&[("url", &server.url())]).expect("the server is up");
    assert_eq!(store.describe(), format!("nats {} wattle", server.url()));
    let again = open(&[("url", &server.url()), ("create", "false")]).expect("it was made");
    let other = open(&[("url", &server.url()), ("bucket", "other")]).expect("the server is up");
    let key = scope("shop", "").key("a");
    run(store.put(&key, "1".into())).expect("it writes");
    assert_eq!(run(again.get(&key)).expect("it reads"), Some("1".into()));
    assert_eq!(run(other.get(&key)).expect("it reads"), None);
}

#[test]
fn a_bucket_that_another_client_made_is_used_as_it_is() {
    let server = testkit::Nats::start();
    let bucket = HOME.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server is up");
        let config = kv::Config { bucket: "theirs".into(), history: 5, ..kv::Config::default() };
        async_nats::jetstream::new(client).create_key_value(config).await.expect("it is made")
    });
    let store = open(&[("url", &server.url()), ("bucket", "theirs"), ("create", "false")]).expect("it is there");
    let key = scope("shop", "").key("a");
    for value in ["1", "2"] {
        run(store.put(&key, value.into())).expect("it writes");
    }
    assert_eq!(HOME.block_on(bucket.get("shop.default.a")).expect("it reads"), Some("2".into()));
    run(store.delete(&key)).expect("it deletes");
    assert_eq!(run(store.get(&key)).expect("it reads"), None);
}

#[test]
fn what_cannot_be_used_is_refused_in_words_that_help() {
    let server = testkit::Nats::start();
    let url = server.url();
    assert!(refusal(&[("url", &url), ("create", "false")]).contains("there is no bucket wattle"));
    assert!(refusal(&[("url", &url), ("bucket", "a.b")]).contains("is no name of a bucket"));
    assert!(refusal(&[("url", &url), ("credentials", "/there/is/no/such/file")]).contains("No such file"));
    refusal(&[("url", &url), ("replicas", "3")]);
    refusal(&[("url", "nats://a:b%zz@127.0.0.1:1")]);
    let unfit = stream::Config {
        name: "KV_unfit".into(),
        subjects: vec!["$KV.unfit.>".into()],
        deny_purge: true,
        ..stream::Config::default()
    };
    HOME.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server is up");
        async_nats::jetstream::new(client).create_stream(unfit).await.expect("it is made");
    });
    assert!(refusal(&[("url", &url), ("bucket", "unfit")]).contains("lets nothing be purged"));
}

#[test]
fn who_is_not_there_is_unavailable() {
    let gone = format!("nats://{}", testkit::Nats::start().address());
    for url in [gone.as_str(), "nats://no-such-host.invalid", "tls://no-such-host.invalid"] {
        let error = open(&[("url", url), ("timeout", "500ms")]).map(|_| ()).expect_err("nobody is there");
        assert!(matches!(error, OpenError::Unavailable { .. }), "{url}: {error:?}");
        assert_eq!(error.code(), Code::E0603);
    }
}

#[test]
fn the_first_of_several_servers_that_is_there_is_used() {
    let server = testkit::Nats::start();
    let gone = testkit::Nats::start().url();
    open(&[("url", &format!("{gone},{}", server.url()))]).expect("the second one is up");
}

#[test]
fn a_user_and_a_password_or_a_token_may_stand_in_the_address() {
    log::keep();
    let login = format!("authorization {{ user: me, password: \"{PASSWORD}\" }}");
    let server = testkit::Nats::start_with([&login]);
    let host = server.address();
    let right = format!("nats://me:{}@{host}", PASSWORD.replace('@', "%40"));
    let store = open(&[("url", &right)]).expect("the password is right");
    assert_eq!(store.describe(), format!("nats nats://{host} wattle"));
    drop(store);
    for wrong in [format!("nats://me:wrong@{host}"), format!("nats://{host}"), format!("nats://{PASSWORD}@{host}")] {
        assert!(refusal(&[("url", &wrong)]).contains("authorization violation"));
    }
    let server = testkit::Nats::start_with([&format!("authorization {{ token: \"{PASSWORD}\" }}")]);
    let url = format!("nats://{}@{}", PASSWORD.replace('@', "%40"), server.address());
    open(&[("url", &url)]).expect("the token is right");
    let kept = log::kept();
    assert!(!kept.contains(PASSWORD) && !kept.contains("hunter2"), "{kept}");
}
