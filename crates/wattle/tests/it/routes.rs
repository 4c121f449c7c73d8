//! Several components on one port: which of them answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use testkit::{Connection, Up};

use crate::{guest, route, wattle};

#[test]
fn the_longest_route_answers() {
    let routes = [route("/", "hello"), route("/kit", "http-kit"), route("/kit/p2", "hello-p2")];
    let up = wattle().up(&routes);
    assert_eq!(up.get("/").text(), "Hello, wasm!\n");
    assert_eq!(up.get("/kitten").text(), "Hello, wasm!\n");
    assert_eq!(up.get("/kit/status?code=418").status, 418);
    assert_eq!(up.get("/kit?code=418").status, 404, "the component sees the whole path");
    let by_hand = wattle().up([guest("hello-p2")]).get("/");
    assert_eq!(up.get("/kit/p2/deeper").text(), by_hand.text());
}

#[test]
fn a_path_without_a_route_is_404() {
    let routes = [route("/a", "hello"), route("/b/c", "hello-p2")];
    let up = wattle().up(&routes);
    for path in ["/", "/b", "/ab", "/A", "//a", "/%61"] {
        let answer = up.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (404, "no component is routed at this path\n"), "{path}");
    }
    assert_eq!((up.get("/a").status, up.get("/a/").status, up.get("/b/c?x").status), (200, 200, 200));
    let values = up.stop().values();
    assert_eq!(values.last().expect("a last line")["stopped"]["connections"]["no_route"], 6);
}

#[test]
fn the_files_of_a_folder_answer_each_at_its_name() {
    let wattle = wattle();
    for name in ["hello", "hello-p2"] {
        wattle.write(&format!("apps/{name}.wasm"), std::fs::read(testkit::guest(name)).expect("a component"));
    }
    wattle.write("apps/notes.txt", "not a component");
    let up = wattle.up(["apps"]);
    assert_eq!(up.get("/hello").text(), "Hello, wasm!\n");
    assert_eq!(up.get("/hello-p2").status, 200);
    assert_eq!(up.get("/").status, 404);
    assert_eq!(up.get("/notes").status, 404);
}

#[test]
fn what_is_served_is_listed_with_its_imports() {
    let routes = [route("/a", "hello"), route("/b", "counter")];
    let up = wattle().up(&routes);
    let url = format!("http://{}", up.address());
    let values = up.values();
    let serving: BTreeMap<_, _> = values
        .iter()
        .filter_map(|value| value.get("serving"))
        .map(|serving| (serving["component"].as_str().expect("a name"), serving))
        .collect();
    assert_eq!(serving.keys().copied().collect::<Vec<_>>(), ["counter", "hello"]);
    assert_eq!(serving["hello"]["url"], format!("{url}/a"));
    assert_eq!(serving["hello"]["form"], "component");
    assert_eq!(serving["hello"]["patterns"][0], "http-handler");
    let imports = serving["counter"]["imports"].as_array().expect("imports");
    let store = imports.iter().find(|import| import["name"] == "wasi:keyvalue/store@0.2.0-draft").expect("its store");
    assert_eq!(store["linked"], "to");
    assert!(store["target"].as_str().is_some_and(|target| target.starts_with("keyvalue on disk")), "{store}");
    assert_eq!(values.last().expect("a last line")["listening"], url);
}

