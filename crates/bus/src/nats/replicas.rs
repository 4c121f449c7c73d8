//! Puts a bucket that is there on as many servers as it is to be on.
//!
//! It may have been made when there was one server, or before the others were there, by somebody who wants fewer, or anew after it
//! was lost. So that is looked at again and again, for as long as the bucket is used, and nobody waits for it.
//!
//! # Invariants
//!
//! 1. Nothing but the number of its servers is changed, also of what a later server says of a stream and is not known here: what it
//!    has said is said again.
//! 2. No bucket is put on fewer servers.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::Info;
use serde_json::{Value, json};
use stdx::Chain;

use super::bucket::{Failure, NatsBucket, is_clustered};
use crate::bucket::Replicas;

/// So long after it could not be done it is tried again.
const AGAIN: Duration = Duration::from_secs(15);

/// So long after it was as it is to be it is looked at again.
const LOOK: Duration = Duration::from_secs(60);

/// The server has answered, and not with what it says of a stream.
#[derive(Debug, thiserror::Error)]
#[error("the server says nothing of how the stream is kept")]
struct Unsaid;

/// What puts a bucket on more servers whenever it is on fewer than it is to be on, until it is dropped; nothing where there are no
/// more.
pub(super) fn growing(bucket: &NatsBucket, found: &Info) -> Option<rt::Task> {
    if !may_be_short(bucket.server.replicas, found) {
        return None;
    }
    let bucket = bucket.clone();
    let runtime = bucket.server.runtime.clone();
    let _entered = runtime.enter();
    Some(rt::Task::spawn(grow(bucket)))
}

/// Whether a bucket can be on fewer servers than it is to be on, now or later, and there may be more.
fn may_be_short(replicas: Replicas, found: &Info) -> bool {
    let may_be_more = is_clustered(found) || !replicas.may_be_fewer();
    replicas.grows() && may_be_more && replicas.wanted() > 1
}

async fn grow(bucket: NatsBucket) {
    let (name, replicas) = (bucket.name.clone(), bucket.server.replicas);
    let mut is_told = replicas.may_be_fewer();
    loop {
        let patience = bucket.server.patience;
        let put = bucket.call(patience, |context| put_on(&bucket, context, replicas.wanted())).await;
        let pause = if put.is_ok() { LOOK } else { AGAIN };
        match put {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(bucket = %name, servers = replicas.wanted(), "the bucket is put on more servers");
            }
            Err(error) if is_told => {
                tracing::debug!(bucket = %name, error = %Chain(&error), "the bucket is on fewer servers than it is to be");
            }
            Err(error) => {
                tracing::warn!(bucket = %name, error = %Chain(&error), "the bucket is on fewer servers than it is to be");
                is_told = true;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Puts the stream of a bucket on so many servers, where it is on fewer: whether it was. It is the leader's to say when they have it.
async fn put_on(bucket: &NatsBucket, context: Context, servers: usize) -> Result<bool, Failure> {
    let mut said = ask(bucket, &context, ("INFO", &Value::Null)).await?;
    let config = said.get_mut("config").filter(|config| config.is_object());
    let config = config.ok_or_else(|| Failure::Unknown(Unsaid.into()))?;
    if config["num_replicas"].as_u64().is_some_and(|count| count >= servers as u64) {
        return Ok(false);
    }
    config["num_replicas"] = json!(servers);
    ask(bucket, &context, ("UPDATE", &*config)).await.map(|_| true)
}

/// What the server answers about the stream, all of it.
async fn ask(bucket: &NatsBucket, context: &Context, (what, question): (&str, &Value)) -> Result<Value, Failure> {
    let answer: Result<Response<Value>, _> =
        context.request(format!("STREAM.{what}.{}", bucket.stream()), question).await;
    match answer.map_err(|error| Failure::Unknown(error.into()))? {
        Response::Ok(answer) => Ok(answer),
        Response::Err { error } => Err(bucket.said(error.clone(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(replicas: usize, cluster: &str) -> Info {
        let said = json!({
            "config": {
                "name": "KV_a", "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
                "discard": "new", "storage": "file", "num_replicas": replicas,
            },
            "created": "2026-01-01T00:00:00Z", "ts": "2026-01-01T00:00:00Z",
            "state": {
                "messages": 0, "bytes": 0, "first_seq": 0, "first_ts": "0001-01-01T00:00:00Z", "last_seq": 0,
                "last_ts": "0001-01-01T00:00:00Z", "consumer_count": 0,
            },
            "cluster": { "name": cluster, "leader": "n1" },
        });
        serde_json::from_str(&said.to_string()).expect("what a server says of a stream")
    }

    #[test]
    fn a_bucket_is_put_on_more_servers_where_there_may_be_more_and_somebody_wants_that() {
        assert!(may_be_short(Replicas::Auto, &found(1, "c")));
        assert!(!may_be_short(Replicas::Auto, &found(1, "")), "one server has no others");
        assert!(may_be_short(Replicas::Auto, &found(3, "c")), "it may be made anew while one of them is away");
        assert!(!may_be_short(Replicas::AsFound, &found(1, "c")), "who only looks leaves it as it is");
        assert!(!may_be_short(Replicas::AtLeast(1), &found(1, "c")));
        assert!(may_be_short(Replicas::AtLeast(5), &found(3, "c")));
        assert!(may_be_short(Replicas::AtLeast(3), &found(1, "")), "that it cannot be is said");
    }
}
