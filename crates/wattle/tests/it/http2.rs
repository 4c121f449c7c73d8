//! HTTP/2, without encryption and with it: what holds for the one holds for the other.

mod preface;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rt::Task;
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use testkit::Up;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::{self, Certificate};
use crate::{guest, noise, wattle};

/// What a request brings along.
type Sent = BoxBody<Bytes, Infallible>;

/// A host that answers on connections of one kind.
struct Door {
    up: Up,
    /// Where they are encrypted: what it shows.
    certificate: Option<Certificate>,
}

/// What a connection can do, encrypted or not.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// A connection of HTTP/2.
struct Client {
    send: SendRequest<Sent>,
    scheme: &'static str,
    _connection: Task,
}

/// One host of each kind, with the same component and the same flags.
fn doors(component: &str, flags: &[&str]) -> [Door; 2] {
    let open = |certify: fn(&testkit::Wattle) -> Option<Certificate>| {
        let wattle = wattle();
        let certificate = certify(&wattle);
        let words = certificate.iter().flat_map(Certificate::flags).chain(flags.iter().map(|flag| (*flag).to_owned()));
        let up = wattle.up(std::iter::once(guest(component)).chain(words));
        Door { up, certificate }
    };
    [open(|_| None), open(|wattle| Some(Certificate::new(wattle)))]
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task)
}

fn body(bytes: &[u8]) -> Sent {
    Full::new(Bytes::copy_from_slice(bytes)).boxed()
}

// === impl Door ===

