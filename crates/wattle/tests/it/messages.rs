//! Messages: what components publish, and what they are called with, in process and over real servers.

use testkit::{Ended, Nats, Up, Wattle, eventually};

use crate::links::linked;
use crate::{route, wattle};

/// A courier at `/` and a clerk at `/clerk`, with these links.
pub(crate) fn office(wattle: &Wattle, arguments: &[String]) -> Up {
    let files = [route("/", "courier"), route("/clerk", "clerk")];
    wattle.up(files.into_iter().chain(arguments.iter().cloned()))
}

pub(crate) fn hears(settings: &str) -> String {
    format!("--link=clerk=messaging/{settings}")
}

/// Has the courier publish, and says what it was told.
pub(crate) fn send(up: &Up, subject: &str, body: &str) -> (u16, String) {
    let answer = up.ask("POST", &format!("/{subject}"), body.as_bytes());
    (answer.status, answer.text())
}

pub(crate) fn sent(up: &Up, subject: &str, body: &str) {
    let (status, text) = send(up, subject, body);
    assert_eq!(status, 200, "{subject}: {text}");
}

/// How many messages on a subject the clerk of this host has counted.
pub(crate) fn counted(up: &Up, subject: &str) -> u64 {
    let answer = up.get(&format!("/clerk/{subject}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().trim().rsplit('/').next().and_then(|count| count.parse().ok()).expect("a number")
}

pub(crate) fn calls(ended: &Ended, what: &str) -> u64 {
    ended.requests("clerk")[what].as_u64().expect("a number")
}

#[test]
fn a_component_is_called_with_what_another_publishes() {
    for flags in [&[][..], &["--reuse"], &["--engine", "winch"]] {
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        let link = hears("bus,subscriptions=orders.*,queue_group=clerks");
        let up = office(&wattle(), &flags.chain([link]).collect::<Vec<_>>());
        sent(&up, "orders.new", "tea");
        sent(&up, "orders.old?times=20", "tea");
        sent(&up, "invoices.new", "tea");
        eventually("the clerk has counted all", || counted(&up, "all") == 21);
        assert_eq!((counted(&up, "orders.new"), counted(&up, "orders.old")), (1, 20));
        let ended = up.stop();
        assert_eq!((ended.code, calls(&ended, "calls"), calls(&ended, "calls_failed")), (Some(0), 21, 0));
    }
}

#[test]
fn a_request_is_answered_by_the_one_who_handles_it() {
    let nats = Nats::start();
    let at_server = format!("nats,url={},subscriptions=ask.>", nats.url());
    let couriers = format!("--link=courier=messaging/nats,url={}", nats.url());
    for arguments in [vec![hears("bus,subscriptions=ask.>")], vec![hears(&at_server), couriers]] {
        let up = office(&wattle(), &arguments);
        eventually("somebody answers", || up.ask("PUT", "/ask.ready", b"").status == 200);
        let answer = up.ask("PUT", "/ask.a", b"drawer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "reward"));
        let nobody = up.ask("PUT", "/else", b"drawer");
        assert_eq!((nobody.status, nobody.text().as_str()), (503, "nobody listens to else"));
        let late = up.ask("PUT", "/ask.a?wait=50", b"fail");
        assert_eq!((late.status, late.text().as_str()), (503, "nobody answered about ask.a"));
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn what_fails_in_a_handler_is_counted_and_the_host_lives() {
    let up = office(&wattle(), &[hears("bus,subscriptions=orders.>"), "--timeout=1".into()]);
    for body in ["trap", "fail", "spin"] {
        sent(&up, "orders.new", body);
    }
    sent(&up, "orders.new", "tea");
    eventually("the good one is counted", || counted(&up, "orders.new") == 1);
    eventually("the one without an end was stopped", || up.stderr().contains("deadline"));
    let said = up.stderr();
    assert!(said.contains("the clerk was told to fail") && said.contains("the clerk was told to trap"), "{said}");
    let ended = up.stop();
    assert_eq!((ended.code, calls(&ended, "calls"), calls(&ended, "calls_failed")), (Some(0), 2, 2));
}

#[test]
fn what_is_not_for_components_is_refused() {
    let wattle = wattle();
    let up = office(&wattle, &[hears("bus,subscriptions=orders.*")]);
    let long = "a".repeat(2_000);
    let subjects = [
        "wattle.ctl.v1.default.link.del",
        "wasmbus.ctl.v1.default.x",
        "wadm.api.x",
        "%24JS.API.INFO",
        "%24SYS.x",
        "_INBOX.a.b",
        "a%20b",
        "a.*",
        "a.%3E",
        "a..b",
        ".",
        "a%0D%0APUB%20b%200",
        &long,
    ];
    for subject in subjects {
        let (status, text) = send(&up, &format!("x?subject={subject}"), "{}");
        assert_eq!(status, 503, "{subject}: {text}");
        let (status, text) = send(&up, &format!("orders.new?reply={subject}"), "{}");
        assert_eq!(status, 503, "{subject}: {text}");
    }
    let (_, text) = send(&up, "wattle.ctl.v1.default.link.del", "{}");
    assert!(text.contains("is not for components"), "{text}");
    let (_, text) = send(&up, "_INBOX.a.b", "{}");
    assert!(text.contains("is the inbox of somebody"), "{text}");
    // A handler is held to the same.
    sent(&up, "orders.new", "tell wattle.ctl.v1.default.link.del");
    eventually("the clerk was refused", || counted(&up, "refused") == 1);

    let big = vec![b'x'; 2 << 20];
    let answer = up.ask("POST", "/orders.new", &big);
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("is the most that the bus takes"), "{}", answer.text());
    // The refusal was counted too.
    assert_eq!((counted(&up, "all"), counted(&up, "orders.new"), counted(&up, "told")), (2, 1, 0));
    let links = linked(&wattle, &up, "query")["links"].clone();
    for pattern in [">", "*.ctl.>", "wattle.>", "$SYS.>", "_INBOX.>"] {
        let bus = up.bus();
        let set = format!("subscriptions={pattern}");
        let ended = wattle.run(["link", "put", "clerk", "messaging/bus", "--nats", &bus, "--set", &set]);
        assert_ne!(ended.code, Some(0), "{pattern}");
    }
    assert_eq!(linked(&wattle, &up, "query")["links"], links);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn of_two_hosts_that_run_a_component_one_handles_each_message() {
    let nats = Nats::start();
    let link = hears(&format!("nats,url={},subscriptions=orders.*", nats.url()));
    let (one, other) = (wattle(), wattle());
    let courier = format!("--link=courier=messaging/nats,url={}", nats.url());
    let (up, second) = (office(&one, &[link.clone(), courier]), office(&other, &[link]));
    // Both have to be there before it counts who gets what.
    eventually("both take part", || {
        sent(&up, "orders.first", "tea");
        counted(&up, "orders.first") > 0 && counted(&second, "orders.first") > 0
    });
    sent(&up, "orders.new?times=400", "tea");
    eventually("each was handled", || counted(&up, "orders.new") + counted(&second, "orders.new") >= 400);
    let (ended, second) = (up.stop(), second.stop());
    let handled = calls(&ended, "calls") + calls(&second, "calls");
    let first = handled - 400;
    assert!(first > 0 && calls(&ended, "calls") > 0 && calls(&second, "calls") > 0, "{handled}");
}

#[test]
fn a_server_that_was_killed_is_used_again() {
    let mut nats = Nats::start();
    let courier = format!("--link=courier=messaging/nats,url={}", nats.url());
    let link = hears(&format!("nats,url={},subscriptions=orders.*", nats.url()));
    let up = office(&wattle(), &[link, courier]);
    eventually("messages arrive", || {
        sent(&up, "orders.new", "tea");
        counted(&up, "orders.new") > 0
    });
    nats.kill();
    eventually("the courier is told", || {
        send(&up, "orders.new", "tea") == (503, "the message broker is not available".into())
    });
    nats.restart();
    let before = counted(&up, "orders.new");
    eventually("messages arrive again", || {
        send(&up, "orders.new", "tea");
        counted(&up, "orders.new") > before
    });
    assert_eq!(up.stop().code, Some(0));
}

/// A hundred times the clerk is linked to the other server, while messages come on both: of each group of one none is lost.
#[test]
fn no_message_is_lost_while_a_link_is_swapped() {
    let servers = [Nats::start(), Nats::start()];
    let wattle = wattle();
    let put =
        |server: &Nats| format!("put clerk messaging/nats --set url={} --set subscriptions=orders.*", server.url());
    let courier = format!("--link=courier=messaging/nats,url={}", servers[0].url());
    let link = hears(&format!("nats,url={},subscriptions=orders.*", servers[0].url()));
    let up = office(&wattle, &[link, courier]);
    eventually("messages arrive", || {
        sent(&up, "orders.first", "tea");
        counted(&up, "orders.first") > 0
    });
    let mut count = 0;
    for _ in 0..50 {
        // Before the clerk leaves the server that the courier publishes to, it is given something to take along.
        sent(&up, "orders.new?times=20", "tea");
        count += 20;
        // What is answered comes after what was published before it: all of that is on its way to the clerk.
        let answer = up.ask("PUT", "/orders.sync?wait=5000", b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        linked(&wattle, &up, &put(&servers[1]));
        linked(&wattle, &up, &put(&servers[0]));
    }
    eventually("all that was published while the clerk listened is counted", || counted(&up, "orders.new") >= count);
    assert_eq!(counted(&up, "orders.new"), count);
    let ended = up.stop();
    assert_eq!((ended.code, calls(&ended, "calls_failed")), (Some(0), 0));
}

/// With two places, of which work takes one for a while: what comes meanwhile waits, and all of it is handled at the end.
#[test]
fn a_handler_that_is_slow_is_waited_for() {
    let up = office(&wattle(), &[hears("bus,subscriptions=orders.*"), "--concurrency=2".into()]);
    sent(&up, "orders.new?times=200", "work 5");
    let ended = up.stop();
    assert_eq!((ended.code, calls(&ended, "calls"), calls(&ended, "calls_failed")), (Some(0), 200, 0));
}

/// An office whose courier publishes to a stream, which the clerk is called from.
fn kept(wattle: &Wattle, nats: &Nats, settings: &str) -> Up {
    let stream = format!("jetstream,url={},stream=orders,create=true", nats.url());
    let couriers = format!("--link=courier=messaging/{stream},subjects=orders.>");
    office(wattle, &[hears(&format!("{stream},subscriptions=orders.>{settings}")), couriers])
}

#[test]
fn what_a_stream_keeps_is_handled_though_the_host_was_killed() {
    let (wattle, nats) = (wattle(), Nats::start());
    let up = kept(&wattle, &nats, ",ack-wait=1s");
    sent(&up, "orders.new", "tea");
    eventually("it is counted", || counted(&up, "orders.new") == 1);
    // Nobody waits for what is published, and nobody is there to hear it: the clerk works on them one after the other.
    sent(&up, "orders.slow?times=40", "work 20");
    drop(up.kill());
    let up = kept(&wattle, &nats, ",ack-wait=1s");
    eventually("all are handled, some of them twice", || counted(&up, "orders.slow") >= 40);
    assert!(counted(&up, "orders.slow") <= 80, "{}", counted(&up, "orders.slow"));
    let refused = send(&up, "invoices.new", "tea");
    assert_eq!(refused, (503, "no stream of the server keeps invoices.new".into()));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_a_stream_keeps_is_brought_again_until_it_was_handled_well() {
    let (wattle, nats) = (wattle(), Nats::start());
    let up = kept(&wattle, &nats, ",tries=2");
    for body in ["fail", "trap", "tea"] {
        sent(&up, "orders.new", body);
    }
    eventually("the good one is counted", || counted(&up, "orders.new") == 1);
    eventually("the others were tried twice", || {
        let said = up.stderr();
        said.matches("told to fail").count() == 2 && said.matches("told to trap").count() == 2
    });
    let ended = up.stop();
    assert_eq!((ended.code, calls(&ended, "calls"), calls(&ended, "calls_failed")), (Some(0), 3, 2));
}

/// Everything that was acknowledged to the courier is handled, whatever happens to the server and to the link.
#[test]
fn a_stream_loses_nothing_while_its_server_dies_and_links_change() {
    let (wattle, mut nats) = (wattle(), Nats::start());
    let up = kept(&wattle, &nats, ",ack-wait=2s");
    let mut accepted = 0;
    for round in 0..6 {
        for _ in 0..20 {
            accepted += u64::from(send(&up, "orders.new", "tea").0 == 200);
        }
        if round % 2 == 0 {
            nats.kill();
            assert_ne!(send(&up, "orders.new", "tea").0, 200);
            nats.restart();
            eventually("it is used again", || send(&up, "orders.again", "tea").0 == 200);
        } else {
            let link = format!(
                "put clerk messaging/jetstream --set url={} --set stream=orders --set subscriptions=orders.> --set ack-wait={}s",
                nats.url(),
                round + 2
            );
            linked(&wattle, &up, &link);
        }
    }
    assert!(accepted >= 100, "{accepted}");
    eventually("all are handled", || counted(&up, "orders.new") >= accepted);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_stream_that_is_not_there_is_refused() {
    let (wattle, nats) = (wattle(), Nats::start());
    let up = office(&wattle, &[]);
    let put = |settings: &str| {
        let url = format!("url={}", nats.url());
        let mut arguments = vec!["link", "put", "clerk", "messaging/jetstream", "--set", &url, "--nats"];
        let bus = up.bus();
        arguments.push(&bus);
        for setting in settings.split(' ') {
            arguments.extend(["--set", setting]);
        }
        let ended = wattle.run(arguments);
        assert!(ended.code != Some(0) && ended.stderr.contains("E0601"), "{settings}: {}", ended.stderr);
        ended.stderr
    };
    assert!(
        put("stream=orders subscriptions=orders.>").contains("there is no stream orders; with create=true it is made")
    );
    assert!(put("stream=orders create=true").contains("say subjects="));
    assert!(put("stream=orders subjects=a").contains("say create=true"));
    let refused = put("stream=or.ders create=true subjects=orders.>");
    assert!(refused.contains("\"or.ders\" is no name of a stream"), "{refused}");
    assert!(put("subscriptions=orders.>").contains("stream is missing"));
    assert_eq!(up.stop().code, Some(0));
}
