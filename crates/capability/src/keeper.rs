//! This is a component that keeps something for others, such as objects or keys, and is asked for it.
//!
//! ```text
//! Keeper::ask ─▶ Calls::call ─▶ an instance for it alone ─▶ Instance: its exports, one after the other
//! ```
//!
//! # Invariants
//!
//! 1. What is asked is one invocation, however many functions are called for it: handles that they give are good until it ends.
//! 2. What the component says of why it has not done something is told apart from that it failed.
//! 3. It has no more time than whoever asks waits, of which the wait for a place is a part.
//!
//! # Not here
//!
//! What it is asked, and by which contract: those are the capabilities'.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::State;
use futures::future::BoxFuture;
use model::ComponentName;
use rt::Tick;
use stdx::{BoxError, Trace};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, ResourceAny};

use crate::cause::Cause;
use crate::duty::{Callable, Calls, Job, Seat};

/// A component that keeps something for others, as it is asked for some cause.
#[derive(Clone)]
pub struct Keeper {
    name: ComponentName,
    exports: Arc<dyn Calls>,
    cause: Cause,
}

/// Why a component has not done what it was asked.
#[derive(Debug)]
pub enum Trouble<W, E = BoxError> {
    /// It says so, in words of its own.
    Said(W),
    /// It failed.
    Failed(E),
}

/// What an instance answers, or says in words of its contract.
pub type Said<T, W> = Result<T, Trouble<W, wasmtime::Error>>;

/// An instance of a component while something is asked of it.
pub struct Instance<'a> {
    store: &'a mut Store<State>,
    functions: &'a [Func],
}

/// Something that an instance is asked for, and what it answers.
struct Question<F, T, W> {
    ask: Option<F>,
    answer: Option<Result<T, W>>,
    cause: Cause,
}

// === impl Keeper ===

impl Keeper {
    /// The component, which is asked by these of its exports, for no cause that anybody said.
    pub fn new(component: &dyn Callable, exports: Arc<dyn Calls>) -> Self {
        Self { name: component.name().clone(), exports, cause: Cause::default() }
    }

    /// The same as it is asked for this.
    pub fn within(&self, cause: Cause) -> Self {
        Self { cause, ..self.clone() }
    }

    /// What it is called.
    pub fn name(&self) -> &ComponentName {
        &self.name
    }

    /// How long one invocation may take that begins now.
    pub fn time(&self) -> Duration {
        self.exports.time().min(self.cause.time())
    }

    /// Waits for a place among its invocations. Nothing is lost where the waiting is given up.
    pub async fn place(&self) -> Seat {
        self.exports.place().await
    }

    /// Asks an instance, which is made for it, for something, as soon as there is a place.
    pub async fn ask<F, T, W>(&self, ask: F) -> Result<T, Trouble<W>>
    where
        F: for<'a> FnOnce(Instance<'a>) -> BoxFuture<'a, Said<T, W>> + Send,
        T: Send,
        W: Send,
    {
        let seat = self.place().await;
        self.ask_at(seat, ask).await
    }

    /// The same at a place that was waited for.
    pub async fn ask_at<F, T, W>(&self, seat: Seat, ask: F) -> Result<T, Trouble<W>>
    where
        F: for<'a> FnOnce(Instance<'a>) -> BoxFuture<'a, Said<T, W>> + Send,
        T: Send,
        W: Send,
    {
        let mut question = Question { ask: Some(ask), answer: None, cause: self.cause.clone() };
        if let Err(error) = self.exports.call(seat, None, &mut question).await {
            return Err(Trouble::Failed(error.into()));
        }
        let answer = question.answer.expect("a call that ended well was answered, see Question::run");
        answer.map_err(Trouble::Said)
    }
}

// === impl Question ===

#[async_trait]
impl<F, T, W> Job for Question<F, T, W>
where
    F: for<'a> FnOnce(Instance<'a>) -> BoxFuture<'a, Said<T, W>> + Send,
    T: Send,
    W: Send,
{
    async fn run(&mut self, store: &mut Store<State>, functions: &[Func]) -> wasmtime::Result<()> {
        // A job is run once: where it were run again, there would be nothing to ask.
        let ask = self.ask.take().ok_or_else(|| wasmtime::Error::msg("it was asked already"))?;
        self.answer = Some(match ask(Instance { store, functions }).await {
            Ok(answer) => Ok(answer),
            Err(Trouble::Said(words)) => Err(words),
            Err(Trouble::Failed(error)) => return Err(error),
        });
        Ok(())
    }

    fn trace(&self) -> Option<Trace> {
        self.cause.trace.clone()
    }

    fn depth(&self) -> u16 {
        self.cause.depth
    }

    fn deadline(&self) -> Tick {
        self.cause.deadline
    }
}

// === impl Instance ===

impl Instance<'_> {
    /// What the host keeps for it.
    pub fn store(&mut self) -> &mut Store<State> {
        self.store
    }

    /// Whether the function of that number is among those that it is asked by.
    pub fn has(&self, function: usize) -> bool {
        function < self.functions.len()
    }

    /// Asks the function of that number for something that it may refuse.
    pub async fn ask<P, T, W>(&mut self, function: usize, params: P) -> Said<T, W>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        T: Lift + Send + Sync + 'static,
        W: Lift + Send + Sync + 'static,
    {
        let (answer,) = self.call::<P, (Result<T, W>,)>(function, params).await?;
        answer.map_err(Trouble::Said)
    }

    /// Calls the function of that number.
    pub async fn call<P, R>(&mut self, function: usize, params: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self.functions.get(function);
        let function = function.ok_or_else(|| wasmtime::Error::msg("it does not export what is to be called"))?;
        let function = function.typed::<P, R>(&*self.store)?;
        function.call_async(&mut *self.store, params).await
    }

    /// Lets go of something when it is known what came of it, unless the instance failed: then it ends, with all that it holds.
    pub async fn close<T, W>(&mut self, handle: ResourceAny, outcome: Said<T, W>) -> Said<T, W> {
        if !matches!(outcome, Err(Trouble::Failed(_))) {
            handle.resource_drop_async(&mut *self.store).await?;
        }
        outcome
    }
}

// === impl Trouble ===

impl<W> From<wasmtime::Error> for Trouble<W, wasmtime::Error> {
    fn from(error: wasmtime::Error) -> Self {
        Self::Failed(error)
    }
}
