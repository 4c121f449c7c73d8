//! Clients that mean harm: none of them costs more than its limits, and the others do not notice.

use std::net::SocketAddr;
use std::time::Duration;

use bus::{Broker, Bus, Loopback, LoopbackConfig, Pass};
use stdx::ByteSize;
use testkit::eventually;
use tokio::runtime::Runtime;

use crate::carriers;
use crate::raw::Raw;
use crate::suite::message;
use crate::words::beside;

/// What a test has: a broker, a bus on it, and a listener with this configuration.
struct Attacked<'a> {
    runtime: &'a Runtime,
    bus: Bus,
    loopback: Loopback,
}

fn attacked(config: LoopbackConfig, test: impl FnOnce(Attacked<'_>)) {
    beside(|runtime| {
        let _entered = runtime.enter();
        let broker = Broker::default();
        let loopback = carriers::listen(broker.clone(), config);
        test(Attacked { runtime, bus: Bus::in_process(broker), loopback });
    });
}

// === impl Attacked ===

impl Attacked<'_> {
    fn address(&self) -> SocketAddr {
        self.loopback.address()
    }

    fn publish(&self, subject: &str, payload: Vec<u8>) {
        self.runtime.block_on(self.bus.publish(message(subject, payload))).expect("it is taken");
    }

    /// An honest client is served as ever.
    fn serves(&self) {
        let mut honest = Raw::client(self.address());
        honest.send("SUB honest 1\r\nPUB honest 2\r\nhi\r\n");
        assert_eq!(honest.read_until("hi\r\n"), "MSG honest 1 2\r\nhi\r\n");
    }
}

/// Bytes that this process has in memory.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4_096
}

#[test]
fn a_length_of_two_gigabytes_is_refused_before_anything_is_kept() {
    attacked(LoopbackConfig::default(), |attacked| {
        let before = resident();
        for length in ["2147483648", "999999999", "99999999999999999999", "1048577"] {
            let mut client = Raw::client(attacked.address());
            client.send(format!("PUB a {length}\r\n"));
            let last = client.read_to_end();
            assert!(last.starts_with("-ERR '"), "{length}: {last}");
        }
        assert!(resident() < before + (64 << 20));
        attacked.serves();
    });
}

