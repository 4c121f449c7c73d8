//! Brings what comes to the invocation that it is for.
//!
//! A wire listens once, to all that is below its inbox. So an invocation costs no subscription and leaves none behind, and what
//! comes too late finds nobody. What comes is put where it belongs on the thread of whoever brings it: there is no task but one that
//! says to those who ask whether anybody reads.
//!
//! # Invariants
//!
//! 1. Whoever no longer waits is forgotten: see the drops of [`Mailbox`] and [`Post`].
//! 2. Knowing the address of one invocation does not tell that of another: see [`Inbox::key`].
//! 3. A lock is held to look a number up or to put a piece away, never while somebody waits.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bus::{Bus, Listening, Message, Pattern, Subject, SubscribeError};
use bytes::{Bytes, BytesMut};
use rt::Task;
use smallvec::{SmallVec, smallvec};
use stdx::Chain;
use tokio::sync::mpsc;

use crate::allowance::{ASKED, Allowed, HERE, TAKEN, UNWANTED};
use crate::brief;
use crate::inbound::{Fault, Inbound, Path, Woken};
use crate::limits::Limits;

/// Invocations on different cores rarely meet in one of so many.
const SHARDS: usize = 16;

/// What comes to who calls, and to who was called.
pub(crate) const RESULTS: &str = ".results";
pub(crate) const PARAMS: &str = ".params";

/// Answers that wait to be said, at most. Who gets none asks again.
const ANSWERS_MAX: usize = 256;

/// Rarely more than one has something to do.
type Wakers = SmallVec<[Waker; 2]>;

/// Values rarely come in more than one piece.
type Parts = SmallVec<[Bytes; 1]>;

/// What invocations wait at, as long as somebody listens there.
pub(crate) struct Inbox {
    root: String,
    secret: RandomState,
    numbers: AtomicU64,
    shards: [Mutex<HashMap<u64, Weak<Post>>>; SHARDS],
    /// How many more bytes may wait, over all invocations.
    room: AtomicUsize,
    room_each: usize,
}

/// What an inbox hears with. Dropping it ends that.
pub(crate) struct Hearing {
    _listening: Listening,
    _answering: Task,
}

/// What comes for one invocation. When it is dropped nothing more is kept of what comes.
pub(crate) struct Mailbox {
    /// Where answers are to be sent.
    pub(crate) subject: Subject,
    post: Arc<Post>,
}

/// An invocation that something comes for, until nobody has it.
pub(crate) struct Post {
    inbox: Arc<Inbox>,
    number: u64,
    side: &'static str,
    state: Mutex<State>,
}

struct State {
    inbound: Inbound,
    /// How much may be said in the other direction.
    allowed: Allowed,
    /// What of the shared room this invocation has.
    held: usize,
    /// Of who reads each channel: most have values alone.
    wakers: SmallVec<[Option<Waker>; 1]>,
}

// === impl Inbox ===

impl Inbox {
    /// An inbox of its own on this bus. Who asks is answered on the runtime that this is called in.
    pub(crate) async fn open(bus: &Bus, limits: &Limits) -> Result<(Arc<Self>, Hearing), SubscribeError> {
        let inbox = Arc::new(Self::new(limits));
        let pattern: Pattern = format!("{}.>", inbox.root).parse().expect("letters and digits make a pattern");
        let (answers, said) = mpsc::channel(ANSWERS_MAX);
        let ear = inbox.clone();
        let hear = move |message: Message| -> Result<(), Message> {
            if let Some(answer) = ear.hear(message)?
                && answers.try_send(answer).is_err()
            {
                tracing::debug!("too many ask whether anybody reads");
            }
            Ok(())
        };
        let listening = bus.listen(pattern, hear).await?;
        let answering = Task::spawn(say_all(bus.clone(), said));
        Ok((inbox, Hearing { _listening: listening, _answering: answering }))
    }

    fn new(limits: &Limits) -> Self {
        Self {
            root: format!("_INBOX.{}", nuid::next()),
            secret: RandomState::new(),
            numbers: AtomicU64::new(0),
            shards: Default::default(),
            room: AtomicUsize::new(limits.waiting_max.as_usize()),
            room_each: limits.size_max.as_usize(),
        }
    }

