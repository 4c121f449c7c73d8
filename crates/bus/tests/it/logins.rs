//! Who is let in: the same logins, to our listener and to real servers.

use std::sync::Arc;

use bus::{Broker, Bus, ConnectError, ConnectOptions, Login, LoopbackConfig, Pass};
use futures::StreamExt;
use stdx::{Blame, Chain, Explain};
use trust::{Credentials, Seed};

use crate::carriers;
use crate::operators::user;
use crate::server::{self, Server};
use crate::{run, soon};

async fn connect(url: String, login: Login) -> Result<Bus, ConnectError> {
    Bus::connect(&url, ConnectOptions { login, ..ConnectOptions::default() }).await
}

fn is_refused(connected: Result<Bus, ConnectError>) -> bool {
    let Err(error) = connected else { return false };
    assert!(!Chain(&error).to_string().contains("secret"), "a password is shown: {}", Chain(&error));
    matches!(error, ConnectError::Refused { .. }) && error.blame() == Blame::You
}

async fn only_the_token_lets_in(address: std::net::SocketAddr) {
    let token = |token: &str| Login::Token(token.into());
    let bus = connect(format!("nats://{address}"), token("secret")).await.expect("it lets us in");
    bus.flush().await.expect("the bus is there");
    connect(format!("nats://secret@{address}"), Login::Anyone).await.expect("it lets us in");
    for login in [token("secre"), token(""), Login::Anyone, Login::User { name: "a".into(), password: "secret".into() }]
    {
        assert!(is_refused(connect(format!("nats://{address}"), login.clone()).await), "{login:?}");
    }
}

#[test]
fn a_token_lets_in_and_nothing_else_does() {
    run(async {
        let server = Server::start(server::newest(), &["--auth", "secret"]);
        only_the_token_lets_in(server.address()).await;
        let config = LoopbackConfig { passes: vec![Pass::Token("secret".into())], ..LoopbackConfig::default() };
        let loopback = carriers::listen(Broker::default(), config);
        only_the_token_lets_in(loopback.address()).await;
    });
}

async fn only_the_password_lets_in(address: std::net::SocketAddr) {
    let user = |password: &str| Login::User { name: "me".into(), password: password.into() };
    connect(format!("nats://{address}"), user("secret")).await.expect("it lets us in");
    let in_address = connect(format!("nats://me:secret@{address}"), Login::Anyone).await.expect("it lets us in");
    assert_eq!(in_address.describe(), format!("nats://{address}"), "no password is shown");
    assert!(is_refused(connect(format!("nats://{address}"), user("secreT")).await));
    assert!(is_refused(connect(format!("nats://me:secreT@{address}"), Login::Anyone).await));
    assert!(is_refused(connect(format!("nats://{address}"), Login::Token("secret".into())).await));
}

#[test]
fn a_user_is_let_in_by_password() {
    run(async {
        let server = Server::start(server::newest(), &["--user", "me", "--pass", "secret"]);
        only_the_password_lets_in(server.address()).await;
        let passes = vec![Pass::User { name: "me".into(), password: "secret".into() }];
        let config = LoopbackConfig { passes, ..LoopbackConfig::default() };
        let loopback = carriers::listen(Broker::default(), config);
        only_the_password_lets_in(loopback.address()).await;
    });
}

/// A stock client that logs in as providers of wasmCloud do: by a token about its user, and what that one signs.
fn by_token(seed: Seed) -> async_nats::ConnectOptions {
    let credentials = Arc::new(Credentials::self_issued(seed, "files"));
    async_nats::ConnectOptions::with_jwt(credentials.token().to_owned(), move |nonce: Vec<u8>| {
        std::future::ready(Ok(credentials.seed().sign(&nonce).to_vec()))
    })
}

#[test]
fn stock_clients_are_let_in_by_keys_and_tokens_and_not_by_wrong_ones() {
    run(async {
        let (known, other) = (user(1), user(2));
        let passes = vec![Pass::Nkey(known.public()), Pass::Token("secret".into())];
        let config = LoopbackConfig { passes, ..LoopbackConfig::default() };
        let loopback = carriers::listen(Broker::default(), config);
        let url = format!("nats://{}", loopback.address());
        let nkey = |seed: &Seed| async_nats::ConnectOptions::with_nkey(seed.to_secret_text().to_string());
        let token = |token: &str| async_nats::ConnectOptions::with_token(token.to_owned());
        for options in [nkey(&known), by_token(user(1)), token("secret")] {
            let client = options.connect(&url).await.expect("it is let in");
            let mut heard = client.subscribe("a").await.expect("it listens");
            client.publish("a", "said".into()).await.expect("it says");
            assert_eq!(soon("it is heard", heard.next()).await.expect("a message").payload, "said");
        }
        let nobody = async_nats::ConnectOptions::new();
        for options in [nkey(&other), by_token(user(2)), token("secreT"), nobody] {
            let refused = options.connect(&url).await.expect_err("it is not let in");
            assert_eq!(refused.kind(), async_nats::ConnectErrorKind::AuthorizationViolation, "{refused}");
        }
    });
}
