//! Providers: one of wasmCloud as it is published, run by a host and driven by commands and by a stock client.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Nats, Wattle, eventually};
use wasmtime::component::Val;
use wire::{Address, Call, Function, Limits, Origin, Remote, Shape, Shapes, Signature, Wire};

use crate::lattice::{Stranger, host, id, refusal, tell};
use crate::{guest, noise, wattle};

/// A host that is alone, whose bus lets in whoever is on this machine, as the clients of these tests. It says what providers write.
const ALONE: [&str; 5] = ["--bus", "127.0.0.1:0", "--bus-token=none", "--log", "info"];

/// The provider of blobs in folders.
fn archive() -> String {
    testkit::provider("blobstore-fs").1.display().to_string()
}

/// Asks the provider `files`, as the component `shop`, to make a container. Says why it is not done.
fn create(bus: &str, container: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bus = bus::Bus::connect(bus, bus::ConnectOptions::default()).await.expect("it lets us in");
        let wire = Wire::open(bus, Limits::default()).await.expect("it listens");
        let params = Shapes::new(vec![Shape::String]).expect("it travels");
        let result = Shape::Result { ok: None, err: Some(Box::new(Shape::String)) };
        let signature = Signature { params, results: Shapes::new(vec![result]).expect("it travels") };
        let files = Address { lattice: "default".into(), id: "files".into() };
        let function = Function::of("wrpc:blobstore/blobstore@0.2.0", "create-container");
        let remote = Remote::new(&files, &function, signature).expect("a subject");
        let origin = Origin { source: Some("shop".into()), ..Origin::default() };
        let call = Call::new(origin, Duration::from_secs(10));
        let answer = wire.invoke(&remote, &[Val::String(container.into())], call).await;
        match answer.map_err(|error| error.to_string())?.remove(0) {
            Val::Result(Ok(None)) => Ok(()),
            refused => Err(format!("{refused:?}")),
        }
    })
}

fn provider(wattle: &Wattle, bus: &str) -> Value {
    tell(wattle, bus, &["get", "inventory"])["inventories"][0]["providers"][0].clone()
}

/// The number of the process that a provider runs as, while one does.
fn process(provider: &Value) -> Option<u32> {
    let words = provider["condition"].as_str()?.strip_prefix("runs as process ")?;
    words.split(',').next()?.parse().ok()
}

fn is_there(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is killed");
}

/// Links a component to the folder `root` by `files`.
fn link(stranger: &Stranger, source: &str, root: &Path) {
    stranger.ask("config.put.root", &json!({ "root": root }).to_string());
    let link = json!({ "source_id": source, "target": "files", "wit_namespace": "wasi", "wit_package": "blobstore",
        "interfaces": ["blobstore"], "target_config": ["root"] });
    assert_eq!(stranger.ask("link.put", &link.to_string())["message"], "successfully set link");
}

