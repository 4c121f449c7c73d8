//! Behaves in the way that the path asks for: well, slowly, greedily or badly.
//!
//! One component for most tests of the HTTP side, so that a test shows in its URL what it is about. The last segment of the
//! path counts, so that it does the same wherever it is routed.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guests::{Answer, Target, answer, body_of};
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{Fields, IncomingRequest, ResponseOutparam};
use wasip2::io::streams::StreamError;

const MIB: usize = 1024 * 1024;

struct Kit;

wasip2::http::proxy::export!(Kit);

impl wasip2::exports::http::incoming_handler::Guest for Kit {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        match target.path.rsplit('/').next().unwrap_or_default() {
            "" => answer(out, 200, "Hello, wasm!\n"),
            "echo" => echo(&request, out),
            "read" => answer(out, 200, format!("{} bytes\n", body_of(&request).len())),
            "early" => answer(out, 200, "did not read the body\n"),
            "big" => big(out, target.number("n", 64 * 1024)),
            "stream" => stream(out, target.number("n", 3), pause(&target, 100)),
            "status" => answer(out, target.number("code", 200), ""),
            "headers" => answer(out, 200, headers(&request)),
            "scheme" => answer(out, 200, format!("{:?}\n", request.scheme())),
            "env" => answer(out, 200, environment()),
            "files" => answer(out, 200, files()),
            "count" => answer(out, 200, format!("{}\n", count())),
            "log" => log(out),
            "slow" => {
                std::thread::sleep(pause(&target, 100));
                answer(out, 200, "slept\n");
            }
            "after" => {
                answer(out, 200, "answered, and still busy\n");
                keep_busy(pause(&target, 100));
            }
            "never" => drop(out),
            "random" => random(out, target.number("n", 32)),
            "handles" => handles(out, &target),
            "alloc" => alloc(out, target.number("mib", 1)),
            "fill" => fill(out, target.number("mib", 1), target.number("repeat", u64::MAX)),
            "spin" => spin(),
            "trap" if target.text("kind").as_deref() == Some("unreachable") => core::arch::wasm32::unreachable(),
            "trap" => panic!("asked to"),
            other => answer(out, 404, format!("no such path: /{other}\n")),
        }
    }
}

/// Calls with the same number came to different instances.
fn count() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

fn pause(target: &Target, otherwise: u64) -> Duration {
    Duration::from_millis(target.number("ms", otherwise))
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut answer = Answer::begin(out, 200, Fields::new());
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) if answer.write(&bytes) => {}
            Ok(_) => return,
            Err(StreamError::Closed) => return answer.finish(),
            // Not finishing the body tells the client that it is incomplete.
            Err(StreamError::LastOperationFailed(error)) => return eprintln!("{}", error.to_debug_string()),
        }
    }
}

fn big(out: ResponseOutparam, size: usize) {
    let block = [b'x'; 64 * 1024];
    let mut answer = Answer::begin(out, 200, Fields::new());
    let mut left = size;
    while left > 0 {
        let part = left.min(block.len());
        if !answer.write(&block[..part]) {
            return;
        }
        left -= part;
    }
    answer.finish();
}

fn stream(out: ResponseOutparam, chunks: usize, pause: Duration) {
    let mut answer = Answer::begin(out, 200, Fields::new());
    for number in 1..=chunks {
        if !(answer.write(format!("chunk {number}\n").as_bytes()) && answer.flush()) {
            return;
        }
        std::thread::sleep(pause);
    }
    answer.finish();
}

/// The request line as pseudo-headers, then the headers, a line each.
fn headers(request: &IncomingRequest) -> Vec<u8> {
    let path = request.path_with_query().unwrap_or_default();
    let authority = request.authority().unwrap_or_default();
    let mut text = format!(":path: {path}\n:authority: {authority}\n").into_bytes();
    for (name, value) in request.headers().entries() {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    text
}

fn environment() -> String {
    let arguments = std::env::args().map(|argument| format!("argument {argument}\n"));
    let variables = std::env::vars().map(|(key, value)| format!("{key}={value}\n"));
    arguments.chain(variables).collect()
}

fn files() -> String {
    match std::fs::read_dir("/") {
        Ok(entries) => entries
            .map(|entry| match entry {
                Ok(entry) => format!("{}\n", entry.file_name().to_string_lossy()),
                Err(error) => format!("error: {error}\n"),
            })
            .collect(),
        Err(error) => format!("error: {error}\n"),
    }
}

fn log(out: ResponseOutparam) {
    println!("this goes to stdout");
    eprintln!("this goes to stderr");
    answer(out, 200, "logged\n");
}

fn keep_busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        black_box(count());
    }
}

fn random(out: ResponseOutparam, size: u64) {
    let bytes = wasip2::random::random::get_random_bytes(size);
    answer(out, 200, format!("{} random bytes\n", bytes.len()));
}

/// Opens handles and never closes them: timers, or header tables with `kind=fields`.
fn handles(out: ResponseOutparam, target: &Target) {
    let number: u64 = target.number("n", 1000);
    let fields = target.text("kind").as_deref() == Some("fields");
    for _ in 0..number {
        if fields {
            std::mem::forget(Fields::new());
        } else {
            std::mem::forget(monotonic_clock::subscribe_duration(3_600_000_000_000));
        }
    }
    answer(out, 200, format!("holds {number} handles\n"));
}

/// Touches each page, so that the memory is really used.
fn alloc(out: ResponseOutparam, mib: usize) {
    let mut memory = vec![0u8; mib * MIB];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    let pages: usize = black_box(&memory).chunks(4096).map(|page| usize::from(page[0])).sum();
    answer(out, 200, format!("touched {pages} pages\n"));
}

/// Fills a large block again and again, each time with one bulk instruction.
fn fill(out: ResponseOutparam, mib: usize, repeat: u64) {
    let mut memory = vec![0u8; mib * MIB];
    for round in 0..repeat {
        black_box(&mut memory).fill(round as u8);
    }
    answer(out, 200, format!("filled {mib} MiB {repeat} times\n"));
}

fn spin() -> ! {
    loop {
        black_box(count());
    }
}
