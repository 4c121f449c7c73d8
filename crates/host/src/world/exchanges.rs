//! Puts links in the place of others while everything runs, and takes them out.
//!
//! What is put counts before what was said when the host was started. Where it is deleted, what was said at the start for the same
//! imports counts again, as it will after the next start.
//!
//! # Invariants
//!
//! 1. A target is opened before anything changes; one that cannot be opened leaves everything as it was, unless that is wanted,
//!    or the link counted before: then it counts, and its target is tried again.
//! 2. A link is exchanged for another in one step: no request is led to what the host has by itself meanwhile.
//! 3. The same link twice changes nothing the second time.

use capability::{OpenError, provider};
use model::{Link, LinkDel, LinkId, LinkPut, LinkView, Target};
use stdx::Chain;

use super::World;
use super::live::{LinkTarget, Live, PAUSE_MIN, TargetState};
use crate::links::{self, LinkError, Resolved, Said};
use crate::serving::Serving;

/// A link that can be put: its target is open, unless it may be put without.
pub(crate) struct Ready {
    resolved: Resolved,
    target: Option<LinkTarget>,
    interfaces: Vec<String>,
}

/// What becomes of a link whose target cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unopened {
    /// It is refused.
    Refused,
    /// It is put, and its target tried again; it is refused where the target does not take what it is told.
    Tried,
    /// It is put whatever the reason. It counts already: without it calls would go to what the host has by itself, and nobody
    /// would know.
    Kept,
}

/// What came of a link that was put or deleted.
pub(crate) struct Exchanged {
    /// The link that was meant.
    pub(crate) id: LinkId,
    /// What stands there now.
    pub(crate) now: Option<LinkView>,
    /// What stood there.
    pub(crate) before: Option<LinkView>,
    was: Option<(Link, Said)>,
}

impl World {
    /// Puts a link. When it is put, what calls the component by it has begun: a message that is sent from then on is heard.
    pub(crate) async fn put(&self, wanted: LinkPut) -> Result<Exchanged, LinkError> {
        let ready = self.ready(wanted).await?;
        self.exchange(ready, Said::Since).await
    }

    /// Puts a link that the lattice keeps, or that the host had before. Where its target cannot be opened, that is in the log.
    pub(crate) async fn put_kept(&self, wanted: LinkPut) -> Result<Exchanged, LinkError> {
        let ready = self.ready_or(wanted, Unopened::Kept).await?;
        if let Some(LinkTarget { state: TargetState::Trouble { text, .. }, .. }) = &ready.target {
            let link = ready.id();
            tracing::warn!(%link, error = text, "the target of a link cannot be opened; it is tried again");
        }
        self.exchange(ready, Said::Since).await
    }

    /// Finds out what a wanted link becomes, and opens its target.
    pub(crate) async fn ready(&self, wanted: LinkPut) -> Result<Ready, LinkError> {
        let unopened = if wanted.unchecked { Unopened::Tried } else { Unopened::Refused };
        self.ready_or(wanted, unopened).await
    }

    async fn ready_or(&self, wanted: LinkPut, unopened: Unopened) -> Result<Ready, LinkError> {
        let (resolved, interfaces) = {
            let live = self.live.lock().await;
            let resolved = links::resolve(wanted, &self.known(&live.members), &live.table)?;
            let imports = live.members.get(&resolved.link.id.source).map(|member| member.shape.imports.as_slice());
            let interfaces = links::interfaces_of(&resolved.link.id.contract, imports.unwrap_or_default());
            (resolved, interfaces)
        };
        let target = match (&resolved.link.target, &resolved.settings) {
            (Target::Capability { capability, backend }, Some(told)) => {
                let state = match self.config.capabilities.open(capability, backend, told).await {
                    Ok(opened) => TargetState::Open(opened),
                    Err(error) if unopened.refuses(&error) => return Err(error.into()),
                    Err(error) => TargetState::trouble(&error, PAUSE_MIN),
                };
                Some(LinkTarget { told: told.clone(), state, complaint: None })
            }
            _ => None,
        };
        Ok(Ready { resolved, target, interfaces })
    }

    /// Puts a link that is ready.
    pub(crate) async fn put_ready(&self, ready: Ready) -> Result<Exchanged, LinkError> {
        self.exchange(ready, Said::Since).await
    }

    async fn exchange(&self, ready: Ready, said: Said) -> Result<Exchanged, LinkError> {
        let Ready { resolved: Resolved { link, .. }, target, .. } = ready;
        let id = link.id.clone();
        if let Some(there) = self.live.lock().await.same(&link, said, target.as_ref()) {
            return Ok(there);
        }
        let _fused = self.fuse_beforehand(&id, |live| live.exchange((link.clone(), said), None)).await?;
        let mut live = self.live.lock().await;
        let before = live.view(&id);
        let old = live.exchange((link, said), target);
        let was = old.0.clone();
        self.relink(&mut live, &id, old).await?;
        self.publish(&live);
        self.troubled.notify_one();
        let now = live.view(&id);
        let begun = live.members.get(&id.source).and_then(|member| member.serving.as_ref()).map(Serving::begun);
        drop(live);
        if let Some(begun) = begun {
            begun.await;
        }
        Ok(Exchanged { id, now, before, was })
    }

