//! This is what starting a program by itself takes, whether it is run or called: folders, a runtime, a clock, and a word on how it
//! ended.

use std::path::Path;
use std::process::ExitCode;

use engine::{Engines, Failure as Ended, Program, Refused, Settings, Use};
use host::LoadError;
use rt::{Activity, Ticker};
use stdx::{ByteSize, Code};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::failure::Failure;

/// How much memory a program may have, and how many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) memory: ByteSize,
    pub(crate) seconds: f64,
}

/// Reads what a program is.
pub(crate) fn read<'a>(engines: &Engines, bytes: &'a [u8], file: &Path) -> Result<Program<'a>, Failure> {
    Ok(engines.read(bytes, Use::Alone).map_err(|source| LoadError::Prepare { path: file.to_owned(), source })?)
}

/// Lets the program into folders: each `HOST` or `HOST::GUEST`.
pub(crate) fn open_folders(wasi: &mut WasiCtxBuilder, folders: &[String]) -> Result<(), Failure> {
    for folder in folders {
        let (host, guest) = folder.split_once("::").unwrap_or((folder, folder));
        let opened = wasi.preopened_dir(host, guest, FsPerms::ReadWrite);
        opened.map_err(|error| {
            Failure::new(Code::E0101, format!("the folder {host} cannot be opened: {:#}", error.root_cause()))
        })?;
    }
    Ok(())
}

/// A runtime of one thread, this one.
pub(crate) fn new_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)
}

/// The clock by which the programs of an engine are stopped, until it is dropped.
pub(crate) fn spawn_clock(engines: &Engines, settings: Settings) -> Result<Ticker, Failure> {
    let engine = engines.engine(settings)?.clone();
    let on_tick = move || {
        engine.increment_epoch();
        Activity::Busy
    };
    Ticker::spawn(on_tick).map_err(cannot_start)
}

fn cannot_start(error: std::io::Error) -> Failure {
    Failure::new(Code::E0209, format!("the runtime cannot be started: {error}"))
}

/// The engine refuses what does not depend on any program.
pub(crate) fn engine_failure(error: wasmtime::Error) -> Failure {
    Failure::new(Code::E0209, format!("the engine cannot be set up: {error:#}"))
}

/// An exit code as a shell has it: only the lowest eight bits arrive.
pub(crate) fn exit_code(code: i32) -> ExitCode {
    ExitCode::from((code & 0xff) as u8)
}

/// What it means that `what` ended before its work did.
pub(crate) fn conclude(ended: Ended, what: &str, allowed: Allowed) -> Result<ExitCode, Failure> {
    let (code, text) = match ended {
        Ended::Exit(code) => return Ok(exit_code(code)),
        Ended::OutOfTime => (Code::E0207, format!("{what} was stopped after {} s", allowed.seconds)),
        Ended::OutOfMemory(Refused::TableElements(count)) => {
            (Code::E0208, format!("{what} wanted tables of {count} elements"))
        }
        Ended::OutOfMemory(Refused::Memory(_)) => {
            (Code::E0208, format!("{what} needed more than {} of memory", allowed.memory))
        }
        Ended::Full => (Code::E0209, format!("no room for {what}")),
        Ended::Trap(trap) => (Code::E0206, format!("{what} trapped: {trap}")),
    };
    Err(Failure::new(code, text))
}
