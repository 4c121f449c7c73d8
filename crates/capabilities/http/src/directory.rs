//! This is who answers requests: at which route, and, for other hosts that ask, by name.
//!
//! # Invariants
//!
//! 1. It does not change: another one is published in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ComponentName;
use route::{Route, RouteError, Routes};

use crate::away::Away;
use crate::served::Served;

/// Who answers the requests at a route.
#[derive(Clone)]
pub enum Answers {
    /// A component of this host.
    Here(Arc<Served>),
    /// A component on other hosts.
    Away(Arc<Away>),
}

/// All that a data plane serves.
pub struct Directory {
    pub(crate) routes: Routes<Answers>,
    /// The components of this host, those without a route included.
    pub(crate) served: BTreeMap<ComponentName, Arc<Served>>,
}

impl Directory {
    /// These components of this host, and who answers at which route.
    ///
    /// # Errors
    ///
    /// Where two answer at one route.
    pub fn new(
        served: impl IntoIterator<Item = Arc<Served>>,
        routes: impl IntoIterator<Item = (Route, Answers)>,
    ) -> Result<Self, RouteError> {
        let served = served.into_iter().map(|served| (served.name.clone(), served)).collect();
        Ok(Self { routes: Routes::new(routes)?, served })
    }
}
