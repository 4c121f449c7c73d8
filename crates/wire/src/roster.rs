//! Who serves an address at this moment, so that who calls can choose.
//!
//! The queue group of an address leaves the choice to the server, which goes on choosing a host that was cut off until it notices
//! itself: after minutes. So each wire that serves has a name and hears what is addressed to that name alone, and who calls keeps
//! a roll of them. The names of one host begin alike: who has no room, or was cut off, is a host with all its wires.
//!
//! ```text
//! default.price.roll                                  "who serves it?", to all; each answers with its name
//! default.price.wrpc.0.0.1.at.NAME.demo:shop/tag.price   a call of one of them
//! default.price.wrpc.0.0.1.demo:shop/tag.price           a call of any: strangers serve and call so
//! ```
//!
//! The roll is called while calls are made, and at once when one of them finds a host silent. Such a host is passed over until it
//! has answered a roll that was called later. Where nobody has answered, strangers may serve it: any is asked.
//!
//! # Invariants
//!
//! 1. A call waits for no roll: it takes who is known.
//! 2. What strangers answer costs memory within [`MEMBERS_MAX`] names.
//!
//! # Not here
//!
//! Whether a call is made again (`host`).

mod known;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bus::{Bus, Gather, Message, RequestError, Subject, SubjectError};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rt::Task;
use stdx::Chain;
use tokio::sync::mpsc;

use crate::address::{Address, Name};

use self::known::Known;
pub(crate) use self::known::{Counted, Member};

/// How old a roll may be when a call is made.
const EVERY: Duration = Duration::from_secs(2);

/// How long answers to a roll are waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Wires that one address is known to be served by, at most: a host has up to five of them.
pub(crate) const MEMBERS_MAX: usize = 1_024;

/// Addresses whose rolls wait to be called, at most. What finds no room is called with the next call there.
const WANTED_MAX: usize = 1_024;

/// Who serves an address. Cheap to clone.
#[derive(Clone)]
pub struct Roster {
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    /// What is before the words of functions in subjects that any hears.
    before: String,
    roll: Subject,
    known: ArcSwap<Known>,
    /// How many rolls were called.
    rolls: AtomicU64,
    /// When the last one was, in milliseconds since the start.
    called_at: AtomicU64,
    started: Instant,
    is_wanted: AtomicBool,
    /// One roll of an address at a time.
    calling: tokio::sync::Mutex<()>,
    dice: AtomicU64,
    /// Which of the wires of a host is asked by this one where it has the choice.
    home: u64,
    wanted: mpsc::Sender<Roster>,
}

/// The rosters of a wire, and the task that calls their rolls.
pub(crate) struct Rosters {
    kept: Mutex<HashMap<Address, Weak<Shared>>>,
    wanted: mpsc::Sender<Roster>,
    _calling: Task,
}

// === impl Rosters ===

impl Rosters {
    /// None yet. Their rolls are called on the runtime that this is called in.
    pub(crate) fn new(bus: Bus) -> Self {
        let (wanted, wants) = mpsc::channel(WANTED_MAX);
        Self { kept: Mutex::default(), wanted, _calling: Task::spawn(call_rolls(bus, wants)) }
    }

    /// That of an address, which all that call there share.
    pub(crate) fn of(&self, address: &Address) -> Result<Roster, SubjectError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = kept.get(address).and_then(Weak::upgrade) {
            return Ok(Roster { shared });
        }
        kept.retain(|_, shared| shared.strong_count() > 0);
        let roster = Roster::new(address.clone(), address.roll()?, self.wanted.clone());
        kept.insert(address.clone(), Arc::downgrade(&roster.shared));
        roster.want();
        Ok(roster)
    }
}

/// Calls the rolls that are wanted, those of several addresses at once.
async fn call_rolls(bus: Bus, mut wants: mpsc::Receiver<Roster>) {
    let mut calling = FuturesUnordered::new();
    loop {
        tokio::select! {
            wanted = wants.recv() => match wanted {
                Some(roster) => calling.push(roster.call(&bus)),
                None => return,
            },
            Some(()) = calling.next() => {}
        }
    }
}

// === impl Roster ===

