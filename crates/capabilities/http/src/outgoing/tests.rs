//! Which requests leave, and which do not whatever they look like. The other side is a real listener in a thread.
//!
//! The certificate is of a test authority for `shop.test`, valid for a hundred years; its key protects nothing.

mod lines;
mod spellings;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use capability::conformance::run;
use http_body_util::{BodyExt, Full};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// A listener that answers each connection in a thread, and tells what it was sent.
struct Server {
    address: SocketAddr,
    heads: Receiver<String>,
}

impl Server {
    fn start(answer: &'static [u8]) -> Self {
        Self::serve(move |mut stream| {
            let head = read_head(&mut stream);
            stream.write_all(answer).and_then(|()| stream.flush()).ok()?;
            Some(head)
        })
    }

    fn serve(serve: impl Fn(TcpStream) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (sender, heads) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(head) = stream.ok().and_then(&serve) else { continue };
                if sender.send(head).is_err() {
                    return;
                }
            }
        });
        Self { address, heads }
    }

    /// Nothing has connected. Whoever had would have been heard of before the answer came.
    fn was_left_alone(&self) -> bool {
        self.heads.try_recv().is_err()
    }
}

fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

fn list(values: &[&str]) -> Arc<AllowList> {
    let values = values.iter().map(|value| value.parse::<Allow>().unwrap_or_else(|error| panic!("{error}")));
    Arc::new(values.collect())
}

fn component() -> ComponentName {
    "shop".parse().expect("a name")
}

fn outgoing(values: &[&str]) -> Outgoing {
    Outgoing::new(component(), list(values))
}

/// One whose resolver answers all names with that address.
fn resolving(values: &[&str], address: IpAddr) -> Outgoing {
    let mut connector = Connector::new(list(values));
    connector.resolve = Box::new(move |_| Box::pin(async move { Ok(vec![address]) }));
    Outgoing::with_connector(component(), connector)
}

fn request(uri: &str) -> Request<WasiBody> {
    let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
    Request::builder().uri(uri).body(body).expect("a request")
}

