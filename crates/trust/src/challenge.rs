//! Finds out who has answered the challenge of a NATS server: a text that it made up, signed with the key of a user.
//!
//! # Invariants
//!
//! 1. The user is the one whose key has signed. What else a JWT says of him, and who issued it, is not looked at.
//!
//! # Not here
//!
//! Who is let in: that is for whoever knows users by their keys.

use data_encoding::{BASE64, BASE64URL_NOPAD};

use crate::credentials::user_of;
use crate::key::{KeyKind, PublicKey};

/// What a client shows for a challenge.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The public key of a user.
    pub nkey: Option<&'a str>,
    /// A token about a user.
    pub jwt: Option<&'a str>,
    /// The challenge, signed: as base64 for addresses, or as any other.
    pub signature: &'a str,
}

/// The user who has signed the challenge, if the answer names one and he has. Where it names two, nobody has.
pub fn signer_of(challenge: &[u8], Answer { nkey, jwt, signature }: Answer<'_>) -> Option<PublicKey> {
    let named = |text: &str| text.parse::<PublicKey>().ok().filter(|key| key.kind() == KeyKind::User);
    let user = match (nkey, jwt) {
        (Some(nkey), None) => named(nkey)?,
        (None, Some(jwt)) => named(&user_of(jwt)?)?,
        (Some(nkey), Some(jwt)) => {
            named(nkey).filter(|key| user_of(jwt).is_some_and(|user| user == key.to_string()))?
        }
        (None, None) => return None,
    };
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).or_else(|_other| BASE64.decode(signature.as_bytes()));
    bytes.is_ok_and(|bytes| user.has_signed(challenge, &bytes)).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::seed::Seed;

    fn user(secret: u8) -> Seed {
        Seed::new(KeyKind::User, [secret; 32])
    }

    #[test]
    fn who_has_signed_is_known_by_a_key_or_by_a_token_about_it() {
        let (ada, bob) = (user(1), user(2));
        let (key, other) = (ada.public().to_string(), bob.public().to_string());
        let token = Credentials::self_issued(user(1), "ada").token().to_owned();
        let signature = BASE64URL_NOPAD.encode(&ada.sign(b"nonce"));
        let right = signature.as_str();
        let signed = |challenge: &str, nkey, jwt, signature: &str| {
            signer_of(challenge.as_bytes(), Answer { nkey, jwt, signature })
        };
        let (key, other, token) = (Some(key.as_str()), Some(other.as_str()), Some(token.as_str()));
        assert_eq!(signed("nonce", key, None, right), Some(ada.public()));
        assert_eq!(signed("nonce", None, token, right), Some(ada.public()));
        assert_eq!(signed("nonce", key, token, &BASE64.encode(&ada.sign(b"nonce"))), Some(ada.public()));
        for (challenge, nkey, jwt, signature) in [
            ("other", key, None, right),
            ("nonce", other, None, right),
            ("nonce", other, token, right),
            ("nonce", None, Some("e30.e30.c2ln"), right),
            ("nonce", None, None, right),
            ("nonce", key, None, ""),
            ("nonce", key, None, "no base64!"),
        ] {
            assert_eq!(signed(challenge, nkey, jwt, signature), None, "{nkey:?} {jwt:?} {signature}");
        }
        let host = Seed::new(KeyKind::Host, [1; 32]);
        let (key, signature) = (host.public().to_string(), BASE64URL_NOPAD.encode(&host.sign(b"nonce")));
        let answer = Answer { nkey: Some(&key), jwt: None, signature: &signature };
        assert_eq!(signer_of(b"nonce", answer), None, "a host is no user");
    }
}
