//! Requests between components, and between them and providers: those that come for a component of this host are handed to the
//! data plane, which answers them as any, and those that a component sends by a link find whoever answers.
//!
//! # Invariants
//!
//! 1. What stays on this host crosses no network: it goes over a wire of its own, and is bounded as the rest.

use std::sync::Arc;

use bus::{SubjectError, patiently};
use engine::Egress;
use futures::future::OptionFuture;
use http_capability::Receiving;
use http_capability::outgoing::Linked;
use model::{ComponentName, Link, Reach};
use wire::http::Handler;
use wire::{Address, Lanes, Origin, Reason, Refusal, Wire};

use super::Abroad;
use super::everywhere::serve_by;
use super::reached::{Exposed, ToldToEnd};
use crate::world::Fronts;

// === impl Abroad ===

impl Abroad {
    /// Lets others ask a component over HTTP. Called within the control plane's runtime.
    pub(crate) fn ask(&self, component: &ComponentName, receiving: Receiving, fronts: Fronts) -> Exposed {
        let address = self.peers.address(component.as_str());
        let (here, lanes, component) = (self.here.clone(), self.peers.lanes().clone(), component.clone());
        Exposed::start(|told| async move {
            let serve = move |wire, told| serve((wire, told), (receiving.clone(), component.clone()), address.clone());
            let by_here = here.map(|wire| serve(wire, told.clone()));
            tokio::join!(OptionFuture::from(by_here), serve_by(lanes, fronts, told, serve));
        })
    }

    /// The way of a component's requests by a link to `target`: a component, or a provider that sends them out.
    pub(crate) fn requests(&self, link: &Link, target: &ComponentName) -> Result<Arc<dyn Egress>, SubjectError> {
        let handler = Handler::any(&self.peers.address(target.as_str()))?;
        let ways = match link.terms.reach {
            Reach::PreferLocal | Reach::Fused => self.ways(),
            Reach::Local => self.ways().into_iter().take(1).collect(),
            Reach::Remote => vec![self.peers.lanes().clone()],
        };
        let ways = ways.into_iter().map(|lanes| (lanes, handler.clone())).collect();
        let (source, link_name) = (Some(link.id.source.to_string()), Some(link.id.name.as_str().to_owned()));
        let origin = Origin { source, link_name, ..Origin::default() };
        Ok(Arc::new(Linked::new(ways, origin, link.terms.timeout)))
    }

    /// The wires that lead to a component wherever it runs, that of this host alone before the others.
    fn ways(&self) -> Vec<Lanes> {
        self.here.iter().cloned().map(Lanes::from).chain([self.peers.lanes().clone()]).collect()
    }
}

async fn serve(
    (wire, mut told): (Wire, ToldToEnd),
    (receiving, component): (Receiving, ComponentName),
    address: Address,
) {
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
    accepting.drain().await;
}
