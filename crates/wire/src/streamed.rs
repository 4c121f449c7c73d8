//! Serves functions that have something beside their values: the other side of [`Underway`](crate::Underway).
//!
//! ```text
//! next ─▶ Streaming ─┬─▶ Coming: bytes, bytes, …                              the stream among the parameters
//!                    └─▶ Answering: begin ─▶ Answered: say, say, … end, later  what is beside the answer
//! ```
//!
//! # Invariants
//!
//! 1. What was handed out has parameters of the function's types; a stream among them comes as fast as it is read.
//! 2. There is no task: what comes waits, within the limits of the wire, for who reads it.
//!
//! # Not here
//!
//! What is answered ([`answering`](crate::answering)). HTTP, whose bodies have trailers ([`http`](crate::http)).

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use bus::{Headers, Message};
use bytes::Bytes;

use crate::Wire;
use crate::address::{Address, Function};
use crate::allowance::{self, Allowance, Allowed, Receipts};
use crate::answering::Answering;
use crate::caller::{Caller, NotTaken};
use crate::desk::{Desk, Reception, ServeError};
use crate::flow::{ByteStream, Flow, FlowError};
use crate::inbound::Path;
use crate::inbox;
use crate::offer::Offer;
use crate::origin::Origin;
use crate::patience::Patience;
use crate::shapes::{DecodeError, Reader};

/// Functions that are served with something beside their values. Dropping it ends that, and leaves callers that were not handed
/// out without an answer.
pub struct Streamed<T> {
    desk: Desk<Streaming<T>>,
    besides: Arc<[Besides]>,
    read: Arc<Read<T>>,
}

/// Where among the parameters of a function streams of bytes are: at most one.
type Besides = &'static [Path];

/// Reads the parameters of the function of that number.
type Read<T> = dyn Fn(usize, &mut Reader<'_>) -> Result<T, DecodeError> + Send + Sync;

/// One call of such a function.
#[derive(Debug)]
pub struct Streaming<T> {
    /// The number of the function, in the order in which they were given.
    pub function: usize,
    /// What it is called with. A stream among it is a [`ByteStream`].
    pub params: T,
    /// Who calls, as he says.
    pub origin: Origin,
    /// What comes beside the parameters.
    pub coming: Coming,
    /// How it is answered.
    pub answering: Answering,
}

/// What comes beside the parameters of a call. Dropping it tells the caller that nothing more of it is wanted.
#[derive(Debug)]
pub struct Coming {
    flow: Flow,
}

// === impl Wire ===

impl Wire {
    /// Serves functions at an address, together with all others who serve it, each with the places of the streams among its
    /// parameters, as numbers on the way there. Calls reach it when this returns. `read` makes of the parameters of the function of a
    /// number whatever is wanted.
    pub async fn serve_streams<T: Send + 'static>(
        &self,
        address: &Address,
        functions: Vec<(Function, &'static [&'static [u32]])>,
        read: impl Fn(usize, &mut Reader<'_>) -> Result<T, DecodeError> + Send + Sync + 'static,
    ) -> Result<Streamed<T>, ServeError> {
        let (functions, besides): (Vec<_>, Vec<_>) = functions.into_iter().unzip();
        let desk = Desk::open(self.clone(), address, Offer::all(&functions)?).await?;
        Ok(Streamed { desk, besides: besides.into(), read: Arc::new(read) })
    }
}

// === impl Streamed ===

impl<T: Send + 'static> Streamed<T> {
    /// The next call; none after [`end`](Self::end), when all that came before was handed out. Whoever serves has to go on asking
    /// while calls run: that is when callers are told that there are too many.
    pub async fn next(&mut self) -> Option<Streaming<T>> {
        let begin = begin(&self.read, &self.besides);
        poll_fn(|cx| self.desk.poll_next(cx, &begin)).await
    }

    /// Takes no more calls: others who serve the address get them. To be called where there is a runtime.
    pub fn end(&mut self) {
        self.desk.end();
    }

    /// How many calls were taken and are not answered to their end yet.
    pub fn running(&self) -> usize {
        self.desk.running()
    }

    /// Ends, and waits until all calls that were handed out have been answered. What nobody asks for any more is refused.
    pub async fn drain(mut self) {
        self.end();
        self.desk.idle().await;
    }
}

