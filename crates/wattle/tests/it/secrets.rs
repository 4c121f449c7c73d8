//! Secrets: who is linked to them knows them, and nobody else sees them.

use std::os::unix::fs::PermissionsExt;

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
