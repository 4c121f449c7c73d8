//! Secrets: who is linked to them knows them, and nobody else sees them.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use testkit::{Up, Wattle};

use crate::links::linked;
use crate::{guest, wattle};

const SECRET: &str = "correct-horse-battery-staple";

/// A folder of secrets in the home.
fn keep(wattle: &Wattle, name: &str, value: &str) -> String {
    let path = wattle.write(&format!("secrets/{name}"), value);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    wattle.home().join("secrets").display().to_string()
}

fn asked(up: &Up, target: &str) -> (u16, String) {
    let answer = up.get(target);
    (answer.status, answer.text())
}

#[test]
fn a_component_knows_what_it_is_linked_to_and_nothing_before() {
    for flags in [&[][..], &["--reuse"]] {
        let wattle = wattle();
        let folder = keep(&wattle, "db-password", SECRET);
        let files = [guest("keeper")].into_iter().chain(flags.iter().map(|flag| (*flag).to_owned()));
        let up = wattle.up(files);
        assert_eq!(asked(&up, "/db-password"), (404, String::new()));

        linked(&wattle, &up, &format!("put keeper secrets/files --set folder={folder}"));
        assert_eq!(asked(&up, "/db-password?tell"), (200, SECRET.into()));
        assert_eq!(asked(&up, "/other").0, 404);
        // Nobody has to start anything again.
        keep(&wattle, "db-password", "new");
        assert_eq!(asked(&up, "/db-password"), (200, "string 3 330\n".into()));
        for name in ["..%2Fsecrets%2Fdb-password", "%2Fetc%2Fpasswd", ".", "a%00b"] {
            let (status, text) = asked(&up, &format!("/x?name={name}"));
            assert_eq!(status, 503, "{name}: {text}");
        }
        linked(&wattle, &up, "del keeper");
        assert_eq!(asked(&up, "/db-password").0, 404);
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn variables_are_given_by_their_prefix_only() {
    let wattle = wattle();
    let mut command = wattle.up_command([&*guest("keeper"), "--link=keeper=secrets/environment,prefix=SHOP_"]);
    let up = Up::start(command.env("SHOP_DB_PASSWORD", SECRET).env("OTHER", SECRET));
    assert_eq!(asked(&up, "/db-password?tell"), (200, SECRET.into()));
    assert_eq!(asked(&up, "/other").0, 404);
    assert_eq!(asked(&up, "/HOME").0, 404);
    assert_eq!(up.stop().code, Some(0));
}

/// Of two links each has something of its own; what the one without a name has counts.
#[test]
fn several_links_are_asked_one_after_the_other() {
    let wattle = wattle();
    let folder = keep(&wattle, "both", "file");
    keep(&wattle, "file-only", "file");
    let links = [
        format!("--link=keeper=secrets/files,folder={folder},name=more"),
        "--link=keeper=secrets/environment,prefix=SHOP_".into(),
    ];
    let mut command = wattle.up_command([guest("keeper")].into_iter().chain(links));
    let up = Up::start(command.env("SHOP_BOTH", "variable"));
    assert_eq!(asked(&up, "/both?tell"), (200, "variable".into()));
    assert_eq!(asked(&up, "/file-only?tell"), (200, "file".into()));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_secret_is_in_nothing_that_anybody_prints() {
    let wattle = wattle();
    let folder = keep(&wattle, "db-password", SECRET);
    let files = [guest("keeper"), format!("--link=keeper=secrets/files,folder={folder}"), "--log=trace".into()];
    let up = wattle.up(files);
    assert_eq!(asked(&up, "/db-password").0, 200);
    let path = wattle.home().join("secrets/db-password");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(asked(&up, "/db-password"), (503, "the secret cannot be read".into()));
    up.says("every user of this machine can read or change it (its mode is 644)");
    let links = linked(&wattle, &up, "query").to_string();
    let ended = up.stop();
    for text in [&ended.stdout, &ended.stderr, &links] {
        assert!(!text.contains(SECRET));
    }
    assert_eq!(ended.code, Some(0));
}

/// Begins to put a secret, of which all is said.
fn putting(wattle: &Wattle, name: &str, value: &str) -> Child {
    let mut command = wattle.command(["secret", "put", name]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was built");
    child.stdin.take().expect("it is a pipe").write_all(value.as_bytes()).expect("it is read");
    child
}

/// Puts a secret; the words of the link that leads to it.
fn put(wattle: &Wattle, name: &str, value: &str) -> String {
    let ended = putting(wattle, name, value).wait_with_output().expect("it ends");
    let text = String::from_utf8(ended.stdout).expect("it is text");
    assert!(ended.status.success() && ended.stderr.is_empty() && !text.contains(value), "{text}");
    let words = text.split_once("wattle link ").expect("it says how to link").1;
    words.trim().replace("COMPONENT", "keeper")
}

#[test]
fn a_secret_that_this_machine_keeps_is_known_to_who_is_linked_to_it() {
    let wattle = wattle();
    let link = put(&wattle, "db-password", SECRET);
    put(&wattle, "other", "something else");
    let up = wattle.up([guest("keeper"), "--log=trace".into()]);
    assert_eq!(asked(&up, "/db-password").0, 404);
    linked(&wattle, &up, &link);
    assert_eq!(asked(&up, "/db-password?tell"), (200, SECRET.into()));
    put(&wattle, "db-password", "something new");
    assert_eq!(asked(&up, "/db-password?tell"), (200, "something new".into()));
    put(&wattle, "db-password", SECRET);
    let listed = wattle.run(["secret", "list"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), "db-password\nother\n"));
    let listed = wattle.run(["secret", "list", "-o", "json"]);
    assert_eq!(listed.values()[0]["names"], serde_json::json!(["db-password", "other"]));
    assert_eq!(wattle.run(["secret", "del", "other"]).code, Some(0));
    let again = wattle.run(["secret", "del", "other"]);
    assert!(
        again.code == Some(65) && again.stderr.contains("error[E0804]: there is no secret other"),
        "{}",
        again.stderr
    );
    assert_eq!(asked(&up, "/other").0, 404);

    // Another key opens nothing, and is said in the log alone.
    let key = wattle.home().join("another.key");
    let made = wattle.run(["secret", "key", key.to_str().expect("a text")]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let (before, after) = link.split_once("--set key=").expect("it names the key");
    let folder = after.split_once(' ').expect("and the folder").1;
    linked(&wattle, &up, &format!("{before}--set key={} {folder}", key.display()));
    assert_eq!(asked(&up, "/db-password"), (503, "the secret cannot be read".into()));
    up.says("was encrypted by another key");
    let ended = up.stop();
    assert!(ended.code == Some(0) && !ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET));
}

#[test]
fn what_cannot_be_kept_is_refused_with_what_helps() {
    let wattle = wattle();
    let refused = |arguments: &[&str], why: &str| {
        let ended = wattle.run(arguments);
        assert!(ended.code != Some(0) && ended.stderr.contains(why), "{arguments:?}: {}", ended.stderr);
    };
    refused(&["secret", "put", "../x"], "is no name of a secret");
    refused(&["secret", "put", "x", "--key", "nowhere"], "error[E0801]: nowhere cannot be read");
    let key = wattle.write("wrong.key", "abc");
    refused(&["secret", "put", "x", "--key", key.to_str().expect("a text")], "error[E0802]: ");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    refused(&["secret", "put", "x", "--key", key.to_str().expect("a text")], "is no key");
    refused(&["secret", "key", key.to_str().expect("a text")], "is there already");
    let large = putting(&wattle, "large", &"x".repeat(65_537)).wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&large.stderr);
    assert!(large.status.code() == Some(65) && text.contains("error[E0803]"), "{text}");
    // A key that was lost is not replaced under secrets that only it opens.
    put(&wattle, "db-password", SECRET);
    let state = walk(wattle.home()).into_iter().find(|path| path.ends_with("secrets.key")).expect("it was made");
    std::fs::remove_file(state).expect("it is ours");
    let lost = putting(&wattle, "other", "x").wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&lost.stderr);
    assert!(lost.status.code() == Some(69) && text.contains("error[E0801]"), "{text}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is ours").filter_map(|entry| Some(entry.ok()?.path()));
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Whenever the command is killed, what is there is one of the two as a whole.
#[test]
fn a_secret_is_replaced_as_a_whole_though_the_command_was_killed() {
    let wattle = wattle();
    let [one, other] = ["a", "b"].map(|letter| letter.repeat(60_000));
    let link = put(&wattle, "db-password", &one);
    let up = wattle.up([guest("keeper")]);
    linked(&wattle, &up, &link);
    for round in 0..40 {
        let mut child = putting(&wattle, "db-password", if round % 2 == 0 { &other } else { &one });
        std::thread::sleep(Duration::from_micros(round * 150));
        child.kill().and_then(|()| child.wait()).expect("it was started here");
        let (status, text) = asked(&up, "/db-password?tell");
        assert!(status == 200 && (text == one || text == other), "{status} {}", text.len());
    }
    assert_eq!(wattle.run(["secret", "list"]).stdout, "db-password\n");
    assert_eq!(up.stop().code, Some(0));
}
