//! The WIT world of a program, as `wattle inspect --wit` prints it and nothing else.

use testkit::Ended;

use crate::{guest, wattle};

fn world(words: &[&str]) -> Ended {
    wattle().run(["inspect", "--wit"].iter().chain(words))
}

#[test]
fn the_world_of_a_component_is_printed_and_nothing_else() {
    let (price, expected) = (
        guest("price-1"),
        "\
package root:component;

world root {
  export demo:shop/tag@1.0.0;
}
package demo:shop@1.0.0 {
  interface tag {
    price: func() -> u32;
  }
}
",
    );
    let ended = world(&[&price]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
    let ended = world(&["-o", "json", &price]);
    assert_eq!(ended.values(), [serde_json::json!({ "wit": expected })]);
}

/// A core module has one where it carries it.
#[test]
fn a_core_module_has_the_world_that_it_carries_or_none() {
    let ended = world(&[&guest("price-core")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("export demo:shop/tag@1.0.0;"), "{}", ended.stdout);
    let ended = world(&[&guest("reactor")]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(65), ""));
    assert!(ended.stderr.contains("E0205") && ended.stderr.contains("has no world"), "{}", ended.stderr);
}