impl<T> fmt::Debug for Streamed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").field("besides", &self.besides).finish_non_exhaustive()
    }
}

/// How a call of one of these functions is taken.
fn begin<T: Send + 'static>(
    read: &Arc<Read<T>>,
    besides: &Arc<[Besides]>,
) -> impl Fn(usize, Message, Caller) -> Reception<Streaming<T>> + use<T> {
    let (read, besides) = (read.clone(), besides.clone());
    move |function, call, caller| Box::pin(take((function, besides[function]), read.clone(), call, caller))
}

async fn take<T>(
    (function, besides): (usize, Besides),
    read: Arc<Read<T>>,
    call: Message,
    mut caller: Caller,
) -> Option<Streaming<T>> {
    let origin = Origin::read(&call.headers);
    let read = |bytes: &[u8], wire: &Wire| {
        Reader::all(bytes, wire.limits().memory_max, |reader: &mut Reader<'_>| read(function, reader))
    };
    match accepted(read, (&call, &origin), besides, &mut caller).await {
        Ok((params, flow, allowance)) => {
            let answering = Answering::new(caller, allowance);
            Some(Streaming { function, params, origin, coming: Coming { flow }, answering })
        }
        Err(why) => {
            caller.give_up(&why).await;
            None
        }
    }
}

/// The parameters of a call once they are there, what comes beside them, and how much may be answered at once.
async fn accepted<T>(
    read: impl Fn(&[u8], &Wire) -> Result<T, DecodeError>,
    (call, origin): (&Message, &Origin),
    besides: Besides,
    caller: &mut Caller,
) -> Result<(T, Flow, Allowance), NotTaken> {
    let wire = caller.wire().clone();
    let limits = wire.limits();
    let mailbox = wire.inbox().expect(inbox::PARAMS, besides);
    let allowed = Allowed::by(&call.headers);
    // Who says a window understands what he is told of ours.
    let is_told = allowed.is_told();
    let heard = if is_told { allowance::with_window(Headers::default(), limits) } else { Headers::default() };
    mailbox.post().ask(|known| *known = allowed);
    let writer = caller.subject().filter(|_| is_told && !besides.is_empty());
    let receipts = Receipts::to(wire.bus(), limits, writer);
    let garbled = |error: DecodeError| NotTaken::Garbled(error.into());
    let params = match read(&call.payload, &wire) {
        Ok(params) => {
            caller.accept(mailbox.subject.clone(), heard).await?;
            params
        }
        Err(DecodeError::Incomplete) => {
            caller.accept(mailbox.subject.clone(), heard).await?;
            let time = origin.remaining.unwrap_or(limits.params_max).min(limits.params_max);
            let bytes = caller.rest(&call.payload, &mailbox, time).await?;
            read(&bytes, &wire).map_err(garbled)?
        }
        Err(error) => return Err(garbled(error)),
    };
    let flow = Flow::new(mailbox, receipts, (wire.bus(), Patience::in_call(origin.remaining, limits)));
    let allowance = flow.allowance(caller.subject());
    Ok((params, flow, allowance))
}

// === impl Coming ===

impl Coming {
    /// The next bytes of the stream among the parameters; nothing after the last.
    pub async fn bytes(&mut self, stream: &mut ByteStream) -> Result<Option<Bytes>, FlowError> {
        let read = poll_fn(|cx| {
            self.flow.drive(cx);
            stream.poll_next(&mut self.flow, cx)
        });
        let next = read.await;
        if matches!(next, Ok(None)) {
            self.flow.end();
        }
        next
    }
}
