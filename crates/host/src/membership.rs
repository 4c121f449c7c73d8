//! This is a host's membership: which lattice it is in, and how it joins one and leaves it while everything runs.
//!
//! ```text
//! alone ── join: connect, compare ─▶ retire here ─▶ take along ─▶ remember ─▶ face there ─▶ begin there ── in
//!   ▲                                                                                                      │
//!   └───────────── begin here ◀─ face here ◀─ forget ◀─ keep what is its own ◀─ retire there ── leave ─────┘
//! ```
//!
//! # Invariants
//!
//! 1. What fails leaves the host where it was, with all that it kept.
//! 2. A host that is killed at any moment is in or out after its restart, as the file that remembers it says, and everything that
//!    was acknowledged is where it is then.
//! 3. Requests go on: what they run in is linked anew beside them (`World::face`).
//! 4. One change at a time; the same one twice does nothing the second time.

mod door;
mod errors;
mod links;
mod login;
mod place;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, Folder};
use lattice::{Holdings, Identity, Keeps, Retired, Role, RoleConfig, RoleSetup, Runs, Stamps, Stop};
use model::lattice::{Capacity, Labels};
use model::{ComponentName, DeclaredApplication, Entrance, JoinLattice, MembershipView, Standing};
use rt::Task;
use stdx::Chain;

use crate::applications::{Applications, Books};
use crate::hands::{LatticeConfig, WorldHands, running};
use crate::providers::{Providers, ProvidersSetup};
use crate::running::HostError;
use crate::world::World;
use errors::JoinError;

pub(crate) use links::Links;
pub use login::connect_options;
pub(crate) use place::{Place, beginning};

/// Which lattice a host is in, for as long as it runs.
pub(crate) struct Membership {
    shared: Arc<Shared>,
    _answering: Task,
}

/// What a membership begins with.
pub(crate) struct MembershipSetup {
    pub(crate) world: Arc<World>,
    pub(crate) identity: Identity,
    pub(crate) capacity: Capacity,
    pub(crate) config: LatticeConfig,
    pub(crate) application: Option<DeclaredApplication>,
    /// Where the host is alone.
    pub(crate) home: Place,
    /// Where it is in another lattice from the start.
    pub(crate) elsewhere: Option<Place>,
}

struct Shared {
    world: Arc<World>,
    identity: Identity,
    capacity: Capacity,
    config: LatticeConfig,
    application: Option<DeclaredApplication>,
    home: Place,
    stop: Stop,
    /// Nothing only while it changes, and after the end. Held by who changes it.
    member: tokio::sync::Mutex<Option<Member>>,
    /// Where the host is, for who asks.
    place: Mutex<Place>,
    friendly_name: String,
}

/// A host in a lattice.
struct Member {
    role: Role,
    applications: Applications,
    providers: Arc<Providers>,
    // Says what becomes of them.
    saying: Task,
}

/// What a host carries and runs, wherever it is.
#[derive(Clone)]
struct Load {
    labels: Labels,
    runs: BTreeMap<ComponentName, Runs>,
    /// What that was told where the host was last.
    had: Holdings,
}

// === impl Membership ===

impl Membership {
    /// Begins where the host is from the start. Called within the control plane's runtime.
    pub(crate) async fn start(setup: MembershipSetup) -> Result<Self, HostError> {
        let MembershipSetup { world, identity, capacity, config, application, home, elsewhere } = setup;
        let place = elsewhere.unwrap_or_else(|| home.clone());
        let load = Load { labels: config.role.labels.clone(), runs: running(&world).await, had: Holdings::default() };
        let mut shared = Shared {
            world,
            identity,
            capacity,
            config,
            application,
            home,
            stop: Stop::default(),
            member: tokio::sync::Mutex::default(),
            place: Mutex::new(place.clone()),
            friendly_name: String::new(),
        };
        let member = shared.begin(&place, load).await?;
        shared.friendly_name = member.role.friendly_name().to_owned();
        shared.member = tokio::sync::Mutex::new(Some(member));
        let shared = Arc::new(shared);
        let answering = door::answer(shared.clone()).await.map_err(HostError::Bus)?;
        Ok(Self { shared, _answering: answering })
    }

    /// What changes the host's links, wherever it is.
    pub(crate) fn links(&self) -> Links {
        Links(self.shared.clone())
    }

    /// The host's key, what people call it, and where it is.
    pub(crate) fn view(&self) -> MembershipView {
        self.shared.view()
    }

