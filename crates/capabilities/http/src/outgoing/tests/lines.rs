//! What becomes of connections after a request, with servers that keep them, lose them, or take many requests on one.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use futures::future::{join_all, select_all};
use http::HeaderMap;
use http_body_util::{StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rt::Task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::outgoing::connect::Stream;
use crate::outgoing::pool::{IDLE, LIFE};

type Reply = UnsyncBoxBody<Bytes, Infallible>;

/// A server of HTTP/1.1 or 2 in this thread.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// Told to whoever is served: no more on this connection.
    stop: tokio::sync::watch::Sender<()>,
    _task: Task,
}

/// What a server speaks.
#[derive(Clone)]
enum Speech {
    Http1,
    /// Without having agreed on it.
    H2c,
    /// After having agreed on it by TLS.
    Encrypted(Arc<ServerConfig>),
}

impl Peer {
    async fn start(speech: Speech) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (stop, stopped) = tokio::sync::watch::channel(());
        let counters = (connections.clone(), requests.clone());
        let task = Task::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                counters.0.fetch_add(1, Ordering::Relaxed);
                open.push(Task::spawn(serve(stream, speech.clone(), counters.1.clone(), stopped.clone())));
            }
        });
        Self { address, connections, requests, stop, _task: task }
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    speech: Speech,
    requests: Arc<AtomicUsize>,
    mut stopped: tokio::sync::watch::Receiver<()>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::Relaxed);
        answer(request)
    });
    stopped.mark_unchanged();
    let stream: Stream = match speech {
        Speech::Http1 => {
            let mut http = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            return drop(std::pin::Pin::new(&mut http).await);
        }
        Speech::H2c => Box::new(stream),
        Speech::Encrypted(config) => {
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            Box::new(stream)
        }
    };
    let http =
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(http);
    tokio::select! {
        ended = &mut http => drop(ended),
        _ = stopped.changed() => {
            http.as_mut().graceful_shutdown();
            drop(http.await);
        }
    }
}

/// `/large` is a body of 64 MiB, `/stuck` is answered never; what was sent comes back, with what it was and a trailer.
async fn answer(request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let body: Reply = match request.uri().path() {
        "/large" => {
            let pieces = std::iter::repeat_n(Bytes::from_static(&[7; 65536]), 1024);
            StreamBody::new(futures::stream::iter(pieces.map(|piece| Ok(Frame::data(piece))))).boxed_unsync()
        }
        "/stuck" => std::future::pending().await,
        _ => {
            let version = format!("{:?} {} ", request.version(), request.uri());
            let sent = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let mut trailers = HeaderMap::new();
            trailers.insert("sum", sent.len().into());
            let frames = [Frame::data(version.into()), Frame::data(sent), Frame::trailers(trailers)];
            StreamBody::new(futures::stream::iter(frames.map(Ok))).boxed_unsync()
        }
    };
    // HTTP/1.1 has no trailers that were not announced.
    Ok(Response::builder().header("trailer", "sum").body(body).expect("an answer"))
}

fn post(uri: &str, body: impl Into<Bytes>) -> Request<WasiBody> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    Request::post(uri).body(body).expect("a request")
}

async fn text(outgoing: &Outgoing, request: Request<WasiBody>) -> Result<String, Error> {
    let (status, body) = fetch(outgoing, request, None).await?;
    assert_eq!(status, 200);
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn a_connection_is_used_for_the_next_requests() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        for number in 0..50 {
            let uri = format!("http://{}/{number}", peer.address);
            assert_eq!(
                text(&outgoing, post(&uri, "x")).await.expect("it is answered"),
                format!("HTTP/1.1 /{number} x")
            );
        }
        assert_eq!(peer.counts(), (1, 50));
        // Eight at once, again and again: no more connections than that.
        for _ in 0..20 {
            let at_once = (0..8).map(|_| text(&outgoing, request(&format!("http://{}/", peer.address))));
            join_all(at_once).await.into_iter().for_each(|answer| drop(answer.expect("it is answered")));
        }
        let (connections, requests) = peer.counts();
        assert!(connections <= 8 && requests == 210, "{connections} connections, {requests} requests");
    });
}

#[test]
fn another_component_has_connections_of_its_own() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        for _ in 0..3 {
            text(&outgoing(&["127.0.0.1:*"]), request(&format!("http://{}/", peer.address))).await.expect("an answer");
        }
        assert_eq!(peer.counts(), (3, 3));
    });
}

