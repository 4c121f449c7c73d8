//! `wattle spy`: the calls of a component that cross the bus, as they come.
//!
//! Those who serve it are told that somebody spies, and tell of each call that comes to them, on a subject of its own: so nothing is
//! changed or delayed, and who calls what nobody serves is told so at once, as ever. A call within one host is on no bus, and not seen.
//!
//! Providers, and hosts of wasmCloud, tell nothing. `--beside` listens beside who answers, which counts as one who may.

use std::process::ExitCode;
use std::time::Duration;

use bus::{Bus, Headers, Message, Subscription};
use clap::Args;
use model::ComponentName;
use serde_json::{Value, json};
use stdx::{ByteSize, Chain, Trace, printable};

use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::reach::LatticeReach;

/// So often those who serve are told that somebody spies: who has begun a moment ago is told soon.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches the calls of a component that come from other hosts and providers
#[derive(Debug, Args)]
pub(crate) struct SpyCommand {
    /// What it is called in the lattice
    component: ComponentName,
    /// Ends after so many calls [default: at Ctrl-C]
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
    /// Listens beside who answers, where that is a provider or a host of wasmCloud. While nobody answers, callers wait for it
    #[arg(long)]
    beside: bool,
    #[command(flatten)]
    reach: LatticeReach,
}

/// A call as it was overheard.
#[derive(Debug, PartialEq, Eq)]
struct Overheard<'a> {
    function: &'a str,
    source: Option<&'a str>,
    link: Option<&'a str>,
    trace: Option<Trace>,
    size: usize,
}

/// Where calls are heard of.
enum Ear {
    /// From those who serve the component, who are told on this subject that somebody spies.
    Told(Message),
    /// From their callers, on subjects that begin with this.
    Beside(String),
}

