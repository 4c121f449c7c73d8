//! `wattle spy`: the calls of a component that cross the bus, as they come.
//!
//! It listens beside those who answer, so that nothing is changed or delayed. A call within one host is on no bus, and not seen.

use std::process::ExitCode;

use bus::Message;
use clap::Args;
use model::ComponentName;
use serde_json::{Value, json};
use stdx::{ByteSize, Trace, printable};

use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::reach::LatticeReach;

/// Watches the calls of a component that come from other hosts and providers
#[derive(Debug, Args)]
pub(crate) struct SpyCommand {
    /// What it is called in the lattice
    component: ComponentName,
    /// Ends after so many calls [default: at Ctrl-C]
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
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

/// Carries out `wattle spy`.
pub(crate) fn run(command: SpyCommand, output: Output) -> Result<ExitCode, Failure> {
    command.reach.once_reached(async |reached| {
        let prefix = format!("{}.{}.wrpc.0.0.1.", reached.lattice, command.component);
        let mut calls = reached.bus.subscribe(format!("{prefix}>").parse()?, None).await?;
        reached.bus.flush().await?;
        complain(&format!("listening to calls of {} in lattice {}", command.component, reached.lattice));
        let mut left = command.count.unwrap_or(usize::MAX);
        while left > 0
            && let Some(call) = calls.next().await
        {
            let Some(overheard) = Overheard::in_message(&call, &prefix) else { continue };
            output.print(&overheard.text(), &overheard.value(command.component.as_str()));
            left -= 1;
        }
        Ok(ExitCode::SUCCESS)
    })
}

// === impl Overheard ===

impl<'a> Overheard<'a> {
    fn in_message(call: &'a Message, prefix: &str) -> Option<Self> {
        Some(Self {
            function: function(call.subject.as_str().strip_prefix(prefix)?),
            source: call.headers.get("source-id"),
            link: call.headers.get("link-name"),
            trace: call.headers.trace(),
            size: call.payload.len(),
        })
    }

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
    use bus::{Headers, Subject};

    use super::*;

    fn call(subject: &str, headers: &[(&str, &str)]) -> Message {
        let subject: Subject = subject.parse().expect("a subject");
        let headers = Headers::of(headers.iter().copied()).expect("headers");
        Message { headers, ..Message::new(subject, "abc".into()) }
    }

    #[test]
    fn a_call_says_what_is_called_and_by_whom() {
        let prefix = "default.price.wrpc.0.0.1.";
        let subject = format!("{prefix}demo:shop/tag@1.0.0.price");
        let message = call(&subject, &[("source-id", "till"), ("link-name", "backup")]);
        let overheard = Overheard::in_message(&message, prefix).expect("a call");
        assert_eq!(overheard.text(), "demo:shop/tag@1.0.0.price by till (backup), 3 B");
        assert_eq!(overheard.value("price")["bytes"], 3);
        assert_eq!(overheard.value("price")["trace"], Value::Null);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let message = call(&subject, &[("traceparent", parent)]);
        let overheard = Overheard::in_message(&message, prefix).expect("a call");
        assert_eq!(overheard.value("price")["trace"], "0af7651916cd43dd8448eb211c80319c");
        let message = call(&subject, &[]);
        let overheard = Overheard::in_message(&message, prefix).expect("a call");
        assert_eq!(overheard.text(), "demo:shop/tag@1.0.0.price, 3 B");
        assert_eq!(Overheard::in_message(&message, "other."), None);
        for called in ["demo:shop/tag@1.0.0.price", "at.NUID.demo:shop/tag@1.0.0.price"] {
            assert_eq!(function(called), "demo:shop/tag@1.0.0.price");
        }
        assert_eq!((function("at"), function("run"), function("at.NUID.run")), ("at", "run", "run"));
    }
}
