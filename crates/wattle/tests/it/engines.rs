//! The same component gives the same answers, whatever makes it run.

use testkit::request;

use crate::{guest, noise, route, wattle};

#[test]
fn every_engine_gives_the_same_answers() {
    let body = noise(100_000);
    for engine in ["cranelift", "winch", "pulley"] {
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

/// An engine that has no tasks refuses the component with a sentence; it never serves it wrongly.
#[test]
fn components_of_wasi_03_run_on_every_engine_or_are_refused() {
    for engine in ["cranelift", "winch", "pulley"] {
        match wattle().try_up([&guest("hello-p3"), "--engine", engine]) {
            Ok(up) => assert_eq!((up.get("/").status, up.get("/").status), (200, 200), "{engine}"),
            Err(ended) => {
                assert_eq!((engine, ended.code), ("winch", Some(65)), "{}", ended.stderr);
            }
        }
    }
}
