//! Calls a function, wherever in the lattice it runs.
//!
//! # Invariants
//!
//! 1. It ends within its timeout, in values of the function's types or in one error, and leaves nothing behind.
//! 2. An error says whether the function may have run: see [`InvokeError::was_not_heard`].

use std::time::Duration;

use bus::{Headers, Message, PublishError, Subject, SubjectError};
use bytes::Bytes;
use rt::Late;
use stdx::{ByteSize, Code, Explain};
use wasmtime::component::Val;

use crate::Wire;
use crate::address::{Address, Function};
use crate::asked::{Asked, Waited};
use crate::brief;
use crate::inbound::Fault;
use crate::inbox::{self, Mailbox};
use crate::letterhead::Letterhead;
use crate::outbound;
use crate::refusal::{Reason, Refusal};
use crate::roster::Roster;
use crate::shapes::{DecodeError, EncodeError, Reader, Signature};
use crate::typed::{self, Decode, Encode};

/// A function at an address: all that is the same for each call of it.
#[derive(Debug, Clone)]
pub struct Remote {
    subject: Subject,
    signature: Signature,
}

/// Who calls, and how long he waits for the answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is said of who calls. The time that remains is said to be `timeout`.
    pub letterhead: Letterhead,
    /// How long he waits.
    pub timeout: Duration,
    /// Who serves what is called, where one of them is to be chosen here. Without it the bus chooses.
    pub roster: Option<Roster>,
    /// Whether the same call may be made again. Then it is given up as soon as somebody else is better asked.
    pub again: Again,
}

/// Whether a call may be made a second time though it may have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It runs once at most.
    Never,
    /// It may run twice.
    May,
}

/// What a call begins with.
pub(crate) struct Opening {
    pub(crate) params: Bytes,
    pub(crate) headers: Headers,
}

/// A call ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The values are not those that the function takes. Nothing was sent.
    #[error("{remote} was not called")]
    Values {
        /// What was to be called.
        remote: Subject,
        /// Which value is wrong.
        #[source]
        source: EncodeError,
    },
    /// The values are larger than a call may be. Nothing was sent.
    #[error("{remote} was not called: its parameters have {size}, and {limit} is the most")]
    TooLarge {
        /// What was to be called.
        remote: Subject,
        /// How large they are.
        size: ByteSize,
        /// The limit.
        limit: ByteSize,
    },
    /// The bus did not take the call. Nobody has heard it.
    #[error("{remote} cannot be called")]
    NotSent {
        /// What was to be called.
        remote: Subject,
        /// Why not.
        #[source]
        source: PublishError,
    },
    /// The host that was chosen does not serve it any more: known at once, and nothing has run. Others may.
    #[error("the host that was to run {remote} has left")]
    Left {
        /// What was called.
        remote: Subject,
    },
    /// The host that had taken the call is not there any more. It may have run.
    #[error("the host that has taken the call of {remote} is gone")]
    Lost {
        /// What was called.
        remote: Subject,
    },
    /// Nobody serves it: known at once, and nothing has run.
    #[error("nobody in the lattice serves {remote}")]
    NobodyThere {
        /// What was called.
        remote: Subject,
    },
    /// The bus went away in the middle of the call, which may have run.
    #[error("the bus went away while {remote} was called")]
    CutOff {
        /// What was called.
        remote: Subject,
        /// How.
        #[source]
        source: PublishError,
    },
    /// Somebody listens there and has not said in time that the call was heard. It may have run.
    #[error("nobody has taken the call of {remote}")]
    Unheard {
        /// What was called.
        remote: Subject,
        /// How long was waited.
        #[source]
        late: Late,
    },
    /// The call was heard and not answered in time. It may have run, or run still.
    #[error("{remote} was called and has not answered")]
    Late {
        /// What was called.
        remote: Subject,
        /// How long was waited.
        #[source]
        late: Late,
    },
    /// Whoever was called says that there will be no answer, and why.
    #[error("{remote} gives no answer")]
    Refused {
        /// What was called.
        remote: Subject,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The answer is larger than it may be. The function has run.
    #[error("the answer of {remote} is larger than {limit}")]
    AnswerTooLarge {
        /// What was called.
        remote: Subject,
        /// The limit.
        limit: ByteSize,
    },
    /// What waits of other answers leaves no room for this one. The function has run.
    #[error("there is no room for the answer of {remote}: {limit} of others wait here already")]
    NoRoom {
        /// What was called.
        remote: Subject,
        /// The limit.
        limit: ByteSize,
    },
    /// The bus did not carry all of the answer's messages, or one of them twice or in another's place. The function has run.
    #[error("a piece of the answer of {remote} was lost between two hosts")]
    PieceLost {
        /// What was called.
        remote: Subject,
    },
    /// The answer is not of the function's type. The function has run, as something else than it was thought to be.
    #[error("the answer of {remote} is not what it should give")]
    Garbled {
        /// What was called.
        remote: Subject,
        /// What is wrong with it; nothing where it is not the protocol at all.
        #[source]
        source: Option<DecodeError>,
    },
}

