//! Tasks that have an owner: the one door to the async runtime.
//!
//! The data plane is one thread a core, each with a runtime of its own, so that a request is read, run and answered on one
//! thread. The control plane is an ordinary runtime beside it. What they share is the tick: a coarse clock that deadlines are
//! measured with, because a timer for each request costs more than the request's own bookkeeping.
//!
//! # Invariants
//!
//! 1. Every thread and task started here is owned by a value whose end ends it.
//! 2. A tick is [`TICK`] long; a deadline is met at most twice [`STRIDE`] late, never early.

mod cores;
mod lanes;
mod local;
mod task;
mod ticker;
mod within;

pub use cores::{Cores, cores_available, this_core};
pub use lanes::Lanes;
pub use local::LocalTasks;
pub use task::Task;
pub use ticker::{Activity, STRIDE, TICK, Tick, Ticker};
pub use within::{Late, within};
