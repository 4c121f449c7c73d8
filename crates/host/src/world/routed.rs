//! Routes components by links of the lattice: those of this host, and those that run on others.
//!
//! # Invariants
//!
//! 1. Of two links that want the same requests the first keeps them; the other is refused.
//! 2. A listener that was opened for a link is there as long as any link is at it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use http_capability::{Answers, Away, Counts, Directory, Door, Entrance, OpenDoor, Publisher};
use model::{ComponentName, RouteId, RoutePut};
use route::{Route, RouteError};
use stdx::Chain;
use tokio::sync::SetOnce;

use super::World;
use super::live::{Live, Member};
use crate::abroad::Abroad;
use crate::holder::holder_of;
use crate::load::LoadError;
use crate::routing::{Listener, RoutingError, door, place};

/// The data plane as the components see it.
pub(crate) struct Front {
    pub(crate) publisher: Publisher,
    pub(crate) entrance: Entrance,
    pub(crate) listeners: Vec<Listener>,
}

/// The data plane, once it has started.
pub(crate) type Fronts = Arc<SetOnce<Front>>;

/// What is routed by a link.
pub(super) struct Routed {
    pub(super) route: Route,
    /// How it is asked where it does not run here.
    pub(super) away: Arc<Away>,
    opened: Option<SocketAddr>,
}

/// What links route, and the listeners that were opened for that.
#[derive(Default)]
pub(super) struct Routing {
    pub(super) routed: BTreeMap<RouteId, Routed>,
    doors: BTreeMap<SocketAddr, OpenDoor>,
}

impl World {
    /// From now on changes are published there, and other hosts ask the components of this one through it.
    pub(crate) async fn open_to(&self, front: Front) {
        // It is set once, when the data plane has started.
        drop(self.front.set(front));
        let mut live = self.live.lock().await;
        let Live { beyond, members, .. } = &mut *live;
        members.values_mut().for_each(|member| self.let_ask(&beyond.abroad, member));
    }

    /// Lets other hosts ask a component over HTTP, where it answers that.
    pub(super) fn let_ask(&self, abroad: &Abroad, member: &mut Member) {
        let receiving = || self.front.get()?.entrance.receiving();
        match (&member.served, &member.asked) {
            (Some(_), None) => {
                let ask = |receiving| abroad.ask(member.name(), receiving, self.front.clone());
                member.asked = receiving().map(ask);
            }
            (None, Some(_)) => member.asked = None,
            _ => {}
        }
    }

    /// Whether a link can route a component as it says, as far as that is known before it does.
    pub(crate) async fn check_route(&self, RoutePut { id, config }: &RoutePut) -> Result<(), RoutingError> {
        let place = place(config, &self.listeners())?;
        let live = self.live.lock().await;
        live.check_route(id, &place.route)?;
        match place.opened.filter(|address| !live.routing.doors.contains_key(address)) {
            Some(address) => listen(address).map(drop),
            None => Ok(()),
        }
    }

    /// Routes a component as a link says, in the place of what the same link said before.
    pub(crate) async fn route(&self, RoutePut { id, config }: RoutePut) -> Result<(), RoutingError> {
        let place = place(&config, &self.listeners())?;
        let mut live = self.live.lock().await;
        live.check_route(&id, &place.route)?;
        if let Some(address) = place.opened
            && !live.routing.doors.contains_key(&address)
        {
            match self.open_door(address) {
                Ok(opened) => drop(live.routing.doors.insert(address, opened)),
                // Another host of this machine may have been quicker. It is the lattice's route all the same.
                Err(error) => tracing::warn!(component = %id.target, error = %Chain(&error), "not routed by this host"),
            }
        }
        let away = match live.routing.routed.get(&id) {
            Some(routed) => routed.away.clone(),
            None => Arc::new(self.away(&live.beyond.abroad, &id)?),
        };
        live.routing.routed.insert(id, Routed { route: place.route, away, opened: place.opened });
        live.routing.close_doors();
        self.publish(&live);
        Ok(())
    }

    /// What a link routed is not routed by it any more.
    pub(crate) async fn unroute(&self, id: &RouteId) {
        let mut live = self.live.lock().await;
        if live.routing.routed.remove(id).is_some() {
            // Who has begun with it ends with it.
            self.publish(&live);
            live.routing.close_doors();
        }
    }

    /// What all components answer.
    pub(crate) async fn directory(&self) -> Result<Directory, RouteError> {
        self.live.lock().await.directory()
    }

    pub(super) fn publish(&self, live: &Live) {
        let Some(front) = self.front.get() else { return };
        match live.directory() {
            Ok(directory) => front.publisher.publish(directory),
            Err(error) => tracing::error!(%error, "routes that were free are taken"),
        }
    }

