//! An answer in one message, for those who take it so: where it is there soon, the protocol says in five messages what two say.
//!
//! ```text
//! call        wattle-brief-ms: N    the answer may come in place of "heard", within so many milliseconds
//! Rc.brief    to who calls          this is it, all of it
//! ```
//!
//! Strangers know nothing of it: they are asked with a header that they do not read, and answered as ever.
//!
//! # Invariants
//!
//! 1. Whoever has to wait for his answer is told that he was heard, as ever: after [`HEARD_AFTER`], or when the answer turns out to
//!    need more than one message.
//! 2. He is told one thing or the other, whichever of the two comes first: see [`Unheard::claim`].

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bus::{Headers, Subject};
use tokio::time::{Instant, Sleep, sleep_until};

/// Our own: the milliseconds that are left, said by who takes an answer in one message.
pub(crate) const TIME: &str = "wattle-brief-ms";

/// What is below the subject of an invocation where its answer comes in one message.
pub(crate) const ANSWER: &str = ".brief";

/// When an answer is not there after so long, its caller is told that he was heard. Well before he takes silence for a fault: see
/// [`Limits::accept_soon`](crate::Limits::accept_soon).
const HEARD_AFTER: Duration = Duration::from_millis(75);

/// That a caller was not told anything yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unheard {
    is_told: Arc<AtomicBool>,
}

/// Callers who are told that they were heard if they have to wait, in the order in which they called.
#[derive(Default)]
pub(crate) struct Patient {
    callers: VecDeque<(Instant, Subject, Unheard)>,
    /// Until the first of them has waited for long; nothing while that is not being watched.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Whether the headers of a call say that the answer may be one message.
pub(crate) fn is_marked(headers: &Headers) -> bool {
    headers.get(TIME).is_some()
}

// === impl Unheard ===

impl Unheard {
    fn was_claimed(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// Takes it upon itself to tell the caller something, where nobody else has.
    pub(crate) fn claim(&self) -> bool {
        !self.is_told.swap(true, Ordering::AcqRel)
    }
}

// === impl Patient ===

impl Patient {
    /// Another one has called.
    pub(crate) fn add(&mut self, caller: &Subject) -> Unheard {
        let unheard = Unheard::default();
        self.callers.push_back((Instant::now() + HEARD_AFTER, caller.clone(), unheard.clone()));
        unheard
    }

    /// The next who has waited for long and was not told anything: that is to be done now.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Subject> {
        loop {
            // Most are answered at once. An alarm for each of them would wake this thread once a call.
            while self.callers.pop_front_if(|(_, _, unheard)| unheard.was_claimed()).is_some() {}
            let Some((due, ..)) = self.callers.front() else {
                return Poll::Pending;
            };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(*due)));
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
            while let Some((_, subject, unheard)) = self.callers.pop_front_if(|(due, ..)| *due <= Instant::now()) {
                if unheard.claim() {
                    return Poll::Ready(subject);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use futures::FutureExt;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn subject(text: &str) -> Subject {
        text.parse().expect("a subject")
    }

    async fn due(patient: &mut Patient) -> Option<String> {
        let due = std::future::poll_fn(|cx| patient.poll_due(cx));
        due.now_or_never().map(|subject| subject.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_long_is_told_once() {
        let mut patient = Patient::default();
        let first = patient.add(&subject("a"));
        let second = patient.add(&subject("b"));
        tokio::time::advance(HEARD_AFTER / 2).await;
        let third = patient.add(&subject("c"));
        assert_eq!(due(&mut patient).await, None);
        assert!(first.claim() && !first.claim(), "it was answered");
        tokio::time::advance(HEARD_AFTER / 2 + Duration::from_millis(1)).await;
        assert_eq!(due(&mut patient).await.as_deref(), Some("b"));
        assert!(!second.claim(), "it was told");
        assert_eq!(due(&mut patient).await, None);
        tokio::time::advance(HEARD_AFTER).await;
        assert_eq!(due(&mut patient).await.as_deref(), Some("c"));
        assert_eq!(due(&mut patient).await, None);
        assert!(!third.claim());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_wakes_who_watches() {
        let mut patient = Patient::default();
        let unheard = patient.add(&subject("a"));
        let told = std::future::poll_fn(|cx| patient.poll_due(cx)).await;
        assert_eq!((told.as_str(), unheard.claim()), ("a", false));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_answered_at_once_wakes_nobody() {
        let (mut patient, wakes) = (Patient::default(), Arc::new(Wakes::default()));
        let waker = Waker::from(wakes.clone());
        for _ in 0..1_000 {
            let unheard = patient.add(&subject("a"));
            let mut cx = Context::from_waker(&waker);
            assert!(patient.poll_due(&mut cx).is_pending());
            assert!(unheard.claim());
            tokio::time::advance(Duration::from_micros(200)).await;
            tokio::task::yield_now().await;
        }
        let woken = wakes.0.load(Ordering::Relaxed);
        assert!(woken <= 3, "a fifth of a second has room for three alarms, and there were {woken}");
    }

    #[test]
    fn a_mark_is_read() {
        let marked = |name| is_marked(&Headers::of([("source-id", "shop"), (name, "1500")]).expect("headers"));
        assert!(marked(TIME) && !marked(crate::origin::REMAINING));
    }
}
