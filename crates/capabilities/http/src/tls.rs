//! This is who a listener says that it is: a certificate and its key, read again when their files change.
//!
//! # Invariants
//!
//! 1. A connection is encrypted with what was good last: files that cannot be used now change nothing.
//! 2. A key is in no message and in no log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stdx::{Chain, Code, Explain};
use tokio::time::MissedTickBehavior;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where a certificate and its key are, both as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead from it to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate with its key, as they are in their files.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

/// What was found when the files were looked at last.
struct Seen {
    stamps: Stamps,
    complaint: Option<String>,
}

/// Tells whether one of both files is another one: when it was written, and its length.
type Stamps = [Option<(SystemTime, u64)>; 2];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{what} cannot be read from {}", path.display())]
    File {
        /// `the certificate` or `the key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The two do not belong together, or nobody can be shown them.
    #[error("the certificate in {} cannot be used with the key in {}", files.certificate.display(), files.key.display())]
    Pair {
        /// The files.
        files: TlsFiles,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl Explain for TlsError {
    fn code(&self) -> Code {
        Code::E0304
    }
}

// === impl Tls ===

impl Tls {
    /// Reads both files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Mutex::new(Seen { stamps: files.stamps(), complaint: None });
        let current = ArcSwap::from_pointee(files.read()?);
        Ok(Self { files, current, seen })
    }

    /// What the next connection is encrypted with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again whenever they change.
    pub(crate) async fn keep_fresh(&self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.renew();
        }
    }

    /// Reads the files again where they have changed. What is wrong with them is said once.
    fn renew(&self) {
        let stamps = self.files.stamps();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stamps == stamps {
            return;
        }
        match self.files.read() {
            Ok(config) => {
                self.current.store(Arc::new(config));
                *seen = Seen { stamps, complaint: None };
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
            }
            // One of the two may not be there yet: it is looked at again, though nothing may change any more.
            Err(error) => {
                let complaint = Chain(&error).to_string();
                if seen.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(error = complaint, "the certificate has changed and cannot be used; the old one is");
                }
                seen.complaint = Some(complaint);
            }
        }
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| {
            let facts = std::fs::metadata(path).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        })
    }

    fn read(&self) -> Result<ServerConfig, TlsError> {
        let failed = |what: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { what, path, source }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(failed("the certificate", &self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(failed("the key", &self.key))?;
        let unusable = |source| TlsError::Pair { files: self.clone(), source };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(unusable)?.with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).map_err(unusable)?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What a client and this host call HTTP/2 when they agree on it.
pub(crate) const HTTP_2: &[u8] = b"h2";
