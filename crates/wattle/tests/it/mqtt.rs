//! Messages over a real broker of MQTT: who gets them, and what happens to them when something dies.

use testkit::{Mosquitto, Up, Wattle, eventually};

use crate::links::linked;
use crate::messages::{calls, counted, hears, office, send, sent};
use crate::wattle;

/// What the clerk hears, and a courier who publishes at the same broker.
fn at(broker: &Mosquitto, settings: &str) -> [String; 2] {
    let url = broker.url();
    [
        hears(&format!("mqtt,url={url},subscriptions=orders.>{settings}")),
        format!("--link=courier=messaging/mqtt,url={url}"),
    ]
}

fn taken(up: &Up) {
    eventually("messages arrive", || {
        sent(up, "orders.first", "tea");
        counted(up, "orders.first") > 0
    });
}

#[test]
fn a_broker_carries_messages_and_answers() {
    let broker = Mosquitto::start();
    let up = office(&wattle(), &at(&broker, ""));
    taken(&up);
    sent(&up, "orders.new?times=500", "tea");
    sent(&up, "orders.v1//2./", "a topic with a level that has a point and one without a name");
    sent(&up, "orders", "not heard");
    eventually("all are counted", || counted(&up, "all") == counted(&up, "orders.first") + 501);
    assert_eq!(counted(&up, "orders.new"), 500);
    let answer = up.ask("PUT", "/orders.ask", b"drawer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "reward"));
    let nobody = up.ask("PUT", "/else", b"drawer");
    assert_eq!((nobody.status, nobody.text().as_str()), (503, "nobody listens to else"));
    let late = up.ask("PUT", "/orders.ask?wait=50", b"fail");
    assert_eq!((late.status, late.text().as_str()), (503, "nobody answered about orders.ask"));
    for (subject, why) in
        [("a.+", "is no topic of MQTT"), ("a.b%2Fc", "is no topic of MQTT"), ("%24SYS.x", "not for components")]
    {
        let (status, text) = send(&up, &format!("x?subject={subject}"), "tea");
        assert!(status == 503 && text.contains(why), "{subject}: {text}");
    }
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn of_two_hosts_at_one_broker_one_handles_each_message() {
    let broker = Mosquitto::start();
    let (one, other) = (wattle(), wattle());
    let (up, second) = (office(&one, &at(&broker, "")), office(&other, &at(&broker, "")));
    eventually("both take part", || {
        sent(&up, "orders.first", "tea");
        counted(&up, "orders.first") > 0 && counted(&second, "orders.first") > 0
    });
    sent(&up, "orders.new?times=400", "tea");
    eventually("each was handled", || counted(&up, "orders.new") + counted(&second, "orders.new") >= 400);
    let handled = || counted(&up, "orders.new") + counted(&second, "orders.new");
    assert_eq!(handled(), 400);
    let (ended, second) = (up.stop(), second.stop());
    assert!(calls(&ended, "calls") > 0 && calls(&second, "calls") > 0);
}

/// Whoever is slow is brought no more than it can take, and nothing is dropped: it is many times what may wait.
#[test]
fn a_broker_waits_for_a_handler_that_is_slow() {
    let broker = Mosquitto::start_with(["allow_anonymous true", "max_queued_messages 0"]);
    let arguments = at(&broker, "").into_iter().chain(["--concurrency=2".to_owned()]).collect::<Vec<_>>();
    let up = office(&wattle(), &arguments);
    // The clerk may be too busy to tell.
    let count = |subject: &str| up.get(&format!("/clerk/{subject}")).text();
    eventually("messages arrive", || {
        send(&up, "orders.first", "tea");
        count("orders.first").trim() != "0"
    });
    sent(&up, "orders.new?times=1000", "work 1");
    eventually("all are handled", || count("orders.new").trim() == "1000");
    assert!(!up.stderr().contains("does not keep up"));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_a_session_keeps_is_handled_though_the_host_was_killed() {
    let (wattle, broker) = (wattle(), Mosquitto::start());
    let up = office(&wattle, &at(&broker, ",session=till"));
    taken(&up);
    sent(&up, "orders.slow?times=40", "work 20");
    drop(up.kill());
    // Somebody else publishes while the clerk is away.
    let (other, [_, courier]) = (crate::wattle(), at(&broker, ""));
    let shop = office(&other, &[courier]);
    sent(&shop, "orders.away?times=20", "tea");
    let up = office(&wattle, &at(&broker, ",session=till"));
    eventually("all are handled, some of them twice", || {
        counted(&up, "orders.slow") >= 40 && counted(&up, "orders.away") >= 20
    });
    assert_eq!((up.stop().code, shop.stop().code), (Some(0), Some(0)));
}

/// Everything that was acknowledged to the courier is handled, whatever happens to the broker and to the link.
#[test]
fn a_session_loses_nothing_while_its_broker_dies_and_links_change() {
    let (wattle, mut broker) = (wattle(), Mosquitto::start());
    let up = office(&wattle, &at(&broker, ",session=till"));
    taken(&up);
    let mut accepted = 0;
    for round in 0..6 {
        for _ in 0..20 {
            accepted += u64::from(send(&up, "orders.new", "tea").0 == 200);
        }
        if round % 2 == 0 {
            broker.kill();
            assert_eq!(send(&up, "orders.new", "tea"), (503, "the message broker is not available".into()));
            broker.restart();
            eventually("it is used again", || send(&up, "orders.again", "tea").0 == 200);
        } else {
            link_anew(&wattle, &up, &broker, &format!("--set session=till --set timeout={}s", round + 2));
        }
    }
    assert!(accepted >= 100, "{accepted}");
    eventually("all are handled", || counted(&up, "orders.new") >= accepted);
    assert_eq!(up.stop().code, Some(0));
}

/// Without a session nothing is kept for the clerk, and still none is lost while its link changes under it.
#[test]
fn no_message_is_lost_while_a_link_to_a_broker_is_swapped() {
    let (wattle, broker) = (wattle(), Mosquitto::start());
    let up = office(&wattle, &at(&broker, ""));
    taken(&up);
    for round in 1..=25 {
        sent(&up, "orders.new?times=20", "tea");
        link_anew(&wattle, &up, &broker, &format!("--set timeout={}s", 2 + round % 2));
    }
    eventually("all are counted", || counted(&up, "orders.new") >= 500);
    assert_eq!(counted(&up, "orders.new"), 500);
    let ended = up.stop();
    assert_eq!((ended.code, calls(&ended, "calls_failed")), (Some(0), 0));
}

fn link_anew(wattle: &Wattle, up: &Up, broker: &Mosquitto, more: &str) {
    let url = broker.url();
    linked(wattle, up, &format!("put clerk messaging/mqtt --set url={url} --set subscriptions=orders.> {more}"));
}

#[test]
fn a_broker_that_stands_still_is_not_waited_for() {
    let broker = Mosquitto::start();
    let up = office(&wattle(), &at(&broker, ""));
    taken(&up);
    broker.pause();
    let begun = std::time::Instant::now();
    assert_eq!(send(&up, "orders.new", "tea"), (503, "the message broker is not available".into()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    broker.resume();
    let before = counted(&up, "orders.first");
    eventually("messages arrive again", || {
        send(&up, "orders.first", "tea");
        counted(&up, "orders.first") > before
    });
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_link_to_a_broker_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let [passwords, secret] = ["passwords", "secret"].map(|name| folder.path().join(name));
    // The broker knows nobody.
    std::fs::write(&passwords, "").expect("the folder is ours");
    std::fs::write(&secret, "hunter2").expect("the folder is ours");
    let closed = Mosquitto::start_with([&*format!("password_file {}", passwords.display()), "allow_anonymous false"]);
    let wattle = wattle();
    let up = office(&wattle, &[]);
    let put = |url: &str, settings: &[&str]| {
        let (url, bus) = (format!("url={url}"), up.bus());
        let mut arguments = vec!["link", "put", "clerk", "messaging/mqtt", "--nats", &bus, "--set", &url];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        let ended = wattle.run(arguments);
        assert_ne!(ended.code, Some(0), "{url} {settings:?}");
        ended.stderr
    };
    let url = closed.url();
    let secret = format!("password=file:{}", secret.display());
    let refused = put(&url, &["user=mole", &secret]);
    assert!(refused.contains("lets nobody in with this user") && !refused.contains("hunter2"), "{refused}");
    assert!(put(&url, &[&secret]).contains("say user="));
    assert!(put(&url, &["ca=/nowhere.pem"]).contains("certificates are for mqtts://"));
    assert!(put(&format!("{url}/orders"), &[]).contains("subscriptions say what is heard"));
    assert!(put("mqtt://a:b@127.0.0.1:1", &[]).contains("user=… and password=…"));
    assert!(put("nats://127.0.0.1:1", &[]).contains("mqtt"));
    assert!(put(&url, &["subscriptions=orders.#"]).contains("matches no topic of MQTT"));
    assert!(put(&url, &["session=till", "queue_group=a"]).contains("one host alone"));
    assert!(put(&url, &["subscriptions=orders.*", "queue_group=a/b"]).contains("no name of a group on MQTT"));
    assert_eq!(up.stop().code, Some(0));
}
