//! Providers that a host has in itself, started as `wasmcloud+builtin://NAME`: what they are used for it does by what it has anyway.
//!
//! | name | what is done |
//! | --- | --- |
//! | `http-server` | the host listens where the links from the provider say, and leads requests to their targets |
//! | `http-client` | the requests of components here that are linked to the provider go out of the host itself |
//!
//! # Invariants
//!
//! 1. Nothing is started for one, and nothing is told to it: there is no process.
//! 2. The settings are those of wasmCloud's http-server; one that would not be followed is refused.

use model::lattice::Labels;

/// What stands in front of the names of providers that a host has in itself.
const SCHEME: &str = "wasmcloud+builtin://";

/// Where an http-server listens that is told nothing.
const DEFAULT_ADDRESS: &str = "0.0.0.0:8000";

/// A provider that a host has in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    HttpServer,
    HttpClient,
}

/// How an http-server tells the requests of its targets from each other.
#[derive(Clone, Copy)]
enum Mode {
    Address,
    Path,
    Host,
}

// === impl Builtin ===

impl Builtin {
    /// The one that a reference means: none where it means another place, or why there is no such one.
    pub(crate) fn of(image_ref: &str) -> Result<Option<Self>, String> {
        match image_ref.strip_prefix(SCHEME) {
            None => Ok(None),
            Some("http-server") => Ok(Some(Self::HttpServer)),
            Some("http-client") => Ok(Some(Self::HttpClient)),
            Some(name) => Err(format!(
                "this host has no provider {name} in itself: it has http-server and http-client; \
                 what else its components use is linked to one of its backends"
            )),
        }
    }

    /// Whether it can be told that.
    pub(crate) fn check(self, told: &Labels) -> Result<(), String> {
        match (self, told.keys().next()) {
            (Self::HttpServer, _) => Mode::of(told).map(drop),
            (Self::HttpClient, None) => Ok(()),
            (Self::HttpClient, Some(name)) => Err(format!(
                "the http-client of this host has no setting {name:?}: whom components may ask is said where the host is \
                 started (--allow-http)"
            )),
        }
    }
}

/// Where the requests of a link's target come in, in the words of routes: by what an http-server is told, and what its link is.
pub(super) fn place(server: &Labels, link: Labels) -> Result<Labels, String> {
    let mode = Mode::of(server)?;
    let mut place: Labels = link.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let address = server.get("default_address").map_or(DEFAULT_ADDRESS, String::as_str).to_owned();
    let needs = |place: &Labels, name: &str| match place.contains_key(name) {
        true => Ok(()),
        false => Err(format!("the provider has the routing_mode {name:?}, in which each of its links has a {name}")),
    };
    match mode {
        Mode::Address if place.contains_key("listener") => {}
        Mode::Address => drop(place.entry("address".into()).or_insert(address)),
        Mode::Path => {
            needs(&place, "path")?;
            place.insert("address".into(), address);
            // There a path is that path alone.
            place.entry("path".into()).and_modify(|path| path.push('$'));
        }
        Mode::Host => {
            needs(&place, "host")?;
            place.insert("address".into(), address);
        }
    }
    Ok(place)
}

// === impl Mode ===

impl Mode {
    /// What an http-server is told, looked through.
    fn of(told: &Labels) -> Result<Self, String> {
        let mut mode = Self::Address;
        for (name, value) in told {
            match (name.as_str(), value.as_str()) {
                ("routing_mode", "address") => mode = Self::Address,
                ("routing_mode", "path") => mode = Self::Path,
                ("routing_mode", "host") => mode = Self::Host,
                ("routing_mode", other) => {
                    return Err(format!(
                        "the routing_mode of an http-server is address, path or host, and not {other:?}"
                    ));
                }
                ("default_address", _) => {}
                ("header", value) if value.eq_ignore_ascii_case("host") => {}
                ("header", other) => {
                    return Err(format!(
                        "the http-server of this host tells hosts by the header host, and not by {other:?}"
                    ));
                }
                (other, _) => {
                    return Err(format!(
                        "the http-server of this host has no setting {other:?}; it has default_address, header and routing_mode"
                    ));
                }
            }
        }
        Ok(mode)
    }
}

#[cfg(test)]
mod tests;
