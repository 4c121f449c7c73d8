//! Answers what is asked of a host on its bus, which is how a second terminal reaches it.
//!
//! | subject | question | answer |
//! | --- | --- | --- |
//! | `wattle.ctl.v1.LATTICE.link.put` | [`LinkPut`] | [`LinkChange`](model::LinkChange) |
//! | `wattle.ctl.v1.LATTICE.link.del` | [`LinkDel`] | [`LinkChange`](model::LinkChange) |
//! | `wattle.ctl.v1.LATTICE.link.query` | [`LinkQuery`] | a list of [`LinkView`](model::LinkView) |
//! | `wattle.ctl.v1.LATTICE.link.backends` | nothing | a list of [`BackendView`] |
//!
//! Questions and answers are JSON; an answer is an [`Answer`].
//!
//! # Invariants
//!
//! 1. Every question is answered, also one that nobody can read.
//! 2. Questions wait for one another only where they change something.
//!
//! # Not here
//!
//! That what is put or deleted is kept (`membership`).

use std::sync::Arc;

use bus::{Bus, Message, SubscribeError, Subscription};
use bytes::Bytes;
use capability::BackendInfo;
use capability::settings::Default as Unsaid;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::{Answer, BackendView, LinkDel, LinkPut, LinkQuery, Refusal, SettingView, Target};
use rt::Task;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::{Chain, Code, Explain};

use crate::membership::Links;
use crate::world::World;

/// Questions that are worked on at once; further ones wait in the subscription.
const AT_ONCE_MAX: usize = 32;

/// Answers questions until it is dropped.
pub(crate) struct Control {
    _answering: Task,
}

/// A question that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the question cannot be read")]
struct Unreadable(#[source] serde_json::Error);

/// Why a question is answered with a refusal.
pub(crate) type Failed = Box<dyn Explain + Send + Sync>;

// === impl Control ===

impl Control {
    /// Answers what is asked about `world` on `bus`, and changes it by `links`. Called within the control plane's runtime.
    pub(crate) async fn start(world: Arc<World>, links: Links, bus: Bus) -> Result<Self, SubscribeError> {
        let pattern = format!("{}.link.*", model::control_prefix(model::LATTICE));
        let pattern = pattern.parse().expect("the name of a lattice is a word");
        let questions = bus.subscribe(pattern, None).await?;
        Ok(Self { _answering: Task::spawn(answer_all((world, links), bus, questions)) })
    }
}

async fn answer_all((world, links): (Arc<World>, Links), bus: Bus, mut questions: Subscription) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = questions.next(), if running.len() < AT_ONCE_MAX => match question {
                Some(question) => running.push(answer((&world, &links), &bus, question)),
                None => return,
            },
            Some(()) = running.next() => {}
        }
    }
}

async fn answer((world, links): (&World, &Links), bus: &Bus, question: Message) {
    let payload = match question.subject.tokens().last() {
        Some("put") => said(match read::<LinkPut>(&question.payload) {
            Ok(wanted) => links.put(wanted).await,
            Err(error) => Err(error),
        }),
        Some("del") => said(match read::<LinkDel>(&question.payload) {
            Ok(wanted) => links.delete(wanted).await,
            Err(error) => Err(error),
        }),
        Some("query") => said(query(world, &question.payload).await),
        Some("backends") => said(Ok(backends(world))),
        _ => return,
    };
    let Some(answer) = question.answer(payload) else { return };
    if let Err(error) = bus.publish(answer).await {
        tracing::warn!(error = %Chain(&error), "an answer could not be sent");
    }
}

async fn query(world: &World, payload: &[u8]) -> Result<Vec<model::LinkView>, Failed> {
    let LinkQuery { source } = read(payload)?;
    world.query(source.as_ref()).await.map_err(boxed)
}

fn backends(world: &World) -> Vec<BackendView> {
    let view = |(capability, backend): (&str, &BackendInfo)| BackendView {
        target: Target::Capability { capability: capability.into(), backend: backend.name.into() },
        about: backend.about.into(),
        settings: backend.settings.iter().map(setting).collect(),
    };
    world.backends().map(view).collect()
}

fn setting(setting: &capability::Setting) -> SettingView {
    SettingView {
        name: setting.name.into(),
        about: setting.about.into(),
        kind: setting.kind.to_string(),
        default: match setting.default {
            Unsaid::Is(value) => Some(value.into()),
            Unsaid::Required | Unsaid::Absent => None,
        },
        is_required: setting.default == Unsaid::Required,
    }
}

/// A question, from what was sent.
pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(payload).map_err(|error| boxed(Unreadable(error)))
}

/// As a reason to refuse.
pub(crate) fn boxed(error: impl Explain + Send + Sync + 'static) -> Failed {
    Box::new(error)
}

/// The answer as bytes.
pub(crate) fn said<T: Serialize>(outcome: Result<T, Failed>) -> Bytes {
    let answer = match outcome {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Refused(Refusal { code: error.code().to_string(), text: Chain(&*error).to_string() }),
    };
    serde_json::to_vec(&answer).unwrap_or_default().into()
}

impl Explain for Unreadable {
    fn code(&self) -> Code {
        Code::E0602
    }
}
