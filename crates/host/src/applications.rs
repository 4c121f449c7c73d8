//! What applications the hosts of a lattice were told to run: each host writes down its own, and answers for all.
//!
//! ```text
//! wattle up shop.yaml ─▶ APPLICATIONS_LATTICE: shop/NHOST ─▶ any host, asked about applications ─▶ all of them
//! ```
//!
//! # Invariants
//!
//! 1. A host changes nothing but what it said itself: no two write under one key.
//! 2. A host that ends in order takes back what it said; of one that was killed it stays, and it is said anew or taken back when
//!    that host starts again.
//! 3. A host that is alone and was told of no application makes no file.
//!
//! # Not here
//!
//! What is declared (`manifest`). Where components run now: hosts say that in their inventories.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus::{Bucket, BucketError, BucketKey, Bus, Keep, SubscribeError, Subscription, patiently};
use model::{Declaration, DeclaredApplication};
use rt::{Task, within};
use stdx::Chain;
use tokio::sync::SetOnce;

use crate::control::{Failed, boxed, said};

/// How long taking back what was said may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long who wants what is said to be written down waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers what is asked about applications, until it is dropped.
pub(crate) struct Applications {
    books: Books,
    /// Set when the lattice knows what this host was told to run.
    known: Arc<SetOnce<()>>,
    _task: Task,
}

/// Where a host writes down what it was told to run.
#[derive(Clone)]
pub(crate) struct Books {
    /// The bus of the lattice.
    pub(crate) bus: Bus,
    /// The lattice.
    pub(crate) lattice: String,
    /// Who says it.
    pub(crate) host: String,
    /// What people call it.
    pub(crate) host_name: String,
    /// Whether there may be anything: where a host is alone and nothing was ever kept, nobody has written anything.
    pub(crate) may_be_kept: bool,
}

// === impl Applications ===

impl Applications {
    /// Writes down what this host was told to run, and answers for the lattice. Called within the control plane's runtime.
    pub(crate) async fn start(
        mut books: Books,
        application: Option<DeclaredApplication>,
    ) -> Result<Self, SubscribeError> {
        books.may_be_kept |= application.is_some();
        let subject = model::applications_subject(&books.lattice);
        let pattern = subject.parse().expect("the name of a lattice is a word, see LatticeConfig");
        let questions = books.bus.subscribe(pattern, Some("wattle".parse().expect("this is a word"))).await?;
        let known = Arc::<SetOnce<()>>::default();
        let _task = Task::spawn(run((books.clone(), known.clone()), application, questions));
        Ok(Self { books, known, _task })
    }

    /// Waits until the lattice knows what this host was told to run, for a while.
    pub(crate) async fn known(&self) {
        if within(Some(PATIENCE), self.known.wait()).await.is_err() {
            tracing::warn!("the lattice does not know yet what this host was told to run; it is told later");
        }
    }

    /// Answers nothing more, and takes back what was said.
    pub(crate) async fn end(self) {
        let Self { books, _task, .. } = self;
        drop(_task);
        if !books.may_be_kept {
            return;
        }
        match within(Some(FAREWELL), books.settle(None)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "what ran here is still said to"),
            Err(late) => tracing::warn!(error = %late, "what ran here is still said to"),
        }
    }
}

async fn run(
    (books, known): (Books, Arc<SetOnce<()>>),
    application: Option<DeclaredApplication>,
    mut questions: Subscription,
) {
    if books.may_be_kept {
        let declaration = application.map(|application| books.declaration(application));
        patiently("the lattice does not know yet what this host was told to run", || {
            books.settle(declaration.as_ref())
        })
        .await;
    }
    // It is set here alone, once.
    known.set(()).ok();
    while let Some(question) = questions.next().await {
        let Some(answer) = question.answer(said(books.declarations().await)) else { continue };
        if let Err(error) = books.bus.publish(answer).await {
            tracing::warn!(error = %Chain(&error), "an answer could not be sent");
        }
    }
}

// === impl Books ===

