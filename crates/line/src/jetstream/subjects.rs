//! Asks a stream which subjects it has.
//!
//! One question and one answer: the client's own way asks page after page, and pages of what changes meanwhile overlap.

use std::collections::HashMap;

use async_nats::jetstream::Error as Said;
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use serde::{Deserialize, Serialize};

use super::Connected;

/// The most subjects that are listed: as many as a server tells of at once.
pub const SUBJECTS_MAX: usize = 100_000;

/// The subjects are not known.
#[derive(Debug, thiserror::Error)]
pub enum SubjectsError {
    /// There was no answer.
    #[error("the server did not list its subjects")]
    Asked(#[from] RequestError),
    /// The server says why not.
    #[error("the server did not list its subjects")]
    Said(#[source] Said),
    /// While a leader is elected a stream looks empty. It is not.
    #[error("the bucket has no leader at present")]
    NoLeader,
    /// More than are told of at once.
    #[error("there are more than {SUBJECTS_MAX}, which is more than a server lists at once")]
    TooMany,
}

#[derive(Serialize)]
struct Question<'a> {
    subjects_filter: &'a str,
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

/// The subjects of the stream `stream` that match, as they were at one moment, in no order.
pub async fn subjects(
    connected: &Connected,
    stream: &str,
    filter: &str,
) -> Result<impl Iterator<Item = String> + use<>, SubjectsError> {
    let question = Question { subjects_filter: filter };
    let asked: Result<Response<Answer>, RequestError> =
        connected.context.request(format!("STREAM.INFO.{stream}"), &question).await;
    let answer = match asked? {
        Response::Ok(answer) => answer,
        Response::Err { error } => return Err(SubjectsError::Said(error)),
    };
    // While a leader is elected the others answer, with nothing.
    if answer.cluster.is_some_and(|cluster| cluster.leader.is_empty()) {
        return Err(SubjectsError::NoLeader);
    }
    if answer.total > answer.state.subjects.len() {
        return Err(SubjectsError::TooMany);
    }
    Ok(answer.state.subjects.into_keys())
}