    /// Waits for what comes of an invocation on one side, with something beside its values on `paths`.
    pub(crate) fn expect(self: &Arc<Self>, side: &'static str, paths: &[Path]) -> Mailbox {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let inbound = Inbound::new(paths, self.room_each);
        let wakers = smallvec![None; inbound.channels()];
        let state = Mutex::new(State { inbound, allowed: Allowed::default(), held: 0, wakers });
        let post = Arc::new(Post { inbox: self.clone(), number, side, state });
        self.shard(number).insert(number, Arc::downgrade(&post));
        Mailbox { subject: self.subject(number), post }
    }

    /// A subject at which nobody waits: for who has heard all there is to hear.
    pub(crate) fn nowhere(&self) -> Subject {
        self.subject(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn subject(&self, number: u64) -> Subject {
        let mut text = String::with_capacity(self.root.len() + 24);
        text.push_str(&self.root);
        write!(text, ".{number}-{:x}", self.key(number)).expect("writing to a String never fails");
        text.parse().expect("letters, digits and a dash make a subject")
    }

    /// What nobody can guess for a number, so that who was called once cannot answer for others.
    fn key(&self, number: u64) -> u64 {
        self.secret.hash_one(number)
    }

    /// Puts a message away, or gives it back where nobody waits for it. Gives what is to be said to who asked something.
    fn hear(&self, message: Message) -> Result<Option<Message>, Message> {
        let subject = message.subject.clone();
        let Some((number, what)) = self.read(subject.as_str()) else { return Err(message) };
        let post = self.shard(number).get(&number).and_then(Weak::upgrade);
        let Some(post) = post else { return Err(message) };
        if what == ASKED {
            return Ok(message.answer(Bytes::from_static(post.reader())));
        }
        post.put(what, message);
        Ok(None)
    }

    /// The number of the invocation that a subject is for, and what of it.
    fn read<'a>(&self, subject: &'a str) -> Option<(u64, &'a str)> {
        let rest = subject.strip_prefix(self.root.as_str())?.strip_prefix('.')?;
        let (word, what) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
        let (number, key) = word.split_once('-')?;
        let number = number.parse().ok()?;
        (u64::from_str_radix(key, 16) == Ok(self.key(number))).then_some((number, what))
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, Weak<Post>>> {
        self.shards[number as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes of the room that all share, if there is so much.
    fn claim(&self, weight: usize) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(weight)).is_ok()
    }

    fn give_back(&self, weight: usize) {
        self.room.fetch_add(weight, Ordering::Relaxed);
    }

    /// How many invocations wait for something.
    pub(crate) fn waiting(&self) -> usize {
        (0..SHARDS as u64).map(|shard| self.shard(shard).len()).sum()
    }

    /// How many more bytes may wait.
    pub(crate) fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed)
    }
}

/// Says answers as they come.
async fn say_all(bus: Bus, mut answers: mpsc::Receiver<Message>) {
    while let Some(answer) = answers.recv().await {
        if let Err(error) = bus.publish(answer).await {
            tracing::debug!(error = %Chain(&error), "who asked whether anybody reads was not answered");
        }
    }
}

// === impl Post ===

impl Post {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks how much may be said in the other direction.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut Allowed) -> T) -> T {
        ask(&mut self.lock().allowed)
    }

    /// Whether anybody reads what comes, as it is answered.
    fn reader(&self) -> &'static [u8] {
        if self.lock().inbound.fault().is_some() { UNWANTED } else { HERE }
    }

    /// `what` is what follows the number in a subject: nothing, a side with a path, [`brief::ANSWER`], or [`TAKEN`].
    fn put(&self, what: &str, message: Message) {
        let path = what.strip_prefix(self.side);
        let woken = match path {
            None if what.is_empty() => self.put_answer(message),
            None if what == brief::ANSWER && self.side == RESULTS => self.put_weighed(message, Inbound::hear_whole),
            None if what == TAKEN => self.lock().allowed.hear(&message.payload).into_iter().collect(),
            None => return,
            Some(path) => self.put_weighed(message, |inbound, message| inbound.hear_piece(path, message)),
        };
        woken.into_iter().for_each(Waker::wake);
    }

    fn put_answer(&self, message: Message) -> Wakers {
        let mut state = self.lock();
        if message.headers.status().is_none() && state.inbound.accepted().is_none() {
            state.allowed = Allowed::by(&message.headers);
        }
        state.tell(|inbound| inbound.hear_answer(message))
    }

    fn put_weighed(&self, message: Message, hear: impl FnOnce(&mut Inbound, Message) -> Woken) -> Wakers {
        let inbox = &self.inbox;
        let weight = Inbound::weight(&message.payload);
        let mut state = self.lock();
        if !inbox.claim(weight) {
            return state.tell(|inbound| inbound.fail(Fault::NoRoom));
        }
        let before = state.inbound.room();
        let woken = state.tell(|inbound| hear(inbound, message));
        let held = before - state.inbound.room();
        state.held += held;
        inbox.give_back(weight - held);
        woken
    }
}

