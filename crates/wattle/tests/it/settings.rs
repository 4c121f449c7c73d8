//! Settings reach a component from flags, the environment and files, and what it logs reaches the terminal.

use std::collections::BTreeSet;

use testkit::{Up, eventually};

use crate::links::linked;
use crate::{guest, route, wattle};

const FILES: [(&str, &str); 3] = [
    ("settings.toml", "greeting = 'from file'\nretries = 3\n\"shop.name\" = 'x'\n"),
    ("settings.json", r#"{ "greeting": "from file", "retries": 3, "shop.name": "x" }"#),
    ("settings.env", "greeting=from file\nretries=3\nshop.name=x\n"),
];

fn text(up: &Up, name: &str) -> String {
    let answer = up.get(name);
    assert!(matches!(answer.status, 200 | 404), "{}", answer.text());
    answer.text()
}

#[test]
fn settings_of_a_flag_are_seen() {
    for component in ["settings", "settings-runtime"] {
        let up = wattle().up([&guest(component), "--config=greeting=hello=there", "--config", "empty="]);
        assert_eq!(text(&up, "/greeting"), "hello=there", "{component}");
        assert_eq!(up.get("/empty").status, 200, "{component}");
        assert_eq!(up.get("/missing").status, 404, "{component}");
        assert_eq!(text(&up, "/"), "empty=\ngreeting=hello=there\n", "{component}");
    }
}

#[test]
fn settings_of_a_file_are_seen_whatever_its_form() {
    for (name, content) in FILES {
        let wattle = wattle();
        wattle.write(name, content);
        let up = wattle.up([&guest("settings"), "--config-file", name]);
        assert_eq!(text(&up, "/"), "greeting=from file\nretries=3\nshop.name=x\n", "{name}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_a_file() {
    let wattle = wattle();
    wattle.write("settings.toml", "a = 'file'\nb = 'file'\nc = 'file'\n");
    let mut command = wattle.up_command([&guest("settings"), "--config-file=settings.toml", "--config=a=flag"]);
    let up =
        Up::start(command.env("WATTLE_CONFIG_A", "variable").env("WATTLE_CONFIG_B", "variable").env("OTHER", "no"));
    assert_eq!(text(&up, "/"), "a=flag\nb=variable\nc=file\n");
}

#[test]
fn variables_that_a_link_names_are_seen_and_no_others() {
    let wattle = wattle();
    let link = "--link=settings=config/environment,prefix=SHOP_";
    let mut command = wattle.up_command([&*guest("settings"), link]);
    let up = Up::start(command.env("SHOP_GREETING", "hello").env("WATTLE_CONFIG_A", "host's").env("OTHER", "no"));
    assert_eq!(text(&up, "/"), "greeting=hello\n");
}

#[test]
fn a_wrong_setting_is_refused_with_its_line() {
    let wattle = wattle();
    wattle.write("broken.toml", "a = 'fine'\nb = \n");
    for flags in [["--config-file", "broken.toml"], ["--config-file", "missing.toml"], ["--config", "no-value"]] {
        let component = guest("settings");
        let ended = wattle.run(["up", &component, "--http=127.0.0.1:0"].into_iter().chain(flags));
        assert_eq!(ended.code, Some(65), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error[E0"), "{}", ended.stderr);
    }
    let ended = wattle.run(["up", &guest("settings"), "--http=127.0.0.1:0", "--config-file=broken.toml"]);
    assert!(ended.stderr.contains("line 2"), "{}", ended.stderr);
}

#[test]
fn each_component_has_the_settings_that_its_links_name() {
    let wattle = wattle();
    let up = wattle.up([
        route("/", "settings"),
        route("/other", "settings-runtime"),
        "--config=other/greeting=host".into(),
        "--link=settings=config/literals,greeting=link,none=".into(),
    ]);
    let other = || text(&up, "/other/greeting");
    assert_eq!((text(&up, "/").as_str(), other().as_str()), ("greeting=link\nnone=\n", "host"));

    // Several links are one map: that of the link without a name counts first, then that of the first by name.
    linked(&wattle, &up, "put settings config/literals --name b --set greeting=b --set colour=b --set size=b");
    linked(&wattle, &up, "put settings config/literals --name a --set colour=a");
    assert_eq!(text(&up, "/"), "colour=a\ngreeting=link\nnone=\nsize=b\n");
    linked(&wattle, &up, "del settings --name a");
    linked(&wattle, &up, "put settings config/literals --set greeting=new");
    assert_eq!(text(&up, "/"), "colour=b\ngreeting=new\nsize=b\n");
    assert_eq!(other(), "host");

    linked(&wattle, &up, "del settings --name b");
    linked(&wattle, &up, "del settings --contract wasi:config --name default");
    assert_eq!(text(&up, "/"), "greeting=link\nnone=\n", "the host was started with this");
    linked(&wattle, &up, "del settings --contract wasi:config --name default");
    assert_eq!(text(&up, "/"), "other/greeting=host\n");
}

#[test]
fn a_file_that_changes_is_seen_without_a_restart_and_a_broken_one_changes_nothing() {
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let wattle = wattle();
        let path = wattle.write("app.toml", "greeting = 'one'\n");
        let link = format!("--link=settings=config/file,path={}", path.display());
        let up = wattle.up([guest("settings"), link].into_iter().chain(flags.iter().cloned()));
        assert_eq!(text(&up, "/"), "greeting=one\n");

        wattle.write("app.toml", "greeting = 'two'\nmore = 1\n");
        eventually("it is read again", || text(&up, "/") == "greeting=two\nmore=1\n");

        wattle.write("app.toml", "greeting = \n");
        let trouble = || linked(&wattle, &up, "query settings")["links"][0]["trouble"].clone();
        eventually("the trouble is shown", || trouble().as_str().is_some_and(|text| text.contains("line 1")));
        assert_eq!(text(&up, "/"), "greeting=two\nmore=1\n", "what was before is still there");
        std::fs::remove_file(&path).expect("it is ours");
        assert_eq!(text(&up, "/"), "greeting=two\nmore=1\n");

        wattle.write("app.toml", "greeting = 'three'\n");
        eventually("it is read again", || text(&up, "/") == "greeting=three\n");
        assert!(trouble().is_null());
        let ended = up.stop();
        assert_eq!(ended.stderr.matches("what has changed cannot be used").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_link_to_settings_that_cannot_be_read_is_refused_with_the_reason() {
    let wattle = wattle();
    let up = wattle.up([guest("settings")]);
    let broken = wattle.write("broken.json", "{ \"a\": [] }");
    for (words, said) in [
        (format!("put settings config/file --set path={}", broken.display()), "a list"),
        ("put settings config/file --set path=/none/at/all".into(), "cannot be read"),
        ("put settings config/file --set pth=x".into(), "did you mean path?"),
    ] {
        let ended = crate::links::link(&wattle, &up, &words);
        assert!(ended.code != Some(0) && ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
    assert_eq!(text(&up, "/"), "");
}

#[test]
fn what_a_component_logs_is_one_safe_line() {
    let up = wattle().up([guest("settings")]);
    up.get("/greeting?level=warn&context=shop");
    up.get("/a%0Ab%1B%5B31m%E2%80%AE?level=error&context=x%0Dy");
    let ended = up.stop();
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "settings warn   instance=1 invocation=1 shop: GET /greeting",
            r"settings error  instance=2 invocation=2 x\ry: GET /a\nb\u{1b}[31m\u{202e}"
        ],
        "{}",
        ended.stderr
    );
}

/// Requests for the same say the same, and their numbers tell them apart: the instances where each has its own, the invocations also
/// where they share one.
#[test]
fn what_is_said_for_one_request_is_told_from_what_is_said_for_another() {
    const REQUESTS: usize = 8;
    for flags in [&[][..], &["--reuse", "--threads=1"]] {
        let up = wattle().up([guest("settings")].into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())));
        for _ in 0..REQUESTS {
            assert_eq!(up.get("/tea?times=2").status, 404);
        }
        let said = up.stop().stderr;
        let lines: Vec<_> = said.lines().collect();
        let (pairs, rest) = lines.as_chunks::<2>();
        assert!(pairs.len() == REQUESTS && rest.is_empty(), "{said}");
        assert!(pairs.iter().all(|[first, second]| first == second), "{said}");
        let numbers = |name: &str| -> BTreeSet<String> {
            let of = |line: &&str| Some(line.split(' ').find_map(|word| word.strip_prefix(name))?.to_owned());
            lines.iter().filter_map(of).collect()
        };
        assert_eq!(numbers("invocation=").len(), REQUESTS, "{said}");
        assert_eq!(numbers("instance=").len() == REQUESTS, flags.is_empty(), "{said}");
    }
}

#[test]
fn what_a_component_prints_is_marked_with_its_name_and_stream() {
    let up = wattle().up([guest("http-kit")]);
    up.get("/log");
    let ended = up.stop();
    assert_eq!(ended.stderr, "http-kit stdout this goes to stdout\nhttp-kit stderr this goes to stderr\n");
    assert!(!ended.stdout.contains("this goes"), "standard output is for what the host says");
}
