//! What holds of brokers that encrypt, and of those that do not speak as they should.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::Mosquitto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

const PATIENCE: Duration = Duration::from_millis(500);
/// That a client is let in.
const WELCOME: &[u8] = b"\x20\x03\0\0\0";

fn endpoint(host: &str, address: SocketAddr) -> Endpoint {
    Endpoint { host: host.into(), port: address.port(), tls: None, login: None, patience: PATIENCE }
}

fn message(subject: &str) -> Message {
    Message::new(subject.parse().expect("a subject"), "tea".into())
}

/// A broker that answers the first thing that each client says with this, and then keeps silent.
async fn broker(answer: &'static [u8]) -> (SocketAddr, rt::Task) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the machine has a loopback interface");
    let address = listener.local_addr().expect("it is bound");
    let answering = rt::Task::spawn(async move {
        let mut clients = Vec::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut said = [0; 1_024];
            let _size = client.read(&mut said).await.expect("a client says something");
            client.write_all(answer).await.expect("it has room");
            clients.push(client);
        }
    });
    (address, answering)
}

#[tokio::test]
async fn a_broker_that_does_not_speak_mqtt_5_is_said_to() {
    for (answer, why) in [
        // The beginning of a packet of 84 bytes.
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "no answer within"),
        // A broker of MQTT 3.1.1 says this and closes the connection, which this one does not.
        (b"\x20\x02\0\x01", "no answer within"),
        (b"\x20\xff\xff\xff\xff\x7f", "is not of MQTT 5"),
        (b"\xd0\x00", "something else"),
        (b"", "no answer within"),
        (b"\x20", "no answer within"),
        (b"\x20\x03\0\x84\0", "does not speak MQTT 5"),
        (b"\x20\x03\0\x87\0", "lets nobody in"),
        (b"\x20\x03\0\x88\0", "ServerUnavailable"),
    ] {
        let (address, _answering) = broker(answer).await;
        let begun = Instant::now();
        let error = Mqtt::connect(endpoint("127.0.0.1", address), None).await.map(|_| ()).expect_err(why);
        let text = Chain(&error).to_string();
        assert!(text.contains(why) && begun.elapsed() < PATIENCE * 4, "{answer:?}: {text}");
    }
}

/// Whatever comes after the welcome: who publishes is told in time, who listens hears nothing that is not a message.
#[tokio::test]
async fn a_broker_that_says_nonsense_harms_nobody() {
    for nonsense in [
        &b""[..],
        b"\0\0\0\0",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x30\xff\xff\xff\x7f",
        b"\x30\x02\0\x09",
        b"\x32\x05\0\x01a\0\0",
        b"\x40\x02\0\x07",
        b"\x90\x04\0\x07\0\0",
        b"\xb0\x04\0\x07\0\0",
        b"\xe0\x01\x8e",
        b"\x10\x0d\0\x04MQTT\x05\x02\0\x0a\0\0\0",
        b"\x30\x06\0\x02\xff\xfe\0a",
        b"\x50\x02\0\x01",
    ] {
        let (address, _answering) = broker([WELCOME, nonsense].concat().leak()).await;
        let mqtt = Mqtt::connect(endpoint("127.0.0.1", address), None).await.expect("it was welcomed");
        let begun = Instant::now();
        let outcome = mqtt.publish(message("orders.new")).await;
        assert!(matches!(outcome, Err(SendError::Unavailable(_))), "{nonsense:?}: {outcome:?}");
        let asked = mqtt.request(message("ask"), PATIENCE).await.map(|_| ());
        assert!(asked.is_err(), "{nonsense:?}");
        let patterns = ["orders.>".parse().expect("a pattern")];
        let listening = mqtt.listen(&"clerk".parse().expect("a name"), (&patterns, None)).await;
        assert!(listening.is_err() && begun.elapsed() < PATIENCE * 8, "{nonsense:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_has_to_show_that_it_is_the_one() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let [own, other, key] = ["own.pem", "other.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&own, made.cert.pem()).expect("the folder is ours");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("the folder is ours");
    let another = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    std::fs::write(&other, another.cert.pem()).expect("the folder is ours");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let lines = [
        "allow_anonymous true".to_owned(),
        format!("listener {} 127.0.0.1", port.port()),
        format!("certfile {}\nkeyfile {}", own.display(), key.display()),
    ];
    let _broker = Mosquitto::start_with(lines.each_ref().map(String::as_str));
    let connect = |host: &'static str, ca: Option<std::path::PathBuf>| async move {
        let tls = TlsConnector::from(capability::tls::client(ca.as_deref()).expect("it is PEM"));
        let endpoint = Endpoint { tls: Some(tls), patience: PATIENCE * 4, ..endpoint(host, port) };
        Mqtt::connect(endpoint, None).await.map_err(|error| Chain(&error).to_string())
    };
    let mqtt = connect("localhost", Some(own.clone())).await.unwrap_or_else(|error| panic!("{error}"));
    let patterns = ["orders.>".parse().expect("a pattern")];
    let mut heard = mqtt.listen(&"clerk".parse().expect("a name"), (&patterns, None)).await.expect("it is taken");
    mqtt.publish(message("orders.new")).await.expect("it is sent");
    assert_eq!(heard.next().await.expect("it comes").0, message("orders.new"));
    for (host, ca, why) in [
        ("localhost", None, "UnknownIssuer"),
        ("localhost", Some(other), "invalid peer certificate"),
        ("127.0.0.1", Some(own), "not valid for name"),
    ] {
        let error = connect(host, ca).await.map(|_| ()).expect_err(why);
        assert!(error.contains(why), "{error}");
    }
    // One that encrypts, and a client that does not.
    let plain = Mqtt::connect(endpoint("localhost", port), None).await.map(|_| ());
    assert!(matches!(plain, Err(ConnectError::Unavailable(_))));
}

/// Who goes away in the middle of a question is forgotten.
#[tokio::test]
async fn a_question_that_nobody_waits_for_is_forgotten() {
    let broker = Mosquitto::start();
    let mqtt = Mqtt::connect(endpoint("127.0.0.1", broker.address()), None).await.expect("it is there");
    let mqtt = Arc::new(mqtt);
    let patterns = ["ask".parse().expect("a pattern")];
    let _silent = mqtt.listen(&"clerk".parse().expect("a name"), (&patterns, None)).await.expect("it is taken");
    let late = mqtt.request(message("ask"), PATIENCE).await;
    assert!(matches!(late, Err(AskError::NotAnswered(RequestError::Timeout { .. }))));
    assert!(mqtt.shared.lock_asking().is_empty());
}
