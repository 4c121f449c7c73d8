//! This is what a NATS client is told first, and what it answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Shared;

/// Clients compare it to decide what they may use. It is the oldest server with all that is spoken here.
const SPOKEN: &str = "2.9.0";

/// What a client says about itself. What it does not say is as the server has it. It is not printed: secrets are in it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(default)]
pub(super) struct Options {
    /// Whether each operation is answered with `+OK`.
    pub(super) verbose: bool,
    /// Whether it hears what it says itself.
    pub(super) echo: bool,
    /// Whether it knows of headers.
    pub(super) headers: bool,
    /// Whether it wants to know that nobody listens.
    pub(super) no_responders: bool,
    pub(super) auth_token: Option<String>,
    pub(super) user: Option<String>,
    pub(super) pass: Option<String>,
    /// The public key of a user.
    pub(super) nkey: Option<String>,
    /// A token about a user.
    pub(super) jwt: Option<String>,
    /// The nonce, signed by that user.
    pub(super) sig: Option<String>,
}

/// What a client is told of a server.
#[derive(Serialize)]
struct Info<'a> {
    server_id: &'a str,
    server_name: &'static str,
    version: &'static str,
    proto: u8,
    host: String,
    port: u16,
    headers: bool,
    max_payload: u64,
    client_id: u64,
    client_ip: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    auth_required: bool,
    /// What the client signs that shows who it is by a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

// === impl Options ===

impl Options {
    /// Reads what stands behind `CONNECT`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        // An object and nothing else: options in a list would be taken in order.
        let object: Map<String, Value> = serde_json::from_slice(json)?;
        serde_json::from_value(Value::Object(object))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verbose: true,
            echo: true,
            headers: false,
            no_responders: false,
            auth_token: None,
            user: None,
            pass: None,
            nkey: None,
            jwt: None,
            sig: None,
        }
    }
}

/// The line that a client is greeted with. What it signs that shows who it is by a key is this nonce.
pub(super) fn info(shared: &Shared, (client_id, client): (u64, IpAddr), nonce: Option<&str>) -> String {
    let info = Info {
        server_id: &shared.server_id,
        server_name: "wattle",
        version: SPOKEN,
        proto: 1,
        host: shared.address.ip().to_string(),
        port: shared.address.port(),
        headers: true,
        max_payload: shared.broker.limits().payload_max.as_u64(),
        client_id,
        client_ip: client.to_string(),
        auth_required: shared.config.asks(),
        nonce,
    };
    let json = serde_json::to_string(&info).expect("names, numbers and text are JSON");
    format!("INFO {json}")
}

#[cfg(test)]
mod tests;
