//! This is who asks a registry: a name with a password or a token, by registry.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use model::lattice::RegistryCredential;
use model::{Registry, Secret};
use serde::Deserialize;
use zeroize::Zeroizing;

/// What a registry is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A user.
    Password {
        /// Who.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Whoever has this token.
    Token(Secret),
}

/// What each registry is shown. One that is not here sees a stranger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logins(BTreeMap<Registry, Login>);

/// Registries of which it is known who asks them, where others than this user say so.
const REGISTRIES_MAX: usize = 256;

/// Too many registries are known to know another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("who asks {0} is not noted: it is known of too many registries already; a host that starts anew knows of none")]
pub struct TooManyLogins(Registry);

/// The text is not the configuration of a client of Docker. What stands there is not repeated: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of it is not as Docker writes it")]
pub struct NotDocker {
    line: usize,
}

/// `config.json` of Docker, and of all who keep their logins there.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerLogin>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerLogin {
    /// `USER:PASSWORD` in base64.
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    registrytoken: Option<Secret>,
}

// === impl Logins ===

impl Logins {
    /// The logins in a `config.json` of Docker. What another program keeps for it is not asked for.
    pub fn from_docker(text: &str) -> Result<Self, NotDocker> {
        let config: DockerConfig = serde_json::from_str(text).map_err(|error| NotDocker { line: error.line() })?;
        let login =
            |(address, login): (String, DockerLogin)| Some((Registry::of_address(&address).ok()?, login.read()?));
        Ok(Self(config.auths.into_iter().filter_map(login).collect()))
    }

    /// From now on a registry is shown this.
    pub fn put(&mut self, registry: Registry, login: Login) {
        self.0.insert(registry, login);
    }

    /// The same, where there are not too many.
    pub(super) fn try_put(&mut self, registry: Registry, login: Login) -> Result<(), TooManyLogins> {
        if self.0.len() >= REGISTRIES_MAX && !self.0.contains_key(&registry) {
            return Err(TooManyLogins(registry));
        }
        self.put(registry, login);
        Ok(())
    }

    /// What a registry is shown.
    pub(super) fn of(&self, registry: &Registry) -> Option<&Login> {
        self.0.get(registry)
    }
}

// === impl Login ===

impl Login {
    /// What the control interface says of a registry; nothing where that shows nobody.
    pub fn of_credential(credential: RegistryCredential) -> Option<Self> {
        let RegistryCredential { username, password, token, .. } = credential;
        match (username, password, token) {
            (Some(user), Some(password), _) => Some(Self::Password { user, password }),
            (_, _, Some(token)) => Some(Self::Token(token)),
            _ => None,
        }
    }
}

// === impl DockerLogin ===

impl DockerLogin {
    fn read(self) -> Option<Login> {
        if let Some(token) = self.registrytoken {
            return Some(Login::Token(token));
        }
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Some(Login::Password { user, password });
        }
        let decoded = Zeroizing::new(BASE64.decode(self.auth?.reveal().as_bytes()).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Login::Password { user: user.to_owned(), password: password.to_owned().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(logins: &Logins, registry: &str) -> Option<Login> {
        logins.of(&registry.parse().expect("a registry")).cloned()
    }

    fn password(user: &str, password: &str) -> Option<Login> {
        Some(Login::Password { user: user.into(), password: password.to_owned().into() })
    }

    #[test]
    fn logins_of_docker_are_found_by_their_registry() {
        let text = r#"{"auths": {
            "ghcr.io": {"auth": "YWRhOmE6Yg=="},
            "https://index.docker.io/v1/": {"username": "bob", "password": "secret"},
            "lab:5000": {"registrytoken": "t"},
            "kept.example": {}, "broken.example": {"auth": "%%"}, "not a registry": {"auth": "YWRhOmE6Yg=="}
        }, "credsStore": "desktop"}"#;
        let logins = Logins::from_docker(text).expect("it is read");
        assert_eq!(of(&logins, "ghcr.io"), password("ada", "a:b"));
        assert_eq!(of(&logins, "docker.io"), password("bob", "secret"));
        assert_eq!(of(&logins, "lab:5000"), Some(Login::Token("t".to_owned().into())));
        for unknown in ["kept.example", "broken.example", "lab", "lab:5001"] {
            assert_eq!(of(&logins, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_without_what_stands_there() {
        let error = Logins::from_docker("{\n\"auths\": {\"a.b\": \"hunter2\"}}").expect_err("it is no login");
        assert_eq!(error.to_string(), "line 2 of it is not as Docker writes it");
    }

    #[test]
    fn there_is_an_end_to_the_registries_that_are_known() {
        let (mut logins, login) = (Logins::default(), || Login::Token("t".to_owned().into()));
        let registry = |number: usize| format!("lab{number}").parse::<Registry>().expect("a registry");
        for number in 0..REGISTRIES_MAX {
            assert_eq!(logins.try_put(registry(number), login()), Ok(()));
        }
        let more = registry(REGISTRIES_MAX);
        assert_eq!(logins.try_put(more.clone(), login()), Err(TooManyLogins(more)));
        assert_eq!(logins.try_put(registry(0), login()), Ok(()), "it is known");
    }

    #[test]
    fn a_credential_shows_a_user_or_a_token() {
        let credential = RegistryCredential {
            username: Some("ada".into()),
            password: Some("x".to_owned().into()),
            ..RegistryCredential::default()
        };
        assert_eq!(Login::of_credential(credential), password("ada", "x"));
        let token = RegistryCredential { token: Some("t".to_owned().into()), ..RegistryCredential::default() };
        assert_eq!(Login::of_credential(token), Some(Login::Token("t".to_owned().into())));
        assert_eq!(Login::of_credential(RegistryCredential::default()), None);
    }
}
