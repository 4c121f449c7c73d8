//! This is the coarse clock of the data plane.
//!
//! Reading it costs a load, so a deadline can be set and checked for each request without a timer. A thread that wakes a thousand
//! times a second is not for free either, so how often the clock ticks is what there is to interrupt:
//!
//! | what runs | a tick each |
//! | --- | --- |
//! | nothing, for a second: whoever starts work calls [`Ticker::wake`] first | [`NAP`] |
//! | what is over before two ticks come by | [`STRIDE`] |
//! | something longer, which says so with [`Ticker::hurry`] | [`TICK`] |

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// What ticks are counted in, and the slice that a component which runs for long has before others get their turn.
pub const TICK: Duration = Duration::from_millis(1);

/// How long the clock stands still at most while something runs. Where it is read it may be so much behind, and so much later a
/// deadline is looked at.
pub const STRIDE: Duration = Duration::from_millis(4);

const NAP: Duration = Duration::from_millis(250);

/// Nothing ran for so long: then the clock naps.
const IDLE_BEFORE_NAP: Duration = Duration::from_secs(1);

/// After something has run for long, ticks come fast for so long.
const HURRY: Duration = Duration::from_millis(100);

/// Ticks since the process started. Also a point in time that a deadline can lie at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static NOW: AtomicU64 = AtomicU64::new(0);
static IS_NAPPING: AtomicBool = AtomicBool::new(false);
static IS_HURRIED: AtomicBool = AtomicBool::new(false);
static THREAD: OnceLock<Thread> = OnceLock::new();

/// Whether there is anything that needs a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Something runs or waits with a deadline.
    Busy,
    /// Nothing does.
    Idle,
}

/// How fast the clock goes, by what it saw.
#[derive(Debug, Default)]
struct Pace {
    /// For how long nothing ran.
    idle: Duration,
    /// For how long ticks are to come fast.
    hurry: Duration,
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

    /// A tick by which `duration` has passed since this one was read, though the clock was behind.
    pub fn after(self, duration: Duration) -> Self {
        let ticks = u64::try_from(duration.saturating_add(STRIDE).as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ticks))
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
            let mut pace = Pace::default();
            while !stop.load(Ordering::Relaxed) {
                let pause = pace.pause();
                let is_napping = pause == NAP;
                IS_NAPPING.store(is_napping, Ordering::Relaxed);
                std::thread::park_timeout(pause);
                count();
                let is_woken = is_napping && !IS_NAPPING.load(Ordering::Relaxed);
                let is_busy = on_tick() == Activity::Busy || is_woken;
                pace.pass(pause, (is_busy, IS_HURRIED.swap(false, Ordering::Relaxed)));
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

    /// Says that something runs that a second tick came by for: others want their turn. Costs a store.
    pub fn hurry() {
        IS_HURRIED.store(true, Ordering::Relaxed);
    }
}

// === impl Pace ===

impl Pace {
    /// How long nothing needs a tick.
    fn pause(&self) -> Duration {
        match self {
            _ if !self.hurry.is_zero() => TICK,
            _ if self.idle > IDLE_BEFORE_NAP => NAP,
            _ => STRIDE,
        }
    }

    /// So much time has passed, with something that ran or not, and with a word of something that runs for long.
    fn pass(&mut self, time: Duration, (is_busy, is_hurried): (bool, bool)) {
        self.idle = if is_busy { Duration::ZERO } else { self.idle + time };
        self.hurry = if is_hurried { HURRY } else { self.hurry.saturating_sub(time) };
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
        assert_eq!(start.after(Duration::from_millis(5)), Tick(19));
        assert_eq!(start.after(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick(16).since(start), Duration::from_millis(6));
        assert_eq!(start.since(Tick(16)), Duration::ZERO);
    }

    /// Whenever the clock is read, and whenever it ticks next. Method: it ticks once a stride, and time passes in microseconds.
    #[test]
    fn a_deadline_is_never_early_though_the_clock_was_behind() {
        let stride = STRIDE.as_micros() as u64;
        let clock = |at: u64| Tick(at / stride * stride / 1_000);
        for begun in (100_000..100_000 + stride).step_by(250) {
            for time in [0, 1, 3, 4, 5, 30] {
                let deadline = clock(begun).after(Duration::from_millis(time));
                let met = (begun..).find(|at| clock(*at) >= deadline).expect("time goes on");
                let took = Duration::from_micros(met - begun);
                let time = Duration::from_millis(time);
                assert!(took >= time && took <= time + 2 * STRIDE, "{took:?} for {time:?}, begun at {begun}");
            }
        }
    }

    #[test]
    fn ticks_come_as_fast_as_there_is_something_to_interrupt() {
        let mut pace = Pace::default();
        let mut pauses = |times: u128, seen| {
            let mut pauses = Vec::new();
            for _ in 0..times {
                pauses.push(pace.pause());
                pace.pass(pace.pause(), seen);
            }
            pauses.dedup();
            pauses
        };
        assert_eq!(pauses(1_000, (true, false)), [STRIDE]);
        assert_eq!(pauses(10, (true, true)), [STRIDE, TICK]);
        // As long as it is said, and a while after that.
        assert_eq!(pauses(HURRY.as_millis(), (true, false)), [TICK]);
        assert_eq!(pauses(1, (true, false)), [STRIDE]);
        let idle = IDLE_BEFORE_NAP.as_millis() / STRIDE.as_millis() + 1;
        assert_eq!(pauses(idle, (false, false)), [STRIDE]);
        assert_eq!(pauses(10, (false, false)), [NAP]);
        assert_eq!(pauses(10, (true, false)), [NAP, STRIDE]);
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
