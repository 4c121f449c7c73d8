//! This is what a host does when what is beyond it changes, because it joins a lattice or leaves it.
//!
//! # Invariants
//!
//! 1. No request is cut off: what runs ends with what it began with, calls abroad included.
//! 2. Who calls a component the old way while it changes is answered: that way ends with its last call.
//! 3. What cannot be linked with what is beyond now changes nothing.

use bus::Bus;
use futures::future::join_all;
use model::{ComponentName, Target};

use super::{Beyond, World};
use crate::abroad::Reached;
use crate::load::LoadError;

/// How components are reached, by their names.
pub(super) type AllReached = Vec<(ComponentName, Reached)>;

impl World {
    /// From now on this is beyond the host, and `bus` carries what components say there.
    pub(crate) async fn face(&self, beyond: Beyond, bus: Bus) -> Result<(), LoadError> {
        let mut live = self.live.lock().await;
        let bus_before = self.config.capabilities.say_on(bus);
        let before = std::mem::replace(&mut live.beyond, beyond);
        let mut reached = live.take_reached();
        let names: Vec<_> = live.members.keys().cloned().collect();
        let mut outcome = Ok(());
        for name in &names {
            if outcome.is_ok() {
                outcome = self.link(&mut live, name).await;
            }
        }
        if outcome.is_err() {
            self.config.capabilities.say_on(bus_before);
            live.beyond = before;
            let begun = live.take_reached();
            for (name, old) in std::mem::replace(&mut reached, begun) {
                if let Some(member) = live.members.get_mut(&name) {
                    member.reached = Some(old);
                }
            }
            self.link_each(&mut live, names, "what was beyond before").await;
        }
        self.publish(&live);
        drop(live);
        // What links lead to on the bus of the host is opened anew.
        self.renew().await;
        join_all(reached.into_iter().map(|(_, reached)| reached.end())).await;
        outcome
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
