//! Where the calls of the functions at an address come in.
//!
//! Each [`Offer`] is two subscriptions: in the group of its address, and by the name of this wire alone. The roll of the address is
//! answered here, too, so that who answers is who serves; with it somebody may say that he spies ([`Spied`]). There is no task: what
//! comes is begun with by who asks for the next, on his thread, and what was begun goes on beside it.
//!
//! # Invariants
//!
//! 1. So many calls are taken at once as the limits say. One more is told so.
//! 2. What a caller has is never lost by giving up the wait for the next: all that was begun is kept here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bus::{Bus, FlushError, Headers, Message, QueueGroup, Subject, SubjectError, SubscribeError, Subscription};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, SelectAll};
use futures::{Stream, StreamExt};
use stdx::{Code, Explain};
use tokio::sync::{Semaphore, mpsc};

use crate::Wire;
use crate::address::{Address, Function};
use crate::brief::{self, Patient};
use crate::caller::{self, Caller, Notice};
use crate::offer::Offer;
use crate::refusal::{Reason, Refusal};
use crate::spied::Spied;

/// The calls that come, and what was begun with them.
pub(crate) struct Desk<T> {
    wire: Wire,
    calls: SelectAll<Calls>,
    /// Nothing once no more calls are taken.
    rolls: Option<Subscription>,
    spied: Spied,
    begun: FuturesUnordered<Reception<T>>,
    permits: Arc<Semaphore>,
    patient: Patient,
    unanswered: (mpsc::Sender<Subject>, mpsc::Receiver<Subject>),
}

/// What ends in something to be handed out, or in nothing because the caller was told something else.
pub(crate) type Reception<T> = BoxFuture<'static, Option<T>>;

/// The calls of what is offered by one subscription.
struct Calls {
    offer: Arc<Offer>,
    /// How much of a subject is before the words of a function.
    before: usize,
    subscription: Subscription,
}

/// Functions could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address or a name cannot be one.
    #[error("{function} cannot be served")]
    Name {
        /// Which function.
        function: Function,
        /// Why not.
        #[source]
        source: SubjectError,
    },
    /// The address is none.
    #[error("{address} cannot be served")]
    Address {
        /// What was to be served.
        address: Address,
        /// Why not.
        #[source]
        source: SubjectError,
    },
    /// The bus does not let it hear who asks for those who serve.
    #[error("{address} cannot be served")]
    Roll {
        /// What was to be served.
        address: Address,
        /// Why not.
        #[source]
        source: SubscribeError,
    },
    /// The bus does not take the subscription.
    #[error("{function} cannot be served")]
    Bus {
        /// Which function.
        function: Function,
        /// Why not.
        #[source]
        source: SubscribeError,
    },
    /// It is not known whether the bus has taken the subscriptions.
    #[error("it is not known whether {address} is served")]
    Flush {
        /// What was to be served.
        address: Address,
        /// Why not.
        #[source]
        source: FlushError,
    },
}

// === impl Desk ===