#[test]
fn half_a_message_holds_half_a_message() {
    let config = LoopbackConfig { ping_every: Duration::from_millis(300), ..LoopbackConfig::default() };
    attacked(config, |attacked| {
        let mut client = Raw::client(attacked.address());
        client.send("PUB a 1000000\r\n");
        client.send(vec![b'x'; 500_000]);
        // It is asked whether it is there, and cannot say so in the middle of a message.
        assert_eq!(client.read_to_end(), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
        eventually("its place is free", || attacked.loopback.connections() == 0);
    });
}

#[test]
fn more_clients_than_there_may_be_are_turned_away() {
    attacked(LoopbackConfig::default(), |attacked| {
        let mut clients: Vec<Raw> = (0..256).map(|_| Raw::client(attacked.address())).collect();
        for _ in 256..300 {
            assert_eq!(Raw::open(attacked.address()).read_to_end(), "-ERR 'maximum connections exceeded'\r\n");
        }
        clients.iter_mut().for_each(|client| client.send("PING\r\n"));
        assert!(clients.iter_mut().all(|client| client.read_until("\r\n") == "PONG\r\n"), "the others do not notice");
        assert_eq!(attacked.loopback.connections(), 256);
        clients.truncate(100);
        eventually("there is room again", || attacked.loopback.connections() == 100);
        attacked.serves();
    });
}

#[test]
fn who_never_reads_is_disconnected_and_told_why() {
    attacked(LoopbackConfig::default(), |attacked| {
        let mut client = Raw::client(attacked.address());
        client.send("SUB flood 1\r\nPING\r\n");
        client.read_until("PONG\r\n");
        let before = resident();
        for _ in 0..100_000 {
            attacked.publish("flood", vec![b'x'; 1_000]);
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 64 << 20, "100 MB were said, and {grown} bytes are held");
        eventually("it is seen to be slow", || attacked.loopback.disconnected_slow() == 1);
        let read = client.read_to_end();
        assert!(read.ends_with("\r\n-ERR 'Slow Consumer'\r\n"), "{:?}", &read[read.len().saturating_sub(100)..]);
        // All that came before that is whole messages.
        let messages = read.trim_end_matches("-ERR 'Slow Consumer'\r\n");
        let one = format!("MSG flood 1 1000\r\n{}\r\n", "x".repeat(1_000));
        assert!(messages == one.repeat(messages.len() / one.len()), "what was given up begins between two messages");
        attacked.serves();
    });
}

#[test]
fn who_asks_and_never_reads_is_disconnected_too() {
    let config = LoopbackConfig { pending_max: ByteSize::kib(64), ..LoopbackConfig::default() };
    attacked(config, |attacked| {
        let mut client = Raw::client(attacked.address());
        let pings = "PING\r\n".repeat(1_000);
        for _ in 0..20_000 {
            client.send(&pings);
            if attacked.loopback.disconnected_slow() == 1 {
                break;
            }
        }
        eventually("it is seen to be slow", || attacked.loopback.disconnected_slow() == 1);
        attacked.serves();
    });
}

#[test]
fn nothing_is_heard_before_the_token() {
    let config = LoopbackConfig { passes: vec![Pass::Token("secret".into())], ..LoopbackConfig::default() };
    attacked(config, |attacked| {
        let mut told = attacked
            .runtime
            .block_on(attacked.bus.subscribe(">".parse().expect("a pattern"), None))
            .expect("it listens");
        for said in
            ["PUB a 1\r\nx\r\n", "SUB > 1\r\n", "UNSUB 1\r\n", "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", "pub", "P U B"]
        {
            let mut client = Raw::open(attacked.address());
            client.read_until("\r\n");
            client.send(said);
            client.send("\r\n");
            assert_eq!(client.read_to_end(), "-ERR 'Authorization Violation'\r\n", "{said:?}");
        }
        let mut client = Raw::open(attacked.address());
        assert!(client.read_until("\r\n").contains("\"auth_required\":true"));
        client.send("PING\r\nPONG\r\nCONNECT {\"auth_token\":\"secret\",\"verbose\":false}\r\nPUB a 1\r\ny\r\n");
        assert_eq!(client.read_until("PONG\r\n"), "PONG\r\n");
        let first = attacked.runtime.block_on(crate::soon("what was said", told.next())).expect("a message");
        assert_eq!(first.payload, "y", "it is the first that was said with the token");
    });
}

#[test]
fn who_does_not_show_a_token_in_time_loses_its_place() {
    let greeting_max = Duration::from_millis(300);
    let config =
        LoopbackConfig { passes: vec![Pass::Token("secret".into())], greeting_max, ..LoopbackConfig::default() };
    attacked(config, |attacked| {
        let mut silent: Vec<Raw> = (0..50).map(|_| Raw::open(attacked.address())).collect();
        silent.iter_mut().for_each(|client| client.send("PING\r\nCONNECT {\"auth"));
        for client in &mut silent {
            assert!(client.read_to_end().ends_with("PONG\r\n-ERR 'Authentication Timeout'\r\n"));
        }
        drop(silent);
        eventually("their places are free", || attacked.loopback.connections() == 0);
    });
}

#[test]
fn subscriptions_are_bounded() {
    attacked(LoopbackConfig::default(), |attacked| {
        let mut client = Raw::client(attacked.address());
        (0..1_001).for_each(|sid| client.send(format!("SUB a.{sid} {sid}\r\n")));
        assert_eq!(client.read_until("\r\n"), "-ERR 'maximum subscriptions exceeded'\r\n");
        // It may go on, and one that it gives back it may take again.
        client.send("UNSUB 0\r\nSUB a.1000 1000\r\nPUB a.0 1\r\nx\r\nPUB a.1000 1\r\ny\r\nPING\r\n");
        assert_eq!(client.read_until("PONG\r\n"), "MSG a.1000 1000 1\r\ny\r\nPONG\r\n");
        // So may one that has had all its messages.
        client.send("UNSUB 5 1\r\nPUB a.5 1\r\nz\r\nSUB new 2000\r\nPUB new 0\r\n\r\nPING\r\n");
        assert_eq!(client.read_until("PONG\r\n"), "MSG a.5 5 1\r\nz\r\nMSG new 2000 0\r\n\r\nPONG\r\n");
    });
}

#[test]
fn what_one_sends_cannot_be_read_as_something_else_by_another() {
    attacked(LoopbackConfig::default(), |attacked| {
        let mut victim = Raw::client(attacked.address());
        victim.send("SUB > 1\r\nPING\r\n");
        victim.read_until("PONG\r\n");
        let mut attacker = Raw::client(attacked.address());
        let with = |headers: &str| format!("HPUB a {0} {0}\r\n{headers}\r\n", headers.len());
        for (said, answered) in [
            (with("NATS/1.0\r\na: b\rMSG c 1 0\r\n\r\n"), "bad message header detected"),
            (with("NATS/1.0\r\na: b\nc: d\r\n\r\n"), "bad message header detected"),
            (with("NATS/1.0\r\na: b\r\n\r\nMSG c 1 0\r\n\r\n"), "bad message header detected"),
            (with(""), "bad message header detected"),
            ("PUB a\u{b}b 0\r\n\r\n".into(), "Invalid Publish Subject"),
            ("PUB a b\u{0}c 0\r\n\r\n".into(), "Invalid Publish Subject"),
            ("PUB a.* 0\r\n\r\n".into(), "Invalid Publish Subject"),
            ("SUB a\u{1b}[2J 9\r\n".into(), "Invalid Subject"),
        ] {
            attacker.send(said);
            attacker.send("PING\r\n");
            assert_eq!(attacker.read_until("PONG\r\n"), format!("-ERR '{answered}'\r\nPONG\r\n"));
        }
        attacker.send("PUB fine 0\r\n\r\n");
        assert_eq!(victim.read_until("\r\n"), "MSG fine 1 0\r\n");
    });
}

#[test]
fn dropping_the_listener_ends_it_and_its_clients() {
    attacked(LoopbackConfig::default(), |Attacked { loopback, .. }| {
        let address = loopback.address();
        let mut clients: Vec<Raw> = (0..10).map(|_| Raw::client(address)).collect();
        drop(loopback);
        clients.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), ""));
        eventually("nobody listens there any more", || std::net::TcpStream::connect(address).is_err());
    });
}
