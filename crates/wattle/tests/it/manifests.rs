//! Applications that are declared in a file.

use std::net::SocketAddr;

use testkit::{Connection, Redis, Up, Wattle};

use crate::links::{linked, sell};
use crate::{guest, wattle};

/// `till`, which sells at the prices of `price`, and these further components. Gives the manifest's path.
fn shop(wattle: &Wattle, store: &str, more: &str) -> String {
    for name in ["till", "price-2", "hello"] {
        wattle.write(&format!("apps/build/{name}.wasm"), std::fs::read(guest(name)).expect("a component"));
    }
    let text = format!(
        "
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations: {{version: v0.0.1}}
spec:
  components:
    - name: till
      type: component
      properties: {{image: 'file://./build/till.wasm'}}
      traits:
        - type: link
          properties: {{namespace: demo, package: shop, interfaces: [tag], target: {{name: price}}}}
        - type: link
          properties: {{namespace: wasi, package: keyvalue, interfaces: [atomics, store], target: {store}}}
    - name: price
      type: component
      properties: {{image: 'file://./build/price-2.wasm'}}
    - name: hello
      type: component
      properties: {{image: build/hello.wasm}}
{more}"
    );
    wattle.write("apps/shop.yaml", text);
    "apps/shop.yaml".to_owned()
}

const STORE: &str = "
    - name: store
      type: capability
      properties: {image: 'ghcr.io/wasmcloud/keyvalue-redis:0.28.1'}
";

/// The same with a store that needs no server.
pub(crate) fn shop_in_memory(wattle: &Wattle) -> String {
    let memory = STORE.replace("ghcr.io/wasmcloud/keyvalue-redis:0.28.1", "wattle+builtin://keyvalue/memory");
    shop(wattle, "{name: store}", &(server("till", "127.0.0.1:1") + &memory))
}

/// A server at that address that asks the component.
fn server(component: &str, address: &str) -> String {
    format!(
        "
    - name: server-{component}
      type: capability
      properties: {{image: 'ghcr.io/wasmcloud/http-server:0.23.2'}}
      traits:
        - type: link
          properties:
            {{namespace: wasi, package: http, interfaces: [incoming-handler], target: {component}, source: {{config: [{{name: a, properties: {{address: '{address}'}}}}]}}}}
"
    )
}

#[test]
fn an_application_runs_as_its_manifest_declares() {
    let (wattle, redis) = (wattle(), Redis::start());
    let store = format!("{{name: store, config: [{{name: where, properties: {{url: '{}'}}}}]}}", redis.url());
    let manifest = shop(&wattle, &store, &(server("till", "127.0.0.1:1") + STORE));
    // The address that is given is in the place of the one that is declared.
    let up = wattle.up([&manifest]);
    assert_eq!((sell(&up), sell(&up)), ((1, 2), (2, 2)));
    let links = linked(&wattle, &up, "query till")["links"].clone();
    let target = |contract: &str| {
        let links = links.as_array().expect("links");
        links.iter().find(|link| link["contract"] == contract).expect("it is there")["target"].clone()
    };
    assert_eq!((target("demo:shop/tag"), target("wasi:keyvalue")), ("price".into(), "keyvalue/redis".into()));
    let urls: Vec<_> =
        up.values().iter().filter_map(|value| value.get("serving")).map(|it| it["url"].clone()).collect();
    assert_eq!(urls.iter().filter(|url| url.is_string()).count(), 1, "hello and price answer nobody: {urls:?}");
    // What is declared is a beginning: links change as all others do.
    linked(&wattle, &up, "put till keyvalue/memory");
    assert_eq!(sell(&up), (1, 2));
    // What was said later counts also when it is declared again, until it is deleted.
    up.kill();
    let up = wattle.up([&manifest]);
    assert_eq!(sell(&up), (1, 2));
    linked(&wattle, &up, "del till --contract wasi:keyvalue");
    assert_eq!(sell(&up), (3, 2));
    assert_eq!(up.stop().code, Some(0));
}