impl<T: Send + 'static> Desk<T> {
    /// Opens for the calls of what is offered, which reach it when this returns.
    pub(crate) async fn open(wire: Wire, address: &Address, offers: Vec<Offer>) -> Result<Self, ServeError> {
        let no_address = |source| ServeError::Address { address: address.clone(), source };
        let (roll, group) = (address.roll().map_err(no_address)?, address.group().map_err(no_address)?);
        let spied = Spied::new(address).map_err(no_address)?;
        let at_once_max = wire.limits().at_once_max;
        // What is not begun with soon is of no use to its caller: there is no room for more than can be begun with.
        let limits = bus::Limits { queued_messages_max: at_once_max, ..bus::Limits::default() };
        let bus = wire.bus().clone().with_queue_limits(limits);
        let before = |alone| format!("{}.", address.root(alone));
        let ways = [(before(None), Some(group)), (before(Some(wire.name())), None)];
        let mut calls = SelectAll::new();
        for offer in offers {
            let offer = Arc::new(offer);
            for (before, group) in &ways {
                calls.push(listen(&bus, &offer, (before.as_str(), group.clone())).await?);
            }
        }
        // Last, so that who answers is served.
        let rolls = bus.subscribe(roll.into(), None).await;
        let rolls = rolls.map_err(|source| ServeError::Roll { address: address.clone(), source })?;
        bus.flush().await.map_err(|source| ServeError::Flush { address: address.clone(), source })?;
        Ok(Self {
            wire,
            calls,
            rolls: Some(rolls),
            spied,
            begun: FuturesUnordered::new(),
            permits: Arc::new(Semaphore::new(at_once_max)),
            patient: Patient::default(),
            unanswered: mpsc::channel(at_once_max.max(1)),
        })
    }

    /// The next that `begin` came to: it is given the number of a function, a call of it, and who calls.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        begin: impl Fn(usize, Message, Caller) -> Reception<T>,
    ) -> Poll<Option<T>> {
        loop {
            if let Poll::Ready(Some(come_to)) = self.begun.poll_next_unpin(cx) {
                match come_to {
                    Some(come_to) => return Poll::Ready(Some(come_to)),
                    None => continue,
                }
            }
            if let Poll::Ready(subject) = self.patient.poll_due(cx) {
                self.begun.push(heard(self.wire.clone(), subject));
                continue;
            }
            if let Poll::Ready(Some(subject)) = self.unanswered.1.poll_recv(cx) {
                // It is one that was taken: he waits for results.
                let refusal = Refusal { reason: Reason::Silent, text: String::new() };
                self.begun.push(told(self.wire.clone(), subject, refusal));
                continue;
            }
            if let Some(rolls) = &mut self.rolls
                && let Poll::Ready(Some(roll)) = rolls.poll_next_unpin(cx)
            {
                self.spied.hear(&roll);
                self.begun.extend(named(&self.wire, &roll));
                continue;
            }
            match self.calls.poll_next_unpin(cx) {
                Poll::Ready(Some((meant, before, call))) => {
                    let told = self.spied.told(words(&call, before), &call);
                    self.begun.extend(told.map(|told| say(self.wire.clone(), told)));
                    let Some(mut begun) = self.take(meant, call, &begin) else { continue };
                    // As a rule a call is all there: then there is nothing to wait for.
                    match begun.as_mut().poll(cx) {
                        Poll::Ready(Some(come_to)) => return Poll::Ready(Some(come_to)),
                        Poll::Ready(None) => {}
                        Poll::Pending => self.begun.push(begun),
                    }
                }
                Poll::Ready(None) if self.begun.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// What is begun with for a call that means a function by its number, or none that is here.
    fn take(
        &mut self,
        meant: Result<usize, Refusal>,
        mut call: Message,
        begin: impl Fn(usize, Message, Caller) -> Reception<T>,
    ) -> Option<Reception<T>> {
        // Without an address nobody waits for an answer.
        let subject = call.reply.take()?;
        let number = match meant {
            Ok(number) => number,
            Err(refusal) => return Some(told(self.wire.clone(), subject, refusal)),
        };
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return Some(told(self.wire.clone(), subject, Refusal::new(Reason::Busy, "")));
        };
        let told = match brief::is_marked(&call.headers) {
            true => Notice::Perhaps(self.patient.add(&subject)),
            false => Notice::Nothing,
        };
        let caller = Caller::new(self.wire.clone(), (subject, told), self.unanswered.0.clone(), permit);
        Some(begin(number, call, caller))
    }

    /// Takes no more calls: others who serve the address get them.
    pub(crate) fn end(&mut self) {
        self.rolls = None;
        self.calls.iter_mut().for_each(|calls| calls.subscription.end());
    }

    /// How many calls were taken and have not ended.
    pub(crate) fn running(&self) -> usize {
        self.wire.limits().at_once_max - self.permits.available_permits()
    }

    /// After [`end`](Self::end), waits until no more calls come and all that was handed out has ended. What comes meanwhile is told that there is no room.
    pub(crate) async fn idle(&mut self) {
        let permits = self.permits.clone();
        let all = u32::try_from(self.wire.limits().at_once_max).unwrap_or(u32::MAX);
        let mut all_back = std::pin::pin!(permits.acquire_many(all));
        let begin = |_, _, mut caller: Caller| -> Reception<T> {
            Box::pin(async move {
                caller.refuse(&Refusal::new(Reason::Busy, "it is stopping")).await;
                None
            })
        };
        let mut is_over = false;
        std::future::poll_fn(|cx| {
            // Whoever is dropped without an answer meanwhile is still told so.
            while let Poll::Ready(next) = self.poll_next(cx, begin) {
                if next.is_none() {
                    is_over = true;
                    break;
                }
            }
            // Not before no more calls can come.
            if is_over { all_back.as_mut().poll(cx).map(drop) } else { Poll::Pending }
        })
        .await;
    }
}

/// Hears the calls of what is offered: by any who asks one of a group, or by who asks for this wire.
async fn listen(
    bus: &Bus,
    offer: &Arc<Offer>,
    (before, group): (&str, Option<QueueGroup>),
) -> Result<Calls, ServeError> {
    let function = || offer.function().clone();
    let heard = offer.heard_behind(before).map_err(|source| ServeError::Name { function: function(), source })?;
    let subscription = bus.subscribe(heard, group).await;
    let subscription = subscription.map_err(|source| ServeError::Bus { function: function(), source })?;
    Ok(Calls { offer: offer.clone(), before: before.len(), subscription })
}

/// The answer to a roll.
fn named<T>(wire: &Wire, roll: &Message) -> Option<Reception<T>> {
    let answer = roll.answer(Bytes::copy_from_slice(wire.name().as_str().as_bytes()))?;
    Some(say(wire.clone(), answer))
}

/// Says something that nobody waits for.
fn say<T>(wire: Wire, message: Message) -> Reception<T> {
    Box::pin(async move {
        let subject = message.subject.clone();
        if let Err(error) = wire.bus().publish(message).await {
            tracing::debug!(%subject, error = %stdx::Chain(&error), "it could not be said");
        }
        None
    })
}

/// What is called, in the subject of a call that has so much before that.
fn words(call: &Message, before: usize) -> &str {
    call.subject.as_str().get(before..).unwrap_or_default()
}

fn heard<T>(wire: Wire, subject: Subject) -> Reception<T> {
    Box::pin(async move {
        let here = wire.inbox().nowhere();
        if let Err(error) = caller::say_heard(&wire, subject, here, Headers::default()).await {
            tracing::debug!(error = %stdx::Chain(&error), "a caller could not be told that he was heard");
        }
        None
    })
}

fn told<T>(wire: Wire, subject: Subject, refusal: Refusal) -> Reception<T> {
    Box::pin(async move {
        caller::refuse(&wire, subject, &refusal).await;
        None
    })
}

impl Stream for Calls {
    /// Which function is meant, how much of the subject is before its words, and the call.
    type Item = (Result<usize, Refusal>, usize, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.subscription.poll_next_unpin(cx);
        next.map(|call| call.map(|call| (self.offer.meant(words(&call, self.before)), self.before, call)))
    }
}

// === impl ServeError ===

impl Explain for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Name { source, .. } | Self::Address { source, .. } => source.code(),
            Self::Roll { source, .. } => source.code(),
            Self::Bus { source, .. } => source.code(),
            Self::Flush { source, .. } => source.code(),
        }
    }
}
