//! Writes without a pause while a server is killed under it, and keeps book.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::wait::eventually;

/// Writers at once.
const WRITERS: usize = 8;

/// How often the server is killed, and how many writes are acknowledged before each time at least.
const KILLS: usize = 3;
const WRITES: usize = 100;

/// By so much later at most than the server all is well again.
const RECOVERY: Duration = Duration::from_secs(5);

/// What is killed and started again, where it was and with what it had.
pub trait Mortal {
    /// Ends it, in the middle of what it does.
    fn kill(&mut self);

    /// Starts it again.
    fn restart(&mut self);
}

/// What one writer saw.
#[derive(Default)]
struct Book {
    acknowledged: Vec<String>,
    failed: usize,
    slowest: Duration,
}

/// Says that it is over when it is dropped: however what it is in ends, whoever goes on until then ends, too.
pub struct Over<'a>(pub &'a AtomicBool);

/// Eight writers, and three times the server is killed under them and started again: each write ends within `limit`, and writing
/// works again within five seconds, by itself. Answers with all names whose writes were acknowledged.
///
/// `write` writes something under a name, such as `3.17`, and answers with whether that was acknowledged. It is to panic of a
/// failure that says anything else than that the server is not there. What was not acknowledged is written again.
///
/// # Panics
///
/// Where it is not so.
pub fn survives_kills<F: Future<Output = bool>>(
    server: &mut impl Mortal,
    limit: Duration,
    write: impl Fn(String) -> F + Sync,
) -> Vec<String> {
    let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let books = std::thread::scope(|threads| {
        let over = Over(&is_over);
        let writers = threads.spawn(|| {
            let writers = (0..WRITERS).map(|writer| keep_writing(writer, &write, (&is_over, &count)));
            run(join_all(writers))
        });
        for _ in 0..KILLS {
            let enough = count.load(Ordering::Relaxed) + WRITES;
            eventually("many writes", || count.load(Ordering::Relaxed) >= enough || writers.is_finished());
            server.kill();
            eventually("a write fails", || !run(write("probe".to_owned())));
            server.restart();
            let begun = Instant::now();
            eventually("a write works again", || run(write("probe".to_owned())));
            assert!(begun.elapsed() < RECOVERY, "it took {:?}", begun.elapsed());
        }
        drop(over);
        writers.join().expect("no writer panics")
    });
    assert!(books.iter().any(|book| book.failed > 0), "no write met the dead server");
    for book in &books {
        assert!(book.slowest < limit, "a write took {:?}", book.slowest);
    }
    books.into_iter().flat_map(|book| book.acknowledged).collect()
}

async fn keep_writing<F: Future<Output = bool>>(
    writer: usize,
    write: &impl Fn(String) -> F,
    (is_over, count): (&AtomicBool, &AtomicUsize),
) -> Book {
    let (mut book, mut index) = (Book::default(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let (begun, name) = (Instant::now(), format!("{writer}.{index}"));
        let is_acknowledged = write(name.clone()).await;
        book.slowest = book.slowest.max(begun.elapsed());
        if is_acknowledged {
            count.fetch_add(1, Ordering::Relaxed);
            book.acknowledged.push(name);
            index += 1;
        } else {
            book.failed += 1;
            // As somebody would who is told that it may work in a moment.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    book
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system gives a runtime").block_on(work)
}

// === impl Over ===

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
