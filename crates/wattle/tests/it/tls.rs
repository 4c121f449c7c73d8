//! Encrypted connections, with HTTP/1.1 and HTTP/2 on them.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rt::Task;
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testkit::{Up, Wattle, eventually};
use tokio_rustls::TlsConnector;

use crate::{guest, wattle};

/// Who the hosts of these tests say they are.
const NAME: &str = "shop.test";

/// A certificate in its files.
struct Certificate {
    der: CertificateDer<'static>,
    files: [PathBuf; 2],
}

impl Certificate {
    /// A new one, in the files that every host of this home reads.
    fn new(wattle: &Wattle) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let files = [wattle.write("cert.pem", cert.pem()), wattle.write("key.pem", signing_key.serialize_pem())];
        Self { der: cert.der().clone(), files }
    }

    fn flags(&self) -> [String; 6] {
        let [certificate, key] = self.files.each_ref().map(|file| file.display().to_string());
        ["--https".into(), "127.0.0.1:0".into(), "--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// What a client needs that trusts this one only, and offers these versions of HTTP.
    fn trusted(&self, versions: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("ring has them").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Where it listens for encrypted connections.
fn address(up: &Up) -> SocketAddr {
    let url = up.values().iter().find_map(|value| Some(value["listening_too"].as_str()?.to_owned()));
    let url = url.expect("it says so");
    url.strip_prefix("https://").and_then(|address| address.parse().ok()).expect("an address")
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task)
}

/// A connection of HTTP/2.
struct Client {
    send: SendRequest<Full<Bytes>>,
    _connection: Task,
}

/// Opens a connection of HTTP/2.
async fn connect(up: &Up, certificate: &Certificate) -> Client {
    let stream = tokio::net::TcpStream::connect(address(up)).await.expect("it listens");
    let name = ServerName::try_from(NAME).expect("a name");
    let stream = TlsConnector::from(certificate.trusted(&["h2"])).connect(name, stream).await.expect("it is trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    let connection = Task::spawn(async move {
        // How it ends, its requests tell.
        drop(connection.await);
    });
    Client { send, _connection: connection }
}

fn asking(method: Method, path: &str, body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("https://{NAME}{path}"));
    request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request")
}

