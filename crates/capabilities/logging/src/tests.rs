//! What is printed, and what is not.

use std::io::Write;
use std::sync::{Arc, Mutex};

use engine::Numbers;
use expect_test::{Expect, expect};
use wasmtime_wasi::cli::StdoutStream;

use super::*;

/// A sink that remembers.
#[derive(Default)]
struct Memory(Mutex<Vec<String>>);

impl Sink for Memory {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn write(&self, line: &LogLine<'_>) {
        self.0.lock().expect("no test panics here").push(line.to_string());
    }
}

impl Memory {
    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics here").clone()
    }
}

fn shop() -> ComponentName {
    "shop".parse().expect("a name")
}

fn voice() -> (Arc<Memory>, Arc<Voice>) {
    let sink = Arc::new(Memory::default());
    let voice = Logging::new(sink.clone()).voice(&shop());
    (sink, voice)
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value, and a check reads better without a borrow")]
fn check(context: &str, message: &str, expected: Expect) {
    expected.assert_eq(
        &LogLine { component: &shop(), kind: Kind::Info, occasion: Occasion::default(), context, message }.to_string(),
    );
}

#[test]
fn a_line_has_its_component_its_level_and_its_context() {
    check("cart", "added 3", expect!["shop info   cart: added 3"]);
    check("", "tab\tstays, ünïcode too 🌿", expect!["shop info   tab	stays, ünïcode too 🌿"]);
}

#[test]
fn nothing_reaches_the_terminal_but_text() {
    check(
        "\u{1b}]0;x\u{7}",
        "\u{1b}[2Jred\r\nadmin info fake\u{9b}31m\u{202e}\u{0}\u{7f}\u{2028}",
        expect![r"shop info   \u{1b}]0;x\u{7}: \u{1b}[2Jred\r\nadmin info fake\u{9b}31m\u{202e}\u{0}\u{7f}\u{2028}"],
    );
    for character in ('\0'..=char::MAX).filter(|character| character.is_control() && *character != '\t') {
        let message = character.to_string();
        let printed = LogLine {
            component: &shop(),
            kind: Kind::Info,
            occasion: Occasion::default(),
            context: &message,
            message: &message,
        }
        .to_string();
        assert!(!printed.contains(character), "{character:?}");
    }
}

#[test]
fn a_line_says_what_it_was_said_for() {
    let trace = Some("0af7651916cd43dd8448eb211c80319c");
    let says = |numbers, trace| {
        let occasion = Occasion { numbers, trace };
        LogLine { component: &shop(), kind: Kind::Info, occasion, context: "cart", message: "tea" }.to_string()
    };
    let numbers = |invocation| Some(Numbers { instance: 3, invocation });
    assert_eq!(says(None, None), "shop info   cart: tea");
    assert_eq!(says(None, trace), "shop info   trace=0af7651916cd43dd8448eb211c80319c cart: tea");
    assert_eq!(says(numbers(Some(17)), None), "shop info   instance=3 invocation=17 cart: tea");
    assert_eq!(says(numbers(None), trace), "shop info   instance=3 trace=0af7651916cd43dd8448eb211c80319c cart: tea");
}

#[test]
fn a_long_message_is_cut_and_says_so() {
    let printed = LogLine {
        component: &shop(),
        kind: Kind::Info,
        occasion: Occasion::default(),
        context: "",
        message: &"ü".repeat(10_000),
    }
    .to_string();
    assert!(printed.ends_with("ü [the first 16384 of 20000 bytes]"), "{}", &printed[printed.len() - 50..]);
    let odd = format!("x{}", "ü".repeat(10_000));
    let printed =
        LogLine { component: &shop(), kind: Kind::Info, occasion: Occasion::default(), context: "", message: &odd }
            .to_string();
    assert!(printed.ends_with("ü [the first 16383 of 20001 bytes]"));
}

#[test]
fn a_component_that_never_stops_is_cut_off_and_the_count_is_said() {
    let (sink, voice) = voice();
    let line = |message| LogLine {
        component: &voice.component,
        kind: Kind::Info,
        occasion: Occasion::default(),
        context: "",
        message,
    };
    (0..5_000).for_each(|_| voice.say_at(0, &line("again")));
    voice.say_at(1, &line("later"));
    let lines = sink.lines();
    assert_eq!(lines.len(), 1_003);
    assert_eq!(
        lines[1_000..],
        [
            "shop notice more than 1000 lines a second: leaving out the rest",
            "shop notice 4000 lines were left out",
            "shop info   later"
        ]
    );
    assert_eq!(voice.dropped(), 4_000);
}

#[test]
fn a_component_has_one_voice_whoever_asks() {
    let logging = Logging::new(Arc::new(Memory::default()));
    assert!(Arc::ptr_eq(&logging.voice(&shop()), &logging.voice(&shop())));
}

#[test]
fn what_is_written_to_a_stream_becomes_whole_lines() {
    let (sink, voice) = voice();
    let stdout = LineWriter::stdout(voice.clone());
    let mut first = stdout.p2_stream();
    first.write("one\ntw".into()).expect("a stream takes bytes");
    drop(first);
    let mut second = stdout.p2_stream();
    second.write("o\r\n\nthr".into()).expect("a stream takes bytes");
    second.write("ee \u{1b}[0m".into()).expect("a stream takes bytes");
    let mut other = LineWriter::stderr(voice).p2_stream();
    other.write("oops\n".into()).expect("a stream takes bytes");
    drop((stdout, second, other));
    assert_eq!(
        sink.lines(),
        ["shop stdout one", "shop stdout two", "shop stdout ", "shop stderr oops", r"shop stdout three \u{1b}[0m"]
    );
}

#[test]
fn a_line_without_an_end_is_said_in_pieces() {
    let (sink, voice) = voice();
    let stdout = LineWriter::stdout(voice);
    stdout.p2_stream().write(vec![b'x'; 40 * 1024].into()).expect("a stream takes bytes");
    assert_eq!(sink.lines().len(), 2);
    drop(stdout);
    let lengths: Vec<usize> = sink.lines().iter().map(|line| line.len() - "shop stdout ".len()).collect();
    assert_eq!(lengths, [16 * 1024, 16 * 1024, 8 * 1024]);
}

#[test]
fn a_stream_takes_bytes_that_are_no_text() {
    let (sink, voice) = voice();
    LineWriter::stdout(voice).p2_stream().write(b"\xff\xfe\n".as_slice().into()).expect("a stream takes bytes");
    assert_eq!(sink.lines(), ["shop stdout \u{fffd}\u{fffd}"]);
}

/// A terminal that takes nothing until it is let go, and remembers what it took.
#[derive(Clone)]
struct Stuck {
    gate: Arc<Mutex<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _open = self.gate.lock().expect("no test panics here");
        self.written.lock().expect("no test panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_terminal_that_is_stuck_and_what_is_lost_is_said() {
    let stuck = Stuck { gate: Arc::default(), written: Arc::default() };
    let terminal = Terminal::spawn(stuck.clone()).expect("a thread starts");
    let closed = stuck.gate.lock().expect("no test panics here");
    let message = "x".repeat(1_000);
    let line =
        LogLine { component: &shop(), kind: Kind::Info, occasion: Occasion::default(), context: "", message: &message };
    (0..10_000).for_each(|_| terminal.write(&line));
    drop(closed);
    terminal.close();
    terminal.write(&line);
    let written = String::from_utf8(stuck.written.lock().expect("no test panics here").clone()).expect("text");
    let said = written.lines().filter(|line| line.starts_with("shop")).count();
    let lost: usize =
        written.lines().filter_map(|line| line.strip_prefix('(')?.split(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(said + lost, 10_000);
    assert!(lost > 0);
}

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let logging = Logging::new(Arc::new(Memory::default()));
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/logging");
    let linked = capability::conformance::links(&logging, &[&wit]);
    assert_eq!(linked.len() + 1, logging.contracts().len(), "the one without a version has no package");
}
