//! A host's role in a lattice, from its beginning to its end: a loop that answers, one that beats, and one that follows.
//!
//! # Invariants
//!
//! 1. Every question is answered once, in one place, except auctions that are not bid for.
//! 2. What was answered is begun in the order of the answers for each component, and at most [`ERRANDS_MAX`] at once; who asks for
//!    more is refused.
//! 3. Whatever a command came to is said as a fact.

mod links;
mod presence;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, Headers, Message, PublishError, SubscribeError, Subscription};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, select_all};
use futures::{FutureExt, StreamExt};
use model::ComponentName;
use model::lattice::{Capacity, Labels, StopHost};
use rt::Task;
use stdx::Chain;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::answers::{self, Answered};
use crate::errands::Errand;
use crate::event::Stamps;
use crate::hands::Hands;
use crate::keeping::Keeping;
use crate::kept::Keeps;
use crate::leasing::Leasing;
use crate::merge::Holdings;
use crate::names;
use crate::question::{patterns, read};
use crate::state::{Runs, State};
use crate::stop::Stop;
use crate::voice::Voice;
pub use links::NotKept;
use presence::{beat, farewell, own_labels};

/// Questions that are worked on at once; further ones wait in the subscription.
const AT_ONCE_MAX: usize = 32;

/// Commands that are carried out at once, those that wait for one about the same component included.
const ERRANDS_MAX: usize = 64;

/// How long a role that another takes the place of may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a host is in a lattice.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// The lattice.
    pub name: String,
    /// What people call the host; a name made from its key where nothing is said.
    pub friendly_name: Option<String>,
    /// What it carries, beside what it knows of its machine.
    pub labels: Labels,
    /// How often it says that it is there. When it has not for four times that, it is lost.
    pub heartbeat: Duration,
}

/// What a role works with.
pub struct RoleSetup {
    /// What the host is.
    pub config: RoleConfig,
    /// Its key, which no other has.
    pub id: String,
    /// What it has for what it runs.
    pub capacity: Capacity,
    /// The bus that carries the lattice.
    pub bus: Bus,
    /// Where others reach that bus.
    pub address: String,
    /// The domain of JetStream that what it keeps is in, where it is in one.
    pub domain: Option<String>,
    /// Where what the lattice keeps is.
    pub keeps: Keeps,
    /// What does what it decides.
    pub hands: Arc<dyn Hands>,
    /// What runs already.
    pub running: BTreeMap<ComponentName, Runs>,
    /// What that was told elsewhere, where the host comes from: it is linked like that.
    pub had: Holdings,
    /// What tells its facts from others.
    pub stamps: Stamps,
    /// Is told when somebody wants the host to stop.
    pub stop: Stop,
}

/// What a role leaves to the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// What it knew of what is kept.
    pub holdings: Holdings,
    /// What the host carries.
    pub labels: Labels,
    /// How components run.
    pub runs: BTreeMap<ComponentName, Runs>,
}

/// Answers until it is dropped.
pub struct Role {
    shared: Arc<Shared>,
    end: oneshot::Sender<()>,
    /// Has nothing more when all loops have ended.
    ended: mpsc::Receiver<()>,
    _answering: Task,
    _beating: Task,
    _following: [Task; 2],
}

pub(crate) struct Shared {
    pub(crate) config: RoleConfig,
    pub(crate) id: String,
    pub(crate) capacity: Capacity,
    pub(crate) friendly_name: String,
    pub(crate) bus: Bus,
    address: String,
    domain: Option<String>,
    pub(crate) voice: Voice,
    pub(crate) hands: Arc<dyn Hands>,
    pub(crate) keeping: Keeping,
    /// Nothing where there can be no other host.
    leasing: Option<Leasing>,
    started: Instant,
    state: Mutex<State>,
    /// Whose turn it is, by what is changed.
    pub(crate) turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) errands: Arc<Semaphore>,
    stop: Stop,
}

/// Is ready when a role is to end.
type ToldToEnd = futures::future::Shared<BoxFuture<'static, ()>>;

// === impl Role ===

impl Role {
    /// Begins to answer. Called within a runtime, which it goes on in.
    pub async fn start(mut setup: RoleSetup) -> Result<Self, SubscribeError> {
        let mut subscriptions = Vec::new();
        for (pattern, group) in patterns(&model::lattice::prefix(&setup.config.name), &setup.id) {
            let pattern = pattern.parse().expect("the name of a lattice is a word, see RoleConfig");
            let group = group.map(|group| group.parse().expect("a group is called as a subject"));
            subscriptions.push(setup.bus.subscribe(pattern, group).await?);
        }
        let had = std::mem::take(&mut setup.had);
        let shared = Arc::new(Shared::new(setup));
        shared.recall(&had).await;
        let (end, told) = oneshot::channel::<()>();
        let (alive, ended) = mpsc::channel(1);
        // Who drops the other end wants it to end, too.
        let told: ToldToEnd = told.map(|_| ()).boxed().shared();
        let following_kept = Task::spawn({
            let (shared, told, alive) = (shared.clone(), told.clone(), alive.clone());
            async move {
                tokio::select! {
                    biased;
                    () = shared.follow_kept() => {}
                    () = told => {}
                }
                drop(alive);
            }
        });
        let _following = [following_kept, Task::spawn(follow_hosts(shared.clone()))];
        let _answering = Task::spawn({
            let shared = shared.clone();
            async move {
                answer_all(shared, subscriptions, told).await;
                drop(alive);
            }
        });
        let _beating = Task::spawn(beat(shared.clone()));
        Ok(Self { shared, end, ended, _answering, _beating, _following })
    }

