//! This is what the host keeps for one instance: its WASI context, its handles, its limits, and what its imports are bound to.
//!
//! A component's links are decided when it is loaded. Every instance of it shares them as one [`Bound`], so that making an
//! instance copies nothing and looks nothing up by name.
//!
//! # Invariants
//!
//! 1. An instance sees one [`Bound`] from its first instruction to its last: one consistent world.
//! 2. Nothing in a [`State`] grows without a limit: handles by the table's capacity, memory by the [`Meter`].
//! 3. Knows nothing of any capability: those find their own part with [`Bound::part`].

use std::any::{Any, TypeId};
use std::sync::Arc;

use rt::Tick;
use stdx::Trace;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::egress::{Egress, Hooks};
use crate::met::Met;
use crate::meter::{Limits, Meter};
use crate::numbers::{Asked, Numbers};
use crate::part::Part;
use crate::store::Metered;

/// The host's side of one instance.
pub struct State {
    /// WASI itself: arguments, streams, clocks, files. The environment is a part of what a component is bound to.
    pub wasi: WasiCtx,
    /// Settings of `wasi:http`.
    pub http: WasiHttpCtx,
    /// What the component holds handles to.
    pub table: ResourceTable,
    /// Counts and bounds memory, tables and instances.
    pub meter: Meter,
    /// When the current invocation is stopped.
    pub deadline: Tick,
    /// How many components called one another until this one was called: 0 where the host did.
    pub depth: u16,
    /// What whoever linked the component keeps for this instance.
    pub kept: Option<Box<dyn Any + Send>>,
    hooks: Hooks,
    numbers: Asked,
    acting: Part,
    chosen: Vec<Chosen>,
    met: Met,
}

/// The link that a part has chosen for an interface of which it has several.
struct Chosen {
    part: Part,
    interface: Box<str>,
    name: Box<str>,
}

/// What a component's imports are bound to: one part for each capability, where its HTTP requests go, and its environment.
#[derive(Clone)]
pub struct Bound {
    parts: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
    egress: Arc<dyn Egress>,
    environment: Arc<[(String, String)]>,
    /// What the further parts of the component are bound to.
    others: Vec<Arc<Bound>>,
}

// === impl State ===

impl State {
    /// What the link is called that is followed where none was chosen.
    pub const DEFAULT_NAME: &str = "default";

