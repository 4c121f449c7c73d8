//! This is an object on its way to an object store.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use line::jetstream::Connected;
use ring::digest::{Context, SHA256};

use super::Store;
use super::failure::Failure;
use super::names::{CHUNK, Path};
use super::reading::digest_text;
use crate::aborts::Aborts;
use crate::blobs::{BlobsError, Upload};
use crate::scope::Object;

/// Messages that the server has not confirmed yet.
const AT_ONCE: usize = 6;

/// Where in the object a message of it begins: with this a part of a large object is found without reading what is before it.
pub(super) const OFFSET: &str = "Wattle-Offset";

/// A version that is being written.
pub(super) struct Writing {
    store: Arc<Store>,
    /// All of it goes over one connection: in the order in which it is sent.
    connected: Connected,
    path: Path,
    /// By which the version is known.
    id: String,
    /// Less than a message, between two calls.
    rest: BytesMut,
    unconfirmed: VecDeque<PublishAckFuture>,
    sent: u64,
    messages: usize,
    seen: Context,
    state: State,
    aborts: Aborts,
}

/// How far a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It takes bytes.
    Open,
    /// It takes no more, since some of them are missing.
    Broken,
    /// It is named, or it may be.
    Named,
}

// === impl Writing ===

impl Writing {
    pub(super) async fn begin(store: Arc<Store>, object: &Object, aborts: Aborts) -> Result<Self, BlobsError> {
        let connected = store.call(async |connected| Ok(connected)).await?;
        Ok(Self {
            store,
            connected,
            path: Path::of(object),
            id: nuid::next().to_string(),
            rest: BytesMut::new(),
            unconfirmed: VecDeque::new(),
            sent: 0,
            messages: 0,
            seen: Context::new(&SHA256),
            state: State::Open,
            aborts,
        })
    }

    /// Takes bytes, and sends them as messages.
    async fn take(&mut self, mut bytes: Bytes) -> Result<(), BlobsError> {
        while self.rest.len() + bytes.len() >= CHUNK {
            let piece = bytes.split_to(CHUNK - self.rest.len());
            if self.rest.is_empty() {
                self.send(piece).await?;
            } else {
                self.rest.extend_from_slice(&piece);
                let whole = self.rest.split().freeze();
                self.send(whole).await?;
            }
        }
        self.rest.extend_from_slice(&bytes);
        Ok(())
    }

    async fn send(&mut self, payload: Bytes) -> Result<(), BlobsError> {
        while self.unconfirmed.len() >= AT_ONCE {
            self.confirm_one().await?;
        }
        self.seen.update(&payload);
        let offset = self.sent.to_string();
        self.sent += payload.len() as u64;
        self.messages += 1;
        let message = PublishMessage::build().payload(payload).header(OFFSET, offset);
        let subject = self.store.bucket.bytes(&self.id);
        let sent = async { Ok(self.connected.context.send_publish(subject, message).await?) };
        self.unconfirmed.push_back(self.store.ask(sent).await?);
        Ok(())
    }

    async fn confirm_one(&mut self) -> Result<(), BlobsError> {
        let Some(oldest) = self.unconfirmed.pop_front() else { return Ok(()) };
        self.store.ask(async { Ok::<_, Failure>(oldest.await.map(drop)?) }).await
    }

    async fn send_rest(&mut self) -> Result<(), BlobsError> {
        if !self.rest.is_empty() {
            let rest = self.rest.split().freeze();
            self.send(rest).await?;
        }
        while !self.unconfirmed.is_empty() {
            self.confirm_one().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobsError> {
        // Until it is taken whole: whoever stops to wait for that has an upload with a hole.
        let before = std::mem::replace(&mut self.state, State::Broken);
        if before != State::Open {
            return Err(self.store.classify(Failure::Broken).await);
        }
        self.take(bytes).await?;
        self.state = State::Open;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobsError> {
        if self.state != State::Open {
            return Err(self.store.classify(Failure::Broken).await);
        }
        self.send_rest().await?;
        let mut version = self.store.bucket.version(&self.path, &self.id);
        version.size = usize::try_from(self.sent).unwrap_or(usize::MAX);
        version.chunks = self.messages;
        version.digest = Some(digest_text(self.seen.clone()));
        // From here on it may be there, whatever the answer is.
        self.state = State::Named;
        self.store.name_version(&self.path, &version).await
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.state == State::Named || self.messages == 0 {
            return;
        }
        let (store, id) = (self.store.clone(), std::mem::take(&mut self.id));
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        self.aborts.push(async move {
            // A message that the server has yet to store would come after the purge.
            for message in unconfirmed {
                drop(store.ask(async { Ok::<_, Failure>(message.await.map(drop)?) }).await);
            }
            store.purge(&id).await
        });
    }
}