    /// Waits until somebody tells the host to stop. Gives how long that may take, where it was said.
    pub(crate) async fn stop_asked(&self) -> Option<Duration> {
        self.shared.stop.asked().await
    }

    /// Answers nothing more, and says that the host stops. Gives the providers, which end when nobody calls them any more.
    pub(crate) async fn end(self) -> Option<Arc<Providers>> {
        drop(self._answering);
        let Member { role, applications, providers, .. } = self.shared.member.lock().await.take()?;
        applications.end().await;
        role.end().await;
        Some(providers)
    }
}

// === impl Shared ===

impl Shared {
    /// Takes the host into a lattice.
    async fn join(&self, JoinLattice { entrance, prefer }: JoinLattice) -> Result<MembershipView, JoinError> {
        let mut member = self.member.lock().await;
        if let Some(there) = errors::may_join(&self.view(), &entrance, self.joined().as_ref())? {
            return Ok(there);
        }
        let here = member.as_ref().ok_or(JoinError::Ending)?;
        errors::may_move(&here.role.providers())?;
        let options = connect_options(&entrance.login)?;
        let bus = Bus::connect(&entrance.nats, options.clone()).await?;
        let (address, whom) = ((entrance.nats.as_str(), entrance.lattice.as_str()), (bus, &options));
        let there = self.home.elsewhere(address, whom, (Standing::Joined, self.config.allows_files)).await?;
        let at = (&there.bus, there.lattice.as_str());
        let compared = here.role.holdings();
        lattice::take_along(at, &compared, prefer).await?;
        lattice::copy(at, &self.copy()).await?;
        let (kept, load) = self.retire(&mut member).await;
        // What came in between was acknowledged here, and is taken along as well.
        let moved = async {
            if kept != compared {
                lattice::take_along(at, &kept, prefer).await?;
            }
            lattice::remember(self.identity.kept(), &entrance)?;
            self.world.face(there.beyond()).await?;
            Ok::<_, JoinError>(self.begin(&there, load.clone()).await?)
        };
        match moved.await {
            Ok(begun) => {
                // Who asks next finds it there, with its application.
                begun.applications.known().await;
                if let Err(error) = there.bus.flush().await {
                    tracing::warn!(error = %Chain(&error), "the bus was lost a moment after it was joined");
                }
                Ok(self.settle(&mut member, begun, there))
            }
            Err(error) => {
                // In this order: who is killed in between is alone, and has everything.
                if let Err(error) = lattice::forget(self.identity.kept()) {
                    tracing::error!(error = %Chain(&error), "this host is not in the lattice that it remembers");
                }
                self.stay(&mut member, load).await;
                Err(error)
            }
        }
    }

    /// Takes the host out of its lattice: it is alone then.
    async fn leave(&self) -> Result<MembershipView, JoinError> {
        let mut member = self.member.lock().await;
        if let Some(alone) = errors::may_leave(&self.view())? {
            return Ok(alone);
        }
        let here = member.as_ref().ok_or(JoinError::Ending)?;
        errors::may_move(&here.role.providers())?;
        let joined = self.joined();
        let (kept, load) = self.retire(&mut member).await;
        // What ran elsewhere may come back: what imports it goes on, and its calls fail until then.
        let home = Place { is_new: false, may_come: true, ..self.home.clone() };
        let moved = async {
            let own = kept.concerning(&settings_of(&load));
            lattice::keep_only((&home.bus, &home.lattice), &own).await?;
            lattice::forget(self.identity.kept())?;
            self.world.face(home.beyond()).await?;
            Ok::<_, JoinError>(self.begin(&home, load.clone()).await?)
        };
        match moved.await {
            Ok(begun) => Ok(self.settle(&mut member, begun, home)),
            Err(error) => {
                if let Some(entrance) = &joined
                    && let Err(error) = lattice::remember(self.identity.kept(), entrance)
                {
                    tracing::error!(error = %Chain(&error), "this host does not remember the lattice that it is in");
                }
                self.stay(&mut member, load).await;
                Err(error)
            }
        }
    }

    /// Ends what the host is where it is, once it has answered what it was asked. Gives what it knew of what is kept there, and
    /// what it carries and runs.
    async fn retire(&self, member: &mut Option<Member>) -> (Holdings, Load) {
        let Member { role, applications, providers, saying } = member.take().expect("it was there a moment ago");
        applications.end().await;
        let Retired { holdings, labels, runs } = role.retire().await;
        // One that was started a moment ago is started again by whoever wants it there.
        providers.end().await;
        drop(saying);
        let had = holdings.clone();
        (holdings, Load { labels, runs, had })
    }