impl Door {
    async fn connect(&self) -> Client {
        let Some(certificate) = &self.certificate else {
            let stream = TcpStream::connect(self.up.address()).await.expect("it listens");
            return Client::over(Box::new(stream), "http").await;
        };
        let stream = TcpStream::connect(tls::address(&self.up)).await.expect("it listens");
        let name = ServerName::try_from(tls::NAME).expect("a name");
        let connector = TlsConnector::from(certificate.trusted(&["h2"]));
        let stream = connector.connect(name, stream).await.expect("it is trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Client::over(Box::new(stream), "https").await
    }
}

// === impl Client ===

impl Client {
    async fn over(stream: Box<dyn Transport>, scheme: &'static str) -> Self {
        let (send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("it speaks HTTP/2");
        let connection = Task::spawn(async move {
            // How it ends, its requests tell.
            drop(connection.await);
        });
        Self { send, scheme, _connection: connection }
    }

    fn asking(&self, method: Method, path: &str, body: Sent) -> Request<Sent> {
        let uri = format!("{}://{}{path}", self.scheme, tls::NAME);
        Request::builder().method(method).uri(uri).body(body).expect("a request")
    }

    async fn ask(&self, request: Request<Sent>) -> Result<Response<Incoming>, hyper::Error> {
        self.send.clone().send_request(request).await
    }

    /// Asks, and answers with status and body.
    async fn get(&self, path: &str) -> Result<(u16, Bytes), hyper::Error> {
        let answer = self.ask(self.asking(Method::GET, path, body(b""))).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}

#[test]
fn requests_are_answered_as_those_of_http_1_are() {
    for (door, scheme) in doors("http-kit", &[]).into_iter().zip(["Some(Scheme::Http)\n", "Some(Scheme::Https)\n"]) {
        block_on(async {
            let client = door.connect().await;
            assert_eq!(client.get("/scheme").await.expect("an answer"), (200, scheme.into()));
            let (_, head) = client.get("/headers?a=b").await.expect("an answer");
            assert!(head.starts_with(b":path: /headers?a=b\n:authority: shop.test\n"), "{head:?}");
            let sent = noise(3_000_000);
            let answer = client.ask(client.asking(Method::POST, "/echo", body(&sent))).await.expect("an answer");
            assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), sent);
            let length = scheme.len().to_string();
            for (method, path, expected) in [
                (Method::HEAD, "/scheme", (200, Some(length.as_str()))),
                (Method::HEAD, "/stream?n=2&ms=1", (200, None)),
                (Method::GET, "/status?code=204", (204, None)),
                (Method::GET, "/status?code=304", (304, None)),
            ] {
                let answer = client.ask(client.asking(method, path, body(b""))).await.expect("an answer");
                let length = answer.headers().get("content-length").map(|length| length.to_str().expect("a number"));
                assert_eq!((answer.status().as_u16(), length), expected, "{path}");
                assert!(answer.into_body().collect().await.expect("it ends with its head").to_bytes().is_empty());
            }
            // What fails is an answer.
            assert_eq!(client.get("/trap").await.expect("an answer").0, 500);
            assert_eq!(client.get("/nowhere").await.expect("an answer").0, 404);
        });
        // The same host speaks HTTP/1.1 beside it.
        assert_eq!(door.up.get("/scheme").text(), "Some(Scheme::Http)\n");
        assert_eq!(door.up.stop().code, Some(0));
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_connection_is_used_again() {
    for door in doors("http-kit", &["--max-body=1MiB"]) {
        block_on(async {
            let client = door.connect().await;
            let large = noise(3_000_000);
            for path in ["/echo", "/read", "/early"] {
                let answer = client.ask(client.asking(Method::POST, path, body(&large))).await;
                assert_eq!(answer.expect("an answer").status().as_u16(), 413, "{path}");
            }
            assert_eq!(client.get("/scheme").await.expect("an answer").0, 200);
        });
        assert_eq!(door.up.stop().code, Some(0));
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    for door in doors("http-kit", &["--max-head=8KiB"]) {
        block_on(async {
            let client = door.connect().await;
            let with = |length: usize| {
                let mut request = client.asking(Method::GET, "/", body(b""));
                let value = HeaderValue::try_from("x".repeat(length)).expect("a value");
                request.headers_mut().insert("x-large", value);
                request
            };
            assert_eq!(client.ask(with(7_000)).await.expect("an answer").status().as_u16(), 200);
            assert_eq!(client.ask(with(9_000)).await.expect("an answer").status().as_u16(), 431);
        });
        assert_eq!(door.up.stop().code, Some(0));
    }
}

#[test]
fn many_requests_run_at_once_on_one_connection() {
    for door in doors("http-kit", &[]) {
        block_on(async {
            let client = door.connect().await;
            let ask = |number: usize| {
                let path = ["/slow?ms=200", "/stream?n=3&ms=20", "/big?n=200000", "/trap"][number % 4];
                let client = &client;
                async move { (path, client.get(path).await.expect("an answer")) }
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
        let ended = door.up.stop();
        let count = |what: &str| ended.requests("http-kit")[what].as_u64();
        assert_eq!((ended.code, count("answered"), count("failed")), (Some(0), Some(300), Some(100)));
    }
}

/// A call as gRPC makes it: each side has said something before the other has ended, and has its last word in trailers.
struct Conversation {
    says: mpsc::Sender<Result<Frame<Bytes>, Infallible>>,
    hears: Incoming,
}

impl Conversation {
    async fn begin(client: &Client, text: &str) -> Self {
        let (mut says, said) = mpsc::channel(4);
        says.try_send(Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())))).expect("there is room");
        let mut request = client.asking(Method::POST, "/greeter.Greeter/Chat", StreamBody::new(said).boxed());
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let answer = client.ask(request).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        let mut conversation = Self { says, hears: answer.into_body() };
        assert_eq!(conversation.hear(text.len()).await, text);
        conversation
    }

    async fn hear(&mut self, length: usize) -> String {
        let mut heard = Vec::new();
        while heard.len() < length {
            let frame = self.hears.frame().await.expect("it goes on").expect("it is whole");
            heard.extend(frame.into_data().expect("it is no trailer"));
        }
        String::from_utf8(heard).expect("text")
    }

    /// Says the last word, and gives that of the other side.
    async fn end(mut self, word: HeaderValue) -> HeaderMap {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), word)]);
        self.says.try_send(Ok(Frame::data("bye".into()))).expect("there is room");
        self.says.try_send(Ok(Frame::trailers(trailers))).expect("there is room");
        drop(self.says);
        let rest = self.hears.collect().await.expect("it is whole");
        let trailers = rest.trailers().expect("it has trailers").clone();
        assert_eq!(rest.to_bytes(), "bye");
        trailers
    }
}