    /// From now on requests for components elsewhere go there. What cannot go there goes on as it was.
    pub(super) fn route_anew(&self, live: &mut Live) {
        let Live { beyond, routing, .. } = live;
        for (id, routed) in &mut routing.routed {
            match self.away(&beyond.abroad, id) {
                Ok(away) => routed.away = Arc::new(away),
                Err(error) => tracing::warn!(component = %id.target, error = %Chain(&error), "not routed anew"),
            }
        }
    }

    fn away(&self, abroad: &Abroad, RouteId { source, target, .. }: &RouteId) -> Result<Away, RoutingError> {
        let bounds = (self.config.limits.clone(), Counts::for_cores(self.config.cores));
        let away = abroad.away((source.as_str(), target), bounds);
        away.map_err(|_bad| RoutingError::Name(target.clone()))
    }

    fn listeners(&self) -> Vec<Listener> {
        self.front.get().map(|front| front.listeners.clone()).unwrap_or_default()
    }

    fn open_door(&self, address: SocketAddr) -> Result<OpenDoor, RoutingError> {
        let no_plane = || RoutingError::Listen { address, why: "this host serves nothing yet".into() };
        let Front { entrance, .. } = self.front.get().ok_or_else(no_plane)?;
        let door = Door { name: Some(door(address).into()), listener: listen(address)?, tls: None };
        entrance.open(door).map_err(|error| RoutingError::Listen { address, why: error.to_string() })
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, RoutingError> {
    TcpListener::bind(address).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => holder_of(address).map(|holder| format!("{holder} listens there")),
            _ => None,
        };
        RoutingError::Listen { address, why: why.unwrap_or_else(|| error.to_string()) }
    })
}

impl Live {
    /// Sees to it that nobody else has a route, and that the component answers requests if it is here. What the same link led to
    /// another component is led there until it is taken out.
    fn check_route(&self, id: &RouteId, route: &Route) -> Result<(), RoutingError> {
        let target = self.members.get(&id.target);
        if target.is_some_and(|member| member.served.is_none()) {
            return Err(RoutingError::NoHandler(id.target.clone()));
        }
        let own = self.members.values().find(|member| member.routes.contains(route)).map(Member::name);
        let routed = || {
            let is_other = |other: &RouteId| (&other.source, &other.name) != (&id.source, &id.name);
            let mut others = self.routing.routed.iter().filter(|(other, _)| is_other(other));
            others.find(|(_, routed)| routed.route == *route).map(|(other, _)| &other.target)
        };
        match own.or_else(routed).filter(|holder| **holder != id.target) {
            Some(holder) => Err(RoutingError::Taken { route: route.clone(), holder: holder.clone() }),
            None => Ok(()),
        }
    }

    /// All routes that components have which others, or they themselves, have already.
    pub(super) fn taken(&self) -> Vec<LoadError> {
        let served = self.members.values().filter(|member| member.served.is_some());
        let routes = served.flat_map(|member| member.routes.iter().map(move |route| (route, member.name())));
        let (mut holders, mut taken) = (Vec::new(), Vec::new());
        for (route, second) in routes {
            match holders.iter().find(|(held, _)| *held == route) {
                None => holders.push((route, second)),
                Some((_, first)) => {
                    let (route, first, second) = (route.clone(), ComponentName::clone(first), second.clone());
                    taken.push(LoadError::Taken { route: Box::new(route), first, second });
                }
            }
        }
        taken
    }

    /// Who answers what: of a component that a link routes, the one that is here before those elsewhere.
    pub(super) fn directory(&self) -> Result<Directory, RouteError> {
        let served = || self.members.values().filter_map(|member| Some((member, member.served.clone()?)));
        let own = served().flat_map(|(member, served)| {
            member.routes.iter().map(move |route| (route.clone(), Answers::Here(served.clone())))
        });
        let mut routes: Vec<_> = own.collect();
        for (id, routed) in &self.routing.routed {
            // A component may be led to the same place twice, see `check_route`.
            if routes.iter().all(|(route, _)| *route != routed.route) {
                let here = self.members.get(&id.target).and_then(|member| member.served.clone());
                let answers = here.map_or_else(|| Answers::Away(routed.away.clone()), Answers::Here);
                routes.push((routed.route.clone(), answers));
            }
        }
        Directory::new(served().map(|(_, served)| served), routes)
    }

    /// What became of the requests of components that are routed and not here.
    pub(super) fn counts_away(&self) -> impl Iterator<Item = (ComponentName, Arc<[Counts]>)> {
        let away = self.routing.routed.iter().filter(|(id, _)| !self.members.contains_key(&id.target));
        away.map(|(id, routed)| (id.target.clone(), routed.away.counts().clone()))
    }
}

impl Routing {
    /// Closes the listeners at which nothing is routed any more.
    fn close_doors(&mut self) {
        let routed = &self.routed;
        self.doors.retain(|address, _| routed.values().any(|routed| routed.opened == Some(*address)));
    }

    /// Takes no further connection.
    pub(super) fn end(&mut self) {
        self.doors.clear();
    }
}