/// The manifest that the README shows.
#[test]
fn the_guestbook_runs_from_its_manifest() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/guestbook/guestbook.yaml");
    let up = wattle().up([manifest]);
    let signed = up.ask("POST", "/", b"name=Ada&message=Hello");
    assert_eq!(signed.status, 303, "{}", signed.text());
    assert!(up.get("/api/entries").text().contains("Ada"));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn declared_listeners_answer_what_was_declared_for_them() {
    let wattle = wattle();
    let store = "{name: store}";
    let memory = STORE.replace("ghcr.io/wasmcloud/keyvalue-redis:0.28.1", "wattle+builtin://keyvalue/memory");
    let more = server("till", "127.0.0.1:0") + &server("hello", "127.0.0.2:0") + &memory;
    let manifest = shop(&wattle, store, &more);
    let up = Up::start(&mut wattle.command(["up", "--bus=off", "-o", "json", &manifest]));
    let values = up.values();
    let listening: Vec<SocketAddr> = values
        .iter()
        .filter_map(|value| value.get("listening").or(value.get("listening_too")))
        .map(|url| {
            url.as_str().and_then(|url| url.strip_prefix("http://")).expect("a URL").parse().expect("an address")
        })
        .collect();
    assert_eq!(listening.len(), 2, "and nowhere else: {listening:?}");
    let ask = |ip: &str| {
        let address = *listening.iter().find(|address| address.ip().to_string() == ip).expect("it listens");
        let request = b"POST /tea HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
        Connection::open(address).and_then(|mut it| it.exchange(request)).expect("an answer").text()
    };
    assert_eq!(ask("127.0.0.1"), "1 at 2\n");
    assert_eq!(ask("127.0.0.2"), "Hello, wasm!\n");
}

#[test]
fn a_manifest_that_is_wrong_says_everything_that_is() {
    let wattle = wattle();
    let fails = |arguments: &[&str], said: &[&str]| {
        let ended = wattle.run(["up"].iter().chain(arguments));
        assert_eq!(ended.code, Some(65), "{}", ended.stderr);
        let missing: Vec<_> = said.iter().filter(|said| !ended.stderr.contains(**said)).collect();
        assert!(missing.is_empty(), "{missing:?} in {}", ended.stderr);
    };
    let manifest = shop(&wattle, "store", "    - {name: kv, type: capability, properties: {image: own:1}}\n");
    let said = [
        "error[E0901]: apps/shop.yaml: the manifest cannot be used:",
        "component till, trait 2: its target store is not declared; there is hello, kv, price, till",
        "component kv: own:1 is no provider",
        "docs/manifests.md",
    ];
    fails(&[&manifest], &said);
    let store = "{name: store, config: [{name: where, properties: {ulr: x}}]}";
    shop(&wattle, store, STORE);
    fails(&[&manifest, "--http=127.0.0.1:0", "--bus=off"], &["error[E0601]", "ulr", "url"]);
    let memory = STORE.replace("ghcr.io/wasmcloud/keyvalue-redis:0.28.1", "wattle+builtin://keyvalue/memory");
    let taken = "      traits:\n        - {type: route, properties: {path: /}}\n".to_owned();
    shop(&wattle, "{name: store}", &(taken + &server("till", "127.0.0.1:1") + &memory));
    fails(&[&manifest, "--http=127.0.0.1:0", "--bus=off"], &["error[E0302]: hello and till are both routed at /\n"]);
    fails(&["nowhere.yaml"], &["error[E0101]: cannot read nowhere.yaml"]);
    fails(&[&manifest, &manifest], &["one host runs one application"]);
    shop(&wattle, "store", STORE);
    std::fs::remove_file(wattle.write("apps/build/hello.wasm", "")).expect("it was there");
    fails(&[&manifest, "--http=127.0.0.1:0", "--bus=off"], &["apps/build/hello.wasm"]);
}
