//! This is how the engine is set up: which compiler, with tasks or without, pooled or not.
//!
//! The process that compiles and the process that runs must agree on everything that shapes native code, so both get their
//! configuration from [`Settings::config`].
//!
//! # Invariants
//!
//! 1. What changes the code is in [`Settings`]; what only changes how instances are laid out is in [`Layout`].
//! 2. Every engine counts epochs: nothing runs without a way to stop it.

use wasmtime::{Config, Enabled, Inlining, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

/// How WebAssembly becomes something that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    /// Wasmtime's optimising compiler: the fastest code.
    #[default]
    Cranelift,
    /// Wasmtime's baseline compiler: one pass, compiles several times faster, runs slower.
    Winch,
    /// Wasmtime's portable interpreter, for machines that no compiler knows.
    Pulley,
}

/// What shapes the compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The compiler.
    pub compiler: Compiler,
    /// Whether components may use tasks, streams and futures (WASI 0.3). Without them calls between a component and the host
    /// are about twice as fast, so components that need none get an engine without.
    pub has_concurrency: bool,
    /// Whether a call from one module of a component to another may become part of the caller: that makes calls between fused
    /// components cheap, and compiling up to seven times as long. Only Cranelift does it.
    pub has_inlining: bool,
}

/// How instances are laid out in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Memory is mapped for each instance: right for one program that runs once.
    OnDemand,
    /// Slots are reserved beforehand and kept resident: right for many instances, one for each request.
    Pooled {
        /// Instances that can exist at once.
        instances: u32,
    },
}

// === impl Compiler ===

impl Compiler {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Cranelift, Self::Winch, Self::Pulley];

    /// The name as flags have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cranelift => "cranelift",
            Self::Winch => "winch",
            Self::Pulley => "pulley",
        }
    }
}

impl std::str::FromStr for Compiler {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|compiler| compiler.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no engine; there are cranelift, winch and pulley"))
    }
}

// === impl Settings ===

impl Settings {
    /// How many settings there are for one compiler.
    pub const KINDS: usize = 4;

    /// Which of the settings for its compiler these are, below [`KINDS`](Self::KINDS).
    pub fn kind(self) -> usize {
        usize::from(self.has_concurrency) + 2 * usize::from(self.has_inlining)
    }

    /// The configuration of an engine.
    pub fn config(self, layout: Layout) -> wasmtime::Result<Config> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(self.has_concurrency)
            .wasm_component_model_implements(true)
            .wasm_component_model_async(self.has_concurrency);
        match self.compiler {
            Compiler::Cranelift => {
                config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed);
                if self.has_inlining {
                    config.compiler_inlining(Inlining::InterModule);
                }
            }
            Compiler::Winch => {
                config.strategy(Strategy::Winch);
            }
            Compiler::Pulley => {
                config.target(if cfg!(target_pointer_width = "64") { "pulley64" } else { "pulley32" })?;
            }
        }
        if let Layout::Pooled { instances } = layout {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        }
        Ok(config)
    }
}

/// The three settings that keep memory resident are worth a third of a request: a page fault costs more than a memset.
fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.linear_memory_keep_resident(1 << 20).table_keep_resident(64 << 10).pagemap_scan(Enabled::Auto);
    // A component made of several modules has several memories and tables.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        // Addresses cost nothing: the meter of each instance holds it to its limit.
        .max_memory_size(1 << 32)
        .table_elements(1 << 16)
        .max_core_instances_per_component(64)
        .max_memories_per_component(16)
        .max_tables_per_component(64);
    pool
}
