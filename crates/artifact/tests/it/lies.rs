//! Registries that lie, and that want more than they should have.

use artifact::RegistryError;
use stdx::{Chain, Code, Explain};

use crate::hostile::{Answer, Asked, Hostile, answer};
use crate::{Machine, SIZE_MAX, WASM, block_on, component, read};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The SHA-256 of [`WASM`].
const DIGEST: &str = "sha256:93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";

/// A manifest whose layer has this digest and size, and these further words.
fn manifest(digest: &str, size: u64, more: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{}},"layers":[{{"mediaType":"application/wasm","digest":"{digest}","size":{size}{more}}}]}}"#
    )
}

fn honest() -> String {
    manifest(DIGEST, WASM.len() as u64, "")
}

/// Answers with a manifest, and with a layer.
fn artefact(asked: &Asked, manifest: &str, layer: impl FnOnce() -> Answer) -> Answer {
    match asked.target.contains("/manifests/") {
        true => answer(200, &[("content-type", MANIFEST)], manifest.to_owned()),
        false => layer(),
    }
}

fn basic() -> Answer {
    answer(401, &[("www-authenticate", "Basic realm=lab")], "")
}

/// Sees to it that this is refused as not what it says, with these words, and that nothing of it is left.
fn is_wrong(machine: &Machine, reference: &str, words: &str) {
    let error = machine.refusal(reference);
    let text = Chain(&error).to_string();
    assert!(matches!(error.source, RegistryError::Wrong(_)) && text.contains(words), "{text}");
    assert_eq!(error.code(), Code::E0112);
    assert!(machine.kept().is_empty(), "{:?}", machine.kept());
}

#[test]
fn a_redirect_takes_no_login_along() {
    let elsewhere = Hostile::start(|asked| match asked.target.as_str() {
        "/blob" => answer(200, &[], WASM),
        _ => basic(),
    });
    let start = |target: &'static str| {
        let to = format!("http://{}{target}", elsewhere.name());
        Hostile::start(move |asked| match asked.authorization {
            None => basic(),
            Some(_) => artefact(asked, &honest(), || answer(307, &[("location", to.as_str())], "")),
        })
    };
    let registry = start("/blob");
    let (name, other) = (registry.name(), elsewhere.name());
    // Who asks is known to both: it is not shown where a redirect leads.
    let machine = Machine::that_knows(&[&name, &other]);
    assert_eq!(machine.pull(&format!("{name}/a:1")), WASM);
    assert!(registry.asked().iter().any(|asked| asked.authorization.is_some()));

    let registry = start("/closed");
    let error = Machine::that_knows(&[&registry.name(), &other]).refusal(&format!("{}/a:1", registry.name()));
    let text = Chain(&error).to_string();
    assert!(text.contains(&format!("answers 401: http://{other}: ")), "{text}");
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2, "once each: {asked:?}");
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
}

#[test]
fn what_leads_astray_is_not_followed() {
    let elsewhere = Hostile::start(|_| answer(200, &[], WASM));
    // The same machine by an address that does not say so.
    let astray = format!("http://0.0.0.0:{}/blob", elsewhere.port());
    let registry =
        Hostile::start(move |asked| artefact(asked, &honest(), || answer(302, &[("location", astray.as_str())], "")));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "by http");
    let registry =
        Hostile::start(|asked| artefact(asked, &honest(), || answer(302, &[("location", "file:///etc/passwd")], "")));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "by file");
    let registry = Hostile::start(|asked| artefact(asked, &honest(), || answer(302, &[("location", "/again")], "")));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "on and on");
    assert!(registry.asked().len() < 10);
    assert_eq!(elsewhere.asked(), []);
}

