//! Hosts that run nothing: a role each, with hands that note what they would have done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bus::{Broker, BucketKey, Bus, Keep, Limits};
use lattice::{
    Deed, Hands, Holdings, Keeps, ProviderView, Retired, Role, RoleConfig, RoleSetup, Runs, Stamp, Stamps, Stop, Voice,
};
use model::fact::{Checked, Fact};
use model::lattice::{Capacity, Labels};
use model::record::HostRecord;
use model::{Briefing, ComponentName, LinkDel, LinkPut};
use rt::Task;
use stdx::BoxError;
use tokio::time::Instant;

/// How often the hosts of these tests beat, and how long their leases hold.
pub(crate) const BEAT: Duration = Duration::from_secs(5);
pub(crate) const LEASE: Duration = Duration::from_secs(20);

/// How often a host says how its providers are.
const HEALTH: Duration = Duration::from_secs(10);

/// The day on which these tests take place.
const DAY: Duration = Duration::from_secs(1_773_057_600);

/// What hands have done, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many invocations at once, and from where.
    pub(crate) components: BTreeMap<String, (u32, String)>,
    /// What source, name and contract lead to.
    pub(crate) links: BTreeMap<String, String>,
    pub(crate) settings: BTreeMap<String, Labels>,
    pub(crate) providers: BTreeMap<String, Provider>,
}

/// A provider that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) image_ref: String,
    /// What it was told last.
    pub(crate) briefing: Briefing,
    pub(crate) is_well: bool,
}

/// Hands that note.
#[derive(Debug, Default)]
pub(crate) struct Noting {
    done: Mutex<Done>,
    /// Whether the next link that it is told to put is lost.
    forgets: AtomicBool,
}

/// A host. Whoever drops it has killed it.
pub(crate) struct Host {
    pub(crate) role: Role,
    pub(crate) hands: Arc<Noting>,
    /// Told when somebody has told it to stop.
    pub(crate) stop: Stop,
    _health: Task,
}

/// What a host begins with.
pub(crate) struct Beginning {
    pub(crate) bus: Bus,
    pub(crate) id: String,
    pub(crate) heartbeat: Duration,
    pub(crate) keeps: Keeps,
    pub(crate) hands: Arc<Noting>,
    pub(crate) stamps: Stamps,
    /// What it carries and runs, and what that was told where it comes from.
    pub(crate) load: Retired,
}

// === impl Noting ===

impl Noting {
    /// Those of a process that has just begun: it runs `till`, which was told nothing.
    pub(crate) fn new() -> Arc<Self> {
        let hands = Self::default();
        lock(&hands.done).components.insert("till".into(), (1, "file:///till".into()));
        Arc::new(hands)
    }

    /// Those of its providers that were well are not any more, and the others are again.
    pub(crate) fn stumble(&self) {
        lock(&self.done).providers.values_mut().for_each(|provider| provider.is_well = !provider.is_well);
    }

    pub(crate) fn done(&self) -> Done {
        lock(&self.done).clone()
    }

    /// From now on one link that it is told to put is lost.
    pub(crate) fn forget_one(&self) {
        self.forgets.store(true, Ordering::Relaxed);
    }

    fn put(&self, put: &LinkPut) {
        if self.forgets.swap(false, Ordering::Relaxed) {
            return;
        }
        let contract = put.contract.clone().map(String::from).unwrap_or_default();
        let key = format!("{} {} {contract}", put.source, put.name);
        lock(&self.done).links.insert(key, put.target.to_string());
    }

    fn delete(&self, LinkDel { source, name, contract }: &LinkDel) {
        let contract = contract.clone().map(String::from).unwrap_or_default();
        lock(&self.done).links.remove(&format!("{source} {name} {contract}"));
    }
}

#[async_trait]
impl Hands for Noting {
    async fn carry_out(&self, deed: Deed) -> Result<(), BoxError> {
        // Whatever is done takes its time, in which other things happen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match deed.clone() {
            Deed::Start { id, image_ref, count, .. } => {
                let before = lock(&self.done).components.insert(id.to_string(), (count, image_ref));
                assert_eq!(before, None, "it runs already");
            }
            Deed::Exchange { id, image_ref } => {
                lock(&self.done).components.get_mut(id.as_str()).expect("it runs").1 = image_ref;
            }
            Deed::Allow { id, count } => {
                lock(&self.done).components.get_mut(id.as_str()).expect("it runs").0 = count;
            }
            Deed::Limit { id, .. } => assert!(lock(&self.done).components.contains_key(id.as_str()), "it runs"),
            Deed::Stop { id } => drop(lock(&self.done).components.remove(id.as_str())),
            Deed::Tell { id, settings } => {
                let mut done = lock(&self.done);
                match settings {
                    Some(settings) => done.settings.insert(id.to_string(), settings),
                    None => done.settings.remove(id.as_str()),
                };
            }
            Deed::Check(_) | Deed::CheckRoute(_) => {}
            Deed::Put(put) | Deed::Recall(put) => self.put(&put),
            Deed::Delete { link, .. } => self.delete(&link),
            Deed::StartProvider { id, image_ref, briefing } => {
                let provider = Provider { image_ref, briefing, is_well: true };
                let before = lock(&self.done).providers.insert(id.to_string(), provider);
                assert_eq!(before, None, "it runs already");
            }
            Deed::Brief { id, briefing } => {
                if let Some(provider) = lock(&self.done).providers.get_mut(id.as_str()) {
                    provider.briefing = briefing;
                }
            }
            Deed::StopProvider { id } => drop(lock(&self.done).providers.remove(id.as_str())),
            Deed::LogIn(_) | Deed::Route(_) | Deed::Unroute(_) => {
                return Err(format!("nobody here tells it to {deed}").into());
            }
        }
        Ok(())
    }

    fn look(&self, provider: &ComponentName) -> Option<ProviderView> {
        let condition = lock(&self.done).providers.get(provider.as_str())?.condition();
        Some(ProviderView { claims: None, condition })
    }
}

