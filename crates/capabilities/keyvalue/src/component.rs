//! This is a component that keeps keys for others: it exports `wasi:keyvalue`, and those on other hosts ask it as they ask a provider.
//!
//! ```text
//! another host's backend `provider` ═ wrpc:keyvalue ═▶ offered ─▶ asking ── one invocation: open, the call, and the bucket is closed
//! ```
//!
//! # Invariants
//!
//! 1. What is asked is one invocation, in an instance of its own. What the component keeps in its memory is gone afterwards.
//! 2. What the component says is said in the words of the contract, whichever version of that it exports.
//!
//! # Not here
//!
//! Links to a component on the same host, which hand its buckets on as any handles (`host`). Comparing and swapping, and changes that
//! are watched: the form on the wire has no words for them. Whose keys they are: a component is not told who asks.

mod asked;
mod asking;
mod offered;

use capability::{Callable, Keeper};
use model::{ComponentName, Contract};

use crate::store::Refusal;

pub(crate) use offered::reach;

/// A component that keeps keys.
pub(crate) struct Component {
    name: ComponentName,
    version: Version,
    /// What it is asked for, with the exports that are called then: what opens a bucket, and what is asked.
    exported: Vec<(Question, Keeper)>,
}

/// The version of the contract that a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// With numbers as cursors, as on the wire.
    Draft,
    /// With text as cursors, and numbers with a sign.
    Draft2,
}

/// What a component is asked for on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Get,
    Set,
    Delete,
    Exists,
    List,
    Increment,
    GetMany,
    SetMany,
    DeleteMany,
}

/// Why a component has not done what it was asked.
type Trouble = capability::Trouble<Refusal>;

// === impl Component ===

impl Component {
    /// The component, where it exports anything that it can be asked for. Of two versions the one is called that is as on the wire.
    fn of(component: &dyn Callable) -> Option<Self> {
        [Version::Draft, Version::Draft2].into_iter().find_map(|version| {
            let keeper = |question| Some((question, version.keeper(component, question)?));
            let exported: Vec<_> = Question::ALL.into_iter().filter_map(keeper).collect();
            let is_kept = !exported.is_empty();
            is_kept.then(|| Self { name: component.name().clone(), version, exported })
        })
    }
}

// === impl Version ===

impl Version {
    fn keeper(self, component: &dyn Callable, question: Question) -> Option<Keeper> {
        let contract = |interface: &str| -> Contract {
            let version = match self {
                Self::Draft => "0.2.0-draft",
                Self::Draft2 => "0.2.0-draft2",
            };
            format!("wasi:keyvalue/{interface}@{version}").parse().expect("it is written in full")
        };
        let called = (contract(question.interface()), question.export());
        let exports = component.functions(&[(contract("store"), "open"), called])?;
        Some(Keeper::new(component, exports))
    }
}

// === impl Question ===

impl Question {
    const ALL: [Self; 9] = [
        Self::Get,
        Self::Set,
        Self::Delete,
        Self::Exists,
        Self::List,
        Self::Increment,
        Self::GetMany,
        Self::SetMany,
        Self::DeleteMany,
    ];

    /// Where it is asked, of a component and on the wire.
    fn interface(self) -> &'static str {
        match self {
            Self::Get | Self::Set | Self::Delete | Self::Exists | Self::List => "store",
            Self::Increment => "atomics",
            Self::GetMany | Self::SetMany | Self::DeleteMany => "batch",
        }
    }

    /// What is called of a component.
    fn export(self) -> &'static str {
        match self {
            Self::Get => "[method]bucket.get",
            Self::Set => "[method]bucket.set",
            Self::Delete => "[method]bucket.delete",
            Self::Exists => "[method]bucket.exists",
            Self::List => "[method]bucket.list-keys",
            Self::Increment => "increment",
            Self::GetMany => "get-many",
            Self::SetMany => "set-many",
            Self::DeleteMany => "delete-many",
        }
    }

    /// What is called on the wire: there a method is a function that is told the bucket.
    fn name(self) -> &'static str {
        self.export().trim_start_matches("[method]bucket.")
    }
}
