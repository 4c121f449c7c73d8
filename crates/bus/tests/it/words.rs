//! Beside a real server: the same bytes get the same answers, good and bad ones.

use std::net::SocketAddr;

use bus::{Broker, LoopbackConfig, Pass};

use crate::carriers;
use crate::raw::Raw;
use crate::server::{self, Server};

/// What is answered on a new connection to `said` and a `PING`, until it ends: where there is nothing to say against it, a
/// `PONG` comes last.
fn answers(address: SocketAddr, said: &[u8]) -> String {
    let mut raw = Raw::open(address);
    raw.send(said);
    raw.send("PING\r\n");
    raw.finish();
    let answers = raw.read_to_end();
    // What a server says of itself differs; what it says of what it heard does not.
    answers.lines().filter(|line| !line.starts_with("INFO ")).collect::<Vec<_>>().join("\n")
}

/// A runtime beside the test, for a listener: the raw client blocks its own thread.
pub(crate) fn beside<T>(test: impl FnOnce(&tokio::runtime::Runtime) -> T) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    test(&runtime)
}

const QUIET: &str = "CONNECT {\"verbose\":false}\r\n";
const CLIENT: &str = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"echo\":true}\r\n";

/// What is said, one a line; each is said on a connection of its own.
fn cases() -> Vec<(&'static str, String)> {
    let with = |first: &str, rest: &str| format!("{first}{rest}");
    vec![
        ("nothing", String::new()),
        ("a greeting", "CONNECT {}\r\n".into()),
        ("verbs in any case", "connect {\"verbose\":true}\r\npInG\r\nsUb a 1\r\npub a 1\r\nx\r\nunsub 1\r\n".into()),
        ("by hand, without a greeting", "SUB a 1\r\nPUB a 2\r\nhi\r\n".into()),
        ("no carriage returns", with(QUIET, "SUB a 1\nPUB a 2\nhi\r\nPING\n")),
        ("many spaces and tabs", with(QUIET, "SUB  a \t 1  \r\nPUB \t a   2 \r\nhi\r\n")),
        (
            "pipelined",
            with(QUIET, "SUB a 1\r\nSUB a.* 2\r\nSUB a.b.> 3\r\nPUB a.b.c 1\r\nx\r\nPUB a 0\r\n\r\nPUB a.b 0\r\n\r\n"),
        ),
        ("a group", with(QUIET, "SUB a q 1\r\nPUB a 1\r\nx\r\n")),
        ("a reply", with(QUIET, "SUB a 1\r\nPUB a b.c 1\r\nx\r\n")),
        ("a sid that is a word", with(QUIET, "SUB a one\r\nPUB a 1\r\nx\r\nUNSUB one\r\nPUB a 1\r\ny\r\n")),
        ("the same sid again", with(QUIET, "SUB a 1\r\nSUB b 1\r\nPUB a 1\r\nx\r\nPUB b 1\r\ny\r\n")),
        ("no more than two", with(QUIET, "SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n")),
        ("no more than it had", with(QUIET, "SUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 1\r\nPUB a 1\r\n2\r\n")),
        ("no more than none", with(QUIET, "SUB a 1\r\nUNSUB 1 0\r\nPUB a 1\r\n1\r\n")),
        ("unsubscribed from nothing", with(QUIET, "UNSUB 7\r\n")),
        ("no echo", "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n".into()),
        ("headers", with(CLIENT, "SUB a 1\r\nHPUB a 18 19\r\nNATS/1.0\r\nA: 1\r\n\r\nx\r\n")),
        ("headers with a reply", with(CLIENT, "SUB a 1\r\nHPUB a b 18 18\r\nNATS/1.0\r\nA: 1\r\n\r\n\r\n")),
        ("a status", with(CLIENT, "SUB a 1\r\nHPUB a 22 22\r\nNATS/1.0 100 Idle\r\n\r\n\r\n")),
        ("nobody listens", with(CLIENT, "SUB inbox.* 1\r\nPUB nobody inbox.7 1\r\nx\r\n")),
        ("nobody listens, nobody waits", with(CLIENT, "PUB nobody inbox.7 1\r\nx\r\n")),
        ("nobody listens, nobody wants to know", with(QUIET, "SUB inbox.* 1\r\nPUB nobody inbox.7 1\r\nx\r\n")),
        ("an empty line", "\r\n".into()),
        ("an unknown verb", with(QUIET, "HELLO\r\n")),
        ("a verb that goes on", with(QUIET, "PUBS a 0\r\n\r\n")),
        ("another protocol", "POST / HTTP/1.1\r\nHost: 127.0.0.1:4222\r\n\r\nPUB a 0\r\n\r\n".into()),
        ("yet another", "GET / HTTP/1.1\r\n\r\n".into()),
        ("a payload that is longer", with(QUIET, "SUB a 1\r\nPUB a 1\r\nxy\r\n")),
        ("a payload that ends otherwise", with(QUIET, "PUB a 1\r\nx\n\n")),
        ("no payload length", with(QUIET, "PUB a\r\n")),
        ("a negative length", with(QUIET, "PUB a -1\r\n")),
        ("a length that is a word", with(QUIET, "PUB a x\r\n")),
        ("a length that is too large", with(QUIET, "PUB a 1048577\r\n")),
        ("a length of two gigabytes", with(QUIET, "PUB a 2147483648\r\nx")),
        ("a length of no machine", with(QUIET, "PUB a 99999999999999999999\r\n")),
        ("headers that are longer than all", with(CLIENT, "HPUB a 19 18\r\nNATS/1.0\r\nA: 1\r\n\r\n\r\n")),
        ("too many words", with(QUIET, "PUB a b c 1\r\n")),
        ("no words", with(QUIET, "SUB\r\n")),
        ("no sid", with(QUIET, "SUB a\r\n")),
        ("too many words to subscribe", with(QUIET, "SUB a q 1 2\r\n")),
        ("a subject with an empty word", with(QUIET, "SUB a..b 1\r\n")),
        ("a pattern that goes on", with(QUIET, "SUB a.>.b 1\r\n")),
        ("pedantic about what is said", "CONNECT {\"verbose\":false,\"pedantic\":true}\r\nPUB a.* 0\r\n\r\n".into()),
        ("a line that is too long", with(QUIET, &format!("PUB {} 0\r\n", "a".repeat(5_000)))),
        ("a line without an end", with(QUIET, &format!("SUB {}", "a".repeat(100_000)))),
        ("options that are no object", "CONNECT nonsense\r\n".into()),
        ("headers without having said so", with(QUIET, "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n")),
    ]
}