// === impl Call ===

impl Call {
    /// A call by whom `letterhead` names, who waits for `timeout`, of any who serves it, that is never made again.
    pub fn new(letterhead: impl Into<Letterhead>, timeout: Duration) -> Self {
        Self { letterhead: letterhead.into(), timeout, roster: None, again: Again::Never }
    }

    /// The same, of one of those on this roster.
    pub fn among(self, roster: &Roster, again: Again) -> Self {
        Self { roster: Some(roster.clone()), again, ..self }
    }

    /// The same, that components have called one another so deep for.
    pub fn at_depth(self, depth: u16) -> Self {
        Self { letterhead: self.letterhead.at_depth(depth), ..self }
    }
}

// === impl Remote ===

impl Remote {
    /// A function at an address, of this type.
    pub fn new(address: &Address, function: &Function, signature: Signature) -> Result<Self, SubjectError> {
        Ok(Self { subject: address.subject(function)?, signature })
    }

    /// The subject that calls go to, for a log.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

// === impl Wire ===

impl Wire {
    /// Calls a function and waits for its answer. To be called where there is a runtime that has timers.
    pub async fn invoke(&self, remote: &Remote, values: &[Val], call: Call) -> Result<Vec<Val>, InvokeError> {
        let Remote { subject, signature } = remote;
        let answer = self.answer(subject, signature.params.encode(values), call).await?;
        self.read(subject, &answer, |reader| signature.results.read(reader))
    }

    /// The same with values of types that are known here.
    pub async fn ask<R: Decode>(&self, remote: &Subject, values: &impl Encode, call: Call) -> Result<R, InvokeError> {
        let answer = self.answer(remote, typed::encode(values), call).await?;
        self.read(remote, &answer, R::read)
    }

    /// The bytes that a call with these is answered with.
    async fn answer(
        &self,
        remote: &Subject,
        params: Result<Bytes, EncodeError>,
        Call { letterhead, timeout, roster, again }: Call,
    ) -> Result<Bytes, InvokeError> {
        let params = self.laid_out(remote, params)?;
        let mailbox = self.inbox().expect(inbox::RESULTS, &[]);
        let asked = Asked::one_of(roster.as_ref(), remote, again);
        let headers = letterhead.headers((brief::TIME, Some(timeout)));
        let exchange = self.exchange(&asked, Opening { params, headers }, &mailbox);
        let answer = rt::within(Some(timeout), exchange).await;
        let answer = answer.map_err(|late| InvokeError::Late { remote: remote.clone(), late })?;
        answer.map_err(|error| asked.failed(error))
    }

    /// The parameters as bytes, where they are no more than may be.
    pub(crate) fn laid_out(&self, remote: &Subject, params: Result<Bytes, EncodeError>) -> Result<Bytes, InvokeError> {
        let params = params.map_err(|source| InvokeError::Values { remote: remote.clone(), source })?;
        let (size, limit) = (ByteSize::bytes(params.len() as u64), self.limits().size_max);
        if size > limit {
            return Err(InvokeError::TooLarge { remote: remote.clone(), size, limit });
        }
        Ok(params)
    }

