//! A story under a seed: four hosts and people who tell them things, in bad weather. Some hosts are cut off for a while, some are
//! killed and started again, with their bus or without it, and a lone host may join and leave. At the end, when the weather is calm
//! again, has to be true what a lattice promises.

mod checks;
mod life;
mod lone;
mod observer;
mod people;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bus::Bus;
use bus::sim::{Network, Weather};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::hosts::Host;
use checks::{Kept, Losses};
use life::Life;
use lone::Lone;
use observer::Observer;

pub(crate) const HOSTS: [&str; 4] = ["NA", "NB", "NC", "ND"];

/// So long after the weather is calm again everything has settled: what waits for an answer has given up, and a lease is over.
const SETTLED: Duration = Duration::from_secs(75);

/// What a story is made to get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Who folds facts loses those that repeat what there is: it believes that it has heard everything.
    LostBeats,
    /// A host loses one thing that it was told to do.
    LostLink,
    /// Disks acknowledge what they are given, and keep nothing of it: copies miss what was learned last.
    LyingDisks,
    /// A host that joins does not take along what it acknowledged since it was compared with the lattice.
    HastyJoin,
    /// Somebody who asks is not answered.
    LostAnswer,
}

/// How a story ended.
pub(crate) struct Ending {
    pub(crate) trace: String,
    /// What is not as it has to be.
    pub(crate) problems: Vec<String>,
    /// How many hosts were lost.
    pub(crate) losses: usize,
}

/// Numbers from a seed (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

/// Who is cut off, and for how long.
struct Cut {
    hosts: Vec<&'static str>,
    lasts: Duration,
    /// Whether they know it.
    is_known: bool,
}

/// A time in which a host renews nothing, in milliseconds since the story began.
#[derive(Debug, Clone, Copy)]
struct Silence {
    from: u64,
    /// Nothing where it does not end.
    to: Option<u64>,
}

/// Measures a story.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

/// Who plays, and on what.
struct Stage {
    clock: Clock,
    network: Network,
    people: Bus,
    observer: Observer,
    lives: Vec<Life>,
    lone: Option<Lone>,
    cut: Cut,
    is_stormy: bool,
}

/// The story of a seed.
pub(crate) async fn story(seed: u64, fault: Fault) -> Ending {
    let mut dice = Dice(seed);
    let mut stage = Stage::set(seed, &mut dice, fault).await;
    let weather = if stage.is_stormy { Weather::STORM } else { Weather::BREEZE };
    stage.network.set_weather(weather);
    let (answers, cut) = stage.play(&mut dice, fault).await;
    stage.network.heal();
    stage.network.set_weather(Weather::CALM);
    if let Some(lone) = &mut stage.lone {
        lone.settle().await;
    }
    stage.observer.listen_for(SETTLED).await;

    let mut problems = checks::answers(&answers, weather, |what| stage.surely_answers(what));
    problems.extend(stage.check(&answers).await);
    let trace = stage.network.trace();
    problems.extend(stage.losses(&trace, cut).check());
    Ending { losses: checks::losses(&trace).len(), trace, problems }
}

// === impl Stage ===

impl Stage {
    /// All hosts have begun, and it is drawn what becomes of them.
    async fn set(seed: u64, dice: &mut Dice, fault: Fault) -> Self {
        let (clock, network) = (Clock(Instant::now()), Network::new(seed));
        let people = network.bus("people");
        let mut observer = Observer::listen(&network.bus("observer"), clock).await;
        let mut lives = Vec::new();
        for id in HOSTS {
            lives.push(Life::begin((&network, clock), id, Duration::from_secs(dice.below(7_200))).await);
        }
        let lone = match dice.below(3) {
            0 => Some(Lone::begin((&network, &people), dice.fork(), fault == Fault::HastyJoin).await),
            _ => None,
        };
        observer.listen_for(Duration::from_secs(12)).await;
        match fault {
            Fault::None | Fault::HastyJoin | Fault::LostAnswer => {}
            Fault::LostBeats => observer.loses_beats(),
            Fault::LostLink => lives[dice.below(4) as usize].forget_one(),
            Fault::LyingDisks => lives.iter().for_each(Life::has_a_lying_disk),
        }
        let is_stormy = dice.below(3) > 0;
        let mut cut = Cut::of(dice);
        if lone.is_some() && dice.below(4) == 0 {
            cut.hosts.push(lone::ID);
        }
        life::draw(&mut lives, &cut, dice);
        Self { clock, network, people, observer, lives, lone, cut, is_stormy }
    }

