//! Tells of changes, as the server does: by its notifications of the space of keys, on a connection of their own.

use std::collections::HashMap;

use ::redis::{Msg, cmd};
use futures::StreamExt;

use super::Redis;
use super::failure::Failure;
use crate::scope::Scope;
use crate::store::Changes;

/// The setting of the server that says what it tells of: `K` for keys by their names, and what is done with them: `$` for
/// values, `g` for deletions, `x` for what expires, `A` for all of it.
const NOTIFY: &str = "notify-keyspace-events";

impl Redis {
    /// Tells of the keys of a bucket that change from now on.
    pub(super) async fn changes(&self, scope: &Scope) -> Result<Changes, Failure> {
        self.check_notifies().await?;
        let database = self.client.get_connection_info().redis_settings().db();
        let before = [format!("__keyspace@{database}__:").into_bytes(), self.prefix.value(&scope.key(""))].concat();
        let mut listener = self.client.get_async_pubsub().await?;
        listener.psubscribe([escaped(&before), b"*".to_vec()].concat()).await?;
        let name = move |message: Msg| {
            let channel: Vec<u8> = message.get_channel().ok()?;
            String::from_utf8(channel.strip_prefix(before.as_slice())?.to_vec()).ok()
        };
        let names = listener.into_on_message().filter_map(move |message| std::future::ready(name(message)));
        Ok(names.boxed())
    }

    /// Whether the server tells of changes, where it says so.
    async fn check_notifies(&self) -> Result<(), Failure> {
        let mut question = cmd("CONFIG");
        question.arg("GET").arg(NOTIFY);
        let Ok(said) = self.ask::<HashMap<String, String>>(&question).await else { return Ok(()) };
        let told = said.get(NOTIFY).map_or("", String::as_str);
        let tells = told.contains('K') && (told.contains('A') || (told.contains('$') && told.contains('g')));
        if tells { Ok(()) } else { Err(Failure::TellsNothing(NOTIFY)) }
    }
}

/// The bytes as a pattern that only they match.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if b"*?[]\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}