    /// What this host knows of what its lattice keeps.
    pub fn holdings(&self) -> Holdings {
        self.shared.state().holdings()
    }

    /// The providers that run here.
    pub fn providers(&self) -> Vec<String> {
        self.shared.state().providers.keys().map(ToString::to_string).collect()
    }

    /// The host's key.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// What people call the host.
    pub fn friendly_name(&self) -> &str {
        &self.shared.friendly_name
    }

    /// The lattice.
    pub fn lattice(&self) -> &str {
        &self.shared.config.name
    }

    /// What says facts of this host that its commands do not come to.
    pub fn voice(&self) -> &Voice {
        &self.shared.voice
    }

    /// Takes no further question, answers those that it took, does what it was told, and says that the host has left. Gives what
    /// another role begins with.
    pub async fn retire(self) -> Retired {
        let Self { shared, end, mut ended, _answering, _beating, _following } = self;
        drop(_beating);
        // Where all loops have ended already, nobody hears it.
        end.send(()).ok();
        if let Err(late) = rt::within(Some(PATIENCE), ended.recv()).await {
            tracing::warn!(error = %late, "a command is given up, since this host leaves its lattice");
        }
        drop((_answering, _following));
        farewell(&shared).await;
        let state = shared.state();
        Retired { holdings: state.holdings(), labels: state.labels.clone(), runs: state.components.clone() }
    }

    /// Answers nothing more, and says that the host stops.
    pub async fn end(self) {
        let Self { shared, _answering, _beating, _following, .. } = self;
        drop((_answering, _beating, _following));
        farewell(&shared).await;
    }
}

/// Follows which hosts there are, where there may be several.
async fn follow_hosts(shared: Arc<Shared>) {
    if let Some(leasing) = &shared.leasing {
        shared.follow_hosts(leasing).await;
    }
}

async fn answer_all(shared: Arc<Shared>, subscriptions: Vec<Subscription>, mut told: ToldToEnd) {
    let mut questions = select_all(subscriptions);
    let (mut answering, mut working) = (FuturesUnordered::new(), FuturesUnordered::new());
    let (mut is_ending, mut is_over) = (false, false);
    loop {
        tokio::select! {
            // The same each time: nothing here is decided by chance.
            biased;
            () = &mut told, if !is_ending && !is_over => {
                is_ending = true;
                questions.iter_mut().for_each(Subscription::end);
            }
            question = questions.next(), if answering.len() < AT_ONCE_MAX && !is_over => match question {
                Some(question) => answering.push(shared.answer(question)),
                None => is_over = true,
            },
            Some(errand) = answering.next() => working.extend(errand.map(|errand| shared.carry_out(errand))),
            Some(()) = working.next() => {}
            else => return,
        }
    }
}

// === impl Shared ===

impl Shared {
    fn new(setup: RoleSetup) -> Self {
        let RoleSetup { config, id, capacity, bus, address, domain, keeps, hands, running, stamps, stop, .. } = setup;
        let mut labels = own_labels();
        labels.extend(config.labels.clone());
        Self {
            friendly_name: config.friendly_name.clone().unwrap_or_else(|| names::made_from(&id)),
            voice: Voice::new(bus.clone(), config.name.clone(), id.clone(), stamps),
            keeping: Keeping::new(&config.name, &bus, &keeps),
            leasing: matches!(keeps, Keeps::Elsewhere { .. }).then(|| Leasing::new(&config.name, &bus)),
            state: Mutex::new(State { labels, components: running, ..State::default() }),
            started: Instant::now(),
            turns: Mutex::default(),
            errands: Arc::new(Semaphore::new(ERRANDS_MAX)),
            stop,
            config,
            id,
            capacity,
            bus,
            address,
            domain,
            hands,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a question, as a part of what it is asked for. What is to be done after that is given back.
    async fn answer(&self, question: Message) -> Option<Errand> {
        let prefix = model::lattice::prefix(&self.config.name);
        let end = question.subject.as_str().strip_prefix(&prefix).and_then(|end| end.strip_prefix('.'));
        let asked = read(end.unwrap_or_default().split('.'));
        let Answered { reply, errand, stop } = answers::answer(self, asked, &question.payload).await;
        let trace = question.headers.trace();
        let headers = trace.map_or_else(Headers::default, |trace| Headers::default().within(&trace));
        if let Some(reply) = reply.and_then(|reply| question.answer(reply)) {
            self.send(Message { headers, ..reply }).await;
        }
        // Not before: who stops answers nothing more.
        if let Some(StopHost { timeout, .. }) = stop {
            self.stop.ask(timeout.map(Duration::from_millis));
        }
        errand
    }

    /// Sends an answer; where it is larger than what the bus carries, that this is so.
    async fn send(&self, answer: Message) {
        let sent = match self.bus.publish(answer.clone()).await {
            Err(error @ PublishError::TooLarge { .. }) => {
                let refused = answers::refused(Chain(&error).to_string());
                let Some(payload) = refused else { return not_sent(&error) };
                self.bus.publish(Message { payload, ..answer }).await
            }
            sent => sent,
        };
        if let Err(error) = sent {
            not_sent(&error);
        }
    }
}

fn not_sent(error: &PublishError) {
    tracing::warn!(error = %Chain(error), "an answer could not be sent");
}