/// What is met and leads nowhere unless it is allowed says so, before anything of the component runs.
#[test]
fn what_an_import_may_reach_is_said_beside_it() {
    let wattle = wattle();
    let reached = ["wasi:sockets/tcp@0.2.0", "wasi:sockets/ip-name-lookup@0.3.0", "wasi:http/outgoing-handler@0.2.0"];
    let imports: String = reached.iter().map(|name| format!(r#"(import "{name}" (instance))"#)).collect();
    let file = wattle.write("reaching.wat", format!("(component {imports})")).display().to_string();
    let said = |flags: &[&str]| -> Vec<String> {
        let ended = wattle.run(["inspect", &file, "-o", "json"].iter().chain(flags));
        let value = ended.values().into_iter().next().unwrap_or_else(|| panic!("{}", ended.stderr));
        let imports = value["imports"].as_array().expect("imports").clone();
        imports.iter().map(|import| import["target"].as_str().expect("a target").to_owned()).collect()
    };
    let (address, name) =
        ("this host, to no address (no flag allows one)", "this host, for no name (no flag allows one)");
    assert_eq!(said(&[]), [address, name, "this host, to no host (--allow-http HOST allows one)"]);
    assert_eq!(said(&["--allow-http", "example.com"]), [address, name, "this host, to example.com"]);
}

/// The same for people: what is served, what each import leads to, where it listens, and at the end what became of it.
#[test]
fn what_is_served_is_told_in_words() {
    let wattle = wattle();
    let words = ["up", "--http=127.0.0.1:0", "--bus=off", &route("/", "hello-p2"), &guest("greedy")].map(String::from);
    let up = Up::start(&mut wattle.command(words));
    let address = up.address().to_string();
    assert_eq!((up.get("/").status, up.get("/x").status), (200, 200));
    let ended = up.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let plain = |line: &str| match line.strip_prefix("host ") {
        Some(named) if named.ends_with(") in lattice default") => "host NAME (ID) in lattice default".to_owned(),
        _ => line.replace(&address, "ADDRESS"),
    };
    let told: Vec<_> = ended.stdout.lines().map(plain).collect();
    expect_test::expect![[r#"
        greedy: component, library, WASI 0.2, 1.1 KiB
          wasi:config/store@0.2.0-rc.1  -> config on no settings
          wasi:http/types@0.2.0         -> this host
          serves other components
        hello-p2: component, HTTP handler, WASI 0.2, 3.3 KiB
          wasi:io/error@0.2.0    -> this host
          wasi:io/streams@0.2.0  -> this host
          wasi:http/types@0.2.0  -> this host
          serves http://ADDRESS/
        host NAME (ID) in lattice default
        listening on http://ADDRESS (Ctrl-C stops)
        stopping: running requests are let end (Ctrl-C again stops at once)
        greedy: no request
        hello-p2: 2 answered
        stopped"#]]
    .assert_eq(&told.join("\n"));
}

/// WebAssembly text is taken as well as the binary that it stands for.
#[test]
fn a_component_in_text_form_is_served() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/wat/hello-p2.wat");
    let up = wattle().up([root]);
    assert_eq!(up.get("/").status, 200);
}

#[test]
fn a_listener_with_a_name_answers_its_own_routes_and_no_others() {
    let routes = [route("/", "hello"), route("admin@/", "http-kit")];
    let flags = routes.iter().map(String::as_str).chain(["--http=admin=127.0.0.1:0", "--http=metrics=127.0.0.1:0"]);
    let up = wattle().up(flags);
    let values = up.values();
    let at = |name: &str| {
        let value = values.iter().find(|value| value["listener"] == name).expect("it listens");
        value["listening_too"].as_str().expect("a URL").strip_prefix("http://").expect("not encrypted").to_owned()
    };
    let (admin, metrics) = (at("admin"), at("metrics"));
    assert_eq!(up.get("/status?code=418").text(), "Hello, wasm!\n");
    let asked = b"GET /status?code=418 HTTP/1.1\r\nhost: a\r\n\r\n";
    let addresses: [SocketAddr; 2] = [admin, metrics].map(|address| address.parse().expect("an address"));
    let ask = |address| Connection::open(address).and_then(|mut it| it.exchange(asked)).expect("an answer").status;
    assert_eq!(addresses.map(ask), [418, 404]);
    let kit = values.iter().find(|value| value["serving"]["component"] == "http-kit").expect("it is served");
    assert_eq!(kit["serving"]["url"], format!("http://{}/", addresses[0]));
}

#[test]
fn a_route_at_a_listener_that_is_not_there_is_refused() {
    let wattle = wattle();
    let ended = wattle.run(["up", &route("admn@/", "hello"), "--http=admin=127.0.0.1:0"]);
    assert_eq!(ended.code, Some(65));
    assert!(ended.stderr.contains("admn@/ is at a listener that there is not; there is admin"), "{}", ended.stderr);
}

/// Who answers a request for these hosts and this path: `hello`, `kit`, which knows no such path, or the host with its status.
fn who(up: &Up, hosts: &[&str], path: &str) -> String {
    let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
    let answer = up.send(format!("GET {path} HTTP/1.1\r\n{hosts}\r\n").as_bytes());
    match (answer.status, answer.text().as_str()) {
        (200, "Hello, wasm!\n") => "hello".into(),
        (404, "no component is routed at this path\n") => "404".into(),
        (404, _) => "kit".into(),
        (status, _) => status.to_string(),
    }
}

#[test]
fn hosts_and_patterns_choose_who_answers() {
    let routes = [
        route("example.com/", "hello"),
        route("*.example.com/", "http-kit"),
        route("/only$", "hello"),
        route("/*/edit", "http-kit"),
    ];
    let wattle = wattle();
    let up = wattle.up(&routes);
    for (hosts, path, answered) in [
        (&["example.com"][..], "/x", "hello"),
        (&["EXAMPLE.com:8080"], "/", "hello"),
        (&["www.example.com"], "/none", "kit"),
        (&["a.b.example.com."], "/none", "kit"),
        (&["other.org"], "/", "404"),
        (&["other.org"], "/only/", "hello"),
        (&["other.org"], "/only/x", "404"),
        (&["other.org"], "/users/edit/3", "kit"),
        (&["notexample.com"], "/", "404"),
        (&["example.com", "www.example.com"], "/", "400"),
        (&["example.com", "example.com"], "/", "400"),
        (&[], "/", "400"),
    ] {
        assert_eq!(who(&up, hosts, path), answered, "{hosts:?} {path}");
    }
    // The target of a request says more than its header (RFC 9112, 3.2.2).
    let absolute = "GET http://www.example.com/none HTTP/1.1\r\nhost: other.org\r\n\r\n";
    assert_eq!(up.send(absolute.as_bytes()).status, 404);
    assert_eq!(up.send(absolute.replace("www.", "").as_bytes()).text(), "Hello, wasm!\n");
    let port = up.address().port();
    let urls: Vec<_> =
        up.values().iter().filter_map(|value| value["serving"]["url"].as_str().map(String::from)).collect();
    assert!(urls.contains(&format!("http://*.example.com:{port}/")), "{urls:?}");
    assert_eq!(up.stop().code, Some(0));
}
