//! One connection to an MQTT broker, until it breaks.
//!
//! # Invariants
//!
//! 1. Whoever waits for the broker learns what it answered, or that the connection broke. Nothing is sent a second time.
//! 2. What waits here is bounded: the broker sends no more than [`RECEIVE_MAX`] messages that were not acknowledged; of those that
//!    it sends only once, what finds no room is dropped and counted.
//! 3. A message is acknowledged when its [`Receipt`] says so, and not before.
//! 4. A broker that says nothing for too long is taken for gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use rt::Task;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Disconnect, DisconnectReasonCode, Filter, Packet, PingReq, PubAck, PubAckReason, Publish, Subscribe,
    SubscribeReasonCode, Unsubscribe,
};
use stdx::{BoxError, ByteSize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::connect::Wire;

/// What a packet has beside its message: the topic, where to answer, and some bytes more.
const BESIDE: u32 = 8 << 10;
/// The largest packet.
pub(super) const PACKET_MAX: u32 = (1 << 20) + BESIDE;
/// How many messages the broker may send that were not acknowledged.
pub(super) const RECEIVE_MAX: u16 = 64;
/// How many messages may wait that nobody acknowledges, and how many bytes with all that wait.
const UNACKNOWLEDGED: (usize, usize) = (1_024, 8 << 20);
/// Within so long each side says something.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How many messages may be on their way to the broker; it may allow less.
const SENT_MAX: u16 = 256;
/// What is written at once, at most and about.
const BATCH: usize = 64 << 10;

/// The connection broke, or breaks while something is asked.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the broker was lost")]
pub(super) struct Lost;

/// One connection. It is closed when it is dropped.
pub(super) struct Session {
    commands: mpsc::Sender<Command>,
    /// The largest message that the broker takes.
    pub(super) payload_max: ByteSize,
    _driver: Task,
}

/// Messages as they come, until the connection breaks.
pub(super) struct Deliveries {
    waiting: mpsc::Receiver<Publish>,
    counts: Arc<Counts>,
    settled: mpsc::Sender<u16>,
}

/// Says that a message was handled.
pub(crate) struct Receipt {
    id: u16,
    settled: mpsc::Sender<u16>,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

enum Command {
    Publish(Publish, oneshot::Sender<PubAckReason>),
    Subscribe(Vec<Filter>, oneshot::Sender<Vec<SubscribeReasonCode>>),
    Unsubscribe(Vec<String>, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// Those who wait for an answer.
enum Waiting {
    Published(oneshot::Sender<PubAckReason>),
    Subscribed(oneshot::Sender<Vec<SubscribeReasonCode>>),
    Unsubscribed(oneshot::Sender<()>),
}

/// What runs a connection.
struct Driver {
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    settled: mpsc::Receiver<u16>,
    deliveries: mpsc::Sender<Publish>,
    counts: Arc<Counts>,
    waiting: HashMap<u16, Waiting>,
    waiting_max: usize,
    last_id: u16,
    heard: Instant,
}

/// Whether a connection is still used.
#[derive(PartialEq, Eq)]
enum Use {
    Goes,
    Over,
}

// === impl Session ===

impl Session {
    /// Runs a connection that a broker has just agreed to.
    pub(super) fn start(wire: Wire, agreed: &ConnAck) -> (Self, Deliveries) {
        let (commands, told) = mpsc::channel(SENT_MAX.into());
        let (settled, acknowledged) = mpsc::channel(RECEIVE_MAX.into());
        let (brought, waiting) = mpsc::channel(UNACKNOWLEDGED.0 + usize::from(RECEIVE_MAX));
        let counts = Arc::<Counts>::default();
        let agreed = agreed.properties.as_ref();
        let allowed = agreed.and_then(|told| told.receive_max).unwrap_or(u16::MAX);
        let packet_max = agreed.and_then(|told| told.max_packet_size).unwrap_or(PACKET_MAX).min(PACKET_MAX);
        let payload_max = ByteSize::bytes(packet_max.saturating_sub(BESIDE).max(packet_max / 2).into());
        let driver = Driver {
            wire,
            commands: told,
            settled: acknowledged,
            deliveries: brought,
            counts: counts.clone(),
            waiting: HashMap::new(),
            waiting_max: allowed.min(SENT_MAX).into(),
            last_id: 0,
            heard: Instant::now(),
        };
        let run = async move {
            if let Err(error) = driver.run().await {
                debug!(error = %stdx::Chain(&*error), "a connection to a broker of MQTT broke");
            }
        };
        (Self { commands, payload_max, _driver: Task::spawn(run) }, Deliveries { waiting, counts, settled })
    }

    /// Publishes, and answers what the broker said of it.
    pub(super) async fn publish(&self, message: Publish) -> Result<PubAckReason, Lost> {
        self.ask(|answer| Command::Publish(message, answer)).await
    }

    /// Subscribes to all of them, or says what the broker has against the first that it refuses.
    pub(super) async fn subscribe(&self, filters: &[String]) -> Result<(), BoxError> {
        let filter = |path: &String| Filter { path: path.clone(), qos: QoS::AtLeastOnce, ..Filter::default() };
        let answers = self.ask(|answer| Command::Subscribe(filters.iter().map(filter).collect(), answer)).await?;
        let refused = filters.iter().zip(answers).find(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)));
        refused.map_or(Ok(()), |(filter, code)| Err(format!("the broker refuses {filter:?}: {code:?}").into()))
    }

    /// When this returns, all that the broker had sent before has arrived.
    pub(super) async fn unsubscribe(&self, filters: &[String]) -> Result<(), Lost> {
        self.ask(|answer| Command::Unsubscribe(filters.to_vec(), answer)).await
    }

    /// Ends the connection after what was said until now.
    pub(super) async fn close(&self) -> Result<(), Lost> {
        self.ask(Command::Close).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Lost> {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_closed| Lost)?;
        answer.await.map_err(|_closed| Lost)
    }
}

// === impl Deliveries ===

impl Deliveries {
    /// The next message; none when the connection has broken. Nothing is lost where this is not waited for.
    pub(super) async fn next(&mut self) -> Option<(Publish, Option<Receipt>)> {
        let message = self.waiting.recv().await?;
        Some(self.taken(message))
    }

    /// A message that has arrived, if there is one.
    pub(super) fn take(&mut self) -> Option<(Publish, Option<Receipt>)> {
        let message = self.waiting.try_recv().ok()?;
        Some(self.taken(message))
    }

    /// How many found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn taken(&self, message: Publish) -> (Publish, Option<Receipt>) {
        self.counts.bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
        let receipt = Receipt { id: message.pkid, settled: self.settled.clone() };
        (message, (receipt.id != 0).then_some(receipt))
    }
}

// === impl Receipt ===

impl Receipt {
    /// The broker is told that the message was handled. Where the connection has broken it cannot be, and brings it again.
    pub(crate) fn settle(self) {
        // There is room for all that the broker may have sent and not heard of.
        self.settled.try_send(self.id).ok();
    }
}

// === impl Driver ===

impl Driver {
    async fn run(mut self) -> Result<(), BoxError> {
        let mut tick = tokio::time::interval(KEEP_ALIVE / 2);
        loop {
            tokio::select! {
                packet = self.wire.next() => match packet {
                    Some(packet) => self.hear(packet?)?,
                    None => return Err("the broker closed it".into()),
                },
                Some(command) = self.commands.recv(), if self.waiting.len() < self.waiting_max => {
                    if self.tell(command).await? == Use::Over {
                        return Ok(());
                    }
                }
                Some(id) = self.settled.recv() => self.say(Packet::PubAck(PubAck::new(id, None))).await?,
                _ = tick.tick() => {
                    if self.heard.elapsed() > KEEP_ALIVE * 3 / 2 {
                        return Err("the broker says nothing any more".into());
                    }
                    self.say(Packet::PingReq(PingReq)).await?;
                }
            }
            if self.tell_all().await? == Use::Over {
                return Ok(());
            }
            rt::within(Some(KEEP_ALIVE), self.wire.flush()).await??;
        }
    }

    /// Says what else there is to be said, so that it goes in one piece.
    async fn tell_all(&mut self) -> Result<Use, BoxError> {
        while self.wire.write_buffer().len() < BATCH {
            if let Ok(id) = self.settled.try_recv() {
                self.say(Packet::PubAck(PubAck::new(id, None))).await?;
            } else if self.waiting.len() < self.waiting_max
                && let Ok(command) = self.commands.try_recv()
            {
                if self.tell(command).await? == Use::Over {
                    return Ok(Use::Over);
                }
            } else {
                break;
            }
        }
        Ok(Use::Goes)
    }

    async fn tell(&mut self, command: Command) -> Result<Use, BoxError> {
        let pkid = self.free_id();
        let (packet, waiting) = match command {
            Command::Publish(message, answer) => {
                (Packet::Publish(Publish { pkid, ..message }), Waiting::Published(answer))
            }
            Command::Subscribe(filters, answer) => {
                (Packet::Subscribe(Subscribe { pkid, filters, properties: None }), Waiting::Subscribed(answer))
            }
            Command::Unsubscribe(filters, answer) => {
                (Packet::Unsubscribe(Unsubscribe { pkid, filters, properties: None }), Waiting::Unsubscribed(answer))
            }
            Command::Close(answer) => {
                while let Ok(id) = self.settled.try_recv() {
                    self.say(Packet::PubAck(PubAck::new(id, None))).await?;
                }
                self.say(Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection))).await?;
                rt::within(Some(KEEP_ALIVE), self.wire.close()).await??;
                answer.send(()).ok();
                return Ok(Use::Over);
            }
        };
        let limit = self.wire.codec().max_outgoing_size.map_or(usize::MAX, |limit| limit as usize);
        // What the broker does not take would end the connection for all: who waits for it is let go.
        if packet.size() <= limit {
            self.waiting.insert(pkid, waiting);
            self.say(packet).await?;
        }
        Ok(Use::Goes)
    }

    async fn say(&mut self, packet: Packet) -> Result<(), BoxError> {
        Ok(rt::within(Some(KEEP_ALIVE), self.wire.feed(packet)).await??)
    }

    /// A number that nobody waits by: there are fewer who wait than numbers.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.waiting.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    fn hear(&mut self, packet: Packet) -> Result<(), BoxError> {
        self.heard = Instant::now();
        match packet {
            Packet::Publish(message) => self.bring(message)?,
            Packet::PingResp(_) => {}
            Packet::PubAck(PubAck { pkid, reason, .. }) => match self.waiting.remove(&pkid) {
                Some(Waiting::Published(answer)) => drop(answer.send(reason)),
                _ => return Err("the broker acknowledges what was not said".into()),
            },
            Packet::SubAck(answer) => match self.waiting.remove(&answer.pkid) {
                Some(Waiting::Subscribed(waiting)) => drop(waiting.send(answer.return_codes)),
                _ => return Err("the broker confirms what was not subscribed to".into()),
            },
            Packet::UnsubAck(answer) => match self.waiting.remove(&answer.pkid) {
                Some(Waiting::Unsubscribed(waiting)) => drop(waiting.send(())),
                _ => return Err("the broker confirms an end that was not asked for".into()),
            },
            Packet::Disconnect(told) => return Err(format!("the broker ended it: {:?}", told.reason_code).into()),
            other => return Err(format!("the broker says what it may not: {other:?}").into()),
        }
        Ok(())
    }

    fn bring(&mut self, message: Publish) -> Result<(), BoxError> {
        let size = message.payload.len();
        if message.qos == QoS::AtMostOnce {
            let has_room = self.deliveries.capacity() > RECEIVE_MAX.into()
                && self.counts.bytes.load(Ordering::Relaxed) + size <= UNACKNOWLEDGED.1;
            if !has_room {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.counts.bytes.fetch_add(size, Ordering::Relaxed);
        // Where nobody listens any more there is nobody to miss it.
        match self.deliveries.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err("the broker sends more than was agreed on".into()),
        }
    }
}
