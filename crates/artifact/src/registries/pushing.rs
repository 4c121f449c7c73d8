//! Pushes artefacts: their bytes first, so that a manifest never names what is not there.

use bytes::Bytes;
use model::{Digest, Reference};
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Registries;
use super::error::{PushError, RegistryError};
use super::kept::digest_of;
use super::manifest::{self, Kind, Layer, MANIFEST};
use super::session::{Ask, Intent, Session};

/// When every program was made, as far as its artefact says: the time of a file would make another artefact of the same bytes.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What is pushed: the same bytes make the same artefact, with the same digest.
#[derive(Debug, Clone)]
pub struct Artefact {
    kind: Kind,
    config: Bytes,
    layer: Bytes,
}

// === impl Artefact ===

impl Artefact {
    /// A program that imports and exports this, made for this system (`wasip1`, `wasip2`).
    pub fn component(bytes: Vec<u8>, (imports, exports): (&[String], &[String]), system: &str) -> Self {
        let config = json!({
            "created": CREATED,
            "author": null,
            "architecture": "wasm",
            "os": system,
            "layerDigests": [digest_of(&bytes).to_string()],
            "component": { "exports": exports, "imports": imports, "target": null },
        });
        Self { kind: Kind::Component, config: config.to_string().into(), layer: bytes.into() }
    }

    /// The archive of a provider.
    pub fn provider(archive: Vec<u8>) -> Self {
        Self { kind: Kind::Provider, config: Bytes::from_static(b"{}"), layer: archive.into() }
    }
}

// === impl Registries ===

impl Registries {
    /// Pushes an artefact, and gives the digest by which it is pulled. What is there already is not sent again.
    pub async fn push(&self, reference: &Reference, artefact: &Artefact) -> Result<Digest, PushError> {
        let pushed = self.try_push(reference, artefact).await;
        pushed.map_err(|source| PushError { reference: Box::new(reference.clone()), source })
    }

    async fn try_push(&self, reference: &Reference, artefact: &Artefact) -> Result<Digest, RegistryError> {
        let mut session = self.session(reference, Intent::Push)?;
        let config = send(&mut session, &artefact.config).await?;
        let layer = send(&mut session, &artefact.layer).await?;
        let manifest = manifest::write(artefact.kind, &config, &layer);
        let digest = digest_of(&manifest);
        let mut ask =
            Ask::new(Method::PUT, session.url(&format!("manifests/{}", reference.tag()))).with(manifest.into());
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MANIFEST));
        let response = session.ask(&ask).await?;
        if response.status().is_success() { Ok(digest) } else { Err(session.refusal(response).await) }
    }
}

/// Sends bytes that are not there yet.
async fn send(session: &mut Session<'_>, bytes: &Bytes) -> Result<Layer, RegistryError> {
    let layer = Layer { digest: digest_of(bytes), size: bytes.len() as u64 };
    let there = session.ask(&Ask::new(Method::HEAD, session.url(&format!("blobs/{}", layer.digest)))).await?;
    if there.status() == StatusCode::OK {
        return Ok(layer);
    }
    let begun = session.ask(&Ask::new(Method::POST, session.url("blobs/uploads/")).with(Bytes::new())).await?;
    if begun.status() != StatusCode::ACCEPTED {
        return Err(session.refusal(begun).await);
    }
    let nowhere = || RegistryError::Wrong("it does not say where to send it".into());
    let location = begun.headers().get(LOCATION).ok_or_else(nowhere)?;
    let mut url = session.follow(begun.url(), location)?;
    url.query_pairs_mut().append_pair("digest", &layer.digest.to_string());
    let mut ask = Ask::new(Method::PUT, url).with(bytes.clone());
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let sent = session.ask(&ask).await?;
    if sent.status().is_success() { Ok(layer) } else { Err(session.refusal(sent).await) }
}
