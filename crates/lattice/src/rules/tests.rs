//! Commands as stories.

use expect_test::expect;
use model::fact::Fact;
use model::lattice::{
    ComponentAuctionRequest, ComponentSpec, DeleteLink, Labels, LatticeLink, PutLabel, PutLink, ScaleComponent,
    StartProvider, UpdateComponent,
};
use model::{ComponentLimits, ComponentName, LinkPut};

use super::links::{leads_away, mapped};
use super::*;
use crate::merge::Holdings;
use crate::state::{Provides, Runs, State};

fn runs(image_ref: &str, count: u32) -> Runs {
    Runs { image_ref: image_ref.into(), count, ..Runs::default() }
}

fn state(components: &[&str]) -> State {
    let components = components.iter().map(|id| (name(id), runs("file:///a", 1)));
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
        is_whole: false,
    }
}

/// What is done for a command to scale, one step a line, and what undoes it.
fn scaled(state: &State, command: ScaleComponent) -> String {
    shown(&course(state, "N", &Command::Scale(name("a"), command)).1)
}

fn shown(course: &Result<Course, String>) -> String {
    let lines = |steps: &[Step]| steps.iter().map(|step| format!("{step}\n")).collect::<String>();
    match course {
        Ok(Course { steps, undo }) if undo.is_empty() => lines(steps),
        Ok(Course { steps, undo }) => format!("{}or\n{}", lines(steps), lines(undo)),
        Err(why) => format!("nothing: {why}\n"),
    }
}

fn name(name: &str) -> ComponentName {
    name.parse().expect("a name")
}

