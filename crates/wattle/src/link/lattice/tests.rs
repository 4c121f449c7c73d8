//! Which of the links of a lattice is meant.

use super::*;

fn link(target: &str, name: &str, interfaces: &[&str]) -> LatticeLink {
    LatticeLink {
        source_id: "till".into(),
        target: target.into(),
        name: name.into(),
        wit_namespace: "demo".into(),
        wit_package: "shop".into(),
        interfaces: interfaces.iter().map(|it| (*it).to_owned()).collect(),
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: None,
        is_whole: false,
    }
}

/// What is deleted of these links, where the contract is said like that or not at all.
fn deleted(links: &[LatticeLink], contract: Option<&str>) -> Result<String, String> {
    let contract = contract.map(|contract| contract.parse().expect("contracts"));
    let wanted = LinkDel { source: "till".parse().expect("a name"), name: Default::default(), contract };
    let DeleteLink { wit_namespace, wit_package, interface, .. } = meant(wanted, links)?;
    Ok(format!("{wit_namespace}:{wit_package} {}", interface.unwrap_or_default()))
}

#[test]
fn the_only_link_is_meant_where_nothing_is_said() {
    let only = [link("price", "default", &["tag", "stock"]), link("price", "cheap", &["tag"])];
    assert_eq!(deleted(&only, None), Ok("demo:shop ".into()));
    assert_eq!(deleted(&only, Some("demo:shop")), Ok("demo:shop ".into()));
    assert_eq!(deleted(&only, Some("demo:shop/tag")), Ok("demo:shop tag".into()));
}

#[test]
fn what_is_not_there_or_could_be_several_is_said() {
    let none = "till has no link that somebody put; say which with --contract";
    assert_eq!(deleted(&[link("price", "cheap", &["tag"])], None), Err(none.into()));
    let two = [link("price", "default", &["tag"]), link("store", "default", &["stock"])];
    let which = "till has demo:shop/tag, demo:shop/stock; say which with --contract";
    assert_eq!(deleted(&two, None), Err(which.into()));
    assert_eq!(deleted(&two, Some("demo:shop")), Err(which.into()));
    assert_eq!(deleted(&two, Some("demo:shop/stock")), Ok("demo:shop stock".into()));
    let missing = "till demo:shop/other has no link of that name that somebody put";
    assert_eq!(deleted(&two, Some("demo:shop/other")), Err(missing.into()));
    assert!(deleted(&two, Some("demo:other")).is_err());
}

/// A backend gives all of a package: whatever of it is named, that link is meant.
#[test]
fn a_link_to_a_backend_is_for_all_of_its_package() {
    let links = [link("price", "default", &["tag"]), link("keyvalue/redis", "default", &["stock"])];
    assert_eq!(deleted(&links, Some("demo:shop")), Ok("demo:shop ".into()));
    assert_eq!(deleted(&links, Some("demo:shop/other")), Ok("demo:shop other".into()));
}
