//! The `wattle` command: one binary that takes any WebAssembly program and runs it.

use std::process::ExitCode;

mod alone;
mod cli;
mod failure;
mod imports;
mod nats;
mod output;
mod progress;
mod reach;
mod registries;

mod cache;
mod call;
mod component;
mod context;
mod get;
mod inspect;
mod label;
mod lattice;
mod link;
mod placed;
mod provider;
mod push;
mod registry;
mod run;
mod secret;
mod seen;
mod settings;
mod spy;
mod token;
mod up;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The child that compiles is this same binary: it has to limit itself before anything else happens.
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.first().is_some_and(|first| first == engine::compile::CHILD_ARGUMENT) {
        return engine::compile::compile_child(&arguments[1..]);
    }
    cli::dispatch()
}
