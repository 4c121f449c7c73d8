//! Small files that would take gigabytes or minutes to compile: refused, given up, and never the end of the host.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::{Ended, Wattle, eventually};

use crate::lattice::refusal;
use crate::{guest, wattle};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const I32: u8 = 0x7f;

/// A number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], number(content.len()).as_slice(), content].concat()
}

/// A command whose `_start` has this body, with so many locals.
fn command(locals: usize, body: &[u8]) -> Vec<u8> {
    let function = [&[1], number(locals).as_slice(), &[I32], body, &[0x0b]].concat();
    module(&[function])
}

/// A module of functions without arguments, the first of which is `_start`.
fn module(functions: &[Vec<u8>]) -> Vec<u8> {
    let count = number(functions.len());
    let types = section(1, b"\x01\x60\0\0");
    let declared = section(3, &[count.as_slice(), &vec![0; functions.len()]].concat());
    // A component is only made of what has a memory.
    let memory = section(5, b"\x01\0\x01");
    let exports = section(7, b"\x02\x06_start\0\0\x06memory\x02\0");
    let bodies = functions.iter().flat_map(|body| [number(body.len()), body.clone()].concat());
    let code = section(10, &count.iter().copied().chain(bodies).collect::<Vec<u8>>());
    [MODULE, &types, &declared, &memory, &exports, &code].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(COMPONENT.to_vec(), |inner, _| [COMPONENT, &section(4, &inner)].concat())
}

/// Loops that all keep thousands of locals alive: what the compiler remembers grows with the product.
fn live_loops(locals: usize, loops: usize) -> Vec<u8> {
    let mut state = 1_usize;
    let mut any_local = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        number((state >> 33) % locals)
    };
    let mut body = Vec::new();
    for _ in 0..loops {
        // loop; a + b, kept in c; again if it is not zero
        body.extend(
            [&[0x03, 0x40, 0x20], any_local().as_slice(), &[0x20], &any_local(), &[0x6a, 0x22], &any_local()].concat(),
        );
        body.extend([0x0d, 0, 0x0b]);
    }
    body.extend((0..locals).flat_map(|local| [&[0x20], number(local).as_slice(), &[0x1a]].concat()));
    command(locals, &body)
}

/// So many of them that no child has the memory for it.
fn memory_bomb() -> Vec<u8> {
    live_loops(20_000, 2_000)
}

/// Blocks behind each other that all change one local, of ten bytes each.
fn chained_blocks(count: usize) -> Vec<u8> {
    command(1, &[0x02, 0x40, 0x41, 1, 0x20, 0, 0x6a, 0x21, 0, 0x0b].repeat(count))
}

fn run(wattle: &Wattle, name: &str, bytes: &[u8]) -> Ended {
    wattle.write(name, bytes);
    let ended = wattle.run(["run", name]);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

#[test]
fn what_is_too_deep_or_too_much_is_refused_before_it_is_compiled() {
    let wattle = wattle().with_own_cache();
    let bombs = [
        ("nested", nested(8_000)),
        ("functions", module(&vec![vec![0, 0x0b]; 1_000_000])),
        ("body", command(1, &[0x41, 0, 0x1a].repeat(2_000_000))),
        ("parts", [COMPONENT, &section(1, MODULE).repeat(10_000)].concat()),
    ];
    for (name, bytes) in bombs {
        let started = Instant::now();
        let ended = run(&wattle, name, &bytes);
        assert_eq!(ended.code, Some(65), "{name}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error[E0105]: "), "{name}: {}", ended.stderr);
        assert!(started.elapsed() < Duration::from_secs(10), "{name} took {:?}", started.elapsed());
    }
    assert_eq!(std::fs::read_dir(wattle.cache()).map(Iterator::count).ok(), Some(0), "nothing was compiled");
}

/// The child that compiles runs out of its memory. That ends the child, is remembered, and is said in a sentence.
#[test]
fn what_takes_too_much_memory_to_compile_is_given_up_once() {
    let wattle = wattle().with_own_cache();
    let bomb = memory_bomb();
    let first = run(&wattle, "loops.wasm", &bomb);
    assert_eq!(first.code, Some(65), "{}", first.stderr);
    assert!(first.stderr.starts_with("error[E0201]: "), "{}", first.stderr);
    assert!(first.stderr.contains("of memory"), "{}", first.stderr);
    let started = Instant::now();
    let second = run(&wattle, "loops.wasm", &bomb);
    assert_eq!(second.code, Some(65));
    assert!(second.stderr.contains("tried before"), "{}", second.stderr);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(wattle.run(["cache", "clear", "loops.wasm"]).stdout, "forgotten\n");
    answers(&wattle);
}

/// The same is given to a host that serves: its neighbour is answered all the while and afterwards.
#[test]
fn a_host_that_is_given_a_bomb_says_why_it_does_not_run_it_and_serves_on() {
    let wattle = wattle().with_own_cache();
    let up = wattle.up([guest("hello-p2"), "--bus-token=none".into()]);
    let bomb = wattle.write("bomb.wasm", memory_bomb()).display().to_string();
    let start = || refusal(&wattle, &up.bus(), &["start", "component", &bomb, "bomb", "--timeout=80"]);
    let first = std::thread::scope(|threads| {
        let starting = threads.spawn(start);
        eventually("the bomb was given up", || {
            assert_eq!(up.get("/").status, 200);
            starting.is_finished()
        });
        starting.join().expect("it is refused")
    });
    assert!(first.contains("compiling it was given up") && first.contains("of memory"), "{first}");
    assert!(start().contains("tried before"));
    assert_eq!(up.get("/").status, 200);
    let ended = up.stop();
    assert_eq!((ended.code, ended.requests("hello-p2")["failed"].as_u64()), (Some(0), Some(0)));
}

/// What a compiling child does with a program, within so many seconds of processor time.
fn compiled(wattle: &Wattle, program: &[u8], seconds: &str) -> ExitStatus {
    let file = File::open(wattle.write("blocks.wasm", program)).expect("it was written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wattle"));
    child.args([engine::compile::CHILD_ARGUMENT, "core-module", "cranelift", "serial", "plain", "4294967296", seconds]);
    child.arg("key").env_clear().stdin(file).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().expect("the binary starts")
}

/// Two megabytes of one function, which take minutes: the system ends the child by the limit that it has set itself. It has a second, and
/// not the minute that it has in earnest.
#[test]
fn what_takes_too_much_time_to_compile_is_ended_by_the_system() {
    let wattle = wattle();
    let bomb = chained_blocks(200_000);
    assert!((2_000_000..2_001_000).contains(&bomb.len()), "{}", bomb.len());
    let ended = compiled(&wattle, &bomb, "1");
    assert_eq!((ended.signal(), ended.code()), (Some(Signal::XCPU.as_raw()), None));
    assert_eq!(compiled(&wattle, &chained_blocks(10), "60").code(), Some(0));
}

/// A tenth of that is within the limits.
#[test]
fn a_large_function_is_compiled_within_the_limits() {
    let wattle = wattle().with_own_cache();
    let ended = run(&wattle, "blocks.wasm", &chained_blocks(20_000));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

fn answers(wattle: &Wattle) {
    assert_eq!(wattle.up([guest("hello-p2")]).get("/").status, 200);
}
