//! What is chosen is there, for all interfaces or for none.

use std::sync::Arc;

use engine::{Bound, Limits, NoEgress};
use wasmtime_wasi::WasiCtxBuilder;

use super::*;

fn instance() -> State {
    let links = [("wasi:keyvalue", "cache"), ("acme:shop/stock", "cache"), ("acme:shop/stock", "other")];
    let link = |(contracts, name): (&str, &str)| (contracts.parse().expect("contracts"), name.parse().expect("a name"));
    let mut bound = Bound::new(Arc::new(NoEgress));
    bound.insert(Names::new(links.map(link)));
    State::new(&mut WasiCtxBuilder::new(), &Arc::new(Limits::default()), Arc::new(bound))
}

fn set(state: &mut State, name: &str, interfaces: &[[&str; 3]]) -> Result<(), String> {
    let handle = |[namespace, package, name]: &[&str; 3]| {
        let made =
            lattice2::HostCallTargetInterface::new(state, (*namespace).into(), (*package).into(), (*name).into());
        made.expect("there is room")
    };
    let interfaces = interfaces.iter().map(handle).collect();
    lattice2::Host::set_link_name(state, name.into(), interfaces).expect("nothing is wrong with the handles")
}

const STORE: [&str; 3] = ["wasi", "keyvalue", "store"];
const STOCK: [&str; 3] = ["acme", "shop", "stock"];

#[test]
fn a_name_is_chosen_for_each_interface_by_itself() {
    let mut state = instance();
    assert_eq!(state.chosen("wasi:keyvalue/store"), "default");
    assert_eq!(set(&mut state, "cache", &[STORE, STOCK]), Ok(()));
    assert_eq!(set(&mut state, "other", &[STOCK]), Ok(()));
    assert_eq!((state.chosen("wasi:keyvalue/store"), state.chosen("acme:shop/stock")), ("cache", "other"));
    assert_eq!(state.chosen("wasi:keyvalue/atomics"), "default");
    for name in ["default", ""] {
        assert_eq!(set(&mut state, "cache", &[STORE]), Ok(()));
        assert_eq!(set(&mut state, name, &[STORE]), Ok(()));
        assert_eq!(state.chosen("wasi:keyvalue/store"), "default");
    }
}

#[test]
fn what_is_not_there_is_refused_and_changes_nothing() {
    let mut state = instance();
    assert_eq!(set(&mut state, "cache", &[STORE, STOCK]), Ok(()));
    let refused = set(&mut state, "other", &[STOCK, STORE]).expect_err("there is none for the store");
    assert_eq!(
        refused,
        "there is no link other for wasi:keyvalue/store; put one with `wattle link put … --name other`"
    );
    assert_eq!((state.chosen("wasi:keyvalue/store"), state.chosen("acme:shop/stock")), ("cache", "cache"));
    for (name, interface) in [("cache", ["wasi", "http", "types"]), ("no name", STORE), ("cache", ["", "", ""])] {
        assert!(set(&mut state, name, &[interface]).is_err(), "{name}");
    }
    let gone = [Resource::new_own(7)];
    assert!(lattice1::Host::set_link_name(&mut state, "cache".into(), gone.into()).is_err());
}
