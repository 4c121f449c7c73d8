//! Links in the place of others, as lists of `TARGET INTERFACE...`: with `!` behind the target for a whole package.

use super::*;
use crate::hands::Deed;

fn link(line: &str) -> LatticeLink {
    let mut words = line.split_whitespace().map(str::to_owned);
    let target = words.next().expect("a target");
    LatticeLink {
        source_id: "till".into(),
        target: target.trim_end_matches('!').to_owned(),
        name: "default".into(),
        wit_namespace: "demo".into(),
        wit_package: "shop".into(),
        interfaces: words.collect(),
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: None,
        is_whole: target.ends_with('!'),
    }
}

fn links(lines: &str) -> Vec<LatticeLink> {
    lines.split(',').filter(|line| !line.trim().is_empty()).map(link).collect()
}

fn shown(links: &[LatticeLink]) -> String {
    let line = |link: &LatticeLink| {
        let whole = if link.is_whole { "!" } else { "" };
        [vec![format!("{}{whole}", link.target)], link.interfaces.clone()].concat().join(" ")
    };
    links.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn wanted(contract: Option<&str>) -> LinkDel {
    let contract = contract.map(|contract| contract.parse().expect("contracts"));
    LinkDel { source: "till".parse().expect("a name"), name: Default::default(), contract }
}

#[test]
fn a_link_takes_the_place_of_what_led_the_same_imports_elsewhere() {
    let cases = [
        ("", "p1 a", "p1 a"),
        ("p1 a", "p2 a", "p2 a"),
        ("p1 a b", "p2 a", "p1 b, p2 a"),
        // Links to one target are one.
        ("p1 b", "p1 a", "p1 b a"),
        ("p1 a, p2 b", "p3! a b", "p3! a b"),
        ("p1! a b", "p1! a b c", "p1! a b c"),
        ("p1! a b", "p2 a", "p1! b, p2 a"),
        ("keyvalue/redis a b", "p1 a", "keyvalue/redis b, p1 a"),
        ("keyvalue/redis", "p1 a", "keyvalue/redis, p1 a"),
        ("keyvalue/redis a, p1 b", "keyvalue/memory a b", "keyvalue/memory a b"),
        ("p1! a", "keyvalue/redis a", "keyvalue/redis a"),
    ];
    for (before, put, expected) in cases {
        let mut now = links(before);
        replace_link(&mut now, &link(put));
        assert_eq!(shown(&now), expected, "{before} + {put}");
        replace_link(&mut now, &link(put));
        assert_eq!(shown(&now), expected, "the same twice changes nothing: {before} + {put}");
    }
    let other = LatticeLink { name: "cache".into(), ..link("p1 a") };
    let mut now = vec![other.clone()];
    replace_link(&mut now, &link("p2 a"));
    assert_eq!(now, [other, link("p2 a")], "one of another name stays");
}

#[test]
fn what_is_put_for_one_interface_leaves_terms_and_settings_of_others_to_the_same_target() {
    let slow = |line: &str| LatticeLink { terms: "timeout=2s".parse().ok(), ..link(line) };
    let told = |line: &str| LatticeLink { target_config: vec!["s".into()], ..link(line) };
    let mut now = links("p1 a b");
    let puts = [
        (slow("p1 a"), vec![link("p1 b"), slow("p1 a")]),
        (slow("p1 b"), vec![slow("p1 a b")]),
        (told("p1 a"), vec![slow("p1 b"), told("p1 a")]),
        (link("p1 a b"), vec![link("p1 a b")]),
        (slow("p1! a b"), vec![slow("p1! a b")]),
        (told("p1! a b c"), vec![told("p1! a b c")]),
        (slow("keyvalue/redis a"), vec![slow("keyvalue/redis a")]),
        (told("keyvalue/redis a"), vec![told("keyvalue/redis a")]),
    ];
    for (put, expected) in puts {
        for _ in 0..2 {
            replace_link(&mut now, &put);
            assert_eq!(now, expected, "{put:?}");
        }
    }
}

#[test]
fn what_is_deleted_is_what_was_meant() {
    let cases = [
        ("p1 a b", Some("demo:shop/a"), "p1 b", "p1 a b"),
        ("p1 a, p2 b", Some("demo:shop"), "p1 a, p2 b", ""),
        ("p1 a b", Some("demo:shop"), "", "p1 a b"),
        ("p1 a, p1 b", Some("demo:shop/b"), "p1 a", "p1 b"),
        ("p1 a, p1 b", Some("demo:shop"), "p1 a, p1 b", ""),
        ("p1 a, p2 b", Some("demo:shop/b"), "p1 a", "p2 b"),
        ("keyvalue/redis a b", Some("demo:shop/a"), "", "keyvalue/redis a b"),
        ("keyvalue/redis, p1 a", Some("demo:shop"), "p1 a", "keyvalue/redis"),
        ("p1! b, p2 a", Some("demo:shop/a"), "p1! b", "p2 a"),
        ("p1 a", None, "", "p1 a"),
        // Which of two is not said.
        ("p1 a, p2 b", None, "p1 a, p2 b", ""),
        ("p1 a b", None, "p1 a b", ""),
        ("p1! a b", None, "", "p1! a b"),
        ("keyvalue/redis a b", None, "", "keyvalue/redis a b"),
        ("p1 a", Some("demo:other"), "p1 a", ""),
        ("p1 a", Some("demo:shop/b"), "p1 a", ""),
    ];
    for (before, contract, expected, taken) in cases {
        let mut now = links(before);
        let first = drop_link(&mut now, &wanted(contract));
        assert_eq!(
            (shown(&now).as_str(), shown(first.as_slice()).as_str()),
            (expected, taken),
            "{before} - {contract:?}"
        );
    }
}

#[test]
fn a_link_has_settings_of_its_own_under_a_name_that_is_new() {
    let told = |url: &str| Labels::from([("url".to_owned(), url.to_owned())]);
    let mut state = State::default();
    let redis = link("keyvalue/redis a");
    let name = |state: &State, url: &str| name_settings(state, (&redis, "NBI3HQ2U4DPL"), &told(url));
    let first = name(&state, "a");
    assert_eq!(first, "link.of/till/default/demo/shop/NBI3HQ2U-1");
    let named = |name: &String| LatticeLink { target_config: vec![name.clone(), "polite".into()], ..redis.clone() };
    state.config.insert(first.clone(), told("a"));
    let second = name(&state, "a");
    assert_ne!(second, first, "what no link names is about to be forgotten");
    state.links.insert("till".into(), vec![named(&first)]);
    assert_eq!(name(&state, "a"), first, "those that are the same have a name");
    assert_eq!(name(&state, "b"), second);
    assert_eq!(second, "link.of/till/default/demo/shop/NBI3HQ2U-2");
    assert_ne!(name_settings(&state, (&redis, "NOTHERHOST"), &told("a")), first, "another host's are its own");

    state.config.insert(second.clone(), told("b"));
    state.links.insert("till".into(), vec![named(&second)]);
    let left = left_settings(&state, &[named(&first)], "NBI3HQ2U4DPL");
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [first], "what people named is theirs, and what is named stays");
}

#[test]
fn what_a_link_is_told_is_looked_at_before_it_is_kept() {
    let mut state = State::default();
    let requests = LatticeLink {
        source_id: "http".into(),
        wit_namespace: "wasi".into(),
        wit_package: "http".into(),
        ..link("till incoming-handler")
    };
    let told = Labels::from([("path".to_owned(), "/a".to_owned())]);
    let (named, checks) = told_of_its_own(&mut state, (&requests, "NA"), &told);
    assert_eq!(named.target_config, ["link.of/http/default/wasi/http/NA-1"]);
    let [Step::Do(Deed::CheckRoute(route))] = checks.as_slice() else { panic!("not a route: {checks:?}") };
    assert_eq!(route.config, told);
    assert_eq!(state, State::default(), "nothing is known of it yet");
    let (named, _) = told_of_its_own(&mut state, (&requests, "NA"), &Labels::new());
    assert_eq!(named, requests, "what is told nothing names nothing");
}
