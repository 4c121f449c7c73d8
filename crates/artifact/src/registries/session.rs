//! Asks one registry, for one artefact: shows who asks, follows where the registry leads, and waits for nothing without an end.
//!
//! # Invariants
//!
//! 1. What shows who asks goes to the registry itself and, where that says so, to who gives out its tokens: never to where a
//!    redirect leads, and never without encryption, except to a registry that is on this machine or was named for it.
//! 2. Only the registry itself is believed when it asks who it is talking to.
//! 3. Where a conversation was encrypted, what it leads to is as well.
//!
//! # Not here
//!
//! What is asked for, and whether the answer is that (`registries`).

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use model::{Reference, Registry, Secret};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use stdx::BoxError;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::logins::Login;

/// How long a connection may take, and how long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that come slower than this in a second come for ever.
const SLOWEST: u64 = 32 << 10;

/// The longest answer of who gives out tokens.
const TOKEN_MAX: usize = 1 << 20;

/// So much is read of what a registry says when it refuses.
const SAID_MAX: usize = 16 << 10;

/// So many letters of it are shown.
const SHOWN_MAX: usize = 200;

/// Redirects that are followed.
const HOPS_MAX: usize = 5;

/// A conversation with a registry.
pub(super) struct Session<'a> {
    client: Client,
    registry: &'a Registry,
    repository: &'a str,
    base: Url,
    /// Those that are spoken to without encryption.
    plain: &'a [Registry],
    login: Option<Login>,
    /// What is asked for a token of.
    scope: String,
    authorization: Option<HeaderValue>,
}

/// What is to be done with an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Pull,
    Push,
}

/// A request.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

/// What a registry says is wrong.
#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: Option<String>,
    message: Option<String>,
}

// === impl Ask ===

impl Ask {
    /// A request with these words, and nothing more.
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None }
    }

    /// The same that brings these bytes.
    pub(super) fn with(self, body: Bytes) -> Self {
        Self { body: Some(body), ..self }
    }
}

// === impl Session ===

