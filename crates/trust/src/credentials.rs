//! What a user shows to be let in by a NATS server: the token that an account issued for him, or he himself, and his seed.
//!
//! As read, both are in one file, each under a line of dashes that says what follows, as the tools of NATS write it.
//!
//! # Invariants
//!
//! 1. Neither the token nor the seed is in an error or is printed.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::seed::Seed;

/// A user's token and his seed.
pub struct Credentials {
    token: String,
    seed: Seed,
}

/// The text is not that of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// There is no token.
    #[error("it has no line that begins a NATS USER JWT, so it is no file of credentials")]
    NoToken,
    /// What is there instead is none.
    #[error("its user JWT is damaged")]
    BadToken,
    /// There is no seed.
    #[error("it has a user JWT, and no USER NKEY SEED after it")]
    NoSeed,
    /// What is there instead is none.
    #[error("its seed is damaged")]
    BadSeed,
    /// They do not belong together.
    #[error("its seed is not that of the user whom its JWT names")]
    OtherUser,
}

/// What is looked at of a token's body. Whether it is true is the server's business.
#[derive(Deserialize)]
struct Body {
    sub: String,
}

// === impl Credentials ===

impl Credentials {
    /// Those of a user whom a server knows by his key: the token is issued by himself, and says who he is and no more.
    pub fn self_issued(seed: Seed, name: &str) -> Self {
        let user = seed.public().to_string();
        let unbounded = -1;
        let body = json!({
            "jti": user, "iat": 0, "iss": user, "name": name, "sub": user,
            "nats": {
                "pub": {}, "sub": {}, "subs": unbounded, "data": unbounded, "payload": unbounded, "type": "user",
                "version": 2,
            },
        });
        let encoded = |part: Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let signed = format!("{}.{}", encoded(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encoded(body));
        let signature = BASE64URL_NOPAD.encode(&seed.sign(signed.as_bytes()));
        Self { token: format!("{signed}.{signature}"), seed }
    }

    /// The token, as the server is shown it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What signs for the user.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }
}

impl FromStr for Credentials {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, CredentialsError> {
        let token = section(text, "USER JWT").ok_or(CredentialsError::NoToken)?;
        let user = user_of(token).ok_or(CredentialsError::BadToken)?;
        let seed = section(text, "NKEY SEED").ok_or(CredentialsError::NoSeed)?;
        let seed: Seed = seed.parse().map_err(|_not_a_seed| CredentialsError::BadSeed)?;
        match seed.public().to_string() == user {
            true => Ok(Self { token: token.to_owned(), seed }),
            false => Err(CredentialsError::OtherUser),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(of {})", self.seed.public())
    }
}

/// The line after the one that begins a section.
fn section<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(title))?;
    lines.next().filter(|line| !line.starts_with("---"))
}

/// Whom a token is about, where it looks like one.
pub(crate) fn user_of(token: &str) -> Option<String> {
    let [_header, body, _signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    let body: Body = serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).ok()?).ok()?;
    Some(body.sub)
}

#[cfg(test)]
mod tests;