#[test]
fn a_component_is_started_and_stopped_by_its_number() {
    expect![[r#"
        say that a runs from x, 0 at once
    "#]]
    .assert_eq(&scaled(&State::default(), command("x", 0)));
    expect![[r#"
        start a from x, 5 at once
        a runs from x, 5 at once
        tell a its settings
        link a as the lattice does
        keep that a comes from x
        keep the claims of a
        say that a runs from x, 5 at once
        or
        a does not run
        stop a
    "#]]
    .assert_eq(&scaled(&State::default(), command("x", 5)));
    expect![[r#"
        stop a
        a does not run
        say that a runs from file:///a, 0 at once
    "#]]
    .assert_eq(&scaled(&state(&["a"]), command("file:///a", 0)));
}

#[test]
fn a_component_that_runs_is_changed_whole_or_not() {
    let running = state(&["a"]);
    expect![[r#"
        say that a runs from file:///a, 1 at once
    "#]]
    .assert_eq(&scaled(&running, command("file:///a", 1)));
    expect![[r#"
        a runs from file:///a, 3 at once
        allow a 3 at once
        say that a runs from file:///a, 3 at once
        or
        a runs from file:///a, 1 at once
        allow a 1 at once
    "#]]
    .assert_eq(&scaled(&running, command("y", 3)));
    let mut running = running;
    running.config.insert("s".into(), Labels::new());
    let with_settings = ScaleComponent { config: vec!["s".into()], allow_update: true, ..command("y", 1) };
    expect![[r#"
        a runs from file:///a, 1 at once
        tell a its settings
        allow a 1 at once
        exchange a for what comes from y
        a runs from y, 1 at once
        keep that a comes from y
        keep the claims of a
        say that a runs from y, 1 at once
        say that a runs from file:///a, 0 at once
        or
        a runs from file:///a, 1 at once
        tell a its settings
        allow a 1 at once
    "#]]
    .assert_eq(&scaled(&running, with_settings));
}

#[test]
fn limits_are_taken_left_and_lifted_and_nonsense_is_refused() {
    let limited = |count, limits: &[(&str, &str)]| {
        let limits = limits.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        ScaleComponent { component_limits: Some(limits), ..command("x", count) }
    };
    let memory = [("max_memory_limit", "65536"), ("max_execution_time", "2")];
    let started = scaled(&State::default(), limited(1, &memory));
    assert!(started.starts_with("start a from x, 1 at once, with 64 KiB of memory and 2 s\n"), "{started}");
    let limits = ComponentLimits::read(&limited(1, &memory).component_limits.expect("limits")).expect("limits");
    let state = State { components: [(name("a"), Runs { limits, ..runs("x", 1) })].into(), ..State::default() };
    assert_eq!(scaled(&state, command("x", 1)), "say that a runs from x, 1 at once\n", "they are left as they are");
    expect![[r#"
        a runs from x, 1 at once
        limit a to no limits of its own
        allow a 1 at once
        say that a runs from x, 1 at once
        or
        a runs from x, 1 at once
        limit a to 64 KiB of memory and 2 s
        allow a 1 at once
    "#]]
    .assert_eq(&scaled(&state, limited(1, &[])));
    let nonsense = [("max_memory_limit", "much")];
    let why = r#"max_memory_limit is a whole number of bytes, 1 or more, and not "much""#;
    assert_eq!(scale_words(None, &limited(1, &nonsense)), Err(why.into()));
    assert_eq!(scaled(&state, limited(1, &nonsense)), format!("nothing: {why}\n"));
    assert!(scaled(&state, limited(0, &nonsense)).starts_with("stop a"), "to end it they need not be right");
}

#[test]
fn settings_that_are_not_known_keep_a_component_from_starting() {
    let asked = ScaleComponent { config: vec!["s".into(), "SECRET_k".into()], ..command("x", 1) };
    let why = expect![[r#"
        nothing: Configuration s not found in config store. Secret reference SECRET_k not found in config store.
    "#]];
    why.assert_eq(&scaled(&State::default(), asked.clone()));
    why.assert_eq(&scaled(&state(&["a"]), asked.clone()));
    let config = ["s", "SECRET_k"].map(|name| (name.to_owned(), Labels::new())).into();
    let mut knowing = State { config, ..State::default() };
    let why = scaled(&knowing, asked.clone());
    assert!(why.starts_with("nothing: SECRET_k is a secret, and this host has none to give to a component"), "{why}");
    knowing.components = state(&["a"]).components;
    assert_eq!(scaled(&knowing, asked.clone()), why, "nor is it what one that runs may have from now on");
    let ended = ScaleComponent { count: 0, ..asked.clone() };
    assert!(scaled(&state(&["a"]), ended).starts_with("stop a"), "to end it they need not be there");
    let (aim, _) = course(&State::default(), "N", &Command::Scale(name("a"), asked));
    let missed = aim.missed("why".into());
    assert!(
        matches!(missed, Fact::ComponentScaleFailed { scaled, error } if scaled.image_ref == "x" && error == "why")
    );
}

#[test]
fn what_has_ended_is_not_updated() {
    let to = |new: &str| UpdateComponent {
        component_id: "a".into(),
        new_component_ref: new.into(),
        host_id: String::new(),
        annotations: Labels::new(),
    };
    let updated = |state: &State| shown(&course(state, "N", &Command::Update(name("a"), to("y"))).1);
    assert_eq!(updated(&State::default()), "");
    expect![[r#"
        exchange a for what comes from y
        a runs from y, 1 at once
        keep that a comes from y
        keep the claims of a
        say that a runs from y, 1 at once
        say that a runs from file:///a, 0 at once
    "#]]
    .assert_eq(&updated(&state(&["a"])));
}

#[test]
fn another_place_is_warned_of_or_taken() {
    let running = runs("x", 2);
    assert_eq!(scale_words(None, &command("x", 1)), Ok(String::new()));
    assert_eq!(scale_words(Some(&running), &command("x", 9)), Ok(String::new()));
    assert_eq!(
        scale_words(Some(&running), &command("y", 9)),
        Ok("component a runs from x, and that is not changed to y: an update does it".into())
    );
    let update = |to: &str| UpdateComponent {
        component_id: "a".into(),
        new_component_ref: to.into(),
        host_id: String::new(),
        annotations: Labels::new(),
    };
    assert_eq!(update_words(None, &update("y")), Err("component a not found".into()));
    assert_eq!(update_words(Some(&running), &update("x")), Ok(("component a already updated to x".into(), false)));
    assert_eq!(update_words(Some(&running), &update("y")), Ok(("component a updating from x to y".into(), true)));
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
    assert_eq!(bids.map(|(id, zone)| super::bids(&state, &request(id, zone))), [true, true, false, false]);
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
fn what_a_link_has_of_its_own_nobody_else_can_name() {
    let own = "link.of/a/default/wasi/keyvalue/N-1".to_owned();
    let mut state = state(&["a"]);
    state.config.insert(own.clone(), [("password".to_owned(), "hunter2".to_owned())].into());
    state.config.insert("s".into(), Labels::new());
    let naming = |target: &str, names: &[&str]| LatticeLink {
        target_config: names.iter().map(|it| (*it).to_owned()).collect(),
        ..link("a", target, &["store"])
    };
    let redis = naming("keyvalue/redis", &[&own]);
    let unknown = "Failed to validate configuration and secrets. Configuration link.of/a/default/wasi/keyvalue/N-1 not \
                   found in config store. ";
    assert_eq!(check_settings(&state, &redis), Err(unknown.into()), "there is no link that has them");
    state.links.insert("a".into(), vec![redis.clone()]);
    let terms = "timeout=2s".parse().ok();
    assert_eq!(check_settings(&state, &LatticeLink { terms, ..redis.clone() }), Ok(()), "it is the same link");
    let others = [
        LatticeLink { source_id: "b".into(), ..redis.clone() },
        LatticeLink { name: "other".into(), ..redis.clone() },
        LatticeLink { source_config: vec![own.clone()], ..redis.clone() },
        naming("files", &[&own]),
        // What comes later would count, and lead the password elsewhere.
        naming("keyvalue/redis", &[&own, "s"]),
    ];
    for other in &others {
        assert_eq!(check_settings(&state, other), Err(unknown.into()), "{other:?}");
        assert_eq!(announced(&state, other), None, "nor would anybody hear of it: {other:?}");
    }
    let asked = ScaleComponent { config: vec![own.clone()], ..command("x", 1) };
    let nothing = "nothing: Configuration link.of/a/default/wasi/keyvalue/N-1 not found in config store.\n";
    assert_eq!(scaled(&State { components: Default::default(), ..state.clone() }, asked), nothing);
    assert_eq!(super::settings::check_names(&state, &[own]), Err(nothing["nothing: ".len()..].trim_end().to_owned()));
    assert_eq!(super::settings::check_names(&state, &["s".to_owned()]), Ok(()));
}

/// Puts a link as a stock client does.
fn put(links: &mut Vec<LatticeLink>, link: LatticeLink) -> Result<(), String> {
    put_link(links, &PutLink { link, replaces: false })
}

/// Puts a link in the place of what gives the same.
fn replace(links: &mut Vec<LatticeLink>, link: LatticeLink) {
    assert_eq!(put_link(links, &PutLink { link, replaces: true }), Ok(()));
}

#[test]
fn a_link_of_a_stock_client_stands_beside_others_or_in_their_place() {
    let mut links = vec![link("a", "kv", &["store"])];
    assert_eq!(put(&mut links, link("a", "other", &["atomics"])), Ok(()));
    assert!(put(&mut links, link("a", "third", &["store", "watch"])).is_err(), "it has another target");
    assert_eq!(put(&mut links, link("a", "kv", &["store", "batch"])), Ok(()));
    assert_eq!(links, [link("a", "kv", &["store", "batch"]), link("a", "other", &["atomics"])], "one is replaced");
    // To a stock client all links to one target are one.
    let slow = LatticeLink { terms: "timeout=2s".parse().ok(), ..link("a", "kv", &["batch"]) };
    let mut links = vec![link("a", "kv", &["store"]), link("a", "other", &["atomics"]), slow];
    assert_eq!(put(&mut links, link("a", "kv", &["store", "batch"])), Ok(()));
    assert_eq!(links, [link("a", "kv", &["store", "batch"]), link("a", "other", &["atomics"])]);
    let mut links = vec![link("a", "keyvalue/redis", &[])];
    assert!(put(&mut links, link("a", "keyvalue/nats", &["store"])).is_err(), "a backend is for the package");
    assert_eq!(links, [link("a", "keyvalue/redis", &[])]);
    let mut links = vec![link("a", "kv", &["store"])];
    assert!(put(&mut links, link("a", "keyvalue/redis", &["store"])).is_err(), "the interface leads elsewhere");
}

#[test]
fn a_link_that_replaces_leaves_nothing_of_what_gave_the_same() {
    let mut links = Vec::new();
    for target in ["keyvalue/redis", "keyvalue/nats", "keyvalue/redis"] {
        replace(&mut links, link("a", target, &[]));
        assert_eq!(links, [link("a", target, &[])]);
    }
    // Of several interfaces those are left that lead where they led.
    let mut links = vec![link("a", "kv", &["store", "batch"]), link("b", "kv", &["store"])];
    replace(&mut links, link("a", "other", &["store"]));
    let left = [link("a", "kv", &["batch"]), link("b", "kv", &["store"]), link("a", "other", &["store"])];
    assert_eq!(links, left);
}

#[test]
fn who_is_displaced_is_known() {
    let before = [link("a", "kv", &["store", "batch"]), link("a", "far", &["watch"]), link("b", "kv", &["store"])];
    let displaced = |link: LatticeLink, replaces: bool| displaced(&before, &PutLink { link, replaces });
    assert_eq!(displaced(link("a", "other", &["store"]), true), [before[0].clone()]);
    assert_eq!(displaced(link("a", "keyvalue/redis", &["store"]), true), before[..2]);
    assert!(displaced(link("a", "kv", &["batch"]), true).is_empty(), "it leads where it led");
    assert!(displaced(link("a", "other", &["store"]), false).is_empty(), "a stock client is refused");
}

#[test]
fn a_link_is_taken_once() {
    let wanted = |interface: Option<&str>| DeleteLink {
        source_id: "a".into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "keyvalue".into(),
        interface: interface.map(ToOwned::to_owned),
    };
    let mut links = vec![link("a", "kv", &["store"])];
    assert_eq!(take_link(&mut links, &wanted(None)), Some(link("a", "kv", &["store"])));
    assert_eq!(take_link(&mut links, &wanted(None)), None);
    let mut links = vec![link("a", "kv", &["store", "batch"]), link("a", "keyvalue/redis", &[])];
    assert_eq!(take_link(&mut links, &wanted(Some("batch"))), Some(link("a", "kv", &["batch"])));
    assert_eq!(links, [link("a", "kv", &["store"]), link("a", "keyvalue/redis", &[])]);
    assert_eq!(take_link(&mut links, &wanted(None)), Some(link("a", "keyvalue/redis", &[])), "all of the package");
    assert_eq!(take_link(&mut links, &wanted(Some("batch"))), None);
    assert_eq!(take_link(&mut links, &wanted(Some("store"))), Some(link("a", "kv", &["store"])));
    assert!(links.is_empty());
}

/// Learns what is kept under a key, and shows what follows.
fn follows(state: &mut State, kind: Kind, key: &str, value: Option<String>) -> String {
    let steps = learned(state, kind, key, value.as_ref().map(String::as_bytes));
    steps.iter().map(|step| format!("{step}\n")).collect()
}

#[test]
fn what_is_learned_of_a_source_is_what_has_changed() {
    let mut state = state(&["a", "b", "c"]);
    let (store, batch) = (link("a", "b", &["store"]), link("a", "b", &["batch"]));
    let mut learn = |links: &[&LatticeLink]| {
        let spec = ComponentSpec { url: String::new(), links: links.iter().copied().cloned().collect() };
        let value = serde_json::to_string(&spec).expect("JSON");
        follows(&mut state, Kind::Components, "COMPONENT_a", Some(value))
    };
    assert_eq!(learn(&[&store, &batch]), "link a to b\nlink a to b\n");
    assert_eq!(learn(&[&store, &batch]), "");
    assert_eq!(learn(&[&batch]), "try to unlink a (default)\n");
    // Another target for the same imports takes the place of the one before: nothing is unlinked in between.
    assert_eq!(learn(&[&link("a", "c", &["batch"])]), "link a to c\n");
    let (both, apart) = (link("a", "c", &["batch", "store"]), link("a", "b", &["store"]));
    assert_eq!(learn(&[&both]), "link a to c\nlink a to c\n");
    assert_eq!(learn(&[&link("a", "c", &["batch"]), &apart]), "link a to c\nlink a to b\n");
    assert_eq!(learn(&[&link("a", "c", &["batch"])]), "try to unlink a (default)\n");
    // A backend gives whole packages, which is another link than that for an interface.
    let backend = link("a", "keyvalue/redis", &["batch"]);
    assert_eq!(learn(&[&backend]), "try to unlink a (default)\nlink a to keyvalue/redis\n");
    // Where what it leads to is elsewhere, it is the lattice's whether it can be put here or not.
    let away = link("a", "away", &["watch"]);
    assert_eq!(learn(&[&backend, &away]), "try to link a to away\n");
    // Of two links to one target each has its own terms.
    let slow = LatticeLink { terms: "timeout=2s".parse().ok(), ..batch.clone() };
    let both_out = "try to unlink a (default)\ntry to unlink a (default)\n";
    assert_eq!(learn(&[&store, &slow]), format!("{both_out}link a to b\nlink a to b\n"));
    assert_eq!(learn(&[&slow]), "try to unlink a (default)\n");
    assert_eq!(learn(&[&slow, &store]), "link a to b\n");
    let back = format!("{both_out}link a to keyvalue/redis\ntry to link a to away\n");
    assert_eq!(learn(&[&backend, &away]), back);
    // What may not leave the host is led away by nothing that was put before.
    let local = LatticeLink { terms: Some("local".parse().expect("terms")), ..away };
    assert_eq!(learn(&[&backend, &local]), "try to unlink a (default)\ntry to link a to away\n");
    assert_eq!(learn(&[]), "try to unlink a (default)\ntry to unlink a (default)\n");
    assert_eq!(follows(&mut state, Kind::Components, "COMPONENT_a", Some("{".into())), "", "it cannot be read");
}

#[test]
fn settings_are_learned_once_and_told_to_who_has_them() {
    let mut state = state(&["a", "b"]);
    state.components.get_mut(&name("a")).expect("it runs").config = vec!["s".into()];
    let told = LatticeLink { target_config: vec!["s".into()], ..link("b", "keyvalue/redis", &["store"]) };
    state.links.insert("b".into(), vec![told]);
    let some = Some(r#"{"k":"v"}"#.to_owned());
    let anew = "try to tell a its settings\ntry to link b to keyvalue/redis\n";
    let learned = [some.clone(), some, Some("[]".into()), None, None];
    let followed = learned.map(|value| follows(&mut state, Kind::Settings, "s", value));
    assert_eq!(followed, [anew, "", "", anew, ""]);
}

/// What a link is told and the link itself are told of by two watches, of which either may be the later.
#[test]
fn a_link_is_put_with_its_own_settings_and_never_without_them() {
    let mut state = state(&["a"]);
    provided(&mut state, "files");
    let own = |number: u8| format!("link.of/a/default/wasi/keyvalue/N-{number}");
    let spec = |target: &str, number: u8| {
        let links = vec![LatticeLink { target_config: vec![own(number)], ..link("a", target, &["store"]) }];
        Some(serde_json::to_string(&ComponentSpec { url: String::new(), links }).expect("JSON"))
    };
    let some = |value: &str| Some(format!(r#"{{"k":"{value}"}}"#));
    assert_eq!(follows(&mut state, Kind::Settings, &own(1), some("1")), "");
    let redis = |number: u8| spec("keyvalue/redis", number);
    assert_eq!(follows(&mut state, Kind::Components, "COMPONENT_a", redis(1)), "link a to keyvalue/redis\n");
    assert_eq!(follows(&mut state, Kind::Settings, &own(1), None), "", "it goes on with those that it has");
    assert_eq!(follows(&mut state, Kind::Components, "COMPONENT_a", redis(2)), "");
    let shown = |steps: Vec<Step>| steps.iter().map(|step| format!("{step}\n")).collect::<String>();
    let unknown = "try to fail: what a is to tell keyvalue/redis is not known here yet\n";
    assert_eq!(shown(as_known(&state)), unknown, "nor is it put without them after a restart");
    let put = "try to link a to keyvalue/redis, as is kept\n";
    assert_eq!(follows(&mut state, Kind::Settings, &own(2), some("2")), put);
    assert_eq!(shown(as_known(&state)), put);

    follows(&mut state, Kind::Components, "COMPONENT_a", spec("files", 3));
    let briefed = |state: &State| briefing(state, &name("files")).expect("it runs").links.len();
    assert_eq!(briefed(&state), 0, "nor is a provider told of it without them");
    let briefs = follows(&mut state, Kind::Settings, &own(3), some("3"));
    assert!(briefs.ends_with("try to brief files\n") && briefed(&state) == 1, "{briefs}");
}

#[test]
fn who_comes_from_elsewhere_has_settings_as_they_are_here_and_no_link_that_is_not_here() {
    let mut state = state(&["a", "b", "c"]);
    state.components.get_mut(&name("a")).expect("it runs").config = vec!["s".into()];
    state.links.insert("a".into(), vec![link("a", "here", &["store"])]);
    state.links.insert("c".into(), vec![link("c", "here", &["store"])]);
    let spec = |link: LatticeLink| (link.source_id.clone(), ComponentSpec { url: String::new(), links: vec![link] });
    let requests = LatticeLink { wit_package: "http".into(), ..link("http", "there", &["incoming-handler"]) };
    let (a, b, c) =
        (link("a", "there", &["store", "batch"]), link("b", "there", &["store"]), link("c", "there", &["store"]));
    let had = [a, b, c, requests];
    let had = Holdings { components: had.map(spec).into(), ..Holdings::default() };
    let follows = |kind: Kind, keys: &[&str]| {
        let steps = recalled(&state, kind, (&had, keys.iter().copied()));
        steps.iter().map(|step| format!("{step}\n")).collect::<String>()
    };
    assert_eq!(follows(Kind::Settings, &[]), "try to tell a its settings\n");
    let unlinked = "try to unlink a (default)\n";
    // What is put in the place of another takes nothing out, and of what nothing is known nothing is done.
    assert_eq!(follows(Kind::Components, &["COMPONENT_a", "COMPONENT_c", "CLAIMS_b"]), unlinked);
    assert_eq!(follows(Kind::Components, &["COMPONENT_http"]), "try to lead no requests from http to there\n");
}

#[test]
fn a_link_from_the_hosts_themselves_leads_requests() {
    let mut state = state(&["a"]);
    let from = |source: &str, target: &str| LatticeLink {
        wit_package: "http".into(),
        target_config: vec!["s".into()],
        ..link(source, target, &["incoming-handler"])
    };
    let mut learn = |link: &LatticeLink| {
        let spec = ComponentSpec { url: String::new(), links: vec![link.clone()] };
        let value = serde_json::to_string(&spec).expect("JSON");
        follows(&mut state, Kind::Components, &format!("COMPONENT_{}", link.source_id), Some(value))
    };
    assert_eq!(learn(&from("http", "a")), "lead requests from http to a\n");
    // They are led somewhere all the time.
    assert_eq!(learn(&from("http", "b")), "lead requests from http to b\ntry to lead no requests from http to a\n");
    assert_eq!(learn(&from("provider", "a")), "", "others listen");
    let told = follows(&mut state, Kind::Settings, "s", Some(r#"{"path":"/a"}"#.into()));
    assert_eq!(told, "try to lead requests from http to b\n");
    let shown = |steps: Vec<Step>| steps.iter().map(|step| format!("{step}\n")).collect::<String>();
    assert_eq!(shown(as_known(&state)), "try to lead requests from http to b\n");
    assert_eq!(shown(checks(&state, &from("http", "c"))), "check whether requests can be led from http to c\n");
    state.run(name("http"), Some(runs("file:///a", 1)));
    assert_eq!(shown(checks(&state, &from("http", "c"))), "", "it is a component's own");
}

#[test]
fn what_comes_is_linked_and_who_links_to_it_as_far_as_that_can_be() {
    let mut state = state(&["a", "b"]);
    let links = [link("a", "b", &["store"]), link("b", "a", &["batch"]), link("gone", "a", &["batch"])];
    state.links = links.iter().map(|link| (link.source_id.clone(), vec![link.clone()])).collect();
    let shown = |steps: Vec<Step>| steps.iter().map(|step| format!("{step}\n")).collect::<String>();
    assert_eq!(shown(links_with(&state, &name("a"))), "link a to b\ntry to link b to a\n");
    let kept = "try to link a to b, as is kept\ntry to link b to a, as is kept\n";
    assert_eq!(shown(as_known(&state)), kept, "they count, whatever their targets say");
    assert_eq!(shown(checks(&state, &links[0])), "check whether a can be linked to b\n");
    state.run(name("b"), None);
    assert_eq!(shown(checks(&state, &links[0])), "", "what is elsewhere is not known here");
    let terms = "retry=1".parse().ok();
    let asked = LatticeLink { wit_package: "http".into(), terms, ..link("a", "away", &["outgoing-handler"]) };
    assert!(shown(checks(&state, &asked)).contains("leave retry out"), "that is so wherever it leads");
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

fn provided(state: &mut State, id: &str) {
    let config = vec!["own".to_owned()];
    state.provide(name(id), Some(Provides { image_ref: "file:///p.par".into(), config, ..Provides::default() }));
}

fn start(config: &[&str]) -> Command {
    let command = StartProvider {
        provider_id: "files".into(),
        provider_ref: "file:///p.par".into(),
        host_id: "N".into(),
        config: config.iter().map(|it| (*it).to_owned()).collect(),
        annotations: Labels::new(),
    };
    Command::Start(name("files"), command)
}

#[test]
fn a_provider_is_told_its_links_and_settings_when_it_starts() {
    let mut state = State::default();
    let settings = |text: &str| Labels::from([(text.to_owned(), "1".to_owned())]);
    state.config.insert("own".into(), settings("colour"));
    state.config.insert("root".into(), settings("path"));
    let linked = LatticeLink { target_config: vec!["root".into()], ..link("shop", "files", &["store"]) };
    state.links.insert("shop".into(), vec![linked, link("shop", "other", &["batch"])]);
    expect![[r#"
        start provider files from file:///p.par
        provider files runs from file:///p.par
        brief files
        keep that files comes from file:///p.par
        keep the claims of files
        say that provider files runs
    "#]]
    .assert_eq(&shown(&course(&state, "N", &start(&["own"])).1));
    provided(&mut state, "files");
    let briefing = briefing(&state, &name("files")).expect("it runs");
    assert_eq!((briefing.links.len(), &briefing.config), (1, &settings("colour")));
    assert_eq!(briefing.links[0].target_config, settings("path"));
    expect![[r#"
        stop provider files
        provider files does not run
        say provider_stopped
    "#]]
    .assert_eq(&shown(&course(&state, "N", &Command::Stop(name("files"))).1));
}

#[test]
fn what_a_provider_cannot_have_is_said_before_anything_is_started() {
    let mut state = state(&["files"]);
    let why = |state: &State, config: &[&str]| shown(&course(state, "N", &start(config)).1);
    expect![[r#"
        nothing: a component that is called files runs here: calls would reach either of them
    "#]]
    .assert_eq(&why(&state, &[]));
    state.components.clear();
    expect![[r#"
        nothing: Configuration own not found in config store.
    "#]]
    .assert_eq(&why(&state, &["own"]));
    expect![[r#"
        nothing: SECRET_key is a secret, and this host has none to give to a provider
    "#]]
    .assert_eq(&why(&state, &["SECRET_key"]));
    provided(&mut state, "files");
    expect![[r#"
        nothing: provider with that ID is already running
    "#]]
    .assert_eq(&why(&state, &[]));
    assert_eq!(shown(&course(&State::default(), "N", &Command::Stop(name("files"))).1), "");
}

#[test]
fn a_provider_is_told_of_what_is_learned_about_it_and_of_nothing_else() {
    let mut state = State::default();
    provided(&mut state, "files");
    provided(&mut state, "mail");
    let mut learn = |kind: Kind, key: &str, value: &str| {
        let steps = learned(&mut state, kind, key, Some(value.as_bytes()));
        steps.iter().map(|step| format!("{step}\n")).collect::<String>()
    };
    let linked = LatticeLink { target_config: vec!["root".into()], ..link("shop", "files", &["store"]) };
    let spec = |links| serde_json::to_string(&ComponentSpec { url: String::new(), links }).expect("JSON");
    assert_eq!(learn(Kind::Components, "COMPONENT_shop", &spec(vec![linked])), "try to brief files\n");
    assert_eq!(learn(Kind::Settings, "root", r#"{"path":"/a"}"#), "try to brief files\n");
    assert_eq!(learn(Kind::Settings, "root", r#"{"path":"/a"}"#), "");
    assert_eq!(learn(Kind::Settings, "own", r#"{"colour":"red"}"#), "try to brief files\ntry to brief mail\n");
    assert_eq!(learn(Kind::Settings, "other", "{}"), "");
    let elsewhere = LatticeLink { target_config: vec!["root".into()], ..link("shop", "mail", &["store"]) };
    let both = "try to brief files\ntry to brief mail\n";
    assert_eq!(learn(Kind::Components, "COMPONENT_shop", &spec(vec![elsewhere])), both, "one is called no more");
    assert_eq!(learn(Kind::Components, "COMPONENT_shop", &spec(Vec::new())), "try to brief mail\n");
}

#[test]
fn registries_are_known_by_their_names_and_of_one_kind() {
    let said = |text: &str| logins(serde_json::from_str(text).expect("it is said so"));
    let taken = said(
        r#"{"https://GHCR.io/v2": {"username": "u", "password": "hunter2", "token": null, "registryType": "oci"},
        "lab:5000": {"token": "t"}}"#,
    );
    let taken = taken.expect("both are taken");
    let names: Vec<_> = taken.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["ghcr.io", "lab:5000"]);
    let deed = crate::hands::Deed::LogIn(taken);
    assert_eq!(deed.to_string(), "log in to [ghcr.io, lab:5000]");
    assert!(!format!("{deed:?}").contains("hunter2"));
    let other = said(r#"{"a.example": {"registryType": "bindle"}}"#).expect_err("another kind");
    assert!(other.contains("this host knows oci"), "{other}");
    assert!(said(r#"{"a b": {}}"#).expect_err("no name").contains("is no registry"));
    for nobody in ["{}", r#"{"username": "u"}"#, r#"{"password": "hunter2"}"#] {
        let error = said(&format!(r#"{{"ghcr.io": {nobody}}}"#)).expect_err("nobody is shown");
        assert!(error.contains("give a user name with a password") && !error.contains("hunter2"), "{error}");
    }
    let many: Vec<_> = (0..=256).map(|number| format!(r#""lab{number}": {{"token": "t"}}"#)).collect();
    assert!(said(&format!("{{{}}}", many.join(","))).expect_err("too many").contains("256 may be"));
}