#[test]
fn a_token_is_asked_for_once_and_never_where_nobody_may_hear_of_it() {
    let tokens = Hostile::start(|asked| match asked.authorization.as_deref() {
        Some("Basic YWRhOm9wZW4gc2VzYW1l") => answer(200, &[], r#"{"token":"for-ada","expires_in":60}"#),
        None => answer(200, &[], r#"{"access_token":"for-all"}"#),
        Some(_) => answer(403, &[], ""),
    });
    let start = |realm: String| {
        let challenge = format!(r#"Bearer realm="{realm}",service="lab",scope="registry:catalog:*""#);
        Hostile::start(move |asked| match asked.authorization.as_deref() {
            Some("Bearer for-ada") => artefact(asked, &honest(), || answer(200, &[], WASM)),
            Some(_) => answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"not for all"}]}"#),
            None => answer(401, &[("www-authenticate", challenge.as_str())], ""),
        })
    };
    let registry = start(format!("http://{}/token?a=b", tokens.name()));
    let reference = format!("{}/shop/a:1", registry.name());
    assert_eq!(Machine::that_knows(&[&registry.name()]).pull(&reference), WASM);
    let asked = tokens.asked();
    assert_eq!(asked.len(), 1, "for all requests: {asked:?}");
    assert_eq!(
        asked[0].target, "/token?a=b&service=lab&scope=repository%3Ashop%2Fa%3Apull",
        "and for no more than that"
    );

    let error = Machine::new().refusal(&reference);
    let text = Chain(&error).to_string();
    assert!(text.contains("does not let strangers do that: DENIED: not for all"), "{text}");
    assert_eq!(error.code(), Code::E0109);
    let error = Machine::with_password(&[&registry.name()], "wrong").refusal(&reference);
    let text = Chain(&error).to_string();
    assert!(text.contains("does not let this user do that") && !text.contains("wrong"), "{text}");

    let before = tokens.asked().len();
    let registry = start(format!("http://0.0.0.0:{}/token", tokens.port()));
    is_wrong(&Machine::that_knows(&[&registry.name()]), &format!("{}/a:1", registry.name()), "by http");
    let registry = start("gopher://lab/token".into());
    is_wrong(&Machine::that_knows(&[&registry.name()]), &format!("{}/a:1", registry.name()), "by gopher");
    assert_eq!(tokens.asked().len(), before);
}

#[test]
fn an_upload_that_leads_elsewhere_takes_no_login_along() {
    let elsewhere = Hostile::start(|_| answer(201, &[], ""));
    let to = format!("http://{}/upload", elsewhere.name());
    let registry = Hostile::start(move |asked| match (asked.authorization.as_deref(), asked.method.as_str()) {
        (None, _) => basic(),
        (_, "HEAD") => answer(404, &[], ""),
        (_, "POST") => answer(202, &[("location", to.as_str())], ""),
        _ => answer(201, &[], ""),
    });
    let machine = Machine::that_knows(&[&registry.name(), &elsewhere.name()]);
    let reference = read(&format!("{}/a:1", registry.name()));
    block_on(machine.registries.push(&reference, &component(WASM))).expect("it is pushed");
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2, "configuration and layer: {asked:?}");
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
}

#[test]
fn a_layer_that_is_not_what_its_manifest_says_is_not_kept() {
    let lies: [(String, &'static [u8], &str); 4] = [
        (honest(), b"\0asm\x01\0\0\x01", "it should have the digest"),
        (honest(), b"\0asm\x01\0\0", "it has 7 bytes, and 8 in its manifest"),
        (honest(), b"\0asm\x01\0\0\0\0", "it has more bytes than the 8 of its manifest"),
        (manifest(DIGEST, 7, ""), WASM, "it has more bytes than the 7 of its manifest"),
    ];
    for (manifest, bytes, words) in lies {
        let registry = Hostile::start(move |asked| artefact(asked, &manifest, || answer(200, &[], bytes)));
        is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), words);
    }
}

#[test]
fn a_manifest_has_the_digest_that_was_asked_for_and_that_its_registry_says() {
    let registry = Hostile::start(|asked| artefact(asked, &honest(), || answer(200, &[], WASM)));
    let other = format!("{}/a@sha256:{}", registry.name(), "0".repeat(64));
    is_wrong(&Machine::new(), &other, "its manifest should have the digest sha256:0000");
    let registry = Hostile::start(|_| {
        let digest = format!("sha256:{}", "1".repeat(64));
        answer(200, &[("content-type", MANIFEST), ("docker-content-digest", digest.as_str())], honest())
    });
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "its manifest should have the digest sha256:1111");
}

#[test]
fn a_manifest_that_is_two_things_is_refused() {
    let index = "application/vnd.oci.image.index.v1+json";
    let registry = Hostile::start(move |_| answer(200, &[("content-type", index)], honest()));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "calls itself");
    let both = honest().replace(r#""layers""#, r#""manifests":[],"layers""#);
    let registry = Hostile::start(move |asked| artefact(asked, &both, || answer(200, &[], WASM)));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "a list of several");
}

#[test]
fn a_layer_from_elsewhere_is_fetched_from_nowhere() {
    let elsewhere = Hostile::start(|_| answer(200, &[], WASM));
    let urls = format!(r#","urls":["http://{}/a"]"#, elsewhere.name());
    let foreign = manifest(DIGEST, WASM.len() as u64, &urls);
    let registry = Hostile::start(move |asked| artefact(asked, &foreign, || answer(404, &[], "")));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "fetched from elsewhere");
    assert_eq!((elsewhere.asked().len(), registry.asked().len()), (0, 1));
}

