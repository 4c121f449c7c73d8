//! A server that speaks the XML interface of Google Cloud Storage, in the process of the tests.
//!
//! The interface is the one of S3 with other names for some headers and another way to say who asks: a token that is
//! signed with the key of a service account. So this is the server of S3 behind a door that checks the token and renames.
//!
//! <https://cloud.google.com/storage/docs/xml-api/overview>

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use s3s::service::S3Service;
use s3s::{Body, HttpError};
use tempfile::TempDir;

use crate::load::Mortal;
use crate::s3::Listening;

/// A header of Google, and what S3 calls it.
const RENAMED: [(HeaderName, HeaderName); 1] =
    [(HeaderName::from_static("x-goog-copy-source"), HeaderName::from_static("x-amz-copy-source"))];

/// A server that speaks the language of Google Cloud Storage, with one empty bucket. It ends when it is dropped.
#[derive(Debug)]
pub struct Gcs {
    listening: Listening,
    folder: TempDir,
    account: String,
    public: Vec<u8>,
}

/// What is in front of the buckets.
#[derive(Clone)]
struct Door {
    buckets: S3Service,
    /// The service account's key in PKCS #1, as a token is checked with it.
    public: Vec<u8>,
}

// === impl Gcs ===

impl Gcs {
    /// Its bucket.
    pub const BUCKET: &str = "bucket";

    /// Starts one, with a service account of its own.
    ///
    /// # Panics
    ///
    /// Where the system gives no folder, port or thread, or has no `openssl`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        std::fs::create_dir(folder.path().join(Self::BUCKET)).expect("a bucket");
        let pem = new_key();
        let public = public_of(&pem);
        let listening = Listening::start(Door::of(folder.path(), &public));
        Self { listening, folder, account: Self::account_of(&pem), public }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.listening.endpoint()
    }

    /// The service account whose tokens it takes, as the provider gives it out: JSON with the key in it.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// A service account whose tokens it does not take.
    pub fn stranger() -> String {
        Self::account_of(&new_key())
    }

    /// Where its buckets are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn account_of(pem: &str) -> String {
        let account = serde_json::json!({
            "type": "service_account",
            "private_key_id": "a-key",
            "private_key": pem,
            "client_email": "wattle@test.iam.gserviceaccount.com",
        });
        account.to_string()
    }
}

impl Mortal for Gcs {
    fn kill(&mut self) {
        self.listening.end();
    }

    fn restart(&mut self) {
        self.listening.start_again(Door::of(self.folder.path(), &self.public));
    }
}

/// A new key of RSA, in PEM.
fn new_key() -> String {
    let made = Command::new("openssl").args(["genpkey", "-quiet", "-algorithm", "RSA"]).output();
    let made = made.expect("there is an openssl, see tools/setup");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).expect("PEM is text")
}

fn public_of(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = BASE64_STANDARD.decode(text).expect("PEM is base64");
    RsaKeyPair::from_pkcs8(&key).expect("it is a key of RSA").public_key().as_ref().to_vec()
}

// === impl Door ===

impl Door {
    fn of(folder: &Path, public: &[u8]) -> Self {
        Self { buckets: crate::s3::buckets(folder).build(), public: public.to_vec() }
    }

    /// Whether a request has a token of the service account.
    fn admits(&self, request: &Request<Incoming>) -> bool {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| token.rsplit_once('.'));
        let Some((claims, signature)) = token else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public);
        public.verify(claims.as_bytes(), &signature).is_ok()
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if !self.admits(&request) {
            let mut refused =
                Response::new(Body::from("<Error><Code>AuthenticationRequired</Code></Error>".to_owned()));
            *refused.status_mut() = StatusCode::UNAUTHORIZED;
            return Box::pin(std::future::ready(Ok(refused)));
        }
        request.headers_mut().remove(AUTHORIZATION);
        for (theirs, of_s3) in RENAMED {
            if let Some(value) = request.headers_mut().remove(theirs) {
                request.headers_mut().insert(of_s3, value);
            }
        }
        let buckets = self.buckets.clone();
        Box::pin(async move { buckets.call(request.map(Body::from)).await })
    }
}
