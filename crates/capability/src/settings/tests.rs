//! Whatever a backend is told, it gets what it declared or is not opened, and no secret is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use stdx::ByteSize;

use super::{Default, Kind, Problem, Setting, Settings, check};

const DECLARED: &[Setting] = &[
    Setting { name: "url", about: "where it is", kind: Kind::Url(&["redis", "rediss"]), default: Default::Required },
    Setting { name: "pool", about: "connections", kind: Kind::Count(1, 64), default: Default::Is("4") },
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("5s") },
    Setting { name: "largest", about: "value", kind: Kind::Size, default: Default::Absent },
    Setting { name: "password", about: "to log in", kind: Kind::Secret, default: Default::Absent },
    Setting { name: "tls", about: "encrypted", kind: Kind::Switch, default: Default::Is("false") },
];

fn told(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn checked(pairs: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    check("redis", DECLARED, &told(pairs)).map_err(|problems| problems.0)
}

#[test]
fn what_is_not_said_has_its_default() {
    let settings = checked(&[("url", "redis://a:1"), ("largest", "2MiB")]).expect("all is well");
    assert_eq!(settings.count("pool"), Some(4));
    assert_eq!(settings.time("timeout"), Some(Duration::from_secs(5)));
    assert_eq!(settings.size("largest"), Some(ByteSize::mib(2)));
    assert!(!settings.is_on("tls"));
    assert_eq!(settings.secret("password").expect("there is none"), None);
}

#[test]
fn all_problems_are_said_at_once() {
    let problems = checked(&[("ulr", "redis://a"), ("pool", "0"), ("colour", "red"), ("tls", "yes")]);
    let said: Vec<_> = problems.expect_err("it is all wrong").iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "colour is no setting of redis; it takes url, pool, timeout, largest, password, tls",
            "ulr is no setting of redis; did you mean url?",
            "url is missing: where it is (--set url=…)",
            "pool cannot be 0: it is a number from 1 to 64",
            "tls cannot be yes: it is true or false",
        ]
    );
}

#[test]
fn a_secret_is_named_and_never_given() {
    let problems = checked(&[("url", "redis://a"), ("password", "hunter2")]).expect_err("it is no place");
    assert_eq!(problems[0].to_string(), "password cannot be ***: it is the place of a secret: env:NAME or file:PATH");

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "hunter2\n").expect("it can be written");
    let place = format!("file:{}", file.path().display());
    let settings = checked(&[("url", "redis://me:p@ss@a:1/0"), ("password", &place)]).expect("all is well");
    assert_eq!(settings.secret("password").expect("the file is there").as_deref(), Some("hunter2"));
    let shown = settings.shown();
    assert_eq!(shown["url"], "redis://me:***@a:1/0");
    assert_eq!(shown["password"], place);
    let settings = checked(&[("url", "redis://token@a:1")]).expect("it is an address");
    assert_eq!(settings.shown()["url"], "redis://***@a:1");

    let settings = checked(&[("url", "redis://a"), ("password", "file:/nowhere/at/all")]).expect("it is a place");
    let error = settings.secret("password").expect_err("there is nothing");
    assert_eq!(error.to_string(), "the secret for password is not to be had from file:/nowhere/at/all");
}

proptest! {
    #[test]
    fn nothing_that_is_told_gets_past_its_declaration(name in "[a-z]{1,8}", value in ".{0,24}") {
        let mut pairs = told(&[("url", "redis://a")]);
        pairs.insert(name.clone(), value);
        if let Ok(settings) = check("redis", DECLARED, &pairs) {
            prop_assert!(DECLARED.iter().any(|setting| setting.name == name));
            prop_assert!(settings.count("pool").is_some_and(|count| (1..=64).contains(&count)));
            prop_assert!(settings.time("timeout").is_some());
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_printed(password in "[a-zA-Z0-9@:]{6,12}", user in "[a-z]{0,4}") {
        let url = format!("redis://{user}:{password}@host:1/path");
        let settings = checked(&[("url", &url)]).expect("it is an address");
        prop_assert_eq!(settings.shown()["url"].clone(), format!("redis://{user}:***@host:1/path"));
    }
}
