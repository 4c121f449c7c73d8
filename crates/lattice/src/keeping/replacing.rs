//! Puts and deletes links by what they are for, with settings of their own: as those mean it who change what a host is linked to, and
//! not what a lattice has.
//!
//! # Invariants
//!
//! 1. A link has its settings from the moment that it is kept, and never those of the one before it: settings come first, under a
//!    name that is new, and go last.
//! 2. What cannot be kept, or cannot be followed here, changes nothing. Where nobody knows whether a link is kept, its settings
//!    are.

use model::LinkDel;
use model::fact::Fact;
use model::lattice::{ComponentSpec, DeleteLink, Labels, LatticeLink, PutLink};

use super::Changed;
use crate::role::Shared;
use crate::rules;

impl Shared {
    /// Puts a link in the place of all that lead what it is for elsewhere, and tells its target this. Says so, and gives the link as it
    /// is kept.
    pub(crate) async fn replace(&self, link: LatticeLink, told: &Labels) -> Result<LatticeLink, String> {
        let _naming = self.keeping.naming.lock().await;
        match self.put_told(&link, told).await {
            Ok((named, before)) => {
                self.forget_settings_of(&[&before.links[..], &[link]].concat()).await;
                let put = PutLink { link: named, replaces: true };
                self.announce_in_place(&rules::displaced(&before.links, &put), &put.link).await;
                self.voice.say(Fact::LinkdefSet(put.link.clone())).await;
                Ok(put.link)
            }
            // Its settings stay: where a write was not answered, the link may be kept all the same. They go with the next
            // change of it.
            Err(error) => {
                self.voice.say(Fact::LinkdefSetFailed { link, error: error.clone() }).await;
                Err(error)
            }
        }
    }

    /// Keeps what a link is told, and the link that names it. Gives it so, and what was kept before.
    async fn put_told(&self, link: &LatticeLink, told: &Labels) -> Result<(LatticeLink, ComponentSpec), String> {
        let (named, checks) = rules::told_of_its_own(&mut self.state(), (link, &self.id), told);
        // What is plainly wrong leaves nothing behind.
        self.go(checks).await?;
        for name in named.target_config.iter().filter(|name| !link.target_config.contains(name)) {
            let is_kept = self.state().config.contains_key(name);
            if !is_kept {
                self.put_settings(name, told).await?;
            }
        }
        let put = |links: &mut Vec<LatticeLink>| {
            rules::replace_link(links, &named);
            Ok(())
        };
        let before = self.put_with(&named, put).await?;
        Ok((named, before))
    }

    /// Takes out what leads the imports elsewhere that are meant, and says so. Gives what it was; nothing where there was nothing.
    pub(crate) async fn take_out(&self, wanted: &LinkDel) -> Result<Option<LatticeLink>, String> {
        if !self.state().links.contains_key(wanted.source.as_str()) {
            return Ok(None);
        }
        let _naming = self.keeping.naming.lock().await;
        let take = |spec: &mut ComponentSpec| Ok(rules::drop_link(&mut spec.links, wanted));
        let Changed { before, outcome, followed, .. } = self.change_spec(wanted.source.as_str(), take).await?;
        followed?;
        self.forget_settings_of(&before.links).await;
        if let Some(taken) = &outcome {
            self.withdraw(taken).await;
        }
        if let Some(LatticeLink { source_id, name, wit_namespace, wit_package, .. }) = outcome.clone() {
            let wanted = DeleteLink { source_id, name, wit_namespace, wit_package, interface: None };
            self.voice.say(rules::link_deleted(wanted, outcome.clone())).await;
        }
        Ok(outcome)
    }

    /// Deletes settings that these links had of their own, where no link names them any more. That it fails keeps nobody from anything.
    /// Only for who keeps others from naming any meanwhile.
    pub(super) async fn forget_settings_of(&self, links: &[LatticeLink]) {
        let left = rules::left_settings(&self.state(), links, &self.id);
        for name in left {
            if let Err(error) = self.delete_settings(&name).await {
                tracing::warn!(name, error, "settings of a link that is gone are still kept");
            }
        }
    }
}