#[test]
fn a_stranger_starts_a_stock_provider_and_it_serves_what_it_is_linked_to() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let up = host(&wattle, &["--nats", &bus, "--label", "disk=big"]);
    let (host, stranger) = (id(&up), Stranger::new(&bus));
    let mut heard = stranger.listen();
    let place = archive();
    let reference = format!("file://{place}");

    let bid = |disk: &str| {
        let constraints = json!({ "disk": disk });
        let request = json!({ "provider_ref": reference, "provider_id": "files", "constraints": constraints });
        stranger.try_ask("provider.auction", &request.to_string())
    };
    eventually("the host is there", || bid("big").is_some());
    let ack =
        json!({ "provider_ref": reference, "provider_id": "files", "host_id": host, "constraints": { "disk": "big" } });
    assert_eq!(bid("big").expect("a bid")["response"], ack);

    let start = json!({ "provider_id": "files", "provider_ref": reference, "host_id": host, "config": [],
        "annotations": { "by": "hand" } });
    let start = || stranger.ask(&format!("provider.start.{host}"), &start.to_string());
    assert_eq!(start(), json!({ "success": true, "message": "successfully started provider" }));
    let started = stranger.hear(&mut heard, "provider_started");
    assert_eq!(started["source"], host);
    let issuer = &started["data"]["claims"]["issuer"];
    assert!(issuer.as_str().is_some_and(|key| key.starts_with('A')), "its archive is signed: {started}");
    let claims = json!({ "issuer": issuer, "tags": null, "name": "blobstore-fs", "version": "0.1.0",
        "not_before_human": "never", "expires_human": "never" });
    let data = json!({ "host_id": host, "provider_id": "files", "image_ref": place, "annotations": { "by": "hand" },
        "claims": claims, "instance_id": "files", "public_key": "files", "link_name": "default" });
    assert_eq!(started["data"], data);
    assert_eq!(start(), json!({ "success": false, "message": "provider with that ID is already running" }));
    let runs = provider(&wattle, &bus);
    assert_eq!(
        (&runs["id"], &runs["image_ref"], &runs["name"]),
        (&json!("files"), &json!(place), &json!("blobstore-fs"))
    );
    assert!(process(&runs).is_some(), "{runs}");

    eventually("it listens", || create(&bus, "box").is_err_and(|why| why.contains("failed to lookup shop")));
    let root = wattle.home().join("blobs");
    link(&stranger, "shop", &root);
    eventually("it is told", || create(&bus, "box").is_ok());
    assert!(root.join("box").is_dir());
    let checked = stranger.hear(&mut heard, "health_check_passed");
    assert_eq!(checked["data"], json!({ "host_id": host, "provider_id": "files" }));
    let delete = json!({ "source_id": "shop", "wit_namespace": "wasi", "wit_package": "blobstore" });
    assert_eq!(stranger.ask("link.del", &delete.to_string())["message"], "successfully deleted link");
    eventually("it is told", || create(&bus, "other").is_err_and(|why| why.contains("failed to lookup shop")));

    let stop = json!({ "provider_id": "files", "host_id": host }).to_string();
    let stop = || stranger.ask(&format!("provider.stop.{host}"), &stop);
    assert_eq!(stop(), json!({ "success": true, "message": "successfully stopped provider" }));
    let stopped = stranger.hear(&mut heard, "provider_stopped");
    let data = &stopped["data"];
    assert_eq!(
        (&data["provider_id"], &data["reason"], &data["annotations"]["by"]),
        (&json!("files"), &json!("stop"), &json!("hand"))
    );
    eventually("it has ended", || process(&runs).is_some_and(|pid| !is_there(pid)));
    assert_eq!(stop(), json!({ "success": false, "message": "provider with that ID is not running" }));
    assert_eq!(up.stop().code, Some(0));
}

/// As wasmCloud publishes it: it counts the last byte differently, makes what is there already, and writes in place.
#[test]
fn a_component_keeps_its_objects_with_a_stock_provider() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let up = wattle.up([guest("blobs"), format!("--nats={bus}")]);
    let archive = archive();
    eventually("it starts", || wattle.run(["start", "provider", &archive, "files", "--nats", &bus]).code == Some(0));
    let root = wattle.home().join("kept");
    link(&Stranger::new(&bus), "blobs", &root);
    let folder = root.join("files");
    eventually("the component and the provider are linked", || {
        up.ask("PUT", "/a", b"x").status == 204 && folder.join("a").is_file()
    });
    let bytes = noise(5 << 20);
    let answer = up.ask("PUT", "/big", &bytes);
    assert_eq!(answer.status, 204, "{} {}", answer.text(), up.stderr());
    assert!(std::fs::read(folder.join("big")).expect("it is a file") == bytes);
    assert!(up.get("/big").body == bytes);
    assert_eq!(up.get("/big?start=1048574&end=1048579").body, &bytes[(1 << 20) - 2..(1 << 20) + 4]);
    assert_eq!((up.get("/").text().as_str(), up.get("/none").status), ("a\nbig\n", 404));
    assert_eq!(up.ask("DELETE", "/big", b"").status, 204);
    assert_eq!((up.get("/").text().as_str(), folder.join("big").exists()), ("a\n", false));

    tell(&wattle, &bus, &["stop", "provider", "files"]);
    eventually("it is gone", || up.get("/a").status == 503);
    assert_eq!(up.get("/a").text(), "the blob store is not available\n");
    assert_eq!(up.stop().code, Some(0));
}

