//! Where something is to run, and where something runs: the host that is named, or the one that bids for it or has it.

use clap::Args;
use model::ComponentName;
use model::lattice::{Host, HostInventory, Labels};
use serde::{Deserialize, Serialize};
use stdx::Code;

use crate::failure::Failure;
use crate::reach::{Reached, pair};

/// Where something is to start.
#[derive(Debug, Args)]
pub(crate) struct Placement {
    /// On this host: its key, the beginning of it, or its name
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// On a host that carries this label (can be given several times)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "host")]
    label: Vec<(String, String)>,
}

/// What every bid says, whatever it is for.
#[derive(Deserialize)]
struct Bid {
    host_id: String,
}

// === impl Placement ===

impl Placement {
    /// The key of the host that is named, or of one that bids in this auction: the same one for the same hosts.
    pub(crate) async fn find<R: Serialize>(
        self,
        reached: &Reached,
        (auction, id): (&str, &ComponentName),
        request: impl FnOnce(Labels) -> R,
    ) -> Result<String, Failure> {
        if let Some(named) = self.host {
            return Ok(reached.host(Some(&named)).await?.id);
        }
        let bids: Vec<Bid> = reached.gather(auction, &request(self.label.into_iter().collect())).await?;
        if let Some(host) = bids.into_iter().map(|bid| bid.host_id).min() {
            return Ok(host);
        }
        let text = match reached.hosts().await?.len() {
            0 => format!("there is no host in lattice {}; `wattle host` starts one", reached.lattice),
            count => format!(
                "none of {count} hosts bids for {id}: it runs there already (`wattle get inventory`), or they do not carry the labels"
            ),
        };
        Err(Failure::new(Code::E1002, text))
    }
}

/// Where something runs, and what is said of it there: on the host that is named, or on the only one that runs it.
pub(crate) async fn locate<T>(
    reached: &Reached,
    (id, named): (&ComponentName, Option<&str>),
    runs: impl Fn(HostInventory) -> Option<T>,
) -> Result<(Host, T), Failure> {
    let hosts = match named {
        Some(named) => vec![reached.host(Some(named)).await?],
        None => reached.hosts().await?,
    };
    let mut found = Vec::new();
    for host in hosts {
        let inventory = reached.inventory(&host).await?;
        found.extend(runs(inventory).map(|runs| (host, runs)));
    }
    let text = match found.len() {
        1 => return Ok(found.remove(0)),
        0 => format!("no host runs {id}; `wattle get inventory` shows what runs"),
        _ => {
            let hosts: Vec<_> = found.iter().map(|(host, _)| format!("{} ({})", host.friendly_name, host.id)).collect();
            format!("{id} runs on several hosts, name one with --host: {}", hosts.join(", "))
        }
    };
    Err(Failure::new(Code::E1002, text))
}
