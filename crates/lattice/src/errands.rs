//! Carries out what was answered: waits for its turn, has it decided, and does it step by step.
//!
//! # Invariants
//!
//! 1. What is done to one component is done one after the other; what is done to several does not wait for each other.
//! 2. Nothing is decided here: what is done next, and what follows from a failure, `rules` has said.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use model::fact::Fact;
use stdx::Chain;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

use crate::hands::Deed;
use crate::role::Shared;
use crate::rules::{self, Aim, Command, Course, Step};
use crate::state::{Provides, Runs};

/// A command that is carried out after its answer.
pub(crate) struct Errand {
    command: Command,
    /// Counts it among those that run.
    _place: OwnedSemaphorePermit,
    /// When it is the next one for what it is about.
    turn: BoxFuture<'static, OwnedMutexGuard<()>>,
}

impl Shared {
    /// Takes a place and a turn for a command.
    pub(crate) fn queue(&self, command: Command) -> Result<Errand, String> {
        let place = self.errands.clone().try_acquire_owned();
        let _place = place.map_err(|_full| "this host carries out too many commands already; try again".to_owned())?;
        let about = command.about();
        let lock = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|name, turn| *name == about || Arc::strong_count(turn) > 1);
            turns.entry(about).or_default().clone()
        };
        let mut turn = lock.lock_owned().boxed();
        // Polled once, it has its place in the line.
        let turn = match (&mut turn).now_or_never() {
            Some(guard) => std::future::ready(guard).boxed(),
            None => turn,
        };
        Ok(Errand { command, _place, turn })
    }

    /// Waits for its turn, does it, and says what it came to.
    pub(crate) async fn carry_out(&self, errand: Errand) {
        let Errand { command, _place, turn } = errand;
        let _turn = turn.await;
        self.look_for_settings(command.settings()).await;
        let (aim, course) = rules::course(&self.state(), &self.id, &command);
        let outcome = match course {
            Ok(course) => self.follow(course).await,
            Err(why) => Err(why),
        };
        if let Err(error) = outcome {
            self.miss(aim, error).await;
        }
    }

    async fn miss(&self, aim: Aim, error: String) {
        tracing::warn!(%aim, error, "it is not as was asked");
        self.voice.say(aim.missed(error)).await;
    }

    /// Takes steps up to the first that fails; then what was done is undone.
    async fn follow(&self, Course { steps, undo }: Course) -> Result<(), String> {
        let outcome = self.go(steps).await;
        if outcome.is_err()
            && let Err(error) = self.attempt(undo).await
        {
            tracing::error!(error, "it is not as it was before");
        }
        outcome
    }

    /// Takes steps, with those that they lead to, up to the first that fails.
    pub(crate) async fn go(&self, steps: Vec<Step>) -> Result<(), String> {
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            for next in self.take(step).await?.into_iter().rev() {
                steps.push_front(next);
            }
        }
        Ok(())
    }

    /// Takes all steps, whatever becomes of each. Gives the first failure.
    pub(crate) async fn attempt(&self, steps: Vec<Step>) -> Result<(), String> {
        let mut outcome = Ok(());
        for step in steps {
            outcome = outcome.and(self.go(vec![step]).await);
        }
        outcome
    }

    /// Takes a step, and gives those that it leads to.
    async fn take(&self, step: Step) -> Result<Vec<Step>, String> {
        match step {
            Step::Do(deed) => self.do_it(deed).await?,
            Step::Fail(why) => return Err(why),
            Step::Run(id, runs) => {
                let claims = self.hands.claims(&id).await;
                self.state().run(id, runs.map(|runs| Runs { claims, ..runs }));
            }
            Step::Provide(id, runs) => {
                let claims = self.hands.look(&id).and_then(|view| view.claims);
                self.state().provide(id, runs.map(|runs| Provides { claims, ..runs }));
            }
            Step::Brief(id) => {
                let briefing = rules::briefing(&self.state(), &id);
                if let Some(briefing) = briefing {
                    self.do_it(Deed::Brief { id, briefing }).await?;
                }
            }
            Step::Tell(id) => {
                let settings = rules::told(&self.state(), &id);
                self.do_it(Deed::Tell { id, settings }).await?;
            }
            Step::Link(id) => return Ok(rules::links_with(&self.state(), &id)),
            Step::Listen(id) => return Ok(rules::listening(&self.state(), &id)),
            Step::Keep { id, url } => self.note_origin(id.as_str(), &url).await,
            Step::Vouch(id) => {
                let claims = rules::claims_of(&self.state(), &id);
                for claims in claims {
                    self.keep_claims(&claims).await;
                }
            }
            Step::Say(fact) => self.voice.say(fact).await,
            Step::SayRuns(id, runs) => {
                let claims = self.state().components.get(&id).and_then(|runs| runs.claims.clone());
                let runs = Runs { claims, ..runs };
                self.voice.say(Fact::ComponentScaled(runs.scaled(&self.id, &id))).await;
            }
            Step::SayProvides(id) => {
                let started = rules::started(&self.state(), &self.id, &id);
                if let Some(fact) = started {
                    self.voice.say(fact).await;
                }
            }
            Step::Try(step) => {
                let what = step.to_string();
                match Box::pin(self.take(*step)).await {
                    Ok(steps) => return Ok(steps),
                    Err(error) => tracing::warn!(what, error, "it could not be done"),
                }
            }
        }
        Ok(Vec::new())
    }

    async fn do_it(&self, deed: Deed) -> Result<(), String> {
        self.hands.carry_out(deed).await.map_err(|error| Chain(&*error).to_string())
    }
}
