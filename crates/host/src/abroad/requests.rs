//! Requests between components, and between them and providers: those that come for a component of this host are handed to the
//! data plane, which answers them as any, and those that a component sends by a link find whoever answers.
//!
//! # Invariants
//!
//! 1. What stays on this host crosses no network: it goes over a wire of its own, and is bounded as the rest.

use std::sync::Arc;

use bus::{SubjectError, patiently};
use engine::Egress;
use futures::future::join_all;
use http_capability::Receiving;
use http_capability::outgoing::Linked;
use model::{ComponentName, Link, Reach};
use wire::http::Handler;
use wire::{Address, Origin, Reason, Refusal, Wire};

use super::Abroad;
use super::reached::{Reached, Told};

// === impl Abroad ===

impl Abroad {
    /// Lets others ask a component over HTTP. Called within the control plane's runtime.
    pub(crate) fn ask(&self, component: &ComponentName, receiving: Receiving) -> Reached {
        let address = self.peers.address(component.as_str());
        let (wires, component) = (self.wires(), component.clone());
        Reached::start(|told| async move {
            let serve = |wire| serve((wire, address.clone()), (receiving.clone(), component.clone()), told.clone());
            let serving = join_all(wires.into_iter().map(serve));
            drop(receiving);
            serving.await;
        })
    }

    /// The way of a component's requests by a link to `target`: a component, or a provider that sends them out.
    pub(crate) fn requests(&self, link: &Link, target: &ComponentName) -> Result<Arc<dyn Egress>, SubjectError> {
        let handler = Handler::any(&self.peers.address(target.as_str()))?;
        let wires = match link.terms.reach {
            Reach::PreferLocal | Reach::Fused => self.wires(),
            Reach::Local => self.wires().into_iter().take(1).collect(),
            Reach::Remote => vec![self.peers.wire().clone()],
        };
        let ways = wires.into_iter().map(|wire| (wire, handler.clone())).collect();
        let (source, link_name) = (Some(link.id.source.to_string()), Some(link.id.name.as_str().to_owned()));
        let origin = Origin { source, link_name, ..Origin::default() };
        Ok(Arc::new(Linked::new(ways, origin, link.terms.timeout)))
    }

    /// The wires that a component of this host is reached by, that of this host alone before the others.
    fn wires(&self) -> Vec<Wire> {
        self.here.iter().chain([self.peers.wire()]).cloned().collect()
    }
}

async fn serve((wire, address): (Wire, Address), (receiving, component): (Receiving, ComponentName), mut told: Told) {
    let not_yet = format!("{address} is not asked by other hosts yet");
    let begun = tokio::select! {
        begun = patiently(&not_yet, || wire.accept_http(&address)) => Some(begun),
        () = &mut told => None,
    };
    let Some(mut accepting) = begun else { return };
    let mut is_ending = false;
    loop {
        tokio::select! {
            () = &mut told, if !is_ending => {
                is_ending = true;
                accepting.end();
            }
            call = accepting.next() => match call.map(|call| receiving.give(&component, Box::new(call))) {
                Some(Ok(())) => {}
                Some(Err(call)) => call.respond.refuse(&Refusal::new(Reason::Busy, "")).await,
                None => break,
            }
        }
    }
    // What was handed on is answered by the data plane, which may end when it has done that.
    drop(receiving);
    accepting.drain().await;
}
