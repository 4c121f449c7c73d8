//! Core modules that carry their world: made into components where they are served, linked or run, by the adapter for WASI 0.1 that
//! their pattern takes.

use serde_json::{Value, json};

use crate::links::{linked, sell};
use crate::{guest, route, wattle};

/// The imports of a list that are linked to the host itself.
fn met_by_the_host(imports: &Value) -> Vec<&str> {
    let imports = imports.as_array().expect("a list").iter();
    imports.filter(|import| import["target"] == "this host").filter_map(|import| import["name"].as_str()).collect()
}

#[test]
fn a_core_module_answers_over_http_on_every_engine() {
    for engine in ["cranelift", "winch", "pulley"] {
        let up = wattle().up([&guest("hello-core"), "--engine", engine]);
        let answer = up.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "Hello from a core module!\n"), "{engine}");
        up.says("hello-core stdout asked by WASI 0.1");
        let values = up.values();
        let serving =
            values.iter().find(|value| value["serving"].is_object()).expect("it is served")["serving"].clone();
        assert_eq!((&serving["form"], &serving["patterns"][0]), (&json!("core-module"), &json!("http-handler")));
        // What it imports by itself, and what the adapter imports for it.
        let met = met_by_the_host(&serving["imports"]);
        assert!(met.contains(&"wasi:http/types@0.2.10"), "{met:?}");
        assert!(met.iter().any(|name| name.starts_with("wasi:cli/stdout@0.2.")), "{met:?}");
        assert_eq!(up.stop().requests("hello-core")["answered"], 1, "{engine}");
    }
}

/// Its price says that it was initialised, and that the environment which it reads by WASI 0.1 is its host's.
#[test]
fn a_core_module_is_what_links_lead_to() {
    let by_itself = wattle().up([route("/", "till"), guest("price-core")]);
    assert_eq!(sell(&by_itself), (1, 40));

    let wattle = wattle();
    let files = [route("/", "till"), guest("price-core"), guest("price-1"), "--link=till=price-core".into()];
    let up = wattle.up(files.into_iter().chain(["--env=A=1".into(), "--env=B=2".into()]));
    assert_eq!(sell(&up), (1, 42));
    for (link, price) in
        [("put till price-1", 1), ("put till price-core --terms fused", 42), ("put till price-core --terms local", 42)]
    {
        linked(&wattle, &up, link);
        assert_eq!(sell(&up).1, price, "{link}");
    }
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_core_module_with_a_world_is_run_and_called_with_what_it_imports() {
    let run = |flags: &[&str], arguments: &[&str]| {
        let ended = wattle().run(flags.iter().chain(arguments));
        (ended.code, ended.stdout)
    };
    let greet = guest("greet-core");
    assert_eq!(run(&["run", "--config=greeting=hello"], &[&greet]), (Some(0), "hello".to_owned()));
    // It ends with 3; as the component that it was made into it has failed, and no more.
    assert_eq!(run(&["run"], &[&greet]), (Some(1), String::new()));
    let price = guest("price-core");
    let calls = [price.as_str(), "price()", "demo:shop/tag.price()"];
    assert_eq!(run(&["call", "--env=A=1"], &calls), (Some(0), "41\n41\n".to_owned()));
}

#[test]
fn a_core_module_with_a_world_is_shown_with_what_it_would_be_linked_to() {
    let ended = wattle().run(["inspect", "-o", "json", &guest("hello-core")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.values().remove(0);
    assert_eq!(met_by_the_host(&report["imports"]), ["wasi:http/types@0.2.10", "wasi:io/streams@0.2.10"]);
    assert_eq!((&report["wasi_p1_functions"], &report["foreign_imports"]), (&json!(1), &json!([])));
}
