//! This is a component that keeps keys for others: it exports `wasi:keyvalue`, and is asked as any store is, whichever host asks.
//!
//! ```text
//! link to a component here ── Kept: dyn Store ──┐
//!                                               ├─ asking ── one invocation: open, what is asked, and the bucket is closed
//! wrpc:keyvalue, from elsewhere ── offered ─────┘
//! ```
//!
//! # Invariants
//!
//! 1. What is asked is one invocation, in an instance of its own. What the component keeps in its memory is gone afterwards.
//! 2. What the component says is said in the words of the contract, whichever version of that it exports.
//!
//! # Not here
//!
//! Changes that are watched: a component has no words for them. Whose keys they are: it is not told who asks, and those who are linked
//! to one share what it keeps.

mod asked;
mod asking;
mod kept;
mod offered;

use capability::{Callable, Keeper};
use model::{ComponentName, Contract};

use crate::store::Refusal;

pub(crate) use kept::Kept;
pub(crate) use offered::reach;

/// A component that keeps keys.
pub(crate) struct Component {
    name: ComponentName,
    version: Version,
    /// What it is asked for, with the exports that are called then: what opens a bucket, and what is asked.
    exported: Vec<(Question, Keeper)>,
    /// What opens a bucket and [`SWAP`]: on the wire there are no words for that.
    swap: Option<Keeper>,
}

/// The version of the contract that a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// With numbers as cursors, as on the wire.
    Draft,
    /// With text as cursors, and numbers with a sign.
    Draft2,
}

/// What a component is asked for, here and on the wire.
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

/// Where an export is, and what it is called.
type Export = (&'static str, &'static str);

/// What is called first, whatever is asked.
const OPEN: Export = ("store", "open");

/// What is called to compare and swap.
const SWAP: [Export; 3] = [("atomics", "[static]cas.new"), ("atomics", "[method]cas.current"), ("atomics", "swap")];

// === impl Component ===

impl Component {
    /// The component, where it exports anything that it can be asked for. Of two versions the one is called that is as on the wire.
    pub(crate) fn of(component: &dyn Callable) -> Option<Self> {
        [Version::Draft, Version::Draft2].into_iter().find_map(|version| {
            let keeper = |question: Question| Some((question, version.keeper(component, &[question.export()])?));
            let exported: Vec<_> = Question::ALL.into_iter().filter_map(keeper).collect();
            let is_kept = !exported.is_empty();
            let swap = version.keeper(component, &SWAP);
            is_kept.then(|| Self { name: component.name().clone(), version, exported, swap })
        })
    }

    /// The exports that are called where this is asked; nothing where it does not export them.
    fn keeper(&self, question: Question) -> Option<&Keeper> {
        self.exported.iter().find(|(exported, _)| *exported == question).map(|(_, keeper)| keeper)
    }
}

// === impl Version ===

impl Version {
    /// What opens a bucket, and these exports; nothing where the component lacks one of them.
    fn keeper(self, component: &dyn Callable, exports: &[Export]) -> Option<Keeper> {
        let exports = [OPEN].into_iter().chain(exports.iter().copied());
        let wanted: Vec<_> = exports.map(|(interface, function)| (self.contract(interface), function)).collect();
        Some(Keeper::new(component, component.functions(&wanted)?))
    }

    fn contract(self, interface: &str) -> Contract {
        let version = match self {
            Self::Draft => "0.2.0-draft",
            Self::Draft2 => "0.2.0-draft2",
        };
        format!("wasi:keyvalue/{interface}@{version}").parse().expect("it is written in full")
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

    /// What is called of a component.
    fn export(self) -> Export {
        match self {
            Self::Get => ("store", "[method]bucket.get"),
            Self::Set => ("store", "[method]bucket.set"),
            Self::Delete => ("store", "[method]bucket.delete"),
            Self::Exists => ("store", "[method]bucket.exists"),
            Self::List => ("store", "[method]bucket.list-keys"),
            Self::Increment => ("atomics", "increment"),
            Self::GetMany => ("batch", "get-many"),
            Self::SetMany => ("batch", "set-many"),
            Self::DeleteMany => ("batch", "delete-many"),
        }
    }

    /// Where it is asked on the wire.
    fn interface(self) -> &'static str {
        self.export().0
    }

    /// What is called on the wire: there a method is a function that is told the bucket.
    fn name(self) -> &'static str {
        self.export().1.trim_start_matches("[method]bucket.")
    }
}