    /// The host is there now.
    fn settle(&self, member: &mut Option<Member>, begun: Member, place: Place) -> MembershipView {
        *member = Some(begun);
        *self.place() = place;
        let view = self.view();
        tracing::info!(lattice = view.lattice, bus = view.bus, "the host is in another lattice");
        view
    }

    /// Begins again where the host was.
    async fn stay(&self, member: &mut Option<Member>, load: Load) {
        let place = Place { is_new: false, ..self.place().clone() };
        if let Err(error) = self.world.face(place.beyond()).await {
            tracing::error!(error = %Chain(&error), "what was linked before cannot be linked again");
        }
        match self.begin(&place, load).await {
            Ok(begun) => *member = Some(begun),
            Err(error) => tracing::error!(error = %Chain(&error), "this host answers nobody: restart it"),
        }
    }

    /// Answers in a lattice, as the host with this key that carries and runs this.
    async fn begin(&self, place: &Place, load: Load) -> Result<Member, HostError> {
        let keeps = self.keeps(place);
        let role = RoleConfig { name: place.lattice.clone(), labels: load.labels, ..self.config.role.clone() };
        let (providers, heard) = Providers::new(ProvidersSetup {
            bus: place.bus.clone(),
            host: self.identity.id(),
            lattice: place.lattice.clone(),
            at: place.providers_at.clone(),
            folder: self.identity.kept().join("providers"),
            variables: self.config.provider_variables.clone(),
        })
        .map_err(HostError::NoKey)?;
        let providers = Arc::new(providers);
        let hands = WorldHands {
            world: self.world.clone(),
            providers: providers.clone(),
            allows_files: place.allows_files,
            allows_latest: self.config.allows_latest,
            registries: self.config.registries.clone(),
        };
        let role = Role::start(RoleSetup {
            config: role,
            id: self.identity.id(),
            capacity: self.capacity,
            bus: place.bus.clone(),
            address: place.address.clone(),
            domain: place.domain.clone(),
            keeps,
            running: load.runs,
            had: load.had,
            hands: Arc::new(hands),
            stamps: Stamps::of_this_machine(),
            stop: self.stop.clone(),
        });
        let role = role.await.map_err(HostError::Bus)?;
        let books = Books {
            bus: place.bus.clone(),
            lattice: place.lattice.clone(),
            host: role.id().to_owned(),
            host_name: role.friendly_name().to_owned(),
            may_be_kept: place.standing != Standing::Alone || !place.is_new,
        };
        let applications = Applications::start(books, self.application.clone()).await.map_err(HostError::Bus)?;
        let saying = heard.say_by(role.voice().clone(), self.identity.id());
        Ok(Member { role, applications, providers, saying })
    }

    /// Where what the lattice there keeps is.
    fn keeps(&self, place: &Place) -> Keeps {
        match place.standing {
            Standing::Alone => Keeps::Here { is_new: place.is_new },
            Standing::Joined | Standing::Started => {
                Keeps::Elsewhere { copy: Some(self.copy()), declared: place.declared }
            }
        }
    }

    /// Where the copy is of what is kept elsewhere.
    fn copy(&self) -> Folder {
        copy_in(self.identity.kept())
    }

    /// What the host joined, where it did.
    fn joined(&self) -> Option<Entrance> {
        let remembered = lattice::remembered(self.identity.kept());
        remembered.inspect_err(|error| tracing::error!(error = %Chain(error), "what was joined is not known")).ok()?
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MembershipView {
        let place = self.place();
        MembershipView {
            host: self.identity.id(),
            host_name: self.friendly_name.clone(),
            lattice: place.lattice.clone(),
            bus: place.address.clone(),
            standing: place.standing,
            acknowledged: Some(self.keeps(&place).acknowledged(None)),
            leads_away: Vec::new(),
        }
    }
}

/// Where in this folder the copy is of what is kept elsewhere.
fn copy_in(kept: &Path) -> Folder {
    kept.join("copy").into()
}

/// The names of the settings of what runs.
fn settings_of(load: &Load) -> BTreeMap<String, Vec<String>> {
    load.runs.iter().map(|(id, runs)| (id.to_string(), runs.config.clone())).collect()
}
