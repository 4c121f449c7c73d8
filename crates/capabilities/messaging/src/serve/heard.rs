//! What a component hears: on a bus, or from a broker that wants to know when a message was handled.

use std::time::Duration;

use bus::{Message, Pattern, QueueGroup, Subscription};
use futures::stream::{SelectAll, StreamExt};
use model::ComponentName;
use stdx::{BoxError, Chain};
use tracing::warn;

use crate::carrier::Carrier;
use crate::mqtt::{Listening, Receipt};

/// For what is said to a broker in the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// All that a component is subscribed to.
pub(crate) enum Heard {
    Bus(SelectAll<Subscription>),
    Mqtt(Listening),
}

// === impl Heard ===

impl Heard {
    /// Subscribes a component to all of these; as a member of the group, where there is one.
    pub(crate) async fn listen(
        carrier: &Carrier,
        component: &ComponentName,
        (patterns, group): (&[Pattern], Option<&QueueGroup>),
    ) -> Result<Self, BoxError> {
        let bus = match carrier {
            Carrier::Mqtt(broker) => return Ok(Self::Mqtt(broker.listen(component, (patterns, group)).await?)),
            Carrier::Bus(bus) => bus,
            Carrier::Stream(stream) => &stream.bus,
            // It has no subscriptions: see `provider`.
            Carrier::Provider(_) => return Ok(Self::Bus(SelectAll::new())),
        };
        let mut all = SelectAll::new();
        for pattern in patterns {
            all.push(bus.subscribe(pattern.clone(), group.cloned()).await?);
        }
        // That it did not come back in time only means that messages may be missed for a moment more.
        if let Err(error) = bus.flush().await {
            warn!(%component, error = %Chain(&error), "subscribed, and the server has not confirmed it");
        }
        Ok(Self::Bus(all))
    }

    /// The next message, and what says that it was handled where somebody wants to know.
    pub(crate) async fn next(&mut self) -> Option<(Message, Option<Receipt>)> {
        match self {
            Self::Bus(all) => Some((all.next().await?, None)),
            Self::Mqtt(listening) => listening.next().await,
        }
    }

    /// Hears no more than what was sent before.
    pub(crate) async fn end(&mut self) {
        match self {
            Self::Bus(all) => all.iter_mut().for_each(Subscription::end),
            Self::Mqtt(listening) => listening.end(PATIENCE).await,
        }
    }

    /// To be called when all is handled.
    pub(crate) async fn close(self) {
        if let Self::Mqtt(listening) = self {
            listening.close(PATIENCE).await;
        }
    }

    /// How many messages found no room.
    pub(crate) fn dropped(&self) -> u64 {
        match self {
            Self::Bus(all) => all.iter().map(Subscription::dropped).sum(),
            Self::Mqtt(listening) => listening.dropped(),
        }
    }
}
