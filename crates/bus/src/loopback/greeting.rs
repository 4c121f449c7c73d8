//! This is what a NATS client is told first, and what it answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Shared;

/// Clients compare it to decide what they may use. It is the oldest server with all that is spoken here.
const SPOKEN: &str = "2.9.0";

/// What a client says about itself. What it does not say is as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    auth_token: Option<String>,
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
}

// === impl Options ===

impl Options {
    /// Reads what stands behind `CONNECT`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        // An object and nothing else: options in a list would be taken in order.
        let object: Map<String, Value> = serde_json::from_slice(json)?;
        serde_json::from_value(Value::Object(object))
    }

    /// Whether the client may be let in where `token` is required. Takes as long for a wrong token as for the right one, if
    /// both are equally long.
    pub(super) fn shows(&self, token: &str) -> bool {
        let shown = self.auth_token.as_deref().unwrap_or_default();
        constant_time_eq::constant_time_eq(shown.as_bytes(), token.as_bytes())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { verbose: true, echo: true, headers: false, no_responders: false, auth_token: None }
    }
}

/// The line that a client is greeted with.
pub(super) fn info(shared: &Shared, client_id: u64, client: IpAddr) -> String {
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
        auth_required: shared.config.token.is_some(),
    };
    let json = serde_json::to_string(&info).expect("names, numbers and text are JSON");
    format!("INFO {json}")
}

#[cfg(test)]
mod tests;