impl Books {
    fn declaration(&self, application: DeclaredApplication) -> Declaration {
        Declaration {
            application,
            host: self.host.clone(),
            host_name: self.host_name.clone(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }

    async fn bucket(&self) -> Result<Bucket, BucketError> {
        let name = format!("APPLICATIONS_{}", self.lattice);
        self.bus
            .bucket(name.parse().expect("the name of a lattice is a word, see LatticeConfig"), Keep::default())
            .await
    }

    /// Says this, and nothing else: what this host said before is gone.
    async fn settle(&self, declaration: Option<&Declaration>) -> Result<(), BucketError> {
        let bucket = self.bucket().await?;
        let now = declaration.map(|declaration| key(&declaration.application.name, &self.host));
        for key in bucket.keys().await?.iter().filter(|key| is_of(key, &self.host) && Some(*key) != now.as_ref()) {
            bucket.delete(key).await?;
        }
        if let (Some(key), Some(declaration)) = (&now, declaration) {
            let value = serde_json::to_vec(declaration).expect("a declaration is a value");
            bucket.put(key, value.into()).await?;
        }
        Ok(())
    }

    /// All that all hosts have said. What cannot be read is left out, which is in the log.
    async fn declarations(&self) -> Result<Vec<Declaration>, Failed> {
        if !self.may_be_kept {
            return Ok(Vec::new());
        }
        let entries = async { self.bucket().await?.entries().await };
        let read = |(key, entry): (BucketKey, bus::Entry)| {
            let read = serde_json::from_slice(&entry.value);
            read.inspect_err(|error| tracing::warn!(%key, %error, "what is said to be an application is none")).ok()
        };
        Ok(entries.await.map_err(boxed)?.into_iter().filter_map(read).collect())
    }
}

/// Under what a host says that it was told to run an application of that name.
fn key(application: &str, host: &str) -> BucketKey {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let letter = |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("={byte:02x}") };
    // No key has more than 512 bytes.
    let name: String = application.bytes().take(64).map(letter).collect();
    format!("{name}/{host}").parse().expect("letters, digits, '-', '_' and '=', and the key of a host")
}

fn is_of(key: &BucketKey, host: &str) -> bool {
    key.as_str().rsplit_once('/').is_some_and(|(_, by)| by == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_of_any_name_has_a_key_and_is_its_hosts() {
        for name in ["shop", "", "a/b.c d", "größe"] {
            assert!(is_of(&key(name, "NAAA"), "NAAA") && !is_of(&key(name, "NAAA"), "NAAB"), "{name}");
        }
        assert_eq!(key("my shop", "NAAA").as_str(), "my=20shop/NAAA");
    }

    #[tokio::test]
    async fn a_host_says_one_thing_and_takes_back_what_it_said_before() {
        let bus = Bus::in_process(bus::Broker::new(bus::Limits::default()));
        let books = |host: &str| Books {
            bus: bus.clone(),
            lattice: "default".into(),
            host: host.into(),
            host_name: host.to_lowercase(),
            may_be_kept: true,
        };
        let (ada, bob) = (books("NA"), books("NB"));
        let application = |name: &str| DeclaredApplication {
            name: name.into(),
            version: None,
            components: Vec::new(),
            links: Vec::new(),
        };
        let says = |books: &Books, name: &str| books.declaration(application(name));
        ada.settle(Some(&says(&ada, "shop"))).await.expect("it is kept");
        bob.settle(Some(&says(&bob, "shop"))).await.expect("it is kept");
        ada.settle(Some(&says(&ada, "bank"))).await.expect("it is kept");
        let Ok(declared) = bob.declarations().await else { panic!("they are there") };
        let said: Vec<_> = declared.iter().map(|it| (it.application.name.as_str(), it.host.as_str())).collect();
        assert_eq!(said, [("bank", "NA"), ("shop", "NB")]);
        ada.settle(None).await.expect("it is taken back");
        assert_eq!(bob.declarations().await.map_or(0, |declared| declared.len()), 1);
    }
}
