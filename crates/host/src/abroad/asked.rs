//! Answers calls in text, which come from who knows a component's name and none of its types: they are read here, where it runs.
//!
//! ```text
//! wattle call ═▶ bus, one of the hosts that run it ─▶ TextCall ─▶ engine::call ─▶ Slot ─▶ Callee ─▶ TextAnswer
//! ```
//!
//! # Invariants
//!
//! 1. Each call is answered once, within the smaller of the caller's time and the component's.
//! 2. It goes to the component as it is linked when the call begins, in an instance of its own, as calls of other components do.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message, Pattern, SubscribeError, Subscription, patiently};
use engine::call::{self, Function, Request, Results};
use engine::{Failure, Loaded, Refused};
use model::{ComponentName, TextAnswer, TextCall, TextForm};
use rt::{Tick, within};
use stdx::{ByteSize, Chain, Code, Explain, Trace, printable};
use tokio::task::JoinSet;
use wasmtime::component::{Component, Val};

use super::reached::ToldToEnd;
use crate::callee::{Call, CallError, Caller, Ended, FunctionName, Values};
use crate::control::{Failed, boxed, read, said};
use crate::serving::{GRACE, Target};

/// Calls in text of one component that are worked on at once; further ones wait in the subscription.
const AT_ONCE_MAX: usize = 32;

/// What of a component can be called in text.
pub(super) struct Callable {
    functions: Vec<Function>,
    /// In the order of the functions.
    names: Vec<Arc<FunctionName>>,
    target: Target,
}

/// A call in text has no result.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{component} is not called")]
    NotCalled { component: ComponentName, source: CallError },
    #[error("{} in {component} {how}", printable(function))]
    Ended { component: ComponentName, function: String, how: String, code: Code },
    #[error(
        "{} in {component} was called, and what it gave has {size}: {limit} is the most that the bus takes",
        printable(function)
    )]
    TooLarge { component: ComponentName, function: String, size: ByteSize, limit: ByteSize },
}

/// What of a component can be called in text; nothing where nothing of it has a text.
pub(super) fn callable(target: &Target, component: &Component) -> Option<Callable> {
    let mut functions = call::functions(&Loaded::Component(component.clone()));
    // What makes a command run is for who starts it.
    functions.retain(|function| !function.interface.as_ref().is_some_and(|it| it.starts_with("wasi:cli/")));
    if !functions.iter().any(|function| function.refusal().is_none()) {
        return None;
    }
    let name = |function: &Function| {
        let interface = function.interface.clone().unwrap_or_default();
        Arc::new(FunctionName { interface, function: function.name.clone() })
    };
    Some(Callable { names: functions.iter().map(name).collect(), functions, target: target.clone() })
}

