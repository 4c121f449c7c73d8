//! The life of a host in a story: it may be killed, and started again, with its bus or without it.

use std::time::Duration;

use bus::sim::{Disk, Network};
use lattice::{Keeps, Stamps};
use model::lattice::Labels;
use tokio::time::sleep;

use super::checks::changed;
use super::{Clock, Cut, Dice, Silence};
use crate::hosts::{BEAT, Beginning, Done, Host, Noting, at_first, stamps};

/// How long a host that was started without its bus has none.
const AWAY: Duration = Duration::from_secs(5);

/// When nothing has changed for so long, in milliseconds, a host knows it in a breeze, and has written it down.
const KNOWN_AFTER: u64 = 2_000;

/// A host that may be killed, and what is left of it then.
pub(super) struct Life {
    pub(super) id: &'static str,
    /// Nothing while it does not run.
    pub(super) host: Option<Host>,
    pub(super) silences: Vec<Silence>,
    /// What was not as it had to be.
    pub(super) problems: Vec<String>,
    fate: Fate,
    network: Network,
    clock: Clock,
    disk: Disk,
    stamps: Stamps,
}

/// What becomes of a host, and after how long.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is there all the time.
    Lives,
    /// Something happens to its providers.
    Stumbles(Duration),
    /// It is killed.
    Dies(Duration, Return),
}

/// How a host that was killed is there again, and after how long.
#[derive(Debug, Clone, Copy)]
enum Return {
    Never,
    WithItsBus(Duration),
    WithoutItsBus(Duration),
}

/// Draws what becomes of hosts: of two at most that they are killed, of one of these that this is for good.
pub(super) fn draw(lives: &mut [Life], cut: &Cut, dice: &mut Dice) {
    for life in &mut *lives {
        if dice.below(2) == 0 {
            life.fate = Fate::Stumbles(Duration::from_millis(dice.below(40_000)));
        }
    }
    let count = dice.below(3);
    let (first, apart) = (dice.below(4), 1 + dice.below(2));
    for number in 0..count {
        let life = &mut lives[((first + number * apart) % 4) as usize];
        let after = Duration::from_millis(dice.below(25_000));
        let absence = Duration::from_millis(dice.one_of(&[200, 6_000, 30_000]));
        // Who is cut off when it is started has no bus anyway.
        let may_be_away = !cut.hosts.contains(&life.id);
        let comes = match dice.below(4) {
            0 if number == 0 => Return::Never,
            1 | 2 if may_be_away => Return::WithoutItsBus(absence),
            _ => Return::WithItsBus(absence),
        };
        life.fate = Fate::Dies(after, comes);
    }
}

// === impl Life ===

impl Life {
    /// Begins, with a clock that is wrong by so much.
    pub(super) async fn begin((network, clock): (&Network, Clock), id: &'static str, skew: Duration) -> Self {
        let mut life = Self {
            id,
            host: None,
            silences: Vec::new(),
            problems: Vec::new(),
            fate: Fate::Lives,
            network: network.clone(),
            clock,
            disk: network.disk(id),
            stamps: stamps(id, skew),
        };
        life.host = Some(life.start().await);
        life
    }

    /// From now on the host loses one link that it is told to put.
    pub(super) fn forget_one(&self) {
        self.host.as_ref().expect("it has begun").hands.forget_one();
    }

    /// From now on what the host writes down is lost.
    pub(super) fn has_a_lying_disk(&self) {
        self.disk.lie();
    }

    /// How the lattice may know it in the end.
    pub(super) fn expected(&self) -> &'static [&'static str] {
        if self.host.is_some() { &["present"] } else { &["lost"] }
    }

    /// Lives as it was drawn. What a steady host hears it hears soon, whenever it runs.
    pub(super) async fn live(&mut self, is_steady: bool) {
        match self.fate {
            Fate::Lives => {}
            Fate::Stumbles(after) => {
                sleep(after).await;
                self.host.as_ref().expect("it lives").hands.stumble();
            }
            Fate::Dies(after, comes) => {
                sleep(after).await;
                let was = self.die(is_steady);
                match comes {
                    Return::Never => {}
                    Return::WithItsBus(absence) => {
                        sleep(absence).await;
                        self.host = Some(self.start().await);
                        self.is_heard();
                    }
                    Return::WithoutItsBus(absence) => {
                        sleep(absence).await;
                        self.return_without_bus(was).await;
                    }
                }
            }
        }
    }

    /// Gives what it had done, where that is what it must have written down.
    fn die(&mut self, is_steady: bool) -> Option<Done> {
        let (host, now) = (self.host.take().expect("it lives"), self.clock.now());
        self.silences.push(Silence { from: now, to: None });
        let is_known = is_steady && changed(&self.network.trace()) + KNOWN_AFTER <= now;
        self.network.note(&format!("{} is killed", self.id));
        is_known.then(|| host.hands.done())
    }

    /// It serves as it did before it sees its bus again.
    async fn return_without_bus(&mut self, was: Option<Done>) {
        self.network.disconnect(self.id);
        let host = self.start().await;
        let told = |done: &Done| {
            let settings: Labels = done.settings.get("till").cloned().unwrap_or_default();
            (done.links.clone(), settings)
        };
        let (is, was) = (host.hands.done(), was.unwrap_or_else(|| host.hands.done()));
        if told(&is) != told(&was) {
            let text = format!("{} had {:?} and has {:?} without its bus", self.id, told(&was), told(&is));
            self.problems.push(text);
        }
        self.host = Some(host);
        sleep(AWAY).await;
        self.network.reconnect(self.id);
        self.is_heard();
    }

    /// It is there, and reaches its bus unless it is cut off.
    fn is_heard(&mut self) {
        let now = self.clock.now();
        self.silences.last_mut().expect("it was killed").to = Some(now);
    }

    async fn start(&self) -> Host {
        self.network.note(&format!("{} is started", self.id));
        Host::begin(Beginning {
            bus: self.network.bus(self.id),
            id: self.id.into(),
            heartbeat: BEAT,
            keeps: Keeps::Elsewhere { copy: Some(self.disk.folder("copy")), declared: None },
            hands: Noting::new(),
            stamps: self.stamps.clone(),
            load: at_first(),
        })
        .await
    }
}
