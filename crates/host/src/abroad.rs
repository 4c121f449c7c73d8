//! The way to components on other hosts of the lattice, and the way from there to those of this host.
//!
//! ```text
//! caller's import ─▶ shim ─▶ Distant ─▶ wire ═▶ bus ═▶ wire ─▶ Exposed ─▶ Slot ─▶ Callee (on the host that is called)
//! ```
//!
//! # Invariants
//!
//! 1. A call ends within its caller's time, on both sides: what is left of it goes along.
//! 2. What may have run is not called again, unless the link's terms say that it may be.
//! 3. Who may not be called for lack of room, or has another version only, says so at once, and somebody else is asked.
//! 4. What may run twice waits for no host that is silent or gone while another is there: it is asked of that one.
//! 5. How deep components have called one another is counted over all hosts that they run on: it goes along.
//!
//! # Not here
//!
//! How calls travel, and which host is asked of all that serve a component (`wire`: its `Roster`).

mod asked;
mod everywhere;
mod reached;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, SubjectError, SubscribeError};
use engine::Limits;
use http_capability::{Away, Counts};
use model::{ComponentName, LinkName, Terms};
use rt::Tick;
use stdx::Chain;
use wire::{
    Again, Call, Decode, Encode, Function, InvokeError, Lanes, Letterhead, Origin, Peers, Remote, Roster, Servers,
    Signature, Wire,
};

use crate::callee::{CallError, Caller, DEPTH_MAX, Values};

pub(crate) use reached::Exposed;

/// How often a call is made again that was surely not begun, such as where a host is full.
const TRIES_MAX: u32 = 3;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest that anybody waits for an answer.
const TIME_MAX: Duration = Duration::from_secs(3_600);

/// What is beyond this host: the other hosts of its lattice.
#[derive(Debug, Clone)]
pub(crate) struct Abroad {
    bus: Bus,
    peers: Peers,
    /// A wire that stays in this host, where those of the peers do not.
    here: Option<Wire>,
}

/// The way that a link leads to a component on other hosts.
pub(crate) struct Road {
    abroad: Abroad,
    source: ComponentName,
    link: LinkName,
    target: ComponentName,
}

/// One function of a component on other hosts.
#[derive(Clone)]
pub(crate) struct Distant {
    lanes: Lanes,
    remote: Remote,
    letterhead: Letterhead,
    target: ComponentName,
    roster: Roster,
    retry: u32,
}

// === impl Abroad ===

impl Abroad {
    /// What this bus leads to, in this lattice. Where it goes beyond this host, that is to these servers, and the host itself is
    /// reached on its own bus as well.
    pub(crate) async fn open(bus: Bus, lattice: &str, beyond: Option<(Servers, &Bus)>) -> Result<Self, SubscribeError> {
        let common = Wire::open(bus.clone(), wire::Limits::default()).await?;
        let (lanes, here) = match beyond {
            Some((servers, here)) => {
                let here = Wire::open(here.clone(), wire::Limits::default()).await?;
                (Lanes::to(servers, common), Some(here))
            }
            None => (common.into(), None),
        };
        Ok(Self { bus, peers: Peers::new(lanes, lattice), here })
    }

    /// The bus that leads there.
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// All that can be called there.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// A component that requests of HTTP are for, wherever it runs, as `source` asks it.
    pub(crate) fn away(
        &self,
        (source, name): (&str, &ComponentName),
        bounds: (Arc<Limits>, Arc<[Counts]>),
    ) -> Result<Away, SubjectError> {
        let address = self.peers.address(name.as_str());
        Away::new((self.peers.lanes().clone(), &address), (source, name.clone()), bounds)
    }

    /// The way from a component by one of its links to another.
    pub(crate) fn road(&self, source: &ComponentName, link: &LinkName, target: &ComponentName) -> Road {
        Road { abroad: self.clone(), source: source.clone(), link: link.clone(), target: target.clone() }
    }
}

// === impl Road ===

impl Road {
    /// A function of an interface there, by the terms of the link; or why there cannot be one of that name.
    pub(crate) fn to(
        &self,
        (interface, name): (&str, &str),
        signature: Signature,
        terms: &Terms,
    ) -> Result<Distant, String> {
        let address = self.abroad.peers.address(self.target.as_str());
        let remote = Remote::new(&address, &Function::of(interface, name), signature);
        let lanes = self.abroad.peers.lanes();
        let roster = lanes.common().roster(&address);
        let (source, link_name) = (Some(self.source.to_string()), Some(self.link.as_str().to_owned()));
        Ok(Distant {
            lanes: lanes.clone(),
            remote: remote.map_err(|error| Chain(&error).to_string())?,
            letterhead: Origin { source, link_name, ..Origin::default() }.into(),
            target: self.target.clone(),
            roster: roster.map_err(|error| Chain(&error).to_string())?,
            retry: u32::from(terms.retry),
        })
    }
}

// === impl Distant ===