/// Status and body of the answer.
async fn fetch(
    outgoing: &Outgoing,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(u16, Bytes), Error> {
    let (response, transmission) = outgoing.send(request, options).await?;
    let status = response.status().as_u16();
    let body = async { response.into_body().collect().await.map(|body| body.to_bytes()) };
    // The connection may fail because the body did, which is the answer then.
    let (body, _) = tokio::join!(body, transmission);
    Ok((status, body?))
}

fn get(outgoing: &Outgoing, uri: &str) -> Result<(u16, Bytes), Error> {
    run(fetch(outgoing, request(uri), None))
}

#[test]
fn an_allowed_request_is_sent_and_answered() {
    let server = Server::start(OK);
    let outgoing = outgoing(&[&server.address.to_string()]);
    let (status, body) = get(&outgoing, &format!("http://{}/path?q=1", server.address)).expect("it is allowed");
    assert_eq!((status, &body[..]), (200, b"hello".as_slice()));
    let head = server.heads.recv().expect("it was asked");
    assert!(head.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", server.address)), "{head}");
    assert_eq!((outgoing.counts().answered(), outgoing.counts().received()), (1, 5));
}

#[test]
fn nothing_is_allowed_at_first() {
    let server = Server::start(OK);
    let outgoing = outgoing(&[]);
    for host in [format!("{}", server.address), format!("localhost:{}", server.address.port()), "example.com".into()] {
        assert!(matches!(get(&outgoing, &format!("http://{host}/")), Err(Error::HttpRequestDenied)));
    }
    assert!(server.was_left_alone());
    assert_eq!(outgoing.counts().refused(), 3);
}

#[test]
fn a_host_is_allowed_at_its_usual_port_only() {
    let server = Server::start(OK);
    for values in [&["127.0.0.1"][..], &["localhost"], &["*"], &["*:*"], &["https://127.0.0.1:*"]] {
        let outcome = get(&outgoing(values), &format!("http://{}/", server.address));
        assert!(matches!(outcome, Err(Error::HttpRequestDenied)), "{values:?}");
    }
    for values in [&["127.0.0.1:*"][..], &["http://127.0.0.1:*"]] {
        assert!(get(&outgoing(values), &format!("http://{}/", server.address)).is_ok(), "{values:?}");
    }
}

#[test]
fn this_machine_is_reached_by_the_name_that_was_allowed() {
    let server = Server::start(OK);
    let port = server.address.port();
    let outgoing = outgoing(&[&format!("localhost:{port}")]);
    assert!(get(&outgoing, &format!("http://localhost:{port}/")).is_ok());
    assert!(get(&outgoing, &format!("http://LOCALHOST.:{port}/")).is_ok());
    assert!(matches!(get(&outgoing, &format!("http://127.0.0.1:{port}/")), Err(Error::HttpRequestDenied)));
}

/// A name that was allowed answers with an address of this machine, at once or the second time (DNS rebinding): each attempt
/// asks anew and is judged anew.
#[test]
fn a_name_does_not_lead_to_this_machine() {
    let server = Server::start(OK);
    let port = server.address.port();
    let uri = format!("http://shop.test:{port}/");
    let there = server.address.ip();
    let allowed = [format!("shop.test:{port}"), format!("*:{port}"), format!("localhost:{port}")];
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    for _ in 0..2 {
        assert!(matches!(get(&resolving(&allowed, there), &uri), Err(Error::DestinationIpProhibited)));
    }
    assert!(server.was_left_alone());
    let address = server.address.to_string();
    assert!(
        get(&resolving(&[&format!("shop.test:{port}"), &address], there), &uri).is_ok(),
        "the address itself is allowed too"
    );
}

/// A name that nobody named is asked for once, and connected to at the address that was judged: not at what it leads to later.
#[test]
fn a_name_is_allowed_by_the_address_that_it_leads_to() {
    let server = Server::start(OK);
    let port = server.address.port();
    let uri = format!("http://shop.test:{port}/");
    let questions = Arc::new(AtomicU64::new(0));
    let asking = |values: &[&str]| {
        let (mut connector, questions) = (Connector::new(list(values)), questions.clone());
        connector.resolve = Box::new(move |_| {
            let first = questions.fetch_add(1, Ordering::Relaxed) == 0;
            let address = if first { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(192, 0, 2, 1) };
            Box::pin(async move { Ok(vec![address.into()]) })
        });
        Outgoing::with_connector(component(), connector)
    };
    assert!(get(&asking(&["127.0.0.0/8:*"]), &uri).is_ok());
    assert_eq!(questions.load(Ordering::Relaxed), 1);
    server.heads.recv().expect("it was asked");
    let there = server.address.ip();
    for values in [&["10.0.0.0/8:*"][..], &["127.0.0.2/31:*"], &["0.0.0.0/0:*"], &["other.test:*", "10.0.0.0/8:*"]] {
        let outcome = get(&resolving(values, there), &uri);
        assert!(matches!(outcome, Err(Error::DestinationIpProhibited)), "{values:?}: {outcome:?}");
    }
    for values in [&["127.0.0.0/8"][..], &["https://127.0.0.0/8:*"]] {
        let outcome = get(&resolving(values, there), &uri);
        assert!(matches!(outcome, Err(Error::HttpRequestDenied)), "{values:?}: {outcome:?}");
    }
    assert!(server.was_left_alone());
    // A name that is allowed for its own sake goes where it may, and where the range is.
    assert!(get(&resolving(&["shop.test:*", "127.0.0.0/8:*"], there), &uri).is_ok());
    let outgoing = outgoing(&["127.0.0.0/8:*"]);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        assert!(get(&outgoing, &format!("http://{host}:{port}/")).is_ok(), "{host}");
    }
}

#[test]
fn a_name_below_an_allowed_one_is_allowed_and_the_name_itself_is_not() {
    let list = list(&["*.example.com", "https://one.test:8443"]);
    let allows = |uri: &str| Target::of(&uri.parse().expect("a URI")).is_ok_and(|target| list.allows(&target));
    for uri in ["https://a.example.com/", "http://a.b.EXAMPLE.com./x", "https://one.test:8443/"] {
        assert!(allows(uri), "{uri}");
    }
    for uri in [
        "https://example.com/",
        "https://aexample.com/",
        "https://a.example.com.evil.test/",
        "https://a.example.com:8080/",
        "http://one.test:8443/",
        "https://one.test/",
        "https://x@a.example.com/",
        "ftp://a.example.com/",
    ] {
        assert!(!allows(uri), "{uri}");
    }
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = Server::start(OK);
    let location = format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", other.address);
    let server = Server::start(Box::leak(location.into_bytes().into_boxed_slice()));
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let (status, _) = get(&outgoing, &format!("http://{}/", server.address)).expect("it is allowed");
    assert_eq!(status, 302);
    assert!(other.was_left_alone());
}

#[test]
fn a_request_for_a_tunnel_is_refused() {
    let server = Server::start(OK);
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let mut connect = request(&format!("http://{}/", server.address));
    *connect.method_mut() = Method::CONNECT;
    assert!(matches!(run(fetch(&outgoing, connect, None)), Err(Error::HttpRequestMethodInvalid)));
    assert!(server.was_left_alone());
}

#[test]
fn a_field_that_names_another_host_is_put_right() {
    let server = Server::start(OK);
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let mut request = request(&format!("http://{}/", server.address));
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("internal.test"));
    run(fetch(&outgoing, request, None)).expect("it is allowed");
    let head = server.heads.recv().expect("it was asked");
    assert!(!head.contains("internal.test"), "{head}");
}

