//! Requests, and which route answers them.

use super::*;

fn routes(routes: &[&'static str]) -> Result<Routes<&'static str>, RouteError> {
    Routes::new(routes.iter().map(|route| (route.parse().expect("a route"), *route)))
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
        ("/shop//cart", "/shop"),
        ("/%73hop", "/"),
        ("", "/"),
        ("*", "nobody"),
        ("x/shop", "nobody"),
    ];
    for (path, target) in table {
        assert_eq!(routes.at(None).find(None, path).copied().unwrap_or("nobody"), target, "{path}");
    }
}

#[test]
fn what_says_most_of_a_path_answers() {
    let routes = routes(&["/a", "/a$", "/a/*", "/a/*/x$", "/a/b", "/*/b/c", "/a/b/*/d"]).expect("routes");
    let table = [
        ("/a", "/a$"),
        ("/a/", "/a$"),
        ("/a//", "/a"),
        ("/a/b", "/a/b"),
        ("/a/b/x", "/a/b"),
        ("/a/c/x", "/a/*/x$"),
        ("/a/c/x/y", "/a/*"),
        ("/a/c", "/a/*"),
        ("/x/b", "nobody"),
        ("/x/b/c", "/*/b/c"),
        ("/x/b/c/d", "/*/b/c"),
        // A word on the left says more than all that is right of it.
        ("/a/b/c", "/a/b"),
        ("/a/b/c/d", "/a/b/*/d"),
        ("/", "nobody"),
        ("//b/c", "nobody"),
    ];
    for (path, target) in table {
        assert_eq!(routes.at(None).find(None, path).copied().unwrap_or("nobody"), target, "{path}");
    }
}

#[test]
fn what_says_most_of_a_host_answers_if_it_has_the_path() {
    let all =
        ["/", "example.com/", "example.com/shop", "*.example.com/", "*.eu.example.com/shop", "[::1]/", "127.0.0.1/"];
    let routes = routes(&all).expect("routes");
    let table = [
        (None, "/shop", "/"),
        (Some("other.com"), "/shop", "/"),
        (Some("example.com"), "/", "example.com/"),
        (Some("EXAMPLE.com.:8080"), "/shop/x", "example.com/shop"),
        (Some("www.example.com"), "/shop", "*.example.com/"),
        (Some("a.eu.example.com:443"), "/shop", "*.eu.example.com/shop"),
        // It has no route for this path: the one above it has.
        (Some("a.eu.example.com"), "/x", "*.example.com/"),
        (Some("eu.example.com"), "/shop", "*.example.com/"),
        (Some("notexample.com"), "/", "/"),
        (Some("example.com.evil.org"), "/", "/"),
        (Some(".example.com"), "/", "*.example.com/"),
        (Some("[::1]:8080"), "/", "[::1]/"),
        (Some("127.0.0.1:80"), "/", "127.0.0.1/"),
        (Some(""), "/", "/"),
        (Some(":"), "/", "/"),
        (Some("example.com:x"), "/", "/"),
    ];
    for (host, path, target) in table {
        assert_eq!(routes.at(None).find(host, path).copied(), Some(target), "{host:?} {path}");
    }
}

#[test]
fn without_a_route_there_is_no_target() {
    let routes = routes(&["/shop", "example.com/x$"]).expect("routes");
    for (host, path) in [(None, "/"), (None, ""), (None, "/sho"), (None, "/x"), (Some("example.com"), "/x/y")] {
        assert_eq!(routes.at(None).find(host, path), None, "{host:?} {path}");
    }
}

#[test]
fn requests_are_routed_once() {
    for (one, same, shown) in [
        ("/a", "/a/", "/a"),
        ("/a$", "/a/$", "/a$"),
        ("/*/b", "/*/b/", "/*/b"),
        ("Example.COM/", "example.com./", "example.com/"),
        ("*.a.b/c", "*.A.b/c/", "*.a.b/c"),
    ] {
        let taken = routes(&[one, same]).expect_err(one);
        assert_eq!(taken.to_string(), format!("two components are routed at {shown}"));
    }
    assert!(routes(&["/a", "/a$", "/*", "a.b/a", "*.b/a", "/"]).is_ok(), "these are not the same");
}

#[test]
fn a_listener_with_a_name_has_routes_of_its_own() {
    let routes = routes(&["/", "admin@/", "admin@example.com/shop", "metrics@/x", "/@user"]).expect("routes");
    let table = [
        (None, "/x", Some("/")),
        (None, "/@user", Some("/@user")),
        (Some("admin"), "/x", Some("admin@/")),
        (Some("admin"), "/shop", Some("admin@example.com/shop")),
        (Some("metrics"), "/x", Some("metrics@/x")),
        (Some("metrics"), "/", None),
        (Some("other"), "/x", None),
        (Some(""), "/x", None),
    ];
    for (listener, path, target) in table {
        assert_eq!(routes.at(listener).find(Some("example.com"), path).copied(), target, "{listener:?} {path}");
    }
    assert!(routes.at(Some("admin")).by_host() && !routes.at(None).by_host());
    let taken = super::tests::routes(&["admin@/a", "admin@/a/"]).expect_err("they are the same");
    assert_eq!(taken.to_string(), "two components are routed at admin@/a");
}

#[test]
fn what_is_no_route_is_refused() {
    for text in [
        "",
        "shop",
        "/a?b",
        "/a b",
        "//",
        "/a//b",
        "/#",
        "/a*",
        "/a/**",
        "*/a",
        "*.*/a",
        "a_b/c",
        "a..b/c",
        ".a/",
        "a:80/",
        "é/",
        "*./",
        "http://a/",
        "[::1/",
        "*.[::1]/",
        "@/",
        "a b@/",
        "a@b@/",
        "user@",
    ] {
        assert!(text.parse::<Route>().is_err(), "{text:?}");
    }
}

/// The table against the definition: of all routes that fit, the one that says most.
#[test]
fn finding_agrees_with_the_definition() {
    let all = ["/", "/a", "/a/b", "/b/a", "/ab", "/a/b/a", "/*/a", "/a/*$", "/*/*/b", "/b/*"];
    let alphabet = ["/", "a", "b"];
    let mut paths = vec![String::from("/")];
    for _ in 0..5 {
        paths.extend(paths.clone().iter().flat_map(|path| alphabet.map(|letter| format!("{path}{letter}"))));
    }
    let routes = routes(&all).expect("routes");
    for path in paths {
        let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(&path).split('/').skip(1).collect();
        let says = |route: &str| {
            let (route, is_exact) = route.strip_suffix('$').map_or((route, false), |route| (route, true));
            let words: Vec<&str> = route.strip_suffix('/').unwrap_or(route).split('/').skip(1).collect();
            let fits = words.iter().zip(&parts).all(|(word, part)| word == part || *word == "*" && !part.is_empty());
            let is_long_enough = words.len() <= parts.len() && (!is_exact || words.len() == parts.len());
            let weight: Vec<_> = words.iter().map(|word| if *word == "*" { 1 } else { 2 }).collect();
            (fits && is_long_enough).then_some((weight, is_exact))
        };
        let wanted = all.iter().filter(|route| says(route).is_some()).max_by_key(|route| says(route));
        assert_eq!(routes.at(None).find(None, &path), wanted, "{path}");
    }
}
