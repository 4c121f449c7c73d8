//! `wattle call` of a component that runs in a lattice: the text goes to a host that runs it and knows its types.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use capability::settings::nearest;
use model::{ComponentName, TextAnswer, TextCall, TextForm, call_subject};
use stdx::{Code, printable};

use super::CallCommand;
use crate::failure::Failure;
use crate::output::{Output, complain, say};
use crate::reach::Reached;

/// A host ends a call when its time is over, and says so: so much longer is its word waited for.
const GRACE: Duration = Duration::from_secs(2);

/// Makes all calls in turn, and prints what each gives, until one fails.
pub(super) async fn call(
    reached: &Reached,
    command: &CallCommand,
    name: &ComponentName,
    output: Output,
) -> Result<ExitCode, Failure> {
    if output == Output::Text && !command.reach.is_said() {
        let bus = reached.bus.describe();
        complain(&format!(
            "there is no file {name} here: the component {name} in lattice {} on {bus} is called",
            reached.lattice
        ));
    }
    let is_json = output == Output::Json || !command.json.is_empty();
    let form = if is_json { TextForm::Json } else { TextForm::Wave };
    let subject = call_subject(&reached.lattice, name.as_str());
    let time = command.reach.timeout();
    let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    for (at, call) in command.calls.iter().enumerate() {
        let asked = TextCall { call: call.clone(), arguments: command.json.get(at).cloned(), form, time_ms };
        for _ in 0..command.repeat {
            let answer = reached.question::<TextAnswer>(&subject, &asked, time.saturating_add(GRACE)).await;
            match answer {
                Ok(TextAnswer { result }) => say(&result),
                Err(failure) if failure.is(Code::E0701) => return Err(nobody(reached, name).await?),
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why nobody was there to be called.
async fn nobody(reached: &Reached, name: &ComponentName) -> Result<Failure, Failure> {
    let mut runs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for host in reached.hosts().await? {
        for component in reached.inventory(&host).await?.components {
            runs.entry(component.id).or_default().insert(host.friendly_name.clone());
        }
    }
    Ok(Failure::new(Code::E1002, words(name.as_str(), &runs, &reached.lattice)))
}

/// What is said of a component that nobody answers for, where these run on these hosts.
fn words(name: &str, runs: &BTreeMap<String, BTreeSet<String>>, lattice: &str) -> String {
    if let Some(hosts) = runs.get(name) {
        let hosts = hosts.iter().map(|host| printable(host).to_string()).collect::<Vec<_>>().join(", ");
        return format!(
            "{name} runs on {hosts}, and takes no calls in text: it has only just started, or none of its functions can be called so"
        );
    }
    let known: Vec<_> = runs.keys().map(String::as_str).collect();
    let instead = match (nearest(name, &known), known.as_slice()) {
        (Some(nearest), _) => format!("did you mean {}?", printable(nearest)),
        (None, []) => "no component runs there".to_owned(),
        (None, known) => format!("there is {}", printable(&known.join(", "))),
    };
    format!("no host of lattice {lattice} runs {name}, and there is no file of that name here; {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_nobody_hears_what_runs() {
        let runs = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), ["ada".to_owned()].into())).collect();
        let said = |name, there: &[&str]| words(name, &runs(there), "default");
        assert!(said("prise", &["price", "till"]).ends_with("did you mean price?"));
        assert!(said("calc", &["price", "till"]).ends_with("there is price, till"));
        assert!(said("calc", &[]).ends_with("no component runs there"));
        assert!(said("till", &["till"]).starts_with("till runs on ada, and takes no calls in text"));
    }
}
