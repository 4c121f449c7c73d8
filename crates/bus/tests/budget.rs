//! Guards what a message costs in process, by counts: allocations and instructions.
//!
//! A budget that is exceeded is a defect, and a count that falls well below its budget is a reason to lower the budget. This is
//! a test binary of its own because it counts allocations with its own allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{Broker, Bus, Limits, Message, Subscription};
use bytes::Bytes;
use futures::FutureExt;

/// Allocations of a message to one subscriber who takes it, in a hundred messages: what there are is the queue's.
const ALLOCATIONS_OF_HUNDRED: u64 = 0;

/// Allocations of a question and its answer: where the answer goes, and who waits for it.
const ALLOCATIONS_OF_QUESTION: u64 = 4;

/// Instructions of a message to one subscriber who takes it, with this profile.
const INSTRUCTIONS: u64 = 2_500;

/// Set for the process that is counted.
const MESSAGES: &str = "BUS_TEST_MESSAGES";

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one counts and passes on")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, shape: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(shape) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, shape: Layout) {
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.dealloc(pointer, shape) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, shape: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.realloc(pointer, shape, size) }
    }
}

fn bus() -> (Bus, Subscription) {
    let bus = Bus::in_process(Broker::new(Limits::default()));
    let subscribed = bus.subscribe("orders.eu.new".parse().expect("a pattern"), None).now_or_never();
    (bus, subscribed.expect("it does not wait").expect("it listens"))
}

/// Says so much, each time to one subscriber who takes it.
fn carry(bus: &Bus, heard: &mut Subscription, messages: u64) {
    let message = Message::new("orders.eu.new".parse().expect("a subject"), Bytes::from_static(b"one"));
    for _ in 0..messages {
        bus.publish(message.clone()).now_or_never().expect("it does not wait").expect("it is taken");
        assert_eq!(heard.next().now_or_never().flatten().expect("it is there at once").payload, "one");
    }
}

/// Allocations that `work` makes. Tests run in processes of their own; nothing else allocates meanwhile.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_message_keeps_its_budget_of_allocations() {
    let (bus, mut heard) = bus();
    carry(&bus, &mut heard, 1_000);
    // One for the subject.
    let count = allocations(|| carry(&bus, &mut heard, 100)) - 1;
    println!("{count} allocations in a hundred messages, budget {ALLOCATIONS_OF_HUNDRED}");
    assert_eq!(count, ALLOCATIONS_OF_HUNDRED);
}

#[test]
fn a_question_keeps_its_budget_of_allocations() {
    let (bus, mut heard) = bus();
    let subject: bus::Subject = "orders.eu.new".parse().expect("a subject");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut ask = || {
        let ask = bus.request(subject.clone(), Bytes::new(), Duration::from_secs(1));
        let answer = async {
            let answer = heard.next().await.and_then(|question| question.answer(Bytes::new()));
            bus.publish(answer.expect("an answer is expected")).await.expect("it is taken");
        };
        runtime.block_on(futures::future::join(ask, answer)).0.expect("an answer");
    };
    (0..1_000).for_each(|_| ask());
    let count = allocations(|| (0..100).for_each(|_| ask())) / 100;
    println!("{count} allocations a question, budget {ALLOCATIONS_OF_QUESTION}");
    assert!(count <= ALLOCATIONS_OF_QUESTION, "{count} are more than {ALLOCATIONS_OF_QUESTION}");
}

/// What is counted by the test below; without it a test of its own.
#[test]
fn what_is_said_is_heard() {
    let messages = std::env::var(MESSAGES).map_or(10, |messages| messages.parse().expect("a number"));
    let (bus, mut heard) = bus();
    carry(&bus, &mut heard, messages);
}

/// Runs this program under callgrind twice, with few and with many messages: the difference is what messages cost.
#[test]
fn a_message_keeps_its_budget_of_instructions() {
    let each = (instructions(3_000) - instructions(1_000)) / 2_000;
    println!("{each} instructions a message, budget {INSTRUCTIONS}");
    assert!(each <= INSTRUCTIONS, "{each} are more than {INSTRUCTIONS}");
}

fn instructions(messages: u64) -> u64 {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.bus.{messages}"));
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())])
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "what_is_said_is_heard"])
        .env(MESSAGES, messages.to_string())
        .output();
    assert!(counted.expect("valgrind is installed by `tools/setup test`").status.success());
    let report = std::fs::read_to_string(&file).expect("callgrind wrote its report");
    let total = report.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).expect("a total")
}
