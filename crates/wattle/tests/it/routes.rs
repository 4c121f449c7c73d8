//! Several components on one port: which of them answers.

use std::collections::BTreeMap;

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

/// WebAssembly text is taken as well as the binary that it stands for.
#[test]
fn a_component_in_text_form_is_served() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/wat/hello-p2.wat");
    let up = wattle().up([root]);
    assert_eq!(up.get("/").status, 200);
}
