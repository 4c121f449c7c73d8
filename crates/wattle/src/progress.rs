//! This is what is shown while a program is pulled or compiled, when that takes long enough to wonder.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use engine::{Engines, Loaded, PrepareError, Program};
use host::LoadError;
use indicatif::{ProgressBar, ProgressStyle};

/// Looks the program up or compiles it, with a spinner on a terminal.
pub(crate) fn prepare(engines: &Engines, program: &Program<'_>, file: &Path) -> Result<Loaded, LoadError> {
    try_prepare(engines, program, file).map_err(|source| LoadError::Prepare { path: file.to_owned(), source })
}

fn try_prepare(engines: &Engines, program: &Program<'_>, file: &Path) -> Result<Loaded, PrepareError> {
    if let Some(loaded) = engines.find(program)? {
        return Ok(loaded);
    }
    let spinner = spinner(format!("compiling {} (once)", file.display()));
    let loaded = engines.compile(program);
    spinner.finish_and_clear();
    loaded
}

/// Something that turns on a terminal while this goes on.
pub(crate) fn spinner(what: String) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}
