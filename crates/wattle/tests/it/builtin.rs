//! Providers that a host has in itself: what wasmCloud's own are started and linked as, done by the host.

use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};
use testkit::{Connection, Nats, Up, Wattle, eventually, request};

use crate::abroad::put;
use crate::lattice::{Stranger, host, id, refusal, tell};
use crate::{guest, wattle};

const SERVER: &str = "wasmcloud+builtin://http-server";
const CLIENT: &str = "wasmcloud+builtin://http-client";
const HELLO: &str = "Hello, wasm!\n";

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A link as managers of wasmCloud put it: from the server, with settings of the source.
fn link(target: &str, config: &[&str]) -> Value {
    json!({
        "source_id": "http_server", "target": target, "name": "default", "wit_namespace": "wasi", "wit_package": "http",
        "interfaces": ["incoming-handler"], "source_config": config, "target_config": [],
    })
}

/// The status and the text at a path there, where somebody listens.
fn ask(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = Connection::open(address).and_then(|mut there| there.exchange(&request("GET", path, &[], b"")));
    answer.ok().map(|answer| (answer.status, answer.text()))
}

fn is_served(address: SocketAddr, path: &str) -> bool {
    ask(address, path) == Some((200, HELLO.to_owned()))
}

fn start(wattle: &Wattle, bus: &str, words: &[&str]) {
    tell(wattle, bus, &[&["start", "provider"][..], words].concat());
}

/// Starts a host that is alone, and a component on it.
fn alone(wattle: &Wattle) -> (Up, Stranger) {
    let up = host(wattle, &["--bus", "127.0.0.1:0", "--bus-token", "none"]);
    let stranger = Stranger::new(&up.bus());
    tell(wattle, &up.bus(), &["start", "component", &guest("hello")]);
    (up, stranger)
}

