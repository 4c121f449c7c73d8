//! A lone host, which people have told things, and which joins the lattice and may leave it again. It does so step by step as
//! the membership of a real host does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bus::sim::{Disk, Network};
use bus::{Broker, Bus, Keep, Limits};
use lattice::{Keeps, MoveError, Stamps};
use model::Prefer;
use model::lattice::{Labels, LatticeLink};
use stdx::BoxError;
use tokio::time::sleep;

use super::Dice;
use super::checks::{self, Kept};
use super::people::{is_done, json_of, link, settings};
use crate::hosts::{BEAT, Beginning, Host, Noting, at_first, stamps};

pub(super) const ID: &str = "NE";

/// How long one step of joining may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// So often it tries to join in bad weather.
const TRIES: usize = 2;

/// So many things it is told at most while it joins.
const OWN_MAX: usize = 12;

/// A host that is alone at first.
pub(super) struct Lone {
    network: Network,
    /// Its own bus.
    home: Bus,
    disk: Disk,
    stamps: Stamps,
    dice: Dice,
    host: Option<Host>,
    place: Place,
    prefer: Prefer,
    /// Whether it leaves behind what it was told in the last moment.
    is_hasty: bool,
    /// What it has acknowledged before it joined, by name.
    own: BTreeMap<String, Labels>,
    problems: Vec<String>,
}

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    Joined,
    Left,
}

// === impl Lone ===

impl Lone {
    /// Begins alone, and is told things of which the lattice knows some otherwise.
    pub(super) async fn begin((network, people): (&Network, &Bus), mut dice: Dice, is_hasty: bool) -> Self {
        let home = Bus::in_process(Broker::new(Limits::default()));
        let stamps = stamps(ID, Duration::from_secs(dice.below(7_200)));
        let keeps = Keeps::Here { is_new: true };
        let (bus, id, hands, load) = (home.clone(), ID.into(), Noting::new(), at_first());
        let beginning = Beginning { bus, id, heartbeat: BEAT, keeps, hands, stamps: stamps.clone(), load };
        let host = Host::begin(beginning).await;
        let prefer = dice.one_of(&[Prefer::Host, Prefer::Lattice]);
        let links = [link(["till", "own", "price-1"], &["shelf"]), link(["till", "default", "price-9"], &["tag"])];
        for link in links {
            assert!(is_told(&home, ("link.put", json_of(&link))).await, "it is alone with its disk");
        }
        for name in ["both", "s"] {
            assert!(is_told(&home, (&format!("config.put.{name}"), json_of(&settings("host")))).await);
        }
        let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await;
        let (bucket, key) = (bucket.expect("a bucket"), "both".parse().expect("a key"));
        bucket.put(&key, json_of(&settings("lattice")).into()).await.expect("it is put");
        let (network, disk) = (network.clone(), network.disk(ID));
        let (own, problems) = (BTreeMap::new(), Vec::new());
        let place = Place::Alone;
        Self { network, home, disk, stamps, dice, host: Some(host), place, prefer, is_hasty, own, problems }
    }

    pub(super) fn is_in(&self) -> bool {
        self.place == Place::Joined
    }

    pub(super) fn has_left(&self) -> bool {
        self.place == Place::Left
    }

    pub(super) fn host(&self) -> &Host {
        self.host.as_ref().expect("it is always somewhere")
    }

