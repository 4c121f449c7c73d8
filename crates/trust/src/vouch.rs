//! Decides whether the claims of a component hold: signed by who issues them, current, and about the bytes that they were found in.
//!
//! # Invariants
//!
//! 1. What is given back was checked in all of these; whether the issuer is one to rely on was not.
//!
//! # Not here
//!
//! What the digest of a program is, and where its claims lie (`engine`).

use std::time::SystemTime;

use crate::claims::{ClaimsError, ClaimsView, read_claims};
use crate::key::{KeyKind, PublicKey};

/// From this revision of their form on claims have the digest of the program as it is now reckoned.
const DIGEST_SINCE: u64 = 3;

/// Why claims do not hold.
#[derive(Debug, thiserror::Error)]
pub enum NotVouched {
    /// They are none.
    #[error("its claims cannot be read")]
    Unreadable(#[from] ClaimsError),
    /// They are not signed, or do not hold now.
    #[error("its claims are {0}")]
    NotValid(&'static str),
    /// They are about something else than a component.
    #[error("its claims are about {0:?}, which is no key of a component")]
    NotAComponent(String),
    /// They are about other bytes.
    #[error("its claims are about another program: the digest in them is not that of this one")]
    OtherProgram,
}

/// The claims in a token, if they hold at `now` for the component whose bytes have this digest: SHA-256 in hexadecimal, without the
/// claims.
pub fn vouch(token: &str, digest: &str, now: SystemTime) -> Result<ClaimsView, NotVouched> {
    let claims = read_claims(token, now)?;
    if let Some(why) = claims.flaw() {
        return Err(NotVouched::NotValid(why));
    }
    let is_component = claims.subject.parse().is_ok_and(|key: PublicKey| key.kind() == KeyKind::Module);
    if !is_component {
        return Err(NotVouched::NotAComponent(claims.subject));
    }
    let is_reckoned = claims.form.is_some_and(|form| form >= DIGEST_SINCE);
    let is_about_it = claims.digest.as_ref().is_some_and(|named| named.eq_ignore_ascii_case(digest));
    if is_reckoned && !is_about_it { Err(NotVouched::OtherProgram) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use data_encoding::BASE64URL_NOPAD;

    use super::*;
    use crate::seed::Seed;

    const BODY: &str = r#"{"exp":200,"nbf":100,"iss":"ISSUER","sub":"SUBJECT","wascap":{"name":"echo","hash":"AB12"},"wascap_revision":3}"#;

    fn issuer() -> Seed {
        Seed::new(KeyKind::Account, [7; 32])
    }

    fn signed(body: &str) -> String {
        let subject = Seed::new(KeyKind::Module, [8; 32]).public().to_string();
        let body = body.replace("ISSUER", &issuer().public().to_string()).replace("SUBJECT", &subject);
        let parts = [r#"{"typ":"jwt","alg":"Ed25519"}"#, &body].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
        let signed = parts.join(".");
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&issuer().sign(signed.as_bytes())))
    }

    fn at(token: &str, digest: &str, seconds: u64) -> Result<ClaimsView, NotVouched> {
        vouch(token, digest, UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn refused(body: &str, digest: &str, seconds: u64) -> String {
        at(&signed(body), digest, seconds).expect_err("they do not hold").to_string()
    }

    #[test]
    fn claims_hold_for_their_program_and_in_their_time() {
        let claims = at(&signed(BODY), "ab12", 150).expect("they hold");
        assert_eq!(claims.name.as_deref(), Some("echo"));
        assert_eq!(refused(BODY, "AB12", 99), "its claims are not valid yet");
        assert_eq!(refused(BODY, "AB12", 200), "its claims are expired");
        let other = "its claims are about another program: the digest in them is not that of this one";
        assert_eq!(refused(BODY, "AB13", 150), other);
        assert_eq!(refused(&BODY.replace(r#","hash":"AB12""#, ""), "AB12", 150), other);
        let early = BODY.replace("\"wascap_revision\":3", "\"wascap_revision\":2");
        assert!(at(&signed(&early), "other", 150).is_ok(), "early ones have a digest that was reckoned otherwise");
    }

    #[test]
    fn claims_about_what_is_no_component_do_not_hold() {
        let provider = Seed::new(KeyKind::Provider, [8; 32]).public().to_string();
        let why = refused(&BODY.replace("SUBJECT", &provider), "AB12", 150);
        assert_eq!(why, format!("its claims are about {provider:?}, which is no key of a component"));
        assert!(refused(&BODY.replace("SUBJECT", "till"), "AB12", 150).contains("no key of a component"));
        let by_another = BODY.replace("ISSUER", &Seed::new(KeyKind::Account, [9; 32]).public().to_string());
        assert_eq!(refused(&by_another, "AB12", 150), "its claims are not signed by who is said to issue them");
    }

    /// Whatever a stranger makes of a token, it holds as it was or is refused.
    #[test]
    fn a_token_with_a_wound_anywhere_does_not_hold() {
        let token = signed(BODY);
        for at_byte in 0..token.len() {
            assert!(at(&token[..at_byte], "AB12", 150).is_err(), "cut at {at_byte}");
            assert!(at(&token[at_byte..], "AB12", 150).is_err() || at_byte == 0, "begun at {at_byte}");
            for byte in [b'A', b'.', b'=', b'{', 0, b'"'] {
                let mut wounded = token.clone().into_bytes();
                let before = std::mem::replace(&mut wounded[at_byte], byte);
                let wounded = String::from_utf8(wounded).expect("ASCII");
                assert!(before == byte || at(&wounded, "AB12", 150).is_err(), "{byte} at {at_byte}");
                wounded_twice(&wounded);
            }
        }
    }

    /// One more or one less of everything.
    fn wounded_twice(token: &str) {
        for text in [format!("{token}."), format!("{token}A"), format!(".{token}"), token.replace('.', "..")] {
            assert!(at(&text, "AB12", 150).is_err(), "{text}");
        }
    }

    #[test]
    fn json_that_is_no_claims_does_not_hold() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for body in ["", "null", "[]", "{}", r#"{"iss":1,"sub":2}"#, r#"{"iss":"","sub":"","exp":-1}"#, &deep] {
            assert!(at(&signed(body), "AB12", 150).is_err(), "{body:.40}");
        }
        for wascap in ["1", "[]", r#"{"rev":1e99}"#, r#"{"tags":{}}"#, r#"{"hash":null}"#] {
            let body = format!(r#"{{"iss":"ISSUER","sub":"SUBJECT","wascap":{wascap},"wascap_revision":3}}"#);
            assert!(at(&signed(&body), "AB12", 150).is_err(), "{wascap}");
        }
    }
}
