//! This is the coarse clock of the data plane.
//!
//! Reading it costs a load, so a deadline can be set and checked for each request without a timer. While nothing is busy the
//! clock naps: an idle host does not wake a thousand times a second. Whoever starts work calls [`Ticker::wake`] first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a tick is: the slice that a busy component runs before others get their turn.
pub const TICK: Duration = Duration::from_millis(1);

const NAP: Duration = Duration::from_millis(250);
const IDLE_TICKS_BEFORE_NAP: u32 = 1_000;

/// Ticks since the process started. Also a point in time that a deadline can lie at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static NOW: AtomicU64 = AtomicU64::new(0);
static IS_NAPPING: AtomicBool = AtomicBool::new(false);
static THREAD: OnceLock<Thread> = OnceLock::new();

/// Whether there is anything that needs a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Something runs or waits with a deadline.
    Busy,
    /// Nothing does.
    Idle,
}

/// A thread that counts ticks, and tells whoever wants to know.
#[derive(Debug)]
pub struct Ticker {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// === impl Tick ===

impl Tick {
    /// The start of the process.
    pub const ZERO: Tick = Tick(0);

    /// A deadline that never comes.
    pub const NEVER: Tick = Tick(u64::MAX);

    /// The current tick. Costs a load; up to a quarter of a second old where [`Ticker::wake`] was not called before.
    pub fn now() -> Self {
        Self(NOW.load(Ordering::Relaxed))
    }

    /// The first tick by which `duration` has passed since this one.
    pub fn after(self, duration: Duration) -> Self {
        let ticks = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ticks).saturating_add(1))
    }

    /// The time from `earlier` to this tick, zero where it is later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

// === impl Ticker ===

impl Ticker {
    /// Starts counting, calling `on_tick` after each tick. There is one ticker in a process.
    ///
    /// After a delay the count catches up at once, so that deadlines hold in real time on a machine that is overloaded.
    pub fn spawn(mut on_tick: impl FnMut() -> Activity + Send + 'static) -> std::io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = is_stopped.clone();
        count();
        let run = move || {
            THREAD.get_or_init(std::thread::current);
            let mut idle = 0;
            while !stop.load(Ordering::Relaxed) {
                let is_napping = idle > IDLE_TICKS_BEFORE_NAP;
                IS_NAPPING.store(is_napping, Ordering::Relaxed);
                std::thread::park_timeout(if is_napping { NAP } else { TICK });
                count();
                let is_woken = is_napping && !IS_NAPPING.load(Ordering::Relaxed);
                idle = if on_tick() == Activity::Busy || is_woken { 0 } else { idle.saturating_add(1) };
            }
        };
        let thread = std::thread::Builder::new().name("ticker".into()).spawn(run)?;
        Ok(Self { is_stopped, thread: Some(thread) })
    }

    /// Makes [`Tick::now`] current and lets the ticker tick. Costs a load where it does already.
    pub fn wake() {
        if IS_NAPPING.load(Ordering::Relaxed) && IS_NAPPING.swap(false, Ordering::Relaxed) {
            count();
            THREAD.get().into_iter().for_each(Thread::unpark);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A ticker that panicked has nothing left to stop.
            drop(thread.join());
        }
    }
}

fn count() {
    let passed = u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(u64::MAX);
    NOW.fetch_max(passed, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early() {
        let start = Tick(10);
        assert_eq!(start.after(Duration::from_millis(5)), Tick(16));
        assert_eq!(start.after(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick(16).since(start), Duration::from_millis(6));
        assert_eq!(start.since(Tick(16)), Duration::ZERO);
    }

    #[test]
    fn a_ticker_ticks_until_it_is_dropped() {
        let (told, tells) = std::sync::mpsc::channel();
        let on_tick = move || told.send(Tick::now()).map_or(Activity::Idle, |()| Activity::Busy);
        let ticker = Ticker::spawn(on_tick).expect("a thread");
        let first = tells.recv().expect("a tick");
        while tells.recv().expect("a tick") <= first {}
        drop(ticker);
        while tells.recv().is_ok() {}
    }
}
