//! Components that are signed: what their claims say is known in the lattice, and what says so and is not so does not run.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use testkit::{Nats, eventually};
use trust::{KeyKind, Seed};

use crate::lattice::{Stranger, host, id, refusal, tell};
use crate::{known, wattle};

fn account() -> Seed {
    Seed::new(KeyKind::Account, [7; 32])
}

fn subject() -> String {
    Seed::new(KeyKind::Module, [8; 32]).public().to_string()
}

/// A program that answers requests, as it is before anybody signs it.
fn program() -> Vec<u8> {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/wat/hello-p2.wat");
    wat::parse_file(text).expect("a program")
}

/// The token that an account signs about a program, with these claims beside.
fn token(program: &[u8], more: &Value) -> String {
    let mut body = json!({
        "jti": "x", "iat": 5, "iss": account().public().to_string(), "sub": subject(), "wascap_revision": 3,
        "wascap": {
            "name": "echo", "hash": engine::claims::carried(program).digest, "rev": 4, "ver": "0.3.1", "tags": ["a", "b"],
            "call_alias": "say", "prov": false,
        },
    });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let parts = [json!({ "typ": "jwt", "alg": "Ed25519" }), body].map(|part| part.to_string());
    let signed = parts.map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&account().sign(signed.as_bytes())))
}

/// A program with a token in it.
fn with(program: Vec<u8>, token: &str) -> Vec<u8> {
    let name = "wasmcloud_jwt";
    let length = 1 + name.len() + token.len();
    // A length of two bytes: seven bits each, the lowest first.
    let head = [0, 0x80 | (length & 0x7f) as u8, u8::try_from(length >> 7).expect("it is short"), name.len() as u8];
    [program, head.to_vec(), name.into(), token.into()].concat()
}

fn reference(file: &Path) -> String {
    format!("file://{}", file.display())
}

fn scale(host: &str, (file, component, count): (&Path, &str, u32)) -> (String, String) {
    let command = json!({ "component_ref": reference(file), "component_id": component, "count": count });
    (format!("component.scale.{host}"), command.to_string())
}

/// What `claims.get` answers of the component of these tests.
fn answered() -> Value {
    let issuer = account().public().to_string();
    json!({
        "call_alias": "say", "iss": issuer, "issuer": issuer, "name": "echo", "rev": "4", "revision": "4", "sub": subject(),
        "subject": subject(), "tags": "a,b", "version": "0.3.1",
    })
}

#[test]
fn what_a_signed_component_says_of_itself_is_known_in_its_lattice() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let file = wattle.write("echo.wasm", with(program(), &token(&program(), &json!({ "exp": 4_000_000_000_u64 }))));
    let stranger = Stranger::new(&bus);
    let mut heard = stranger.listen();
    let up = host(&wattle, &["--nats", &bus]);
    let id = id(&up);
    stranger.hear(&mut heard, "host_started");
    let (subject_of, command) = scale(&id, (&file, "e", 1));
    assert_eq!(stranger.ask(&subject_of, &command)["success"], true);
    let said = stranger.hear(&mut heard, "component_scaled")["data"].clone();
    assert_eq!(said["public_key"], subject());
    assert_eq!(
        said["claims"],
        json!({
            "call_alias": "say", "issuer": account().public().to_string(), "tags": ["a", "b"], "name": "echo",
            "version": "0.3.1", "revision": 4, "not_before_human": "never", "expires_human": "4000000000",
        })
    );
    let component = &stranger.ask(&format!("host.get.{id}"), "")["response"]["components"][0];
    assert_eq!((&component["name"], &component["revision"]), (&json!("echo"), &json!(4)));
    assert_eq!(stranger.ask("claims.get", "")["response"], json!([answered()]));
    let kept = known::bucket(&stranger, "LATTICEDATA_default");
    let value = stranger.runtime.block_on(kept.get(format!("CLAIMS_{}", subject()))).expect("a bucket");
    let value: Value = serde_json::from_slice(&value.expect("they are kept")).expect("JSON");
    assert_eq!(
        value,
        json!({
            "call_alias": "say", "issuer": account().public().to_string(), "name": "echo", "revision": "4",
            "subject": subject(), "tags": ["a", "b"], "version": "0.3.1",
        })
    );

    // What hosts of wasmCloud keep is answered with, too; what is kept under another's name is not.
    let provider = Seed::new(KeyKind::Provider, [9; 32]).public().to_string();
    let theirs =
        json!({ "issuer": "A", "name": "kv", "revision": "0", "subject": provider, "version": "1" }).to_string();
    for key in [format!("CLAIMS_{provider}"), "CLAIMS_VOTHER".to_owned()] {
        stranger.runtime.block_on(kept.put(key, theirs.clone().into())).expect("it is kept");
    }
    stranger.runtime.block_on(kept.put("CLAIMS_VBROKEN", "{".into())).expect("it is kept");
    let all = stranger.ask("claims.get", "")["response"].clone();
    let subjects: Vec<_> = all.as_array().expect("a list").iter().map(|claims| claims["sub"].clone()).collect();
    assert_eq!(subjects, [subject(), provider.clone()]);
    assert_eq!(all[1]["config_schema"], "");
    let shown = tell(&wattle, &bus, &["get", "claims"])["claims"].clone();
    assert_eq!(shown, all);

    // They are kept when the component has ended, as hosts of wasmCloud do.
    stranger.ask(&subject_of, &scale(&id, (&file, "e", 0)).1);
    let said = stranger.hear(&mut heard, "component_scaled")["data"].clone();
    assert_eq!((&said["max_instances"], &said["public_key"]), (&json!(0), &json!(subject())));
    assert_eq!(stranger.ask("claims.get", "")["response"][0], answered());
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_signed_component_is_shown_with_what_it_says_of_itself() {
    let wattle = wattle();
    let shown = |expires: u64, flags: &[&str]| {
        let token = token(&program(), &json!({ "exp": expires }));
        let file = wattle.write("echo.wasm", with(program(), &token)).display().to_string();
        let ended = wattle.run(["inspect", &file].iter().chain(flags));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    };
    let (issuer, subject) = (account().public().to_string(), subject());
    let claims = format!(
        "
claims (signature valid; the digest in them was not compared with this file)
  issuer        {issuer}
  subject       {subject}
  name          echo
  version       0.3.1
  revision      4
  tags          a, b
  issued        1970-01-01 00:00:05 UTC
  expires       "
    );
    let current = shown(4_000_000_000, &[]).stdout;
    assert!(current.contains(&format!("{claims}2096-10-02 07:06:40 UTC\nconsists of ")), "{current}");
    let expired = shown(6, &[]).stdout;
    let end = "1970-01-01 00:00:06 UTC\n  period        expired\nconsists of ";
    assert!(expired.contains(&format!("{claims}{end}")), "{expired}");
    let read = shown(4_000_000_000, &["-o", "json"]).values()[0]["claims"]["read"].clone();
    assert_eq!((&read["issuer"], &read["subject"], &read["name"]), (&json!(issuer), &json!(subject), &json!("echo")));
    assert_eq!(
        (&read["revision"], &read["tags"], &read["expires"]),
        (&json!(4), &json!(["a", "b"]), &json!(4_000_000_000_u64))
    );
    assert_eq!(read["digest_checked"], false);
}