/// Whether two answers are the same. Where the server hangs up without a word, we do with one.
fn are_same(theirs: &str, ours: &str) -> bool {
    // A newer server also says what the question was about.
    let theirs = theirs.replace("38 38\nNATS/1.0 503\nNats-Subject: nobody\n", "16 16\nNATS/1.0 503\n");
    let is_one_error = ours.starts_with("-ERR '") && ours.lines().count() == 1;
    theirs == ours || (theirs.is_empty() && is_one_error)
}

fn differences(server: SocketAddr, listener: SocketAddr, cases: &[(&str, String)]) -> Vec<String> {
    let differs = |(name, said): &(&str, String)| {
        let [theirs, ours] = [server, listener].map(|address| answers(address, said.as_bytes()));
        (!are_same(&theirs, &ours)).then(|| format!("{name}:\n  server {theirs:?}\n  ours   {ours:?}"))
    };
    cases.iter().filter_map(differs).collect()
}

/// Compares our listener with each server that there is, where both let in who shows this.
fn compare((arguments, passes): (&[&str], &[Pass]), cases: &[(&str, String)]) {
    let config = LoopbackConfig { passes: passes.to_vec(), ..LoopbackConfig::default() };
    for program in std::iter::once(server::newest()).chain(server::of_system()) {
        let server = Server::start(program.clone(), arguments);
        beside(|runtime| {
            let _entered = runtime.enter();
            let loopback = carriers::listen(Broker::default(), config.clone());
            let differences = differences(server.address(), loopback.address(), cases);
            assert!(differences.is_empty(), "{}:\n{}", program.display(), differences.join("\n"));
        });
    }
}

#[test]
fn the_same_words_get_the_same_answers() {
    compare((&[], &[]), &cases());
}

/// Here we differ: a server does not count this answer, and keeps a subscription for it that nobody ends.
#[test]
fn that_nobody_listens_is_one_of_the_messages_that_were_asked_for() {
    beside(|runtime| {
        let _entered = runtime.enter();
        let loopback = carriers::listen(Broker::default(), LoopbackConfig::default());
        let ask = "SUB inbox 1\r\nUNSUB 1 1\r\nPUB nobody inbox 0\r\n\r\nPUB inbox 0\r\n\r\n";
        let answers = answers(loopback.address(), format!("{CLIENT}{ask}").as_bytes());
        assert_eq!(answers, "HMSG inbox 1 16 16\nNATS/1.0 503\n\n\nPONG");
    });
}

#[test]
fn a_token_is_asked_for_in_the_same_words() {
    let right = "CONNECT {\"verbose\":false,\"auth_token\":\"secret\"}\r\n";
    let wrong = right.replace("secret", "secreT");
    let cases = [
        ("the right one", format!("{right}SUB a 1\r\nPUB a 0\r\n\r\n")),
        ("a wrong one", wrong.clone()),
        ("a part of it", right.replace("secret", "secre")),
        ("none", QUIET.into()),
        ("something before it", "PUB a 1000000\r\n".into()),
        ("listening before it", "SUB > 1\r\n".into()),
        ("a verb that is none", "HELLO\r\n".into()),
        ("the wrong one after the right one", format!("{right}{wrong}")),
    ];
    compare((&["--auth", "secret"], &[Pass::Token("secret".into())]), &cases);
}

#[test]
fn a_user_is_asked_for_in_the_same_words() {
    let right = "CONNECT {\"verbose\":false,\"user\":\"ada\",\"pass\":\"secret\"}\r\n";
    let cases = [
        ("the right one", format!("{right}SUB a 1\r\nPUB a 0\r\n\r\n")),
        ("a wrong password", right.replace("secret", "secreT")),
        ("another user", right.replace("ada", "bob")),
        ("no password", "CONNECT {\"verbose\":false,\"user\":\"ada\"}\r\n".into()),
        ("the password as a token", "CONNECT {\"verbose\":false,\"auth_token\":\"secret\"}\r\n".into()),
        ("none", QUIET.into()),
    ];
    let passes = [Pass::User { name: "ada".into(), password: "secret".into() }];
    compare((&["--user", "ada", "--pass", "secret"], &passes), &cases);
}