    /// An instance's state with what its component is bound to. Variables of `wasi` are not seen: those of `bound` are.
    pub fn new(wasi: &mut WasiCtxBuilder, limits: &Arc<Limits>, bound: Arc<Bound>) -> Self {
        let wasi = wasi.max_random_size(limits.random_bytes.as_u64()).build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_fields.as_usize());
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            wasi,
            http,
            table,
            meter: Meter::new(limits.clone()),
            deadline: Tick::NEVER,
            depth: 0,
            kept: None,
            hooks: Hooks::new(bound),
            numbers: Asked::default(),
            acting: Part::FIRST,
            chosen: Vec::new(),
            met: Met::default(),
        }
    }

    /// What the component's imports are bound to: those of the part that is acted for, where it was fused of several.
    pub fn bound(&self) -> &Arc<Bound> {
        let bound = self.hooks.bound();
        self.acting.number().checked_sub(1).and_then(|other| bound.others.get(other)).unwrap_or(bound)
    }

    /// The trace that the current invocation is a part of, where it came with one.
    pub fn trace(&self) -> Option<&Trace> {
        self.hooks.trace.as_ref()
    }

    /// An invocation begins that is a part of this trace, or of none. It is the only one in this instance until another
    /// is said to begin, or this one to [end](State::end).
    pub fn follow(&mut self, trace: Option<Trace>) {
        self.hooks.trace = trace;
        self.met.begin();
        self.numbers.begin();
    }

    /// An invocation begins beside others. What is done for several at once belongs to no trace and to no invocation: it cannot be
    /// said for which of them it is done.
    pub fn follow_several(&mut self) {
        self.hooks.trace = None;
        self.numbers.begin_beside();
        self.met.end();
    }

    /// The invocation has ended: what it has met is let go of.
    pub fn end(&mut self) {
        self.met.end();
    }

    /// What is at this place, as the current invocation met it first; `find` knows what is there now. A place is an address that
    /// nothing else has for as long as the instance lives.
    pub fn met<T: Any + Send + Sync>(&mut self, place: usize, find: impl FnOnce() -> Option<Arc<T>>) -> Option<Arc<T>> {
        if let Some(known) = self.met.find(place) {
            return known.clone().downcast().ok();
        }
        let found = find()?;
        self.met.keep(place, || found.clone());
        Some(found)
    }

    /// Which instance this is, and which invocation runs in it: numbers that are given when they are asked for first.
    pub fn numbers(&mut self) -> Numbers {
        self.numbers.numbers()
    }

    /// Lets later calls of an interface, such as `wasi:keyvalue/store`, follow the link of this name: for the part that is acted
    /// for, as long as the instance lives. The caller sees to it that there is such a link.
    pub fn choose(&mut self, interface: &str, name: &str) {
        let part = self.acting;
        self.chosen.retain(|chosen| (chosen.part, &*chosen.interface) != (part, interface));
        if name != State::DEFAULT_NAME {
            self.chosen.push(Chosen { part, interface: interface.into(), name: name.into() });
        }
    }

    /// The name of the link that calls of an interface follow, for the part that is acted for.
    pub fn chosen(&self, interface: &str) -> &str {
        self.chosen_by(self.acting, interface)
    }

    /// The name of the link that a part's calls of an interface follow.
    pub fn chosen_by(&self, part: Part, interface: &str) -> &str {
        let chosen = self.chosen.iter().find(|chosen| (chosen.part, &*chosen.interface) == (part, interface));
        chosen.map_or(State::DEFAULT_NAME, |chosen| &chosen.name)
    }

    /// The state while a function acts for the part of this number, which there is: see [`Part::acting`].
    pub(crate) fn acting<const PART: usize>(&mut self) -> &mut Self {
        self.acting = const { Part::new(PART).expect("there are fewer than that") };
        self
    }
}

impl Metered for State {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn deadline(&mut self) -> &mut Tick {
        &mut self.deadline
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

// === impl Bound ===

impl Bound {
    /// Bound to nothing but a way out for HTTP requests.
    pub fn new(egress: Arc<dyn Egress>) -> Self {
        Self { parts: Vec::new(), egress, environment: Arc::default(), others: Vec::new() }
    }

    /// The same, with these variables as its environment. All instances share them.
    pub fn with_environment(self, environment: Arc<[(String, String)]>) -> Self {
        Self { environment, ..self }
    }

    /// The same, with another way out.
    pub fn through(self, egress: Arc<dyn Egress>) -> Self {
        Self { egress, ..self }
    }

    /// Adds the part of one capability, replacing one of the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, part: T) {
        let id = TypeId::of::<T>();
        self.parts.retain(|(other, _)| *other != id);
        self.parts.push((id, Arc::new(part)));
    }

    /// The part of one capability, where the component was bound to it.
    pub fn part<T: Any + Send + Sync>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.parts.iter().find(|(other, _)| *other == id).and_then(|(_, part)| part.downcast_ref())
    }

    /// Adds the bounds of the further parts, the second part first.
    pub fn with_parts(self, others: Vec<Arc<Bound>>) -> Self {
        Self { others, ..self }
    }

    /// Where the component's HTTP requests go.
    pub fn egress(&self) -> &Arc<dyn Egress> {
        &self.egress
    }

    /// The variables of the component's environment, names before values.
    pub fn environment(&self) -> &Arc<[(String, String)]> {
        &self.environment
    }
}
