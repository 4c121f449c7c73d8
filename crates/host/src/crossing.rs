//! Streams and futures that cross from the store of one component into that of another.
//!
//! An end belongs to its store and stays there. What crosses is what is written: each end that one component gives is read
//! here, and the other component is given an end that this feeds.
//!
//! ```text
//! writer ─▶ stream of its store ─▶ Outlet ─▶ one piece waits ─▶ Inlet ─▶ stream of the other store ─▶ reader
//! ```
//!
//! # Invariants
//!
//! 1. One piece waits at a time: who reads slowly slows down who writes.
//! 2. A stream whose writer ended with its store is never taken for a whole one: reading it fails.
//! 3. A callee lives until all ends in its store are closed, or its time is over, or its caller is gone before it answered.
//!
//! Wasmtime has no streams of values whose type is known only at run time: those of records and other composed types do not
//! cross, which is said when the link is put.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use engine::State;
use futures::Stream;
use futures::channel::mpsc;
use tokio::sync::{mpsc as held, oneshot};
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{
    Accessor, ComponentType, Destination, Func, FutureAny, FutureConsumer, FutureReader, Lift, Lower, Source,
    StreamAny, StreamConsumer, StreamProducer, StreamReader, StreamResult, Val, VecBuffer,
};
use wasmtime::{AsContextMut, StoreContextMut};

use crate::callee::{Call, CallError, Callee, Caller, FunctionName, Slot};
use crate::session;
use crate::shim::replace;

/// Values of a stream that cross at once, at most.
const PIECE_MAX: usize = 64 * 1024;

/// Values on their way, with the ends that were in them.
pub(crate) struct Cargo {
    values: Vec<Val>,
    landings: Vec<Landing>,
}

