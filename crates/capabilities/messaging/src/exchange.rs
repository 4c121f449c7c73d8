//! This is what a link of messaging leads to: what carries messages, and which of them are heard.
//!
//! # Invariants
//!
//! 1. A component may answer to an inbox only while it handles the message that named it: see [`Exchange::may_answer`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::{Message, Pattern, PublishError, QueueGroup, Subject};
use model::ComponentName;
use stdx::ByteSize;

use crate::carrier::{Carrier, SendError};

/// Where messages are published, and what is subscribed to.
pub struct Exchange {
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) subscriptions: Vec<Pattern>,
    pub(crate) sharing: Sharing,
    /// Who may answer where, and for how many messages.
    inboxes: Mutex<BTreeMap<Inbox, usize>>,
}

/// Who gets a message where several hosts run a component, or several components listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// One of those who run the component.
    ByComponent,
    /// One of the group.
    Group(QueueGroup),
    /// Everybody who listens.
    Nobody,
}

/// A component, and where somebody waits for its answer.
type Inbox = (ComponentName, Subject);

/// The permission to answer a message, until it is dropped.
pub(crate) struct Answering {
    exchange: Arc<Exchange>,
    inbox: Option<Inbox>,
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(carrier: Arc<dyn Carrier>, subscriptions: Vec<Pattern>, sharing: Sharing) -> Self {
        Self { carrier, subscriptions, sharing, inboxes: Mutex::default() }
    }

    /// Publishes what a component says.
    pub(crate) async fn publish(&self, source: &ComponentName, message: Message) -> Result<(), SendError> {
        let (size, limit) = (ByteSize::bytes(message.size() as u64), self.carrier.payload_max());
        if size > limit {
            return Err(SendError::Bus(PublishError::TooLarge { size, limit }));
        }
        self.carrier.publish(source, message).await
    }

    /// The group that a component's subscriptions join, if they join one.
    pub(crate) fn group(&self, component: &ComponentName) -> Option<QueueGroup> {
        match &self.sharing {
            Sharing::ByComponent => {
                Some(component.to_string().parse().expect("the name of a component has no white space in it"))
            }
            Sharing::Group(group) => Some(group.clone()),
            Sharing::Nobody => None,
        }
    }

    /// Lets a component answer there until what is returned is dropped.
    pub(crate) fn let_answer(self: &Arc<Self>, component: &ComponentName, inbox: Option<&Subject>) -> Answering {
        let inbox = inbox.map(|inbox| (component.clone(), inbox.clone()));
        if let Some(inbox) = &inbox {
            *self.inboxes().entry(inbox.clone()).or_default() += 1;
        }
        Answering { exchange: self.clone(), inbox }
    }

    /// Whether a component handles a message that is to be answered there. Some carriers decide that themselves.
    pub(crate) fn may_answer(&self, component: &ComponentName, inbox: &Subject) -> bool {
        self.carrier.knows_who_answers() || self.inboxes().contains_key(&(component.clone(), inbox.clone()))
    }

    /// A panic cannot leave the map half changed.
    fn inboxes(&self) -> MutexGuard<'_, BTreeMap<Inbox, usize>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Answering ===

impl Drop for Answering {
    fn drop(&mut self) {
        let Some(inbox) = self.inbox.take() else { return };
        let mut inboxes = self.exchange.inboxes();
        match inboxes.get_mut(&inbox) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(inboxes.remove(&inbox)),
        }
    }
}
