//! Who is let in by what is in a file: nkeys and credentials, with real servers, and what is said of files that are of no use.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::{Broker, Bus, ClientCertificate, ConnectError, ConnectOptions, Login, LoopbackConfig, Pass, Tls};
use stdx::{Blame, Chain, Code, Explain};
use tempfile::TempDir;
use trust::Seed;

use crate::operators::{Operator, in_time, user};
use crate::server::Server;
use crate::{carriers, eventually, keeping, run};

/// A file with a secret in it, which changes whole.
struct Secret {
    folder: TempDir,
}

// === impl Secret ===

impl Secret {
    fn new(content: &str) -> Self {
        let secret = Self { folder: keeping::folder() };
        secret.replace(content);
        secret
    }

    fn replace(&self, content: &str) {
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, content).and_then(|()| std::fs::rename(draft, self.path())).expect("the folder is ours");
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }
}

async fn connect(server: &Server, login: Login) -> Result<Bus, ConnectError> {
    connect_to(&server.url(), login).await
}

async fn connect_to(url: &str, login: Login) -> Result<Bus, ConnectError> {
    Bus::connect(url, ConnectOptions { login, ..ConnectOptions::default() }).await
}

fn is_refused(connected: Result<Bus, ConnectError>) -> bool {
    connected.is_err_and(|error| matches!(error, ConnectError::Refused { .. }) && error.blame() == Blame::You)
}

/// How often a bus was connected.
fn connects(bus: &Bus) -> u64 {
    bus.client().expect("a server carries it").statistics().connects.load(Ordering::Relaxed)
}

async fn is_there_again(bus: &Bus, before: u64) {
    eventually("it is let in again", async || connects(bus) > before && bus.flush().await.is_ok()).await;
}

/// A server that lets in who has this key.
fn lines_for(user: &Seed) -> String {
    format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public())
}

#[test]
fn an_nkey_lets_in_and_another_does_not() {
    run(async {
        let server = Server::configured(&lines_for(&user(1)));
        let config = LoopbackConfig { passes: vec![Pass::Nkey(user(1).public())], ..LoopbackConfig::default() };
        let loopback = carriers::listen(Broker::default(), config);
        let (ours, other) = (Secret::new(&user(1).to_secret_text()), Secret::new(&user(2).to_secret_text()));
        let framed = format!(
            "# a user\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user(1).to_secret_text().as_str()
        );
        let framed = Secret::new(&framed);
        for url in [server.url(), format!("nats://{}", loopback.address())] {
            let bus = connect_to(&url, Login::NkeyFile(ours.path())).await.expect("it lets us in");
            bus.flush().await.expect("the bus is there");
            connect_to(&url, Login::NkeyFile(framed.path())).await.expect("it lets us in");
            assert!(is_refused(connect_to(&url, Login::NkeyFile(other.path())).await), "{url}");
            assert!(is_refused(connect_to(&url, Login::Anyone).await), "{url}");
        }
    });
}

#[test]
fn credentials_let_in_and_those_of_another_operator_or_of_yesterday_do_not() {
    run(async {
        let operator = Operator::new();
        let server = Server::configured(&operator.lines());
        let ours = Secret::new(&operator.credentials(&user(1), None));
        let bus = connect(&server, Login::CredentialsFile(ours.path())).await.expect("it lets us in");
        bus.flush().await.expect("the bus is there");
        let expired = Secret::new(&operator.credentials(&user(1), Some(in_time(Duration::ZERO) - 10)));
        assert!(is_refused(connect(&server, Login::CredentialsFile(expired.path())).await));
        let other = Secret::new(&user(1).to_secret_text());
        assert!(is_refused(connect(&server, Login::NkeyFile(other.path())).await), "a seed alone says of no account");
        assert!(is_refused(connect(&server, Login::Anyone).await));
    });
}

