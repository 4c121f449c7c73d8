//! This is `wasmcloud:messaging@0.2.0`. A message has no headers there.

use std::time::Duration;

use bus::{Message, Subject};
use engine::State;

use self::wasmcloud::messaging::{consumer, types};
use crate::subjects;
use crate::way::{Said, way};

pub(crate) use self::wasmcloud::messaging::types::BrokerMessage;

wasmtime::component::bindgen!({
    path: "../../../wit/wasmcloud-messaging",
    world: "wasmcloud:messaging/imports",
    imports: { default: async },
});

/// What a link is chosen for.
const INTERFACE: &str = "wasmcloud:messaging/consumer";

impl types::Host for State {}

impl consumer::Host for State {
    async fn request(&mut self, subject: String, body: Vec<u8>, timeout_ms: u32) -> Result<BrokerMessage, String> {
        let bound = self.bound().clone();
        let timeout = Duration::from_millis(timeout_ms.into());
        let way = way(&bound, self.chosen(INTERFACE)).map_err(|failure| failure.to_string())?;
        let said = Said { subject, body: body.into(), ..Said::default() }.within(self.trace());
        way.request(said, timeout).await.map(BrokerMessage::from_bus).map_err(|failure| failure.to_string())
    }

    async fn publish(&mut self, message: BrokerMessage) -> Result<(), String> {
        let bound = self.bound().clone();
        let way = way(&bound, self.chosen(INTERFACE)).map_err(|failure| failure.to_string())?;
        way.publish(Said::from(message).within(self.trace())).await.map_err(|failure| failure.to_string())
    }
}

// === impl BrokerMessage ===

impl BrokerMessage {
    /// A message as a component sees it: where it is to be answered is named if the component may answer there.
    pub(crate) fn from_bus(message: Message) -> Self {
        Self {
            subject: message.subject.as_str().to_owned(),
            reply_to: message.reply.filter(is_usable).map(|reply| reply.as_str().to_owned()),
            body: message.payload.into(),
        }
    }
}

/// Whether a component that handles a message may answer there.
pub(super) fn is_usable(reply: &Subject) -> bool {
    subjects::is_inbox(reply) || subjects::subject(reply.as_str()).is_ok()
}

impl From<BrokerMessage> for Said {
    fn from(message: BrokerMessage) -> Self {
        let BrokerMessage { subject, body, reply_to } = message;
        Self { subject, reply: reply_to, body: body.into(), ..Self::default() }
    }
}
