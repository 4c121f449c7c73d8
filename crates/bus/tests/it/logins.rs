//! Who is let in: the same logins, to our listener and to real servers.

use bus::{Broker, Bus, ConnectError, ConnectOptions, Login, LoopbackConfig};
use stdx::{Blame, Chain, Explain};

use crate::carriers;
use crate::run;
use crate::server::{self, Server};

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
        let config = LoopbackConfig { token: Some("secret".into()), ..LoopbackConfig::default() };
        let loopback = carriers::listen(Broker::default(), config);
        only_the_token_lets_in(loopback.address()).await;
    });
}

#[test]
fn a_user_is_let_in_by_password() {
    run(async {
        let server = Server::start(server::newest(), &["--user", "me", "--pass", "secret"]);
        let address = server.address();
        let user = |password: &str| Login::User { name: "me".into(), password: password.into() };
        connect(format!("nats://{address}"), user("secret")).await.expect("it lets us in");
        let in_address = connect(format!("nats://me:secret@{address}"), Login::Anyone).await.expect("it lets us in");
        assert_eq!(in_address.describe(), format!("nats://{address}"), "no password is shown");
        assert!(is_refused(connect(format!("nats://{address}"), user("secreT")).await));
        assert!(is_refused(connect(format!("nats://me:secreT@{address}"), Login::Anyone).await));
    });
}