fn hasty(change: impl Fn(&mut RequestOptions, Option<Duration>)) -> Option<RequestOptions> {
    let mut options = RequestOptions::default();
    change(&mut options, Some(Duration::ZERO));
    Some(options)
}

/// A server that takes the request and then holds the line.
fn stuck(before: &'static [u8]) -> Server {
    Server::serve(move |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(before).and_then(|()| stream.flush()).ok()?;
        // Until the other side gives up.
        stream.read_to_end(&mut Vec::new()).ok()?;
        Some(head)
    })
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = stuck(b"");
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let options = hasty(|options, time| options.first_byte_timeout = time);
    let outcome = run(fetch(&outgoing, request(&format!("http://{}/", server.address)), options));
    assert!(matches!(outcome, Err(Error::ConnectionReadTimeout)), "{outcome:?}");
    assert_eq!(outgoing.counts().failed(), 1);
}

#[test]
fn an_answer_that_stops_in_the_middle_is_given_up() {
    let server = stuck(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhel");
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let options = hasty(|options, time| options.between_bytes_timeout = time);
    let outcome = run(async {
        let (response, transmission) = outgoing.send(request(&format!("http://{}/", server.address)), options).await?;
        transmission.await?;
        response.into_body().collect().await.map(|body| body.to_bytes())
    });
    assert!(matches!(outcome, Err(Error::ConnectionReadTimeout)), "{outcome:?}");
}

#[test]
fn an_answer_that_is_no_http_or_has_too_large_a_head_is_an_error() {
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(300));
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    for answer in [b"SSH-2.0-nothing\r\n\r\n".to_vec(), fields.into_bytes(), large.into_bytes(), Vec::new()] {
        let server = Server::start(Box::leak(answer.into_boxed_slice()));
        let outcome = get(&outgoing(&["127.0.0.1:*"]), &format!("http://{}/", server.address));
        assert!(outcome.is_err(), "{outcome:?}");
    }
}

