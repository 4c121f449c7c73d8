//! This is what one component may use, and the meter that holds an instance to it.
//!
//! # Invariants
//!
//! 1. A refused growth is remembered in the meter, so that the trap that follows can be named for what it was.
//! 2. Limits are values: two instances of a component share one [`Limits`] behind an `Arc`.

use std::sync::Arc;
use std::time::Duration;

use model::ComponentLimits;
use stdx::ByteSize;
use wasmtime::ResourceLimiter;

/// What one component may use. The defaults suit many tenants on one machine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Linear memory of one instance, all its memories together.
    pub memory: ByteSize,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// Wall-clock time of one invocation.
    pub timeout: Duration,
    /// Instances that exist at once, spares included.
    pub instances: usize,
    /// Invocations that run at once.
    pub concurrency: usize,
    /// Bytes of a request's body.
    pub request_body: ByteSize,
    /// Handles that an instance holds: streams, requests, buckets and so on.
    pub handles: usize,
    /// Bytes that one call may have the host copy for it.
    pub hostcall_bytes: ByteSize,
    /// Random bytes that one call may ask for.
    pub random_bytes: ByteSize,
    /// Bytes of one set of headers that the component makes.
    pub header_fields: ByteSize,
}

/// Counts what one instance uses.
pub struct Meter {
    limits: Arc<Limits>,
    memory: usize,
    table_elements: usize,
    refused: Option<Refused>,
}

/// A growth that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// So many bytes of linear memory in all.
    Memory(usize),
    /// So many elements of tables in all.
    TableElements(usize),
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(128),
            table_elements: 1 << 16,
            timeout: Duration::from_secs(30),
            instances: 640,
            concurrency: 512,
            request_body: ByteSize::mib(16),
            handles: 10_000,
            hostcall_bytes: ByteSize::mib(16),
            random_bytes: ByteSize::kib(64),
            header_fields: ByteSize::kib(64),
        }
    }
}

impl Limits {
    /// Limits for a program that someone starts by hand and whose machine is theirs: as much memory as WebAssembly has
    /// addresses for, and no deadline.
    pub fn own_program() -> Self {
        Self {
            memory: ByteSize::mib(4096),
            table_elements: 10_000_000,
            timeout: Duration::MAX,
            handles: 1_000_000,
            hostcall_bytes: ByteSize::mib(1024),
            random_bytes: ByteSize::mib(64),
            ..Self::default()
        }
    }

    /// These for a component that has limits of its own: of both the smaller ones.
    pub fn within(&self, own: ComponentLimits) -> Self {
        Self {
            memory: own.memory.map_or(self.memory, |memory| memory.min(self.memory)),
            timeout: own.time.map_or(self.timeout, |time| time.min(self.timeout)),
            ..self.clone()
        }
    }
}

// === impl Meter ===

impl Meter {
    /// A meter that has counted nothing yet.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, memory: 0, table_elements: 0, refused: None }
    }

    /// What is allowed.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The last growth that was refused, if any was.
    pub fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired - current);
        if total > self.limits.memory.as_usize() {
            self.refused = Some(Refused::Memory(total));
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired - current);
        if total > self.limits.table_elements {
            self.refused = Some(Refused::TableElements(total));
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}