impl Roster {
    fn new(address: Address, roll: Subject, wanted: mpsc::Sender<Self>) -> Self {
        let shared = Shared {
            before: format!("{}.", address.root(None)),
            address,
            roll,
            known: ArcSwap::default(),
            rolls: AtomicU64::new(0),
            called_at: AtomicU64::new(0),
            started: Instant::now(),
            is_wanted: AtomicBool::new(false),
            calling: tokio::sync::Mutex::new(()),
            dice: AtomicU64::new(0),
            home: RandomState::new().hash_one(()),
            wanted,
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many hosts are known to serve it.
    pub fn len(&self) -> usize {
        self.shared.known.load().len()
    }

    /// Whether none is known: then any is asked, who may be a stranger.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who is to be called now; nobody in particular where nobody is known to be well.
    pub(crate) fn choose(&self) -> Option<Arc<Member>> {
        let now = self.now();
        self.keep_fresh(now);
        // Numbers that differ in all of their bits, one after the other.
        let dice = self.shared.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        self.shared.known.load().choose(now, dice, self.shared.home)
    }

    /// Where one of them alone hears what goes to a subject here.
    pub(crate) fn at(&self, member: &Member, subject: &Subject) -> Result<Subject, SubjectError> {
        let words = subject.as_str().strip_prefix(self.shared.before.as_str()).unwrap_or_default();
        member.at(&self.shared.address, words)
    }

    /// Whether a call that `but` does not answer could be made elsewhere.
    pub(crate) fn has_other(&self, but: &Member) -> bool {
        self.shared.known.load().has_other(but)
    }

    /// Passes a host over that is silent, until its wires have answered a roll that is called from now on.
    pub(crate) fn doubt(&self, member: &Member) {
        let until = self.shared.rolls.load(Ordering::Acquire) + 1;
        self.shared.known.load().of_host(member).for_each(|wire| wire.doubt(until));
        self.want();
    }

    /// Passes a wire over that nobody listens to any more.
    pub(crate) fn miss(&self, member: &Member) {
        member.doubt(self.shared.rolls.load(Ordering::Acquire) + 1);
        self.want();
    }

    /// Passes a host over for a moment, because it cannot run what was asked now.
    pub(crate) fn spare(&self, member: &Member) {
        let now = self.now();
        self.shared.known.load().of_host(member).for_each(|wire| wire.spare(now));
    }

    /// Waits until a host is known to be gone, and has the roll called meanwhile.
    pub(crate) async fn lost(&self, member: &Member) {
        while rt::within(Some(EVERY), member.gone()).await.is_err() {
            self.keep_fresh(self.now());
        }
    }

    /// Has the roll called again, if the last one is too old.
    fn keep_fresh(&self, now: u64) {
        let age = now.saturating_sub(self.shared.called_at.load(Ordering::Relaxed));
        if age >= EVERY.as_millis() as u64 {
            self.want();
        }
    }

    fn want(&self) {
        if !self.shared.is_wanted.swap(true, Ordering::AcqRel) && self.shared.wanted.try_send(self.clone()).is_err() {
            self.shared.is_wanted.store(false, Ordering::Release);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Calls the roll, and knows then who has answered.
    async fn call(self, bus: &Bus) {
        let _one_at_a_time = self.shared.calling.lock().await;
        self.shared.called_at.store(self.now(), Ordering::Relaxed);
        let roll = self.shared.rolls.fetch_add(1, Ordering::AcqRel) + 1;
        // Whoever wants one from now on wants another.
        self.shared.is_wanted.store(false, Ordering::Release);
        let question = Message::new(self.shared.roll.clone(), Bytes::new());
        let answers = bus.request_many(question, Gather { count_max: MEMBERS_MAX, time_max: PATIENCE }).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(RequestError::NoResponders { .. }) => Vec::new(),
            // Nobody was asked, and nothing is known of anybody: that is not to be gone.
            Err(error) => return tracing::debug!(error = %Chain(&error), "a roll could not be called"),
        };
        let names = answers.iter().filter_map(|answer| Name::read(&answer.payload));
        let known = self.shared.known.load().after(roll, names, answers.len() < MEMBERS_MAX);
        let is_in_doubt = known.is_in_doubt();
        self.shared.known.store(Arc::new(known));
        if is_in_doubt {
            self.want();
        }
    }
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roster").field("roll", &self.shared.roll).field("known", &self.shared.known.load()).finish()
    }
}
