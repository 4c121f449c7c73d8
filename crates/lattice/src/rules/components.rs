//! Commands, and those about components: what is answered at once, and what is done when their turn comes.

use model::fact::Fact;
use model::lattice::{ComponentAuctionRequest, ScaleComponent, StartProvider, UpdateComponent};
use model::{ComponentLimits, ComponentName};

use super::course::{Aim, Course, Step};
use super::providers;
use super::settings::{check_names, check_plain};
use crate::hands::Deed;
use crate::state::{Runs, State};

/// What a host is told to do after it has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// A component shall run with so many invocations at once, or not at all.
    Scale(ComponentName, ScaleComponent),
    /// A component that runs shall come from elsewhere.
    Update(ComponentName, UpdateComponent),
    /// A provider shall run.
    Start(ComponentName, StartProvider),
    /// A provider shall not run.
    Stop(ComponentName),
}

/// Whether a host bids for a component.
pub(crate) fn bids(state: &State, request: &ComponentAuctionRequest) -> bool {
    let carries = |(name, value): (&String, &String)| state.labels.get(name) == Some(value);
    request.constraints.iter().all(carries)
        && !state.components.keys().any(|name| name.as_str() == request.component_id)
}

/// What is answered to a command to scale, at once; or why it is not done.
pub(crate) fn scale_words(running: Option<&Runs>, command: &ScaleComponent) -> Result<String, String> {
    limits(command)?;
    let Some(runs) = running.filter(|runs| runs.image_ref != command.component_ref && command.count > 0) else {
        return Ok(String::new());
    };
    let (id, old, new) = (&command.component_id, &runs.image_ref, &command.component_ref);
    Ok(match command.allow_update {
        true => format!("component {id} runs from {old} and is updated to {new}"),
        false => format!("component {id} runs from {old}, and that is not changed to {new}: an update does it"),
    })
}

/// The limits that a command names. One that names none leaves a component those that it has; to end it they need not be right.
fn limits(command: &ScaleComponent) -> Result<Option<ComponentLimits>, String> {
    let named = command.component_limits.as_ref().filter(|_| command.count > 0);
    named.map(ComponentLimits::read).transpose().map_err(|error| error.to_string())
}

/// What is answered to a command to update, and whether anything is to be done.
pub(crate) fn update_words(running: Option<&Runs>, command: &UpdateComponent) -> Result<(String, bool), String> {
    let UpdateComponent { component_id: id, new_component_ref: new, .. } = command;
    match running {
        None => Err(format!("component {id} not found")),
        Some(runs) if runs.image_ref == *new => Ok((format!("component {id} already updated to {new}"), false)),
        Some(runs) => Ok((format!("component {id} updating from {} to {new}", runs.image_ref), true)),
    }
}

/// What is done for a command on the host of that key, by what runs there now; or why nothing is.
pub(crate) fn course(state: &State, host: &str, command: &Command) -> (Aim, Result<Course, String>) {
    match command {
        Command::Scale(id, command) => {
            let wanted = Runs::from(command);
            (Aim::Component(Box::new(wanted.scaled(host, id))), scale(state, (host, id), command))
        }
        Command::Update(id, command) => {
            let running = state.components.get(id).cloned();
            let wanted = Runs { annotations: command.annotations.clone(), ..running.clone().unwrap_or_default() };
            let aim = Runs { image_ref: command.new_component_ref.clone(), ..wanted.clone() };
            // What has ended meanwhile is not begun again.
            let steps = running.map(|_| exchange((host, id), &wanted, &command.new_component_ref));
            (
                Aim::Component(Box::new(aim.scaled(host, id))),
                Ok(Course { steps: steps.unwrap_or_default(), undo: Vec::new() }),
            )
        }
        Command::Start(id, command) => providers::start(state, (host, id), command),
        Command::Stop(id) => providers::stop(state, (host, id)),
    }
}

fn scale(state: &State, at: (&str, &ComponentName), command: &ScaleComponent) -> Result<Course, String> {
    let (id, running) = (at.1, state.components.get(at.1));
    let limits = limits(command)?.or(running.map(|runs| runs.limits)).unwrap_or_default();
    let wanted = Runs { limits, ..Runs::from(command) };
    match (running, command.count) {
        (None, 0) => Ok(Course { steps: vec![said(at, &wanted)], undo: Vec::new() }),
        (None, _) => {
            // What is wrong with its settings is found before anything is compiled.
            check_settings(state, &wanted)?;
            Ok(start(at, wanted))
        }
        (Some(runs), 0) => {
            let ended = Runs { count: 0, ..runs.clone() };
            let steps = vec![Step::Do(Deed::Stop { id: id.clone() }), Step::Run(id.clone(), None), said(at, &ended)];
            Ok(Course { steps, undo: Vec::new() })
        }
        (Some(runs), _) => {
            let has_other_settings = runs.config != wanted.config;
            if has_other_settings {
                check_settings(state, &wanted)?;
            }
            let image_ref = (command.allow_update && runs.image_ref != wanted.image_ref).then_some(&wanted.image_ref);
            Ok(change(at, (runs, &wanted), image_ref.map(String::as_str)))
        }
    }
}

