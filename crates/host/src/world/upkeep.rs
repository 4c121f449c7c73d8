//! This is what a host does for its links by itself: it opens what could not be opened, and opens anew what has changed.

use std::time::Duration;

use model::Target;
use stdx::Chain;
use tokio::time::{Instant, MissedTickBehavior};

use super::World;
use super::live::{LinkTarget, TargetState};

/// How often targets are asked whether what they read has changed.
const LOOK: Duration = Duration::from_secs(1);

impl World {
    /// Tries again and again to open what could not be opened. Sleeps while there is nothing to try.
    pub(crate) async fn keep_opening(&self) {
        loop {
            match self.try_again().await {
                Some(next) => tokio::time::sleep_until(next).await,
                None => self.troubled.notified().await,
            }
        }
    }

    /// Tries to open what could not be opened, where it is time for that. Says when to look again, if there is anything left.
    async fn try_again(&self) -> Option<Instant> {
        let due: Vec<_> = {
            let live = self.live.lock().await;
            live.targets.iter().filter(|(_, target)| target.is_due()).map(|(id, _)| id.clone()).collect()
        };
        for id in due {
            let Some((link, told)) = self.live.lock().await.link_of(&id) else { continue };
            let Target::Capability { capability, backend } = &link.target else { continue };
            let opened = self.config.capabilities.open(capability, backend, &told).await;
            let mut live = self.live.lock().await;
            // It may have been put or deleted meanwhile.
            let Some(target) = live.targets.get_mut(&id).filter(|target| target.told == told) else { continue };
            match opened {
                Ok(opened) => {
                    target.state = TargetState::Open(opened);
                    match self.link_all_with(&mut live, &id.source).await {
                        Ok(()) => self.publish(&live),
                        Err(error) => tracing::warn!(link = %id, error = %Chain(&error), "cannot be linked"),
                    }
                }
                Err(error) => target.state = target.state.after(&error),
            }
        }
        let live = self.live.lock().await;
        live.targets.values().filter_map(LinkTarget::again).min()
    }

    /// Opens targets anew when what they read has changed, again and again.
    pub(crate) async fn keep_fresh(&self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.renew().await;
        }
    }

    /// Opens those targets anew that have changed. One that cannot be opened as it is now stays as it was.
    async fn renew(&self) {
        let open: Vec<_> = {
            let live = self.live.lock().await;
            let opened = |target: &LinkTarget| match &target.state {
                TargetState::Open(opened) => Some(opened.clone()),
                TargetState::Trouble { .. } => None,
            };
            live.targets.iter().filter_map(|(id, target)| Some((id.clone(), opened(target)?))).collect()
        };
        for (id, old) in open {
            let Some((link, told)) = self.live.lock().await.link_of(&id) else { continue };
            let Target::Capability { capability, backend } = &link.target else { continue };
            let renewed = self.config.capabilities.renew((capability, backend), &told, &old).await;
            let Some(renewed) = renewed.transpose() else { continue };
            let mut live = self.live.lock().await;
            // It may have been put or deleted meanwhile.
            let Some(target) = live.targets.get_mut(&id).filter(|target| target.told == told) else { continue };
            match renewed {
                Ok(opened) => {
                    target.state = TargetState::Open(opened);
                    target.complaint = None;
                    match self.link_all_with(&mut live, &id.source).await {
                        Ok(()) => self.publish(&live),
                        Err(error) => tracing::warn!(link = %id, error = %Chain(&error), "cannot be linked"),
                    }
                }
                Err(error) => {
                    let complaint = Chain(&error).to_string();
                    if target.complaint.as_ref() != Some(&complaint) {
                        tracing::warn!(link = %id, error = complaint, "what has changed cannot be used; what was before is");
                    }
                    target.complaint = Some(complaint);
                }
            }
        }
    }
}
