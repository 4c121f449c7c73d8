//! This is what a host does when what is beyond it changes, because it joins a lattice or leaves it.
//!
//! # Invariants
//!
//! 1. No request is cut off: what runs ends with what it began with, calls abroad included.
//! 2. Who calls a component the old way while it changes is answered: that way ends with its last call.
//! 3. What cannot be linked with what is beyond now changes nothing.

use futures::future::join_all;
use model::{ComponentName, Target};
use stdx::Chain;

use super::live::{Live, PAUSE_MIN, TargetState};
use super::{Beyond, World};
use crate::abroad::Exposed;
use crate::load::LoadError;
use crate::targets::leads_beyond;

/// How components are called and asked by others, by their names.
pub(super) type AllExposed = Vec<(ComponentName, (Option<Exposed>, Option<Exposed>))>;

impl World {
    /// From now on this is beyond the host.
    pub(crate) async fn face(&self, beyond: Beyond) -> Result<(), LoadError> {
        let mut live = self.live.lock().await;
        let before = std::mem::replace(&mut live.beyond, beyond);
        let mut reached = live.take_reached();
        let outcome = self.link_beyond(&mut live).await;
        if outcome.is_err() {
            live.beyond = before;
            let begun = live.take_reached();
            for (name, old) in std::mem::replace(&mut reached, begun) {
                if let Some(member) = live.members.get_mut(&name) {
                    (member.reached, member.asked) = old;
                }
            }
            if let Err(error) = self.link_beyond(&mut live).await {
                tracing::error!(error = %Chain(&error), "what was linked before cannot be linked again");
            }
        }
        self.publish(&live);
        drop(live);
        self.troubled.notify_one();
        let reached = reached.into_iter().flat_map(|(_, (called, asked))| [called, asked]).flatten();
        join_all(reached.map(Exposed::end)).await;
        outcome
    }

    /// Opens what leads beyond the host, and links all components anew.
    async fn link_beyond(&self, live: &mut Live) -> Result<(), LoadError> {
        let abroad = &live.beyond.abroad;
        self.config.capabilities.face(abroad.bus(), abroad.peers());
        let Live { table, targets, .. } = live;
        for (id, target) in targets {
            let Some(Target::Capability { capability, backend }) = table.get(id).map(|link| &link.target) else {
                continue;
            };
            if leads_beyond(capability, backend) {
                target.state = match self.config.capabilities.open(capability, backend, &target.told).await {
                    Ok(opened) => TargetState::Open(opened),
                    Err(error) => TargetState::trouble(&error, PAUSE_MIN),
                };
            }
        }
        self.route_anew(live);
        for name in live.members.keys().cloned().collect::<Vec<_>>() {
            self.link(live, &name).await?;
        }
        Ok(())
    }

    /// The components here whose links lead to what does not run here, with what that is.
    pub(crate) async fn leads_away(&self) -> Vec<(ComponentName, ComponentName)> {
        let live = self.live.lock().await;
        let away = live.members.keys().flat_map(|name| {
            live.table.of(name).filter_map(|link| match &link.target {
                Target::Component(target) if !live.members.contains_key(target) => {
                    Some((link.id.source.clone(), target.clone()))
                }
                _ => None,
            })
        });
        away.collect()
    }
}
