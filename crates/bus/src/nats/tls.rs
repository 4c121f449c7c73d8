//! This is whom a connection trusts, and what is wrong where it does not.
//!
//! # Invariants
//!
//! 1. Who names an authority trusts it alone, and connects encrypted or not at all.
//! 2. The files are read for each connection.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, crypto};

use super::files::{self, BadFile, Unusable};

const AUTHORITY: &str = "the authority's certificate";
const CERTIFICATE: &str = "the client's certificate";
const KEY: &str = "the client's key";

/// How a connection is encrypted. Where nothing is said it is if the address begins with `tls://` or the server wants it, and the
/// authorities of this machine are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificates of the authorities that are trusted instead: a file in PEM.
    pub authority: Option<PathBuf>,
    /// What is shown to a server that wants a certificate.
    pub certificate: Option<ClientCertificate>,
    /// Whether it begins before the server has said anything, as one with `handshake_first` wants it.
    pub is_first: bool,
}

/// A certificate and its key, as files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key, without a password.
    pub key: PathBuf,
}

// === impl Tls ===

impl Tls {
    /// Whether something was said, so that a connection has to be encrypted.
    pub(super) fn is_wanted(&self) -> bool {
        *self != Self::default()
    }

    /// What is wrong with the files at this moment.
    pub(super) fn problems(&self) -> Vec<BadFile> {
        let mut problems = Vec::new();
        if let Some(path) = &self.authority {
            problems.extend(authorities(path).err());
        }
        if let Some(ours) = &self.certificate {
            match (certificates(CERTIFICATE, &ours.certificate), key(&ours.key)) {
                (Ok(chain), Ok(key)) => {
                    let other = (!belong_together(chain, key)).then_some(Unusable::OtherKey);
                    problems.extend(other.map(|other| BadFile::new(KEY, &ours.key, other)));
                }
                (chain, key) => problems.extend([chain.err(), key.err()].into_iter().flatten()),
            }
        }
        problems
    }

    /// The same, as the client is told it.
    pub(super) fn tell(&self, mut options: ConnectOptions) -> ConnectOptions {
        if let Some(path) = &self.authority {
            options = options.add_root_certificates(path.clone());
        }
        if let Some(ours) = &self.certificate {
            options = options.add_client_certificate(ours.certificate.clone(), ours.key.clone());
        }
        if self.is_first { options.tls_first() } else { options }
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let content = files::read(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(BadFile::new(what, path, Unusable::NoCertificate)),
    }
}

fn authorities(path: &Path) -> Result<(), BadFile> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(AUTHORITY, path)? {
        roots.add(certificate).map_err(|error| BadFile::new(AUTHORITY, path, error))?;
    }
    Ok(())
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, BadFile> {
    let content = files::read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|_no_key| BadFile::new(KEY, path, Unusable::NoKey))
}

fn belong_together(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> bool {
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("ring has them");
    config.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain, key).is_ok()
}

/// What the encryption of a connection failed of, if it did.
pub(super) fn failure<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let found = |error: &'a (dyn StdError + 'static)| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        None => error.downcast_ref(),
    };
    std::iter::successors(Some(error), |&error| error.source()).find_map(found)
}

/// The same in a few words, after the name of the bus.
pub(super) fn in_words(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(error) => in_words_of_certificate(error),
        Error::AlertReceived(AlertDescription::CertificateRequired) => "wants a certificate from us and was shown none",
        Error::AlertReceived(_) => "ends the encrypted connection, as one does that wants another certificate from us",
        Error::InvalidMessage(_) => "does not encrypt, or not from the first byte on",
        _ => "cannot be connected to with encryption",
    }
}

fn in_words_of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => "shows a certificate of an authority that is not trusted here",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "shows a certificate for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "shows a certificate that has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "shows a certificate that is not valid yet by this machine's clock"
        }
        _ => "shows a certificate that is not valid",
    }
}
