//! How a connection is asked for.

use super::*;

#[test]
fn no_password_is_shown() {
    for (url, shown) in [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("nats://user:pass@host", "nats://host"),
        ("tls://token@a:1, nats://u:p@ss@b:2", "tls://a:1,nats://b:2"),
        ("user:pass@host", "nats://host"),
    ] {
        assert_eq!(describe(url), shown);
    }
    let options = ConnectOptions { login: Login::Token("secret".into()), ..ConnectOptions::default() };
    assert!(!format!("{options:?}").contains("secret"));
    let login = Login::User { name: "me".into(), password: "secret".into() };
    assert!(!format!("{login:?}").contains("secret"));
}

#[test]
fn an_address_is_an_address() {
    assert_eq!(addresses("nats://a:1,b").expect("two addresses").len(), 2);
    for wrong in ["", "http://a", "nats://:::", "a,,b"] {
        assert!(addresses(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_login_may_stand_in_the_address() {
    let login = |url: &str| login_in(&addresses(url).expect("an address")[0]);
    assert_eq!(login("nats://127.0.0.1:4222"), None);
    assert_eq!(login("nats://to%20ken@host"), Some(Login::Token("to ken".into())));
    let user = Login::User { name: "me".into(), password: "a:b@c".into() };
    assert_eq!(login("tls://me:a%3Ab%40c@host:1"), Some(user));
}

#[test]
fn pauses_grow_up_to_their_longest_and_differ() {
    assert_eq!(pause_before(0, 7), Duration::ZERO);
    assert_eq!(pause_before(1, 7), Duration::ZERO);
    for phase in [0, 1, 1_023, u64::MAX, 0x1234_5678_9abc_def0] {
        for attempt in [2, 3, 7, 8, 9, 40, 100, usize::MAX] {
            let whole = Duration::from_millis(50 << (attempt - 2).min(10)).min(PAUSE_MAX);
            let pause = pause_before(attempt, phase);
            assert!((whole / 2..=whole).contains(&pause), "{attempt} {phase}: {pause:?}");
        }
    }
    assert_ne!(pause_before(8, 1), pause_before(8, 9), "two clients do not come back together");
}