    /// Takes a link out. What was said at the start for the same imports counts again; where nothing was, the import leads to what the
    /// host has by itself, where it has something.
    pub(crate) async fn delete(&self, wanted: LinkDel) -> Result<Exchanged, LinkError> {
        let live = self.live.lock().await;
        let id = self.find(&live, wanted.clone())?;
        let beneath = live.beneath(&id);
        drop(live);
        if let Some(declared) = beneath
            && let Some(exchanged) = self.put_beneath(&id, declared).await
        {
            return Ok(exchanged);
        }
        let _fused = self.fuse_beforehand(&id, |live| live.take(&id)).await?;
        let mut live = self.live.lock().await;
        // Another may have deleted it meanwhile.
        let id = self.find(&live, wanted)?;
        let before = live.view(&id);
        let old = live.take(&id);
        let was = old.0.clone();
        self.relink(&mut live, &id, old).await?;
        if matches!(was, Some((_, Said::AtStart))) {
            live.declared.remove(&id);
        }
        self.publish(&live);
        Ok(Exchanged { id, now: None, before, was })
    }

    /// Puts what was said at the start in the place of a link, where that can be.
    async fn put_beneath(&self, id: &LinkId, declared: LinkPut) -> Option<Exchanged> {
        let exchanged = match self.ready_or(declared, Unopened::Kept).await {
            // What its source or target is may have changed since.
            Ok(ready) if ready.resolved.link.id != *id => return None,
            Ok(ready) => self.exchange(ready, Said::AtStart).await,
            Err(error) => Err(error),
        };
        let log = |error: &LinkError| {
            tracing::warn!(link = %id, error = %Chain(error), "what was said at the start cannot be linked again");
        };
        exchanged.inspect_err(log).ok()
    }

    /// Takes a link out that was put, if there is one: what was said at the start stays. Where capabilities keep a package together,
    /// one of these successors may have its place already, and stays as well.
    pub(crate) async fn take_back(&self, wanted: LinkDel, successors: &[Target]) -> Result<(), LinkError> {
        let is_meant = {
            let live = self.live.lock().await;
            let id = self.find(&live, wanted.clone())?;
            let is_put = live.table.said(&id) == Some(Said::Since);
            let is_successor = |link: &Link| successors.iter().any(|target| leads_to(link, target));
            is_put && (id.contract.interface.is_some() || !live.table.get(&id).is_some_and(is_successor))
        };
        if is_meant { self.delete(wanted).await.map(drop) } else { Ok(()) }
    }

    /// Has everything be as it was before a link was put or deleted, as far as that can be.
    pub(crate) async fn undo(&self, Exchanged { id, was, .. }: Exchanged) {
        let undone = match was {
            Some((link, said)) => {
                let ready = self.ready_or(again(link), Unopened::Kept).await;
                match ready {
                    Ok(ready) => self.exchange(ready, said).await.map(drop),
                    Err(error) => Err(error),
                }
            }
            None => {
                let LinkId { source, name, contract } = id.clone();
                self.delete(LinkDel { source, name, contract: Some(contract) }).await.map(drop)
            }
        };
        if let Err(error) = undone {
            tracing::error!(link = %id, error = %Chain(&error), "a change that is not kept cannot be undone");
        }
    }
}

/// The same link, wanted once more.
fn again(Link { id: LinkId { source, name, contract }, target, config, terms }: Link) -> LinkPut {
    LinkPut { source, target, name, contract: Some(contract), config, terms, unchecked: true }
}

/// Whether a link leads there: also where whoever has that name is called as a provider.
fn leads_to(link: &Link, target: &Target) -> bool {
    let is_called = |name: &str| link.config.get(provider::ID.name).is_some_and(|id| id == name);
    match (&link.target, target) {
        (Target::Capability { backend, .. }, Target::Component(name)) => {
            backend == provider::NAME && is_called(name.as_str())
        }
        (is, wanted) => is == wanted,
    }
}

// === impl Unopened ===

impl Unopened {
    /// Whether a link is not put for this reason.
    fn refuses(self, error: &OpenError) -> bool {
        match self {
            Self::Refused => true,
            Self::Tried => matches!(error, OpenError::Refused { .. }),
            Self::Kept => false,
        }
    }
}

// === impl Exchanged ===

impl Exchanged {
    /// Whether somebody had put what stood there, while the host ran.
    pub(crate) fn was_put(&self) -> bool {
        matches!(self.was, Some((_, Said::Since)))
    }
}

// === impl Ready ===

impl Ready {
    /// The link.
    pub(crate) fn id(&self) -> &LinkId {
        &self.resolved.link.id
    }

    /// The interfaces that it is for.
    pub(crate) fn interfaces(&self) -> &[String] {
        &self.interfaces
    }
}

// === impl Live ===

impl Live {
    /// That a link is there already, exactly as it is to be put, and open.
    fn same(&self, link: &Link, said: Said, target: Option<&LinkTarget>) -> Option<Exchanged> {
        let is_open = |target: &LinkTarget| matches!(target.state, TargetState::Open(_));
        let is_same_target = match (self.targets.get(&link.id), target) {
            (Some(there), Some(wanted)) => is_open(there) && is_open(wanted) && there.told == wanted.told,
            (None, None) => true,
            _ => false,
        };
        let is_there = self.table.get(&link.id) == Some(link) && self.table.said(&link.id) == Some(said);
        let view = self.view(&link.id).filter(|_| is_there && is_same_target)?;
        let was = Some((link.clone(), said));
        Some(Exchanged { id: link.id.clone(), now: Some(view.clone()), before: Some(view), was })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_counts_already_is_put_whatever_its_target_says() {
        let refused = OpenError::refused("redis", "there is no password at env:TILL");
        let away = OpenError::unavailable("redis", "nobody listens");
        let refuses = |unopened: Unopened| [unopened.refuses(&refused), unopened.refuses(&away)];
        assert_eq!(refuses(Unopened::Refused), [true, true]);
        assert_eq!(refuses(Unopened::Tried), [true, false], "it may come, but what it is told is wrong");
        assert_eq!(refuses(Unopened::Kept), [false, false]);
    }
}