/// Whether a component can have the settings that it is to run with: it is not run without any of them.
fn check_settings(state: &State, wanted: &Runs) -> Result<(), String> {
    check_names(state, &wanted.config)?;
    let link = "link it to secrets of the host (wattle link put COMPONENT secrets/files)";
    check_plain(&wanted.config, "component").map_err(|why| format!("{why}: {link}"))
}

/// A component is among those that run when it does, and not before: what is learned from then on is done to it as well.
fn start(at: (&str, &ComponentName), wanted: Runs) -> Course {
    let (id, Runs { image_ref, count, limits, .. }) = (at.1, wanted.clone());
    let steps = vec![
        Step::Do(Deed::Start { id: id.clone(), image_ref: image_ref.clone(), count, limits }),
        Step::Run(id.clone(), Some(wanted.clone())),
        Step::Tell(id.clone()),
        Step::Link(id.clone()),
        Step::Keep { id: id.clone(), url: image_ref },
        Step::Vouch(id.clone()),
        Step::SayRuns(id.clone(), wanted),
    ];
    let undo = vec![Step::Run(id.clone(), None), Step::Do(Deed::Stop { id: id.clone() })];
    Course { steps, undo }
}

/// Changes the numbers, limits and settings of a component that runs; and then, where that is wanted, where it comes from.
fn change(at: (&str, &ComponentName), (runs, wanted): (&Runs, &Runs), image_ref: Option<&str>) -> Course {
    let id = at.1;
    let has_other_settings = runs.config != wanted.config;
    let has_other_limits = runs.limits != wanted.limits;
    let is_other = has_other_settings || has_other_limits || runs.count != wanted.count;
    let now = match is_other {
        true => Runs { image_ref: runs.image_ref.clone(), ..wanted.clone() },
        false => runs.clone(),
    };
    let become_like = |runs: &Runs| {
        let tell = has_other_settings.then(|| Step::Tell(id.clone()));
        let limit = has_other_limits.then(|| Step::Do(Deed::Limit { id: id.clone(), limits: runs.limits }));
        let allow = Step::Do(Deed::Allow { id: id.clone(), count: runs.count });
        [Step::Run(id.clone(), Some(runs.clone()))].into_iter().chain(tell).chain(limit).chain([allow])
    };
    let mut course = Course::default();
    if is_other {
        course.steps.extend(become_like(&now));
        course.undo.extend(become_like(runs));
    }
    match image_ref {
        Some(image_ref) => course.steps.extend(exchange(at, &now, image_ref)),
        None => course.steps.push(Step::SayRuns(id.clone(), now)),
    }
    course
}

/// Runs a component from elsewhere: the new one begins, then the old one ends, and both are said.
fn exchange(at: (&str, &ComponentName), runs: &Runs, image_ref: &str) -> Vec<Step> {
    let (id, image_ref) = (at.1, image_ref.to_owned());
    let now = Runs { image_ref: image_ref.clone(), ..runs.clone() };
    let before = Runs { count: 0, ..runs.clone() };
    vec![
        Step::Do(Deed::Exchange { id: id.clone(), image_ref: image_ref.clone() }),
        Step::Run(id.clone(), Some(now.clone())),
        Step::Keep { id: id.clone(), url: image_ref },
        Step::Vouch(id.clone()),
        Step::SayRuns(id.clone(), now),
        said(at, &before),
    ]
}

fn said((host, id): (&str, &ComponentName), runs: &Runs) -> Step {
    Step::Say(Fact::ComponentScaled(runs.scaled(host, id)))
}

// === impl Command ===

impl Command {
    /// What is changed: of several commands about one thing the next begins when the last is done.
    pub(crate) fn about(&self) -> String {
        match self {
            Self::Scale(id, _) | Self::Update(id, _) => format!("component {id}"),
            Self::Start(id, _) | Self::Stop(id) => format!("provider {id}"),
        }
    }

    /// The names of the settings that have to be known before it is decided what is done.
    pub(crate) fn settings(&self) -> &[String] {
        match self {
            Self::Scale(_, command) if command.count > 0 => &command.config,
            Self::Start(_, command) => &command.config,
            Self::Scale(..) | Self::Update(..) | Self::Stop(_) => &[],
        }
    }
}
