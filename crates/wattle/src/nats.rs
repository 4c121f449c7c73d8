//! The flags that say who connects to the NATS servers of a lattice, whom of them is trusted, and whose buckets are meant.
//!
//! They are the same for hosts, for commands and for contexts, and name files: what is in those is read for each connection, and
//! kept nowhere else.
//!
//! # Invariants
//!
//! 1. What a command says itself counts before what its context says; a login is one thing, however it is shown.

use std::path::{Path, PathBuf};

use bus::{ConnectOptions, Domain, Login};
use clap::Args;
use model::NatsLogin;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Who connects, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct NatsFlags {
    /// The file of the token that these servers ask for
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["nats_creds", "nats_nkey"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_token: Option<PathBuf>,
    /// The file of a user's credentials (.creds: token and seed) that these servers ask for
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "nats_nkey")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_creds: Option<PathBuf>,
    /// The file of the seed of a user whom these servers know by an nkey
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_nkey: Option<PathBuf>,
    /// The certificates of the authorities that are trusted, as a PEM file [default: those of this machine]
    #[arg(long, global = true, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_ca: Option<PathBuf>,
    /// The certificate to show to servers that want one, as a PEM file
    #[arg(long, global = true, value_name = "FILE", requires = "nats_key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_cert: Option<PathBuf>,
    /// The private key of that certificate, as a PEM file
    #[arg(long, global = true, value_name = "FILE", requires = "nats_cert")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_key: Option<PathBuf>,
    /// Encrypts from the first byte on, for servers with `handshake_first`
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    nats_tls_first: bool,
    /// The domain of JetStream that the lattice is kept in, such as that of a hub [default: that of the server]
    #[arg(long, global = true, value_name = "NAME", value_parser = domain)]
    #[serde(skip_serializing_if = "Option::is_none")]
    nats_domain: Option<String>,
}

fn domain(text: &str) -> Result<String, bus::NameError> {
    text.parse().map(|domain: Domain| domain.as_str().to_owned())
}

// === impl NatsFlags ===

impl NatsFlags {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Who connects, if it was said.
    fn login(&self) -> Option<Login> {
        let token = self.nats_token.clone().map(Login::TokenFile);
        let nkey = || self.nats_nkey.clone().map(Login::NkeyFile);
        let credentials = || self.nats_creds.clone().map(Login::CredentialsFile);
        token.or_else(nkey).or_else(credentials)
    }

    /// What a bus is connected to with; `default` says who connects where these flags do not.
    pub(crate) fn options(&self, default: impl FnOnce() -> Login) -> Result<ConnectOptions, Failure> {
        let options = host::connect_options(&self.files())?;
        let login = if self.login().is_some() { options.login.clone() } else { default() };
        // Who only asks leaves buckets as they are.
        let ConnectOptions { name, replicas, .. } = ConnectOptions::default();
        Ok(ConnectOptions { name, replicas, login, ..options })
    }

    /// The files, as a host is told of them.
    pub(crate) fn files(&self) -> NatsLogin {
        NatsLogin {
            token: self.nats_token.clone(),
            creds: self.nats_creds.clone(),
            nkey: self.nats_nkey.clone(),
            ca: self.nats_ca.clone(),
            cert: self.nats_cert.clone(),
            key: self.nats_key.clone(),
            tls_first: self.nats_tls_first,
            domain: self.nats_domain.clone(),
        }
    }

    /// These, and what a context says where they say nothing.
    pub(crate) fn or(&self, context: Self) -> Self {
        let said = self.clone();
        let login = if said.login().is_some() { &said } else { &context };
        let certificate = if said.nats_cert.is_some() { &said } else { &context };
        Self {
            nats_token: login.nats_token.clone(),
            nats_creds: login.nats_creds.clone(),
            nats_nkey: login.nats_nkey.clone(),
            nats_ca: said.nats_ca.clone().or(context.nats_ca.clone()),
            nats_cert: certificate.nats_cert.clone(),
            nats_key: certificate.nats_key.clone(),
            nats_tls_first: said.nats_tls_first || context.nats_tls_first,
            nats_domain: said.nats_domain.clone().or(context.nats_domain.clone()),
        }
    }

    /// The same from wherever it is used: no path depends on the folder that a command is started in.
    pub(crate) fn anywhere(self) -> std::io::Result<Self> {
        let anywhere = |path: Option<PathBuf>| path.as_deref().map(|path: &Path| std::path::absolute(path)).transpose();
        Ok(Self {
            nats_token: anywhere(self.nats_token)?,
            nats_creds: anywhere(self.nats_creds)?,
            nats_nkey: anywhere(self.nats_nkey)?,
            nats_ca: anywhere(self.nats_ca)?,
            nats_cert: anywhere(self.nats_cert)?,
            nats_key: anywhere(self.nats_key)?,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(json: &str) -> NatsFlags {
        serde_json::from_str(json).expect("flags as a context has them")
    }

    #[test]
    fn what_is_said_counts_before_the_context_and_a_login_is_one_thing() {
        let context =
            flags(r#"{"nats-token": "t", "nats-ca": "ca", "nats-cert": "c", "nats-key": "k", "nats-domain": "hub"}"#);
        assert_eq!(NatsFlags::default().or(context.clone()), context);
        let said = flags(r#"{"nats-creds": "me", "nats-domain": "site"}"#);
        let both =
            flags(r#"{"nats-creds": "me", "nats-ca": "ca", "nats-cert": "c", "nats-key": "k", "nats-domain": "site"}"#);
        assert_eq!(said.or(context), both);
    }

    #[test]
    fn a_context_keeps_paths_that_hold_everywhere_and_nothing_that_was_not_said() {
        let kept = flags(r#"{"nats-nkey": "a/seed", "nats-tls-first": true}"#).anywhere().expect("there is a folder");
        let text = serde_json::to_string(&kept).expect("it is a value");
        let path = std::path::absolute("a/seed").expect("there is a folder");
        assert_eq!(text, format!(r#"{{"nats-nkey":{path:?},"nats-tls-first":true}}"#));
        assert_eq!(kept.options(|| Login::Anyone).expect("it can be used").login, Login::NkeyFile(path));
    }
}
