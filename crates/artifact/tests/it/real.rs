//! Pushing to the registry that Docker has published, and pulling from it.

use artifact::{Artefact, Kind, RegistryError};
use stdx::{Chain, Code, Explain};
use testkit::Registry;

use crate::{Machine, SIZE_MAX, WASM, block_on, component, read};

fn push(machine: &Machine, reference: &str, artefact: &Artefact) -> String {
    let pushed = block_on(machine.registries.push(&read(reference), artefact));
    pushed.expect("it is pushed").to_string()
}

#[test]
fn what_was_pushed_is_pulled_by_tag_and_by_digest_also_without_the_registry() {
    let mut registry = Registry::start();
    let (here, there) = (Machine::new(), Machine::new());
    let reference = format!("{}/shop/till:1", registry.name());
    let digest = push(&here, &reference, &component(WASM));
    assert_eq!(push(&here, &reference, &component(WASM)), digest, "the same bytes are the same artefact");
    let pinned = format!("{}/shop/till@{digest}", registry.name());
    assert_eq!(there.try_pull(&reference).expect("it is pulled").digest.to_string(), digest);
    registry.kill();
    assert_eq!((there.pull(&reference), there.pull(&pinned)), (WASM.to_vec(), WASM.to_vec()));
    let error = Machine::new().refusal(&reference);
    assert!(matches!(error.source, RegistryError::Unreachable { .. }), "{}", Chain(&error));
    assert_eq!(error.code(), Code::E0108);
}

#[test]
fn a_tag_that_moves_leads_to_what_was_pushed_last_and_a_digest_stays() {
    let registry = Registry::start();
    let machine = Machine::new();
    let reference = format!("{}/till:1", registry.name());
    let first = push(&machine, &reference, &component(WASM));
    assert_eq!(machine.pull(&reference), WASM);
    let other = [WASM, b"\0\x01\0"].concat();
    assert_ne!(push(&machine, &reference, &component(&other)), first);
    assert_eq!(machine.pull(&reference), other);
    assert_eq!(Machine::new().pull(&format!("{}/till:1@{first}", registry.name())), WASM);
}

/// What was damaged on the disk is seen and pulled again.
#[test]
fn what_was_damaged_here_is_pulled_again() {
    let registry = Registry::start();
    let machine = Machine::new();
    let reference = format!("{}/till:1", registry.name());
    push(&machine, &reference, &component(WASM));
    let path = machine.try_pull(&reference).expect("it is pulled").path;
    std::fs::write(&path, "\0asm damaged").expect("it is ours");
    assert_eq!(machine.pull(&reference), WASM);
}

#[test]
fn only_who_is_known_is_let_in() {
    let registry = Registry::start_with_user();
    let (name, reference) = (registry.name(), format!("{}/till:1", registry.name()));
    let ada = Machine::that_knows(&[&name]);
    push(&ada, &reference, &component(WASM));
    assert_eq!(ada.pull(&reference), WASM);
    let error = Machine::new().refusal(&reference);
    let text = Chain(&error).to_string();
    assert!(text.contains("does not let strangers do that: UNAUTHORIZED: authentication required"), "{text}");
    assert_eq!(error.code(), Code::E0109);
    let error = Machine::with_password(&[&name], "wrong").refusal(&reference);
    assert!(Chain(&error).to_string().contains("does not let this user do that"), "{}", Chain(&error));
    // What is known of one registry is shown to no other, be it on the same host.
    let other = Registry::start_with_user();
    assert_eq!(ada.refusal(&format!("{}/till:1", other.name())).code(), Code::E0109);
}

#[test]
fn what_is_not_there_or_of_another_kind_is_said_so() {
    let registry = Registry::start();
    let machine = Machine::new();
    let missing = machine.refusal(&format!("{}/till:1", registry.name()));
    let text = Chain(&missing).to_string();
    assert!(text.contains("does not have it: MANIFEST_UNKNOWN"), "{text}");
    assert_eq!(missing.code(), Code::E0110);

    let reference = format!("{}/store:1", registry.name());
    push(&machine, &reference, &Artefact::provider(b"an archive".to_vec()));
    let error = machine.refusal(&reference);
    assert_eq!(error.code(), Code::E0113, "{}", Chain(&error));
    let pulled = block_on(machine.registries.pull(&read(&reference), Kind::Provider, SIZE_MAX)).expect("it is one");
    assert_eq!(std::fs::read(pulled.path).expect("it is there"), b"an archive");
}

/// `0.0.0.0` leads to this machine, and does not say so: encryption is asked for, unless it was said that there is none.
#[test]
fn a_registry_without_encryption_is_spoken_to_where_that_was_said() {
    let registry = Registry::start();
    push(&Machine::new(), &format!("{}/till:1", registry.name()), &component(WASM));
    let name = registry.name().replace("127.0.0.1", "0.0.0.0");
    let reference = format!("{name}/till:1");
    let error = Machine::new().refusal(&reference);
    assert!(matches!(error.source, RegistryError::Untrusted { .. }), "{}", Chain(&error));
    assert_eq!(error.code(), Code::E0114);
    for said in [name.as_str(), "0.0.0.0"] {
        let machine = Machine::with(vec![said.parse().expect("a registry")], artifact::Logins::default());
        assert_eq!(machine.pull(&reference), WASM);
    }
}
