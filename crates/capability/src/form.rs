//! This is a form of their own in which those on the bus ask a component: other hosts, and strangers such as providers.
//!
//! ```text
//! a call ─▶ Form::read ─▶ Form::answer ─▶ the component ─▶ what it has done or says: laid, or why there is no answer: refusal
//! ```
//!
//! # Invariants
//!
//! 1. A call that was taken is answered when the component has done it, or refused where it failed; what the component says itself
//!    is the answer.
//! 2. A call takes no longer than its caller waits, and than two invocations of the component may.
//!
//! # Not here
//!
//! What is asked, and what it means: those are the capabilities'. What flows beside values.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::patiently;
use bytes::Bytes;
use model::ComponentName;
use rt::within;
use stdx::Chain;
use wire::{
    Address, DecodeError, Encode, EncodeError, Function, Invocation, Peers, Reader, Reason, Refusal, Served, Wire,
    encode,
};

use crate::cause::Cause;
use crate::duty::{Duty, Seat, Service};
use crate::keeper::Trouble;

/// So long a call may take whose caller says nothing of that.
const TIME: Duration = Duration::from_secs(10);

/// A form in which a component is asked.
#[async_trait]
pub trait Form: Send + Sync + 'static {
    /// What is asked, as it was read.
    type Asked: Send + 'static;

    /// The functions that are called, one at least.
    fn functions(&self) -> Vec<Function>;

    /// Reads what the function of that number is asked.
    fn read(&self, number: usize, reader: &mut Reader<'_>) -> Result<Self::Asked, DecodeError>;

    /// The component's own time: how long one of its invocations may take.
    fn time(&self) -> Duration;

    /// What the component answers where the function of that number is asked this, for that cause. At its deadline it is given up.
    async fn answer(&self, number: usize, asked: Self::Asked, cause: Cause) -> Result<Laid, Refusal>;
}

/// What is answered, as bytes.
pub type Laid = Result<Bytes, EncodeError>;

/// A component that is asked in a form.
struct Reached<F> {
    form: F,
    component: ComponentName,
    wire: Wire,
    address: Address,
}

/// Lets those on the bus ask a component in this form, for as long as the duty says.
pub fn reach(form: impl Form, component: &ComponentName, peers: &Peers, duty: Duty) -> Service {
    let (wire, address) = (peers.wire().clone(), peers.address(component.as_str()));
    Box::pin(Arc::new(Reached { form, component: component.clone(), wire, address }).run(duty))
}

/// An answer of a contract: what a component has done, or what it says.
pub fn laid<T: Encode, W: Encode>(outcome: Result<T, Trouble<W>>) -> Result<Laid, Refusal> {
    match outcome {
        Ok(value) => Ok(encode(&Ok::<T, W>(value))),
        Err(Trouble::Said(words)) => Ok(encode(&Err::<T, W>(words))),
        Err(Trouble::Failed(error)) => Err(refusal(&*error)),
    }
}

/// That a component has failed, which the host has logged.
pub fn refusal(error: &(dyn Error + 'static)) -> Refusal {
    Refusal::new(Reason::Failed, &Chain(error).to_string())
}

/// A place of a component that is full is waited for, for half of the time that there is: who asks is told while he still waits.
pub async fn seat_within(place: impl Future<Output = Seat>, time: Duration) -> Result<Seat, Refusal> {
    within(Some(time / 2), place).await.map_err(|late| Refusal::new(Reason::Busy, &late.to_string()))
}

// === impl Reached ===

impl<F: Form> Reached<F> {
    async fn run(self: Arc<Self>, mut duty: Duty) {
        let served = tokio::select! {
            biased;
            () = duty.over() => return,
            served = self.serve() => served,
        };
        duty.begin();
        served.answer_all(duty.over(), |call| self.clone().answer(call)).await;
    }

    /// Begins to be called, as soon as the bus takes it.
    async fn serve(self: &Arc<Self>) -> Served<F::Asked> {
        let not_yet = format!("others cannot ask {} for anything yet", self.component);
        let serve = || {
            let (reached, functions) = (self.clone(), self.form.functions());
            self.wire.serve_with(&self.address, functions, move |number, reader| reached.form.read(number, reader))
        };
        patiently(&not_yet, serve).await
    }

    async fn answer(self: Arc<Self>, call: Invocation<F::Asked>) {
        let Invocation { function, params, origin, reply } = call;
        // What he says of that has no bound.
        let time = origin.remaining.unwrap_or(TIME).min(self.form.time().saturating_mul(2));
        let cause = Cause::elsewhere(origin.trace, origin.depth, time);
        let answer = within(Some(time), self.form.answer(function, params, cause)).await;
        match answer.unwrap_or_else(|late| Err(refusal(&late))) {
            Ok(values) => {
                if let Err(error) = reply.answer(values).await {
                    tracing::warn!(component = %self.component, error = %Chain(&error), "an answer could not be sent");
                }
            }
            Err(refusal) => reply.refuse(&refusal).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    type Outcome = Result<u32, Trouble<String>>;

    #[test]
    fn what_a_component_says_is_an_answer_and_that_it_failed_is_none() {
        let answered = |outcome: Outcome| laid(outcome).map(|values| values.expect("it can be said"));
        assert_eq!(answered(Ok(7)), Ok(encode(&Ok::<u32, String>(7)).expect("it can be said")));
        let said = encode(&Err::<u32, String>("no".into())).expect("it can be said");
        assert_eq!(answered(Err(Trouble::Said("no".into()))), Ok(said));
        let failed = answered(Err(Trouble::Failed("boom".into())));
        assert_eq!(failed, Err(Refusal::new(Reason::Failed, "boom")));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_place_is_told_that_there_is_none_while_he_still_waits() {
        let time = Duration::from_secs(10);
        assert!(seat_within(ready(Seat::new(())), time).await.is_ok());
        let begun = tokio::time::Instant::now();
        let Err(refusal) = seat_within(pending(), time).await else { panic!("there is no place") };
        assert_eq!(refusal.reason, Reason::Busy);
        assert!((time / 2..time).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
