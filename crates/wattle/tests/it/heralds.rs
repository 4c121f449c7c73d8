//! `wasi:messaging`: messages as handles, over every backend.

use testkit::{Mosquitto, Nats, Up, eventually};

use crate::{guest, wattle};

fn herald(link: &str) -> Up {
    wattle().up([guest("herald"), format!("--link=herald=messaging/{link}")])
}

fn asked(up: &Up, method: &str, target: &str, body: &str) -> (u16, String) {
    let answer = up.ask(method, target, body.as_bytes());
    (answer.status, answer.text())
}

fn counted(up: &Up, name: &str) -> u64 {
    let (status, text) = asked(up, "GET", &format!("/{name}"), "");
    assert_eq!(status, 200, "{text}");
    text.parse().expect("a number")
}

fn said(text: &str) -> (u16, String) {
    (503, text.to_owned())
}

/// What holds on every backend. `has_answers` where who asks is answered, and `several` where more than once.
fn serves_heralds(link: &str, has_answers: bool, several: bool) {
    let up = herald(link);
    eventually("the herald hears itself", || {
        let (status, text) = asked(&up, "POST", "/news.first?mood=gay", "tea");
        assert_eq!(status, 200, "{text}");
        counted(&up, "news.first") > 0
    });
    assert_eq!(asked(&up, "POST", "/news.a?times=20&mood=fine", "tea"), (200, "20".into()));
    eventually("all are counted", || counted(&up, "news.a") == 20);
    assert_eq!(asked(&up, "GET", "/mood", ""), (200, "fine text/html".into()));
    if has_answers {
        assert_eq!(asked(&up, "PUT", "/news.q", "drawer"), (200, "reward text/plain\n".into()));
        assert_eq!(asked(&up, "PUT", "/news.q?wait=50", "fail"), said("timeout"));
        assert_eq!(asked(&up, "PUT", "/else.q", "drawer"), said("nobody listens to else.q"));
    }
    if several {
        let some = asked(&up, "PUT", "/news.q?replies=3&wait=300", "drawer");
        assert_eq!(some, (200, "reward text/plain\n".into()), "those that came in time");
    }
    assert_eq!(
        asked(&up, "POST", "/news.a?link=other", "tea").1,
        "connection: the component has no link to a message broker that is called other"
    );
    let (_, denied) = asked(&up, "POST", "/wattle.ctl.v1.default.link.del", "{}");
    assert!(denied.starts_with("denied: ") && denied.contains("is not for components"), "{denied}");
    asked(&up, "POST", "/news.a", "fail");
    eventually("the error is in the log", || up.stderr().contains("the herald was told to fail"));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn in_process() {
    serves_heralds("bus,subscriptions=news.*", true, true);
}

#[test]
fn over_nats() {
    let nats = Nats::start();
    serves_heralds(&format!("nats,url={},subscriptions=news.*", nats.url()), true, true);
}

#[test]
fn by_a_stream() {
    let nats = Nats::start();
    let link = format!("jetstream,url={},stream=news,create=true,subscriptions=news.*,tries=1", nats.url());
    serves_heralds(&link, false, false);
}

#[test]
fn over_mqtt() {
    let broker = Mosquitto::start();
    serves_heralds(&format!("mqtt,url={},subscriptions=news.*", broker.url()), true, false);
}

#[test]
fn handles_of_messages_take_only_so_much_of_the_host() {
    let up = herald("bus,subscriptions=news.*");
    assert_eq!(asked(&up, "DELETE", "/?size=1000000&times=30", ""), (200, "30".into()));
    for _ in 0..3 {
        assert_eq!(asked(&up, "DELETE", "/?size=1000000&times=100", "").0, 500);
    }
    assert!(up.stderr().contains("messages of more than 64 MiB"), "{}", up.stderr());
    assert_eq!(asked(&up, "DELETE", "/?size=0&times=1000000", "").0, 500, "however small they are");
    assert_eq!(asked(&up, "DELETE", "/?size=1000000&times=30", ""), (200, "30".into()), "all was given back");
}
