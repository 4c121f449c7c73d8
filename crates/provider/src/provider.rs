//! This is a provider that is kept running: started again when it ends, asked how it is, told what changes.
//!
//! # Invariants
//!
//! 1. There is at most one process of it at a time, and none after [`Provider::stop`] or when it is dropped.
//! 2. What it was told is its [`Briefing`], from the moment that it listens: see `telling`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bus::Bus;
use model::Briefing;
use rt::Task;
use stdx::{Chain, Code, Explain};
use tokio::sync::{mpsc, oneshot, watch};

use crate::health::{Answer, Health, Verdict};
use crate::process::{Launch, Process, SpawnError};
use crate::program::Program;
use crate::restarts::Restarts;
use crate::start::{self, HostKey, Place, ProviderKey};
use crate::telling;
use crate::words::Words;

/// What the providers of a host have in common.
pub struct Home {
    /// What they are reached over.
    pub bus: Bus,
    /// Where they run.
    pub place: Place,
    /// The key that they know the host by.
    pub key: HostKey,
    /// What they find in their environment.
    pub variables: Vec<(String, String)>,
    /// When they are asked and waited for.
    pub rhythm: Rhythm,
}

/// When a provider is asked how it is, and how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// After its start.
    pub first_check: Duration,
    /// And then again and again.
    pub check_every: Duration,
    /// Until it answers anything.
    pub answer_max: Duration,
    /// Until it says that it will end.
    pub goodbye_max: Duration,
    /// Until it has ended after it said so.
    pub end_max: Duration,
}

/// What has become of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It was asked how it is.
    Checked(Verdict),
    /// Its process has ended by itself, and will be started again.
    Ended {
        /// How.
        how: String,
        /// After how long it is started again.
        again_in: Duration,
    },
    /// It was started again.
    Restarted,
}

/// How a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Its process runs.
    Running {
        /// The number of the process.
        pid: u32,
        /// How often it was started again.
        restarts: u32,
    },
    /// It has ended and is started again after a pause.
    Waiting {
        /// How it ended, or why it could not be started.
        why: String,
        /// How often it was started again.
        restarts: u32,
    },
}

/// A provider that runs until it is stopped or dropped.
pub struct Provider {
    program: Arc<Program>,
    condition: Arc<Mutex<Condition>>,
    briefing: watch::Sender<Briefing>,
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
    _supervising: Task,
}

/// What supervising one takes.
struct Supervised {
    home: Arc<Home>,
    program: Arc<Program>,
    key: ProviderKey,
    words: Words,
    briefing: watch::Receiver<Briefing>,
    condition: Arc<Mutex<Condition>>,
    news: mpsc::Sender<(String, News)>,
}

/// Until a provider that was started answers for the first time it is asked so often.
const HAIL_EVERY: Duration = Duration::from_millis(250);

// === impl Provider ===

impl Provider {
    /// Starts a provider that is called `id`, a word of a subject. What becomes of it goes to `news`. To be called within the control
    /// plane's runtime.
    pub async fn start(
        home: Arc<Home>,
        (id, program): (&str, Program),
        briefing: Briefing,
        news: mpsc::Sender<(String, News)>,
    ) -> Result<Self, SpawnError> {
        let key = ProviderKey::new()?;
        let words = Words::new(home.bus.clone(), &home.place, (id, &key.public));
        let program = Arc::new(program);
        let condition = Arc::new(Mutex::new(Condition::Waiting { why: "it is not started yet".into(), restarts: 0 }));
        let (briefing, briefed) = watch::channel(briefing);
        let supervised = Supervised {
            home,
            program: program.clone(),
            key,
            words,
            briefing: briefed,
            condition: condition.clone(),
            news,
        };
        let first = supervised.spawn(0).await?;
        let (stop, stop_asked) = oneshot::channel();
        let (tell_stopped, stopped) = oneshot::channel();
        let _supervising = Task::spawn(async move {
            supervised.run(first, stop_asked).await;
            // Who dropped the provider does not wait.
            tell_stopped.send(()).err();
        });
        Ok(Self { program, condition, briefing, stop, stopped, _supervising })
    }

    /// How it is now.
    pub fn condition(&self) -> Condition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it executes.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// From now on it is to know this. It is told of what is otherwise as soon as it listens, and of all of it at its next start.
    pub fn brief(&self, briefing: Briefing) {
        self.briefing.send_replace(briefing);
    }

    /// Asks it to end, and ends it.
    pub async fn stop(self) {
        let Self { stop, stopped, _supervising, .. } = self;
        // Supervising ends only by being asked to.
        if stop.send(()).is_ok() {
            stopped.await.err();
        }
    }
}

