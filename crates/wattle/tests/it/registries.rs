//! Programs of registries: pushed and pulled by commands, and by the hosts of a lattice. What a lying registry tries is told in
//! the tests of `artifact`.

use std::path::Path;
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use testkit::{Registry, Up, Wattle};

use crate::lattice::{Stranger, host, refusal, tell};
use crate::{guest, wattle};

/// A host that is alone, whose bus lets in whoever is on this machine. It says whatever it does.
const ALONE: [&str; 4] = ["--bus", "127.0.0.1:0", "--bus-token=none", "--log=debug"];

/// What a registry is to call a component.
fn reference(registry: &Registry, name: &str) -> String {
    format!("{}/shop/{name}:1", registry.name())
}

/// Exit code and standard error of a command, once its environment is as it is wanted.
fn run(mut command: Command, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = command.envs(environment.iter().copied()).output().expect("it is started");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// Pushes a component, and gives the reference that is this component for ever.
fn push(wattle: &Wattle, registry: &Registry, name: &str) -> String {
    let ended = wattle.run(["push", &guest(name), &reference(registry, name), "-o", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.values()[0]["pinned"].as_str().expect("a reference").to_owned()
}

/// The same to a registry that asks who asks.
fn push_as_ada(wattle: &Wattle, registry: &Registry, name: &str) {
    let password = wattle.write("ada.password", format!("{}\n", Registry::PASSWORD)).display().to_string();
    let (address, reference) = (registry.name(), reference(registry, name));
    let environment = [
        ("WATTLE_REGISTRY", address.as_str()),
        ("WATTLE_REGISTRY_USER", Registry::USER),
        ("WATTLE_REGISTRY_PASSWORD_FILE", password.as_str()),
    ];
    let (code, said) = run(wattle.command(["push", &guest(name), &reference]), &environment);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_was_pushed_is_served_also_when_its_registry_is_gone() {
    let (wattle, mut registry) = (wattle(), Registry::start());
    let pinned = push(&wattle, &registry, "hello");
    let reference = reference(&registry, "hello");
    let up = wattle.up([&reference]);
    assert_eq!(up.get("/").text(), "Hello, wasm!\n");
    let serving = up.values().iter().find_map(|value| value.get("serving").cloned()).expect("it says what it serves");
    assert_eq!((&serving["component"], &serving["file"]), (&json!("hello"), &json!(reference)));
    assert_eq!(up.stop().code, Some(0));

    registry.kill();
    let up = wattle.up([&reference]);
    assert_eq!(up.get("/").status, 200);
    up.says("its registry is away");
    assert_eq!(up.stop().code, Some(0));
    let up = wattle.up([&pinned]);
    assert_eq!(up.get("/").status, 200);
    assert!(!up.stderr().contains("away"), "what is named by its digest needs no registry: {}", up.stderr());
    assert_eq!(up.stop().code, Some(0));

    let other = crate::wattle().try_up([&reference]).expect_err("another machine has nothing of it");
    let (code, said) = (other.code, &other.stderr);
    assert!(code == Some(69) && said.contains("E0108") && said.contains("cannot pull"), "{said}");
}

#[test]
fn a_reference_stands_wherever_a_file_may() {
    let (wattle, registry) = (wattle(), Registry::start());
    for name in ["hello", "cat", "calc"] {
        push(&wattle, &registry, name);
    }
    let of = |name: &str| reference(&registry, name);
    let ran = wattle.run(["run", &of("cat"), "args", "A"]);
    assert!(ran.code == Some(0) && ran.stdout.contains('A'), "{}", ran.stderr);
    assert_eq!(wattle.run(["call", &format!("oci://{}", of("calc")), "add(1, 2)"]).stdout, "3\n");
    let shown = wattle.run(["inspect", &of("hello")]);
    assert!(shown.code == Some(0) && shown.stdout.contains(&of("hello")), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(wattle.run(["cache", "clear", &of("hello")]).code, Some(0));

    let manifest = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  components:\n    \
         - {{name: greeter, type: component, properties: {{image: '{}'}}, traits: [{{type: route, properties: {{path: /}}}}]}}\n",
        of("hello")
    );
    let up = wattle.up([wattle.write("shop.yaml", manifest)]);
    assert_eq!(up.get("/").text(), "Hello, wasm!\n");
    assert_eq!(up.stop().code, Some(0));
    // A file that is there is meant first, whatever it is called.
    wattle.write(&of("hello"), std::fs::read(guest("cat")).expect("a component"));
    assert!(wattle.run(["inspect", &of("hello")]).stdout.contains("cli/run"));
}

#[test]
fn the_latest_is_taken_from_the_command_line_and_named_by_its_digest() {
    let (wattle, registry) = (wattle(), Registry::start());
    let untagged = format!("{}/hello", registry.name());
    assert_eq!(wattle.run(["push", &guest("hello"), &untagged]).code, Some(0));
    let up = wattle.up([&untagged]);
    assert_eq!(up.get("/").status, 200);
    up.says(&format!("{untagged}:latest is {untagged}@sha256:"));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_cannot_be_pulled_is_said_with_its_reason() {
    let (wattle, registry) = (wattle(), Registry::start());
    let fails = |word: &str, (code, said): (i32, &str)| {
        let ended = wattle.run(["inspect", word]);
        assert!(ended.code == Some(code) && ended.stderr.contains(said), "{word}: {}", ended.stderr);
    };
    fails(&reference(&registry, "nothing"), (65, "error[E0110]"));
    fails("localhost:1/shop/hello:1", (69, "error[E0108]"));
    fails("oci://hello", (65, "error[E0111]"));
    let archive = testkit::provider("blobstore-fs").1.display().to_string();
    assert_eq!(wattle.run(["push", &archive, &reference(&registry, "files")]).code, Some(0));
    fails(&reference(&registry, "files"), (65, "error[E0113]"));
    push(&wattle, &registry, "hello");
    let small = wattle.run(["inspect", "--max-component-size", "1KiB", &reference(&registry, "hello")]);
    assert!(small.code == Some(65) && small.stderr.contains("error[E0104]"), "{}", small.stderr);
    let pinned = format!("{}/hello@sha256:{}", registry.name(), "0".repeat(64));
    let refused = wattle.run(["push", &guest("hello"), &pinned]);
    assert!(refused.code == Some(65) && refused.stderr.contains("error[E0111]"), "{}", refused.stderr);
}

#[test]
fn a_command_shows_what_it_was_told_or_what_docker_was() {
    let (wattle, registry) = (wattle(), Registry::start_with_user());
    push_as_ada(&wattle, &registry, "hello");
    let reference = reference(&registry, "hello");
    let refused = wattle.run(["inspect", &reference]);
    assert!(refused.code == Some(65) && refused.stderr.contains("error[E0109]"), "{}", refused.stderr);
    let half = run(wattle.command(["inspect", &reference]), &[("WATTLE_REGISTRY", "lab")]);
    assert!(half.0 == Some(65) && half.1.contains("WATTLE_REGISTRY_PASSWORD_FILE is missing"), "{}", half.1);
    // `ada:open sesame`, as Docker writes it.
    let auths = json!({ "auths": { (registry.name()): { "auth": "YWRhOm9wZW4gc2VzYW1l" } } });
    wattle.write(".docker/config.json", auths.to_string());
    let shown = wattle.run(["inspect", &reference]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    wattle.write(".docker/config.json", "{ \"auths\": \"sesame\" }");
    let broken = wattle.run(["inspect", &reference]);
    assert!(broken.stderr.contains("the logins of Docker are not used") && broken.stderr.contains("E0109"));
    assert!(!broken.stderr.contains("sesame"), "{}", broken.stderr);
}

#[test]
fn a_host_pulls_what_it_is_told_to_start_once_it_knows_who_asks() {
    let (wattle, registry) = (wattle(), Registry::start_with_user());
    push_as_ada(&wattle, &registry, "hello");
    let reference = reference(&registry, "hello");
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let start = ["start", "component", &reference];
    let why = refusal(&wattle, &bus, &start);
    assert!(why.contains("E1003") && why.contains("does not let strangers do that"), "{why}");

    // As a client of wasmCloud says it, and wrong.
    let wrong = json!({ "username": "ada", "password": "swordfish", "token": null, "registryType": "oci" });
    let wrong = json!({ (registry.name()): wrong }).to_string();
    let stranger = Stranger::new(&bus);
    let done = json!({ "success": true, "message": "successfully put registries" });
    assert_eq!(stranger.ask("registry.put", &wrong), done);
    assert!(refusal(&wattle, &bus, &start).contains("does not let this user do that"));
    for nonsense in ["", "{", "[\"swordfish\"]", r#"{"a b": {}}"#, r#"{"lab": {"registryType": "bindle"}}"#] {
        assert_eq!(stranger.ask("registry.put", nonsense)["success"], json!(false), "{nonsense}");
    }

    let password = wattle.write("password", Registry::PASSWORD).display().to_string();
    let put = ["registry", "put", &registry.name(), "--user", "ada", "--password-file", &password];
    assert_eq!(tell(&wattle, &bus, &put)["hosts"], json!(1));
    let started = tell(&wattle, &bus, &start);
    assert_eq!((&started["component"], &started["from"]), (&json!("hello"), &json!(reference)));
    let other = format!("oci://{reference}");
    let updated = tell(&wattle, &bus, &["update", "component", "hello", &other]);
    assert_eq!(updated["from"], json!(other));
    let inventory = tell(&wattle, &bus, &["get", "inventory"])["inventories"][0].clone();
    assert_eq!(inventory["components"][0]["image_ref"], json!(other));

    let untagged = reference.trim_end_matches(":1");
    for latest in [untagged.to_owned(), format!("{untagged}:latest")] {
        let why = refusal(&wattle, &bus, &["start", "component", &latest, "other"]);
        assert!(why.contains("start it with --allow-latest"), "{why}");
    }
    let ended = up.stop();
    assert_eq!(ended.code, Some(0));
    for secret in ["swordfish", Registry::PASSWORD, "YWRhOm9wZW4gc2VzYW1l"] {
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "{secret} is in its log");
    }
}

#[test]
fn a_host_that_may_takes_the_latest() {
    let (wattle, registry) = (wattle(), Registry::start());
    let latest = format!("{}/hello", registry.name());
    assert_eq!(wattle.run(["push", &guest("hello"), &latest]).code, Some(0));
    let up = host(&wattle, &[&ALONE[..3], &["--allow-latest"]].concat());
    assert_eq!(tell(&wattle, &up.bus(), &["start", "component", &latest])["component"], json!("hello"));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_host_runs_a_provider_of_a_registry() {
    let (wattle, registry) = (wattle(), Registry::start());
    let (reference, archive) =
        (reference(&registry, "files"), testkit::provider("blobstore-fs").1.display().to_string());
    let pushed = wattle.run(["push", &archive, &reference]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    push(&wattle, &registry, "hello");
    let up = host(&wattle, &ALONE);
    let bus = up.bus();
    let started = tell(&wattle, &bus, &["start", "provider", &format!("oci://{reference}")]);
    assert_eq!((&started["provider"], &started["from"]), (&json!("files"), &json!(reference)));
    let why = refusal(&wattle, &bus, &["start", "provider", &self::reference(&registry, "hello"), "x"]);
    assert!(why.contains("it is no provider, but of application/wasm"), "{why}");
    tell(&wattle, &bus, &["stop", "provider", "files"]);
    assert_eq!(up.stop().code, Some(0));
}

/// `0.0.0.0` leads to this machine, and does not say so: encryption is asked for.
#[test]
fn an_encrypted_registry_is_used_where_its_certificate_is_trusted_and_is_for_it() {
    let wattle = wattle();
    let start = |name: &str| {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let file = |kind: &str, text: String| wattle.write(&format!("{name}.{kind}.pem"), text);
        let (cert, key) = (file("cert", cert.pem()), file("key", signing_key.serialize_pem()));
        (Registry::start_encrypted(&cert, &key), cert)
    };
    let push = |registry: &Registry, trusted: Option<&Path>| {
        let reference = reference(registry, "hello").replace("127.0.0.1", "0.0.0.0");
        let trusted = trusted.map(|path| path.display().to_string());
        let environment: Vec<_> = trusted.iter().map(|path| ("SSL_CERT_FILE", path.as_str())).collect();
        run(wattle.command(["push", &guest("hello"), &reference]), &environment)
    };
    let (registry, cert) = start("0.0.0.0");
    let (code, said) = push(&registry, Some(&cert));
    assert_eq!(code, Some(0), "{said}");
    let untrusted = push(&registry, None);
    assert!(untrusted.0 == Some(69) && untrusted.1.contains("error[E0114]"), "{}", untrusted.1);
    // Nobody is trusted in the place of those that cannot be read.
    let missing = push(&registry, Some(Path::new("/nowhere/authorities.pem")));
    assert!(missing.0 == Some(69) && missing.1.contains("no authority of this machine"), "{}", missing.1);
    let (other, cert) = start("shop.test");
    let misnamed = push(&other, Some(&cert));
    assert!(misnamed.0 == Some(69) && misnamed.1.contains("error[E0114]"), "{}", misnamed.1);
}

/// A component that was started by flags is known in its lattice by its reference.
#[test]
fn a_lattice_is_told_the_reference_and_not_the_file() {
    let (wattle, registry) = (wattle(), Registry::start());
    push(&wattle, &registry, "hello");
    let reference = reference(&registry, "hello");
    let mut command = wattle.command(["up", "--http", "127.0.0.1:0", "-o", "json", &reference]);
    let up = Up::start(command.args(&ALONE[..3]));
    let inventory = tell(&wattle, &up.bus(), &["get", "inventory"])["inventories"][0].clone();
    assert_eq!(inventory["components"][0]["image_ref"], json!(reference));
    assert_eq!(up.stop().code, Some(0));
}