/// Asks, and answers with status and body.
async fn get(client: &Client, path: &str) -> Result<(u16, Bytes), hyper::Error> {
    let answer: Response<Incoming> = client.send.clone().send_request(asking(Method::GET, path, b"")).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

#[test]
fn requests_of_both_versions_are_answered_on_encrypted_connections() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    assert_eq!(up.get("/scheme").text(), "Some(Scheme::Http)\n");
    for versions in [&[][..], &["http/1.1"], &["http/1.1", "h2"]] {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = rustls::ClientConnection::new(certificate.trusted(&versions[..versions.len().min(1)]), name)
            .expect("a client");
        let mut socket = TcpStream::connect(address(&up)).expect("it listens");
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let head = format!("GET /scheme HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is sent");
        let mut text = String::new();
        // An end without a farewell would be an error here.
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("Some(Scheme::Https)\n"), "{text}");
    }
    block_on(async {
        let client = connect(&up, &certificate).await;
        assert_eq!(get(&client, "/scheme").await.expect("an answer"), (200, "Some(Scheme::Https)\n".into()));
        let (_, head) = get(&client, "/headers?a=b").await.expect("an answer");
        assert!(head.starts_with(b":path: /headers?a=b\n:authority: shop.test\n"), "{head:?}");
        let body = crate::noise(3_000_000);
        let answer = client.send.clone().send_request(asking(Method::POST, "/echo", &body)).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), body);
        for (method, path, expected) in [
            (Method::HEAD, "/scheme", (200, Some("20"))),
            (Method::HEAD, "/stream?n=2&ms=1", (200, None)),
            (Method::GET, "/status?code=204", (204, None)),
            (Method::GET, "/status?code=304", (304, None)),
        ] {
            let answer = client.send.clone().send_request(asking(method, path, b"")).await.expect("an answer");
            let length = answer.headers().get("content-length").map(|length| length.to_str().expect("a number"));
            assert_eq!((answer.status().as_u16(), length), expected, "{path}");
            assert!(answer.into_body().collect().await.expect("it ends with its head").to_bytes().is_empty());
        }
        // What fails is an answer, as it is without encryption.
        assert_eq!(get(&client, "/trap").await.expect("an answer").0, 500);
        assert_eq!(get(&client, "/nowhere").await.expect("an answer").0, 404);
    });
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_connection_is_used_again() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let flags = ["--max-body=1MiB".to_owned()];
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()).chain(flags));
    block_on(async {
        let client = connect(&up, &certificate).await;
        let body = crate::noise(3_000_000);
        for path in ["/echo", "/read", "/early"] {
            let answer = client.send.clone().send_request(asking(Method::POST, path, &body)).await;
            assert_eq!(answer.expect("an answer").status().as_u16(), 413, "{path}");
        }
        assert_eq!(get(&client, "/scheme").await.expect("an answer").0, 200);
    });
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn many_requests_run_at_once_on_one_connection() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    block_on(async {
        let client = connect(&up, &certificate).await;
        let ask = |number: usize| {
            let path = ["/slow?ms=200", "/stream?n=3&ms=20", "/big?n=200000", "/trap"][number % 4];
            let client = &client;
            async move { (path, get(client, path).await.expect("an answer")) }
        };
        for (path, (status, body)) in join_all((0..400).map(ask)).await {
            let expected = match path {
                "/slow?ms=200" => (200, 6),
                "/stream?n=3&ms=20" => (200, 24),
                "/big?n=200000" => (200, 200_000),
                _ => (500, 21),
            };
            assert_eq!((status, body.len()), expected, "{path}");
        }
    });
    let ended = up.stop();
    let count = |what: &str| ended.requests("http-kit")[what].as_u64();
    assert_eq!((ended.code, count("answered"), count("failed")), (Some(0), Some(300), Some(100)));
}

/// A client that does not take its answer holds an instance no longer than a while after its time, and nobody else up.
#[test]
fn a_request_whose_answer_nobody_takes_ends() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let flags = ["--timeout=1", "--concurrency=2"].map(str::to_owned);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()).chain(flags));
    block_on(async {
        let client = connect(&up, &certificate).await;
        let late = get(&client, "/slow?ms=60000").await.expect("an answer");
        assert_eq!(late.0, 504);
        let mut kept = Vec::new();
        for _ in 0..2 {
            let answer = client.send.clone().send_request(asking(Method::GET, "/big?n=50000000", b"")).await;
            kept.push(answer.expect("the head comes"));
        }
        let begun = Instant::now();
        // Both places are taken for as long as the component may run, and not for ever.
        while get(&client, "/scheme").await.expect("an answer").0 != 200 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the places are free again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for answer in kept {
            answer.into_body().collect().await.expect_err("it was cut off, and is not taken for whole");
        }
    });
    assert_eq!(up.stop().code, Some(0));
}

