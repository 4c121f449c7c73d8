//! The whole product, end to end: the real binary with a home of its own, real sockets, real components.
//!
//! What a test needs to see it asks for over HTTP or reads from what the binary prints; nothing here looks inside.

mod abroad;
mod absent;
mod applications;
mod asked;
mod beside;
mod blobs;
mod bombs;
mod builtin;
mod cache;
mod call;
mod claims;
mod clusters;
mod core_modules;
mod crowded;
mod drain;
mod engines;
mod fused;
mod heralds;
mod http2;
mod inputs;
mod invocations;
mod joins;
mod keepers;
mod keyvalue;
mod known;
mod labels;
mod lattice;
mod limited;
mod limits;
mod links;
mod logins;
mod lookouts;
mod manifests;
mod messages;
mod mqtt;
mod names;
mod network;
mod outside;
mod outward;
mod p3;
mod pipes;
mod programs;
mod providers;
mod registries;
mod requests;
mod reuse;
mod routes;
mod run;
mod secrets;
mod serve;
mod settings;
mod sql;
mod swap;
mod terms;
mod tls;
mod traces;
mod unlinked;
mod worlds;

use testkit::{Connection, Up, Wattle, eventually, request};

/// The binary under test.
fn wattle() -> Wattle {
    Wattle::new(env!("CARGO_BIN_EXE_wattle"), env!("CARGO_TARGET_TMPDIR"))
}

/// The path of a component, as an argument.
fn guest(name: &str) -> String {
    testkit::guest(name).display().to_string()
}

/// The argument that routes a component.
fn route(path: &str, name: &str) -> String {
    format!("--route={path}={}", guest(name))
}

/// A connection on which a request was sent whose answer nobody has read yet.
fn begin(up: &Up, target: &str) -> Connection {
    let mut connection = up.connect();
    connection.send(&request("GET", target, &[], b"")).expect("the host reads");
    connection
}

/// A connection on which a request takes the only place that there is (`--concurrency=1`). Asking whether it does takes the place
/// too, so it may come too late and has to try again.
fn occupy(up: &Up, bytes: &[u8]) -> Connection {
    let mut connection = up.connect();
    connection.send(bytes).expect("the host reads");
    eventually("a request has the only place", || {
        if connection.has_answer().expect("it is open") {
            assert_eq!(connection.answer().expect("an answer").status, 503, "it would last if it had the place");
            // A new one, since a refusal may have closed the old one.
            connection = up.connect();
            connection.send(bytes).expect("the host reads");
        }
        up.get("/").status == 503 && up.get("/").status == 503 && !connection.has_answer().expect("it is open")
    });
    connection
}

/// Reads what comes of a body in chunks, and says whether that breaks off before its end.
fn is_cut(reading: &mut Connection) -> bool {
    loop {
        match reading.chunk() {
            Ok(piece) if piece.is_empty() => return false,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
}

/// Sends requests behind each other on one connection and sees that each is answered with 200.
fn hammer(up: &Up, requests: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    let mut connection = up.connect();
    let answer = |bytes: Vec<u8>| {
        connection.send(&bytes).expect("it is open");
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.status, 200);
        answer.text()
    };
    requests.into_iter().map(answer).collect()
}

/// Bytes without a pattern that a lost or doubled block could hide in.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}