/// Answers on `bus` what is asked about the subject, until it is told to end; what it has begun it answers.
pub(super) async fn serve((bus, subject): (Bus, String), callable: Callable, mut told: ToldToEnd) {
    let not_yet = format!("{subject} is not asked about yet");
    // A name like `.a` is no word of a subject: such a component cannot be named there.
    let Ok(pattern) = subject.parse::<Pattern>() else { return };
    let begun = tokio::select! {
        begun = patiently(&not_yet, || subscribe(&bus, &pattern)) => Some(begun),
        () = &mut told => None,
    };
    let Some(mut questions) = begun else { return };
    let callable = Arc::new(callable);
    let mut running = JoinSet::new();
    let mut is_ending = false;
    loop {
        tokio::select! {
            () = &mut told, if !is_ending => {
                is_ending = true;
                questions.end();
            }
            question = questions.next(), if running.len() < AT_ONCE_MAX => match question {
                Some(question) => drop(running.spawn(answer(bus.clone(), callable.clone(), question))),
                None => break,
            },
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// As one of those that run it.
async fn subscribe(bus: &Bus, pattern: &Pattern) -> Result<Subscription, SubscribeError> {
    bus.subscribe(pattern.clone(), Some("wattle".parse().expect("this is a word"))).await
}

async fn answer(bus: Bus, callable: Arc<Callable>, question: Message) {
    let outcome = callable.carry_out(&question, bus.payload_max()).await;
    let Some(answer) = question.answer(said(outcome)) else { return };
    if let Err(error) = bus.publish(answer).await {
        tracing::warn!(component = %callable.target.slot.name(), error = %Chain(&error), "an answer could not be sent");
    }
}

// === impl Callable ===

impl Callable {
    async fn carry_out(&self, question: &Message, limit: ByteSize) -> Result<TextAnswer, Failed> {
        let TextCall { call, arguments, form, time_ms } = read(&question.payload)?;
        let request = match arguments {
            Some(arguments) => Request::with_json(&call, &arguments),
            None => Request::parse(&call),
        };
        let request = request.map_err(boxed)?;
        let function = call::find(&self.functions, &request.name).map_err(boxed)?;
        let call = function.call(&request).map_err(boxed)?;
        let (time, trace) = (Duration::from_millis(time_ms), question.headers.trace());
        let results = self.call(&call, (time, trace)).await.map_err(boxed)?;
        let result = match form {
            TextForm::Wave => results.to_wave(),
            TextForm::Json => results.to_json().to_string(),
        };
        let answer = TextAnswer { result };
        let size = ByteSize::bytes(serde_json::to_vec(&answer).map_or(0, |bytes| bytes.len() as u64) + ENVELOPE);
        if size > limit {
            let (component, function) = (self.target.slot.name().clone(), call.path());
            return Err(boxed(AskError::TooLarge { component, function, size, limit }));
        }
        Ok(answer)
    }

    async fn call(
        &self,
        asked: &call::Call<'_>,
        (time, trace): (Duration, Option<Trace>),
    ) -> Result<Results, AskError> {
        let target = &self.target;
        let _running = target.busy.enter();
        let time = time.min(target.account.timeout());
        let caller = Caller { deadline: Tick::now().after(time), depth: 0, timeout: None, trace, met: None };
        let mut results = vec![Val::Bool(false); asked.function().results()];
        let values = Values { params: asked.arguments(), results: &mut results };
        let called = within(Some(time + GRACE), self.call_in_instance(asked.function(), caller, values)).await;
        let outcome = called.unwrap_or(Ok(Err(Ended::Failed(Failure::OutOfTime))));
        target.counts.count(matches!(outcome, Ok(Ok(()))));
        let component = || target.slot.name().clone();
        match outcome {
            Ok(Ok(())) => Ok(Results::new(results)),
            Ok(Err(ended)) => {
                let (code, how) = words(&ended, time);
                Err(AskError::Ended { component: component(), function: asked.path(), how, code })
            }
            Err(source) => Err(AskError::NotCalled { component: component(), source }),
        }
    }

    async fn call_in_instance(
        &self,
        function: &Function,
        mut caller: Caller,
        values: Values<'_>,
    ) -> Result<Result<(), Ended>, CallError> {
        let at = self.functions.iter().position(|other| std::ptr::eq(other, function));
        let name = &self.names[at.expect("it was found among these")];
        let slot = &self.target.slot;
        let callee = slot.callee(&mut caller)?;
        let _place = slot.place(&callee)?;
        Ok(callee.call(&Call { function: name, caller }, values).await)
    }
}

/// What an answer is wrapped in has so many bytes at most.
const ENVELOPE: u64 = 64;

/// What it means that a call ended so, as the command line says it of a program that it runs itself.
fn words(ended: &Ended, time: Duration) -> (Code, String) {
    let failure = match ended {
        Ended::NoFunction => return (Code::E0502, "is not there any more".into()),
        Ended::Failed(failure) => failure,
    };
    match failure {
        Failure::OutOfTime => (Code::E0207, format!("was stopped after {} s", time.as_secs_f64())),
        Failure::OutOfMemory(Refused::TableElements(count)) => {
            (Code::E0208, format!("wanted tables of {count} elements"))
        }
        Failure::OutOfMemory(Refused::Memory(_)) => (Code::E0208, "needed more memory than its host gives it".into()),
        Failure::Full => (Code::E0209, "has no instance free".into()),
        Failure::Exit(code) => (Code::E0206, format!("called exit with {code}")),
        Failure::Trap(trap) => (Code::E0206, format!("trapped: {trap}")),
    }
}

// === impl AskError ===

impl Explain for AskError {
    fn code(&self) -> Code {
        match self {
            Self::NotCalled { .. } => Code::E0209,
            Self::Ended { code, .. } => *code,
            Self::TooLarge { .. } => Code::E0703,
        }
    }
}
