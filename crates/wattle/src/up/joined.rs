//! These are the flags that say which lattice a host is in, and as what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bus::{ConnectOptions, FirstTry, Login};
use clap::Args;
use host::LatticeConfig;
use lattice::RoleConfig;

use crate::failure::Failure;
use crate::token;

/// The lattice of a host.
#[derive(Debug, Args)]
pub(super) struct LatticeFlags {
    /// The NATS servers that carry the lattice: nats://HOST:PORT, several with commas between [default: the host's own bus]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// The file of the token that these servers ask for
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_token: Option<PathBuf>,
    /// The lattice: hosts of the same name on the same bus are one
    #[arg(long, value_name = "NAME", default_value = model::LATTICE, value_parser = crate::reach::lattice_name)]
    lattice: String,
    /// What the host carries, so that components can be spread by it (can be given several times)
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::reach::pair)]
    label: Vec<(String, String)>,
    /// What people call the host [default: a name made from its key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How often the host says that it is there, in seconds. The lattice has lost it when it did not for four times that
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = crate::imports::seconds)]
    heartbeat: f64,
    /// Lets whoever reaches the lattice have files of this machine run. It is so where the bus is on this machine
    #[arg(long)]
    allow_file_load: bool,
}

// === impl LatticeFlags ===

impl LatticeFlags {
    /// Whether a NATS server carries the lattice.
    pub(super) fn is_carried(&self) -> bool {
        self.nats.is_some()
    }

    /// As a host takes it.
    pub(super) fn config(self) -> Result<LatticeConfig, Failure> {
        let login = self.nats_token.as_deref().map(token::read).transpose()?.map_or(Login::Anyone, Login::Token);
        // A host starts without its bus, and is there for others as soon as the bus is.
        let options = ConnectOptions {
            name: "wattle host".into(),
            login,
            first_try: FirstTry::MayFail,
            ..ConnectOptions::default()
        };
        let allows_files = self.allow_file_load || self.nats.as_deref().is_none_or(is_here);
        let role = RoleConfig {
            name: self.lattice,
            friendly_name: self.name,
            labels: self.label.into_iter().collect::<BTreeMap<_, _>>(),
            heartbeat: Duration::from_secs_f64(self.heartbeat),
        };
        Ok(LatticeConfig { role, nats: self.nats.map(|url| (url, options)), allows_files })
    }
}

/// Whether all of these servers are on this machine.
fn is_here(urls: &str) -> bool {
    urls.split(',').all(|url| {
        let rest = url.trim().rsplit("://").next().unwrap_or_default();
        let address = rest.rsplit('@').next().unwrap_or_default().trim_end_matches('/');
        let host = match address.strip_prefix('[').and_then(|address| address.split_once(']')) {
            Some((host, _port)) => host,
            None => address.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_here_or_not() {
        for here in
            ["nats://127.0.0.1:4222", "localhost", "nats://a:b@[::1]:4222/", "tls://127.0.0.2,nats://localhost:1"]
        {
            assert!(is_here(here), "{here}");
        }
        for away in
            ["nats://10.0.0.1:4222", "nats://127.0.0.1:1,nats://nats.example:4222", "", "nats://localhost.evil:1"]
        {
            assert!(!is_here(away), "{away}");
        }
    }
}
