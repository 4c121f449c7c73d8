//! Keeps a client: where one ends by itself, another takes its place.
//!
//! The client of `async-nats` connects again after any loss. What it cannot do is outlive a panic of its own task, and it has
//! one for headers that a stranger may send: a value with a carriage return in it. Without this a single message from anybody
//! on the same server would take every host from the lattice for good.
//!
//! # Invariants
//!
//! 1. A client is replaced only after it has ended: there is one connection at a time.
//! 2. Who uses clients in turn sees each end, and then the next one.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ClientError, ConnectErrorKind, Event};
use futures::StreamExt;
use rt::Task;
use tokio::sync::watch;

use super::complaints::Complaints;
use super::options::{self, ConnectError, ConnectOptions, FirstTry};
use crate::drops::Drops;

/// Messages that may wait to be sent. Each is at most as large as a message may be.
const SENDING_MAX: usize = 256;

/// Messages that may wait to be moved into a queue of ours. All that was read at once waits for a moment: thousands, where they
/// are small. What finds no room is counted with the connection, since nobody knows any more whose it was.
const MOVING_MAX: usize = 64 * 1_024;

/// How often a connection on which nothing comes is asked whether it is there. It is taken for lost after two silences.
const PING: Duration = Duration::from_secs(5);

/// How long to wait before a client that ended is replaced: whoever ends each of them cannot keep this process busy with it.
const BREATH: Duration = Duration::from_millis(250);

/// The client that there is, and the task that replaces it.
pub(super) struct Keeper {
    clients: watch::Receiver<Arc<Client>>,
    _keeping: Task,
}

/// One client after the other.
#[derive(Clone)]
pub(super) struct Kept(watch::Receiver<Arc<Client>>);

/// How clients are made.
struct Recipe {
    url: String,
    options: ConnectOptions,
    drops: Arc<Drops>,
}

// === impl Keeper ===

impl Keeper {
    /// Makes the first client, as the options say.
    pub(super) async fn connect(url: &str, options: ConnectOptions, drops: Arc<Drops>) -> Result<Self, ConnectError> {
        let recipe = Recipe { url: url.into(), options, drops };
        let first = recipe.connect().await?;
        let (sender, clients) = watch::channel(Arc::new(first));
        Ok(Self { clients, _keeping: Task::spawn(recipe.keep(sender)) })
    }

    /// The client of now.
    pub(super) fn current(&self) -> Arc<Client> {
        self.clients.borrow().clone()
    }

    /// What is seen of the client of now, which is not held for that.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Client) -> T) -> T {
        look(&self.clients.borrow())
    }

    /// The client of now and all that come after it.
    pub(super) fn clients(&self) -> Kept {
        Kept(self.clients.clone())
    }
}

// === impl Kept ===

impl Kept {
    /// The client of now.
    pub(super) fn current(&self) -> Arc<Client> {
        self.0.borrow().clone()
    }

    /// A client that was not given before, once there is one; none when there will be no more. The first may be given twice.
    pub(super) async fn next(&mut self) -> Option<Arc<Client>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

// === impl Recipe ===

impl Recipe {
    async fn connect(&self) -> Result<Client, ConnectError> {
        let name = options::describe(&self.url);
        let addresses = options::addresses(&self.url).map_err(|source| ConnectError::address(&name, source))?;
        self.check_files(&name).await?;
        let (drops, complaints) = (self.drops.clone(), Arc::new(Complaints::new(&name)));
        let said = complaints.clone();
        let settings =
            self.options.for_client(&addresses).client_capacity(SENDING_MAX).subscription_capacity(MOVING_MAX);
        let settings = settings.ping_interval(PING).event_callback(move |event| {
            on_event(&event, &drops, &complaints);
            std::future::ready(())
        });
        // It is told before each attempt what the last ones have failed of. Which server is tried is left to the client.
        let settings = settings.reconnect_to_server_callback(move |servers, _| {
            said.note(servers.into_iter().filter_map(|server| server.last_error));
            std::future::ready(None)
        });
        settings.connect(addresses).await.map_err(|error| ConnectError::failed(&name, error))
    }

    /// Whether all files are as they have to be. What is wrong later on is said in the log, and tried again.
    async fn check_files(&self, name: &str) -> Result<(), ConnectError> {
        let options = self.options.clone();
        let look = move || {
            options.warn_of_open_files();
            options.problems()
        };
        let problems = tokio::task::spawn_blocking(look).await.expect("looking returns what it finds");
        if problems.is_empty() { Ok(()) } else { Err(ConnectError::Files { bus: name.into(), problems }) }
    }

    /// Replaces each client that ends.
    async fn keep(mut self, clients: watch::Sender<Arc<Client>>) {
        // From now on it is made in the background, however long that takes.
        self.options.first_try = FirstTry::MayFail;
        loop {
            let client = clients.borrow().clone();
            ended(&client).await;
            tracing::error!(bus = %options::describe(&self.url), "the client of the bus ended by itself; another takes its place");
            loop {
                tokio::time::sleep(BREATH).await;
                match self.connect().await {
                    Ok(client) => break drop(clients.send_replace(Arc::new(client))),
                    Err(error) => {
                        tracing::warn!(error = %stdx::Chain(&error), "there is no other client of the bus yet")
                    }
                }
            }
        }
    }
}

/// Waits until a client has ended: until its subscriptions have.
async fn ended(client: &Client) {
    if let Ok(mut messages) = client.subscribe(client.new_inbox()).await {
        while messages.next().await.is_some() {}
    }
}

fn on_event(event: &Event, drops: &Drops, complaints: &Complaints) {
    match event {
        Event::SlowConsumer(_) => drops.add(&"the connection"),
        Event::ServerError(error) => tracing::warn!(%error, "the bus reports an error"),
        Event::Connected => complaints.forget(),
        // What else is wrong is known of each server, in more words.
        Event::ClientError(ClientError::Other(text)) if *text == ConnectErrorKind::Dns.to_string() => {
            complaints.note(["the name of the server is not known".to_owned()]);
        }
        event => tracing::debug!(%event, "the connection to the bus"),
    }
}