/// Carries out `wattle spy`.
pub(crate) fn run(command: SpyCommand, output: Output) -> Result<ExitCode, Failure> {
    command.reach.once_reached(async |reached| {
        let (lattice, component) = (reached.lattice.as_str(), command.component.as_str());
        let (pattern, ear) = match command.beside {
            true => {
                let prefix = format!("{lattice}.{component}.wrpc.0.0.1.");
                (format!("{prefix}>"), Ear::Beside(prefix))
            }
            false => {
                let roll = Message::new(model::roll_subject(lattice, component).parse()?, "".into());
                let headers = Headers::of([(model::SPIES, "yes")])?;
                (model::overheard_subject(lattice, component), Ear::Told(Message { headers, ..roll }))
            }
        };
        let calls = reached.bus.subscribe(pattern.parse()?, None).await?;
        reached.bus.flush().await?;
        complain(&format!("listening to calls of {component} in lattice {lattice}"));
        let printing = print(calls, &ear, (&command, output));
        tokio::select! {
            () = printing => {}
            never = ear.keep_telling(&reached.bus) => match never {},
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints calls as they come, up to as many as are wanted.
async fn print(mut calls: Subscription, ear: &Ear, (command, output): (&SpyCommand, Output)) {
    let mut left = command.count.unwrap_or(usize::MAX);
    while left > 0
        && let Some(call) = calls.next().await
    {
        let Some(overheard) = ear.heard(&call) else { continue };
        output.print(&overheard.text(), &overheard.value(command.component.as_str()));
        left -= 1;
    }
}

// === impl Ear ===

impl Ear {
    /// Tells those who serve again and again that somebody spies, where they have to be told.
    async fn keep_telling(&self, bus: &Bus) -> std::convert::Infallible {
        let Self::Told(word) = self else { return std::future::pending().await };
        loop {
            if let Err(error) = bus.publish(word.clone()).await {
                tracing::warn!(error = %Chain(&error), "nobody can be told that somebody spies");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// What a message says of a call.
    fn heard<'a>(&self, message: &'a Message) -> Option<Overheard<'a>> {
        let headers = &message.headers;
        let (called, size) = match self {
            Self::Told(_) => (headers.get(model::CALLED)?, headers.get(model::CALLED_WITH)?.parse().ok()?),
            Self::Beside(prefix) => (message.subject.as_str().strip_prefix(prefix)?, message.payload.len()),
        };
        Some(Overheard {
            function: function(called),
            source: headers.get("source-id"),
            link: headers.get("link-name"),
            trace: headers.trace(),
            size,
        })
    }
}

// === impl Overheard ===

impl Overheard<'_> {
    fn text(&self) -> String {
        let size = ByteSize::bytes(self.size as u64);
        let source = self.source.map(|source| format!(" by {source}")).unwrap_or_default();
        let link = self.link.filter(|link| *link != "default").map(|link| format!(" ({link})")).unwrap_or_default();
        printable(&format!("{}{source}{link}, {size}", self.function)).to_string()
    }

    fn value(&self, component: &str) -> Value {
        let Self { function, source, link, trace, size } = self;
        let trace = trace.as_ref().map(Trace::id);
        json!({
            "component": component, "function": function, "source": source, "link": link, "trace": trace,
            "bytes": size,
        })
    }
}

/// The function in what follows the protocol, which may be addressed to one host by name: `at.NAME.demo:shop/tag@1.0.0.price`.
fn function(called: &str) -> &str {
    let at_one = called.strip_prefix("at.").and_then(|rest| rest.split_once('.'));
    at_one.map_or(called, |(_name, function)| function)
}

#[cfg(test)]
mod tests {
    use bus::Subject;

    use super::*;

    fn call(subject: &str, headers: &[(&str, &str)]) -> Message {
        let subject: Subject = subject.parse().expect("a subject");
        let headers = Headers::of(headers.iter().copied()).expect("headers");
        Message { headers, ..Message::new(subject, "abc".into()) }
    }

    #[test]
    fn a_call_says_what_is_called_and_by_whom() {
        let prefix = "default.price.wrpc.0.0.1.";
        let (subject, ear) = (format!("{prefix}demo:shop/tag@1.0.0.price"), Ear::Beside(prefix.into()));
        let message = call(&subject, &[("source-id", "till"), ("link-name", "backup")]);
        let overheard = ear.heard(&message).expect("a call");
        assert_eq!(overheard.text(), "demo:shop/tag@1.0.0.price by till (backup), 3 B");
        assert_eq!(overheard.value("price")["bytes"], 3);
        assert_eq!(overheard.value("price")["trace"], Value::Null);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let message = call(&subject, &[("traceparent", parent)]);
        assert_eq!(ear.heard(&message).expect("a call").value("price")["trace"], "0af7651916cd43dd8448eb211c80319c");
        let message = call(&subject, &[]);
        assert_eq!(ear.heard(&message).expect("a call").text(), "demo:shop/tag@1.0.0.price, 3 B");
        assert_eq!(Ear::Beside("other.".into()).heard(&message), None);
        for called in ["demo:shop/tag@1.0.0.price", "at.NUID.demo:shop/tag@1.0.0.price"] {
            assert_eq!(function(called), "demo:shop/tag@1.0.0.price");
        }
        assert_eq!((function("at"), function("run"), function("at.NUID.run")), ("at", "run", "run"));
    }

    #[test]
    fn who_serves_says_the_same_of_a_call_in_other_words() {
        let ear = Ear::Told(call("default.price.roll", &[]));
        let said =
            [("wattle-called", "demo:shop/tag@1.0.0.price"), ("wattle-called-with", "70000"), ("source-id", "till")];
        let message = call("default.price.overheard", &said);
        let overheard = ear.heard(&message).expect("a call");
        assert_eq!(overheard.text(), "demo:shop/tag@1.0.0.price by till, 68.3 KiB");
        assert_eq!(overheard.value("price")["link"], Value::Null);
        for broken in [&said[..1], &said[1..], &[("wattle-called", "a"), ("wattle-called-with", "many")]] {
            assert_eq!(ear.heard(&call("default.price.overheard", broken)), None);
        }
    }
}
