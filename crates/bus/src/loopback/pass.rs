//! This is what lets a client in: what it has to show, and whether it shows that.
//!
//! # Invariants
//!
//! 1. Nothing secret is printed, and comparing it takes as long for what is wrong as for what is right, if both are equally long.

use std::fmt;

use constant_time_eq::constant_time_eq;
use trust::{Answer, PublicKey, signer_of};

use super::greeting::Options;

/// What lets a client in.
#[derive(Clone, PartialEq, Eq)]
pub enum Pass {
    /// This token.
    Token(String),
    /// This user's name with his password.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// The signature of the user with this public key, an nkey. Who he is he says by the key, or by a JWT about him: whoever issued
    /// that, it is the key that is known.
    Nkey(PublicKey),
}

/// Whether a client is let in that says this of itself, by any of these, where `nonce` is what it was asked to sign. Nothing is asked
/// for where there is none.
pub(super) fn lets_in(passes: &[Pass], options: &Options, nonce: Option<&str>) -> bool {
    let signer = nonce.and_then(|nonce| signer(options, nonce));
    passes.is_empty() || passes.iter().any(|pass| shows(options, signer, pass))
}

fn shows(options: &Options, signer: Option<PublicKey>, pass: &Pass) -> bool {
    match pass {
        Pass::Token(token) => is_same(options.auth_token.as_ref(), token),
        Pass::User { name, password } => {
            is_same(options.user.as_ref(), name) & is_same(options.pass.as_ref(), password)
        }
        Pass::Nkey(user) => signer == Some(*user),
    }
}

/// The user who has signed what the client was asked to sign, if it shows such a signature.
fn signer(options: &Options, nonce: &str) -> Option<PublicKey> {
    // What is empty is not said: some clients say all there is to say.
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (nkey, jwt, signature) = (said(&options.nkey), said(&options.jwt), said(&options.sig)?);
    signer_of(nonce.as_bytes(), Answer { nkey: nkey.as_deref(), jwt: jwt.as_deref(), signature: &signature })
}

fn is_same(shown: Option<&String>, known: &str) -> bool {
    constant_time_eq(shown.map(String::as_bytes).unwrap_or_default(), known.as_bytes())
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(..)"),
            Self::User { name, .. } => write!(f, "User({name})"),
            Self::Nkey(user) => write!(f, "Nkey({user})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use trust::{Credentials, KeyKind, Seed};

    use super::*;

    fn options(json: &str) -> Options {
        Options::parse(json.as_bytes()).expect("options")
    }

    #[test]
    fn a_token_is_the_whole_token() {
        let passes = [Pass::Token("secret".into())];
        for (shown, is_in) in [("secret", true), ("secre", false), ("secret ", false), ("Secret", false), ("", false)] {
            let options = options(&format!(r#"{{"auth_token":"{shown}"}}"#));
            assert_eq!(lets_in(&passes, &options, None), is_in, "{shown:?}");
        }
        assert!(!lets_in(&passes, &options("{}"), None) && lets_in(&[], &options("{}"), None));
    }

    #[test]
    fn a_user_has_a_name_and_a_password() {
        let passes = [Pass::User { name: "ada".into(), password: "secret".into() }];
        for (user, pass, is_in) in
            [("ada", "secret", true), ("ada", "secreT", false), ("bob", "secret", false), ("ada", "", false)]
        {
            let options = options(&format!(r#"{{"user":"{user}","pass":"{pass}"}}"#));
            assert_eq!(lets_in(&passes, &options, None), is_in, "{user} {pass}");
        }
        assert!(!lets_in(&passes, &options(r#"{"auth_token":"secret"}"#), None));
    }

    #[test]
    fn a_key_lets_in_who_signs_with_it_by_itself_or_by_a_token() {
        let user = |secret| Seed::new(KeyKind::User, [secret; 32]);
        let (known, other) = (user(1), user(2));
        let passes = [Pass::Token("secret".into()), Pass::Nkey(known.public())];
        let by_key = |seed: &Seed, nonce: &str| {
            let sig = BASE64URL_NOPAD.encode(&seed.sign(nonce.as_bytes()));
            options(&format!(r#"{{"nkey":"{}","jwt":"","sig":"{sig}"}}"#, seed.public()))
        };
        let by_token = |seed: Seed, nonce: &str| {
            let sig = BASE64URL_NOPAD.encode(&seed.sign(nonce.as_bytes()));
            options(&format!(r#"{{"jwt":"{}","sig":"{sig}"}}"#, Credentials::self_issued(seed, "a").token()))
        };
        let is_in = |options: &Options| lets_in(&passes, options, Some("nonce"));
        assert!(is_in(&by_key(&known, "nonce")) && is_in(&by_token(user(1), "nonce")));
        assert!(!is_in(&by_key(&known, "older")), "what was signed for another connection");
        assert!(!is_in(&by_key(&other, "nonce")) && !is_in(&by_token(user(2), "nonce")));
        assert!(!is_in(&options(&format!(r#"{{"nkey":"{}"}}"#, known.public()))), "a key alone shows nothing");
        assert!(is_in(&options(r#"{"auth_token":"secret"}"#)), "any of them will do");
    }
}