/// Lets a request go on its way, and gives it up.
async fn ask_and_take_back<T>(request: impl Future<Output = T>) {
    let mut request = pin!(request);
    for _ in 0..4 {
        if std::future::poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Requests that are taken back as soon as they are made: whoever makes many of them is shown the door.
#[test]
fn a_flood_of_requests_that_are_taken_back_is_survived() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    let closed = block_on(async {
        let mut closed = 0;
        for _ in 0..5 {
            let client = connect(&up, &certificate).await;
            for _ in 0..100_000 {
                let mut send = client.send.clone();
                if send.ready().await.is_err() {
                    closed += 1;
                    break;
                }
                ask_and_take_back(send.send_request(asking(Method::GET, "/slow?ms=5000", b""))).await;
            }
            assert_eq!(up.get("/scheme").status, 200);
        }
        closed
    });
    assert_eq!(closed, 5);
    let ended = up.stop();
    let count = |what: &str| ended.requests("http-kit")[what].as_u64().expect("a number");
    assert_eq!((ended.code, count("answered")), (Some(0), 5));
    // Hardly any of them reached the component.
    assert!(count("abandoned") < 1_000, "{}", count("abandoned"));
}

#[test]
fn a_certificate_that_changes_is_read_again_and_a_bad_one_is_not_used() {
    let wattle = wattle();
    let first = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(first.flags()));
    let is_shown = |certificate: &Certificate| {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = rustls::ClientConnection::new(certificate.trusted(&[]), name).expect("a client");
        let mut socket = TcpStream::connect(address(&up)).expect("it listens");
        tls.complete_io(&mut socket).is_ok()
    };
    assert!(is_shown(&first));
    std::fs::write(&first.files[0], "no certificate").expect("it can be written");
    up.says("the certificate has changed and cannot be used; the old one is");
    assert!(is_shown(&first));
    let second = Certificate::new(&wattle);
    eventually("the new one is shown", || is_shown(&second));
    assert!(!is_shown(&first));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_is_not_encrypted_or_says_nothing_is_let_go() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    let mut plain = TcpStream::connect(address(&up)).expect("it listens");
    let mut silent = TcpStream::connect(address(&up)).expect("it listens");
    silent.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("it is sent");
    let mut rest = Vec::new();
    // It may be reset, or told by an alert of TLS; no byte of HTTP comes.
    drop(plain.read_to_end(&mut rest));
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    assert_eq!(silent.read_to_end(&mut rest).map_err(|error| error.kind()), Ok(0), "it is closed in time");
    assert_eq!(up.get("/scheme").status, 200);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_host_that_stops_lets_requests_of_http_2_end() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    block_on(async {
        let client = connect(&up, &certificate).await;
        let others = async {
            // The one before has begun when the one after is answered.
            assert_eq!(get(&client, "/scheme").await.expect("an answer").0, 200);
            up.signal(Signal::INT);
        };
        let (slow, ()) = tokio::join!(get(&client, "/slow?ms=1500"), others);
        assert_eq!(slow.expect("an answer").0, 200);
        let begun = Instant::now();
        while get(&client, "/scheme").await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing begins any more");
        }
    });
    let ended = up.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_shown_is_refused_at_the_start() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let [file, key] = certificate.files.each_ref().map(|file| file.display().to_string());
    let garbage = wattle.write("garbage.pem", "garbage").display().to_string();
    let CertifiedKey { signing_key, .. } = generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let other = wattle.write("other.pem", signing_key.serialize_pem()).display().to_string();
    let refused = |certificate: &str, key: &str| {
        let flags = ["--https", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
        let ended = wattle.try_up([&*guest("http-kit")].into_iter().chain(flags)).expect_err("it cannot be");
        assert_eq!(ended.code, Some(65), "{}", ended.stderr);
        assert!(ended.stderr.contains("E0304"), "{}", ended.stderr);
        ended.stderr
    };
    assert!(refused("none.pem", &key).contains("the certificate cannot be read from none.pem"));
    assert!(refused(&file, "none.pem").contains("the key cannot be read from none.pem"));
    assert!(refused(&file, &garbage).contains("the key cannot be read from"));
    assert!(refused(&garbage, &key).contains("garbage.pem"));
    assert!(refused(&file, &other).contains("cannot be used with the key"));

    let alone = wattle.run(["up", &guest("http-kit"), "--https", "127.0.0.1:0"]);
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    let nowhere = wattle.run(["up", &guest("http-kit"), "--http", "off"]);
    assert!(nowhere.stderr.contains("there has to be --https"), "{}", nowhere.stderr);
}
