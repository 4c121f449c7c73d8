//! Takes the calls of functions that are served, and hands them out as invocations.
//!
//! # Invariants
//!
//! 1. What was handed out has parameters of the function's types.
//! 2. Every call that was taken ends in an answer or a refusal, also where it is dropped.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bus::{Headers, Message, PublishError};
use bytes::Bytes;
use stdx::{ByteSize, Code, Explain};
use tokio::task::JoinSet;
use wasmtime::component::Val;

use crate::Wire;
use crate::address::{Address, Function};
use crate::caller::{Caller, NotTaken};
use crate::desk::{Desk, Reception, ServeError};
use crate::inbox;
use crate::offer::Offer;
use crate::origin::Origin;
use crate::refusal::{Reason, Refusal};
use crate::shapes::{DecodeError, EncodeError, Reader, Signature};

/// Functions that are served, whose parameters are read as a `T`. Dropping it ends that, and leaves callers that were not handed
/// out without an answer.
pub struct Served<T = Vec<Val>> {
    desk: Desk<Invocation<T>>,
    functions: Vec<Function>,
    read: Arc<dyn ReadParams<T>>,
}

/// Reads the parameters of the function of that number.
trait ReadParams<T>: Fn(usize, &mut Reader<'_>) -> Result<T, DecodeError> + Send + Sync {}

impl<T, F: Fn(usize, &mut Reader<'_>) -> Result<T, DecodeError> + Send + Sync> ReadParams<T> for F {}

/// One call of a function.
#[derive(Debug)]
pub struct Invocation<T = Vec<Val>> {
    /// The number of the function, in the order in which they were given.
    pub function: usize,
    /// What it is called with.
    pub params: T,
    /// Who calls, as he says.
    pub origin: Origin,
    /// How it is answered.
    pub reply: Reply,
}

/// Where the answer of an invocation goes. Dropped without one, the invocation is refused as [`Reason::Silent`].
#[derive(Debug)]
pub struct Reply {
    caller: Caller,
}

/// An answer could not be given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The values are not those that the function gives. The caller was told that it failed.
    #[error("the answer is not of the function's type")]
    Values(#[source] EncodeError),
    /// It is larger than an answer may be. The caller was told that it failed.
    #[error("the answer has {size}, and {limit} is the most")]
    TooLarge {
        /// How large it is.
        size: ByteSize,
        /// The limit.
        limit: ByteSize,
    },
    /// The bus is gone.
    #[error("the answer could not be sent")]
    NotSent(#[source] PublishError),
}

// === impl Wire ===

impl Wire {
    /// Serves functions at an address, together with all others who serve it. Calls reach it when this returns, also those of other
    /// versions of an interface that its own stands in for, as semver says. Such a call is read by the types that are here.
    pub async fn serve(&self, address: &Address, functions: Vec<(Function, Signature)>) -> Result<Served, ServeError> {
        let (functions, signatures): (Vec<_>, Vec<_>) = functions.into_iter().unzip();
        self.serve_with(address, functions, move |number, reader| signatures[number].params.read(reader)).await
    }

    /// The same, where `read` makes of the parameters of the function of a number whatever is wanted.
    pub async fn serve_with<T: Send + 'static>(
        &self,
        address: &Address,
        functions: Vec<Function>,
        read: impl Fn(usize, &mut Reader<'_>) -> Result<T, DecodeError> + Send + Sync + 'static,
    ) -> Result<Served<T>, ServeError> {
        let desk = Desk::open(self.clone(), address, Offer::all(&functions)?).await?;
        Ok(Served { desk, functions, read: Arc::new(read) })
    }
}

// === impl Served ===

impl<T: Send + 'static> Served<T> {
    /// The next invocation; none after [`end`](Self::end), when all that came before was handed out. Whoever serves has to go on
    /// asking while invocations run: that is when callers are told that there are too many.
    pub async fn next(&mut self) -> Option<Invocation<T>> {
        let begin = begin(&self.read);
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

    /// Lets `answer` answer each invocation, as many at once as come, until it is over; then those that came before. To be called
    /// where there is a runtime.
    pub async fn answer_all<F>(mut self, over: impl Future<Output = ()>, answer: impl Fn(Invocation<T>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut over = pin!(over);
        let (mut running, mut is_over) = (JoinSet::new(), false);
        loop {
            tokio::select! {
                () = &mut over, if !is_over => {
                    is_over = true;
                    self.end();
                }
                invocation = self.next() => match invocation {
                    Some(invocation) => drop(running.spawn(answer(invocation))),
                    None => break,
                },
            }
            // Nobody is woken for those that have ended: the next call is soon enough.
            while running.try_join_next().is_some() {}
        }
        // Who has called a moment ago is still told that he was heard.
        tokio::join!(self.drain(), async { while running.join_next().await.is_some() {} });
    }

    /// Ends, and waits until all invocations that were handed out have been answered. What nobody asks for any more is refused.
    pub async fn drain(mut self) {
        self.end();
        self.desk.idle().await;
    }
}

impl<T> fmt::Debug for Served<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.functions.iter().map(Function::to_string);
        f.debug_struct("Served").field("functions", &functions.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// How a call of one of these functions is taken.
fn begin<T: Send + 'static>(
    read: &Arc<dyn ReadParams<T>>,
) -> impl Fn(usize, Message, Caller) -> Reception<Invocation<T>> + use<T> {
    let read = read.clone();
    move |function, call, caller| Box::pin(take(function, read.clone(), call, caller))
}

async fn take<T>(
    function: usize,
    read: Arc<dyn ReadParams<T>>,
    call: Message,
    mut caller: Caller,
) -> Option<Invocation<T>> {
    let origin = Origin::read(&call.headers);
    let read = |reader: &mut Reader<'_>| read(function, reader);
    match params(read, &call, &origin, &mut caller).await {
        Ok(params) => Some(Invocation { function, params, origin, reply: Reply { caller } }),
        Err(why) => {
            caller.give_up(&why).await;
            None
        }
    }
}

/// The parameters of a call: in its first message as a rule, and then nothing is waited for.
async fn params<T>(
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
    call: &Message,
    origin: &Origin,
    caller: &mut Caller,
) -> Result<T, NotTaken> {
    let wire = caller.wire().clone();
    let memory_max = wire.limits().memory_max;
    match Reader::all(&call.payload, memory_max, &read) {
        Ok(params) => caller.acknowledge().await.map(|()| params),
        Err(DecodeError::Incomplete) => {
            let mailbox = wire.inbox().expect(inbox::PARAMS, &[]);
            caller.accept(mailbox.subject.clone(), Headers::default()).await?;
            let patience = origin.remaining.unwrap_or(wire.limits().params_max).min(wire.limits().params_max);
            let bytes = caller.rest(&call.payload, &mailbox, patience).await?;
            Reader::all(&bytes, memory_max, &read).map_err(|error| NotTaken::Garbled(error.into()))
        }
        Err(error) => Err(NotTaken::Garbled(error.into())),
    }
}

// === impl Reply ===

impl Reply {
    /// Answers with what the function gives, laid out by [`Shapes::encode`](crate::Shapes::encode) or by
    /// [`encode`](crate::encode).
    pub async fn answer(mut self, results: Result<Bytes, EncodeError>) -> Result<(), AnswerError> {
        let bytes = match results {
            Ok(bytes) => bytes,
            Err(error) => {
                self.caller.refuse(&Refusal::new(Reason::Failed, "its answer is not of its type")).await;
                return Err(AnswerError::Values(error));
            }
        };
        let (size, limit) = (ByteSize::bytes(bytes.len() as u64), self.caller.wire().limits().size_max);
        if size > limit {
            let error = AnswerError::TooLarge { size, limit };
            self.caller.refuse(&Refusal::new(Reason::Failed, &error.to_string())).await;
            return Err(error);
        }
        self.caller.answer(bytes).await.map_err(AnswerError::NotSent)
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
            Self::TooLarge { .. } => Code::E1105,
            Self::NotSent(source) => source.code(),
        }
    }
}
