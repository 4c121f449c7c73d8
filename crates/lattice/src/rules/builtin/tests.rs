//! What a host has in itself: what it can be told, and commands about it as stories.

use expect_test::expect;
use model::ComponentName;
use model::lattice::{LatticeLink, ProviderAuctionRequest, StartProvider};

use super::super::{Command, Course, Kind, Step, bids_for_provider, course, learned, listening, start_words};
use super::*;
use crate::state::{Runs, State};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn placed(server: &[(&str, &str)], link: &[(&str, &str)]) -> String {
    match place(&labels(server), labels(link)) {
        Ok(place) => place.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        Err(why) => why,
    }
}

#[test]
fn a_server_listens_where_its_links_say_or_where_it_is_told_itself() {
    assert_eq!(placed(&[], &[]), "address=0.0.0.0:8000");
    assert_eq!(placed(&[], &[("Address", "127.0.0.1:8080")]), "address=127.0.0.1:8080");
    assert_eq!(placed(&[("default_address", "127.0.0.1:1")], &[("path", "/a")]), "address=127.0.0.1:1 path=/a");
    assert_eq!(placed(&[], &[("listener", "admin")]), "listener=admin");
    let by_path = [("routing_mode", "path"), ("default_address", "127.0.0.1:1")];
    assert_eq!(placed(&by_path, &[("path", "/a")]), "address=127.0.0.1:1 path=/a$");
    assert!(placed(&by_path, &[]).contains("each of its links has a path"));
    let by_host = [("routing_mode", "host"), ("header", "Host")];
    assert_eq!(placed(&by_host, &[("host", "a.b")]), "address=0.0.0.0:8000 host=a.b");
    assert!(placed(&by_host, &[("path", "/a")]).contains("each of its links has a host"));
}

#[test]
fn what_would_not_be_followed_is_refused() {
    let refused = |builtin: Builtin, told: &[(&str, &str)]| builtin.check(&labels(told)).expect_err("it is refused");
    assert_eq!(
        refused(Builtin::HttpServer, &[("routing_mode", "magic")]),
        r#"the routing_mode of an http-server is address, path or host, and not "magic""#
    );
    assert!(refused(Builtin::HttpServer, &[("header", "x-tenant")]).contains("by the header host"));
    assert!(
        refused(Builtin::HttpServer, &[("addres", "x")]).contains("it has default_address, header and routing_mode")
    );
    assert!(refused(Builtin::HttpClient, &[("ssl_certs_file", "x")]).contains("--allow-http"));
    assert_eq!(Builtin::HttpClient.check(&Labels::new()), Ok(()));
}

#[test]
fn a_reference_means_one_of_them_or_none() {
    assert_eq!(Builtin::of("file:///a.par"), Ok(None));
    assert_eq!(Builtin::of("wasmcloud+builtin://http-server"), Ok(Some(Builtin::HttpServer)));
    assert_eq!(Builtin::of("wasmcloud+builtin://http-client"), Ok(Some(Builtin::HttpClient)));
    let refused = Builtin::of("wasmcloud+builtin://messaging-nats").expect_err("there is none");
    assert!(refused.starts_with("this host has no provider messaging-nats in itself"), "{refused}");
}

fn name(name: &str) -> ComponentName {
    name.parse().expect("a name")
}

fn started(image_ref: &str, config: &[&str]) -> StartProvider {
    StartProvider {
        provider_id: "web".into(),
        provider_ref: image_ref.into(),
        host_id: "N".into(),
        config: config.iter().map(|name| (*name).to_owned()).collect(),
        annotations: Labels::new(),
    }
}

fn link(source: &str, target: &str, interface: &str) -> LatticeLink {
    LatticeLink {
        source_id: source.into(),
        target: target.into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "http".into(),
        interfaces: vec![interface.into()],
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: None,
        is_whole: false,
    }
}

