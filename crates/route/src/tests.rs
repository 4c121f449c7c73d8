//! Paths, and which route answers them.

use super::*;

fn routes(paths: &[&'static str]) -> Result<Routes<&'static str>, RouteError> {
    Routes::new(paths.iter().map(|path| (path.parse().expect("a path"), *path)))
}

#[test]
fn the_longest_route_answers() {
    let routes = routes(&["/", "/shop", "/shop/cart/"]).expect("routes");
    let table = [
        ("/", "/"),
        ("/x", "/"),
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/shop/x", "/shop"),
        ("/shopping", "/"),
        ("/shop/cart", "/shop/cart/"),
        ("/shop/cart/1/2", "/shop/cart/"),
        ("//shop", "/"),
        ("/%73hop", "/"),
        ("*", "/"),
    ];
    for (path, target) in table {
        // `OPTIONS *` has no slash at all and belongs to nobody.
        let wanted = (path != "*").then_some(target);
        assert_eq!(routes.find(path).copied(), wanted, "{path}");
    }
}

#[test]
fn without_a_route_there_is_no_target() {
    let routes = routes(&["/shop"]).expect("routes");
    assert_eq!(routes.find("/"), None);
    assert_eq!(routes.find(""), None);
    assert_eq!(routes.find("/sho"), None);
}

#[test]
fn a_path_is_routed_once() {
    assert_eq!(routes(&["/a", "/a/"]).expect_err("twice"), RouteError::Taken("/a".parse().expect("a path")));
    for text in ["", "shop", "/a?b", "/a b", "//", "/a//b", "/#"] {
        assert!(text.parse::<Prefix>().is_err(), "{text:?}");
    }
}

/// The table against the definition: walk every prefix of the path, longest first.
#[test]
fn finding_agrees_with_the_definition() {
    let all = ["/", "/a", "/a/b", "/b/a", "/ab", "/a/b/a"];
    let alphabet = ["/", "a", "b"];
    let mut paths = vec![String::from("/")];
    for _ in 0..5 {
        paths.extend(paths.clone().iter().flat_map(|path| alphabet.map(|letter| format!("{path}{letter}"))));
    }
    let routes = routes(&all).expect("routes");
    for path in paths {
        let below = |route: &&&str| **route == "/" || path == **route || path.starts_with(&format!("{route}/"));
        let wanted = all.iter().filter(below).max_by_key(|route| route.len());
        assert_eq!(routes.find(&path), wanted, "{path}");
    }
}
