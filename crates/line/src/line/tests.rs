//! A line with a server that is a few variables: what calls find while it is there, goes and comes back.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tokio::time::Instant;

use super::*;

/// A server, and what its clients hold of it.
#[derive(Clone, Default)]
struct Server {
    is_down: Arc<AtomicBool>,
    /// An attempt to connect takes so many milliseconds.
    delay: Arc<AtomicU64>,
    dialled: Arc<AtomicU64>,
    /// The next connection is lost before it is made.
    is_lost_at_once: Arc<AtomicBool>,
    losses: Arc<Mutex<Vec<Loss<Connection>>>>,
    open: Arc<()>,
}

#[derive(Clone)]
struct Connection {
    number: u64,
    _open: Arc<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("connection refused")]
struct ConnectionRefused;

impl Dial for Server {
    type Connection = Connection;

    async fn dial(&self, loss: Loss<Connection>) -> Result<Connection, BoxError> {
        tokio::time::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst))).await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(ConnectionRefused.into());
        }
        let number = self.dialled.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_lost_at_once.swap(false, Ordering::SeqCst) {
            loss.tell();
        }
        self.losses.lock().expect("no test panics here").push(loss);
        Ok(Connection { number, _open: self.open.clone() })
    }
}

impl Server {
    fn lose(&self, connection: usize) {
        self.losses.lock().expect("no test panics here")[connection - 1].tell();
    }

    async fn open(&self) -> Line<Connection> {
        Line::open(self.clone()).await.expect("the server is up")
    }
}

async fn number(line: &Line<Connection>) -> u64 {
    line.connection().await.expect("the server is up").0.number
}

async fn until_up(line: &Line<Connection>) -> u64 {
    loop {
        if let Ok((connection, _)) = line.connection().await {
            return connection.number;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_anew_and_calls_wait_for_it() {
    let server = Server::default();
    let line = server.open().await;
    assert_eq!(number(&line).await, 1);
    server.delay.store(500, Ordering::SeqCst);
    server.lose(1);
    let started = Instant::now();
    assert_eq!(number(&line).await, 2);
    assert_eq!(started.elapsed(), Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn once_an_attempt_has_failed_calls_fail_at_once_with_its_reason() {
    let server = Server::default();
    let line = server.open().await;
    server.is_down.store(true, Ordering::SeqCst);
    server.lose(1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let started = Instant::now();
    let error = line.connection().await.map(|_| ()).expect_err("the server is down");
    assert_eq!(stdx::Chain(&error).to_string(), "there is no connection: connection refused");
    assert_eq!(started.elapsed(), Duration::ZERO);

    server.is_down.store(false, Ordering::SeqCst);
    assert_eq!(until_up(&line).await, 2);
    assert!(started.elapsed() <= PAUSE_MAX + Duration::from_millis(20), "after {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_an_old_connection_does_no_harm_to_the_new_one() {
    let server = Server::default();
    let line = server.open().await;
    server.lose(1);
    assert_eq!(until_up(&line).await, 2);
    for _ in 0..3 {
        server.lose(1);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(number(&line).await, 2);
    assert_eq!(server.dialled.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_before_anyone_has_it_is_made_anew() {
    let server = Server::default();
    let line = server.open().await;
    server.delay.store(100, Ordering::SeqCst);
    server.lose(1);
    tokio::time::sleep(Duration::from_millis(101)).await;
    server.lose(2);
    server.lose(2);
    assert_eq!(number(&line).await, 3);
}

/// The other end may close at once: before the connection is anybody's.
#[tokio::test(start_paused = true)]
async fn a_connection_lost_while_it_is_made_is_made_anew() {
    let server = Server::default();
    let line = server.open().await;
    server.is_lost_at_once.store(true, Ordering::SeqCst);
    server.lose(1);
    assert_eq!(number(&line).await, 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_open_once_the_line_is_dropped() {
    let server = Server::default();
    let line = server.open().await;
    let (held, _) = line.connection().await.expect("the server is up");
    drop(line);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(Arc::strong_count(&server.open), 2, "the test's own, and the call's");
    drop(held);
    assert_eq!(Arc::strong_count(&server.open), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_dropped_while_it_dials_dials_no_more() {
    let server = Server::default();
    let line = server.open().await;
    server.is_down.store(true, Ordering::SeqCst);
    server.lose(1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(line);
    server.is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(server.dialled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_line_to_nowhere_does_not_open() {
    let server = Server::default();
    server.is_down.store(true, Ordering::SeqCst);
    let error = Line::open(server).await.map(|_| ()).expect_err("the server is down");
    assert_eq!(error.to_string(), "connection refused");
}
