//! This is an invocation that goes on while bytes flow.
//!
//! # Invariants
//!
//! 1. It goes on only while somebody waits for what it brings about or uses it, and ends when it is dropped.
//! 2. Giving up the wait loses nothing of it.
//! 3. Whoever waits for others meanwhile waits [`beside`](Invocation::beside) it: else they would have more time than it has.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Trouble;

/// An invocation of a component.
pub(super) struct Invocation {
    /// Nothing once it has ended.
    work: Option<BoxFuture<'static, Outcome>>,
    /// Until somebody has asked for it.
    outcome: Option<Outcome>,
}

/// How it ended.
type Outcome = Result<(), Trouble>;

// === impl Invocation ===

impl Invocation {
    /// One that does this.
    pub(super) fn new(work: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self { work: Some(work.boxed()), outcome: None }
    }

    /// Waits for something that it brings about; nothing where that does not come any more.
    pub(super) async fn bring<T>(&mut self, wanted: impl Future<Output = Option<T>>) -> Option<T> {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(come) = wanted.as_mut().poll(cx) {
                    return Poll::Ready(come);
                }
                let Some(work) = &mut self.work else { return Poll::Ready(None) };
                let outcome = ready!(work.as_mut().poll(cx));
                (self.work, self.outcome) = (None, Some(outcome));
            }
        })
        .await
    }

    /// Waits for somebody else while it goes on, as far as it can; nothing where it ends in an error meanwhile.
    pub(super) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        let mut other = pin!(other);
        poll_fn(|cx| {
            if let Poll::Ready(come) = other.as_mut().poll(cx) {
                return Poll::Ready(Some(come));
            }
            if let Some(work) = &mut self.work
                && let Poll::Ready(outcome) = work.as_mut().poll(cx)
            {
                (self.work, self.outcome) = (None, Some(outcome));
            }
            if matches!(self.outcome, Some(Err(_))) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Waits until it has ended, and says how, once.
    pub(super) async fn end(&mut self) -> Outcome {
        if let Some(work) = &mut self.work {
            let outcome = work.await;
            self.work = None;
            return outcome;
        }
        self.outcome.take().unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use capability::conformance::run;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[test]
    fn what_it_brings_comes_while_it_is_waited_for_and_then_how_it_ended() {
        run(async {
            let (tell, mut told) = mpsc::channel(1);
            let mut invocation = Invocation::new(async move {
                for number in 0..3 {
                    tell.send(number).await.expect("somebody waits");
                }
                Err(Trouble::Said("no more".into()))
            });
            assert!(told.try_recv().is_err(), "nobody has waited yet");
            for number in 0..3 {
                assert_eq!(invocation.bring(told.recv()).await, Some(number));
            }
            assert_eq!(invocation.bring(told.recv()).await, None);
            assert!(matches!(invocation.end().await, Err(Trouble::Said(words)) if words == "no more"));
            assert!(invocation.end().await.is_ok(), "it is said once");
        });
    }

    #[test]
    fn it_goes_on_while_others_are_waited_for_and_they_are_not_where_it_fails() {
        run(async {
            let (tell, told) = oneshot::channel();
            let mut invocation = Invocation::new(async move {
                tell.send(()).expect("somebody waits");
                Ok(())
            });
            assert_eq!(invocation.beside(told).await, Some(Ok(())));
            assert_eq!(invocation.beside(tokio::task::yield_now()).await, Some(()), "it has ended well");
            assert!(invocation.end().await.is_ok());

            let mut invocation = Invocation::new(async { Err(Trouble::Said("no more".into())) });
            assert_eq!(invocation.beside(pending::<()>()).await, None);
            assert!(matches!(invocation.end().await, Err(Trouble::Said(words)) if words == "no more"));
        });
    }

    #[test]
    fn one_that_ends_without_a_word_leaves_nobody_waiting() {
        run(async {
            let (tell, mut told) = mpsc::channel::<()>(1);
            let mut invocation = Invocation::new(async { Ok(()) });
            assert_eq!(invocation.bring(told.recv()).await, None);
            assert!(invocation.end().await.is_ok());
            drop(tell);
        });
    }
}