impl<'a> Session<'a> {
    /// Begins a conversation. Nothing is said yet.
    pub(super) fn new(
        reference: &'a Reference,
        plain: &'a [Registry],
        login: Option<Login>,
        intent: Intent,
    ) -> Result<Self, RegistryError> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let unreachable = |source: BoxError| RegistryError::Unreachable { registry: registry.clone(), source };
        let untrusted = |source: BoxError| RegistryError::Untrusted { registry: registry.clone(), source };
        let is_plain = is_plain(registry, plain);
        let scheme = if is_plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/", registry.answers_at()));
        let actions = match intent {
            Intent::Pull => "pull",
            Intent::Push => "pull,push",
        };
        Ok(Self {
            client: client(is_plain, roots().map_err(untrusted)?).map_err(unreachable)?,
            registry,
            repository,
            base: base.map_err(|error| unreachable(error.into()))?,
            plain,
            login,
            scope: format!("repository:{repository}:{actions}"),
            authorization: None,
        })
    }

    /// The address of something that belongs to the artefact.
    pub(super) fn url(&self, rest: &str) -> Url {
        let path = format!("v2/{}/{rest}", self.repository);
        self.base.join(&path).expect("a repository, a tag and a digest have letters that paths have, see Reference")
    }

    /// Asks, and gives whatever is answered at last.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Response, RegistryError> {
        let (mut url, mut hops, mut has_shown) = (ask.url.clone(), 0, false);
        let may_be_led = ask.method == Method::GET || ask.method == Method::HEAD;
        loop {
            let is_own = url.origin() == self.base.origin();
            let response = self.send(ask, &url, is_own).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && is_own && !has_shown {
                has_shown = true;
                self.authorization = Some(self.authorize(response).await?);
                continue;
            }
            let led = response.headers().get(LOCATION).filter(|_| may_be_led && status.is_redirection()).cloned();
            let Some(location) = led else { return Ok(response) };
            hops += 1;
            if hops > HOPS_MAX {
                return Err(RegistryError::Wrong(format!("it leads on and on, at last to {}", place(&url))));
            }
            url = self.follow(&url, &location)?;
        }
    }

    /// Where an answer leads, if one may go there.
    pub(super) fn follow(&self, from: &Url, location: &HeaderValue) -> Result<Url, RegistryError> {
        let to = location.to_str().ok().and_then(|text| from.join(text).ok());
        let to = to.ok_or_else(|| RegistryError::Wrong(format!("where {} leads is no address", place(from))))?;
        self.check(&to)?;
        Ok(to)
    }

    /// The bytes of an answer, if they are not more than that.
    pub(super) async fn read(&self, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, RegistryError> {
        let (mut bytes, begun) = (Vec::new(), Instant::now());
        while let Some(piece) = self.piece(&mut response, (begun, bytes.len() as u64)).await? {
            if bytes.len() + piece.len() > bytes_max {
                return Err(RegistryError::Wrong(format!("it answers with more than {bytes_max} bytes")));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The next bytes of an answer that has been read since then, and of which so much has come. What has come buys time, and
    /// what is said to come does not.
    pub(super) async fn piece(
        &self,
        response: &mut Response,
        (begun, received): (Instant, u64),
    ) -> Result<Option<Bytes>, RegistryError> {
        let left = time_for(received).saturating_sub(begun.elapsed());
        match timeout(PATIENCE.min(left), response.chunk()).await {
            Ok(piece) => piece.map_err(|error| self.lost(error)),
            Err(_) => Err(self.late("its answer comes too slowly, or no more")),
        }
    }

    /// Why a registry did not answer as it should have.
    pub(super) async fn refusal(&self, response: Response) -> RegistryError {
        let (status, url) = (response.status(), response.url().clone());
        let said = self.read(response, SAID_MAX).await.ok().and_then(|bytes| complaint(&bytes));
        let reason = || status.canonical_reason().unwrap_or("it does not say why").to_owned();
        let said = said.unwrap_or_else(reason);
        let registry = self.registry.clone();
        match status {
            _ if url.origin() != self.base.origin() => {
                RegistryError::Failed { registry, status: status.as_u16(), said: format!("{}: {said}", place(&url)) }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                RegistryError::Unauthorized { registry, said, is_known: self.login.is_some() }
            }
            StatusCode::NOT_FOUND => RegistryError::NotFound { registry, said },
            status => RegistryError::Failed { registry, status: status.as_u16(), said },
        }
    }

    async fn send(&self, ask: &Ask, url: &Url, is_own: bool) -> Result<Response, RegistryError> {
        let request = self.client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        let request = match self.authorization.as_ref().filter(|_| is_own) {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        };
        let (request, time) = match &ask.body {
            Some(body) => (request.body(body.clone()), time_for(body.len() as u64)),
            None => (request, PATIENCE),
        };
        match timeout(time, request.send()).await {
            Ok(response) => response.map_err(|error| self.lost(error)),
            Err(_) => Err(self.late("it does not answer in time")),
        }
    }

    /// What the registry is shown from now on, after it has asked for something with this answer.
    async fn authorize(&self, asked: Response) -> Result<HeaderValue, RegistryError> {
        match (challenge::read(asked.headers()), &self.login) {
            (_, Some(Login::Token(token))) => header("Bearer", token.reveal()),
            (Some(Challenge::Bearer { realm, service }), _) => self.token(&realm, service.as_deref()).await,
            (Some(Challenge::Basic), Some(Login::Password { user, password })) => {
                let both = Zeroizing::new(format!("{user}:{}", password.reveal()));
                header("Basic", &Zeroizing::new(BASE64.encode(both.as_bytes())))
            }
            _ => Err(self.refusal(asked).await),
        }
    }

    /// A token for what is to be done, from who gives them out.
    async fn token(&self, realm: &str, service: Option<&str>) -> Result<HeaderValue, RegistryError> {
        let no_address = |_| RegistryError::Wrong(format!("where it gives out tokens is no address: {realm}"));
        let mut url = self.base.join(realm).map_err(no_address)?;
        self.check(&url)?;
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &self.scope);
        let request = self.client.get(url).timeout(PATIENCE * 2);
        let request = match &self.login {
            Some(Login::Password { user, password }) => request.basic_auth(user, Some(password.reveal())),
            _ => request,
        };
        let response = request.send().await.map_err(|error| self.lost(error))?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let said = format!("{} gives no token", place(response.url()));
                Err(RegistryError::Unauthorized {
                    registry: self.registry.clone(),
                    said,
                    is_known: self.login.is_some(),
                })
            }
            status if status.is_success() => {
                let answer = Zeroizing::new(self.read(response, TOKEN_MAX).await?);
                let token: Option<Token> = serde_json::from_slice(&answer).ok();
                let token = token.and_then(|Token { token, access_token }| token.or(access_token));
                let token = token.ok_or_else(|| RegistryError::Wrong("what should be a token is none".into()))?;
                header("Bearer", token.reveal())
            }
            _ => Err(self.refusal(response).await),
        }
    }

    /// Whether one may go there from here.
    fn check(&self, to: &Url) -> Result<(), RegistryError> {
        let host = to.host_str().unwrap_or_default();
        let named = to.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // What is on this machine may be led to on this machine: others would have us ask what only we can reach.
        let may_be_plain = |to: &Registry| is_named(to, self.plain) || (to.is_local() && self.registry.is_local());
        match to.scheme() {
            "https" => Ok(()),
            "http" if self.base.scheme() == "http" && named.parse::<Registry>().is_ok_and(|to| may_be_plain(&to)) => {
                Ok(())
            }
            scheme => Err(RegistryError::Wrong(format!("it leads to {}, by {scheme}", place(to)))),
        }
    }

    /// What it means that something did not arrive in time.
    fn late(&self, why: &'static str) -> RegistryError {
        RegistryError::Unreachable { registry: self.registry.clone(), source: why.into() }
    }

    /// What it means that a request or an answer did not arrive.
    fn lost(&self, error: reqwest::Error) -> RegistryError {
        // Addresses may have signatures in them that let their bearers in.
        let error = error.without_url();
        let registry = self.registry.clone();
        match is_encryption(&error) {
            true => RegistryError::Untrusted { registry, source: error.into() },
            false => RegistryError::Unreachable { registry, source: error.into() },
        }
    }
}

