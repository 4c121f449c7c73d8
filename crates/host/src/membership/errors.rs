//! This is why a host does not join a lattice, or does not leave it.

use bus::{ConnectError, NameError, SubscribeError};
use lattice::{EntranceError, MoveError};
use model::{Entrance, MembershipView, Standing};
use stdx::{Code, Explain};

use crate::load::LoadError;
use crate::running::HostError;

/// A host stays where it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// It is in another lattice.
    #[error("this host is in lattice {lattice} on {bus}")]
    Elsewhere {
        /// Which.
        lattice: String,
        /// What carries it.
        bus: String,
    },
    /// It was started in its lattice.
    #[error("this host was started in lattice {lattice} on {bus} by --nats: it leaves that when it is started without")]
    Started {
        /// Which.
        lattice: String,
        /// What carries it.
        bus: String,
    },
    /// The servers of the lattice do not let it in.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A bus takes nothing.
    #[error(transparent)]
    Bus(#[from] SubscribeError),
    /// What it keeps cannot be taken along.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// It cannot remember where it is.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// What runs cannot be linked there.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Providers run on it, which know one lattice for as long as they live.
    #[error("providers run on this host, which are in one lattice only: {}; stop them, and start them again afterwards", .0.join(", "))]
    Providers(Vec<String>),
    /// It cannot begin there.
    #[error(transparent)]
    Begin(#[from] HostError),
    /// It stops at this moment.
    #[error("this host is stopping")]
    Ending,
}

/// Whether a host may join: it is there already where something is given.
pub(super) fn may_join(
    view: &MembershipView,
    wanted: &Entrance,
    joined: Option<&Entrance>,
) -> Result<Option<MembershipView>, JoinError> {
    let (lattice, bus) = (view.lattice.clone(), view.bus.clone());
    match view.standing {
        Standing::Alone => Ok(None),
        Standing::Joined if joined == Some(wanted) => Ok(Some(view.clone())),
        Standing::Joined => Err(JoinError::Elsewhere { lattice, bus }),
        Standing::Started => Err(JoinError::Started { lattice, bus }),
    }
}

/// Whether a host may leave: it is alone already where something is given.
pub(super) fn may_leave(view: &MembershipView) -> Result<Option<MembershipView>, JoinError> {
    match view.standing {
        Standing::Alone => Ok(Some(view.clone())),
        Standing::Joined => Ok(None),
        Standing::Started => Err(JoinError::Started { lattice: view.lattice.clone(), bus: view.bus.clone() }),
    }
}

/// Whether a host with these providers may change its lattice.
pub(super) fn may_move(providers: &[String]) -> Result<(), JoinError> {
    if providers.is_empty() { Ok(()) } else { Err(JoinError::Providers(providers.to_vec())) }
}

// === impl JoinError ===

impl Explain for JoinError {
    fn code(&self) -> Code {
        match self {
            Self::Elsewhere { .. } | Self::Started { .. } | Self::Providers(_) | Self::Ending => Code::E1004,
            Self::Begin(error) => error.code(),
            Self::Connect(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Bus(error) => error.code(),
            Self::Move(error) => error.code(),
            Self::Entrance(error) => error.code(),
            Self::Load(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::NatsLogin;

    use super::*;

    #[test]
    fn a_host_joins_from_where_it_is_alone_and_the_same_twice_is_nothing() {
        let view = |standing| MembershipView {
            host: "N".into(),
            host_name: "ada".into(),
            lattice: "shop".into(),
            bus: "nats://a".into(),
            standing,
            acknowledged: None,
            leads_away: Vec::new(),
        };
        let entrance =
            |lattice: &str| Entrance { nats: "nats://a".into(), lattice: lattice.into(), login: NatsLogin::default() };
        let (shop, other) = (entrance("shop"), entrance("other"));
        assert!(matches!(may_join(&view(Standing::Alone), &shop, None), Ok(None)));
        assert!(matches!(may_join(&view(Standing::Joined), &shop, Some(&shop)), Ok(Some(_))));
        let refused = may_join(&view(Standing::Joined), &other, Some(&shop)).expect_err("it is elsewhere");
        assert_eq!(refused.to_string(), "this host is in lattice shop on nats://a");
        assert!(matches!(may_join(&view(Standing::Started), &shop, None), Err(JoinError::Started { .. })));
        assert!(matches!(may_leave(&view(Standing::Alone)), Ok(Some(_))));
        assert!(matches!(may_leave(&view(Standing::Joined)), Ok(None)));
        assert!(may_leave(&view(Standing::Started)).is_err());
        assert!(may_move(&[]).is_ok() && may_move(&["kv".into()]).is_err());
    }
}