// === impl State ===

impl State {
    fn tell(&mut self, tell: impl FnOnce(&mut Inbound) -> Woken) -> Wakers {
        match tell(&mut self.inbound) {
            Woken::Nobody => Wakers::new(),
            Woken::Reader(channel) => self.wakers[channel].take().into_iter().collect(),
            Woken::All => self.wakers.iter_mut().filter_map(Option::take).collect(),
        }
    }

    fn has_all(&self, channel: usize) -> bool {
        self.inbound.fault().is_some() || self.inbound.is_ended(channel)
    }

    /// A fault, or nothing yet; then who reads `channel` is woken at the next chance.
    fn wait<T>(&mut self, channel: usize, cx: &Context<'_>) -> Poll<Result<T, Fault>> {
        if let Some(fault) = self.inbound.fault() {
            return Poll::Ready(Err(fault.clone()));
        }
        let waker = &mut self.wakers[channel];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

// === impl Mailbox ===

impl Mailbox {
    /// What this is the mailbox of. Who has it hears how much may be said, also when what comes is of no interest any more.
    pub(crate) fn post(&self) -> Arc<Post> {
        self.post.clone()
    }

    /// Waits until the call was heard: gives where the rest is to be sent, or nothing where all of the answer is there already.
    pub(crate) async fn accepted(&self) -> Result<Option<Subject>, Fault> {
        std::future::poll_fn(|cx| {
            let mut state = self.post.lock();
            match state.inbound.accepted() {
                Some(subject) => Poll::Ready(Ok(Some(subject.clone()))),
                None if state.inbound.is_ended(0) => Poll::Ready(Ok(None)),
                None => state.wait(0, cx),
            }
        })
        .await
    }

    /// Waits until all values are there.
    pub(crate) async fn values(&self) -> Result<Bytes, Fault> {
        let pieces = std::future::poll_fn(|cx| {
            let mut state = self.post.lock();
            match state.inbound.is_ended(0) {
                true => Poll::Ready(Ok(std::iter::from_fn(|| state.inbound.take(0)).collect::<Parts>())),
                false => state.wait(0, cx),
            }
        });
        let mut pieces = pieces.await?;
        let values = match pieces.len() {
            0 | 1 => pieces.pop().unwrap_or_default(),
            _ => {
                let mut values = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
                pieces.iter().for_each(|piece| values.extend_from_slice(piece));
                values.freeze()
            }
        };
        Ok(values)
    }

    /// Whether the values are not to be waited for any more: all are there, or it is known that they do not come.
    pub(crate) fn has_values(&self) -> bool {
        self.post.lock().has_all(0)
    }

    /// The same of what is beside the values, on the path with this number.
    pub(crate) fn has_all(&self, path: usize) -> bool {
        self.post.lock().has_all(path + 1)
    }

    /// The next piece of what is beside the values, on the path with this number; nothing after the last.
    pub(crate) fn poll_piece(&self, path: usize, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let channel = path + 1;
        let mut state = self.post.lock();
        if let Some(piece) = state.inbound.take(channel) {
            let weight = Inbound::weight(&piece);
            state.held -= weight;
            self.post.inbox.give_back(weight);
            return Poll::Ready(Some(Ok(piece)));
        }
        if state.inbound.is_ended(channel) {
            return Poll::Ready(None);
        }
        state.wait(channel, cx).map(Some)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // Whoever puts something away at this moment claims with the state in hand; after this it is refused.
        let mut state = self.post.lock();
        state.inbound.fail(Fault::NobodyThere);
        self.post.inbox.give_back(std::mem::take(&mut state.held));
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.inbox.shard(self.number).remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
