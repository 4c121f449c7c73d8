//! Answers each question, and says what is to be done after.
//!
//! # Invariants
//!
//! 1. Every handler gives a value or a reason; [`answer`] alone makes a message of it.

use bytes::Bytes;
use model::ComponentName;
use model::fact::Fact;
use model::lattice::{
    ComponentAuctionAck, ComponentAuctionRequest, CtlResponse, DeleteLink, Labels, ProviderAuctionAck,
    ProviderAuctionRequest, PutLabel, PutLink, PutRegistries, ScaleComponent, StartProvider, StopHost, StopProvider,
    UpdateComponent,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::Chain;

use crate::errands::Errand;
use crate::hands::Deed;
use crate::question::Question;
use crate::role::Shared;
use crate::rules::{self, Command};

/// What is answered: a value, words, or why not.
type Said<T> = Result<CtlResponse<T>, String>;

/// What came of a question.
#[derive(Default)]
pub(crate) struct Answered {
    /// The answer as bytes; nothing where nothing is to be answered.
    pub(crate) reply: Option<Bytes>,
    /// What is to be done after it.
    pub(crate) errand: Option<Errand>,
    /// That the host is to stop after it.
    pub(crate) stop: Option<StopHost>,
}

/// Answers a question; none where there is no such question.
pub(crate) async fn answer(shared: &Shared, asked: Option<Question>, payload: &[u8]) -> Answered {
    let Some(asked) = asked else { return refused("unsupported subject".into()).into() };
    let reply = match asked {
        Question::Ping => said(Ok(CtlResponse::with(shared.host()))),
        Question::Inventory => said(Ok(CtlResponse::with(shared.inventory()))),
        Question::Stop(id) => return stopping(stop(shared, &id, payload)),
        Question::Auction => auction(shared, payload),
        Question::Scale => return begun(scale(shared, payload)),
        Question::Update => return begun(update(shared, payload)),
        Question::ProviderAuction => provider_auction(shared, payload),
        Question::StartProvider => return begun(start_provider(shared, payload)),
        Question::StopProvider => return begun(stop_provider(shared, payload)),
        Question::PutLabel => said(label(shared, payload, true).await),
        Question::DeleteLabel => said(label(shared, payload, false).await),
        Question::PutRegistries => said(put_registries(shared, payload).await),
        Question::PutLink => said(put_link(shared, payload).await),
        Question::DeleteLink => said(delete_link(shared, payload).await),
        Question::Links => said(Ok(CtlResponse::with(shared.links().await))),
        Question::Claims => said(Ok(CtlResponse::with(shared.claims().await))),
        Question::PutConfig(name) => said(put_config(shared, name, payload).await),
        Question::Config(name) => said(config(shared, &name).await),
        Question::DeleteConfig(name) => said(delete_config(shared, name).await),
    };
    reply.into()
}

impl From<Option<Bytes>> for Answered {
    fn from(reply: Option<Bytes>) -> Self {
        Self { reply, ..Self::default() }
    }
}

/// The answer that something cannot be.
pub(crate) fn refused(why: String) -> Option<Bytes> {
    said::<()>(Err(why))
}

fn said<T: Serialize>(outcome: Said<T>) -> Option<Bytes> {
    let response = outcome.unwrap_or_else(CtlResponse::refused);
    match serde_json::to_vec(&response) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            None
        }
    }
}

fn begun(outcome: Result<(String, Option<Errand>), String>) -> Answered {
    match outcome {
        Ok((words, errand)) => Answered { errand, ..Answered::from(said::<()>(Ok(CtlResponse::done(words)))) },
        Err(why) => refused(why).into(),
    }
}

fn stopping(outcome: Result<StopHost, String>) -> Answered {
    match outcome {
        Ok(wanted) => {
            let reply = said::<()>(Ok(CtlResponse::done("successfully handled stop host")));
            Answered { stop: Some(wanted), ..Answered::from(reply) }
        }
        Err(why) => refused(why).into(),
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| {
        tracing::debug!(%error, what, "a command cannot be read");
        format!("failed to deserialize {what} command")
    })
}

fn stop(shared: &Shared, id: &str, payload: &[u8]) -> Result<StopHost, String> {
    let wanted: StopHost = if payload.is_empty() { StopHost::default() } else { parse(payload, "stop host")? };
    let named = wanted.host_id.as_deref().filter(|named| !named.is_empty());
    if id != shared.id || named.is_some_and(|named| named != shared.id) {
        return Err(format!("invalid host_id [{}]", named.unwrap_or(id)));
    }
    Ok(wanted)
}

/// Who does not bid says nothing.
fn auction(shared: &Shared, payload: &[u8]) -> Option<Bytes> {
    let request: ComponentAuctionRequest = match parse(payload, "component auction") {
        Ok(request) => request,
        Err(why) => return refused(why),
    };
    if !rules::bids(&shared.state(), &request) {
        return None;
    }
    let ComponentAuctionRequest { component_ref, component_id, constraints } = request;
    let ack = ComponentAuctionAck { component_ref, component_id, host_id: shared.id.clone(), constraints };
    said(Ok(CtlResponse::with(ack)))
}

