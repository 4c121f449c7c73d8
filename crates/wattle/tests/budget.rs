//! Guards what a warm request costs, by counts: system calls, allocations, instructions.
//!
//! Times on shared machines say little; counts are the same today and tomorrow. A budget that is exceeded is a defect, and a
//! count that falls well below its budget is a reason to lower the budget. This is a test binary of its own because it counts
//! allocations with its own allocator.

use std::alloc::{GlobalAlloc, Layout as Shape, System};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Compiler, EnginesConfig, Layout, Limits, ScanLimits};
use host::{CapabilityConfig, HostConfig, LatticeConfig, ListenerConfig, Running, Source};
use http_capability::{PlaneConfig, Reuse};
use stdx::ByteSize;
use tokio::runtime::Runtime;

/// Allocations of one request to the Rust (std) hello component, in a fresh instance and in a reused one.
const ALLOCATIONS_FRESH: f64 = 75.0;
const ALLOCATIONS_REUSED: f64 = 31.0;

/// Instructions of the whole process for one request, reused, interpreted, with this profile.
const INSTRUCTIONS_REUSED: u64 = 79_000;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one counts and passes on")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, shape: Shape) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(shape) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, shape: Shape) {
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.dealloc(pointer, shape) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, shape: Shape, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.realloc(pointer, shape, size) }
    }
}

fn guest(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there: run `cargo xtask guests`", path.display());
    path
}

/// A client that allocates nothing: one connection, one request at a time.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the host listens");
        stream.set_nodelay(true).expect("a socket");
        Self(stream)
    }

    fn get(&mut self, times: usize) {
        let mut buffer = [0; 4096];
        for _ in 0..times {
            self.0.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
            let mut length = 0;
            while !is_whole(&buffer[..length]) {
                let read = self.0.read(&mut buffer[length..]).expect("an answer");
                assert!(read > 0, "the connection was closed");
                length += read;
            }
            assert!(buffer.starts_with(b"HTTP/1.1 200 OK"), "{}", buffer[..length].escape_ascii());
        }
    }
}

/// Whether that is all of an answer. A component that the clock interrupts between its head and its body is answered for in
/// chunks, which is rare: one in thousands where the machine is busy.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return false };
    let (head, body) = answer.split_at(head + 4);
    let is_in_chunks = head.windows(7).any(|word| word == b"chunked");
    let is_ok = head.starts_with(b"HTTP/1.1 200 OK");
    !is_ok || body.ends_with(if is_in_chunks { b"\r\n0\r\n\r\n" } else { b"Hello, wasm!\n" })
}

fn host(runtime: &Runtime, reuse: Option<Reuse>) -> Running {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let config = HostConfig {
        sources: vec![Source {
            name: "hello".parse().expect("a name"),
            path: guest("hello"),
            origin: None,
            route: Some(route::Route::root()),
        }],
        listeners: vec![ListenerConfig {
            name: None,
            address: ([127, 0, 0, 1], 0).into(),
            may_be_elsewhere: false,
            tls: None,
        }],
        engines: EnginesConfig {
            compiler: Compiler::Cranelift,
            layout: Layout::Pooled { instances: 50 },
            cache: folder.join("budget-cache"),
            binary: env!("CARGO_BIN_EXE_wattle").into(),
            scan: ScanLimits::default(),
        },
        plane: PlaneConfig { cores: 1, ..PlaneConfig::default() },
        limits: Limits::default(),
        reuse,
        may_fuse: true,
        capabilities: CapabilityConfig {
            data: folder.join("budget-data"),
            settings: config::Settings::default(),
            allowed: Default::default(),
            sink: Arc::new(logging::Terminal::spawn_stderr().expect("a thread")),
            environment: BTreeMap::new(),
        },
        bus: None,
        lattice: LatticeConfig {
            role: lattice::RoleConfig {
                name: model::LATTICE.into(),
                friendly_name: None,
                labels: BTreeMap::new(),
                heartbeat: std::time::Duration::from_secs(30),
            },
            nats: None,
            is_named: false,
            forgets: true,
            allows_files: false,
            allows_latest: false,
            registries: artifact::Registries::new(artifact::RegistriesConfig {
                folder: folder.join("budget-artefacts"),
                plain: Vec::new(),
                logins: artifact::Logins::default(),
            }),
            provider_variables: Vec::new(),
        },
        links: Vec::new(),
        application: None,
        size_max: ByteSize::mib(128),
    };
    runtime.block_on(Running::start(config)).expect("the host starts")
}

