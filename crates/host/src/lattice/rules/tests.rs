//! Commands as stories.

use super::*;

fn runs(image_ref: &str, count: u32) -> Runs {
    Runs { image_ref: image_ref.into(), count, ..Runs::default() }
}

fn state(components: &[&str]) -> State {
    let components = components.iter().map(|name| (name.parse().expect("a name"), runs("file:///a", 1)));
    State { components: components.collect(), ..State::default() }
}

fn command(component_ref: &str, count: u32) -> ScaleComponent {
    ScaleComponent { component_id: "a".into(), component_ref: component_ref.into(), count, ..Default::default() }
}

fn link(source: &str, target: &str, interfaces: &[&str]) -> LatticeLink {
    LatticeLink {
        source_id: source.into(),
        target: target.into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "keyvalue".into(),
        interfaces: interfaces.iter().map(|it| (*it).to_owned()).collect(),
        source_config: Vec::new(),
        target_config: Vec::new(),
    }
}

#[test]
fn a_component_is_started_changed_and_stopped_by_its_number() {
    let running = runs("x", 2);
    assert_eq!(scale(None, &command("x", 0)), Deed::Nothing);
    assert_eq!(scale(None, &command("x", 5)), Deed::Start);
    assert_eq!(scale(Some(&running), &command("x", 0)), Deed::Stop);
    assert_eq!(scale(Some(&running), &command("x", 2)), Deed::Change { is_other: false, update: false });
    assert_eq!(scale(Some(&running), &command("x", 3)), Deed::Change { is_other: true, update: false });
    let other = ScaleComponent { allow_update: true, ..command("y", 2) };
    assert_eq!(scale(Some(&running), &other), Deed::Change { is_other: false, update: true });
    assert_eq!(scale(Some(&running), &command("y", 2)), Deed::Change { is_other: false, update: false });
}

#[test]
fn another_place_is_warned_of_or_taken() {
    let running = runs("x", 2);
    assert_eq!(scale_words(None, &command("x", 1)), "");
    assert_eq!(scale_words(Some(&running), &command("x", 9)), "");
    assert_eq!(
        scale_words(Some(&running), &command("y", 9)),
        "component a runs from x, and that is not changed to y: an update does it"
    );
    let update = |to: &str| UpdateComponent {
        component_id: "a".into(),
        new_component_ref: to.into(),
        host_id: String::new(),
        annotations: Labels::new(),
    };
    assert_eq!(super::update(None, &update("y")), Err("component a not found".into()));
    assert_eq!(super::update(Some(&running), &update("x")), Ok(("component a already updated to x".into(), false)));
    assert_eq!(super::update(Some(&running), &update("y")), Ok(("component a updating from x to y".into(), true)));
}

#[test]
fn a_host_bids_with_all_labels_and_without_the_component() {
    let mut state = state(&["here"]);
    state.labels = [("zone".to_owned(), "a".to_owned())].into();
    let request = |id: &str, zone: Option<&str>| ComponentAuctionRequest {
        component_ref: String::new(),
        component_id: id.into(),
        constraints: zone.map(|zone| ("zone".to_owned(), zone.to_owned())).into_iter().collect(),
    };
    let bids = [("new", None), ("new", Some("a")), ("new", Some("b")), ("here", None)];
    assert_eq!(bids.map(|(id, zone)| bids_of(&state, &request(id, zone))), [true, true, false, false]);
}

fn bids_of(state: &State, request: &ComponentAuctionRequest) -> bool {
    bids(state, request)
}

#[test]
fn a_link_with_unknown_settings_or_another_target_is_refused() {
    let mut state = State::default();
    let mut told = link("a", "kv", &["store"]);
    told.target_config = vec!["url".into(), "SECRET_key".into()];
    assert_eq!(
        check_link(&state, &told),
        Err("Failed to validate configuration and secrets. Configuration url not found in config store. Secret reference \
             SECRET_key not found in config store. "
            .into())
    );
    put_link(&mut state, link("a", "kv", &["store"]));
    assert_eq!(check_link(&state, &link("a", "kv", &["store"])), Ok(()));
    assert_eq!(check_link(&state, &link("a", "other", &["atomics"])), Ok(()));
    assert!(check_link(&state, &link("a", "other", &["store", "atomics"])).is_err());
    put_link(&mut state, link("a", "kv", &["store", "batch"]));
    assert_eq!(state.links, [link("a", "kv", &["store", "batch"])], "it is replaced");
}

#[test]
fn a_link_is_taken_once() {
    let mut state = State::default();
    put_link(&mut state, link("a", "kv", &["store"]));
    let wanted = DeleteLink {
        source_id: "a".into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "keyvalue".into(),
    };
    assert_eq!(take_link(&mut state, &wanted), Some(link("a", "kv", &["store"])));
    assert_eq!(take_link(&mut state, &wanted), None);
}

#[test]
fn a_link_of_the_lattice_leads_to_a_component_or_a_backend_here() {
    let mut state = state(&["a", "b"]);
    state.config.insert("url".into(), [("url".to_owned(), "redis://x".to_owned())].into());
    let said = |state: &State, link: &LatticeLink| {
        let puts = mapped(state, link)?;
        let put = |put: LinkPut| {
            format!("{} {} {} {:?}", put.source, put.target, String::from(put.contract.expect("said")), put.config)
        };
        Ok::<_, String>(puts.into_iter().map(put).collect::<Vec<_>>())
    };
    assert_eq!(said(&state, &link("elsewhere", "b", &["store"])), Ok(vec![]));
    assert_eq!(said(&state, &link("a", "elsewhere", &["store"])), Ok(vec![]));
    let two = ["a b wasi:keyvalue/store {}", "a b wasi:keyvalue/atomics {}"].map(str::to_owned).to_vec();
    assert_eq!(said(&state, &link("a", "b", &["store", "atomics"])), Ok(two));
    let mut redis = link("a", "keyvalue/redis", &["store"]);
    redis.target_config = vec!["url".into()];
    let one = vec![r#"a keyvalue/redis wasi:keyvalue {"url": "redis://x"}"#.to_owned()];
    assert_eq!(said(&state, &redis), Ok(one));
    redis.target = "b".into();
    assert!(said(&state, &redis).expect_err("a component is told nothing").contains("is a component"));
    assert!(said(&state, &link("a", "a/b/c", &["store"])).is_err());
}

#[test]
fn labels_of_the_system_stay() {
    let mut state = State::default();
    let label = |key: &str| PutLabel { key: key.into(), value: "v".into() };
    assert!(change_label(&mut state, label("HostCore.os"), true).is_err());
    assert_eq!(change_label(&mut state, label("zone"), true), Ok(("successfully put label", true)));
    assert_eq!(change_label(&mut state, label("zone"), false), Ok(("successfully deleted label", true)));
    let none = Ok(("successfully deleted label (no such label)", false));
    assert_eq!(change_label(&mut state, label("zone"), false), none);
}
