//! Links as the host itself has its lattice keep them, because somebody has asked the host and not the lattice.

use model::lattice::{Labels, LatticeLink};
use model::{ComponentName, LinkDel};
use stdx::{Code, Explain};

use super::Role;
use crate::rules;

/// The lattice does not keep a link, or still keeps it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotKept(String);

impl Role {
    /// Has the lattice keep a link in the place of all that lead what it is for elsewhere, and tell its target this: settings of its
    /// own, which go with it. Where its source runs here, it is followed when this returns. Gives it as it is kept.
    pub async fn put_link(&self, link: LatticeLink, told: &Labels) -> Result<LatticeLink, NotKept> {
        self.shared.replace(link, told).await.map_err(NotKept)
    }

    /// Has the lattice not keep any more what leads these imports elsewhere. Gives what that was.
    pub async fn delete_link(&self, wanted: &LinkDel) -> Result<Option<LatticeLink>, NotKept> {
        self.shared.take_out(wanted).await.map_err(NotKept)
    }

    /// Whether links may have this source here though no component has that name.
    pub fn is_source(&self, source: &ComponentName) -> bool {
        rules::is_source(&self.shared.state(), source.as_str())
    }
}

// === impl NotKept ===

impl Explain for NotKept {
    fn code(&self) -> Code {
        Code::E1003
    }
}
