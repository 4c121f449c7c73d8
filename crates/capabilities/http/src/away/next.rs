//! Decides what is done about a request that got no answer on another host.

use wire::http::SendError;
use wire::{InvokeError, Reason};

use crate::answer::Refusal;

/// How often a request is sent again.
const TRIES_MAX: u32 = 3;

/// What is known of a request that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    /// Whether all of it can be sent again.
    pub(super) is_whole: bool,
    /// Whether doing it twice is doing it once.
    pub(super) is_idempotent: bool,
    /// How often it was sent again already.
    pub(super) tries: u32,
}

/// What is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is sent again, to whomever the bus chooses.
    Again,
    /// The client is told.
    Refuse(Refusal),
}

pub(super) fn next(error: &SendError, Sending { is_whole, is_idempotent, tries }: Sending) -> Next {
    let again_or = |may_be: bool, refusal| match may_be && is_whole && tries < TRIES_MAX {
        true => Next::Again,
        false => Next::Refuse(refusal),
    };
    let SendError::Invoke(error) = error else { return Next::Refuse(Refusal::FailedAway) };
    match error {
        InvokeError::NobodyThere { .. } => Next::Refuse(Refusal::Nowhere),
        InvokeError::NotSent { .. } | InvokeError::CutOff { .. } => Next::Refuse(Refusal::NoBus),
        InvokeError::Refused { refusal, .. } if refusal.reason == Reason::Busy => again_or(true, Refusal::Full),
        // Who has left has not begun.
        InvokeError::Left { .. } => again_or(true, Refusal::Lost),
        InvokeError::Lost { .. } | InvokeError::Unheard { .. } => again_or(is_idempotent, Refusal::Lost),
        InvokeError::PieceLost { .. } => again_or(is_idempotent, Refusal::FailedAway),
        InvokeError::Late { .. } => Next::Refuse(Refusal::OutOfTime),
        InvokeError::Refused { .. }
        | InvokeError::Values { .. }
        | InvokeError::TooLarge { .. }
        | InvokeError::AnswerTooLarge { .. }
        | InvokeError::NoRoom { .. }
        | InvokeError::Garbled { .. } => Next::Refuse(Refusal::FailedAway),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_may_have_been_begun_is_sent_again_only_where_twice_is_once() {
        let remote = || "default.a.wrpc.0.0.1.b:c/d.e".parse().expect("a subject");
        let refused = |reason| InvokeError::Refused { remote: remote(), refusal: wire::Refusal::new(reason, "") };
        let get = Sending { is_whole: true, is_idempotent: true, tries: 0 };
        let post = Sending { is_idempotent: false, ..get };
        let put = Sending { is_whole: false, ..get };
        let said = |error: InvokeError, sending| next(&error.into(), sending);
        let gone = || InvokeError::Lost { remote: remote() };
        assert_eq!(said(gone(), get), Next::Again);
        assert_eq!(said(gone(), Sending { tries: 3, ..get }), Next::Refuse(Refusal::Lost));
        assert_eq!(said(gone(), post), Next::Refuse(Refusal::Lost), "it may have been done");
        assert_eq!(said(gone(), put), Next::Refuse(Refusal::Lost), "its body is gone");
        let torn = || InvokeError::PieceLost { remote: remote() };
        assert_eq!((said(torn(), get), said(torn(), post)), (Next::Again, Next::Refuse(Refusal::FailedAway)));
        // Who has no room has not begun.
        assert_eq!(said(refused(Reason::Busy), post), Next::Again);
        assert_eq!(said(refused(Reason::Busy), put), Next::Refuse(Refusal::Full));
        assert_eq!(said(refused(Reason::Silent), get), Next::Refuse(Refusal::FailedAway));
        assert_eq!(said(InvokeError::NobodyThere { remote: remote() }, get), Next::Refuse(Refusal::Nowhere));
        let late = InvokeError::Late { remote: remote(), late: rt::Late(Duration::ZERO) };
        assert_eq!(said(late, get), Next::Refuse(Refusal::OutOfTime));
    }
}
