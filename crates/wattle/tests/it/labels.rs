//! A component imports one interface several times, each under a label: each follows the link of that name.

use testkit::{Redis, Up, Wattle};

use crate::{guest, route, wattle};

fn up(wattle: &Wattle, arguments: &[&str]) -> Up {
    let files = [route("/", "labels"), guest("price-1"), guest("price-2"), "--link=labels=price-1".into()];
    wattle.up(files.into_iter().chain(arguments.iter().map(|argument| (*argument).to_owned())))
}

fn link(wattle: &Wattle, up: &Up, arguments: &str) -> Result<String, String> {
    let arguments = ["link"].into_iter().chain(arguments.split(' ')).chain(["--nats"]);
    let ended = wattle.run(arguments.map(ToOwned::to_owned).chain([up.bus()]));
    if ended.code == Some(0) { Ok(ended.stdout) } else { Err(ended.stderr) }
}

/// `LEFT RIGHT PLAIN NEAR FAR`: three counts and two prices.
fn asked(up: &Up) -> String {
    let answer = up.ask("POST", "/", b"");
    assert_eq!(answer.status, 200, "{}{}", answer.text(), up.stderr());
    answer.text().trim().to_owned()
}

#[test]
fn a_label_follows_the_link_of_its_name() {
    for flags in [&[][..], &["--engine=winch"], &["--reuse"]] {
        let (wattle, redis) = (wattle(), Redis::start());
        let up = up(&wattle, flags);
        assert_eq!(asked(&up), "1 2 3 1 1", "without links of their names all lead where the import without one does");
        link(&wattle, &up, "put labels keyvalue/memory --name left").expect("it is put");
        link(&wattle, &up, &format!("put labels keyvalue/redis --name right --set url={}", redis.url()))
            .expect("it is put");
        link(&wattle, &up, "put labels price-2 --name far").expect("it is put");
        assert_eq!(asked(&up), "1 1 4 1 2");
        assert_eq!(asked(&up), "2 2 5 1 2");
        let shown = link(&wattle, &up, "query labels").expect("there are links");
        assert!(["left", "right", "far"].iter().all(|name| shown.contains(name)), "{shown}");
        // One is changed, the others stay as they are; without it the label leads where the others without a link do.
        link(&wattle, &up, "put labels price-2").expect("it is put");
        link(&wattle, &up, "put labels price-1 --name far").expect("it is put");
        link(&wattle, &up, "del labels --name left").expect("it was put");
        assert_eq!(asked(&up), "6 3 7 2 1");
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn a_component_with_labels_is_fused_as_others_are() {
    let wattle = wattle();
    let up = up(&wattle, &[]);
    link(&wattle, &up, "put labels keyvalue/memory --name left").expect("it is put");
    link(&wattle, &up, "put labels price-2 --terms fused").expect("it is put");
    assert_eq!(asked(&up), "1 1 2 2 2");
    link(&wattle, &up, "put labels price-1 --name far").expect("it is put");
    assert_eq!(asked(&up), "2 3 4 2 1");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn labels_are_shown_with_what_they_stand_for() {
    let wattle = wattle();
    let shown = wattle.run(["inspect".to_owned(), guest("labels")]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for label in ["left: wasi:keyvalue/store@0.2.0-draft", "far: demo:shop/tag@1.0.0"] {
        assert!(shown.stdout.contains(label), "{}", shown.stdout);
    }
}
