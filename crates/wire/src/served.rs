//! Takes the calls of functions that are served, and hands them out as invocations.
//!
//! # Invariants
//!
//! 1. What was handed out has parameters of the function's types.
//! 2. Every call that was taken ends in an answer or a refusal, also where it is dropped.

use std::fmt;
use std::sync::Arc;

use bus::{Headers, Message, PublishError};
use stdx::{Code, Explain};
use wasmtime::component::Val;

use crate::Wire;
use crate::address::{Address, Function};
use crate::caller::{Caller, NotTaken};
use crate::desk::{Begun, Desk, ServeError};
use crate::inbox;
use crate::origin::Origin;
use crate::outbound;
use crate::refusal::{Reason, Refusal};
use crate::shapes::{DecodeError, EncodeError, Signature};

/// Functions that are served. Dropping it ends that, and leaves callers that were not handed out without an answer.
pub struct Served {
    desk: Desk<Invocation>,
    functions: Arc<[(Function, Signature)]>,
}

/// One call of a function.
#[derive(Debug)]
pub struct Invocation {
    /// The number of the function, in the order in which they were given.
    pub function: usize,
    /// What it is called with.
    pub params: Vec<Val>,
    /// Who calls, as he says.
    pub origin: Origin,
    /// How it is answered.
    pub reply: Reply,
}

/// Where the answer of an invocation goes. Dropped without one, the invocation is refused as [`Reason::Silent`].
#[derive(Debug)]
pub struct Reply {
    caller: Caller,
    signature: Signature,
}

/// An answer could not be given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The values are not those that the function gives. The caller was told that it failed.
    #[error("the answer is not of the function's type")]
    Values(#[source] EncodeError),
    /// The bus is gone.
    #[error("the answer could not be sent")]
    NotSent(#[source] PublishError),
}

// === impl Wire ===

impl Wire {
    /// Serves functions at an address, together with all others who serve it. Calls reach it when this returns.
    pub async fn serve(&self, address: &Address, functions: Vec<(Function, Signature)>) -> Result<Served, ServeError> {
        let desk = Desk::open(self.clone(), address, functions.iter().map(|(function, _)| function)).await?;
        Ok(Served { desk, functions: functions.into() })
    }
}

// === impl Served ===

impl Served {
    /// The next invocation; none after [`end`](Self::end), when all that came before was handed out. Whoever serves has to go on
    /// asking while invocations run: that is when callers are told that there are too many.
    pub async fn next(&mut self) -> Option<Invocation> {
        let begin = begin(&self.functions);
        std::future::poll_fn(|cx| self.desk.poll_next(cx, &begin)).await
    }

    /// Takes no more calls: others who serve the address get them. What has come is still handed out. To be called where there is
    /// a runtime.
    pub fn end(&mut self) {
        self.desk.end();
    }

    /// How many invocations were taken and are not answered yet.
    pub fn running(&self) -> usize {
        self.desk.running()
    }

    /// Ends, and waits until all invocations that were handed out have been answered. What nobody asks for any more is refused.
    pub async fn drain(mut self) {
        self.end();
        self.desk.idle().await;
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.functions.iter().map(|(function, _)| function.to_string());
        f.debug_struct("Served").field("functions", &functions.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// How a call of one of these functions is taken.
fn begin(functions: &Arc<[(Function, Signature)]>) -> impl Fn(usize, Message, Caller) -> Begun<Invocation> + use<> {
    let functions = functions.clone();
    move |function, call, caller| {
        let signature = functions[function].1.clone();
        Box::pin(take(function, signature, call, caller))
    }
}

async fn take(function: usize, signature: Signature, call: Message, mut caller: Caller) -> Option<Invocation> {
    let origin = Origin::read(&call.headers);
    match params(&signature, &call, &origin, &mut caller).await {
        Ok(params) => Some(Invocation { function, params, origin, reply: Reply { caller, signature } }),
        Err(why) => {
            caller.give_up(&why).await;
            None
        }
    }
}

/// The parameters of a call: in its first message as a rule, and then nothing is waited for.
async fn params(
    signature: &Signature,
    call: &Message,
    origin: &Origin,
    caller: &mut Caller,
) -> Result<Vec<Val>, NotTaken> {
    let wire = caller.wire().clone();
    let memory_max = wire.limits().memory_max;
    match signature.params.decode(&call.payload, memory_max) {
        Ok(params) => caller.accept(wire.inbox().nowhere(), Headers::default()).await.map(|()| params),
        Err(DecodeError::Incomplete) => {
            let mailbox = wire.inbox().expect(inbox::PARAMS, &[]);
            caller.accept(mailbox.subject.clone(), Headers::default()).await?;
            let patience = origin.remaining.unwrap_or(wire.limits().params_max).min(wire.limits().params_max);
            let bytes = caller.rest(&call.payload, &mailbox, patience).await?;
            signature.params.decode(&bytes, memory_max).map_err(|error| NotTaken::Garbled(error.into()))
        }
        Err(error) => Err(NotTaken::Garbled(error.into())),
    }
}

// === impl Reply ===

impl Reply {
    /// Answers with the values that the function gives.
    pub async fn answer(mut self, values: &[Val]) -> Result<(), AnswerError> {
        let bytes = match self.signature.results.encode(values) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.caller.refuse(&Refusal::new(Reason::Failed, "its answer is not of its type")).await;
                return Err(AnswerError::Values(error));
            }
        };
        let Some(subject) = self.caller.results() else { return Ok(()) };
        outbound::say_whole(self.caller.wire().bus(), subject, bytes).await.map_err(AnswerError::NotSent)
    }

    /// Says that there will be no answer, and why.
    pub async fn refuse(mut self, refusal: &Refusal) {
        self.caller.refuse(refusal).await;
    }
}

// === impl AnswerError ===

impl Explain for AnswerError {
    fn code(&self) -> Code {
        match self {
            Self::Values(source) => source.code(),
            Self::NotSent(source) => source.code(),
        }
    }
}
