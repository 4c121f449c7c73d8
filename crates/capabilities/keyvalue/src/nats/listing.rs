//! Asks a stream which subjects it has.
//!
//! One question and one answer: the client's own way asks page after page, and pages of what changes meanwhile overlap.

use std::collections::HashMap;

use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use serde::{Deserialize, Serialize};

use crate::scope::Scope;

use super::NAMES_MAX;
use super::connect::Connected;
use super::failure::Failure;
use super::names::Bucket;

#[derive(Serialize)]
struct Question {
    subjects_filter: String,
}

#[derive(Deserialize)]
struct Answer {
    state: State,
    /// Of a server that is not alone.
    cluster: Option<Cluster>,
    /// How many subjects there are, where not all of them are in the answer.
    #[serde(default)]
    total: usize,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Cluster {
    #[serde(default)]
    leader: String,
}

/// The subjects of a bucket of a component as they were at one moment, in no order.
pub(super) async fn subjects(
    connected: &Connected,
    bucket: &Bucket,
    scope: &Scope,
) -> Result<impl Iterator<Item = String> + use<>, Failure> {
    let question = Question { subjects_filter: bucket.subjects(scope) };
    let asked: Result<Response<Answer>, RequestError> =
        connected.context.request(format!("STREAM.INFO.{}", bucket.stream()), &question).await;
    let answer = match asked? {
        Response::Ok(answer) => answer,
        Response::Err { error } => return Err(Failure::Said(error)),
    };
    // While a leader is elected the others answer, with nothing.
    if answer.cluster.is_some_and(|cluster| cluster.leader.is_empty()) {
        return Err(Failure::NoLeader);
    }
    if answer.total > answer.state.subjects.len() {
        return Err(Failure::TooMany(NAMES_MAX));
    }
    Ok(answer.state.subjects.into_keys())
}
