//! How commands reach hosts: the flags that name a bus and a lattice, and asking on it.
//!
//! # Invariants
//!
//! 1. A host is meant by its key, the beginning of it, or what people call it; where that means several, none is chosen.

mod own;

use std::path::PathBuf;
use std::time::Duration;

use bus::{Bus, Gather, Login, Message, RequestError, Subject};
use clap::Args;
use model::lattice::{CtlResponse, Host, HostInventory};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::{Code, Explain};

use crate::alone;
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::nats::NatsFlags;
use crate::token;

/// The bus of a host.
#[derive(Debug, Args)]
pub(crate) struct BusFlags {
    /// The bus of the host, or of the lattice [default: that of the context, else nats://127.0.0.1:4222]
    #[arg(long, global = true, value_name = "URL")]
    nats: Option<String>,
    /// The file of the token that a host's own bus asks for [default: what the host of this user has left, where that is]
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["nats_token", "nats_creds", "nats_nkey"])]
    bus_token: Option<PathBuf>,
    #[command(flatten)]
    flags: NatsFlags,
    /// How long an answer is waited for, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 20.0, value_parser = crate::imports::seconds)]
    timeout: f64,
}

/// The hosts of a lattice.
#[derive(Debug, Args)]
pub(crate) struct LatticeReach {
    #[command(flatten)]
    bus: BusFlags,
    /// The lattice [default: that of the context, else default]
    #[arg(long, global = true, value_name = "NAME", value_parser = lattice_name)]
    lattice: Option<String>,
    /// The context, see `wattle ctx` [default: the current one]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "nats")]
    ctx: Option<String>,
    /// How long all hosts are given to answer, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 1.0, value_parser = crate::imports::seconds)]
    gather: f64,
}

/// A lattice that can be asked.
pub(crate) struct Reached {
    pub(crate) bus: Bus,
    pub(crate) timeout: Duration,
    gather: Duration,
    pub(crate) lattice: String,
}

/// Hosts that are gathered at most.
const HOSTS_MAX: usize = 10_000;

/// The name of a lattice is one word of a subject.
pub(crate) fn lattice_name(text: &str) -> Result<String, String> {
    let is_word = text.parse::<Subject>().is_ok() && !text.contains('.');
    if is_word { Ok(text.to_owned()) } else { Err("a lattice is called by one word without dots".into()) }
}

/// Reads NAME=VALUE.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("it is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

// === impl BusFlags ===

impl BusFlags {
    /// A host by itself, on its own bus: whatever lattice is the current one.
    pub(crate) async fn host(&self) -> Result<Reached, Failure> {
        let (bus, timeout) =
            self.connect(self.nats.as_deref().unwrap_or("nats://127.0.0.1:4222"), &NatsFlags::default()).await?;
        Ok(Reached { bus, timeout, gather: timeout, lattice: model::LATTICE.to_owned() })
    }

    /// The bus at this address, and how long an answer is waited for.
    async fn connect(&self, nats: &str, flags: &NatsFlags) -> Result<(Bus, Duration), Failure> {
        let login = || match &self.bus_token {
            Some(path) => Login::TokenFile(path.clone()),
            None => token::left_for(nats).map_or(Login::Anyone, Login::Token),
        };
        let bus = Bus::connect(nats, flags.options(login)?).await?;
        Ok((bus, Duration::from_secs_f64(self.timeout)))
    }
}

// === impl LatticeReach ===

impl LatticeReach {
    /// Whether it was said where to look.
    pub(crate) fn is_said(&self) -> bool {
        self.bus.nats.is_some() || self.lattice.is_some() || self.ctx.is_some()
    }