// === impl Supervised ===

impl Supervised {
    /// Keeps it running until it is asked to stop.
    async fn run(self, first: (Process, Briefing), mut stop: oneshot::Receiver<()>) {
        let (mut restarts, mut health) = (Restarts::default(), Health::default());
        let mut next = Ok(first);
        for count in 1.. {
            let begun = Instant::now();
            let how = match next {
                Ok((mut process, told)) => tokio::select! {
                    exit = process.ended() => exit.to_string(),
                    _ = &mut stop => return self.end(process).await,
                    never = self.attend(told, &mut health) => match never {},
                },
                Err(error) => format!("{}", Chain(&error)),
            };
            let again_in = restarts.after(begun.elapsed());
            self.say_ended(how, (count - 1, again_in), &mut health).await;
            tokio::select! {
                () = tokio::time::sleep(again_in) => {}
                _ = &mut stop => return,
            }
            next = self.spawn(count).await;
            if next.is_ok() {
                self.say(News::Restarted).await;
            }
        }
    }

    /// Starts a process, and says what it was told.
    async fn spawn(&self, restarts: u32) -> Result<(Process, Briefing), SpawnError> {
        let briefing = self.briefing.borrow().clone();
        let line = start::line(&self.home.place, (&self.home.key, &self.key), &self.words.id, &briefing)?;
        let (path, name) = (self.program.path().to_owned(), self.words.id.clone());
        let process = Process::spawn(Launch { path, variables: self.home.variables.clone(), name }, line).await?;
        self.set(Condition::Running { pid: process.pid().unwrap_or_default(), restarts });
        Ok((process, briefing))
    }

    /// Looks after a process that runs.
    async fn attend(&self, told: Briefing, health: &mut Health) -> std::convert::Infallible {
        tokio::join!(self.keep_told(told), self.keep_asking(health)).0
    }

    async fn keep_told(&self, mut told: Briefing) -> std::convert::Infallible {
        let rhythm = self.home.rhythm;
        // Who does not answer by then may listen all the same.
        rt::within(Some(rhythm.first_check), self.first_sign()).await.err();
        let mut briefed = self.briefing.clone();
        loop {
            let briefing = briefed.borrow_and_update().clone();
            for word in telling::difference(&told, &briefing) {
                self.words.tell(&word).await;
            }
            told = briefing;
            if briefed.changed().await.is_err() {
                // Who could say something else has dropped the provider.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until it answers: it listens to everything, then.
    async fn first_sign(&self) {
        while self.words.health(HAIL_EVERY).await == Answer::Silent {
            tokio::time::sleep(HAIL_EVERY).await;
        }
    }

    async fn keep_asking(&self, health: &mut Health) -> std::convert::Infallible {
        let Rhythm { first_check, check_every, answer_max, .. } = self.home.rhythm;
        tokio::time::sleep(first_check).await;
        loop {
            let answer = self.words.health(answer_max).await;
            if let Some(verdict) = health.step(answer) {
                self.say(News::Checked(verdict)).await;
            }
            tokio::time::sleep(check_every).await;
        }
    }

    /// Asks it to end, waits a little, and kills it. It has ended then, unless the system itself holds it.
    async fn end(&self, mut process: Process) {
        let Rhythm { goodbye_max, end_max, .. } = self.home.rhythm;
        if self.words.shutdown(goodbye_max).await {
            rt::within(Some(end_max), process.ended()).await.err();
        }
        process.kill();
        rt::within(Some(end_max), process.ended()).await.err();
    }

    async fn say_ended(&self, how: String, (restarts, again_in): (u32, Duration), health: &mut Health) {
        tracing::warn!(provider = self.words.id, again_in = ?again_in, "a provider {how}");
        self.set(Condition::Waiting { why: how.clone(), restarts });
        if let Some(verdict @ Verdict::Failed) = health.step(Answer::Unhealthy) {
            self.say(News::Checked(verdict)).await;
        }
        self.say(News::Ended { how, again_in }).await;
    }

    fn set(&self, condition: Condition) {
        *self.condition.lock().unwrap_or_else(PoisonError::into_inner) = condition;
    }

    /// Where nobody listens any more, nobody is told.
    async fn say(&self, news: News) {
        self.news.send((self.words.id.clone(), news)).await.err();
    }
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            first_check: Duration::from_secs(5),
            check_every: Duration::from_secs(30),
            answer_max: Duration::from_secs(2),
            goodbye_max: Duration::from_millis(300),
            end_max: Duration::from_secs(1),
        }
    }
}

// === impl SpawnError ===

impl Explain for SpawnError {
    fn code(&self) -> Code {
        Code::E1203
    }
}