/// Who does not bid says nothing.
fn provider_auction(shared: &Shared, payload: &[u8]) -> Option<Bytes> {
    let request: ProviderAuctionRequest = match parse(payload, "provider auction") {
        Ok(request) => request,
        Err(why) => return refused(why),
    };
    if !rules::bids_for_provider(&shared.state(), &request) {
        return None;
    }
    let ProviderAuctionRequest { provider_ref, provider_id, constraints } = request;
    let ack = ProviderAuctionAck { provider_ref, provider_id, host_id: shared.id.clone(), constraints };
    said(Ok(CtlResponse::with(ack)))
}

fn scale(shared: &Shared, payload: &[u8]) -> Result<(String, Option<Errand>), String> {
    let command: ScaleComponent = parse(payload, "component scale")?;
    let id = name(&command.component_id)?;
    let words = rules::scale_words(shared.state().components.get(&id), &command)?;
    Ok((words, Some(shared.queue(Command::Scale(id, command))?)))
}

fn update(shared: &Shared, payload: &[u8]) -> Result<(String, Option<Errand>), String> {
    let command: UpdateComponent = parse(payload, "component update")?;
    let id = name(&command.component_id)?;
    let (words, is_other) = rules::update_words(shared.state().components.get(&id), &command)?;
    let errand = is_other.then(|| shared.queue(Command::Update(id, command))).transpose()?;
    Ok((words, errand))
}

fn name(id: &str) -> Result<ComponentName, String> {
    id.parse().map_err(|error: model::NotAName| error.to_string())
}

fn start_provider(shared: &Shared, payload: &[u8]) -> Result<(String, Option<Errand>), String> {
    let command: StartProvider = parse(payload, "provider start")?;
    let id = name(&command.provider_id)?;
    let words = rules::start_words(&shared.state(), &id, &command)?;
    Ok((words.into(), Some(shared.queue(Command::Start(id, command))?)))
}

fn stop_provider(shared: &Shared, payload: &[u8]) -> Result<(String, Option<Errand>), String> {
    let StopProvider { provider_id, .. } = parse(payload, "provider stop")?;
    let id = name(&provider_id)?;
    let words = rules::stop_words(&shared.state(), &id)?;
    Ok((words.into(), Some(shared.queue(Command::Stop(id))?)))
}

async fn label(shared: &Shared, payload: &[u8], is_put: bool) -> Said<()> {
    let label: PutLabel = parse(payload, if is_put { "put label" } else { "delete label" })?;
    let (words, changed) = {
        let mut state = shared.state();
        let (words, is_changed) = rules::change_label(&mut state, label, is_put)?;
        (words, is_changed.then(|| state.labels.clone()))
    };
    if let Some(labels) = changed {
        shared.voice.say(Fact::LabelsChanged { host_id: shared.id.clone(), labels }).await;
    }
    Ok(CtlResponse::done(words))
}

/// What cannot be read is not repeated: it may nearly be a secret.
async fn put_registries(shared: &Shared, payload: &[u8]) -> Said<()> {
    let unreadable = |_| "failed to deserialize put registries command".to_owned();
    let said: PutRegistries = serde_json::from_slice(payload).map_err(unreadable)?;
    let deed = Deed::LogIn(rules::logins(said)?);
    shared.hands.carry_out(deed).await.map_err(|error| Chain(&*error).to_string())?;
    Ok(CtlResponse::done("successfully put registries"))
}

async fn put_link(shared: &Shared, payload: &[u8]) -> Said<()> {
    let wanted: PutLink = parse(payload, "link put")?;
    match shared.link(&wanted).await {
        Ok(displaced) => {
            shared.announce_in_place(&displaced, &wanted.link).await;
            shared.voice.say(Fact::LinkdefSet(wanted.link)).await;
            Ok(CtlResponse::done("successfully set link"))
        }
        Err(error) => {
            shared.voice.say(Fact::LinkdefSetFailed { link: wanted.link, error: error.clone() }).await;
            Err(error)
        }
    }
}

async fn delete_link(shared: &Shared, payload: &[u8]) -> Said<()> {
    let wanted: DeleteLink = parse(payload, "link delete")?;
    let Some(taken) = shared.unlink(&wanted).await? else {
        return Ok(CtlResponse::done("successfully deleted link (spec doesn't exist)"));
    };
    if let Some(link) = &taken {
        shared.withdraw(link).await;
    }
    shared.voice.say(rules::link_deleted(wanted, taken)).await;
    Ok(CtlResponse::done("successfully deleted link"))
}

async fn put_config(shared: &Shared, name: String, payload: &[u8]) -> Said<()> {
    let not_a_map = |_| "config data should be a map of string -> string".to_owned();
    let settings: Labels = serde_json::from_slice(payload).map_err(not_a_map)?;
    shared.put_settings(&name, &settings).await?;
    shared.voice.say(Fact::ConfigSet { config_name: name }).await;
    Ok(CtlResponse::done("successfully put config"))
}

async fn config(shared: &Shared, name: &str) -> Said<Labels> {
    let settings = shared.settings(name).await;
    Ok(settings.map_or_else(|| CtlResponse::done("Configuration not found"), CtlResponse::with))
}

async fn delete_config(shared: &Shared, name: String) -> Said<()> {
    shared.delete_settings(&name).await?;
    shared.voice.say(Fact::ConfigDeleted { config_name: name }).await;
    Ok(CtlResponse::done("successfully deleted config"))
}