    /// How the lattice may know it in the end, also where it could not say that it leaves.
    pub(super) fn expected(&self, could_say_so: bool) -> &'static [&'static str] {
        match self.place {
            Place::Joined => &["present"],
            Place::Left if could_say_so => &["absent"],
            Place::Left | Place::Alone => &["absent", "lost"],
        }
    }

    /// Joins, while it is told more; and may leave after a while.
    pub(super) async fn live(&mut self) {
        let is_over = Cell::new(false);
        let (home, mut told) = (self.home.clone(), self.dice.fork());
        let joining = async {
            sleep(Duration::from_millis(self.dice.below(8_000))).await;
            self.is_refused().await;
            for _ in 0..TRIES {
                if self.join(Some(self.prefer)).await.is_ok() {
                    break;
                }
                sleep(Duration::from_secs(2)).await;
            }
            is_over.set(true);
        };
        let ((), own) = tokio::join!(joining, tell(&home, &mut told, &is_over));
        self.own.extend(own);
        if self.is_in() && self.dice.below(2) == 0 {
            sleep(Duration::from_secs(5 + self.dice.below(25))).await;
            self.leave().await;
        }
    }

    /// Joins where it has not yet. The weather is calm.
    pub(super) async fn settle(&mut self) {
        if self.place == Place::Alone
            && let Err(error) = self.join(Some(self.prefer)).await
        {
            self.problems.push(format!("{ID} does not join: {error}"));
        }
    }

    /// What it acknowledged before it joined is in the lattice; where that was something else, whose word counted was said.
    pub(super) async fn check(&self, kept: &Kept) -> Vec<String> {
        let mut problems = self.problems.clone();
        let word = if self.prefer == Prefer::Host { "host" } else { "lattice" };
        for (name, should) in self.own.iter().chain([(&"both".to_owned(), &settings(word))]) {
            let is = kept.settings.get(name);
            if is != Some(should) {
                problems.push(format!("{ID} has acknowledged {name} {should:?}, and the lattice has {is:?}"));
            }
        }
        let own = |link: &LatticeLink| link.name == "own";
        if !kept.links.get("till").is_some_and(|links| links.iter().any(own)) {
            problems.push(format!("{ID} has acknowledged a link, and the lattice does not have it"));
        }
        if self.has_left() {
            problems.extend(checks::known(self.host(), &Kept::read(&self.home).await));
        }
        problems
    }

    /// Where nobody says whose word counts nothing is written.
    async fn is_refused(&mut self) {
        let Err(error) = self.join(None).await else {
            return self.problems.push(format!("{ID} joined, and contradicts the lattice"));
        };
        let is_contradiction = matches!(error.downcast_ref::<MoveError>(), Some(MoveError::Contradictions(_)));
        if is_contradiction && self.network.trace().contains(&format!(" {ID} changes ")) {
            self.problems.push(format!("{ID} was refused, and has changed the lattice"));
        }
    }

    /// Compares, copies, and goes there; or stays where it is, with all that it has.
    async fn join(&mut self, prefer: Option<Prefer>) -> Result<(), BoxError> {
        let (there, copy) = (self.network.bus(ID), self.disk.folder("copy"));
        let at = (&there, "default");
        let compared = self.host().role.holdings();
        soon(lattice::take_along(at, &compared, prefer)).await?;
        soon(lattice::copy(at, &copy)).await?;
        let Host { role, hands, .. } = self.host.take().expect("it is always somewhere");
        let load = role.retire().await;
        let moved = match load.holdings == compared || self.is_hasty {
            true => Ok(()),
            false => soon(lattice::take_along(at, &load.holdings, prefer)).await,
        };
        let (bus, keeps) = match moved.is_ok() {
            true => (there.clone(), Keeps::Elsewhere { copy: Some(copy), declared: None }),
            false => (self.home.clone(), Keeps::Here { is_new: false }),
        };
        let (id, stamps) = (ID.into(), self.stamps.clone());
        self.host = Some(Host::begin(Beginning { bus, id, heartbeat: BEAT, keeps, hands, stamps, load }).await);
        if moved.is_ok() {
            self.place = Place::Joined;
        }
        moved
    }

    /// Is alone again, with what concerns what it runs.
    async fn leave(&mut self) {
        let Host { role, hands, .. } = self.host.take().expect("it is always somewhere");
        let load = role.retire().await;
        let runs = load.runs.iter().map(|(id, runs)| (id.to_string(), runs.config.clone())).collect();
        let own = load.holdings.clone().concerning(&runs);
        lattice::keep_only((&self.home, "default"), &own).await.expect("its own bus is there");
        let (bus, id, stamps) = (self.home.clone(), ID.into(), self.stamps.clone());
        let keeps = Keeps::Here { is_new: false };
        self.host = Some(Host::begin(Beginning { bus, id, heartbeat: BEAT, keeps, hands, stamps, load }).await);
        self.place = Place::Left;
    }
}

/// One step of joining. It may end at any moment and be done again.
async fn soon(step: impl Future<Output = Result<(), MoveError>>) -> Result<(), BoxError> {
    Ok(tokio::time::timeout(PATIENCE, step).await??)
}

/// Tells the host on its own bus one thing after the other. Gives what was acknowledged.
async fn tell(home: &Bus, dice: &mut Dice, is_over: &Cell<bool>) -> Vec<(String, Labels)> {
    let mut acknowledged = Vec::new();
    for number in 0..OWN_MAX {
        sleep(Duration::from_millis(300 + dice.below(1_200))).await;
        if is_over.get() {
            break;
        }
        let (name, settings) = (format!("own{number}"), settings(number));
        if is_told(home, (&format!("config.put.{name}"), json_of(&settings))).await {
            acknowledged.push((name, settings));
        }
    }
    acknowledged
}

/// Whether it was answered that it is done.
async fn is_told(home: &Bus, (what, payload): (&str, String)) -> bool {
    let subject = format!("wasmbus.ctl.v1.default.{what}").parse().expect("a subject");
    let answer = home.request(subject, payload.into(), Duration::from_secs(2)).await;
    answer.is_ok_and(|answer| is_done(&answer))
}