#[test]
fn what_is_too_large_is_not_begun() {
    let large = manifest(DIGEST, SIZE_MAX.as_u64() + 1, "");
    let registry = Hostile::start(move |asked| artefact(asked, &large, || answer(200, &[], WASM)));
    let error = Machine::new().refusal(&format!("{}/a:1", registry.name()));
    assert!(matches!(error.source, RegistryError::TooLarge { .. }), "{}", Chain(&error));
    assert_eq!((error.code(), registry.asked().len()), (Code::E0104, 1));
    let registry = Hostile::start(|_| answer(200, &[("content-type", MANIFEST)], vec![b' '; (4 << 20) + 1]));
    is_wrong(&Machine::new(), &format!("{}/a:1", registry.name()), "more than 4194304 bytes");
}

/// Text would be parsed before anything bounds that.
#[test]
fn what_is_called_a_program_and_is_none_is_refused() {
    let registry = testkit::Registry::start();
    let reference = format!("{}/a:1", registry.name());
    let machine = Machine::new();
    block_on(machine.registries.push(&read(&reference), &component(b"(module)"))).expect("it is pushed");
    let error = machine.refusal(&reference);
    assert_eq!(error.code(), Code::E0113);
    assert!(Chain(&error).to_string().ends_with("its bytes are no WebAssembly program"), "{}", Chain(&error));
}

#[test]
fn what_a_registry_says_cannot_fill_a_terminal() {
    let long = honest().replace("application/wasm", &"ü".repeat(100_000));
    let registry = Hostile::start(move |asked| artefact(asked, &long, || answer(200, &[], WASM)));
    let error = Machine::new().refusal(&format!("{}/a:1", registry.name()));
    assert_eq!(error.code(), Code::E0113);
    let text = Chain(&error).to_string();
    assert!(text.chars().count() < 500 && text.ends_with("ü…"), "{text}");
}

#[test]
fn what_a_registry_says_cannot_harm_a_terminal() {
    let said = r#"{"errors":[{"code":"DENIED","message":"\u001b[2Jnothing to see"}]}"#;
    let registry = Hostile::start(move |_| answer(404, &[], said));
    let text = Chain(&Machine::new().refusal(&format!("{}/a:1", registry.name()))).to_string();
    assert!(text.ends_with("does not have it: DENIED: \\u{1b}[2Jnothing to see"), "{text}");
}

/// A registry that falls ill after its manifest is away as one that says nothing at all.
#[test]
fn a_tag_leads_where_it_led_last_where_only_the_layer_is_away() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let is_ill = Arc::new(AtomicBool::new(false));
    let told = is_ill.clone();
    let other = manifest(&format!("sha256:{}", "1".repeat(64)), 8, "");
    let registry = Hostile::start(move |asked| match told.load(Ordering::Relaxed) {
        false => artefact(asked, &honest(), || answer(200, &[], WASM)),
        true => artefact(asked, &other, || answer(503, &[], "")),
    });
    let (machine, reference) = (Machine::new(), format!("{}/a:1", registry.name()));
    assert_eq!(machine.pull(&reference), WASM);
    is_ill.store(true, Ordering::Relaxed);
    assert_eq!(machine.pull(&reference), WASM, "as it was last");
    assert_eq!(Machine::new().refusal(&reference).code(), Code::E0108);
}

/// A tag moves, and a registry that is ill is not one that has nothing.
#[test]
fn a_tag_leads_where_its_registry_says_while_that_is_there() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};
    let status = Arc::new(AtomicU16::new(200));
    let told = status.clone();
    let registry = Hostile::start(move |asked| match told.load(Ordering::Relaxed) {
        200 => artefact(asked, &honest(), || answer(200, &[], WASM)),
        status => answer(status, &[], ""),
    });
    let (machine, reference) = (Machine::new(), format!("{}/a:1", registry.name()));
    assert_eq!(machine.pull(&reference), WASM);
    let before = registry.asked().len();
    assert_eq!(machine.pull(&reference), WASM);
    assert_eq!(registry.asked().len(), before + 1, "the manifest, and nothing that is there");
    for ill in [500, 503, 429] {
        status.store(ill, Ordering::Relaxed);
        assert_eq!(machine.pull(&reference), WASM, "as it was last");
        assert_eq!(Machine::new().refusal(&reference).code(), Code::E0108);
    }
    for (gone, code) in [(404, Code::E0110), (401, Code::E0109), (403, Code::E0109)] {
        status.store(gone, Ordering::Relaxed);
        assert_eq!(machine.refusal(&reference).code(), code, "it is there, and says no");
    }
}