/// Makes the end that takes the place of one that was given.
type Landing = Box<dyn FnOnce(StoreContextMut<'_, State>, &Side) -> wasmtime::Result<Val> + Send>;

/// The store that an end is in.
#[derive(Clone)]
struct Side {
    /// Gone as soon as the store is.
    life: Weak<()>,
    /// Held by each end, so that it is known when the last is closed.
    _held: Option<held::Sender<Infallible>>,
}

/// What may be in a stream or a future.
trait Payload: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static {}

impl<T: ComponentType + Lift + Lower + Send + Sync + Unpin + 'static> Payload for T {}

/// Reads what is written to a stream, for the other store.
struct Outlet<T> {
    pieces: mpsc::Sender<Vec<T>>,
    is_broken: Arc<AtomicBool>,
    side: Side,
}

/// Writes to a stream what comes from the other store.
struct Inlet<T> {
    pieces: mpsc::Receiver<Vec<T>>,
    is_broken: Arc<AtomicBool>,
    _side: Side,
}

/// Reads what is written to a future, for the other store.
struct FutureOutlet<T> {
    value: Option<oneshot::Sender<T>>,
    _side: Side,
}

/// The other component ended before it had written all.
#[derive(Debug, thiserror::Error)]
#[error("the component at the other end of a stream or future ended before it had written all")]
struct BrokenOff;

/// The types of what may cross, by the names that they have here; [`is_known`] says the same of a [`Type`].
macro_rules! for_each_payload {
    ($do_one:ident) => {
        $do_one!(u8, (), bool, i8, u16, i16, u32, i32, u64, i64, f32, f64, char, String, Vec<u8>, Vec<String>)
    };
}

/// Whether streams or futures are among what a function takes and gives; why they cannot cross.
pub(crate) fn has_ends(function: &ComponentFunc) -> Result<bool, String> {
    let mut ends = Vec::new();
    function.params().for_each(|(_, ty)| gather_ends(&ty, &mut ends));
    function.results().for_each(|ty| gather_ends(&ty, &mut ends));
    match ends.iter().find(|payload| !is_known(payload.as_ref())) {
        Some(_) => Err("has streams or futures of composed values, which do not pass between two components".into()),
        None => Ok(!ends.is_empty()),
    }
}

fn is_known(payload: Option<&Type>) -> bool {
    match payload {
        None => true,
        Some(Type::List(list)) => matches!(list.ty(), Type::U8 | Type::String),
        Some(Type::Bool | Type::Char | Type::String | Type::Float32 | Type::Float64) => true,
        Some(Type::S8 | Type::S16 | Type::S32 | Type::S64 | Type::U8 | Type::U16 | Type::U32 | Type::U64) => true,
        Some(_) => false,
    }
}

/// Adds what is in each stream and future of a type.
fn gather_ends(ty: &Type, ends: &mut Vec<Option<Type>>) {
    let mut option = |ty: Option<Type>| ty.iter().for_each(|ty| gather_ends(ty, ends));
    match ty {
        Type::Stream(stream) => ends.push(stream.ty()),
        Type::Future(future) => ends.push(future.ty()),
        Type::List(list) => option(Some(list.ty())),
        Type::Option(inner) => option(Some(inner.ty())),
        Type::Result(result) => [result.ok(), result.err()].into_iter().for_each(option),
        Type::Tuple(tuple) => tuple.types().map(Some).for_each(option),
        Type::Record(record) => record.fields().for_each(|field| option(Some(field.ty))),
        Type::Variant(variant) => variant.cases().for_each(|case| option(case.ty)),
        _ => {}
    }
}

// === impl Cargo ===

impl Cargo {
    /// Takes the ends out of a caller's values.
    pub(crate) fn take_from_caller(values: &[Val], mut store: StoreContextMut<'_, State>) -> wasmtime::Result<Self> {
        let side = Side { life: session::life(&mut store), _held: None };
        Self::take(values, store, &side)
    }

    /// Gives a caller the values, with ends of its own.
    pub(crate) fn give_to_caller(
        self,
        results: &mut [Val],
        mut store: StoreContextMut<'_, State>,
    ) -> wasmtime::Result<()> {
        let side = Side { life: session::life(&mut store), _held: None };
        for (place, value) in results.iter_mut().zip(self.land(store, &side)?) {
            *place = value;
        }
        Ok(())
    }

    fn take(values: &[Val], mut store: StoreContextMut<'_, State>, side: &Side) -> wasmtime::Result<Self> {
        let mut landings = Vec::new();
        for value in values {
            replace(value, &mut |leaf| {
                match leaf {
                    Val::Stream(end) => landings.push(take_stream(end, &mut store, side)?),
                    Val::Future(end) => landings.push(take_future(end, &mut store, side)?),
                    _ => {}
                }
                Ok(None)
            })?;
        }
        Ok(Self { values: values.to_vec(), landings })
    }

    fn land(self, mut store: StoreContextMut<'_, State>, side: &Side) -> wasmtime::Result<Vec<Val>> {
        let mut landings = self.landings.into_iter();
        let values = self.values.iter().map(|value| {
            replace(value, &mut |leaf| match leaf {
                Val::Stream(_) | Val::Future(_) => {
                    let land = landings.next().expect("each end was taken");
                    land(store.as_context_mut(), side).map(Some)
                }
                _ => Ok(None),
            })
        });
        values.collect()
    }
}

fn take_stream(end: &StreamAny, store: &mut StoreContextMut<'_, State>, side: &Side) -> wasmtime::Result<Landing> {
    macro_rules! take {
        ($($payload:ty),*) => {
            $(if let Ok(reader) = end.clone().try_into_stream_reader::<$payload>() {
                return Outlet::attach(reader, store, side);
            })*
        };
    }
    for_each_payload!(take);
    wasmtime::bail!("a stream of such values does not pass between two components")
}

fn take_future(end: &FutureAny, store: &mut StoreContextMut<'_, State>, side: &Side) -> wasmtime::Result<Landing> {
    macro_rules! take {
        ($($payload:ty),*) => {
            $(if let Ok(reader) = end.clone().try_into_future_reader::<$payload>() {
                return FutureOutlet::attach(reader, store, side);
            })*
        };
    }
    for_each_payload!(take);
    wasmtime::bail!("a future of such a value does not pass between two components")
}

// === impl Outlet ===

impl<T: Payload> Outlet<T> {
    fn attach(
        reader: StreamReader<T>,
        store: &mut StoreContextMut<'_, State>,
        side: &Side,
    ) -> wasmtime::Result<Landing> {
        let (sender, receiver) = mpsc::channel(0);
        let is_broken = Arc::<AtomicBool>::default();
        let outlet = Self { pieces: sender, is_broken: is_broken.clone(), side: side.clone() };
        reader.pipe(store.as_context_mut(), outlet)?;
        Ok(Box::new(move |mut store, side| {
            let inlet = Inlet { pieces: receiver, is_broken, _side: side.clone() };
            let reader = StreamReader::new(store.as_context_mut(), inlet)?;
            reader.try_into_stream_any(store).map(Val::Stream)
        }))
    }
}

impl<T: Payload> StreamConsumer<State> for Outlet<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.pieces.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            // Nobody reads it any more.
            Poll::Ready(Err(_gone)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut piece = Vec::with_capacity(source.remaining(&mut store).min(PIECE_MAX));
        source.read(store, &mut piece)?;
        if piece.is_empty() || self.pieces.try_send(piece).is_ok() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<T> Drop for Outlet<T> {
    /// A store lets go of what its component is first: an end that outlives that was not closed by the component.
    fn drop(&mut self) {
        if self.side.life.strong_count() == 0 {
            self.is_broken.store(true, Ordering::Release);
        }
    }
}

// === impl Inlet ===

impl<T: Payload> StreamProducer<State> for Inlet<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        mut destination: Destination<'_, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match Pin::new(&mut self.pieces).poll_next(cx) {
            Poll::Ready(Some(piece)) => {
                destination.set_buffer(piece.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) if self.is_broken.load(Ordering::Acquire) => Poll::Ready(Err(BrokenOff.into())),
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

// === impl FutureOutlet ===

impl<T: Payload> FutureOutlet<T> {
    fn attach(
        reader: FutureReader<T>,
        store: &mut StoreContextMut<'_, State>,
        side: &Side,
    ) -> wasmtime::Result<Landing> {
        let (sender, receiver) = oneshot::channel();
        reader.pipe(store.as_context_mut(), Self { value: Some(sender), _side: side.clone() })?;
        Ok(Box::new(move |mut store, side| {
            let side = side.clone();
            let value = async move {
                let _side = side;
                receiver.await.map_err(|_gone| BrokenOff)
            };
            let reader = FutureReader::new(store.as_context_mut(), value)?;
            reader.try_into_future_any(store).map(Val::Future)
        }))
    }
}

impl<T: Payload> FutureConsumer<State> for FutureOutlet<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(sender)) = (value, self.value.take()) {
            // Where nobody waits for it any more, it is not needed.
            drop(sender.send(value));
        }
        Poll::Ready(Ok(()))
    }
}

