//! These are the claims of a component or provider as a lattice keeps them and answers with them, in the shapes of wasmCloud 1.x.
//!
//! Whoever keeps them has checked them: what is kept says what was signed, and not that it was.
//!
//! # Invariants
//!
//! 1. What was written by hosts of others is read, in all of their spellings.
//! 2. Those of a component always have an alias and tags, by which readers tell them from those of a provider.

use serde::{Deserialize, Deserializer, Serialize};

use crate::lattice::{Labels, or_empty};

/// What the keys of claims begin with in the bucket of a lattice; their subject follows.
pub const CLAIMS: &str = "CLAIMS_";

/// Claims as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptClaims {
    /// What components of early wasmCloud call it. Of a component only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_alias: Option<String>,
    /// Who says it: the public key of an account.
    #[serde(alias = "iss")]
    pub issuer: String,
    /// What it is called.
    #[serde(default, deserialize_with = "or_empty")]
    pub name: String,
    /// Its version as a number.
    #[serde(default, alias = "rev", deserialize_with = "or_empty")]
    pub revision: String,
    /// Of whom: the public key of a component or provider.
    #[serde(alias = "sub")]
    pub subject: String,
    /// Labels. Of a component only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "tags")]
    pub tags: Option<Vec<String>>,
    /// Its version in words.
    #[serde(default, deserialize_with = "or_empty")]
    pub version: String,
    /// What it can be told, as JSON. Of a provider only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<String>,
}

/// Tags as a list or, by early hosts, as one text with commas.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

// === impl KeptClaims ===

impl KeptClaims {
    /// What is answered to who asks for claims: each in both of its spellings.
    pub fn answered(&self) -> Labels {
        let of_all = [
            ("iss", &self.issuer),
            ("issuer", &self.issuer),
            ("name", &self.name),
            ("rev", &self.revision),
            ("revision", &self.revision),
            ("sub", &self.subject),
            ("subject", &self.subject),
            ("version", &self.version),
        ];
        let own = match self.is_of_component() {
            true => vec![
                ("call_alias", self.call_alias.clone().unwrap_or_default()),
                ("tags", self.tags.clone().unwrap_or_default().join(",")),
            ],
            false => vec![("config_schema", self.config_schema.clone().unwrap_or_default())],
        };
        let of_all = of_all.map(|(name, value)| (name, value.clone()));
        of_all.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn is_of_component(&self) -> bool {
        self.call_alias.is_some() || self.tags.is_some()
    }
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let tags = Option::<Tags>::deserialize(deserializer)?;
    Ok(tags.map(|tags| match tags {
        Tags::List(tags) => tags,
        Tags::Text(text) if text.is_empty() => Vec::new(),
        Tags::Text(text) => text.split(',').map(ToOwned::to_owned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn claims_of_a_component_are_kept_and_answered_as_hosts_of_others_do() {
        let text = json!({
            "call_alias": "", "issuer": "A", "name": "echo", "revision": "3", "subject": "M", "tags": ["a", "b"],
            "version": "0.3",
        });
        let claims: KeptClaims = from_value(text.clone()).expect("claims");
        assert_eq!(to_value(&claims).expect("a value"), text);
        let answered = json!({
            "call_alias": "", "iss": "A", "issuer": "A", "name": "echo", "rev": "3", "revision": "3", "sub": "M",
            "subject": "M", "tags": "a,b", "version": "0.3",
        });
        assert_eq!(to_value(claims.answered()).expect("a value"), answered);
    }

    #[test]
    fn claims_of_a_provider_have_a_schema_in_the_place_of_tags() {
        let text = json!({ "issuer": "A", "name": "kv", "revision": "0", "subject": "V", "version": "1" });
        let claims: KeptClaims = from_value(text.clone()).expect("claims");
        assert_eq!(to_value(&claims).expect("a value"), text);
        let answered = json!({
            "iss": "A", "issuer": "A", "name": "kv", "rev": "0", "revision": "0", "sub": "V", "subject": "V", "version": "1",
            "config_schema": "",
        });
        assert_eq!(to_value(claims.answered()).expect("a value"), answered);
    }

    #[test]
    fn other_spellings_are_read() {
        let early =
            json!({ "call_alias": "e", "iss": "A", "name": "", "rev": "0", "sub": "M", "tags": "a,b", "version": "" });
        let claims: KeptClaims = from_value(early).expect("claims");
        assert_eq!((claims.subject.as_str(), claims.tags), ("M", Some(vec!["a".to_owned(), "b".to_owned()])));
        let bare: KeptClaims =
            from_value(json!({ "issuer": "A", "subject": "V", "name": null, "tags": null })).expect("claims");
        assert_eq!(bare, KeptClaims { issuer: "A".into(), subject: "V".into(), ..KeptClaims::default() });
        assert!(from_value::<KeptClaims>(json!({ "issuer": "A" })).is_err());
        assert!(from_value::<KeptClaims>(json!({ "issuer": "A", "subject": "M", "tags": 1 })).is_err());
    }
}
