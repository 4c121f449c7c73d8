//! This is what a provider is told when it starts: one line on its standard input, as hosts of wasmCloud 1.x write it.
//!
//! # Invariants
//!
//! 1. The line is wiped from memory when it is dropped, and is printed nowhere.

use std::fmt;
use std::io;

use data_encoding::BASE64;
use model::lattice::Labels;
use model::{Briefing, LinkDefinition};
use nkeys::XKey;
use serde::Serialize;
use trust::{Credentials, KeyKind, PublicKey, Seed};
use zeroize::Zeroizing;

/// Where a provider runs, and how it reaches the bus from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key of the host.
    pub host: String,
    /// The lattice.
    pub lattice: String,
    /// The address of the bus, with what it asks for.
    pub address: String,
    /// How the provider logs in, where that is by a key.
    pub login: Option<Login>,
}

/// A login by a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who it is, signed by an account. It is no secret: without the key it opens nothing.
    pub jwt: String,
    /// The secret half of the key.
    pub seed: Zeroizing<String>,
}

/// The key by which providers know their host. It is made anew by each host that starts.
pub struct HostKey(XKey);

/// The key that links are addressed to and secrets are sealed for: one for each provider on each host.
pub(crate) struct ProviderKey {
    pub(crate) public: String,
    seed: Zeroizing<String>,
}

#[derive(Serialize)]
struct HostData<'a> {
    host_id: &'a str,
    lattice_rpc_prefix: &'a str,
    link_name: &'static str,
    lattice_rpc_url: &'a str,
    lattice_rpc_user_jwt: &'a str,
    lattice_rpc_user_seed: &'a str,
    provider_key: &'a str,
    instance_id: String,
    env_values: Labels,
    link_definitions: &'a [LinkDefinition],
    cluster_issuers: [String; 0],
    config: &'a Labels,
    secrets: Labels,
    host_xkey_public_key: String,
    provider_xkey_private_key: &'a str,
    default_rpc_timeout_ms: u64,
    structured_logging: bool,
    log_level: &'static str,
    otel_config: OtelConfig,
}

/// Nothing is collected by the provider itself unless its own environment says so.
#[derive(Default, Serialize)]
struct OtelConfig {
    enable_observability: bool,
    protocol: OtelProtocol,
    additional_ca_paths: [String; 0],
    trace_level: TraceLevel,
}

#[derive(Default, Serialize)]
enum OtelProtocol {
    #[default]
    Http,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "lowercase")]
enum TraceLevel {
    #[default]
    Info,
}

/// What a provider may wait for an answer to a call, unless it knows better.
const CALL_MILLIS: u64 = 2000;

/// The line that `id` is told at its start.
pub(crate) fn line(
    place: &Place,
    (host, own): (&HostKey, &ProviderKey),
    id: &str,
    briefing: &Briefing,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let login = place.login.as_ref();
    let data = HostData {
        host_id: &place.host,
        lattice_rpc_prefix: &place.lattice,
        link_name: "default",
        lattice_rpc_url: &place.address,
        lattice_rpc_user_jwt: login.map_or("", |login| &login.jwt),
        lattice_rpc_user_seed: login.map_or("", |login| &login.seed),
        provider_key: id,
        instance_id: instance_id(random()?),
        env_values: Labels::new(),
        link_definitions: &briefing.links,
        cluster_issuers: [],
        config: &briefing.config,
        secrets: Labels::new(),
        host_xkey_public_key: host.0.public_key(),
        provider_xkey_private_key: &own.seed,
        default_rpc_timeout_ms: CALL_MILLIS,
        structured_logging: false,
        log_level: "info",
        otel_config: OtelConfig::default(),
    };
    let json = Zeroizing::new(serde_json::to_vec(&data)?);
    let mut line = Zeroizing::new(BASE64.encode(&json).into_bytes());
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

/// A number that tells this start from others, as a UUID of random bits.
fn instance_id(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn random<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

// === impl Login ===

impl Login {
    /// A user that nobody had before, and the key that a bus knows him by.
    pub fn new() -> io::Result<(Self, PublicKey)> {
        let credentials = Credentials::self_issued(Seed::new(KeyKind::User, random()?), "provider");
        Ok((Self::from(&credentials), credentials.seed().public()))
    }
}

impl From<&Credentials> for Login {
    fn from(credentials: &Credentials) -> Self {
        let (jwt, seed) = (credentials.token().to_owned(), credentials.seed().to_secret_text());
        Self { jwt, seed }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

// === impl HostKey ===

impl HostKey {
    /// A key that nobody had before.
    pub fn new() -> io::Result<Self> {
        Ok(Self(XKey::new_from_raw(random()?)))
    }
}

// === impl ProviderKey ===

impl ProviderKey {
    pub(crate) fn new() -> io::Result<Self> {
        let key = XKey::new_from_raw(random()?);
        let seed = key.seed().map_err(io::Error::other)?;
        Ok(Self { public: key.public_key(), seed: Zeroizing::new(seed) })
    }
}

#[cfg(test)]
mod tests;