#[test]
fn a_seed_that_was_changed_counts_from_the_next_connection_on() {
    run(async {
        let mut server = Server::configured(&lines_for(&user(1)));
        let secret = Secret::new(&user(1).to_secret_text());
        let bus = connect(&server, Login::NkeyFile(secret.path())).await.expect("it lets us in");
        let before = connects(&bus);
        server.configure(&lines_for(&user(2)));
        server.restart();
        // Meanwhile nothing of use may be there.
        secret.replace("half of a se");
        eventually("the loss is seen", async || !bus.is_connected()).await;
        secret.replace(&user(2).to_secret_text());
        is_there_again(&bus, before).await;
    });
}

#[test]
fn a_token_that_was_changed_counts_from_the_next_connection_on() {
    run(async {
        let mut server = Server::configured("authorization { token: first }");
        let secret = Secret::new("first\n");
        let bus = connect(&server, Login::TokenFile(secret.path())).await.expect("it lets us in");
        let before = connects(&bus);
        secret.replace("second\n");
        server.configure("authorization { token: second }");
        server.restart();
        is_there_again(&bus, before).await;
    });
}

#[test]
fn credentials_that_expire_are_replaced_by_those_that_are_in_the_file_by_then() {
    run(async {
        let operator = Operator::new();
        let server = Server::configured(&operator.lines());
        let secret = Secret::new(&operator.credentials(&user(1), Some(in_time(Duration::from_secs(3)))));
        let bus = connect(&server, Login::CredentialsFile(secret.path())).await.expect("it lets us in");
        let before = connects(&bus);
        secret.replace(&operator.credentials(&user(2), None));
        is_there_again(&bus, before).await;
    });
}

#[test]
fn all_that_is_wrong_with_files_is_said_at_once_before_anything_is_sent() {
    run(async {
        let folder = keeping::folder();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("the folder is ours");
            path
        };
        let wrong = async |login: Login, tls: Tls| {
            // Nobody listens there.
            let options = ConnectOptions { login, tls, first_try: bus::FirstTry::MayFail, ..ConnectOptions::default() };
            let error = Bus::connect("nats://127.0.0.1:1", options).await.expect_err("the files are of no use");
            assert!(matches!(error, ConnectError::Files { .. }) && error.code() == Code::E0705, "{error:?}");
            let text = Chain(&error).to_string();
            assert!(!text.contains("SUAsecret"), "{text}");
            text
        };
        let missing = folder.path().join("missing");
        let tls = Tls {
            authority: Some(folder.path().to_owned()),
            certificate: Some(ClientCertificate { certificate: file("cert", ""), key: file("key", "no PEM") }),
            is_first: false,
        };
        let text = wrong(Login::CredentialsFile(missing.clone()), tls).await;
        let all = [
            format!("the credentials cannot be read from {}: No such file or directory", missing.display()),
            format!("the authority's certificate cannot be read from {}: it is a folder", folder.path().display()),
            format!("{}: it is empty", folder.path().join("cert").display()),
            format!("{}: it has no private key in PEM", folder.path().join("key").display()),
        ];
        assert!(all.iter().all(|problem| text.contains(problem)), "{text}");

        let none = Tls::default();
        let seed = file("seed", "SUAsecret");
        let text = wrong(Login::NkeyFile(seed.clone()), none.clone()).await;
        assert!(text.contains("it has no seed of a user"), "{text}");
        let text = wrong(Login::CredentialsFile(seed), none.clone()).await;
        assert!(text.contains("it is no file of credentials"), "{text}");
        let account = Seed::new(trust::KeyKind::Account, [1; 32]);
        let text = wrong(Login::NkeyFile(file("account", &account.to_secret_text())), none.clone()).await;
        assert!(text.contains("it has no seed of a user"), "{text}");
        let text = wrong(Login::TokenFile(Path::new("/dev/zero").into()), none).await;
        assert!(text.contains("it is a folder or a device"), "{text}");
    });
}
