//! This is an invocation that goes on while bytes flow.
//!
//! # Invariants
//!
//! 1. It goes on only while somebody waits for what it brings about, and ends when it is dropped.
//! 2. Giving up the wait loses nothing of it.

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
    use capability::conformance::run;
    use tokio::sync::mpsc;

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