/// A host that is alone asks for a token that stock providers cannot show: it knows them by a key that it gives them.
#[test]
fn a_stock_provider_reaches_a_host_that_is_alone_with_its_usual_protection() {
    let wattle = wattle();
    let up = wattle.up([guest("blobs")]);
    let bus = up.bus();
    tell(&wattle, &bus, &["start", "provider", &archive(), "files"]);
    let root = wattle.home().join("kept");
    let told = format!("root={}", root.display());
    tell(&wattle, &bus, &["link", "put", "blobs", "files", "--contract", "wasi:blobstore", "--set", &told]);
    let kept = root.join("files").join("a");
    eventually("the component and the provider are linked", || {
        up.ask("PUT", "/a", b"kept").status == 204 && kept.is_file()
    });
    assert_eq!((up.get("/a").text().as_str(), std::fs::read(kept).expect("a file").as_slice()), ("kept", &b"kept"[..]));
    let refused = bus::Bus::connect(&bus, bus::ConnectOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert!(matches!(runtime.block_on(refused), Err(bus::ConnectError::Refused { .. })), "others are not let in");
    assert_eq!(up.stop().code, Some(0));
}

/// On a host that is alone: what it is told then comes over a bus that is not a NATS server.
#[test]
fn a_provider_that_is_killed_runs_again_and_ends_when_its_host_is_killed() {
    let wattle = wattle();
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let executable = testkit::provider("blobstore-fs").0.display().to_string();
    let root = wattle.home().join("blobs");
    link(&Stranger::new(&bus), "shop", &root);
    let started = tell(&wattle, &bus, &["start", "provider", &executable, "files"]);
    assert_eq!((&started["provider"], &started["from"]), (&json!("files"), &json!(executable)));
    eventually("it serves what it was linked to before", || create(&bus, "one").is_ok());

    let first = process(&provider(&wattle, &bus)).expect("a process");
    kill(first);
    let other = || process(&provider(&wattle, &bus)).filter(|pid| *pid != first);
    eventually("it runs again", || other().is_some());
    eventually("it serves as before", || create(&bus, "two").is_ok());
    assert!(
        provider(&wattle, &bus)["condition"].as_str().is_some_and(|words| words.ends_with("started again 1 times"))
    );

    let second = other().expect("a process");
    up.kill();
    eventually("it has ended with its host", || !is_there(second));
}

#[test]
fn a_provider_is_updated_and_one_that_does_not_start_changes_nothing() {
    let wattle = wattle();
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let (executable, archive) = testkit::provider("blobstore-fs");
    let (executable, archive) = (executable.display().to_string(), archive.display().to_string());
    tell(&wattle, &bus, &["config", "put", "own", "colour=red"]);
    tell(&wattle, &bus, &["start", "provider", &executable, "files", "--config", "own"]);
    let first = process(&provider(&wattle, &bus)).expect("a process");
    let updated = tell(&wattle, &bus, &["update", "provider", "files", &archive]);
    assert_eq!(updated, json!({ "provider": "files", "host": id(&up), "from": archive }));
    let runs = provider(&wattle, &bus);
    assert_eq!((&runs["image_ref"], &runs["config"]), (&json!(archive), &json!(["own"])));
    assert!(process(&runs).is_some_and(|second| second != first) && !is_there(first), "{runs}");
    let again = tell(&wattle, &bus, &["update", "provider", "files", &archive]);
    assert_eq!(again["changed"], false);

    let text = wattle.write("words.txt", "words").display().to_string();
    tell(&wattle, &bus, &["config", "put", "other", "colour=blue"]);
    let why = refusal(&wattle, &bus, &["update", "provider", "files", &text, "--config", "other"]);
    assert!(why.contains("is neither an archive of a provider nor executable"), "{why}");
    assert!(why.contains(&format!("it runs from {archive} again")), "{why}");
    let runs = provider(&wattle, &bus);
    assert_eq!((&runs["image_ref"], &runs["config"]), (&json!(archive), &json!(["own"])));
    let why = refusal(&wattle, &bus, &["update", "provider", "files", "wasmcloud+builtin://http-sever"]);
    assert!(why.contains("no provider http-sever in itself"), "{why}");
    assert!(why.contains(&format!("it runs from {archive} again")), "{why}");
    tell(&wattle, &bus, &["update", "provider", "files", &archive, "--config", "other"]);
    assert_eq!(provider(&wattle, &bus)["config"], json!(["other"]), "from the same, with other settings");
    tell(&wattle, &bus, &["start", "provider", "wasmcloud+builtin://http-client", "client"]);
    let why = refusal(&wattle, &bus, &["update", "provider", "client", &text]);
    assert!(why.contains("it runs from http-client again"), "{why}");
    tell(&wattle, &bus, &["stop", "provider", "client"]);

    let why = refusal(&wattle, &bus, &["update", "provider", "other", &archive]);
    assert!(why.contains("no host runs other"), "{why}");
    let why = refusal(&wattle, &bus, &["scale", "provider", "files", "2"]);
    assert!(why.contains("wattle start provider FILE files --host HOST"), "{why}");
    assert_eq!(up.stop().code, Some(0));
}

fn script(wattle: &Wattle, text: &str) -> String {
    let path = wattle.write("script", format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("it may be executed");
    path.display().to_string()
}

#[test]
fn one_that_crashes_again_and_again_is_to_be_seen_and_can_be_stopped() {
    let wattle = wattle();
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let file = script(&wattle, "echo 'cannot \u{1b}[2Jgo on' >&2; exit 3");
    tell(&wattle, &bus, &["start", "provider", &file, "broken"]);
    let words = "waits for its next start, after 1 of them: it exited with 3";
    eventually("it waits", || provider(&wattle, &bus)["condition"] == words);
    eventually("its last words are in the log", || up.stderr().contains("cannot \\u{1b}[2Jgo on"));
    let text = wattle.run(["get", "inventory", "--nats", &bus]).stdout;
    assert!(text.contains(words), "{text}");
    tell(&wattle, &bus, &["stop", "provider", "broken"]);
    assert_eq!(provider(&wattle, &bus), Value::Null);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_host_that_stops_ends_its_providers() {
    let wattle = wattle();
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    tell(&wattle, &bus, &["start", "provider", &script(&wattle, "trap '' TERM; sleep 600"), "deaf"]);
    let pid = process(&provider(&wattle, &bus)).expect("a process");
    assert_eq!(up.stop().code, Some(0));
    eventually("it has ended", || !is_there(pid));
}

#[test]
fn what_is_no_provider_is_refused_with_the_reason() {
    let wattle = wattle();
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let refused = |from: &str| refusal(&wattle, &bus, &["start", "provider", from, "x"]);
    let text = wattle.write("words.txt", "words").display().to_string();
    let why = refused(&text);
    assert!(why.contains("E1003") && why.contains("is neither an archive of a provider nor executable"), "{why}");
    let why =
        refusal(&wattle, &bus, &["start", "provider", "wasmcloud+builtin://messaging-nats", "x", "--host", &id(&up)]);
    assert!(why.contains("this host has no provider messaging-nats in itself"), "{why}");
    let why = refused("localhost:1/wasmcloud/kv:1");
    assert!(why.contains("cannot pull localhost:1/wasmcloud/kv:1: localhost:1 cannot be reached"), "{why}");
    let why = refused("oci://kv:1");
    assert!(why.contains("is not fetched by this host, which takes references and file:///PATH"), "{why}");
    let why = refusal(&wattle, &bus, &["start", "provider", &text, "x", "--config", "nothing"]);
    assert!(why.contains("Configuration nothing not found"), "{why}");
    let why = refusal(&wattle, &bus, &["stop", "provider", "x"]);
    assert!(why.contains("no host runs x"), "{why}");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn files_are_not_run_for_others_unless_the_host_says_so() {
    let (wattle, server) = (wattle(), Nats::start());
    // An address that does not say that it is on this machine.
    let up = host(&wattle, &["--nats", &server.url().replace("127.0.0.1", "0.0.0.0")]);
    let (id, file) = (id(&up), script(&wattle, "sleep 600"));
    let start = || refusal(&wattle, &server.url(), &["start", "provider", &file, "x", "--host", &id]);
    eventually("it is there, and refuses", || start().contains("--allow-file-load"));
    assert_eq!(up.stop().code, Some(0));
}