    /// How long an answer is waited for.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.bus.timeout)
    }

    /// Does this once the bus of the lattice is connected to, in a runtime of its own.
    pub(crate) fn once_reached<T>(&self, work: impl AsyncFnOnce(Reached) -> Result<T, Failure>) -> Result<T, Failure> {
        alone::new_runtime()?.block_on(async { work(self.connect().await?).await })
    }

    async fn connect(&self) -> Result<Reached, Failure> {
        let Context { nats, lattice, flags } = self.meant(context::chosen(self.ctx.as_deref())?);
        let (bus, timeout) = self.bus.connect(&nats, &flags).await?;
        Ok(Reached { bus, timeout, gather: Duration::from_secs_f64(self.gather), lattice })
    }

    /// What is meant where this is the context: an address that is said is not that of the context's lattice.
    fn meant(&self, context: Option<Context>) -> Context {
        let context = context.filter(|_| self.bus.nats.is_none());
        let flags = context.as_ref().map(|context| context.flags.clone()).unwrap_or_default();
        let flags = if self.bus.bus_token.is_some() { self.bus.flags.clone() } else { self.bus.flags.or(flags) };
        let (nats, lattice) = context.map(|context| (context.nats, context.lattice)).unzip();
        let or = |said: &Option<String>, known: Option<String>, default: &str| {
            said.clone().or(known).unwrap_or_else(|| default.to_owned())
        };
        Context {
            nats: or(&self.bus.nats, nats, "nats://127.0.0.1:4222"),
            lattice: or(&self.lattice, lattice, model::LATTICE),
            flags,
        }
    }
}

// === impl Reached ===

impl Reached {
    /// All hosts that answer, by what people call them.
    pub(crate) async fn hosts(&self) -> Result<Vec<Host>, Failure> {
        let mut hosts: Vec<Host> = self.gather("host.ping", &()).await?;
        hosts.sort_by(|one, other| (&one.friendly_name, &one.id).cmp(&(&other.friendly_name, &other.id)));
        Ok(hosts)
    }

    /// The host that is meant; the only one where none is named.
    pub(crate) async fn host(&self, named: Option<&str>) -> Result<Host, Failure> {
        find(self.hosts().await?, named, &self.lattice)
    }

    /// What a host runs.
    pub(crate) async fn inventory(&self, host: &Host) -> Result<HostInventory, Failure> {
        let (_, inventory) = self.ask(&format!("host.get.{}", host.id), &()).await?;
        inventory.ok_or_else(|| Failure::new(Code::E0203, "the host does not say what it runs"))
    }

    /// Asks one, and gives what it says with what it answers.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        what: &str,
        question: &impl Serialize,
    ) -> Result<(String, Option<A>), Failure> {
        let answer = self.bus.request(self.subject(what)?, bytes(question), self.timeout).await.map_err(no_host)?;
        let CtlResponse { success, message, response } = read(&answer)?;
        if success { Ok((message, response)) } else { Err(Failure::new(Code::E1003, message)) }
    }

    /// Asks all, and gives what those say who answer in time.
    pub(crate) async fn gather<A: DeserializeOwned>(
        &self,
        what: &str,
        question: &impl Serialize,
    ) -> Result<Vec<A>, Failure> {
        let answers = self.answers::<A>(what, question).await?;
        Ok(answers.into_iter().filter_map(|answer| answer.response).collect())
    }

    /// Tells all, and gives what those say who answer in time: that it is done, or why it is not.
    pub(crate) async fn tell_all(
        &self,
        what: &str,
        question: &impl Serialize,
    ) -> Result<Vec<Result<String, String>>, Failure> {
        let answers = self.answers::<()>(what, question).await?;
        let said =
            |CtlResponse { success, message, .. }: CtlResponse<()>| if success { Ok(message) } else { Err(message) };
        Ok(answers.into_iter().map(said).collect())
    }

    async fn answers<A: DeserializeOwned>(
        &self,
        what: &str,
        question: &impl Serialize,
    ) -> Result<Vec<CtlResponse<A>>, Failure> {
        let gather = Gather { count_max: HOSTS_MAX, time_max: self.gather };
        let question = Message::new(self.subject(what)?, bytes(question));
        let answers = self.bus.request_many(question, gather).await.map_err(no_host)?;
        answers.iter().map(read::<A>).collect()
    }

    fn subject(&self, what: &str) -> Result<Subject, Failure> {
        Ok(format!("{}.{what}", model::lattice::prefix(&self.lattice)).parse()?)
    }
}

