//! Answers on the host's own bus what is asked of its membership.
//!
//! | subject | question | answer |
//! | --- | --- | --- |
//! | `wattle.ctl.v1.LATTICE.lattice.join` | [`JoinLattice`] | [`MembershipView`] |
//! | `wattle.ctl.v1.LATTICE.lattice.leave` | nothing | [`MembershipView`] |
//! | `wattle.ctl.v1.LATTICE.lattice.get` | nothing | [`MembershipView`] |

use std::sync::Arc;

use bus::{Message, SubscribeError};
use bytes::Bytes;
use model::{JoinLattice, MembershipView, lattice_subject};
use rt::Task;
use stdx::Chain;

use super::Shared;
use crate::control::{Failed, boxed, read, said};

/// Answers until it is dropped.
pub(super) async fn answer(shared: Arc<Shared>) -> Result<Task, SubscribeError> {
    let bus = shared.home.bus.clone();
    let pattern = lattice_subject("*").parse().expect("the name of a lattice is a word");
    let mut questions = bus.subscribe(pattern, None).await?;
    Ok(Task::spawn(async move {
        while let Some(question) = questions.next().await {
            let Some(payload) = shared.answer_to(&question).await else { continue };
            let Some(answer) = question.answer(payload) else { continue };
            if let Err(error) = bus.publish(answer).await {
                tracing::warn!(error = %Chain(&error), "an answer could not be sent");
            }
        }
    }))
}

impl Shared {
    async fn answer_to(&self, question: &Message) -> Option<Bytes> {
        let outcome: Result<MembershipView, Failed> = match question.subject.tokens().last() {
            Some("join") => match read::<JoinLattice>(&question.payload) {
                Ok(wanted) => self.join(wanted).await.map_err(boxed),
                Err(error) => Err(error),
            },
            Some("leave") => self.leave().await.map_err(boxed),
            Some("get") => Ok(self.view()),
            _ => return None,
        };
        Some(said(match outcome {
            Ok(view) => Ok(self.with_links(view).await),
            Err(error) => Err(error),
        }))
    }

    async fn with_links(&self, view: MembershipView) -> MembershipView {
        let away = self.world.leads_away().await;
        let leads_away = away.iter().map(|(source, target)| format!("{source} -> {target}")).collect();
        MembershipView { leads_away, ..view }
    }
}

/// Whether all of these servers are on this machine.
pub(super) fn is_here(urls: &str) -> bool {
    urls.split(',').all(|url| {
        let rest = url.trim().rsplit("://").next().unwrap_or_default();
        let address = rest.rsplit('@').next().unwrap_or_default().trim_end_matches('/');
        let host = match address.strip_prefix('[').and_then(|address| address.split_once(']')) {
            Some((host, _port)) => host,
            None => address.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_here_or_not() {
        for here in
            ["nats://127.0.0.1:4222", "localhost", "nats://a:b@[::1]:4222/", "tls://127.0.0.2,nats://localhost:1"]
        {
            assert!(is_here(here), "{here}");
        }
        for away in
            ["nats://10.0.0.1:4222", "nats://127.0.0.1:1,nats://nats.example:4222", "", "nats://localhost.evil:1"]
        {
            assert!(!is_here(away), "{away}");
        }
    }
}
