//! The same component gives the same answers, whatever makes it run.

use testkit::{eventually, request};

use crate::{guest, noise, route, wattle};

const ENGINES: [&str; 3] = ["cranelift", "winch", "pulley"];

#[test]
fn every_engine_gives_the_same_answers() {
    let body = noise(100_000);
    for engine in ENGINES {
        let routes = [route("/hello", "hello"), route("/kit", "http-kit"), route("/p2", "hello-p2")];
        let up = wattle().up(routes.iter().map(String::as_str).chain(["--engine", engine, "--timeout=1"]));
        assert_eq!(up.get("/hello").text(), "Hello, wasm!\n", "{engine}");
        assert_eq!(up.get("/p2").status, 200, "{engine}");
        assert!(up.ask("POST", "/kit/echo", &body).body == body, "{engine}");
        assert_eq!(up.get("/kit/big?n=100000").body.len(), 100_000, "{engine}");
        assert_eq!(
            up.send(&request("GET", "/kit/headers", &[("x-a", "b")], b"")).text().lines().count(),
            3,
            "{engine}"
        );
        assert_eq!(up.get("/kit/trap").status, 500, "{engine}");
        assert_eq!(up.get("/kit/spin").status, 504, "{engine}");
        assert_eq!(up.get("/kit/alloc?mib=1000").status, 500, "{engine}");
        assert_eq!(up.get("/hello").status, 200, "{engine}");
        assert_eq!(up.stop().code, Some(0), "{engine}");
    }
}

/// The same of WASI 0.3: bodies in both directions, traps, time, and several requests in one instance.
#[test]
fn every_engine_gives_the_same_answers_by_wasi_03() {
    let body = noise(100_000);
    for engine in ENGINES {
        for reuse in [&[][..], &["--reuse"]] {
            let routes = [route("/", "echo-p3"), route("/hello", "hello-p3")];
            let flags = ["--engine", engine, "--timeout=1", "--threads=1"].into_iter().chain(reuse.iter().copied());
            let up = wattle().up(routes.iter().map(String::as_str).chain(flags));
            assert_eq!((up.get("/hello").text(), up.get("/hello").status), ("Hello, wasm!\n".into(), 200), "{engine}");
            assert_eq!(up.get("/count").text(), "1\n", "{engine}");
            let second = if reuse.is_empty() { "1\n" } else { "2\n" };
            assert_eq!(up.get("/count").text(), second, "{engine}");
            assert!(up.ask("POST", "/echo", &body).body == body, "{engine}");
            assert_eq!(up.get("/trap").status, 500, "{engine}");
            assert_eq!(up.get("/slow?ms=500000").status, 504, "{engine}");
            eventually("it answers again", || up.get("/slow?ms=1").text() == "slept\n");
            assert_eq!(up.stop().code, Some(0), "{engine}");
        }
    }
}

#[test]
fn every_engine_runs_and_calls_alike() {
    let [calc, reactor, cat, cat_p1] = ["calc", "reactor", "cat", "cat-p1"].map(guest);
    for engine in ENGINES {
        let done = |words: &[&str]| {
            let ended = wattle().run(["--engine", engine].iter().chain(words));
            (ended.code, ended.stdout)
        };
        let called = ["call", &calc, "add(1, 2)", "divide(1.0, 0.0)", "reverse([1, 2, 3])", "spell(\"añ\")", "bump()"];
        let results = "3\nerr(\"division by zero\")\n[3, 2, 1]\n['a', 'ñ']\n1\n";
        assert_eq!(done(&called), (Some(0), results.into()), "{engine}");
        let called = ["call", &reactor, "bump()", "half(3)", "divide(7, 2)", "add64(1, -2)", "bump()"];
        assert_eq!(done(&called), (Some(0), "101\n1.5\n(3, 1)\n-1\n102\n".into()), "{engine}");
        for program in [&calc, &reactor] {
            assert_eq!(done(&["call", program, "fail()"]).0, Some(134), "{engine} {program}");
            assert_eq!(done(&["call", "--timeout=0.3", program, "spin()"]).0, Some(124), "{engine} {program}");
        }
        for (program, code) in [(&cat, 1), (&cat_p1, 7)] {
            assert_eq!(done(&["run", program, "args", "a", "ñ"]), (Some(0), "a\nñ\n".into()), "{engine} {program}");
            assert_eq!(done(&["run", program, "exit", "7"]).0, Some(code), "{engine} {program}");
            assert_eq!(done(&["run", program, "panic"]).0, Some(134), "{engine} {program}");
        }
    }
}

/// Exceptions are a part of WebAssembly that one engine does not have: it says which others may.
#[test]
fn what_winch_does_not_know_is_run_by_the_others() {
    let wattle = wattle();
    let text = r#"(module
        (tag $wrong)
        (func (export "_start") (block $caught (try_table (catch $wrong $caught) (throw $wrong)) unreachable)))"#;
    let file = wattle.write("exceptions.wat", text).display().to_string();
    for engine in ENGINES {
        let ended = wattle.run(["run", "--engine", engine, &file]);
        match engine {
            "winch" => {
                assert_eq!(ended.code, Some(65), "{}", ended.stderr);
                assert!(ended.stderr.contains("--engine cranelift may take it"), "{}", ended.stderr);
            }
            _ => assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{engine}"),
        }
    }
}