/// How long so many bytes may be on their way.
fn time_for(bytes: u64) -> Duration {
    PATIENCE * 2 + Duration::from_secs(bytes / SLOWEST)
}

/// Whether a registry is spoken to without encryption.
fn is_plain(registry: &Registry, plain: &[Registry]) -> bool {
    registry.is_local() || is_named(registry, plain)
}

fn is_named(registry: &Registry, plain: &[Registry]) -> bool {
    plain.iter().any(|named| named.means(registry))
}

/// The authorities that are trusted: those of this machine and, where it names none, those that are there on every machine.
/// Where it names some, and none of them can be read, nobody is trusted in their place.
fn roots() -> Result<RootCertStore, BoxError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs.iter().cloned());
    let is_said = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    match roots.is_empty() {
        false => Ok(roots),
        true if is_said || !found.certs.is_empty() || !found.errors.is_empty() => {
            let why = found.errors.first().map_or_else(|| "there is no certificate".to_owned(), ToString::to_string);
            Err(format!("no authority of this machine, or of SSL_CERT_FILE and SSL_CERT_DIR, can be read: {why}")
                .into())
        }
        true => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            Ok(roots)
        }
    }
}

/// What makes requests, and trusts these authorities. How long an answer may take is said where it is waited for: the client
/// would count the time in which a body is sent as time in which nothing comes.
fn client(is_plain: bool, roots: RootCertStore) -> Result<Client, BoxError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth())
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(PATIENCE)
        .user_agent(concat!("wattle/", env!("CARGO_PKG_VERSION")));
    // What is near is not asked for by way of somebody else.
    let client = if is_plain { client.no_proxy() } else { client };
    Ok(client.build()?)
}

/// A header that is not shown.
fn header(scheme: &str, what: &str) -> Result<HeaderValue, RegistryError> {
    let text = Zeroizing::new(format!("{scheme} {what}"));
    let no_header = |_| RegistryError::Wrong("what should be shown to it has letters that no header has".into());
    let mut value = HeaderValue::from_str(&text).map_err(no_header)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The first thing that a registry says is wrong.
fn complaint(said: &[u8]) -> Option<String> {
    let complaints: Complaints = serde_json::from_slice(said).ok()?;
    let Complaint { code, message } = complaints.errors.into_iter().next()?;
    let words = [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    Some(words.chars().take(SHOWN_MAX).collect())
}

/// The server of an address, for messages.
fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether it was the encryption that failed: something answers, and is not trusted.
fn is_encryption(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // What is in an error of input and output is not among its sources.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| is_encryption(inner)) || error.source().is_some_and(is_encryption)
}