fn lines(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

fn shown(state: &State, command: &Command) -> String {
    match course(state, "N", command).1 {
        Ok(Course { steps, .. }) => lines(&steps),
        Err(why) => format!("nothing: {why}\n"),
    }
}

/// The state after a command, as far as it is one of providers.
fn after(mut state: State, command: &Command) -> State {
    for step in course(&state, "N", command).1.expect("it starts").steps {
        if let Step::Provide(id, runs) = step {
            state.provide(id, runs);
        }
    }
    state
}

#[test]
fn a_server_leads_requests_while_it_runs() {
    let mut state = State::default();
    state.links.insert("web".into(), vec![link("web", "shop", "incoming-handler"), link("web", "shop", "types")]);
    assert_eq!(lines(&listening(&state, &name("web"))), "", "nobody listens yet");
    let start = Command::Start(name("web"), started("wasmcloud+builtin://http-server", &[]));
    expect![[r#"
        provider web runs from wasmcloud+builtin://http-server
        lead requests from web as the lattice does
        keep that web comes from wasmcloud+builtin://http-server
        say that provider web runs
        say health_check_passed
    "#]]
    .assert_eq(&shown(&state, &start));
    let mut state = after(state, &start);
    assert_eq!(lines(&listening(&state, &name("web"))), "try to lead requests from web to shop\n");
    expect![[r#"
        try to lead no requests from web to shop
        provider web does not run
        say provider_stopped
    "#]]
    .assert_eq(&shown(&state, &Command::Stop(name("web"))));
    let gone = learned(&mut state, Kind::Components, "COMPONENT_web", None);
    assert_eq!(lines(&gone), "try to lead no requests from web to shop\n", "and it is told nothing");
}

#[test]
fn a_server_leads_requests_anew_when_it_is_told_something_else() {
    let mut state = State::default();
    state.config.insert("own".into(), labels(&[("default_address", "127.0.0.1:1")]));
    state.links.insert("web".into(), vec![link("web", "shop", "incoming-handler")]);
    let start = Command::Start(name("web"), started("wasmcloud+builtin://http-server", &["own"]));
    let mut state = after(state, &start);
    let told = learned(&mut state, Kind::Settings, "own", Some(br#"{"default_address":"127.0.0.1:2"}"#));
    assert_eq!(lines(&told), "try to lead requests from web as the lattice does\n");
}

#[test]
fn a_client_is_no_target_of_a_link_while_it_runs() {
    let runs = Runs { image_ref: "file:///a".into(), count: 1, ..Runs::default() };
    let mut state = State { components: [(name("shop"), runs)].into(), ..State::default() };
    state.links.insert("shop".into(), vec![link("shop", "web", "outgoing-handler")]);
    let start = Command::Start(name("web"), started("wasmcloud+builtin://http-client", &[]));
    expect![[r#"
        try to unlink shop (default)
        provider web runs from wasmcloud+builtin://http-client
        keep that web comes from wasmcloud+builtin://http-client
        say that provider web runs
        say health_check_passed
    "#]]
    .assert_eq(&shown(&state, &start));
    let state = after(state, &start);
    assert_eq!(lines(&super::super::links_with(&state, &name("shop"))), "");
    expect![[r#"
        provider web does not run
        link web as the lattice does
        say provider_stopped
    "#]]
    .assert_eq(&shown(&state, &Command::Stop(name("web"))));
}

#[test]
fn what_a_host_has_not_in_itself_is_neither_bid_for_nor_started() {
    let state = State::default();
    let bids = |image_ref: &str| {
        let (provider_ref, provider_id) = (image_ref.to_owned(), "web".to_owned());
        bids_for_provider(&state, &ProviderAuctionRequest { provider_ref, provider_id, constraints: Labels::new() })
    };
    assert!(bids("wasmcloud+builtin://http-server") && !bids("wasmcloud+builtin://messaging-nats"));
    let refused = start_words(&state, &name("web"), &started("wasmcloud+builtin://messaging-nats", &[]));
    assert!(refused.expect_err("it is refused").contains("messaging-nats"));
}
