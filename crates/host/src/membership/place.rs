//! Where a host can be: a lattice on a bus. It is alone on its own, or in a lattice on servers, and where it begins follows from what
//! it is told and what it remembers.
//!
//! # Invariants
//!
//! 1. What flags say counts before what is remembered, and another lattice than the one that is remembered is refused.
//! 2. A host that remembers its lattice begins there without its servers, too.

use std::path::Path;

use bus::{Bus, ConnectOptions, Durability, FirstTry, SubscribeError};
use model::Standing;
use wire::Servers;

use super::{connect_options, door};
use crate::abroad::Abroad;
use crate::hands::LatticeConfig;
use crate::providers::ProviderLogin;
use crate::running::HostError;
use crate::world::Beyond;

/// Where a host can be: a lattice on a bus.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) lattice: String,
    pub(crate) bus: Bus,
    pub(crate) abroad: Abroad,
    /// Where others reach the bus.
    pub(crate) address: String,
    /// Where the providers of this host reach it, and how they log in there.
    pub(crate) providers_at: Option<(String, ProviderLogin)>,
    /// The domain of JetStream that what the lattice keeps is in, where it is in one.
    pub(crate) domain: Option<String>,
    /// What acknowledgements of the bus survive, where somebody has said it.
    pub(crate) declared: Option<Durability>,
    pub(crate) standing: Standing,
    /// Whether there may be other hosts, or there were.
    pub(crate) may_come: bool,
    /// Whether nothing was ever kept there, where that is on this host.
    pub(crate) is_new: bool,
    pub(crate) allows_files: bool,
}

/// Where a host is alone, and where it is instead from the start: where flags say, or where it remembers that it was told to be.
pub(crate) async fn beginning(
    config: &LatticeConfig,
    kept: &Path,
    own_bus: &Bus,
) -> Result<(Place, Option<Place>), HostError> {
    if config.forgets {
        lattice::forget(kept)?;
    }
    let remembered = if config.nats.is_none() { lattice::remembered(kept)? } else { None };
    let told = &config.role.name;
    let home = Place {
        lattice: told.clone(),
        abroad: Abroad::open(own_bus.clone(), told, None).await.map_err(HostError::Bus)?,
        bus: own_bus.clone(),
        address: own_bus.describe(),
        providers_at: None,
        domain: None,
        declared: None,
        standing: Standing::Alone,
        may_come: false,
        is_new: true,
        allows_files: true,
    };
    let (at, options, standing) = match (&config.nats, remembered) {
        (Some((url, options)), _) => ((url.clone(), told.clone()), options.clone(), Standing::Started),
        (None, Some(joined)) if config.is_named && joined.lattice != *told => {
            return Err(HostError::Elsewhere { told: told.clone(), joined: joined.lattice });
        }
        // It starts without its servers, as one that was started there.
        (None, Some(joined)) => {
            let options = ConnectOptions { first_try: FirstTry::MayFail, ..connect_options(&joined.login)? };
            ((joined.nats, joined.lattice), options, Standing::Joined)
        }
        (None, None) => return Ok((home, None)),
    };
    let bus = Bus::connect(&at.0, options.clone()).await?;
    let place = home.elsewhere((&at.0, &at.1), (bus, &options), (standing, config.allows_files)).await;
    Ok((home, Some(place.map_err(HostError::Bus)?)))
}

// === impl Place ===

impl Place {
    /// A lattice on servers, as seen from here.
    pub(super) async fn elsewhere(
        &self,
        (nats, lattice): (&str, &str),
        (bus, options): (Bus, &ConnectOptions),
        (standing, allows_files): (Standing, bool),
    ) -> Result<Self, SubscribeError> {
        let servers = Servers { url: nats.to_owned(), options: options.clone() };
        Ok(Self {
            lattice: lattice.to_owned(),
            abroad: Abroad::open(bus.clone(), lattice, Some((servers, &self.bus))).await?,
            address: bus.describe(),
            providers_at: Some((nats.to_owned(), options.login.clone().into())),
            domain: options.domain.as_ref().map(ToString::to_string),
            declared: options.durability,
            bus,
            standing,
            may_come: true,
            is_new: false,
            allows_files: allows_files || door::is_here(nats),
        })
    }

    /// The same bus where it listens at this address, for providers that log in like this.
    pub(crate) fn open_at(self, address: String, login: ProviderLogin) -> Self {
        Self { providers_at: Some((address.clone(), login)), address, ..self }
    }

    /// What is beyond the host there.
    pub(crate) fn beyond(&self) -> Beyond {
        Beyond { abroad: self.abroad.clone(), may_come: self.may_come }
    }
}