/// A call whose values have ends in them.
struct Exchange {
    slot: Arc<Slot>,
    function: Arc<FunctionName>,
    caller: Caller,
    /// How many values the function gives.
    results: usize,
}

/// Where the answer of a call goes.
type Answer = oneshot::Sender<wasmtime::Result<Cargo>>;

/// Calls a function whose values have ends in them. The callee works on after its answer: see the head of this module.
pub(crate) async fn call(
    slot: &Arc<Slot>,
    mut call: Call<'_>,
    cargo: Cargo,
    results: usize,
) -> wasmtime::Result<Cargo> {
    let callee = slot.callee(&mut call.caller)?;
    let exchange = Exchange { slot: slot.clone(), function: call.function.clone(), caller: call.caller, results };
    let (answer, answered) = oneshot::channel();
    callee.work(exchange.run(callee.clone(), cargo, answer));
    answered.await.unwrap_or_else(|_ended| Err(CallError::Gone(slot.name().clone()).into()))
}

// === impl Exchange ===

impl Exchange {
    async fn run(self, callee: Arc<Callee>, cargo: Cargo, answer: Answer) {
        let mut answer = Some(answer);
        let Err(error) = self.try_run(&callee, cargo, &mut answer).await else { return };
        match answer {
            // Where the caller has gone, nobody wants to know.
            Some(answer) => drop(answer.send(Err(error))),
            None => tracing::warn!(
                component = %self.slot.name(),
                "failed while what it had answered was still being read: {error:#}"
            ),
        }
    }

    async fn try_run(&self, callee: &Callee, cargo: Cargo, answer: &mut Option<Answer>) -> wasmtime::Result<()> {
        let call = Call { function: &self.function, caller: self.caller.clone() };
        let _place = self.slot.place(callee)?;
        let taken = callee.take(&self.caller).await;
        let mut called = taken.map_err(|failure| self.slot.failed(failure, &self.caller))?;
        let work = called.run_concurrent(callee, &self.function, async |accessor: &Accessor<State>, function: Func| {
            self.talk((accessor, function), cargo, answer).await
        });
        match rt::within(Some(callee.time_left(&self.caller)), work).await {
            Ok(done) => done.map_err(|ended| self.slot.error(ended, &call))?,
            Err(_late) => return Err(self.slot.failed(engine::Failure::OutOfTime, &self.caller)),
        }
        callee.put_back(called);
        Ok(())
    }

    /// Calls, answers, and waits until the callee has closed all ends in its store.
    async fn talk(
        &self,
        (accessor, function): (&Accessor<State>, Func),
        cargo: Cargo,
        answer: &mut Option<Answer>,
    ) -> wasmtime::Result<()> {
        let (held, mut closed) = held::channel(1);
        let side =
            accessor.with(|mut access| Side { life: session::life(&mut access.as_context_mut()), _held: Some(held) });
        let params = accessor.with(|mut access| cargo.land(access.as_context_mut(), &side))?;
        let mut results = vec![Val::Bool(false); self.results];
        let Some(caller) = answer else { return Ok(()) };
        tokio::select! {
            done = function.call_concurrent(accessor, &params, &mut results) => done?,
            () = caller.closed() => return Err(CallError::Gone(self.slot.name().clone()).into()),
        }
        let cargo = accessor.with(|mut access| Cargo::take(&results, access.as_context_mut(), &side))?;
        drop(side);
        if let Some(answer) = answer.take() {
            // Without a caller its ends are closed, and so will be those here.
            drop(answer.send(Ok(cargo)));
        }
        closed.recv().await;
        Ok(())
    }
}
