//! A host as one of a lattice: it answers the control interface, carries out what it is told, and says what happened.
//!
//! ```text
//! bus ─▶ question (which) ─▶ answers (rules decide) ─▶ reply ─▶ bus
//!                                   └─▶ Work ─▶ deeds (World) ─▶ fact ─▶ bus
//! ```
//!
//! # Invariants
//!
//! 1. Every question is answered once, in one place, except auctions that are not bid for.
//! 2. What was answered is begun in the order of the answers for each component, and at most [`WORKS_MAX`] at once; who asks for
//!    more is refused.
//! 3. Whatever a command came to is said as a fact.
//!
//! # Not here
//!
//! What components are and how they are linked (`world`).

mod answers;
mod deeds;
mod event;
mod keeping;
mod kept;
mod names;
mod question;
mod rules;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus::{Bus, Message, SubscribeError, Subscription};
use futures::StreamExt;
use futures::stream::{FuturesUnordered, select_all};
use model::ComponentName;
use model::fact::Fact;
use model::lattice::{Host, HostInventory, Labels};
use rt::Task;
use stdx::Chain;
use tokio::sync::{Notify, Semaphore};
use tokio::time::MissedTickBehavior;

use crate::identity::{Identity, IdentityError};
use crate::patience::patiently;
use crate::world::World;
use answers::Work;
use keeping::Keeping;
use question::{patterns, read};
use rules::{Runs, State};

pub(crate) use kept::Keepers;

/// Questions that are worked on at once; further ones wait in the subscription.
const AT_ONCE_MAX: usize = 32;

/// Commands that are carried out at once, those that wait for one about the same component included.
const WORKS_MAX: usize = 64;

/// How long the last words of a host may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A host's place in a lattice.
#[derive(Debug, Clone)]
pub struct LatticeConfig {
    /// The lattice.
    pub name: String,
    /// The NATS servers that carry it; without, it is this host's own bus, and the host may be alone in it.
    pub nats: Option<(String, bus::ConnectOptions)>,
    /// What people call the host; a name made from its key where nothing is said.
    pub friendly_name: Option<String>,
    /// What it carries, beside what it knows of its machine.
    pub labels: Labels,
    /// How often it says that it is there.
    pub heartbeat: Duration,
    /// Whether whoever reaches the bus may have files of this machine run.
    pub allows_files: bool,
}

/// Answers until it is dropped.
pub(crate) struct Lattice {
    shared: Arc<Shared>,
    _answering: Task,
    _beating: Task,
    _following: Task,
}

struct Shared {
    world: Arc<World>,
    bus: Bus,
    keeping: Keeping,
    config: LatticeConfig,
    /// Held, so that no other host has it.
    _identity: Identity,
    id: String,
    friendly_name: String,
    /// Where others reach the bus.
    address: String,
    started: Instant,
    state: Mutex<State>,
    /// Whose turn it is to change a component.
    turns: Mutex<BTreeMap<ComponentName, Arc<tokio::sync::Mutex<()>>>>,
    works: Arc<Semaphore>,
    stop: Notify,
}

// === impl Lattice ===

impl Lattice {
    /// A host's key in this folder.
    pub(crate) fn identity(folder: PathBuf) -> Result<Identity, IdentityError> {
        Identity::open(&folder)
    }

    /// Begins to answer on `bus`, which others reach at `address`. Called within the control plane's runtime.
    pub(crate) async fn start(
        world: Arc<World>,
        identity: Identity,
        config: LatticeConfig,
        (keepers, address): (Keepers, String),
    ) -> Result<Self, SubscribeError> {
        let id = identity.id();
        let friendly_name = config.friendly_name.clone().unwrap_or_else(|| names::made_from(&id));
        let mut labels = own_labels();
        labels.extend(config.labels.clone());
        let components = running(&world).await;
        let keeping = Keeping::new(&config.name, &keepers);
        let mut state = State { labels, components, ..State::default() };
        if !keepers.is_new {
            keeping.recall(&mut state).await;
        }
        let bus = keepers.lattice;
        let mut subscriptions = Vec::new();
        for (pattern, group) in patterns(&model::lattice::prefix(&config.name), &id) {
            let pattern = pattern.parse().expect("the name of a lattice is a word, see LatticeConfig");
            let group = group.map(|group| group.parse().expect("a group is called as a subject"));
            subscriptions.push(bus.subscribe(pattern, group).await?);
        }
        let shared = Arc::new(Shared {
            world,
            bus,
            keeping,
            config,
            _identity: identity,
            id,
            friendly_name,
            address,
            started: Instant::now(),
            state: Mutex::new(state),
            turns: Mutex::default(),
            works: Arc::new(Semaphore::new(WORKS_MAX)),
            stop: Notify::new(),
        });
        shared.link_as_known().await;
        let _following = Task::spawn({
            let shared = shared.clone();
            async move { shared.follow().await }
        });
        let _answering = Task::spawn(answer_all(shared.clone(), subscriptions));
        let _beating = Task::spawn(beat(shared.clone()));
        Ok(Self { shared, _answering, _beating, _following })
    }