#[test]
fn nobody_listening_is_an_error_of_the_connection() {
    let address =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port is free");
    let outcome = get(&outgoing(&["127.0.0.1:*"]), &format!("http://{address}/"));
    assert!(matches!(outcome, Err(Error::Connect(_))), "{outcome:?}");
}

#[test]
fn a_component_has_so_many_connections_and_gets_them_back() {
    let server = Server::start(OK);
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let uri = format!("http://{}/", server.address);
    run(async {
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(outgoing.send(request(&uri), None).await.unwrap_or_else(|error| panic!("{error}")));
        }
        let outcome = outgoing.send(request(&uri), None).await.map(drop);
        assert!(matches!(outcome, Err(Error::ConnectionLimitReached)));
        open.clear();
        assert!(outgoing.send(request(&uri), None).await.is_ok());
    });
}

#[test]
fn times_are_kept_within_reason() {
    let options = RequestOptions {
        connect_timeout: Some(Duration::MAX),
        first_byte_timeout: Some(Duration::ZERO),
        between_bytes_timeout: None,
    };
    let patience = Patience::new(Some(options));
    assert_eq!(patience.connect, Duration::from_secs(600));
    assert_eq!(patience.first_byte, Duration::from_millis(1));
    assert_eq!(patience.between_bytes, Duration::from_secs(60));
}

#[test]
fn a_refusal_names_the_flag_that_would_allow_it() {
    let target = Target::of(&"https://Shop.Test:8443/".parse().expect("a URI")).expect("a target");
    assert_eq!(
        Refusal::Host(target.as_allowed()).to_string(),
        "shop.test:8443 is not allowed; --allow-http shop.test:8443 would allow it"
    );
    assert!(list(&[&target.as_allowed()]).allows(&target), "the flag does allow it");
    assert_eq!(
        Refusal::Range(target.as_allowed()).to_string(),
        "shop.test:8443 leads to no address of the ranges that are allowed; --allow-http shop.test:8443 would allow it"
    );
}

/// Shows a certificate for `shop.test`.
fn shop_test() -> ServerConfig {
    let certificate = CertificateDer::from(include_bytes!("tests/shop.test.der").as_slice());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(include_bytes!("tests/shop.test.key.der").as_slice()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default versions");
    config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("the key fits")
}

/// A server with a certificate for `shop.test`, which speaks HTTP/1.1.
fn encrypted() -> Server {
    let config = Arc::new(shop_test());
    Server::serve(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).ok()?, stream);
        let head = read_head(&mut stream);
        stream.write_all(OK).and_then(|()| stream.flush()).ok()?;
        Some(head)
    })
}

fn trusting_the_test_authority(values: &[&str]) -> Outgoing {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(include_bytes!("tests/authority.der").as_slice())).expect("a certificate");
    let mut connector = Connector::new(list(values));
    connector.tls = Arc::new(connect::trusting(roots));
    connector.resolve = Box::new(|_| Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) }));
    Outgoing::with_connector(component(), connector)
}

#[test]
fn a_certificate_has_to_be_of_the_host_and_of_an_authority() {
    let server = encrypted();
    let port = server.address.port();
    let values = ["shop.test:*", "other.test:*", "127.0.0.1:*"];
    let get_from = |outgoing: &Outgoing, host: &str| get(outgoing, &format!("https://{host}:{port}/"));
    let outgoing = trusting_the_test_authority(&values);
    let (status, body) = get_from(&outgoing, "shop.test").expect("the certificate is right");
    assert_eq!((status, &body[..]), (200, b"hello".as_slice()));
    for host in ["other.test", "127.0.0.1"] {
        assert!(matches!(get_from(&outgoing, host), Err(Error::Tls(_))), "{host}");
    }
    let usual = resolving(&values, Ipv4Addr::LOCALHOST.into());
    assert!(matches!(get_from(&usual, "shop.test"), Err(Error::Tls(_))));
}
