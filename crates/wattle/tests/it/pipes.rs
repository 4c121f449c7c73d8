//! Streams and futures between components: what one writes the other reads, each in a store of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testkit::{Up, request};

use crate::links::linked;
use crate::{guest, route, wattle};

fn plumber(flags: &[&str]) -> Up {
    wattle().up([route("/", "plumber"), guest("pipes")].into_iter().chain(flags.iter().map(|flag| (*flag).into())))
}

/// Everything that the plumber asks for.
fn all_crosses(up: &Up) {
    assert_eq!(up.ask("POST", "/upper", b"as it comes").text(), "AS IT COMES");
    assert_eq!(up.ask("POST", "/length", &[7; 300_000]).text(), "300000\n");
    assert_eq!(up.ask("POST", "/length", b"").text(), "0\n");
    assert_eq!(up.get("/many?100000").body, vec![b'x'; 100_000]);
    assert_eq!(up.get("/many?0").body, b"");
    assert_eq!(up.get("/words?a+few+größere+words").text(), "a\nfew\ngrößere\nwords\n4\n");
    assert_eq!(up.get("/words?").text(), "0\n");
    assert_eq!(up.get("/add?100").text(), "5051\n");
    assert_eq!(up.get("/add?0").text(), "1\n", "there may be no stream at all");
    assert_eq!(up.ask("POST", "/same", &[b'y'; 70_000]).body, vec![b'y'; 70_000]);
}

#[test]
fn streams_and_futures_cross_from_component_to_component() {
    for flags in [&[][..], &["--reuse"], &["--engine", "winch"]] {
        let up = plumber(flags);
        (0..3).for_each(|_| all_crosses(&up));
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn streams_and_futures_cross_between_fused_components() {
    let wattle = wattle();
    let up = wattle.up([route("/", "plumber"), guest("pipes")]);
    linked(&wattle, &up, "put plumber pipes --terms fused");
    all_crosses(&up);
    linked(&wattle, &up, "put plumber pipes");
    all_crosses(&up);
    assert_eq!(up.stop().code, Some(0));
}

/// Calls that are under way end where they began, to the last byte.
#[test]
fn a_link_is_changed_while_streams_are_read() {
    let wattle = wattle();
    let bytes = std::fs::read(testkit::guest("pipes")).expect("it was built");
    let other = wattle.write("other.wasm", &bytes).display().to_string();
    let up = wattle.up([route("/", "plumber"), guest("pipes"), other, "--link=plumber=pipes".into()]);
    let (has_ended, counted) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    assert_eq!(up.get("/count?3000000").text(), "3000000\n");
                    assert_eq!(up.ask("POST", "/upper", &[b'x'; 100_000]).body, vec![b'X'; 100_000]);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for target in ["other", "pipes"].iter().cycle().take(30) {
            linked(&wattle, &up, &format!("put plumber {target}"));
        }
        has_ended.store(true, Ordering::Relaxed);
    });
    assert!(counted.into_inner() > 4, "streams were read meanwhile");
    assert_eq!(up.stop().code, Some(0));
}

/// What is written waits until it is read, and who reads no more lets the writer end.
#[test]
fn a_stream_is_read_as_fast_as_the_reader_wants() {
    let up = plumber(&["--memory", "16MiB", "--timeout", "60"]);
    assert_eq!(up.get("/count?1000000").text(), "1000000\n");
    let before = up.peak();
    assert_eq!(up.get("/count?300000000").text(), "300000000\n");
    assert_eq!(up.get("/first?300000000").text(), "10\n");
    let after = up.peak();
    assert!(after < before + 32 * 1024, "the host grew from {before} KiB to {after} KiB");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_stream_that_breaks_off_is_not_taken_for_a_whole_one() {
    let up = plumber(&[]);
    for _ in 0..5 {
        // The callee fails: who reads what it wrote fails too, and its answer ends without its end.
        let cut = up.try_send(&request("GET", "/fails?50000", &[], b""));
        assert!(!cut.is_ok_and(|answer| answer.status == 200), "it is not whole");
        // The caller fails: who reads what it wrote does not take it for all.
        assert_eq!(up.get("/break").status, 500);
        assert_eq!(up.get("/count?50000").text(), "50000\n", "and nothing else has ended");
    }
    let ended = up.stop();
    assert_eq!(ended.code, Some(0));
}

#[test]
fn streams_of_composed_values_are_refused_with_the_reason() {
    let wattle = wattle();
    let sink = r#"(component
      (type $pairs (stream (tuple u8 u8)))
      (core func (canon stream.drop-readable $pairs))
      (core module $m (func (export "f") (param i32)))
      (core instance $i (instantiate $m))
      (func $f (param "pairs" $pairs) (canon lift (core func $i "f")))
      (instance $sink (export "f" (func $f)))
      (export "demo:pairs/sink" (instance $sink)))"#;
    let source = r#"(component
      (type $pairs (stream (tuple u8 u8)))
      (core func (canon stream.drop-readable $pairs))
      (import "demo:pairs/sink" (instance (export "f" (func (param "pairs" $pairs))))))"#;
    let files = [("source.wat", source), ("sink.wat", sink)].map(|(name, text)| wattle.write(name, text.as_bytes()));
    let files = files.map(|file| file.display().to_string());
    let Err(ended) = wattle.try_up(files.into_iter().chain(["--link=source=sink".to_owned()])) else {
        panic!("it is refused");
    };
    assert!(
        ended.stderr.contains("f has streams or futures of composed values, which do not pass between two components"),
        "{}",
        ended.stderr
    );
}