    /// The host's key.
    pub(crate) fn id(&self) -> &str {
        &self.shared.id
    }

    /// What people call the host.
    pub(crate) fn friendly_name(&self) -> &str {
        &self.shared.friendly_name
    }

    /// The lattice.
    pub(crate) fn name(&self) -> &str {
        &self.shared.config.name
    }

    /// Waits until somebody tells the host to stop.
    pub(crate) async fn stop_asked(&self) {
        self.shared.stop.notified().await;
    }

    /// Answers nothing more, and says that the host stops.
    pub(crate) async fn end(self) {
        let Self { shared, _answering, _beating, _following } = self;
        drop((_answering, _beating, _following));
        let labels = shared.state().labels.clone();
        let last_words = async {
            shared.say(Fact::HostStopped { labels }).await;
            shared.bus.flush().await
        };
        match rt::within(Some(FAREWELL), last_words).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "nobody was told that this host stops"),
            Err(late) => tracing::warn!(error = %late, "nobody was told that this host stops"),
        }
    }
}

async fn answer_all(shared: Arc<Shared>, subscriptions: Vec<Subscription>) {
    let mut questions = select_all(subscriptions);
    let (mut answering, mut working) = (FuturesUnordered::new(), FuturesUnordered::new());
    loop {
        tokio::select! {
            question = questions.next(), if answering.len() < AT_ONCE_MAX => match question {
                Some(question) => answering.push(shared.answer(question)),
                None => return,
            },
            Some(work) = answering.next() => working.extend(work.map(|work| shared.carry_out(work))),
            Some(()) = working.next() => {}
        }
    }
}

/// Says that the host has begun as soon as there is a bus to say it on, and then again and again that it is there.
async fn beat(shared: Arc<Shared>) {
    patiently("the host is not in its lattice yet", || shared.bus.flush()).await;
    let begun = Fact::HostStarted {
        friendly_name: shared.friendly_name.clone(),
        labels: shared.state().labels.clone(),
        uptime_seconds: 0,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    shared.say(begun).await;
    let every = shared.config.heartbeat.max(Duration::from_millis(10));
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        shared.say(Fact::HostHeartbeat(shared.inventory())).await;
    }
}

/// What runs when the host begins to answer: all that it was started with.
async fn running(world: &World) -> BTreeMap<ComponentName, Runs> {
    let count = world.concurrency();
    let runs = |component: crate::LoadedComponent| {
        let path = std::path::absolute(&component.source.path).unwrap_or(component.source.path);
        let image_ref = format!("file://{}", path.display());
        (component.source.name, Runs { image_ref, count, ..Runs::default() })
    };
    world.components().await.into_iter().map(runs).collect()
}

/// What a host knows of its machine.
fn own_labels() -> Labels {
    let labels =
        [("arch", std::env::consts::ARCH), ("os", std::env::consts::OS), ("osfamily", std::env::consts::FAMILY)];
    labels.map(|(name, value)| (format!("hostcore.{name}"), value.to_owned())).into()
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a question. What is to be done after that is given back.
    async fn answer(&self, question: Message) -> Option<Work> {
        let prefix = model::lattice::prefix(&self.config.name);
        let end = question.subject.as_str().strip_prefix(&prefix).and_then(|end| end.strip_prefix('.'));
        let asked = read(end.unwrap_or_default().split('.'));
        let (reply, work) = answers::answer(self, asked, &question.payload).await;
        let reply = reply.and_then(|reply| question.answer(reply));
        if let Some(reply) = reply
            && let Err(error) = self.bus.publish(reply).await
        {
            tracing::warn!(error = %Chain(&error), "an answer could not be sent");
        }
        work
    }

    /// Tells everybody who listens.
    async fn say(&self, fact: Fact) {
        let subject = format!("wasmbus.evt.{}.{}", self.config.name, fact.name());
        let subject = subject.parse().expect("the name of a lattice is a word, see LatticeConfig");
        let Some(payload) = event::bytes(&self.id, fact) else { return };
        if let Err(error) = self.bus.publish(Message::new(subject, payload)).await {
            tracing::warn!(error = %Chain(&error), "a fact could not be said");
        }
    }

    fn host(&self) -> Host {
        let uptime = self.uptime();
        Host {
            id: self.id.clone(),
            friendly_name: self.friendly_name.clone(),
            lattice: self.config.name.clone(),
            labels: self.state().labels.clone(),
            uptime_seconds: uptime.as_secs(),
            uptime_human: humantime::format_duration(uptime).to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            ctl_host: self.address.clone(),
            rpc_host: self.address.clone(),
            js_domain: None,
        }
    }

    fn inventory(&self) -> HostInventory {
        let uptime = self.uptime();
        let state = self.state();
        HostInventory {
            host_id: self.id.clone(),
            friendly_name: self.friendly_name.clone(),
            labels: state.labels.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_human: humantime::format_duration(uptime).to_string(),
            uptime_seconds: uptime.as_secs(),
            components: state.components.iter().map(|(id, runs)| runs.describe(id)).collect(),
            providers: Vec::new(),
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.started.elapsed().as_secs())
    }
}
