//! Reads the claims that a component or provider of wasmCloud carries: a token that its issuer signed.
//!
//! A token is `header.body.signature`, each base64url; header and body are JSON, and the signature is Ed25519 over the first two
//! with the dot between. This reads them to be shown; whether a component may run with them is decided by `vouch`.
//!
//! # Invariants
//!
//! 1. Every field of [`ClaimsView`] is what the token says, true or not; only [`Signature`] and [`Period`] are findings.
//! 2. That the claims are about the file they were found in is not checked here: the token names a digest of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::key::{KeyKind, PublicKey};

/// A longer token is not read.
const TOKEN_MAX: usize = 64 << 10;

/// What a token says, and what was found out about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimsView {
    /// Who says it: the public key of an account.
    pub issuer: String,
    /// Of whom: the public key of a component or provider.
    pub subject: String,
    /// What it is called.
    pub name: Option<String>,
    /// Its version in words.
    pub version: Option<String>,
    /// Its version as a number.
    pub revision: Option<i64>,
    /// What it is called by components of early wasmCloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_alias: Option<String>,
    /// What a provider can be told, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<String>,
    /// What it may use, in the contract names of early wasmCloud.
    pub capabilities: Vec<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The digest that the file is said to have: SHA-256 without the claims.
    pub digest: Option<String>,
    /// The digests that the executables of a provider are said to have, by the kind of machine: SHA-256 in hexadecimal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub executables: BTreeMap<String, String>,
    /// The revision of the form of these claims.
    #[serde(skip)]
    pub form: Option<u64>,
    /// When it was issued, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// From when on it holds, in seconds since 1970.
    pub not_before: Option<u64>,
    /// Until when it holds, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether the issuer signed it.
    pub signature: Signature,
    /// Whether it holds at the time that was given.
    pub period: Period,
}

/// Whether the issuer signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// It did.
    Valid,
    /// This is no signature of the issuer's key.
    NotValid,
    /// The issuer is no key that issues claims.
    IssuerIsNoAccount,
    /// It says that it is signed in a way other than Ed25519.
    OtherAlgorithm,
}

/// Whether claims hold at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// They do.
    Current,
    /// Not any more.
    Expired,
    /// Not yet.
    NotYet,
}

/// The text is not a token.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// It is longer than any token.
    #[error("it is {0} bytes long")]
    TooLong(usize),
    /// It has not three parts of base64url.
    #[error("it is not three parts of base64url with dots between")]
    NotAToken,
    /// A part is not what a token has there.
    #[error("its {part} is not that of claims")]
    NotClaims {
        /// Header or body.
        part: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Body {
    iss: String,
    sub: String,
    iat: Option<u64>,
    nbf: Option<u64>,
    exp: Option<u64>,
    wascap: Option<Wascap>,
    wascap_revision: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Wascap {
    name: Option<String>,
    ver: Option<String>,
    rev: Option<i64>,
    call_alias: Option<String>,
    config_schema: Option<serde_json::Value>,
    caps: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    hash: Option<String>,
    target_hashes: Option<BTreeMap<String, String>>,
}

/// What `token` says, checked as of `now`.
pub fn read_claims(token: &str, now: SystemTime) -> Result<ClaimsView, ClaimsError> {
    if token.len() > TOKEN_MAX {
        return Err(ClaimsError::TooLong(token.len()));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(ClaimsError::NotAToken)?;
    let (header, body) = signed.split_once('.').ok_or(ClaimsError::NotAToken)?;
    let header: Header = part("header", header)?;
    let body: Body = part("body", body)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_not_base64| ClaimsError::NotAToken)?;
    let period = period(&body, now);
    let finding = match body.iss.parse::<PublicKey>() {
        _ if header.alg != "Ed25519" => Signature::OtherAlgorithm,
        Ok(issuer) if issuer.kind() == KeyKind::Account => match issuer.has_signed(signed.as_bytes(), &signature) {
            true => Signature::Valid,
            false => Signature::NotValid,
        },
        _ => Signature::IssuerIsNoAccount,
    };
    let wascap = body.wascap.unwrap_or_default();
    Ok(ClaimsView {
        issuer: body.iss,
        subject: body.sub,
        name: wascap.name,
        version: wascap.ver,
        revision: wascap.rev,
        call_alias: wascap.call_alias,
        config_schema: wascap.config_schema.map(|schema| schema.to_string()),
        form: body.wascap_revision,
        capabilities: wascap.caps.unwrap_or_default(),
        tags: wascap.tags.unwrap_or_default(),
        digest: wascap.hash,
        executables: wascap.target_hashes.unwrap_or_default(),
        issued_at: body.iat,
        not_before: body.nbf,
        expires: body.exp,
        signature: finding,
        period,
    })
}

// === impl ClaimsView ===

impl ClaimsView {
    /// Why these claims do not hold, whatever they are about; nothing where they do.
    pub fn flaw(&self) -> Option<&'static str> {
        match (self.signature, self.period) {
            (Signature::NotValid, _) => Some("not signed by who is said to issue them"),
            (Signature::IssuerIsNoAccount, _) => Some("issued by what is no account"),
            (Signature::OtherAlgorithm, _) => Some("signed in another way than Ed25519"),
            (Signature::Valid, Period::Expired) => Some("expired"),
            (Signature::Valid, Period::NotYet) => Some("not valid yet"),
            (Signature::Valid, Period::Current) => None,
        }
    }
}

fn part<T: serde::de::DeserializeOwned>(part: &'static str, text: &str) -> Result<T, ClaimsError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_not_base64| ClaimsError::NotAToken)?;
    serde_json::from_slice(&bytes).map_err(|source| ClaimsError::NotClaims { part, source })
}

/// A token without times holds always.
fn period(body: &Body, now: SystemTime) -> Period {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    match (body.nbf, body.exp) {
        (_, Some(end)) if now >= end => Period::Expired,
        (Some(start), _) if now < start => Period::NotYet,
        _ => Period::Current,
    }
}

#[cfg(test)]
mod tests;
