//! A connection over a pipe, with a clock that stands still while anything happens.

use tokio::io::{DuplexStream, duplex, split};
use tokio::time::Instant;

use super::*;
use crate::broker::Broker;
use crate::loopback::{Pass, Shared};

const MINUTE: Duration = Duration::from_secs(60);

/// Serves a client that does what `script` says, and then nothing more. Says why it ended, when, and what the client was told
/// that it has not read.
async fn serve_one(config: LoopbackConfig, script: impl AsyncFnOnce(&mut DuplexStream)) -> (String, Duration, String) {
    let (mut client, server) = duplex(1 << 20);
    let shared = Arc::new(Shared::new(Broker::default(), config, ([127, 0, 0, 1], 4222).into()));
    let outbox = Arc::new(Outbox::new(shared.config.pending_max.as_usize()));
    let (reader, writer) = split(server);
    let mut socket = Socket { reader, writer: Writer::new(writer) };
    let started = Instant::now();
    let serving = async {
        let served = Client::greet(shared.clone(), outbox.clone(), [127, 0, 0, 1].into());
        let ending = serve(served, &mut socket, &outbox, &shared.config).await;
        (ending, started.elapsed())
    };
    let ((ending, lasted), ()) = tokio::join!(serving, script(&mut client));
    outbox.close(ending.line().as_deref());
    socket.writer.write(&outbox).await;
    drop(socket);
    let mut told = String::new();
    client.read_to_string(&mut told).await.expect("text");
    let told = told.split_once("\r\n").map(|(_info, told)| told.to_owned()).unwrap_or_default();
    (ending.to_string(), lasted, told)
}

fn with_token() -> LoopbackConfig {
    LoopbackConfig { passes: vec![Pass::Token("secret".into())], ..LoopbackConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_asked_twice() {
    let (ending, lasted, told) = serve_one(LoopbackConfig::default(), async |_| {}).await;
    assert_eq!((ending.as_str(), lasted.as_secs() / 60), ("it is silent", 6));
    assert_eq!(told, "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_stays() {
    let script = async |client: &mut DuplexStream| {
        for _ in 0..10 {
            tokio::time::sleep(3 * MINUTE).await;
            client.write_all(b"PONG\r\n").await.expect("it is there");
        }
    };
    let (ending, lasted, told) = serve_one(LoopbackConfig::default(), script).await;
    assert_eq!((ending.as_str(), lasted >= 34 * MINUTE), ("it is silent", true), "{lasted:?}");
    assert!(told.ends_with("PING\r\n-ERR 'Stale Connection'\r\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_waited_for_two_seconds() {
    let script = async |client: &mut DuplexStream| client.write_all(b"PING\r\n").await.expect("it is there");
    let (ending, lasted, told) = serve_one(with_token(), script).await;
    assert_eq!((ending.as_str(), lasted.as_secs()), ("it did not show in time what lets it in", 2));
    assert_eq!(told, "PONG\r\n-ERR 'Authentication Timeout'\r\n");
    let script = async |client: &mut DuplexStream| {
        client.write_all(b"CONNECT {\"auth_token\":\"secret\"}\r\n").await.expect("it is there");
    };
    let (ending, ..) = serve_one(with_token(), script).await;
    assert_eq!(ending, "it is silent", "it may stay as long as it likes");
}

#[tokio::test(start_paused = true)]
async fn a_byte_at_a_time_is_as_all_at_once() {
    let said =
        b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 3\r\nabc\r\nUNSUB 1\r\nPUB a 1\r\nx\r\nPING\r\nEND\r\n";
    let at_once = async |client: &mut DuplexStream| client.write_all(said).await.expect("it is there");
    let bytewise = async |client: &mut DuplexStream| {
        for byte in said {
            client.write_all(&[*byte]).await.expect("it is there");
            tokio::task::yield_now().await;
        }
    };
    let wanted = "MSG a 1 3\r\nabc\r\nPONG\r\n-ERR 'Unknown Protocol Operation'\r\n";
    assert_eq!(serve_one(LoopbackConfig::default(), at_once).await.2, wanted);
    assert_eq!(serve_one(LoopbackConfig::default(), bytewise).await.2, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_is_let_go() {
    let script = async |client: &mut DuplexStream| {
        client.write_all(b"PUB a 10\r\nhalf").await.expect("it is there");
        client.shutdown().await.expect("it is there");
    };
    let (ending, _, told) = serve_one(LoopbackConfig::default(), script).await;
    assert_eq!((ending.as_str(), told.as_str()), ("it is closed", ""));
}
