//! Tokens made with a key of the test's own, and what is read from them.

use ed25519_dalek::{Signer, SigningKey};

use super::*;

const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The key's text: kind, bytes, and the check that [`PublicKey`] makes.
fn text(kind: u8) -> String {
    let mut bytes = vec![kind];
    bytes.extend(key().verifying_key().as_bytes());
    let crc = bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ if crc >= 0x8000 { 0x1021 } else { 0 })
    });
    bytes.extend(crc.to_le_bytes());
    data_encoding::BASE32_NOPAD.encode(&bytes)
}

fn token(header: &str, body: &str) -> String {
    let signed = [header, body].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
    let signature = BASE64URL_NOPAD.encode(&key().sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

fn body(times: &str) -> String {
    let (issuer, subject) = (text(0), text(12 << 3));
    format!(
        r#"{{"jti":"x","iat":5,"iss":"{issuer}","sub":"{subject}"{times},"wascap":{{"name":"echo","hash":"AB","rev":3,"ver":"0.3","caps":["wasmcloud:httpserver"],"prov":false}},"wascap_revision":3}}"#
    )
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn claims_say_who_says_what() {
    let claims = read_claims(&token(HEADER, &body("")), at(100)).expect("claims");
    assert_eq!((claims.signature, claims.period), (Signature::Valid, Period::Current));
    assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (text(0).as_str(), text(12 << 3).as_str()));
    assert_eq!(
        (claims.name.as_deref(), claims.version.as_deref(), claims.revision),
        (Some("echo"), Some("0.3"), Some(3))
    );
    assert_eq!(claims.capabilities, ["wasmcloud:httpserver"]);
}

#[test]
fn the_time_that_is_given_decides() {
    let period = |times: &str, now| read_claims(&token(HEADER, &body(times)), at(now)).expect("claims").period;
    assert_eq!(period(r#","nbf":10,"exp":20"#, 9), Period::NotYet);
    assert_eq!(period(r#","nbf":10,"exp":20"#, 10), Period::Current);
    assert_eq!(period(r#","nbf":10,"exp":20"#, 20), Period::Expired);
}

#[test]
fn every_changed_byte_is_noticed() {
    let token = token(HEADER, &body(""));
    for at_byte in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        let signature = read_claims(&changed, at(100)).map(|claims| claims.signature);
        assert!(!matches!(signature, Ok(Signature::Valid)), "changed at {at_byte}");
    }
}

#[test]
fn what_is_signed_otherwise_is_not_valid() {
    let other = |header: &str, body: &str| read_claims(&token(header, body), at(1)).expect("claims").signature;
    assert_eq!(other(r#"{"alg":"none"}"#, &body("")), Signature::OtherAlgorithm);
    let by_itself = body("").replace(&text(0), &text(12 << 3));
    assert_eq!(other(HEADER, &by_itself), Signature::IssuerIsNoAccount);
    // The neutral element as a key, with which lax verification takes one signature for every message.
    let mut weak = vec![0, 1];
    weak.extend([0; 31]);
    let key: PublicKey = text(0).parse().expect("a key");
    assert!(!key.has_signed(b"anything", &[1; 64]) && !key.has_signed(b"anything", &weak));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "a.b", "a.b.c", "é.é.é"] {
        assert!(read_claims(text, at(1)).is_err(), "{text:?}");
    }
    assert!(matches!(read_claims(&"A".repeat(70_000), at(1)), Err(ClaimsError::TooLong(70_000))));
    assert!(matches!(read_claims(&token("[]", "{}"), at(1)), Err(ClaimsError::NotClaims { part: "header", .. })));
}
