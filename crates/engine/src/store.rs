//! Makes the store of an instance: the place where its limits take hold.
//!
//! # Invariants
//!
//! 1. A store made here ends what runs in it once its deadline has passed, and lets others run at every tick before that.
//! 2. A store is only entered asynchronously: a busy component gives way by suspending itself.

use rt::{Tick, Ticker};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::meter::{Meter, Refused};

/// The host's side of an instance, as far as its limits go.
pub trait Metered: Send + 'static {
    /// What it used and may use.
    fn meter(&mut self) -> &mut Meter;

    /// When the current invocation is stopped.
    fn deadline(&mut self) -> &mut Tick;
}

/// The trap of an invocation that ran past its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it ran past its deadline")]
pub struct OutOfTime;

/// Why an instance ended before its work did, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It ran past its deadline.
    OutOfTime,
    /// It asked for more memory than it may have, and then gave up.
    OutOfMemory(Refused),
    /// It called `exit` with this code.
    Exit(i32),
    /// It trapped.
    Trap(String),
    /// There are as many instances as there may be.
    Full,
}

/// A store with all limits of `state` set.
pub fn new_store<T: Metered>(engine: &Engine, mut state: T) -> Store<T> {
    let limits = state.meter().limits();
    let (hostcall_bytes, handles) = (limits.hostcall_bytes.as_usize(), limits.handles);
    let mut store = Store::new(engine, state);
    store.limiter(|state| state.meter());
    store.set_hostcall_fuel(hostcall_bytes);
    store.set_max_component_handles(handles);
    // The deadline of the invocation that was interrupted last, which tells it from the next one.
    let mut interrupted = Tick::ZERO;
    store.epoch_deadline_callback(move |mut store| {
        let deadline = *store.data_mut().deadline();
        if Tick::now() >= deadline {
            return Err(OutOfTime.into());
        }
        // Most that a tick comes by for would be over at once. Who is still there at the next one takes time from others.
        if std::mem::replace(&mut interrupted, deadline) == deadline {
            Ticker::hurry();
        }
        // The runtime looks for new I/O before it comes back to this task.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Starts the clock of an invocation: from now on the store's epoch counts, and `deadline` ends it.
pub fn start_clock<T: Metered>(store: &mut Store<T>, deadline: Tick) {
    store.set_epoch_deadline(1);
    *store.data_mut().deadline() = deadline;
}

// === impl Failure ===

impl Failure {
    /// What `error` means, given what the instance's meter saw.
    pub fn of(error: &wasmtime::Error, refused: Option<Refused>) -> Self {
        if error.is::<OutOfTime>() {
            return Self::OutOfTime;
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::Full;
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Exit(exit.0);
        }
        match refused {
            Some(refused) => Self::OutOfMemory(refused),
            None => Self::Trap(trap_text(error)),
        }
    }
}

/// The trap first, then the frames that it came through: one line each, the innermost first.
fn trap_text(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    match error.downcast_ref::<wasmtime::WasmBacktrace>() {
        Some(backtrace) => {
            let frames = backtrace.frames().iter().take(8).map(|frame| {
                let name = frame
                    .func_name()
                    .map(ToOwned::to_owned)
                    .unwrap_or_else(|| format!("function {}", frame.func_index()));
                format!("\n    in {name}")
            });
            frames.fold(cause, |text, frame| text + &frame)
        }
        None => cause,
    }
}
