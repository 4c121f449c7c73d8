//! Hosts, commands and contexts log in to a NATS server by the same flags.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use testkit::{Nats, Up, eventually};
use trust::{KeyKind, Seed};

use crate::lattice::{host, id};
use crate::wattle;

/// A server that knows one user by an nkey, encrypts with a certificate that nobody knows, and keeps a domain of its own.
#[test]
fn a_host_a_command_and_a_context_log_in_by_the_same_flags() {
    let wattle = wattle();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let user = Seed::new(KeyKind::User, [7; 32]);
    let file = |name: &str, content: &str| wattle.write(name, content).display().to_string();
    let (ca, key) = (file("ca.pem", &cert.pem()), file("key.pem", &signing_key.serialize_pem()));
    let seed = file("me.nk", &user.to_secret_text());
    let server = Nats::start_with([
        &format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public()),
        &format!("tls {{ cert_file: {ca:?}, key_file: {key:?}, timeout: 10 }}"),
        "jetstream { store_dir: kept, domain: hub }",
    ]);
    let bus = server.url();
    let at = ["--nats", &bus];
    let flags = ["--nats-nkey", &seed, "--nats-ca", &ca, "--nats-domain", "hub"];

    let ada = host(&wattle, &[&at[..], &flags, &["--name", "ada", "--nats-durability", "disk"]].concat());
    let run = |words: &[&[&str]]| wattle.run(words.concat().iter().chain(&["-o", "json"]));
    let hosts = || run(&[&["get", "hosts"], &at, &flags]);
    eventually("Ada answers", || hosts().values()[0]["hosts"] != json!([]));
    let found = &hosts().values()[0]["hosts"][0];
    assert_eq!((&found["friendly_name"], &found["js_domain"]), (&json!("ada"), &json!("hub")));
    // The server does not tell what its acknowledgements survive: who started the host has said it.
    let declared = json!({ "survives": "disk", "known": "declared" });
    assert_eq!(found["acknowledged"], declared);
    assert!(ada.values().iter().any(|value| value["host"]["acknowledged"] == declared), "{:?}", ada.values());
    let put = ["link", "put", "till", "price", "--contract", "demo:shop/tag"];
    let ended = run(&[&put, &at, &flags]);
    assert_eq!(ended.code, Some(0), "what is kept in the domain can be changed: {}", ended.stderr);

    // Without the flags, and with some of them.
    let untrusted = run(&[&["get", "hosts"], &at]);
    assert!(untrusted.code == Some(65) && untrusted.stderr.contains("E0710"), "{}", untrusted.stderr);
    let nobody = run(&[&["get", "hosts"], &at, &["--nats-ca", &ca]]);
    assert!(nobody.code == Some(65) && nobody.stderr.contains("refuses the login"), "{}", nobody.stderr);

    // A context keeps the paths, and nothing that is in the files.
    let put = run(&[&["ctx", "put", "lab"], &at, &flags]);
    assert_eq!(put.values()[0]["contexts"][0]["nats-nkey"], json!(seed), "{}", put.stdout);
    let kept = run(&[&["get", "hosts"]]);
    assert_eq!(kept.values()[0]["hosts"][0]["friendly_name"], json!("ada"), "{}", kept.stderr);
    assert_eq!(ada.stop().code, Some(0));
}

#[test]
fn a_host_says_what_is_wrong_with_the_files_and_does_not_start() {
    let wattle = wattle();
    let start = |flags: &[&str]| {
        let fixed = ["host", "--http", "127.0.0.1:0", "--nats", "nats://127.0.0.1:1"];
        Up::try_start(&mut wattle.command(fixed.iter().chain(flags))).expect_err("it cannot start")
    };
    let ended = start(&["--nats-creds", "no.creds", "--nats-ca", "no.pem"]);
    let names_both = ["no.creds: No such file", "no.pem: No such file"].iter().all(|text| ended.stderr.contains(text));
    assert!(ended.code == Some(65) && names_both && ended.stderr.contains("E0705"), "{}", ended.stderr);
    for wrong in [&["--nats-creds", "a", "--nats-nkey", "b"][..], &["--nats-cert", "a"], &["--nats-domain", "a.b"]] {
        let ended = start(wrong);
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.stderr);
    }
    let alone = wattle.command(["host", "--http", "127.0.0.1:0", "--nats-creds", "a"]);
    let ended = Up::try_start(&mut { alone }).expect_err("there is no address");
    assert!(ended.code == Some(2) && ended.stderr.contains("--nats"), "{}", ended.stderr);
}

/// The bus of a host that is alone lets in whom its servers would: by a token, by a password, by an nkey.
#[test]
fn a_host_that_is_alone_lets_in_whom_a_file_names() {
    let (owner, other) = (wattle(), wattle());
    let (known, unknown) = (Seed::new(KeyKind::User, [7; 32]), Seed::new(KeyKind::User, [8; 32]));
    owner.write("users", format!("ada:secret\n{}\n", known.public()));
    let up = host(&owner, &["--bus", "127.0.0.1:0", "--bus-users", "users"]);
    let bus = up.bus();
    let seed = |name: &str, seed: &Seed| other.write(name, seed.to_secret_text().as_bytes()).display().to_string();
    let (right, wrong) = (seed("right", &known), seed("wrong", &unknown));
    let named = |login: &str| bus.replace("://", &format!("://{login}@"));
    let (ada, eve) = (named("ada:secret"), named("ada:secreT"));
    let get = |more: &[&str]| other.run(["get", "hosts", "-o", "json"].iter().chain(more));
    for let_in in [&["--nats", ada.as_str()][..], &["--nats", &bus, "--nats-nkey", &right]] {
        let ended = get(let_in);
        assert_eq!(ended.values()[0]["hosts"][0]["id"], id(&up), "{}", ended.stderr);
    }
    for refused in [&["--nats", eve.as_str()][..], &["--nats", &bus, "--nats-nkey", &wrong], &["--nats", &bus]] {
        let ended = get(refused);
        assert!(ended.code == Some(65) && ended.stderr.contains("refuses the login"), "{refused:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secreT"), "{}", ended.stderr);
    }
    let own = owner.run(["get", "hosts", "--nats", &bus]);
    assert_eq!(own.code, Some(0), "who has the token is let in as ever: {}", own.stderr);
    owner.write("users", "ada\n");
    let refused = Up::try_start(&mut owner.command(["host", "--http=127.0.0.1:0", "--bus-users=users"]));
    let refused = refused.expect_err("the file is of no use").stderr;
    assert!(refused.contains("E0705") && refused.contains("line 1"), "{refused}");
    assert_eq!(up.stop().code, Some(0));
}