/// Allocations of the whole process for each of many warm requests.
fn allocations_per_request(reuse: Option<Reuse>) -> f64 {
    const REQUESTS: usize = 2_000;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let running = host(&runtime, reuse);
    let address = running.listening().next().expect("it listens").address;
    let mut client = Client::connect(address);
    client.get(200);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    client.get(REQUESTS);
    let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
    drop(client);
    runtime.block_on(running.drain(std::time::Duration::from_secs(5)));
    count as f64 / REQUESTS as f64
}

#[test]
fn a_warm_request_keeps_its_budget_of_allocations() {
    let reuse = Reuse { requests_max: 1_000_000, at_once_max: 1 };
    for (what, reuse, budget) in [("fresh", None, ALLOCATIONS_FRESH), ("reused", Some(reuse), ALLOCATIONS_REUSED)] {
        let count = allocations_per_request(reuse);
        println!("{what}: {count:.1} allocations a request, budget {budget}");
        assert!(count <= budget, "{what}: {count:.1} allocations a request are more than {budget}");
    }
}

/// The real binary, killed when the test ends.
struct Up {
    child: Child,
    address: SocketAddr,
}

impl Up {
    fn start(mut command: Command) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        command.args([
            "up",
            "--http",
            "127.0.0.1:0",
            "--threads",
            "1",
            "-o",
            "json",
            "--reuse",
            "--instances-total",
            "4",
        ]);
        command.arg("--cache").arg(folder.join("budget-cache")).arg("--data").arg(folder.join("budget-data"));
        let mut child =
            command.arg(guest("hello")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let listening = lines.map_while(Result::ok).find(|line| line.contains("listening")).expect("it listens");
        let address = listening
            .split("http://")
            .nth(1)
            .expect("an address")
            .trim_end_matches(['"', '}'])
            .parse()
            .expect("an address");
        Self { child, address }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn interrupt(process: u32) {
    let status = Command::new("kill").args(["-INT", &process.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// Counts what the process asks of the kernel while a thousand requests come one after the other on one connection: reading,
/// answering and waiting, once each, and nothing else but what the clock needs.
#[test]
fn a_warm_request_keeps_its_budget_of_system_calls() {
    const REQUESTS: usize = 1_000;
    let up = Up::start(Command::new(env!("CARGO_BIN_EXE_wattle")));
    let mut client = Client::connect(up.address);
    client.get(200);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-S", "calls", "-p", &up.child.id().to_string()]);
    let mut strace = strace.stderr(Stdio::piped()).spawn().expect("strace is installed: tools/setup test");
    let mut report = BufReader::new(strace.stderr.take().expect("piped"));
    let mut line = String::new();
    report.read_line(&mut line).expect("strace says when it has attached");
    assert!(line.contains("attached"), "{line}");
    client.get(REQUESTS);
    interrupt(strace.id());
    let mut table = String::new();
    report.read_to_string(&mut table).expect("a table");
    strace.wait().expect("ended");

    let calls = |name: &str| -> usize {
        let row = table.lines().find(|row| row.split_whitespace().last() == Some(name));
        row.and_then(|row| row.split_whitespace().nth(3)).and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    let sent = calls("writev") + calls("write") + calls("sendto");
    println!("{table}");
    assert!((REQUESTS..REQUESTS * 11 / 10).contains(&calls("recvfrom")), "reads: {table}");
    assert!((REQUESTS..REQUESTS * 11 / 10).contains(&sent), "writes: {table}");
    assert!(calls("epoll_wait") <= REQUESTS * 12 / 10, "waits: {table}");
    for never in ["madvise", "mmap", "munmap", "mprotect", "ioctl", "epoll_ctl", "clone3"] {
        assert!(calls(never) <= REQUESTS / 100, "{never}: {table}");
    }
}

/// Runs the binary under callgrind twice, with few and with many requests: the difference is what requests cost, without the
/// start. The component is interpreted, since the instructions of the compiled one depend on the processor.
#[test]
fn a_warm_request_keeps_its_budget_of_instructions() {
    let (few, many) = (instructions(100), instructions(400));
    let each = (many - few) / 300;
    println!("{each} instructions a request, budget {INSTRUCTIONS_REUSED}");
    assert!(each <= INSTRUCTIONS_REUSED, "{each} instructions a request are more than {INSTRUCTIONS_REUSED}");
}

fn instructions(requests: usize) -> u64 {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{requests}"));
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env!("CARGO_BIN_EXE_wattle"));
    command.args(["--engine", "pulley"]);
    let mut up = Up::start(command);
    Client::connect(up.address).get(requests);
    interrupt(up.child.id());
    assert!(up.child.wait().expect("ended").success());
    let report = std::fs::read_to_string(&file).expect("callgrind wrote its report");
    let total = report.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).expect("a total")
}