#[test]
fn a_connection_is_used_on_the_thread_that_made_it() {
    let outgoing = outgoing(&["127.0.0.1:*"]);
    let (addresses, peers) = channel();
    let server = std::thread::spawn(move || {
        run(async {
            let peer = Peer::start(Speech::Http1).await;
            addresses.send(peer.address).expect("the test listens");
            while peer.counts().1 < 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            peer.counts().0
        })
    });
    let address = peers.recv().expect("the server starts");
    let twice = || {
        run(async {
            for _ in 0..2 {
                text(&outgoing, request(&format!("http://{address}/"))).await.expect("it is answered");
            }
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(twice).join().expect("it does not panic");
        scope.spawn(twice).join().expect("it does not panic");
    });
    assert_eq!(server.join().expect("it does not panic"), 2);
}

#[test]
fn what_is_not_read_to_its_end_gives_no_connection_back() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        for _ in 0..3 {
            let (response, _) = outgoing
                .send(request(&format!("http://{}/large", peer.address)), None)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            drop(response);
        }
        assert_eq!(
            text(&outgoing, post(&format!("http://{}/", peer.address), "x")).await.expect("an answer"),
            "HTTP/1.1 / x"
        );
        assert_eq!(peer.counts(), (4, 4));
    });
}

#[test]
fn connections_that_nobody_uses_are_closed() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let uri = format!("http://{}/", peer.address);
        text(&outgoing, request(&uri)).await.expect("it is answered");
        assert_eq!(outgoing.shared.pool.len(), 1);
        tokio::time::pause();
        tokio::time::advance(IDLE / 2).await;
        tokio::task::yield_now().await;
        assert_eq!(outgoing.shared.pool.len(), 1);
        for _ in 0..4 {
            tokio::time::advance(IDLE / 4).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(outgoing.shared.pool.len(), 0);
    });
}

#[test]
fn a_connection_grows_too_old_however_much_it_is_used() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let uri = format!("http://{}/", peer.address);
        text(&outgoing, request(&uri)).await.expect("it is answered");
        tokio::time::pause();
        tokio::time::advance(LIFE).await;
        tokio::time::resume();
        text(&outgoing, request(&uri)).await.expect("it is answered");
        assert_eq!(peer.counts(), (2, 2));
    });
}

/// A server that answers the first request of each connection, and does with the second what it is told.
async fn fickle(second: &'static [u8]) -> (SocketAddr, tokio::sync::mpsc::Receiver<String>, Task) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let (heard, heads) = tokio::sync::mpsc::channel(100);
    let task = Task::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(Task::spawn(answer_twice(stream, heard.clone(), second)));
        }
    });
    (address, heads, task)
}

async fn answer_twice(
    mut stream: tokio::net::TcpStream,
    heard: tokio::sync::mpsc::Sender<String>,
    second: &'static [u8],
) {
    for answer in [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", second] {
        let mut piece = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut piece).await else { return };
        let line = String::from_utf8_lossy(&piece[..read]).lines().next().unwrap_or_default().to_owned();
        heard.send(line).await.expect("the test listens");
        stream.write_all(answer).await.expect("it is taken");
    }
}

#[test]
fn a_request_that_was_lost_is_sent_again_only_where_that_is_harmless() {
    run(async {
        let (address, mut heads, _server) = fickle(b"").await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let uri = |path: &str| format!("http://{address}/{path}");
        assert_eq!(text(&outgoing, request(&uri("1"))).await.expect("it is answered"), "ok");
        // Read by the server, which then closes. Nobody knows what it did; asking twice does no harm.
        assert_eq!(text(&outgoing, request(&uri("2"))).await.expect("it is sent again"), "ok");
        // The same with a request that would be carried out twice.
        let lost = text(&outgoing, post(&uri("3"), "once")).await;
        assert!(matches!(lost, Err(Error::Hyper(_))), "{lost:?}");
        let empty = text(&outgoing, post(&uri("4"), "")).await;
        assert_eq!(empty.expect("the line before was lost"), "ok");
        let lost = text(&outgoing, post(&uri("5"), "")).await;
        assert!(matches!(lost, Err(Error::Hyper(_))), "{lost:?}");
        let mut heard = Vec::new();
        while let Ok(head) = heads.try_recv() {
            heard.push(head);
        }
        let expected = ["GET /1", "GET /2", "GET /2", "POST /3", "POST /4", "POST /5"];
        assert_eq!(heard, expected.map(|line| format!("{line} HTTP/1.1")));
    });
}