impl Distant {
    /// Calls it with dynamic values.
    pub(crate) async fn call(&self, caller: &Caller, values: Values<'_>) -> wasmtime::Result<()> {
        let params = values.params;
        let results = self.in_time(caller, |call| self.lanes.here().invoke(&self.remote, params, call)).await?;
        values.results.iter_mut().zip(results).for_each(|(place, result)| *place = result);
        Ok(())
    }

    /// Calls it with values of types that are known here.
    pub(crate) async fn call_typed<P, R>(&self, caller: &Caller, params: P) -> wasmtime::Result<R>
    where
        P: Encode + Send + Sync,
        R: Decode + Send,
    {
        self.in_time(caller, |call| self.lanes.here().ask(self.remote.subject(), &params, call)).await
    }

    /// What it answers within the caller's time, however often it has to be asked for that.
    async fn in_time<T, F>(&self, caller: &Caller, ask: impl Fn(Call) -> F) -> wasmtime::Result<T>
    where
        F: Future<Output = Result<T, InvokeError>>,
    {
        if caller.depth >= DEPTH_MAX {
            return Err(CallError::TooDeep(self.target.clone()).into());
        }
        let now = Tick::now();
        let deadline = caller.timeout.map_or(caller.deadline, |timeout| caller.deadline.min(now.after(timeout)));
        let again = if self.retry > 0 { Again::May } else { Again::Never };
        let letterhead = self.letterhead.clone().within(caller.trace.clone()).at_depth(caller.depth);
        let mut tries = 0;
        loop {
            let left = deadline.since(Tick::now()).min(TIME_MAX);
            let error = match ask(Call::new(letterhead.clone(), left).among(&self.roster, again)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = PAUSE * 2_u32.pow(tries.min(8));
            if !may_try_again(&error, tries, self.retry) || deadline.since(Tick::now()) <= pause {
                return Err(self.failed(&error, caller));
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// What that is for the caller.
    fn failed(&self, error: &InvokeError, caller: &Caller) -> wasmtime::Error {
        let is_late = matches!(error, InvokeError::Late { .. } | InvokeError::Unheard { .. });
        // The caller's own time is over: it is the caller that is stopped.
        if is_late && caller.has_no_time() {
            return engine::OutOfTime.into();
        }
        let (target, text) = (self.target.clone(), Chain(error).to_string());
        if has_failed(error) { CallError::FailedAway(target, text) } else { CallError::Away(target, text) }.into()
    }
}

/// Whether somebody was there and what he did went wrong: all else is that nobody has answered.
fn has_failed(error: &InvokeError) -> bool {
    match error {
        InvokeError::Refused { refusal, .. } => !refusal.reason.may_run_elsewhere(),
        InvokeError::Values { .. }
        | InvokeError::TooLarge { .. }
        | InvokeError::AnswerTooLarge { .. }
        | InvokeError::PieceLost { .. }
        | InvokeError::NoRoom { .. }
        | InvokeError::Garbled { .. } => true,
        _ => false,
    }
}

/// Whether a call that ended so is made again after so many repetitions, where the link's terms allow `retry` of them. Who says
/// that there is no room, or that it has another version, has not run it, nor has who has left; what may have run is for the terms
/// alone.
fn may_try_again(error: &InvokeError, tries: u32, retry: u32) -> bool {
    match error {
        InvokeError::Refused { refusal, .. } if refusal.reason.may_run_elsewhere() => tries < retry.max(TRIES_MAX),
        InvokeError::Left { .. } => tries < retry.max(TRIES_MAX),
        InvokeError::Refused { .. } => false,
        _ => tries < retry,
    }
}

#[cfg(test)]
mod tests {
    use wire::{Reason, Refusal};

    use super::*;

    #[test]
    fn what_may_have_run_is_called_again_by_the_terms_alone() {
        let remote = || "default.a.wrpc.0.0.1.b:c/d.e".parse().expect("a subject");
        let refused = |reason| InvokeError::Refused { remote: remote(), refusal: Refusal::new(reason, "") };
        let gone = InvokeError::NobodyThere { remote: remote() };
        assert!(!may_try_again(&gone, 0, 0) && may_try_again(&gone, 1, 2) && !may_try_again(&gone, 2, 2));
        assert!(!may_try_again(&refused(Reason::Failed), 0, 9), "it has run");
        let (full, other) = (refused(Reason::Busy), refused(Reason::OtherVersion));
        assert!(may_try_again(&other, 2, 0) && !may_try_again(&other, 3, 0));
        let left = InvokeError::Left { remote: remote() };
        assert!(may_try_again(&left, 2, 0) && !may_try_again(&left, 3, 0));
        let lost = InvokeError::Lost { remote: remote() };
        assert!(!may_try_again(&lost, 0, 0) && may_try_again(&lost, 0, 1), "it may have run");
        assert!(may_try_again(&full, 2, 0) && !may_try_again(&full, 3, 0) && may_try_again(&full, 3, 9));
    }
}