// === impl Provider ===

impl Provider {
    pub(crate) fn condition(&self) -> String {
        if self.is_well { "runs".into() } else { "waits for its next start".into() }
    }
}

// === impl Host ===

impl Host {
    /// A host that runs `till`, which has the settings `s`. Its clock is wrong by so much.
    pub(crate) async fn start(bus: Bus, id: &str, skew: Duration) -> Self {
        Self::start_with(bus, id, (skew, BEAT)).await
    }

    pub(crate) async fn start_with(bus: Bus, id: &str, (skew, heartbeat): (Duration, Duration)) -> Self {
        Self::begin(Beginning {
            bus,
            id: id.into(),
            heartbeat,
            keeps: Keeps::Elsewhere { copy: None, declared: None },
            hands: Noting::new(),
            stamps: stamps(id, skew),
            load: at_first(),
        })
        .await
    }

    /// A host that is alone on a bus in its process, which it shares with whoever tests it.
    pub(crate) async fn alone() -> (Bus, Self) {
        let bus = Bus::in_process(Broker::new(Limits::default()));
        let host = Self::begin(Beginning {
            bus: bus.clone(),
            id: "NA".into(),
            heartbeat: BEAT,
            keeps: Keeps::Here { is_new: true },
            hands: Noting::new(),
            stamps: stamps("NA", Duration::ZERO),
            load: at_first(),
        });
        (bus, host.await)
    }

    pub(crate) async fn begin(beginning: Beginning) -> Self {
        let Beginning { bus, id, heartbeat, keeps, hands, stamps, load } = beginning;
        let Retired { holdings, labels, runs } = load;
        let stop = Stop::default();
        let role = Role::start(RoleSetup {
            config: RoleConfig { name: "default".into(), friendly_name: Some(id.to_lowercase()), labels, heartbeat },
            id: id.clone(),
            capacity: Capacity { cores: 2, memory_bytes: Some(1 << 30), invocations_max: None },
            address: bus.describe(),
            bus,
            domain: None,
            keeps,
            hands: hands.clone(),
            running: runs,
            had: holdings,
            stamps,
            stop: stop.clone(),
        });
        let role = role.await.expect("it listens");
        let health = Task::spawn(say_health((role.voice().clone(), id), hands.clone()));
        Self { role, hands, stop, _health: health }
    }
}

/// What a host carries and runs that was just started: `till`, with the settings `s`.
pub(crate) fn at_first() -> Retired {
    let till = Runs { image_ref: "file:///till".into(), count: 1, config: vec!["s".into()], ..Runs::default() };
    let runs = [("till".parse().expect("a name"), till)].into();
    Retired { holdings: Holdings::default(), labels: Labels::new(), runs }
}

/// Says again and again how providers are.
async fn say_health((voice, host_id): (Voice, String), hands: Arc<Noting>) {
    loop {
        tokio::time::sleep(HEALTH).await;
        for (provider_id, provider) in hands.done().providers {
            let checked = Checked { host_id: host_id.clone(), provider_id };
            let fact = if provider.is_well { Fact::HealthCheckPassed } else { Fact::HealthCheckFailed };
            voice.say(fact(checked)).await;
        }
    }
}

/// The same stamps each time.
pub(crate) fn stamps(id: &str, skew: Duration) -> Stamps {
    let (begun, count, id) = (Instant::now(), AtomicU64::new(0), id.to_owned());
    Stamps::new(move || {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        random[8..].copy_from_slice(&id.as_bytes()[..2]);
        Some(Stamp { time: UNIX_EPOCH + DAY + skew + begun.elapsed(), random })
    })
}

/// Runs a story on a runtime of its own, whose clock goes on when nothing else does.
pub(crate) fn simulate<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(story)
}

/// What the lattice keeps of its hosts.
pub(crate) async fn records(bus: &Bus) -> BTreeMap<String, HostRecord> {
    let bucket = bus.bucket("HOSTS_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    let entries = bucket.entries().await.expect("it is there");
    let read = |value: &[u8]| serde_json::from_slice(value).expect("a record");
    entries.iter().map(|(key, entry): (&BucketKey, _)| (key.to_string(), read(&entry.value))).collect()
}

/// `NA present NB lost`.
pub(crate) async fn known(bus: &Bus) -> String {
    let word = |(id, record): (&String, &HostRecord)| match record {
        HostRecord::Present(_) => format!("{id} present"),
        HostRecord::Lost(_) => format!("{id} lost"),
    };
    records(bus).await.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
