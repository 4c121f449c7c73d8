//! What is done for a command, as a value.

use std::fmt;

use model::ComponentName;
use model::fact::{Fact, Scaled};

use crate::hands::Deed;
use crate::state::{Provides, Runs};

/// What is done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) steps: Vec<Step>,
    /// What is done when one of them has failed.
    pub(crate) undo: Vec<Step>,
}

/// One thing that is done, known or said. What fails ends the course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something is done on this host.
    Do(Deed),
    /// It is known already that this cannot be done.
    Fail(String),
    /// From now on a component runs like that, or does not.
    Run(ComponentName, Option<Runs>),
    /// From now on a provider runs like that, or does not.
    Provide(ComponentName, Option<Provides>),
    /// A provider is told what it is to know, as that is known when it is this step's turn.
    Brief(ComponentName),
    /// A component is told its settings, as they are known when it is this step's turn.
    Tell(ComponentName),
    /// All links that a component is part of are put, as they are known when it is this step's turn.
    Link(ComponentName),
    /// Requests are led by all links whose source is a provider, as they are known when it is this step's turn.
    Listen(ComponentName),
    /// The lattice keeps where a component comes from.
    Keep { id: ComponentName, url: String },
    /// The lattice keeps what is said of a component or provider by who signed it, as that is known when it is this step's turn.
    Vouch(ComponentName),
    /// Everybody is told.
    Say(Fact),
    /// Everybody is told that a component runs like that, and what is said of it by who signed it, as that is known when it is
    /// this step's turn.
    SayRuns(ComponentName, Runs),
    /// The same of a provider.
    SayProvides(ComponentName),
    /// The same where a failure is for the log, and ends nothing.
    Try(Box<Step>),
}

/// What a command is after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aim {
    /// That a component runs like that.
    Component(Box<Scaled>),
    /// That a provider runs, from there.
    Provider { host: String, id: ComponentName, image_ref: String },
}

// === impl Step ===

impl Step {
    /// The same where it ends nothing that it fails.
    pub(crate) fn at_leisure(self) -> Self {
        Self::Try(Box::new(self))
    }

    /// The same where a link that it puts is kept already, whoever put it: it counts here whether its target can be opened or
    /// not.
    pub(crate) fn into_kept(self) -> Self {
        match self {
            Self::Do(Deed::Put(put)) => Self::Do(Deed::Recall(put)),
            Self::Try(step) => step.into_kept().at_leisure(),
            step => step,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do(deed) => write!(f, "{deed}"),
            Self::Fail(why) => write!(f, "fail: {why}"),
            Self::Run(id, Some(runs)) => write!(f, "{id} runs from {}, {} at once", runs.image_ref, runs.count),
            Self::Run(id, None) => write!(f, "{id} does not run"),
            Self::Provide(id, Some(runs)) => write!(f, "provider {id} runs from {}", runs.image_ref),
            Self::Provide(id, None) => write!(f, "provider {id} does not run"),
            Self::Brief(id) => write!(f, "brief {id}"),
            Self::Tell(id) => write!(f, "tell {id} its settings"),
            Self::Link(id) => write!(f, "link {id} as the lattice does"),
            Self::Listen(id) => write!(f, "lead requests from {id} as the lattice does"),
            Self::Keep { id, url } => write!(f, "keep that {id} comes from {url}"),
            Self::Say(Fact::ComponentScaled(Scaled { component_id: id, max_instances, image_ref, .. })) => {
                write!(f, "say that {id} runs from {image_ref}, {max_instances} at once")
            }
            Self::Vouch(id) => write!(f, "keep the claims of {id}"),
            Self::Say(fact) => write!(f, "say {}", fact.name()),
            Self::SayRuns(id, Runs { image_ref, count, .. }) => {
                write!(f, "say that {id} runs from {image_ref}, {count} at once")
            }
            Self::SayProvides(id) => write!(f, "say that provider {id} runs"),
            Self::Try(step) => write!(f, "try to {step}"),
        }
    }
}

// === impl Aim ===

impl Aim {
    /// The fact that it was missed.
    pub(crate) fn missed(self, error: String) -> Fact {
        match self {
            // Of what does not run it is said whose it is, and no more.
            Self::Component(scaled) => Fact::ComponentScaleFailed { scaled: Scaled { claims: None, ..*scaled }, error },
            Self::Provider { host, id, image_ref } => Fact::ProviderStartFailed {
                host_id: host,
                provider_id: id.to_string(),
                provider_ref: image_ref,
                link_name: "default".into(),
                error,
            },
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(scaled) => write!(f, "component {}", scaled.component_id),
            Self::Provider { id, .. } => write!(f, "provider {id}"),
        }
    }
}
