//! This is who is asked in one call: one of those who serve, or any of them.
//!
//! # Invariants
//!
//! 1. What a call finds out about a host is known to the next call: that it is silent, full, or has left. One that has another
//!    version is passed over as one that is full: it is asked last for a moment.
//! 2. A call is given up early only where it may run twice and somebody else can be asked.

use bus::Subject;
use bytes::Bytes;
use rt::{Late, within};

use crate::inbound::Fault;
use crate::inbox::Mailbox;
use crate::invoke::{Again, InvokeError};
use crate::limits::Limits;
use crate::roster::{Counted, Member, Roster};

/// Who is asked.
pub(crate) struct Asked {
    /// What is called, whoever answers.
    pub(crate) remote: Subject,
    /// Where the call goes.
    pub(crate) subject: Subject,
    roster: Option<Roster>,
    member: Option<Counted>,
    again: Again,
}

/// What comes of waiting for an answer that may be waited for in vain.
pub(crate) enum Waited {
    /// It has come, or it is known why not.
    Answered(Result<Bytes, Fault>),
    /// Who had taken the call is not there any more.
    Lost,
}

// === impl Asked ===

impl Asked {
    /// One of those on the roster; where that knows nobody, and without one, any.
    pub(crate) fn one_of(roster: Option<&Roster>, remote: &Subject, again: Again) -> Self {
        let member = roster.and_then(Roster::choose);
        let at = roster.zip(member.as_ref()).and_then(|(roster, member)| roster.at(member, remote).ok());
        // Where the name is too long for a subject, any is asked.
        let member = member.filter(|_| at.is_some()).map(Member::count);
        let subject = at.unwrap_or_else(|| remote.clone());
        Self { remote: remote.clone(), subject, roster: roster.cloned(), member, again }
    }

    /// Waits until the call was heard, see [`Mailbox::accepted`].
    pub(crate) async fn heard(
        &self,
        mailbox: &Mailbox,
        limits: &Limits,
    ) -> Result<Result<Option<Subject>, Fault>, Late> {
        let soon = limits.accept_soon.min(limits.accept_max);
        let late = match within(Some(soon), mailbox.accepted()).await {
            Ok(heard) => return Ok(heard),
            Err(late) => late,
        };
        if self.is_given_up_early() {
            return Err(late);
        }
        let heard = within(Some(limits.accept_max - soon), mailbox.accepted()).await;
        heard.map_err(|_late| Late(limits.accept_max))
    }

    /// Passes the host over that is silent. Says whether this call is given up, too.
    fn is_given_up_early(&self) -> bool {
        let Some(roster) = &self.roster else { return false };
        let has_other = match &self.member {
            Some(member) => {
                roster.doubt(member);
                roster.has_other(member)
            }
            // The bus chose, since nobody was known yet: by now somebody may be.
            None => !roster.is_empty(),
        };
        self.again == Again::May && has_other
    }

    /// Waits for the answer of a call that was heard; where it may be made again, no longer than who took it is there.
    pub(crate) async fn values(&self, mailbox: &Mailbox) -> Waited {
        match (&self.roster, &self.member) {
            (Some(roster), Some(member)) if self.again == Again::May => tokio::select! {
                biased;
                values = mailbox.values() => Waited::Answered(values),
                () = roster.lost(member) => Waited::Lost,
            },
            _ => Waited::Answered(mailbox.values().await),
        }
    }

    /// Learns how the call failed, and says what that is where one was asked by name.
    pub(crate) fn failed(&self, error: InvokeError) -> InvokeError {
        let (Some(roster), Some(member)) = (&self.roster, &self.member) else { return error };
        match error {
            InvokeError::NobodyThere { remote } => {
                roster.miss(member);
                InvokeError::Left { remote }
            }
            InvokeError::Refused { refusal, remote } => {
                if refusal.reason.may_run_elsewhere() {
                    roster.spare(member);
                }
                InvokeError::Refused { refusal, remote }
            }
            error => error,
        }
    }
}