    /// What an answer says.
    pub(crate) fn read<T>(
        &self,
        remote: &Subject,
        answer: &[u8],
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, InvokeError> {
        let memory_max = self.limits().memory_max;
        Reader::all(answer, memory_max, read).map_err(|error| match error {
            DecodeError::Incomplete if answer.is_empty() => InvokeError::silent(remote),
            DecodeError::TooLarge => InvokeError::AnswerTooLarge { remote: remote.clone(), limit: memory_max },
            error => InvokeError::Garbled { remote: remote.clone(), source: Some(error) },
        })
    }

    async fn exchange(&self, asked: &Asked, opening: Opening, mailbox: &Mailbox) -> Result<Bytes, InvokeError> {
        self.open_call(asked, opening, mailbox).await?;
        match asked.values(mailbox).await {
            Waited::Answered(answer) => answer.map_err(|fault| self.fault(&asked.remote, fault)),
            Waited::Lost => Err(InvokeError::Lost { remote: asked.remote.clone() }),
        }
    }

    /// Calls, and hands over what the first message had no room for. Gives who has taken it, unless there is an answer already.
    pub(crate) async fn open_call(
        &self,
        asked: &Asked,
        Opening { mut params, headers }: Opening,
        mailbox: &Mailbox,
    ) -> Result<Option<Subject>, InvokeError> {
        let remote = &asked.remote;
        let payload = outbound::first_piece(self.bus(), &headers, &mut params);
        let reply = Some(mailbox.subject.clone());
        let call = Message { subject: asked.subject.clone(), reply, headers, payload };
        let sent = self.bus().publish(call).await;
        sent.map_err(|source| InvokeError::NotSent { remote: remote.clone(), source })?;
        let heard = asked.heard(mailbox, self.limits()).await;
        let heard = heard.map_err(|late| InvokeError::Unheard { remote: remote.clone(), late })?;
        let Some(peer) = heard.map_err(|fault| self.fault(remote, fault))? else { return Ok(None) };
        let subject = outbound::below(&peer, "params").map_err(|_too_long| self.fault(remote, Fault::Nonsense))?;
        let said = outbound::say_whole(self.bus(), subject, params).await;
        said.map_err(|source| InvokeError::CutOff { remote: remote.clone(), source })?;
        Ok(Some(peer))
    }

    pub(crate) fn fault(&self, remote: &Subject, fault: Fault) -> InvokeError {
        let remote = remote.clone();
        match fault {
            Fault::NobodyThere => InvokeError::NobodyThere { remote },
            Fault::Gone => InvokeError::Lost { remote },
            Fault::Refused(refusal) => InvokeError::Refused { remote, refusal },
            Fault::TooLarge => InvokeError::AnswerTooLarge { remote, limit: self.limits().size_max },
            Fault::NoRoom => InvokeError::NoRoom { remote, limit: self.limits().waiting_max },
            Fault::PieceLost => InvokeError::PieceLost { remote },
            Fault::Nonsense => InvokeError::Garbled { remote, source: None },
        }
    }
}

// === impl InvokeError ===

impl InvokeError {
    /// An answer that ended before it began, as those of strangers do that failed.
    pub(crate) fn silent(remote: &Subject) -> Self {
        Self::Refused { remote: remote.clone(), refusal: Refusal::new(Reason::Silent, "") }
    }

    /// Whether it is sure that nothing has run: then the same call may be made again, or of somebody else.
    pub fn was_not_heard(&self) -> bool {
        match self {
            Self::Values { .. } | Self::TooLarge { .. } | Self::NotSent { .. } => true,
            Self::NobodyThere { .. } | Self::Left { .. } => true,
            Self::Refused { refusal, .. } => refusal.reason.was_not_run(),
            Self::CutOff { .. }
            | Self::Lost { .. }
            | Self::Unheard { .. }
            | Self::Late { .. }
            | Self::AnswerTooLarge { .. }
            | Self::NoRoom { .. }
            | Self::PieceLost { .. }
            | Self::Garbled { .. } => false,
        }
    }
}

impl Explain for InvokeError {
    fn code(&self) -> Code {
        match self {
            Self::NobodyThere { .. } | Self::Left { .. } => Code::E1101,
            Self::Unheard { .. } | Self::Lost { .. } | Self::Late { .. } | Self::PieceLost { .. } => Code::E1102,
            Self::Refused { .. } => Code::E1103,
            Self::Garbled { .. } => Code::E1104,
            Self::TooLarge { .. } | Self::AnswerTooLarge { .. } | Self::NoRoom { .. } => Code::E1105,
            Self::Values { source, .. } => source.code(),
            Self::NotSent { source, .. } | Self::CutOff { source, .. } => source.code(),
        }
    }
}
