//! Puts and deletes links by what they are for, with settings of their own: as those mean it who change what a host is linked to, and
//! not what a lattice has.
//!
//! # Invariants
//!
//! 1. A link has its settings from the moment that it is kept, and never those of the one before it: settings come first, under a
//!    name that is new, and go last.
//! 2. What cannot be kept, or cannot be followed here, changes nothing.

use model::LinkDel;
use model::fact::Fact;
use model::lattice::{ComponentSpec, DeleteLink, Labels, LatticeLink};

use super::Changed;
use crate::role::Shared;
use crate::rules;

impl Shared {
    /// Puts a link in the place of all that lead what it is for elsewhere, and tells its target this. Says so, and gives the link as it
    /// is kept.
    pub(crate) async fn replace(&self, link: LatticeLink, told: &Labels) -> Result<LatticeLink, String> {
        let outcome = match self.name_settings(link.clone(), told).await {
            Ok(named) => {
                let put = |links: &mut Vec<LatticeLink>| {
                    rules::replace_link(links, &named);
                    Ok(())
                };
                self.put_with(&named, put).await.map(|before| (named.clone(), before))
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok((named, before)) => {
                self.forget_settings_of(&[&before.links[..], &[link]].concat()).await;
                self.voice.say(Fact::LinkdefSet(named.clone())).await;
                Ok(named)
            }
            Err(error) => {
                self.forget_settings_of(std::slice::from_ref(&link)).await;
                self.voice.say(Fact::LinkdefSetFailed { link, error: error.clone() }).await;
                Err(error)
            }
        }
    }

    /// Takes out what leads the imports elsewhere that are meant, and says so. Gives what it was; nothing where there was nothing.
    pub(crate) async fn take_out(&self, wanted: &LinkDel) -> Result<Option<LatticeLink>, String> {
        if !self.state().links.contains_key(wanted.source.as_str()) {
            return Ok(None);
        }
        let take = |spec: &mut ComponentSpec| Ok(rules::drop_link(&mut spec.links, wanted));
        let Changed { before, outcome, followed, .. } = self.change_spec(wanted.source.as_str(), take).await?;
        followed?;
        self.forget_settings_of(&before.links).await;
        if let Some(LatticeLink { source_id, name, wit_namespace, wit_package, .. }) = outcome.clone() {
            let wanted = DeleteLink { source_id, name, wit_namespace, wit_package, interface: None };
            self.voice.say(rules::link_deleted(wanted, outcome.clone())).await;
        }
        Ok(outcome)
    }

    /// The same link that names these settings, which are kept then.
    async fn name_settings(&self, mut link: LatticeLink, told: &Labels) -> Result<LatticeLink, String> {
        if told.is_empty() {
            return Ok(link);
        }
        let name = rules::name_settings(&self.state(), (&link, &self.id), told);
        let is_kept = self.state().config.contains_key(&name);
        if !is_kept {
            self.put_settings(&name, told).await?;
        }
        link.target_config.push(name);
        Ok(link)
    }

    /// Deletes settings that these links had of their own, where no link names them any more. That it fails keeps nobody from anything.
    pub(super) async fn forget_settings_of(&self, links: &[LatticeLink]) {
        let left = rules::left_settings(&self.state(), links, &self.id);
        for name in left {
            if let Err(error) = self.delete_settings(&name).await {
                tracing::warn!(name, error, "settings of a link that is gone are still kept");
            }
        }
    }
}
