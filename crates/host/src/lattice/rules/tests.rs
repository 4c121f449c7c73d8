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
        terms: None,
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
fn a_link_with_unknown_settings_is_refused() {
    let mut told = link("a", "kv", &["store"]);
    told.target_config = vec!["url".into(), "SECRET_key".into()];
    assert_eq!(
        check_settings(&State::default(), &told),
        Err("Failed to validate configuration and secrets. Configuration url not found in config store. Secret reference \
             SECRET_key not found in config store. "
            .into())
    );
}

#[test]
fn a_link_stands_beside_others_or_in_their_place() {
    let mut links = vec![link("a", "kv", &["store"])];
    assert_eq!(put_link(&mut links, &link("a", "other", &["atomics"])), Ok(()));
    assert!(put_link(&mut links, &link("a", "third", &["store", "watch"])).is_err(), "it has another target");
    assert_eq!(put_link(&mut links, &link("a", "kv", &["store", "batch"])), Ok(()));
    assert_eq!(links, [link("a", "kv", &["store", "batch"]), link("a", "other", &["atomics"])], "one is replaced");
}

#[test]
fn a_link_is_taken_once() {
    let mut links = vec![link("a", "kv", &["store"])];
    let wanted = DeleteLink {
        source_id: "a".into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "keyvalue".into(),
    };
    assert_eq!(take_link(&mut links, &wanted), Some(link("a", "kv", &["store"])));
    assert_eq!(take_link(&mut links, &wanted), None);
}

#[test]
fn what_is_learned_of_a_source_is_what_has_changed() {
    let (mut state, nothing) = (State::default(), Relinked::default());
    let (store, batch) = (link("a", "b", &["store"]), link("a", "b", &["batch"]));
    let relinked = |gone: &[&LatticeLink], put: &[&LatticeLink]| {
        let all = |links: &[&LatticeLink]| links.iter().copied().cloned().collect();
        Relinked { gone: all(gone), put: all(put) }
    };
    assert_eq!(learn_links(&mut state, "a", vec![store.clone(), batch.clone()]), relinked(&[], &[&store, &batch]));
    assert_eq!(learn_links(&mut state, "a", vec![store.clone(), batch.clone()]), nothing);
    assert_eq!(learn_links(&mut state, "a", vec![batch.clone()]), relinked(&[&store], &[]));
    // Another target for the same imports takes the place of the one before: nothing is unlinked in between.
    let other = link("a", "c", &["batch"]);
    assert_eq!(learn_links(&mut state, "a", vec![other.clone()]), relinked(&[], &[&other]));
    // A backend gives whole packages, which is another link than that for an interface.
    let backend = link("a", "keyvalue/redis", &["batch"]);
    assert_eq!(learn_links(&mut state, "a", vec![backend.clone()]), relinked(&[&other], &[&backend]));
    assert_eq!(learn_links(&mut state, "a", Vec::new()), relinked(&[&backend], &[]));
    assert_eq!(state, State::default());
}

#[test]
fn settings_are_learned_once() {
    let mut state = State::default();
    let some = Some(Labels::from([("k".to_owned(), "v".to_owned())]));
    let learned = [some.clone(), some, None, None].map(|settings| learn_settings(&mut state, "s", settings));
    assert_eq!(learned, [true, false, true, false]);
}

#[test]
fn a_link_of_the_lattice_leads_to_a_component_or_to_a_backend_here() {
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
    let away = link("a", "elsewhere", &["store"]);
    assert_eq!(said(&state, &away), Ok(vec!["a elsewhere wasi:keyvalue/store {}".to_owned()]));
    assert!(leads_away(&state, &away) && !leads_away(&state, &link("a", "b", &["store"])));
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