#[test]
fn claims_that_do_not_hold_keep_a_component_from_running() {
    let wattle = wattle();
    let up = host(&wattle, &["--bus", "127.0.0.1:0", "--bus-token", "none"]);
    let (stranger, id) = (Stranger::new(&up.bus()), id(&up));
    let mut heard = stranger.listen();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let hour = Duration::from_secs(3_600);
    let (past, future) = ((now - hour).as_secs(), (now + hour).as_secs());
    let good = token(&program(), &json!({}));
    let mut tampered = with(program(), &good);
    let at = tampered.windows(5).position(|bytes| bytes == b"Hello").expect("it says so");
    tampered[at] = b'J';
    let other = token(&program(), &json!({ "exp": future }));
    let halves = [&other, &good].map(|token| token.rsplit_once('.').expect("a signature"));
    let forged = format!("{}.{}", halves[0].0, halves[1].1);
    for (bytes, why) in [
        (with(program(), &token(&program(), &json!({ "exp": past }))), "its claims are expired"),
        (with(program(), &token(&program(), &json!({ "nbf": future }))), "its claims are not valid yet"),
        (tampered, "its claims are about another program"),
        (with(program(), &forged), "its claims are not signed by who is said to issue them"),
        (with(program(), "no token"), "its claims cannot be read"),
        (with(with(program(), &good), &good), "it carries 2 claims, and there may be one"),
    ] {
        let file = wattle.write("bad.wasm", bytes);
        let (subject, command) = scale(&id, (&file, "bad", 1));
        assert_eq!(stranger.ask(&subject, &command)["success"], true);
        let said = stranger.hear(&mut heard, "component_scale_failed")["data"].clone();
        assert!(said["error"].as_str().expect("words").contains(why), "{why}: {said}");
        let refused = wattle.run(["up", &file.display().to_string(), "--http=127.0.0.1:0"]);
        assert!(refused.code == Some(65) && refused.stderr.contains("E0107"), "{why}: {}", refused.stderr);
    }
    assert_eq!(stranger.ask(&format!("host.get.{id}"), "")["response"]["components"], json!([]));
    assert_eq!(stranger.ask("claims.get", "")["response"], json!([]));

    // What runs goes on where what takes its place does not hold.
    let file = wattle.write("echo.wasm", with(program(), &good));
    let other = wattle.write("other.wasm", with(program(), "no token"));
    tell(&wattle, &up.bus(), &["start", "component", &file.display().to_string(), "echo"]);
    let refused = refusal(&wattle, &up.bus(), &["update", "component", "echo", &other.display().to_string()]);
    assert!(refused.contains("its claims cannot be read"), "{refused}");
    let component = &stranger.ask(&format!("host.get.{id}"), "")["response"]["components"][0];
    assert_eq!((&component["image_ref"], &component["name"]), (&json!(reference(&file)), &json!("echo")));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_a_host_was_started_with_is_known_by_its_claims_alone_and_in_a_lattice() {
    let (wattle, server) = (wattle(), Nats::start());
    let file = wattle.write("echo.wasm", with(program(), &token(&program(), &json!({}))));
    let alone = wattle.up([file.display().to_string(), "--bus-token=none".into()]);
    assert_eq!(Stranger::new(&alone.bus()).ask("claims.get", "")["response"], json!([answered()]));
    assert_eq!(alone.stop().code, Some(0));
    let up = wattle.up([file.display().to_string(), format!("--nats={}", server.url())]);
    let stranger = Stranger::new(&server.url());
    let kept = || {
        let entry = known::bucket(&stranger, "LATTICEDATA_default");
        stranger.runtime.block_on(entry.get(format!("CLAIMS_{}", subject()))).expect("a bucket").is_some()
    };
    eventually("the host answers", || stranger.try_ask("claims.get", "").is_some());
    eventually("they are kept", kept);
    assert_eq!(up.stop().code, Some(0));
}
