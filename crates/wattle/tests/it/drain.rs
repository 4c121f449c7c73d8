//! How a host stops: what runs may end, nothing begins, and nothing is left behind.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::json;
use testkit::{Connection, Up, eventually, request};

use crate::lattice::{Stranger, id};
use crate::{guest, occupy, wattle};

/// Waits until the host has said that it is stopping, which it does before it begins to.
fn stopping(up: &Up) {
    eventually("it is stopping", || up.values().iter().any(|value| value["stopping"] == true));
}

#[test]
fn a_running_request_is_let_end() {
    for signal in [Signal::INT, Signal::TERM] {
        let up = wattle().up([&guest("http-kit"), "--concurrency=1"]);
        let mut running = occupy(&up, &request("GET", "/slow?ms=1500", &[], b""));
        up.signal(signal);
        let answer = running.answer().expect("it is answered");
        assert_eq!((answer.status, answer.text().as_str()), (200, "slept\n"));
        assert!(running.is_closed());
        let address = up.address();
        let ended = up.wait();
        assert_eq!(ended.code, Some(0), "{signal:?}");
        assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], true);
        assert_eq!(ended.stderr, "");
        TcpListener::bind(address).expect("the port is free");
    }
}

#[test]
fn nothing_begins_while_a_host_is_stopping() {
    let up = wattle().up([&guest("http-kit"), "--concurrency=1"]);
    let mut running = occupy(&up, &request("GET", "/slow?ms=1500", &[], b""));
    up.signal(Signal::INT);
    stopping(&up);
    eventually("nobody listens", || Connection::open(up.address()).is_err());
    assert_eq!(running.answer().expect("it is answered").status, 200);
    assert_eq!(up.wait().code, Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)] {
        let up = wattle().up([&guest("http-kit"), "--concurrency=1", "--timeout=600", "--drain=600"]);
        let mut running = occupy(&up, &request("GET", "/slow?ms=500000", &[], b""));
        up.signal(first);
        stopping(&up);
        up.signal(second);
        assert_eq!(up.wait().code, Some(130));
        assert!(running.is_closed());
    }
}

#[test]
fn a_request_that_does_not_end_is_cut_off_when_patience_is_over() {
    for target in ["/slow?ms=500000", "/spin", "/fill?mib=32"] {
        let up = wattle().up([&guest("http-kit"), "--concurrency=1", "--timeout=600", "--drain=1"]);
        let mut running = occupy(&up, &request("GET", target, &[], b""));
        up.signal(Signal::INT);
        let ended = up.wait();
        assert_eq!(ended.code, Some(0), "{target}");
        assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], false, "{target}");
        assert_eq!(ended.requests("http-kit")["abandoned"], 1, "{target}");
        assert!(running.is_closed());
    }
}

/// Whoever stops a host over the bus may say how long that may take: shorter than the host would.
#[test]
fn a_host_that_is_told_to_stop_within_a_time_does() {
    let flags = ["--concurrency=1", "--timeout=600", "--drain=600", "--bus-token=none"];
    let up = wattle().up([guest("http-kit")].into_iter().chain(flags.map(ToOwned::to_owned)));
    let mut running = occupy(&up, &request("GET", "/slow?ms=500000", &[], b""));
    let stranger = Stranger::new(&up.bus());
    let told = stranger.ask(&format!("host.stop.{}", id(&up)), r#"{ "timeout": 2000 }"#);
    assert_eq!(told, json!({ "success": true, "message": "successfully handled stop host" }));
    // Longer than that and much shorter than --drain: waiting for the end has an end itself.
    let ended = up.wait();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], false);
    assert!(running.is_closed());
}

/// Connections on which nothing runs are closed, not waited for: half a head among them.
#[test]
fn idle_connections_do_not_hold_a_host() {
    let up = wattle().up([&guest("hello"), "--drain=600"]);
    let mut idle: Vec<_> = (0..20).map(|_| up.connect()).collect();
    for connection in idle.iter_mut().take(10) {
        connection.send(&request("GET", "/", &[], b"")).expect("it is open");
        assert_eq!(connection.answer().expect("an answer").status, 200);
    }
    let ended = up.stop();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], true);
    assert!(idle.iter_mut().all(Connection::is_closed));
}

#[test]
fn a_host_that_was_never_asked_anything_stops() {
    let ended = wattle().up([guest("hello")]).stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.requests("hello")["answered"], 0);
}

/// What a component prints last is not lost: the log is written out before the process ends.
#[test]
fn the_last_lines_of_a_component_are_written() {
    let up = wattle().up([guest("http-kit")]);
    for _ in 0..20 {
        assert_eq!(up.get("/log").status, 200);
    }
    let ended = up.stop();
    assert_eq!(ended.stderr.matches("this goes to stdout").count(), 20, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("this goes to stderr").count(), 20, "{}", ended.stderr);
}