#[test]
fn an_answer_that_is_none_is_not_asked_for_again() {
    run(async {
        let (address, mut heads, _server) = fickle(b"nonsense\r\n\r\n").await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let uri = format!("http://{address}/");
        assert_eq!(text(&outgoing, request(&uri)).await.expect("it is answered"), "ok");
        let answer = text(&outgoing, request(&uri)).await;
        assert!(matches!(&answer, Err(Error::Hyper(error)) if error.is_parse()), "{answer:?}");
        assert!(heads.try_recv().is_ok() && heads.try_recv().is_ok() && heads.try_recv().is_err());
    });
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_loses_nothing() {
    run(async {
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let uri = format!("http://{}/", listener.local_addr().expect("it has an address"));
        for _ in 0..5 {
            let served = async {
                let (mut stream, _) = listener.accept().await.expect("somebody connects");
                assert!(stream.read(&mut [0; 4096]).await.expect("it is sent") > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("it is taken");
            };
            let (answer, ()) = tokio::join!(text(&outgoing, post(&uri, "once")), served);
            assert_eq!(answer.expect("it is sent on a new connection"), "ok");
            while outgoing.shared.pool.take(&Target::of(&uri.parse().expect("a URI")).expect("a target")).is_some() {
                // Until the end of the connection was heard.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

/// A server of HTTP/2, and what trusts it.
async fn http2() -> (Peer, Outgoing, String) {
    let mut config = shop_test();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let peer = Peer::start(Speech::Encrypted(Arc::new(config))).await;
    let uri = format!("https://shop.test:{}", peer.address.port());
    (peer, trusting_the_test_authority(&["shop.test:*", "127.0.0.1:*"]), uri)
}

/// The same without TLS: of this server it was said that it speaks HTTP/2.
async fn h2c() -> (Peer, Outgoing, String) {
    let peer = Peer::start(Speech::H2c).await;
    let uri = format!("http://{}", peer.address);
    let outgoing = outgoing(&[&format!("h2c://{}", peer.address)]);
    (peer, outgoing, uri)
}

#[test]
fn many_requests_are_on_one_connection_of_http2() {
    run(async {
        are_on_one_connection(http2().await).await;
        are_on_one_connection(h2c().await).await;
    });
}

async fn are_on_one_connection((peer, outgoing, uri): (Peer, Outgoing, String)) {
    let first = text(&outgoing, post(&format!("{uri}/first?a=b"), "hello")).await.expect("it is answered");
    assert_eq!(first, format!("HTTP/2.0 {uri}/first?a=b hello"));
    let at_once = (0..CONNECTIONS).map(|number| {
        let (outgoing, uri) = (&outgoing, &uri);
        async move {
            let body = format!("{number} ").repeat(10_000);
            let answer = text(outgoing, post(&format!("{uri}/"), body.clone())).await.expect("it is answered");
            assert_eq!(answer, format!("HTTP/2.0 {uri}/ {body}"));
        }
    });
    join_all(at_once).await;
    assert_eq!(peer.counts(), (1, 1 + CONNECTIONS));
}

#[test]
fn trailers_arrive() {
    run(async {
        let http1 = {
            let peer = Peer::start(Speech::Http1).await;
            let uri = format!("http://{}", peer.address);
            (peer, outgoing(&["127.0.0.1:*"]), uri)
        };
        for (_peer, outgoing, uri) in [http1, http2().await, h2c().await] {
            let mut request = post(&uri, "hello");
            request.headers_mut().insert(http::header::TE, http::HeaderValue::from_static("trailers"));
            let answer = outgoing.send(request, None).await;
            let (response, transmission) = answer.unwrap_or_else(|error| panic!("{error}"));
            let body = response.into_body().collect().await.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(body.trailers().expect("it has trailers")["sum"], "5");
            transmission.await.unwrap_or_else(|error| panic!("{error}"));
        }
    });
}

/// What is said of one server counts for no other, and where nothing is said it is HTTP/1.1.
#[test]
fn http2_without_tls_is_spoken_where_that_was_said_and_nowhere_else() {
    run(async {
        let (one, other) = (Peer::start(Speech::H2c).await, Peer::start(Speech::Http1).await);
        let outgoing = outgoing(&["127.0.0.1:*", &format!("h2c://{}", one.address)]);
        for (peer, version) in [(&one, "HTTP/2.0"), (&other, "HTTP/1.1")] {
            let answer = text(&outgoing, request(&format!("http://{}/", peer.address))).await;
            let answer = answer.expect("it is answered");
            assert!(answer.starts_with(version), "{answer}");
        }
        let encrypted = text(&outgoing, request(&format!("https://{}/", one.address))).await;
        assert!(matches!(encrypted, Err(Error::Tls(_))), "it has no TLS: {encrypted:?}");
        // By the address that a name leads to, too.
        let ranges = [format!("h2c://127.0.0.0/8:{}", one.address.port()), "10.0.0.0/8:*".to_owned()];
        let outgoing = resolving(&[&ranges[0], &ranges[1]], one.address.ip());
        let answer = text(&outgoing, request(&format!("http://shop.test:{}/", one.address.port()))).await;
        let answer = answer.expect("it is answered");
        assert!(answer.starts_with("HTTP/2.0"), "{answer}");
    });
}

#[test]
fn who_does_not_read_keeps_nobody_from_reading() {
    run(async {
        let (peer, outgoing, uri) = http2().await;
        text(&outgoing, request(&uri)).await.expect("it is answered");
        let mut unread = Vec::new();
        for _ in 0..CONNECTIONS - 1 {
            let answer = outgoing.send(request(&format!("{uri}/large")), None).await;
            unread.push(answer.unwrap_or_else(|error| panic!("{error}")).0);
        }
        // All windows fill up.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (_, large) = fetch(&outgoing, request(&format!("{uri}/large")), None).await.expect("it arrives");
        assert_eq!(large.len(), 64 << 20);
        let refused = outgoing.send(request(&uri), None).await.map(drop);
        assert!(refused.is_ok(), "the place was given back: {refused:?}");
        drop(unread);
        text(&outgoing, request(&uri)).await.expect("the connection has not ended");
        assert_eq!(peer.counts().0, 1);
    });
}

#[test]
fn a_request_that_is_given_up_ends_alone() {
    run(async {
        let (peer, outgoing, uri) = http2().await;
        text(&outgoing, request(&uri)).await.expect("it is answered");
        let hasty = hasty(|options, time| options.first_byte_timeout = time);
        let stuck = (0..8).map(|_| Box::pin(fetch(&outgoing, request(&format!("{uri}/stuck")), hasty)));
        let (given_up, _, others) = select_all(stuck).await;
        assert!(matches!(given_up, Err(Error::ConnectionReadTimeout)), "{given_up:?}");
        drop(others);
        text(&outgoing, request(&uri)).await.expect("the connection goes on");
        assert_eq!(peer.counts().0, 1);
    });
}

#[test]
fn a_server_that_says_goodbye_is_connected_to_again() {
    run(async {
        let (peer, outgoing, uri) = http2().await;
        for round in 1..=5 {
            let answers = join_all((0..8).map(|_| text(&outgoing, post(&uri, "once")))).await;
            assert!(answers.iter().all(Result::is_ok), "round {round}: {answers:?}");
            peer.stop.send_replace(());
            // What is sent after the goodbye was heard, goes elsewhere.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(peer.counts().0 >= 5, "{:?}", peer.counts());
    });
}

#[test]
fn the_outcome_of_a_transmission_is_that_of_the_request() {
    run(async {
        let peer = Peer::start(Speech::Http1).await;
        let outgoing = outgoing(&["127.0.0.1:*"]);
        let uri = format!("http://{}/", peer.address);
        let frames = [Ok(Frame::data(Bytes::from_static(b"some"))), Err(Error::InternalError(Some("mine".into())))];
        let broken: WasiBody = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
        let answer = outgoing.send(Request::post(&uri).body(broken).expect("a request"), None).await.map(drop);
        assert!(answer.is_err(), "half of a request is not answered");
        // Taken before the body has ended: the server has hung up by then.
        let early = Server::serve(|mut stream| {
            read_head(&mut stream);
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
            None
        });
        let endless =
            StreamBody::new(futures::stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[1; 65536])))));
        let uri = format!("http://{}/", early.address);
        let answer = outgoing.send(Request::post(uri).body(endless.boxed_unsync()).expect("a request"), None).await;
        if let Ok((response, transmission)) = answer {
            assert_eq!(response.status(), 413);
            drop(response);
            assert!(matches!(transmission.await, Err(Error::ConnectionTerminated)));
        }
    });
}
