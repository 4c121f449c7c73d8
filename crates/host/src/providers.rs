//! The providers of a host: each a process that is kept running, and what becomes of it said to the lattice.
//!
//! # Not here
//!
//! What a provider is and how it is kept running (`provider`), which there shall be and what they are told (`lattice`).

mod admission;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bus::Bus;
use lattice::{ProviderView, Voice};
use model::fact::{Checked, Fact};
use model::{Briefing, ComponentName};
use provider::{Condition, Home, HostKey, News, Place, Program, Provider, Rhythm, Verdict};
use rt::Task;
use stdx::BoxError;
use tokio::sync::mpsc;

use admission::{Admission, NotAdmitted, admission};

pub(crate) use admission::ProviderLogin;

/// News that wait to be said; whoever has more waits.
const NEWS_MAX: usize = 256;

/// What the providers of a host are started with.
pub(crate) struct ProvidersSetup {
    pub(crate) bus: Bus,
    /// The key of the host.
    pub(crate) host: String,
    pub(crate) lattice: String,
    /// Where they find the bus, and how they log in there; nowhere, where it listens to nobody.
    pub(crate) at: Option<(String, ProviderLogin)>,
    /// Where archives are unpacked.
    pub(crate) folder: PathBuf,
    /// What they find in their environment.
    pub(crate) variables: Vec<(String, String)>,
}

/// The providers that run on a host, by their names.
pub(crate) struct Providers {
    /// What they have in common, or why none is started.
    home: Result<Arc<Home>, Arc<NotAdmitted>>,
    folder: PathBuf,
    running: Mutex<BTreeMap<ComponentName, Provider>>,
    tell: mpsc::Sender<(String, News)>,
}

/// What has become of providers, until it is said.
pub(crate) struct Heard(mpsc::Receiver<(String, News)>);

// === impl Providers ===

impl Providers {
    pub(crate) fn new(setup: ProvidersSetup) -> std::io::Result<(Self, Heard)> {
        let ProvidersSetup { bus, host, lattice, at, folder, variables } = setup;
        let (tell, heard) = mpsc::channel(NEWS_MAX);
        let key = HostKey::new()?;
        let home = |Admission { address, login }| {
            let place = Place { host, lattice, address, login };
            Arc::new(Home { bus, place, key, variables, rhythm: Rhythm::default() })
        };
        let admission = at.map_or(Err(NotAdmitted::NoBus), |(addresses, login)| admission(&addresses, &login));
        let home = admission.map(home).map_err(Arc::new);
        Ok((Self { home, folder, running: Mutex::default(), tell }, Heard(heard)))
    }

    /// Starts a provider that does not run.
    pub(crate) async fn start(&self, id: ComponentName, path: PathBuf, briefing: Briefing) -> Result<(), BoxError> {
        let home = self.home.clone()?;
        let (folder, name) = (self.folder.clone(), id.to_string());
        let open = move || Program::open(&path, (&folder, &name), SystemTime::now());
        let program = tokio::task::spawn_blocking(open).await??;
        let provider = Provider::start(home, (id.as_str(), program), briefing, self.tell.clone()).await?;
        self.running().insert(id, provider);
        Ok(())
    }

    /// From now on a provider is to know this.
    pub(crate) fn brief(&self, id: &ComponentName, briefing: Briefing) {
        if let Some(provider) = self.running().get(id) {
            provider.brief(briefing);
        }
    }

    /// Ends a provider, if it runs.
    pub(crate) async fn stop(&self, id: &ComponentName) {
        let provider = self.running().remove(id);
        if let Some(provider) = provider {
            provider.stop().await;
        }
    }

    /// Ends all of them at once.
    pub(crate) async fn end(&self) {
        let running = std::mem::take(&mut *self.running());
        futures::future::join_all(running.into_values().map(Provider::stop)).await;
    }

    /// What is to be seen of one.
    pub(crate) fn look(&self, id: &ComponentName) -> Option<ProviderView> {
        let running = self.running();
        let provider = running.get(id)?;
        Some(ProviderView {
            claims: provider.program().claims().cloned(),
            condition: Shown(provider.condition()).to_string(),
        })
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ComponentName, Provider>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Heard ===

impl Heard {
    /// Says what becomes of providers, for as long as the task lives.
    pub(crate) fn say_by(mut self, voice: Voice, host: String) -> Task {
        Task::spawn(async move {
            while let Some((provider_id, news)) = self.0.recv().await {
                let checked = Checked { host_id: host.clone(), provider_id };
                if let Some(fact) = fact(checked, &news) {
                    voice.say(fact).await;
                }
            }
        })
    }
}

/// What is said of news in a lattice. Hosts of others have no word for a process that ended: its health tells.
fn fact(checked: Checked, news: &News) -> Option<Fact> {
    match news {
        News::Checked(Verdict::Passed) => Some(Fact::HealthCheckPassed(checked)),
        News::Checked(Verdict::Failed) => Some(Fact::HealthCheckFailed(checked)),
        News::Checked(Verdict::Status) => Some(Fact::HealthCheckStatus(checked)),
        News::Ended { .. } | News::Restarted => None,
    }
}

/// A condition in words.
struct Shown(Condition);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Condition::Running { pid, restarts: 0 } => write!(f, "runs as process {pid}"),
            Condition::Running { pid, restarts } => write!(f, "runs as process {pid}, started again {restarts} times"),
            Condition::Waiting { why, restarts } => {
                write!(f, "waits for its next start, after {restarts} of them: it {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_of_a_process_is_told_in_words() {
        let shown = |condition| Shown(condition).to_string();
        assert_eq!(shown(Condition::Running { pid: 7, restarts: 0 }), "runs as process 7");
        assert_eq!(shown(Condition::Running { pid: 7, restarts: 2 }), "runs as process 7, started again 2 times");
        let waiting = Condition::Waiting { why: "exited with 3".into(), restarts: 4 };
        assert_eq!(shown(waiting), "waits for its next start, after 4 of them: it exited with 3");
    }
}
