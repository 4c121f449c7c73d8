//! This is who waits for the answer of a call that came in.
//!
//! # Invariants
//!
//! 1. Whoever was taken is answered or refused once: what is dropped without it is refused by the [`Desk`](crate::desk::Desk).
//! 2. A refusal comes where its caller waits: before he was told that he was heard, in place of that; after it, as the end of
//!    the answer.

use std::fmt;
use std::time::Duration;

use bus::{Headers, Message, PublishError, Subject};
use bytes::Bytes;
use stdx::{ByteSize, Chain};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::Wire;
use crate::brief::{self, Unheard};
use crate::inbound::Fault;
use crate::inbox::Mailbox;
use crate::outbound;
use crate::refusal::{Reason, Refusal};

/// Who waits for an answer.
pub(crate) struct Caller {
    wire: Wire,
    /// Where he listens; none when he was told all.
    subject: Option<Subject>,
    told: Notice,
    unanswered: mpsc::Sender<Subject>,
    _permit: OwnedSemaphorePermit,
}

/// What he was told.
pub(crate) enum Notice {
    /// Nothing yet.
    Nothing,
    /// That he was heard.
    Heard,
    /// That he was heard, if somebody else has claimed to say so; else nothing yet, and he takes his answer in one message.
    Perhaps(Unheard),
}

/// Why a call was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// The parameters are others than the function takes.
    #[error("the parameters are not those of the function")]
    Garbled(#[source] stdx::BoxError),
    /// There is more than there may be.
    #[error("the parameters have more than {0}, which is the most")]
    TooLarge(ByteSize),
    /// What has come of other calls leaves no room.
    #[error("{0} of other calls wait here already, which is the most")]
    NoRoom(ByteSize),
    /// It takes too long.
    #[error("the parameters did not come")]
    Late(#[source] rt::Late),
    /// The bus did not carry all of them.
    #[error("a piece of the parameters was lost between two hosts")]
    PieceLost,
    /// Nothing can be said.
    #[error("the bus is gone")]
    Bus(#[source] PublishError),
    /// Nobody waits for an answer any more.
    #[error("the caller is gone")]
    Gone,
}

// === impl Caller ===

impl Caller {
    pub(crate) fn new(
        wire: Wire,
        (subject, told): (Subject, Notice),
        unanswered: mpsc::Sender<Subject>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { wire, subject: Some(subject), told, unanswered, _permit: permit }
    }

    /// Where he listens, until he was told all.
    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Tells him that he was heard, and where the rest of his call is to be sent.
    pub(crate) async fn accept(&mut self, here: Subject, headers: Headers) -> Result<(), NotTaken> {
        let Some(subject) = self.subject.clone() else { return Err(NotTaken::Gone) };
        if let Notice::Perhaps(unheard) = &self.told {
            // Where he was told before, he sends the rest nowhere, and hears in the end that it did not come.
            unheard.claim();
        }
        self.told = Notice::Heard;
        say_heard(&self.wire, subject, here, headers).await.map_err(NotTaken::Bus)
    }

    /// Tells him that all of his call was heard, unless he takes the answer in place of that.
    pub(crate) async fn acknowledge(&mut self) -> Result<(), NotTaken> {
        match self.told {
            Notice::Perhaps(_) => Ok(()),
            Notice::Nothing | Notice::Heard => self.accept(self.wire.inbox().nowhere(), Headers::default()).await,
        }
    }

    /// Gives him all of the answer.
    pub(crate) async fn answer(&mut self, bytes: Bytes) -> Result<(), PublishError> {
        if let Notice::Perhaps(unheard) = &self.told
            && unheard.claim()
        {
            let bus = self.wire.bus();
            let Some(subject) = self.subject.clone() else { return Ok(()) };
            if bytes.len() <= bus.payload_max().as_usize()
                && let Ok(whole) = outbound::below(&subject, &brief::ANSWER[1..])
            {
                self.subject = None;
                return bus.publish(Message::new(whole, bytes)).await;
            }
            say_heard(&self.wire, subject, self.wire.inbox().nowhere(), Headers::default()).await?;
        }
        self.told = Notice::Heard;
        let Some(subject) = self.results() else { return Ok(()) };
        outbound::say_whole(self.wire.bus(), subject, bytes).await
    }

    /// All parameters, once he has sent what his first message had no room for. He was told where to.
    pub(crate) async fn rest(&self, first: &Bytes, mailbox: &Mailbox, patience: Duration) -> Result<Bytes, NotTaken> {
        let rest = rt::within(Some(patience), mailbox.values()).await.map_err(NotTaken::Late)?;
        let rest = rest.map_err(|fault| match fault {
            Fault::TooLarge => NotTaken::TooLarge(self.wire.limits().size_max),
            Fault::NoRoom => NotTaken::NoRoom(self.wire.limits().waiting_max),
            Fault::PieceLost => NotTaken::PieceLost,
            Fault::NobodyThere | Fault::Gone | Fault::Refused(_) | Fault::Nonsense => NotTaken::Gone,
        })?;
        Ok([first.as_ref(), rest.as_ref()].concat().into())
    }

    /// Tells him why there will be no answer.
    pub(crate) async fn refuse(&mut self, refusal: &Refusal) {
        if let Some(subject) = self.place_of_refusal() {
            refuse(&self.wire, subject, refusal).await;
        }
    }

    /// Gives up what was not taken.
    pub(crate) async fn give_up(&mut self, why: &NotTaken) {
        tracing::debug!(error = %Chain(why), "a call was not taken");
        let reason = match why {
            NotTaken::Garbled(_) | NotTaken::TooLarge(_) | NotTaken::Late(_) | NotTaken::PieceLost => Reason::Garbled,
            // Others may have room for it.
            NotTaken::NoRoom(_) => Reason::Busy,
            NotTaken::Bus(_) | NotTaken::Gone => return self.subject = None,
        };
        let refusal = Refusal::new(reason, &Chain(why).to_string());
        self.refuse(&refusal).await;
    }

    /// Where the answer goes, which is told once. None where his address has no room for it: he cannot listen there.
    pub(crate) fn results(&mut self) -> Option<Subject> {
        outbound::below(&self.subject.take()?, "results").ok()
    }

    fn place_of_refusal(&mut self) -> Option<Subject> {
        let is_heard = match &self.told {
            Notice::Nothing => false,
            Notice::Heard => true,
            Notice::Perhaps(unheard) => !unheard.claim(),
        };
        if is_heard { self.results() } else { self.subject.take() }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(subject) = self.place_of_refusal()
            && self.unanswered.try_send(subject).is_err()
        {
            tracing::debug!("nobody serves any more: a caller was left without a word");
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Says that a call was heard, and where the rest of it is to be sent.
pub(crate) async fn say_heard(wire: &Wire, to: Subject, here: Subject, headers: Headers) -> Result<(), PublishError> {
    wire.bus().publish(Message { reply: Some(here), headers, ..Message::new(to, Bytes::new()) }).await
}

/// Says that there will be no answer. To a stranger it is an answer that ends before it began, without the reason.
pub(crate) async fn refuse(wire: &Wire, subject: Subject, refusal: &Refusal) {
    let message = Message { headers: refusal.headers(), ..Message::new(subject, Bytes::new()) };
    if let Err(error) = wire.bus().publish(message).await {
        tracing::debug!(error = %Chain(&error), "a refusal could not be sent");
    }
}