    /// Everything happens at once. Gives what people were answered, and when hosts were cut off.
    async fn play(&mut self, dice: &mut Dice, fault: Fault) -> (Vec<people::Answered>, Silence) {
        let Self { clock, network, people, observer, lives, lone, cut, is_stormy } = self;
        let (network, people, cut) = (&*network, &*people, &*cut);
        let (mut told, is_over) = (dice.fork(), Cell::new(false));
        let deeds = async {
            let lived = join_all(lives.iter_mut().map(|life| {
                let is_steady = !*is_stormy && !cut.hosts.contains(&life.id);
                life.live(is_steady)
            }));
            let joined = async {
                if let Some(lone) = lone {
                    lone.live().await;
                }
            };
            let cutting = cut.take((network, *clock), dice);
            let (answers, silence, _, ()) =
                tokio::join!(people::tell(people, &mut told, fault), cutting, lived, joined);
            is_over.set(true);
            (answers, silence)
        };
        let (ended, ()) = tokio::join!(deeds, observer.listen_until(|| is_over.get()));
        ended
    }

    /// The hosts that are in the lattice.
    fn hosts(&self) -> impl Iterator<Item = &Host> {
        let lone = self.lone.as_ref().filter(|lone| lone.is_in()).map(Lone::host);
        self.lives.iter().filter_map(|life| life.host.as_ref()).chain(lone)
    }

    /// Whether a question reaches who answers it, and the answer who asked: nothing is lost in this weather, and whoever may be asked is
    /// there all the time.
    fn surely_answers(&self, what: &str) -> bool {
        let is_steady = |life: &&Life| life.silences.is_empty() && !self.cut.hosts.contains(&life.id);
        let mut steady = self.lives.iter().filter(is_steady);
        let asked = HOSTS.into_iter().find(|host| what.ends_with(&format!(".{host}")));
        !self.is_stormy
            && match asked {
                Some(host) => steady.any(|life| life.id == host),
                // Any of those that there are.
                None => self.lone.is_none() && steady.count() == self.lives.len(),
            }
    }

    /// What hosts know and run, what was acknowledged, and who is there.
    async fn check(&self, answers: &[people::Answered]) -> Vec<String> {
        let mut problems: Vec<_> = self.lives.iter().flat_map(|life| life.problems.iter().cloned()).collect();
        let kept = Kept::read(&self.people).await;
        problems.extend(answers.iter().filter_map(|answered| checks::promise(answered, &kept)));
        for host in self.hosts() {
            problems.extend(checks::known(host, &kept));
            problems.extend(checks::view(&self.people, host, &self.observer).await);
            if !self.is_stormy {
                problems.extend(checks::returned(host, &self.observer));
            }
        }
        if let Some(lone) = &self.lone {
            problems.extend(lone.check(&kept).await);
        }
        let mut there: BTreeMap<&str, &[&str]> = self.lives.iter().map(|life| (life.id, life.expected())).collect();
        if let Some(lone) = &self.lone {
            let could_say_so = !self.is_stormy && !self.cut.hosts.contains(&lone::ID);
            there.insert(lone::ID, lone.expected(could_say_so));
        }
        problems.extend(checks::there(&self.people, &there).await);
        problems
    }

    fn losses<'a>(&'a self, trace: &'a str, cut: Silence) -> Losses<'a> {
        let mut silences: BTreeMap<&str, Vec<Silence>> = BTreeMap::new();
        for life in &self.lives {
            silences.entry(life.id).or_default().extend(&life.silences);
        }
        for host in &self.cut.hosts {
            silences.entry(*host).or_default().push(cut);
        }
        // It may have left, or been cut off, before it could say so.
        let leaves = self.lone.as_ref().is_some_and(Lone::has_left) && self.cut.hosts.contains(&lone::ID);
        let has_deaths = self.lives.iter().any(|life| !life.silences.is_empty());
        Losses {
            trace,
            silences,
            leaver: leaves.then_some(lone::ID),
            said: self.observer.lost(),
            is_stormy: self.is_stormy,
            // Who saw that a host is lost may be killed, or leave, before it says so.
            is_exact: !has_deaths && self.lone.is_none(),
        }
    }
}

// === impl Clock ===

impl Clock {
    /// Milliseconds since the story began.
    fn now(self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}

// === impl Dice ===

impl Dice {
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn fork(&mut self) -> Self {
        Self(self.draw())
    }
}

// === impl Cut ===

impl Cut {
    fn of(dice: &mut Dice) -> Self {
        let count = dice.below(3) as usize;
        let first = dice.below(HOSTS.len() as u64) as usize;
        Self {
            hosts: HOSTS.into_iter().cycle().skip(first).take(count).collect(),
            lasts: Duration::from_secs(dice.one_of(&[7, 50])),
            is_known: dice.below(2) == 0,
        }
    }

    async fn take(&self, (network, clock): (&Network, Clock), dice: &mut Dice) -> Silence {
        sleep(Duration::from_millis(dice.below(8_000))).await;
        let from = clock.now();
        match self.is_known {
            true => self.hosts.iter().for_each(|host| network.disconnect(host)),
            false => network.part(&self.hosts),
        }
        sleep(self.lasts).await;
        match self.is_known {
            true => self.hosts.iter().for_each(|host| network.reconnect(host)),
            false => network.part(&[]),
        }
        Silence { from, to: Some(clock.now()) }
    }
}