/// The host that is meant among those that there are.
pub(crate) fn find(hosts: Vec<Host>, named: Option<&str>, lattice: &str) -> Result<Host, Failure> {
    choose(hosts, named, lattice).map_err(|text| Failure::new(Code::E1002, text))
}

fn choose(mut hosts: Vec<Host>, named: Option<&str>, lattice: &str) -> Result<Host, String> {
    let is_meant = |host: &Host| named.is_none_or(|named| host.id.starts_with(named) || host.friendly_name == named);
    let known: Vec<_> = hosts.iter().map(|host| format!("{} ({})", host.friendly_name, host.id)).collect();
    hosts.retain(is_meant);
    let what = named.map_or("no host".to_owned(), |named| format!("no host {named}"));
    match (hosts.len(), known.len()) {
        (1, _) => Ok(hosts.remove(0)),
        (_, 0) => Err(format!("there is no host in lattice {lattice}; `wattle host` starts one")),
        (0, _) => Err(format!("there is {what} in lattice {lattice}; there is {}", known.join(", "))),
        _ => {
            let meant: Vec<_> = hosts.iter().map(|host| format!("{} ({})", host.friendly_name, host.id)).collect();
            Err(format!("several hosts could be meant, name one with --host: {}", meant.join(", ")))
        }
    }
}

fn bytes(question: &impl Serialize) -> bytes::Bytes {
    let bytes = serde_json::to_vec(question).expect("a question is a value");
    // Who asks nothing sends nothing.
    if bytes == b"null" { bytes::Bytes::new() } else { bytes.into() }
}

fn read<A: DeserializeOwned>(answer: &Message) -> Result<CtlResponse<A>, Failure> {
    let unreadable = |error| {
        Failure::new(Code::E0203, format!("the host's answer cannot be read; is it of another version? {error}"))
    };
    serde_json::from_slice(&answer.payload).map_err(unreadable)
}

/// A question that nobody was there for.
pub(crate) fn no_host(error: RequestError) -> Failure {
    match error {
        RequestError::NoResponders { .. } => {
            Failure::new(error.code(), "there is no host on this bus; `wattle host` starts one")
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(id: &str, friendly_name: &str) -> Host {
        Host { id: id.into(), friendly_name: friendly_name.into(), ..Host::default() }
    }

    #[test]
    fn what_is_said_counts_before_the_context() {
        let reach = |nats: Option<&str>, lattice: Option<&str>| LatticeReach {
            bus: BusFlags {
                nats: nats.map(ToOwned::to_owned),
                bus_token: None,
                flags: NatsFlags::default(),
                timeout: 1.0,
            },
            lattice: lattice.map(ToOwned::to_owned),
            ctx: None,
            gather: 1.0,
        };
        let context =
            || Some(Context { nats: "nats://prod".into(), lattice: "shop".into(), flags: NatsFlags::default() });
        let meant = |reach: LatticeReach, context| {
            let Context { nats, lattice, .. } = reach.meant(context);
            format!("{nats} {lattice}")
        };
        assert_eq!(meant(reach(None, None), None), "nats://127.0.0.1:4222 default");
        assert_eq!(meant(reach(None, None), context()), "nats://prod shop");
        assert_eq!(meant(reach(None, Some("test")), context()), "nats://prod test");
        assert_eq!(meant(reach(Some("nats://a"), None), context()), "nats://a default");
    }

    #[test]
    fn a_host_is_meant_by_its_key_or_its_name() {
        let hosts = || vec![host("NAAA", "elm"), host("NAAB", "oak")];
        let found = |named| choose(hosts(), named, "default").map(|host| host.id);
        assert_eq!(found(Some("NAAB")), Ok("NAAB".into()));
        assert_eq!(found(Some("elm")), Ok("NAAA".into()));
        assert!(found(Some("NAA")).expect_err("two are meant").starts_with("several hosts could be meant"));
        assert!(found(None).is_err());
        assert_eq!(
            found(Some("ash")),
            Err("there is no host ash in lattice default; there is elm (NAAA), oak (NAAB)".into())
        );
        let none = choose(Vec::new(), None, "x").expect_err("there is none");
        assert_eq!(none, "there is no host in lattice x; `wattle host` starts one");
    }
}