#[test]
fn a_hundred_conversations_are_on_one_connection_and_end_in_trailers_both_ways() {
    for door in doors("echo-p3", &[]) {
        block_on(async {
            let client = door.connect().await;
            let texts: Vec<String> = (0..100).map(|number| format!("hello {number}")).collect();
            let conversations = join_all(texts.iter().map(|text| Conversation::begin(&client, text))).await;
            // None of them has ended.
            let ends = conversations.into_iter().enumerate().map(|(number, conversation)| async move {
                let word = HeaderValue::from(number);
                assert_eq!(conversation.end(word.clone()).await["grpc-status"], word);
            });
            join_all(ends).await;
        });
        let ended = door.up.stop();
        assert_eq!((ended.code, ended.requests("echo-p3")["answered"].as_u64()), (Some(0), Some(100)));
    }
}

/// A client that does not take its answer holds an instance no longer than a while after its time, and nobody else up.
#[test]
fn a_request_whose_answer_nobody_takes_ends() {
    for door in doors("http-kit", &["--timeout=1", "--concurrency=2"]) {
        block_on(async {
            let client = door.connect().await;
            let late = client.get("/slow?ms=60000").await.expect("an answer");
            assert_eq!(late.0, 504);
            let mut kept = Vec::new();
            for _ in 0..2 {
                let answer = client.ask(client.asking(Method::GET, "/big?n=50000000", body(b""))).await;
                kept.push(answer.expect("the head comes"));
            }
            let begun = Instant::now();
            // Both places are taken for as long as the component may run, and not for ever.
            while client.get("/scheme").await.expect("an answer").0 != 200 {
                assert!(begun.elapsed() < Duration::from_secs(30), "the places are free again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            for answer in kept {
                answer.into_body().collect().await.expect_err("it was cut off, and is not taken for whole");
            }
        });
        assert_eq!(door.up.stop().code, Some(0));
    }
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

/// Asks again and again, takes each request back, and says whether it was shown the door.
async fn flood(client: &Client) -> bool {
    for _ in 0..100_000 {
        let mut send = client.send.clone();
        if send.ready().await.is_err() {
            return true;
        }
        ask_and_take_back(send.send_request(client.asking(Method::GET, "/slow?ms=5000", body(b"")))).await;
    }
    false
}

/// Requests that are taken back as soon as they are made: whoever makes many of them is shown the door.
#[test]
fn a_flood_of_requests_that_are_taken_back_is_survived() {
    for door in doors("http-kit", &[]) {
        block_on(async {
            for _ in 0..5 {
                assert!(flood(&door.connect().await).await);
                assert_eq!(door.up.get("/scheme").status, 200);
            }
        });
        let ended = door.up.stop();
        let count = |what: &str| ended.requests("http-kit")[what].as_u64().expect("a number");
        assert_eq!((ended.code, count("answered")), (Some(0), 5));
        // Hardly any of them reached the component.
        assert!(count("abandoned") < 1_000, "{}", count("abandoned"));
    }
}

#[test]
fn a_host_that_stops_lets_requests_end() {
    for door in doors("http-kit", &[]) {
        block_on(async {
            let client = door.connect().await;
            let others = async {
                // The one before has begun when the one after is answered.
                assert_eq!(client.get("/scheme").await.expect("an answer").0, 200);
                door.up.signal(Signal::INT);
            };
            let (slow, ()) = tokio::join!(client.get("/slow?ms=1500"), others);
            assert_eq!(slow.expect("an answer").0, 200);
            let begun = Instant::now();
            while client.get("/scheme").await.is_ok() {
                assert!(begun.elapsed() < Duration::from_secs(10), "nothing begins any more");
            }
        });
        let ended = door.up.wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
}
