//! Decides how a provider gets onto the bus of its host: by which address, and with which login.
//!
//! It logs in as the host does, or on the host's own bus as a user of its own. A file with a secret is read when the host starts: a
//! provider is a process of others, which is told what it needs and nothing of where that is from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bus::Login;
use trust::{Credentials, CredentialsError};

/// How the providers of a host log in.
#[derive(Clone)]
pub(crate) struct ProviderLogin {
    /// As the host does.
    pub(crate) login: Login,
    /// Or by credentials, where the bus knows them by such: those that were made with the SDK of wasmCloud know nothing else.
    pub(crate) own: Option<provider::Login>,
}

/// How a provider gets onto a bus.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// The addresses, with a token or a user in them where the bus asks for such.
    pub(super) address: String,
    /// What is shown beside, where it asks for credentials.
    pub(super) login: Option<provider::Login>,
}

/// A provider would not get onto the bus.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAdmitted {
    #[error("the bus of this host listens to nobody, so that no provider reaches it: start it with --bus or --nats")]
    NoBus,
    #[error("the host logs in to its bus by a seed without a token, which providers cannot: give it credentials")]
    Nkey,
    #[error("what a provider logs in to the bus with cannot be read from {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// How a provider gets onto the bus at these addresses, where providers log in like that. Credentials do not keep a token or a password
/// out of the address: who knows no credentials finds it there.
pub(super) fn admission(addresses: &str, how: &ProviderLogin) -> Result<Admission, NotAdmitted> {
    let as_host = admission_of_host(addresses, &how.login)?;
    Ok(Admission { login: how.own.clone().or(as_host.login), ..as_host })
}

fn admission_of_host(addresses: &str, login: &Login) -> Result<Admission, NotAdmitted> {
    let by_address = |login: &str| Ok(Admission { address: with_login(addresses, login), login: None });
    match login {
        Login::Anyone => Ok(Admission { address: addresses.to_owned(), login: None }),
        Login::Token(token) => by_address(&encoded(token)),
        Login::TokenFile(path) => by_address(&encoded(text(path)?.trim())),
        Login::User { name, password } => by_address(&format!("{}:{}", encoded(name), encoded(password))),
        Login::NkeyFile(_) => Err(NotAdmitted::Nkey),
        Login::CredentialsFile(path) => {
            let failed =
                |error: CredentialsError| NotAdmitted::File { path: path.clone(), source: io::Error::other(error) };
            let credentials: Credentials = text(path)?.parse().map_err(failed)?;
            Ok(Admission { address: addresses.to_owned(), login: Some((&credentials).into()) })
        }
    }
}

impl From<Login> for ProviderLogin {
    fn from(login: Login) -> Self {
        Self { login, own: None }
    }
}

fn text(path: &Path) -> Result<String, NotAdmitted> {
    fs::read_to_string(path).map_err(|source| NotAdmitted::File { path: path.to_owned(), source })
}

fn with_login(addresses: &str, login: &str) -> String {
    let with_login = |address: &str| {
        let (scheme, rest) = address.trim().split_once("://").unwrap_or(("nats", address.trim()));
        format!("{scheme}://{login}@{}", rest.rsplit('@').next().unwrap_or_default())
    };
    addresses.split(',').map(with_login).collect::<Vec<_>>().join(",")
}

fn encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let shown = |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_the_login_that_a_provider_needs() {
        let with = |login: Login| admission("nats://a:1,b:2", &ProviderLogin::from(login)).expect("it gets in").address;
        assert_eq!(with(Login::Anyone), "nats://a:1,b:2");
        assert_eq!(with(Login::Token("s/1".into())), "nats://s%2F1@a:1,nats://s%2F1@b:2");
        let user = Login::User { name: "ada".into(), password: "p@x".into() };
        assert_eq!(with(user), "nats://ada:p%40x@a:1,nats://ada:p%40x@b:2");
    }

    #[test]
    fn who_knows_credentials_and_who_does_not_both_get_in() {
        let (own, _) = provider::Login::new().expect("there is randomness");
        let how = ProviderLogin { login: Login::Token("secret".into()), own: Some(own.clone()) };
        let Admission { address, login } = admission("nats://a:1", &how).expect("it gets in");
        assert_eq!((address.as_str(), login), ("nats://secret@a:1", Some(own)));
    }

    #[test]
    fn what_a_provider_cannot_show_is_said() {
        let why =
            |login: Login| admission("nats://a:1", &ProviderLogin::from(login)).expect_err("there is none").to_string();
        assert!(why(Login::NkeyFile("seed".into())).contains("give it credentials"));
        let missing = why(Login::CredentialsFile("/nowhere/user.creds".into()));
        assert!(missing.ends_with("cannot be read from /nowhere/user.creds"), "{missing}");
    }
}