#[test]
fn an_http_server_of_the_host_listens_where_its_links_say_for_as_long_as_it_runs() {
    let wattle = wattle();
    let (up, stranger) = alone(&wattle);
    let (bus, first, second) = (up.bus(), free(), free());
    let mut heard = stranger.listen();
    tell(&wattle, &bus, &["config", "put", "door", &format!("address={first}")]);
    put(&stranger, &link("hello", &["door"]));
    assert!(TcpStream::connect(first).is_err(), "the link is kept, and nobody follows it yet");

    start(&wattle, &bus, &[SERVER, "http_server"]);
    let said = stranger.hear(&mut heard, "provider_started")["data"].clone();
    assert_eq!((&said["image_ref"], &said["provider_id"]), (&json!("http-server"), &json!("http_server")));
    assert_eq!(stranger.hear(&mut heard, "health_check_passed")["data"]["provider_id"], "http_server");
    eventually("it listens there", || is_served(first, "/any"));
    let inventory = stranger.ask(&format!("host.get.{}", id(&up)), "");
    let provider = &inventory["response"]["providers"][0];
    assert_eq!((&provider["id"], &provider["image_ref"]), (&json!("http_server"), &json!("http-server")));
    let again = refusal(&wattle, &bus, &["start", "provider", SERVER, "http_server", "--host", &id(&up)]);
    assert!(again.contains("provider with that ID is already running"), "{again}");

    tell(&wattle, &bus, &["config", "put", "door", &format!("address={second}")]);
    eventually("it listens elsewhere", || is_served(second, "/") && TcpStream::connect(first).is_err());
    tell(&wattle, &bus, &["config", "put", "odd", "cors_allowed_origins=[]"]);
    let refused = stranger.ask("link.put", &link("hello", &["odd"]).to_string());
    assert!(refused["message"].as_str().expect("words").contains("a route has no setting"), "{refused}");
    eventually("what was refused changes nothing", || is_served(second, "/"));

    tell(&wattle, &bus, &["stop", "provider", "http_server"]);
    assert_eq!(stranger.hear(&mut heard, "provider_stopped")["data"]["reason"], "stop");
    eventually("nobody listens there", || TcpStream::connect(second).is_err());
    assert_eq!(stranger.ask("link.get", "")["response"].as_array().map(Vec::len), Some(1), "the link is kept");
    start(&wattle, &bus, &[SERVER, "http_server"]);
    eventually("it listens again", || is_served(second, "/"));
    let unlink = json!({ "source_id": "http_server", "wit_namespace": "wasi", "wit_package": "http" });
    stranger.ask("link.del", &unlink.to_string());
    eventually("without its link nobody listens", || TcpStream::connect(second).is_err());
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn an_http_server_of_the_host_tells_paths_apart_where_it_is_told_so() {
    let wattle = wattle();
    let (up, stranger) = alone(&wattle);
    let (bus, address) = (up.bus(), free());
    tell(&wattle, &bus, &["config", "put", "server", "routing_mode=path", &format!("default_address={address}")]);
    tell(&wattle, &bus, &["config", "put", "hello", "path=/hello"]);
    start(&wattle, &bus, &[SERVER, "http_server", "--config", "server"]);
    let refused = stranger.ask("link.put", &link("hello", &[]).to_string());
    assert!(refused["message"].as_str().expect("words").contains("each of its links has a path"), "{refused}");
    put(&stranger, &link("hello", &["hello"]));
    eventually("it is led there", || is_served(address, "/hello"));
    assert_eq!(ask(address, "/hello/x").map(|(status, _)| status), Some(404));
    for (settings, why) in
        [("routing_mode=magic", "is address, path or host"), ("header=x-tenant", "by the header host")]
    {
        tell(&wattle, &bus, &["config", "put", "odd", settings]);
        let refused = refusal(&wattle, &bus, &["start", "provider", SERVER, "other", "--config", "odd"]);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(up.stop().code, Some(0));
}

/// One host listens, and another runs what answers.
#[test]
fn an_http_server_of_one_host_leads_to_a_component_on_another() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let hosts = [(&ada, "ada"), (&bob, "bob")].map(|(wattle, name)| host(wattle, &["--nats", &bus, "--name", name]));
    let stranger = Stranger::new(&bus);
    let begin = |words: &[&str]| {
        let words = [words, &["--nats", &bus]].concat();
        eventually("it starts", || ada.run(&words).code == Some(0));
    };
    begin(&["start", "component", &guest("hello"), "--host", "bob"]);
    begin(&["start", "provider", SERVER, "http_server", "--host", "ada"]);
    let address = free();
    tell(&ada, &bus, &["config", "put", "door", &format!("address={address}")]);
    put(&stranger, &link("hello", &["door"]));
    eventually("it is asked there", || is_served(address, "/"));
    let [ada, bob] = hosts;
    assert_eq!(bob.stop().code, Some(0));
    eventually("nobody answers", || ask(address, "/").is_some_and(|(status, _)| status == 503));
    assert_eq!(ada.stop().code, Some(0));
}

/// Without a provider the link leads to nobody; with it the requests go out as they do without a link.
#[test]
fn an_http_client_of_the_host_is_the_host_itself() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let there = wattle.up([guest("hello")]);
    let allowed = format!("--allow-http={}", there.address());
    let up = wattle.up([guest("fetch"), allowed, format!("--nats={bus}")]);
    let fetched = || up.get(&format!("/?url=http://{}/", there.address())).status;
    assert_eq!(fetched(), 200);
    let stranger = Stranger::new(&bus);
    put(
        &stranger,
        &json!({
            "source_id": "fetch", "target": "http_client", "wit_namespace": "wasi", "wit_package": "http",
            "interfaces": ["outgoing-handler"],
        }),
    );
    eventually("nobody sends it", || fetched() == 502);
    start(&wattle, &bus, &[CLIENT, "http_client"]);
    eventually("the host sends it", || fetched() == 200);
    tell(&wattle, &bus, &["stop", "provider", "http_client"]);
    eventually("nobody sends it again", || fetched() == 502);
    assert_eq!((up.stop().code, there.stop().code), (Some(0), Some(0)));
}
